#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <map>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/time.hpp"
#include "client/cluster/past_topics.hpp"
#include "dohle/admin.hpp"
#include "dohle/error.hpp"
#include "dohle/ids.hpp"
#include "dohle/topics.hpp"
#include "messaging/source/topic_matcher.hpp"

namespace dohle::messaging {

/// Decides which topics a subscription with a pattern reads, from the lists of the cluster's topics
/// that its source asks for. Reads no clock. Not thread safe.
class TopicWatch {
 public:
  /// Number of lists in a row, of those that count, in which a topic has to be missing until it is
  /// gone: one server of a cluster may know of a new topic later than another.
  static constexpr int misses_of_a_gone_topic = 2;

  struct Settings {
    TopicMatcher matcher;
    /// True for the names of the subscription's own retry topics and dead letters, which would come
    /// back for ever. Null: it has none.
    std::function<bool(std::string_view topic)> is_own = nullptr;
    std::size_t max_topics = Topics::max_topics;
    /// Whether a topic is read only once on_prepared says so, since it has to have its retry
    /// topics.
    bool prepares = false;
    /// A list that is asked for earlier than this after the last one that counted does not count
    /// for missing topics: the same server may have answered both. Each starting subscription of a
    /// broker asks for one more.
    Duration min_between_misses{0};
  };
  /// The changes that a list has brought.
  struct Change {
    /// Topics to read. With `prepares`: to prepare; call on_prepared or on_refused for each.
    std::vector<std::string> added;
    /// Topics that the cluster no longer lists. Call on_gone or on_still_there for each.
    std::vector<std::string> missing;
    /// Errors to report, each once, until its cause has ended.
    std::vector<Error> troubles;
  };

  explicit TopicWatch(Settings settings) : settings_(std::move(settings)) {}

  [[nodiscard]] Change on_list(std::span<const TopicListing> all, TimePoint asked_at);
  /// The topic is read from now on. False if it is gone, or was not being prepared.
  [[nodiscard]] bool on_prepared(const std::string& topic);
  /// The topic is not read; the next list adds it again. False if it is gone, was not being
  /// prepared, or was refused before, which need not be reported again.
  [[nodiscard]] bool on_refused(const std::string& topic);
  void on_gone(const std::string& topic);
  void on_still_there(const std::string& topic);

  [[nodiscard]] bool reads(std::string_view topic) const;
  /// True for a topic that appeared after the first list: all of its records are new.
  [[nodiscard]] bool is_late(std::string_view topic) const;
  /// Whether no topic is read or being prepared.
  [[nodiscard]] bool is_idle() const;
  /// The topics that are read, in order.
  [[nodiscard]] std::vector<std::string> topics() const;
  /// All partitions of them, in order.
  [[nodiscard]] std::vector<TopicPartition> partitions() const;

 private:
  struct Topic {
    TopicId id;
    client::ReplacedIds replaced_ids;
    std::int32_t partitions = 0;
    int misses = 0;
    bool is_late = false;
    bool is_preparing = false;
    bool is_refused = false;
    bool was_told_refused = false;
    [[nodiscard]] bool is_read() const { return !is_preparing && !is_refused; }
  };

  [[nodiscard]] bool is_wanted(const TopicListing& listed) const;
  /// A topic that was not watched, with the ids that it had earlier.
  [[nodiscard]] Topic make(const TopicListing& listed);
  static void take(Topic& known, const TopicListing& listed);
  void count_misses(TimePoint asked_at);
  void note_missing(Change& change);
  void note_troubles(std::size_t left_out, const std::string& first, Change& change);

  const Settings settings_;
  std::map<std::string, Topic, std::less<>> topics_;
  /// The topics that are gone.
  client::PastTopics past_;
  /// A list that is asked for from then on counts for missing topics.
  TimePoint count_misses_at_ = TimePoint::min();
  bool has_list_ = false;
  bool was_told_left_out_ = false;
  bool was_told_none_ = false;
};

}  // namespace dohle::messaging
