#pragma once

#include <cstddef>
#include <cstdint>
#include <string>

#include "node/storage/topics.hpp"

namespace dohle::node {

/// Visits all partitions in pieces, in the order of topic names. Topics may be added and removed
/// between pieces; a topic that exists throughout is visited once. Owner's thread only.
class PartitionWalk {
 public:
  /// Visits at most `max` more partitions. False after the last ones; the next call then begins
  /// again.
  template <class Visit>
  bool step(const TopicTable& topics, std::size_t max, Visit&& visit) {
    auto topic = topics.all().lower_bound(topic_);
    if (topic == topics.all().end() || topic->first != topic_) next_ = 0;
    for (; topic != topics.all().end(); ++topic, next_ = 0) {
      const auto& partitions = topic->second.partitions;
      for (; next_ < partitions.size(); ++next_) {
        if (max-- == 0) {
          topic_ = topic->first;
          return true;
        }
        visit(partitions[next_]);
      }
    }
    topic_.clear();
    return false;
  }

 private:
  /// Start of the next piece.
  std::string topic_;
  std::size_t next_ = 0;
};

}  // namespace dohle::node
