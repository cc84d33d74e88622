#pragma once

#include <cstddef>
#include <utility>

namespace dohle::node {

/// The partitions that a request's topic names, whatever the message calls them.
[[nodiscard]] auto& partitions_of(auto& topic) {
  if constexpr (requires { topic.partition_data; }) {
    return topic.partition_data;
  } else if constexpr (requires { topic.partition_indexes; }) {
    return topic.partition_indexes;
  } else {
    return topic.partitions;
  }
}

/// The place of a request in its topics and their partitions, which it is served by in slices.
class TopicWalk {
 public:
  /// Visits the next topics and partitions, `most` of both together at the most. The topics are the
  /// same in each call. Returns whether there are more.
  ///
  /// `enter(topic, is_new)` is called for each topic; for one that an earlier call began, again
  /// with false. Its result is passed to `visit(entered, topic, partition)`, which is called with
  /// the index of each partition. If that returns false, the walk stops before this partition.
  template <class Topics>
  bool go_on(Topics& topics, std::size_t most, auto enter, auto visit) {
    for (; topic_ < topics.size(); ++topic_, partition_ = 0, is_entered_ = false) {
      if (most == 0) return true;
      auto& topic = topics[topic_];
      if (!is_entered_) --most;
      const auto entered = enter(topic, !std::exchange(is_entered_, true));
      for (const std::size_t end = partitions_of(topic).size(); partition_ < end; ++partition_) {
        if (most == 0) return true;
        if (!visit(entered, topic, partition_)) return true;
        --most;
      }
    }
    return false;
  }

  /// The indexes of the present topic, and of the next partition in it.
  [[nodiscard]] std::size_t topic() const { return topic_; }
  [[nodiscard]] std::size_t partition() const { return partition_; }

 private:
  std::size_t topic_ = 0;
  std::size_t partition_ = 0;
  bool is_entered_ = false;
};

}  // namespace dohle::node
