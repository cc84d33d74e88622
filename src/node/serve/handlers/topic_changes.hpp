#pragma once

#include <cstddef>
#include <memory>
#include <string_view>
#include <utility>

#include "node/limits.hpp"
#include "node/serve/handlers/handlers.hpp"
#include "node/serve/handlers/named_topics.hpp"

namespace dohle::node {

/// The parts of the node by which topics change.
using ChangingParts = Parts<Dispatcher, Storage>;

/// A request that creates, deletes or enlarges topics, until it is answered. Each slice begins one
/// topic, and several may be in progress. Of topics that are given by name alone, names that repeat
/// are refused.
///
/// `topics` and `results` are the lists of the request and of its answer, with an element for each
/// topic. `Derived` is public in `Result<void> begin(const Topic& wanted, TopicResult& into)`.
template <class Derived, auto topics, auto results>
class TopicChanges : public std::enable_shared_from_this<Derived> {
  template <class Owner, class List>
  static Owner owner_of(List Owner::*);
  template <class Owner, class List>
  static typename List::value_type element_of(List Owner::*);

  friend Derived;
  using Request = decltype(owner_of(topics));
  using Response = decltype(owner_of(results));
  using Topic = decltype(element_of(topics));
  using TopicResult = decltype(element_of(results));

  TopicChanges(const ChangingParts& node, Call& call, Request request)
      : dispatcher_(node.get<Dispatcher>()),
        storage_(node.get<Storage>()),
        access_(call.access),
        responder_(call.responder),
        request_(std::move(request)) {
    done().reserve(wanted().size());
  }

 public:
  Progress go_on() {
    if constexpr (are_named) {
      if (!named_.is_complete()) {
        named_.note_some(wanted());
        return Progress::more;
      }
    }
    if (under_way_ >= limits::max_topic_changes_per_request) return Progress::waits;
    if (done().size() == wanted().size()) {
      if (under_way_ > 0) return Progress::waits;
      answer();
      return Progress::answered;
    }
    const Topic& next = wanted()[done().size()];
    TopicResult& topic = done().emplace_back();
    if (auto begun = begin_one(next, topic); !begun) refuse(topic, begun.error());
    return Progress::more;
  }

 protected:
  [[nodiscard]] const Request& request() const { return request_; }
  [[nodiscard]] const Access& access() const { return access_; }
  [[nodiscard]] Storage& storage() const { return storage_; }

  /// The function for the outcome of the change of the newest topic, which is in progress from now
  /// on. `then` gets the object, the topic's result and the outcome.
  template <class Then>
  [[nodiscard]] auto under_way(Then then) {
    ++under_way_;
    return [self = this->shared_from_this(), place = done().size() - 1, then](auto outcome) {
      then(*self, self->done()[place], std::move(outcome));
      --self->under_way_;
      self->dispatcher_.wake(self->responder_.session());
    };
  }

  static void refuse(TopicResult& topic, const Error& why) {
    topic.error_code = wire_code(why);
    topic.error_message = text_of(why);
  }

 private:
  static constexpr bool are_named = requires(const Topic& topic) { std::string_view(topic.name); };

  [[nodiscard]] const auto& wanted() const { return request_.*topics; }
  [[nodiscard]] auto& done() { return response_.*results; }

  Result<void> begin_one(const Topic& next, TopicResult& topic) {
    if constexpr (are_named) {
      topic.name = next.name;
      if (named_.is_repeated(next.name)) {
        return fail(Error::broker(broker_error::invalid_request, "topic " + next.name,
                                  "Duplicate topic name."));
      }
    }
    return static_cast<Derived&>(*this).begin(next, topic);
  }

  void answer() {
    const std::size_t items = done().size();
    if (items > limits::max_encoded_at_once) {
      drop_beside(dispatcher_, std::move(named_));  // views of the request
      drop_beside(dispatcher_, std::move(request_));
    }
    answer_beside(dispatcher_, responder_, std::move(response_), items);
  }

  Dispatcher& dispatcher_;
  Storage& storage_;
  const Access access_;
  const Responder responder_;
  Request request_;
  NamedTopics named_;
  Response response_;
  std::size_t under_way_ = 0;
};

/// Serves a request by a TopicChanges.
template <class Changes, class Request>
void change_topics(Call& call, Request request) {
  const ChangingParts node = call.node;
  serve_in_slices(node.get<Dispatcher>(), call.responder,
                  std::make_shared<Changes>(node, call, std::move(request)));
}

}  // namespace dohle::node
