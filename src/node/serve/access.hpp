#pragma once

#include <memory>
#include <string_view>
#include <utility>

#include "base/broker_errors.hpp"
#include "base/principal.hpp"
#include "node/serve/authorizer.hpp"
#include "node/storage/topics.hpp"

namespace dohle::node {

/// The result of a topic lookup.
struct FoundTopic {
  /// Null if the topic does not exist for this client; `code` says why.
  const Topic* topic = nullptr;
  std::int16_t code = broker_error::none;

  explicit operator bool() const { return topic != nullptr; }
  const Topic* operator->() const { return topic; }
  /// Null if the partition or the topic does not exist.
  [[nodiscard]] const PartitionRef* partition(PartitionId index) const {
    return topic == nullptr ? nullptr : topic->partition(index);
  }
};

/// A topic as a request names it: by name or, in newer versions, by id.
struct TopicReference {
  bool is_by_id = false;
  std::string_view name;
  TopicId id;
};

/// Topics as one client sees them: found by name or id, if the client may do the operation with
/// them. Copyable; the topics and the authorizer outlive it.
class Access {
 public:
  Access(TopicTable& topics, const Authorizer& authorizer, std::shared_ptr<const Principal> who)
      : topics_(&topics), authorizer_(&authorizer), who_(std::move(who)) {}

  [[nodiscard]] const Principal& who() const { return *who_; }
  [[nodiscard]] bool may(Operation what, std::string_view topic) const {
    return authorizer_->allows(*who_, what, topic);
  }
  /// Codes: 3, 29. A client is not told whether a topic that it may not use exists.
  [[nodiscard]] FoundTopic topic(std::string_view name, Operation what) const {
    if (!may(what, name)) return {nullptr, broker_error::topic_authorization_failed};
    const Topic* found = topics_->find(name);
    return {found,
            found == nullptr ? broker_error::unknown_topic_or_partition : broker_error::none};
  }
  /// Codes: 100, 29. A client knows only ids that it was told.
  [[nodiscard]] FoundTopic topic(const TopicId& id, Operation what) const {
    const Topic* found = topics_->find(id);
    if (found == nullptr) return {nullptr, broker_error::unknown_topic_id};
    if (!may(what, found->name)) return {nullptr, broker_error::topic_authorization_failed};
    return {found, broker_error::none};
  }
  [[nodiscard]] FoundTopic topic(const TopicReference& named, Operation what) const {
    return named.is_by_id ? topic(named.id, what) : topic(named.name, what);
  }

 private:
  TopicTable* topics_;
  const Authorizer* authorizer_;
  std::shared_ptr<const Principal> who_;
};

}  // namespace dohle::node
