#include "wire/messages/delete_groups.hpp"

#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "node/serve/handlers/handlers.hpp"

namespace dohle::node {

namespace {

using Needed = Parts<Dispatcher, GroupService, Storage>;

/// One request until it is answered. Each slice deletes one group.
class Deleting : public std::enable_shared_from_this<Deleting> {
 public:
  Deleting(const Needed& node, const Call& call, std::vector<std::string> groups)
      : dispatcher_(node.get<Dispatcher>()),
        storage_(node.get<Storage>()),
        groups_(node.get<GroupService>()),
        responder_(call.responder),
        named_(std::move(groups)) {}

  Progress go_on() {
    if (waits_) return Progress::waits;
    if (!std::exchange(is_begun_, true)) {
      return when([this](Task then) { groups_.when_prepared(std::move(then)); });
    }
    const std::size_t next = response_.results.size();
    if (next < named_.size()) {
      response_.results.push_back({named_[next], groups_.remove(named_[next])});
      return Progress::more;
    }
    if (!std::exchange(is_ended_, true)) {
      return when([this](Task then) { storage_.when_durable(std::move(then)); });
    }
    answer_beside(dispatcher_, responder_, std::move(response_), named_.size());
    return Progress::answered;
  }

 private:
  /// `wait` calls its argument, within the call or later; then the next slice runs.
  template <class Wait>
  Progress when(Wait wait) {
    waits_ = true;
    wait([self = shared_from_this()] {
      self->waits_ = false;
      self->dispatcher_.wake(self->responder_.session());
    });
    return waits_ ? Progress::waits : Progress::more;
  }

  Dispatcher& dispatcher_;
  Storage& storage_;
  GroupService& groups_;
  const Responder responder_;
  const std::vector<std::string> named_;
  wire::DeleteGroupsResponse response_;
  bool is_begun_ = false;
  bool is_ended_ = false;
  bool waits_ = false;
};

}  // namespace

void handle(Call& call, wire::DeleteGroupsRequest request) {
  const Needed node = call.node;
  serve_in_slices(node.get<Dispatcher>(), call.responder,
                  std::make_shared<Deleting>(node, call, std::move(request.groups_names)));
}

}  // namespace dohle::node
