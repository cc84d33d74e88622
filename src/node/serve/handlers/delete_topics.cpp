#include "wire/messages/delete_topics.hpp"

#include <utility>

#include "node/serve/handlers/topic_changes.hpp"

namespace dohle::node {

namespace {

using DeleteTopicState = wire::DeleteTopicsRequest::DeleteTopicState;
using DeletableTopicResult = wire::DeleteTopicsResponse::DeletableTopicResult;

class Deleting final : public TopicChanges<Deleting, &wire::DeleteTopicsRequest::topics,
                                           &wire::DeleteTopicsResponse::responses> {
 public:
  Deleting(const ChangingParts& node, Call& call, wire::DeleteTopicsRequest request)
      : TopicChanges(node, call, std::move(request)) {}

  Result<void> begin(const DeleteTopicState& wanted, DeletableTopicResult& deleted) {
    deleted.name = wanted.name;
    deleted.topic_id = wanted.topic_id;
    const std::string_view name = wanted.name ? std::string_view(*wanted.name) : "";
    const FoundTopic topic =
        access().topic({!wanted.name, name, wanted.topic_id}, Operation::remove);
    if (!topic) {
      deleted.error_code = topic.code;
      return {};
    }
    deleted.name = topic->name;
    deleted.topic_id = topic->id;
    if (topic->is_internal) {
      return fail(Error::broker(broker_error::invalid_request, "topic " + topic->name,
                                "the node needs this topic itself"));
    }
    storage().topics().remove(topic->id,
                              under_way([](Deleting& /*self*/, DeletableTopicResult& removed,
                                           const Result<void>& outcome) {
                                if (!outcome) refuse(removed, outcome.error());
                              }));
    return {};
  }
};

}  // namespace

void handle(Call& call, wire::DeleteTopicsRequest request) {
  // Names up to version 5, then names or ids.
  for (std::string& name : request.topic_names) {
    request.topics.emplace_back().name = std::move(name);
  }
  change_topics<Deleting>(call, std::move(request));
}

}  // namespace dohle::node
