#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "dohle/ids.hpp"

namespace dohle::client {

/// Ids of earlier topics of one name. A server with old metadata may still name them, so they are
/// refused as long as they are kept. Not thread safe.
class ReplacedIds {
 public:
  /// The most ids that are kept. Beyond it the earliest one is forgotten.
  static constexpr std::size_t max_ids = 64;

  /// If `id` is none, nothing is kept.
  void add(const TopicId& id);
  [[nodiscard]] bool has(const TopicId& id) const;
  [[nodiscard]] bool is_empty() const { return ids_.empty(); }

 private:
  /// The ids in the order in which they were replaced.
  std::vector<TopicId> ids_;
};

/// The ids of topics that were left, in case they are used again. Not thread safe.
class PastTopics {
 public:
  /// The most topics that are kept. Beyond it the topic that was left first is forgotten.
  static constexpr std::size_t max_topics = 1'000;

  struct Ids {
    /// The last id of the topic. It may still be valid.
    TopicId id;
    ReplacedIds replaced;
  };

  void keep(std::string_view topic, Ids ids);
  /// Returns the ids of the topic and forgets them. There are none if the topic is unknown.
  [[nodiscard]] Ids recall(std::string_view topic);
  [[nodiscard]] bool was_replaced(std::string_view topic, const TopicId& id) const;

 private:
  struct Topic {
    Ids ids;
    /// Counts the topics that were left.
    std::uint64_t number = 0;
  };

  std::map<std::string, Topic, std::less<>> topics_;
  std::uint64_t left_ = 0;
};

}  // namespace dohle::client
