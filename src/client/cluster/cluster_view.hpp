#pragma once

#include <cstdint>
#include <deque>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "base/connection.hpp"
#include "base/time.hpp"
#include "dohle/error.hpp"
#include "dohle/ids.hpp"
#include "wire/messages/metadata.hpp"

namespace dohle::client {

/// Who leads a partition, as last heard. No node: nobody does at present.
struct PartitionLeader {
  NodeId node;
  LeaderEpoch epoch;
};

struct TopicView {
  TopicId id;
  /// Those that topics of this name had before, the latest last: a server that is behind may still
  /// name them.
  std::deque<TopicId> replaced_ids;
  std::vector<PartitionLeader> partitions;
};

/// What a client knows of its cluster: brokers, controller, and the topics that somebody needs.
/// Decides when to ask again; asking is its owner's task. Reads no clock. Not thread safe.
class ClusterView {
 public:
  struct Options {
    Duration metadata_max_age = std::chrono::minutes(5);
    /// Between two questions about the same doubt; doubles up to the maximum while it lasts.
    Duration retry_backoff = std::chrono::milliseconds(100);
    Duration max_retry_backoff = std::chrono::seconds(1);
    /// Without a good answer for that long the bootstrap servers are asked (KIP-1102).
    Duration rebootstrap_after = std::chrono::minutes(5);
  };

  explicit ClusterView(Options options) : options_(options) {}

  /// Keeps the topic in view from now on; asks at once if it is new. `may_create`: the server is
  /// to make it if it does not exist; once allowed it stays so.
  void need(std::string_view topic, bool may_create);
  /// The same until it is let go: somebody waits to hear of it. Asks at once also if the last
  /// answer said something against it.
  void want(std::string_view topic, bool may_create);
  /// Nobody waits any more, or can do without: out of view unless it is needed. Who needs it then
  /// only reads, and the server may not make it any more.
  void let_go(std::string_view topic);
  /// Something that a server said contradicts the view: ask as soon as the backoff allows.
  void doubt() { doubted_ = true; }

  /// When to ask next; `never` while an answer is awaited.
  [[nodiscard]] TimePoint ask_at() const;
  /// The question; counts as asked. Until an answer or `on_failed` nothing more is due.
  [[nodiscard]] wire::MetadataRequest ask(TimePoint now);
  /// Errors: the server's own, and then the view is as it was. An error of one topic is kept for
  /// `topic_error`.
  Result<void> on_answer(const wire::MetadataResponse& answer, TimePoint now);
  void on_failed(TimePoint now);
  /// The bootstrap servers are the ones to ask: nothing is known, a server said so, or there was
  /// no good answer for rebootstrap_after.
  [[nodiscard]] bool should_rebootstrap(TimePoint now) const;
  /// Forgets brokers, not topics (KIP-899: no known server answers).
  void rebootstrap(TimePoint now);

  /// A server named the leader beside an error (KIP-951). False: what is known is as new.
  bool on_leader(std::string_view topic, PartitionId partition, PartitionLeader leader);

  /// Null for topics that are not known. Valid until the next non-const call.
  [[nodiscard]] const TopicView* topic(std::string_view name) const;
  [[nodiscard]] const std::string* topic_name(const TopicId& id) const;
  /// Why the last answer did not describe the topic; 0: it did, or it was not asked for.
  [[nodiscard]] std::int16_t topic_error(std::string_view name) const;
  [[nodiscard]] const std::map<NodeId, Endpoint>& brokers() const { return brokers_; }
  [[nodiscard]] NodeId controller() const { return controller_; }

 private:
  struct Interest {
    /// The server may make it.
    bool may_create = false;
    bool is_needed = false;
  };
  Interest& look_for(std::string_view topic, bool may_create);
  void ask_at_once();
  [[nodiscard]] bool must_create(std::string_view name, bool may_create) const;
  void put_off(TimePoint now);
  void replace(TopicView& topic, const TopicId& id);
  void take_topic(const wire::MetadataResponse::MetadataResponseTopic& heard);

  Options options_;
  std::map<NodeId, Endpoint> brokers_;
  NodeId controller_;
  /// The topics in view.
  std::map<std::string, Interest, std::less<>> interests_;
  std::map<std::string, TopicView, std::less<>> topics_;
  std::map<std::string, std::int16_t, std::less<>> errors_;
  std::map<TopicId, std::string> names_;
  bool asking_ = false;
  bool doubted_ = true;
  bool told_to_rebootstrap_ = false;
  /// The question under way, or the last one, was about a part of the topics.
  bool rest_is_due_ = false;
  /// Questions in a row that left a doubt.
  std::uint32_t doubts_ = 0;
  TimePoint not_before_{};
  TimePoint fresh_until_{};
  /// When the first question since the last good answer went out.
  TimePoint unanswered_since_ = never;
};

}  // namespace dohle::client
