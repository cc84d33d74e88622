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
/// never accepted again. Not thread safe.
class ReplacedIds {
 public:
  /// The earliest is forgotten beyond them.
  static constexpr std::size_t max_ids = 64;

  /// Nothing is kept of an id that is none.
  void add(const TopicId& id);
  [[nodiscard]] bool has(const TopicId& id) const;
  [[nodiscard]] bool is_empty() const { return ids_.empty(); }

 private:
  /// The latest last.
  std::vector<TopicId> ids_;
};

/// The ids of topics that were left, in case they are used again. Not thread safe.
class PastTopics {
 public:
  /// The topic that was left first is forgotten beyond them.
  static constexpr std::size_t max_topics = 1'000;

  struct Ids {
    /// The last one. It may still be the topic's.
    TopicId id;
    ReplacedIds replaced;
  };

  void keep(std::string_view topic, Ids ids);
  /// The ids of the topic, which are no longer kept here. Without any if the topic is unknown.
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
