#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "base/connection.hpp"
#include "base/time.hpp"
#include "client/cluster/past_topics.hpp"
#include "dohle/error.hpp"
#include "dohle/ids.hpp"
#include "wire/messages/metadata.hpp"

namespace dohle::client {

/// The last known leader of a partition. The node is none if there is no leader.
struct PartitionLeader {
  NodeId node;
  LeaderEpoch epoch;
};

struct TopicView {
  TopicId id;
  ReplacedIds replaced_ids;
  std::vector<PartitionLeader> partitions;
};

/// A client's view of its cluster: brokers, controller and the topics in use. Decides when metadata
/// has to be requested; its owner sends the request. Reads no clock. Not thread safe.
class ClusterView {
 public:
  struct Options {
    Duration metadata_max_age = std::chrono::minutes(5);
    /// Delay between requests about the same doubt. It doubles up to the maximum while the doubt
    /// lasts.
    Duration retry_backoff = std::chrono::milliseconds(100);
    Duration max_retry_backoff = std::chrono::seconds(1);
    /// Time without a good answer after which the bootstrap servers are asked (KIP-1102).
    Duration rebootstrap_after = std::chrono::minutes(5);
  };

  explicit ClusterView(Options options) : options_(options) {}

  /// Asserts the conditions that hold between two calls.
  void check_invariants() const;

  /// Keeps the topic in view from now on. A new topic is requested at once. `may_create`: the
  /// server may create a missing topic; once set it stays set.
  void need(std::string_view topic, bool may_create);
  /// The same until let_go, for a caller that waits for the topic. Also requests it at once if the
  /// last answer had an error for it.
  void want(std::string_view topic, bool may_create);
  /// The same until release, for a reader. Holds are counted.
  void hold(std::string_view topic);
  /// Ends one hold. True if the topic is neither needed nor held any more: call let_go unless a
  /// caller waits for it.
  [[nodiscard]] bool release(std::string_view topic);
  [[nodiscard]] bool is_needed_or_held(std::string_view topic) const;
  /// No caller waits for the topic any more. It leaves the view unless it is needed or held. The
  /// server may no longer create it.
  void let_go(std::string_view topic);
  /// The next request need not wait for the backoff.
  void ask_at_once();
  /// An answer contradicts the view. Metadata is requested as soon as the backoff allows.
  void doubt() { doubted_ = true; }

  /// The time of the next request; `never` while an answer is awaited.
  [[nodiscard]] TimePoint ask_at() const;
  /// The next request, which counts as sent. No other one is due until an answer or `on_failed`.
  [[nodiscard]] wire::MetadataRequest ask(TimePoint now);
  /// Errors: the server's for the whole request; the view is unchanged then. An error of one topic
  /// is kept for `topic_error`.
  Result<void> on_answer(const wire::MetadataResponse& answer, TimePoint now);
  void on_failed(TimePoint now);
  /// Whether the bootstrap servers have to be asked: no broker is known, a server required it, or
  /// there was no good answer for rebootstrap_after.
  [[nodiscard]] bool should_rebootstrap(TimePoint now) const;
  /// Forgets the brokers but not the topics (KIP-899: no known server answers).
  void rebootstrap(TimePoint now);

  /// A server named the leader together with an error (KIP-951). False if the known leader is as
  /// new.
  bool on_leader(std::string_view topic, PartitionId partition, PartitionLeader leader);

  /// Null for unknown topics. Valid until the next non-const call.
  [[nodiscard]] const TopicView* topic(std::string_view name) const;
  [[nodiscard]] const std::string* topic_name(const TopicId& id) const;
  /// The topic's error in the last answer; 0 if there was none or if the topic was not requested.
  [[nodiscard]] std::int16_t topic_error(std::string_view name) const;
  [[nodiscard]] const std::map<NodeId, Endpoint>& brokers() const { return brokers_; }
  [[nodiscard]] NodeId controller() const { return controller_; }

 private:
  struct Interest {
    /// The server may create it.
    bool may_create = false;
    bool is_needed = false;
    std::size_t holds = 0;
  };
  Interest& look_for(std::string_view topic, bool may_create);
  [[nodiscard]] bool must_create(std::string_view name, bool may_create) const;
  void put_off(TimePoint now);
  /// The topic comes into view, with the ids that it had earlier.
  TopicView& enter(const std::string& name);
  void replace(TopicView& topic, const TopicId& id);
  void take_topic(const wire::MetadataResponse::MetadataResponseTopic& heard);

  Options options_;
  std::map<NodeId, Endpoint> brokers_;
  NodeId controller_;
  /// The topics in view.
  std::map<std::string, Interest, std::less<>> interests_;
  std::map<std::string, TopicView, std::less<>> topics_;
  /// Those that have left the view.
  PastTopics past_;
  std::map<std::string, std::int16_t, std::less<>> errors_;
  std::map<TopicId, std::string> names_;
  bool asking_ = false;
  bool doubted_ = true;
  bool told_to_rebootstrap_ = false;
  /// The current or last request was about a part of the topics.
  bool rest_is_due_ = false;
  /// Consecutive requests that left a doubt.
  std::uint32_t doubts_ = 0;
  TimePoint not_before_{};
  TimePoint fresh_until_{};
  /// The time of the first request since the last good answer.
  TimePoint unanswered_since_ = never;
};

}  // namespace dohle::client
