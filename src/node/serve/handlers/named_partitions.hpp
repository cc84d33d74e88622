#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <string_view>
#include <utility>

#include "dohle/ids.hpp"
#include "node/serve/handlers/topic_walk.hpp"

namespace dohle::node {

/// How often a request names each of its partitions. A large request is noted in several slices. It
/// keeps views of the topics' names.
class NamedPartitions {
 public:
  /// The name or the id, whichever the request has.
  using TopicKey = std::pair<std::string_view, TopicId>;

  /// Notes some more partitions of `topics`, the same ones in each call. `key_of` takes a topic,
  /// `index_of` a partition. Returns whether these were the last ones.
  template <class Topics>
  bool note_some(const Topics& topics, auto key_of, auto index_of) {
    const auto note = [&](const TopicKey& key, const auto& topic, std::size_t partition) {
      const std::uint32_t times = ++times_[{key, index_of(partitions_of(topic)[partition])}];
      if (times > 1) has_repeated_ = true;
      return true;
    };
    const auto enter = [&](const auto& topic, bool) { return key_of(topic); };
    return is_complete_ = !walk_.go_on(topics, names_of_slice, enter, note);
  }
  [[nodiscard]] bool is_complete() const { return is_complete_; }
  /// Whether the request names this partition more than once. The partition was noted.
  [[nodiscard]] bool is_repeated(const TopicKey& topic, PartitionId partition) const {
    return has_repeated_ && times_.at({topic, partition}) > 1;
  }

 private:
  /// Topics and partitions of one call.
  static constexpr std::size_t names_of_slice = 1'000;

  std::map<std::pair<TopicKey, PartitionId>, std::uint32_t> times_;
  TopicWalk walk_;
  bool is_complete_ = false;
  bool has_repeated_ = false;
};

}  // namespace dohle::node
