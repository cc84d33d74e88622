#include "wire/messages/delete_topics.hpp"

#include <memory>
#include <utility>
#include <vector>

#include "node/limits.hpp"
#include "node/serve/handlers/handlers.hpp"

namespace dohle::node {

namespace {

using DeleteTopicState = wire::DeleteTopicsRequest::DeleteTopicState;
using DeletableTopicResult = wire::DeleteTopicsResponse::DeletableTopicResult;

/// One request until it is answered. Each slice begins one topic, and several may be in progress.
class Deleting : public std::enable_shared_from_this<Deleting> {
 public:
  Deleting(Call& call, std::vector<DeleteTopicState> topics)
      : dispatcher_(call.node.dispatcher),
        storage_(call.node.storage),
        access_(call.access),
        responder_(call.responder),
        topics_(std::move(topics)) {
    response_.responses.reserve(topics_.size());
  }

  Progress go_on() {
    if (under_way_ >= limits::max_topic_changes_per_request) return Progress::waits;
    if (response_.responses.size() == topics_.size()) {
      if (under_way_ > 0) return Progress::waits;
      responder_.answer(response_);
      return Progress::answered;
    }
    begin(topics_[response_.responses.size()]);
    return Progress::more;
  }

 private:
  void begin(const DeleteTopicState& wanted) {
    DeletableTopicResult& deleted = response_.responses.emplace_back();
    deleted.name = wanted.name;
    deleted.topic_id = wanted.topic_id;
    const std::string_view name = wanted.name ? std::string_view(*wanted.name) : "";
    const FoundTopic topic =
        access_.topic({!wanted.name, name, wanted.topic_id}, Operation::remove);
    if (!topic) {
      deleted.error_code = topic.code;
      return;
    }
    deleted.name = topic->name;
    deleted.topic_id = topic->id;
    if (topic->is_internal) {
      return refuse(deleted, Error::broker(broker_error::invalid_request, "topic " + topic->name,
                                           "the node needs this topic itself"));
    }
    ++under_way_;
    storage_.topics().remove(
        topic->id,
        [self = shared_from_this(), place = response_.responses.size() - 1](Result<void> removed) {
          if (!removed) refuse(self->response_.responses[place], removed.error());
          --self->under_way_;
          self->dispatcher_.wake(self->responder_.session());
        });
  }

  static void refuse(DeletableTopicResult& deleted, const Error& why) {
    deleted.error_code = wire_code(why);
    deleted.error_message = text_of(why);
  }

  Dispatcher& dispatcher_;
  Storage& storage_;
  const Access access_;
  const Responder responder_;
  const std::vector<DeleteTopicState> topics_;
  wire::DeleteTopicsResponse response_;
  std::size_t under_way_ = 0;
};

}  // namespace

void handle(Call& call, wire::DeleteTopicsRequest request) {
  // Names up to version 5, then names or ids.
  for (std::string& name : request.topic_names) {
    request.topics.emplace_back().name = std::move(name);
  }
  call.node.dispatcher.go_on(call.responder.session(),
                             [deleting = std::make_shared<Deleting>(
                                  call, std::move(request.topics))] { return deleting->go_on(); });
}

}  // namespace dohle::node
