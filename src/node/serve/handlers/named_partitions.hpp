#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <string_view>
#include <utility>

#include "dohle/ids.hpp"

namespace dohle::node {

/// How often a request names each of its partitions. A large request is noted in several slices. It
/// keeps views of the topics' names.
class NamedPartitions {
 public:
  /// The name or the id, whichever the request has.
  using TopicKey = std::pair<std::string_view, TopicId>;

  /// Notes some more partitions of `topics`, the same ones in each call. `partitions_of` and
  /// `key_of` take a topic, `index_of` a partition. Returns whether these were the last ones.
  template <class Topics>
  bool note_some(const Topics& topics, auto key_of, auto partitions_of, auto index_of) {
    std::size_t left = names_of_slice;
    for (; topic_ < topics.size(); ++topic_, partition_ = 0) {
      if (left-- == 0) return false;
      const auto& partitions = partitions_of(topics[topic_]);
      for (; partition_ < partitions.size(); ++partition_) {
        if (left-- == 0) return false;
        const std::uint32_t times =
            ++times_[{key_of(topics[topic_]), index_of(partitions[partition_])}];
        if (times > 1) has_repeated_ = true;
      }
    }
    return is_complete_ = true;
  }
  [[nodiscard]] bool is_complete() const { return is_complete_; }
  /// Of a partition that was noted.
  [[nodiscard]] bool is_repeated(const TopicKey& topic, PartitionId partition) const {
    return has_repeated_ && times_.at({topic, partition}) > 1;
  }

 private:
  /// Topics and partitions of one call.
  static constexpr std::size_t names_of_slice = 1'000;

  std::map<std::pair<TopicKey, PartitionId>, std::uint32_t> times_;
  std::size_t topic_ = 0;
  std::size_t partition_ = 0;
  bool is_complete_ = false;
  bool has_repeated_ = false;
};

}  // namespace dohle::node
