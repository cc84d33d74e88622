#pragma once

#include <cstdint>
#include <deque>
#include <limits>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "base/random.hpp"
#include "base/time.hpp"
#include "client/cluster/backoff.hpp"
#include "client/cluster/cluster_view.hpp"
#include "client/consume/fetch_session.hpp"
#include "client/consume/read_from_first.hpp"
#include "client/consume/records_run.hpp"
#include "dohle/consumer.hpp"
#include "dohle/error.hpp"

namespace dohle::client {

/// The position from which a partition is read, if it has to be looked up.
struct StartingPoint {
  enum class Kind : std::uint8_t { committed, earliest, latest, time };
  Kind kind = Kind::committed;
  Timestamp time = {};
};

/// Plans a consumer's fetches from each server, queues fetched batches until a poll takes them, and
/// tracks each partition's position. Owns no socket, reads no clock. Not thread safe: the desk's
/// lock guards it, since polls take records and the loop adds them.
class FetchPlanner {
 public:
  struct Options {
    std::size_t min_bytes = 1;
    std::size_t max_bytes = std::size_t{50} << 20;
    std::size_t max_partition_bytes = std::size_t{1} << 20;
    Duration max_wait = std::chrono::milliseconds(500);
    OffsetReset reset = OffsetReset::latest;
    /// Topics that begin at their first record in place of `reset`. Null: none.
    IsReadFromFirst is_read_from_first = nullptr;
    /// Default: false. Partitions begin at the group's committed offset.
    bool has_group = false;
    Duration retry_backoff = std::chrono::milliseconds(100);
    Duration max_retry_backoff = std::chrono::seconds(1);
  };
  /// The part of max_response_bytes that records may use.
  static constexpr std::size_t max_record_share(std::size_t max_response_bytes) {
    return max_response_bytes - max_response_bytes / 8;
  }
  /// A fetch to send. on_answer follows.
  struct Ask {
    NodeId node;
    wire::FetchRequest message;
  };
  /// A position to look up. on_found or on_not_found follows.
  struct Lookup {
    TopicPartition where;
    std::uint64_t serial;
    StartingPoint from;
  };
  /// Results of an answer or of new metadata for the rest of the consumer.
  struct News {
    bool doubt = false;
    std::vector<std::pair<TopicPartition, PartitionLeader>> leaders;
    /// Partitions whose position was in a deleted topic. It may not be committed.
    std::vector<TopicPartition> replaced;
    /// Log lines.
    std::vector<std::string> lines;
  };

  FetchPlanner(Options options, std::shared_ptr<BufferAccount> account, Random& random);

  /// Asserts the conditions that hold between two calls.
  void check_invariants() const;

  // The assignment.

  /// Reads exactly these partitions; those assigned before keep their positions. `held`: new ones
  /// are not fetched before `release`.
  void assign(const std::vector<TopicPartition>& partitions, bool held);
  void release();
  /// Drops their queued batches and stops fetching them. Their positions stay for a commit.
  void stop(const std::vector<TopicPartition>& partitions);
  void remove(const std::vector<TopicPartition>& partitions);
  [[nodiscard]] std::vector<TopicPartition> assignment() const;
  [[nodiscard]] std::vector<TopicPartition> paused() const;
  [[nodiscard]] bool has(const TopicPartition& where) const { return partitions_.contains(where); }

  // Positions. Errors: invalid_argument for a partition that is not assigned.

  Result<void> seek(const TopicPartition& where, Offset offset);
  Result<void> seek(const TopicPartition& where, StartingPoint to);
  Result<void> pause(const TopicPartition& where, bool paused);
  /// None if it is not known yet.
  [[nodiscard]] Result<Offset> position(const TopicPartition& where) const;
  [[nodiscard]] std::optional<std::int64_t> lag(const TopicPartition& where) const;
  /// The positions after all taken records.
  [[nodiscard]] std::vector<PartitionOffset> taken() const;
  /// The positions of taken() at the last `settle`: the caller is done with all records before
  /// them.
  [[nodiscard]] std::vector<PartitionOffset> settled() const;
  /// The caller polls again, so it is done with the records taken before.
  void settle();

  /// Adds a lookup for each partition without a position whose lookup may start now.
  void lookups(TimePoint now, std::vector<Lookup>& out);
  /// The lookup was sent to that server, the partition's leader. If another server becomes the
  /// leader, the lookup is made again there.
  void on_looked_up_at(const Lookup& lookup, NodeId node);
  /// A negative offset means that there is none (no committed offset; no record so late). The reset
  /// policy or the end of the partition is used then.
  void on_found(const Lookup& lookup, Offset offset, LeaderEpoch epoch, TimePoint now);
  /// Retriable errors are retried after a backoff; take_error returns the others.
  void on_not_found(const Lookup& lookup, const Error& why, TimePoint now);

  /// Remembers the ids of these topics, also while none of their partitions is assigned, and
  /// forgets the others.
  void remember_topics(const std::set<std::string>& topics);
  /// Whether the topic replaced another one of its name since it is remembered or assigned.
  [[nodiscard]] bool is_made_again(std::string_view topic) const;
  /// The assigned partitions whose topic was replaced since the last take_replaced, each once.
  [[nodiscard]] bool has_replaced() const { return !untaken_replaced_.empty(); }
  [[nodiscard]] std::vector<TopicPartition> take_replaced();
  /// Call after new metadata or an assignment. A position belongs to a topic id: if another topic
  /// with the name replaced it, reading starts at its first record if is_read_from_first says so,
  /// otherwise by the reset policy. A partition with a new leader
  /// does not wait for the earlier leader's answer to a fetch or lookup, since that server may be
  /// frozen.
  void note_topics(const ClusterView& view, News& out);

  // Fetching.

  /// Adds the fetches that may be sent now.
  void plan(TimePoint now, const ClusterView& view, std::vector<Ask>& out);
  void on_answer(NodeId node, Result<wire::FetchResponse> answer, TimePoint now, News& out);
  /// The time at which plan and lookups have to be called again without another event.
  [[nodiscard]] TimePoint next_at() const { return next_at_; }
  [[nodiscard]] bool is_fetching() const;

  // Taking.

  /// Whether records can be taken.
  [[nodiscard]] bool has_records() const { return !ready_.empty(); }
  /// Takes up to `max_records` records, one partition after the other, and advances their
  /// positions. Takes compressed batches only while the account has room for them decompressed, but
  /// at least one. Returns the number of records. `freed`: a fetch may have become due.
  std::size_t take(std::size_t max_records, std::vector<RecordsRun>& out, bool& freed);
  /// The error of a partition, if any. Damage and missing offsets stay until a seek and are
  /// returned again after a delay, which doubles up to max_retry_backoff. `is_again` is set for a
  /// repeated one.
  [[nodiscard]] std::optional<Error> take_error(TimePoint now, bool& is_again);
  /// Whether there may be an error that was not returned yet.
  [[nodiscard]] bool has_error() const { return may_have_error_; }
  /// The time at which an error is returned again; `never` if there is none.
  [[nodiscard]] TimePoint error_at() const { return next_error_at_; }
  /// The records from `next` on cannot be read.
  void on_damage(const TopicPartition& where, std::uint64_t serial, Offset next, const Error& why);

 private:
  /// Limit on the decompressed size of the compressed batches of one poll.
  struct Expansion {
    std::size_t left = 0;
    bool has_batch = false;
    bool is_spent = false;
    /// Whether the batch may be taken as well.
    bool admit(const wire::BatchHeader& header, Bytes batch);
  };
  /// Batches of one partition from one answer.
  struct Queued {
    Slice batches;
    /// Position of the first batch that was not taken completely.
    std::size_t at = 0;
    std::shared_ptr<PartEnd> taken_until;
    std::shared_ptr<const BufferCharge> charge;
  };
  struct Partition {
    Partition(std::shared_ptr<const TopicPartition> name, const Options& options)
        : where(std::move(name)),
          backoff(options.retry_backoff, options.max_retry_backoff),
          resets(options.retry_backoff, options.max_retry_backoff) {}

    std::shared_ptr<const TopicPartition> where;
    /// Id of the topic to which the position belongs; none if unknown.
    TopicId topic_id;
    std::uint64_t serial = 0;
    /// The position to look up. Absent once it is known.
    std::optional<StartingPoint> wanted;
    bool is_looked_up = false;
    /// The leader that was asked; none if it was the group's coordinator.
    NodeId looked_up_at;
    Offset consumed;
    LeaderEpoch consumed_epoch;
    Offset settled;
    LeaderEpoch settled_epoch;
    /// The offset after all queued batches.
    Offset next_fetch;
    Offset high_watermark;
    std::deque<Queued> queue;
    std::size_t queued_bytes = 0;
    bool is_paused = false;
    bool is_held = false;
    bool is_stopped = false;
    bool is_ready = false;
    /// A batch with an invalid header is queued. The batches after it cannot be located.
    bool is_at_end = false;
    bool is_asked = false;
    Backoff backoff;
    /// Backoff between consecutive positions that were out of range.
    Backoff resets;
    TimePoint not_before{};
    std::optional<Error> error;
    bool error_stays = false;
    /// Delay until it is returned again; 0 if it was not returned yet.
    Duration error_wait{};
    TimePoint error_at{};
  };
  using Partitions = std::map<TopicPartition, std::shared_ptr<Partition>>;
  struct RememberedTopic {
    /// None until metadata has one.
    TopicId id;
    bool is_made_again = false;
  };
  /// A partition of a fetch in flight. It may no longer be assigned when the answer arrives.
  struct Sent {
    std::shared_ptr<Partition> partition;
    std::uint64_t serial;
  };
  struct Server {
    explicit Server(const Options& options)
        : backoff(options.retry_backoff, options.max_retry_backoff),
          idle(options.retry_backoff, options.max_retry_backoff) {}
    FetchSession session;
    bool is_asked = false;
    std::vector<Sent> sent;
    BufferCharge reserved;
    Backoff backoff;
    /// Backoff between consecutive answers that came at once without records.
    Backoff idle;
    TimePoint asked_at{};
    TimePoint not_before{};
    /// Maximum partitions of one fetch. It shrinks after an answer above max_response_bytes, to
    /// find the partition with the too large batch while the others are still read.
    std::size_t max_wishes = std::numeric_limits<std::size_t>::max();
    /// The next narrowed fetch begins after this partition.
    std::shared_ptr<const TopicPartition> asked_last;
    [[nodiscard]] bool is_narrowed() const {
      return max_wishes != std::numeric_limits<std::size_t>::max();
    }
  };
  /// The partitions to fetch from one server, sorted by name.
  struct Group {
    std::vector<FetchWish> wishes;
    std::vector<Sent> sent;
    /// A partition has enough queued. A long poll for the others would delay its next fetch.
    bool is_full = false;
  };
  using PartitionData = wire::FetchResponse::PartitionData;

  Partition* find(const TopicPartition& where);
  [[nodiscard]] const Partition* find(const TopicPartition& where) const;
  void check_invariants(const Partition& partition) const;
  void let_go_of_moved(const ClusterView& view);
  static void note_id(RememberedTopic& known, const TopicView* topic);
  [[nodiscard]] bool wants_fetch(const Partition& partition) const;
  void want(Partition& partition, StartingPoint from);
  void start_at(Partition& partition, Offset offset, LeaderEpoch epoch);
  void reset(Partition& partition, std::string_view why);
  void on_out_of_range(Partition& partition, TimePoint now, News& out);
  void pace(Server& server, bool brought_something, TimePoint now);
  [[nodiscard]] bool is_read_from_first(const std::string& topic) const;
  [[nodiscard]] std::string_view reset_name(const std::string& topic) const;
  [[nodiscard]] OffsetReset reset_of(const std::string& topic) const;
  void drop_queue(Partition& partition);
  void make_ready(Partition& partition);
  void set_error(Partition& partition, Error why, bool stays);
  void put_off(Partition& partition, TimePoint now);
  void wake_at(TimePoint at) { next_at_ = std::min(next_at_, at); }
  void gather(TimePoint now, const ClusterView& view);
  bool ask(NodeId node, Group& group, TimePoint now, std::vector<Ask>& out);
  void on_failure(Server& server, const Error& why, TimePoint now, News& out);
  static void narrow(const Server& server, Group& group);
  static void widen(Server& server);
  void on_too_large(Server& server, const Error& why, TimePoint now);
  /// Whether the answer had new records or errors, or is about fetches from before a seek.
  bool on_partitions(const std::vector<Sent>& asked, wire::FetchResponse& answer, TimePoint now,
                     News& out);
  [[nodiscard]] const std::string& name_in(
      const wire::FetchResponse::FetchableTopicResponse& topic) const;
  void on_partition(Partition& partition, PartitionData& data,
                    const std::shared_ptr<const BufferCharge>& charge, TimePoint now, News& out);
  void on_partition_error(Partition& partition, const PartitionData& data, TimePoint now,
                          News& out);
  void enqueue(Partition& partition, Slice batches, std::shared_ptr<const BufferCharge> charge);
  std::size_t take_from(Partition& partition, std::size_t max_records, Expansion& expansion,
                        std::vector<RecordsRun>& out);
  std::size_t take_from(Partition& partition, Queued& queued, std::size_t max_records,
                        Expansion& expansion, RecordsRun& run);

  const Options options_;
  std::shared_ptr<BufferAccount> account_;
  Random& random_;
  std::uint64_t last_serial_ = 0;
  Partitions partitions_;
  std::set<TopicPartition> untaken_replaced_;
  /// The topics of remember_topics and those of partitions_.
  std::map<std::string, RememberedTopic, std::less<>> remembered_;
  /// Names of the topics with positions.
  std::map<TopicId, std::string> names_;
  std::map<NodeId, Server> servers_;
  /// The groups of the last plan, kept to reuse their memory.
  std::map<NodeId, Group> groups_;
  /// Partitions with queued records, the next one first.
  std::deque<Partition*> ready_;
  bool may_have_error_ = false;
  TimePoint next_error_at_ = never;
  TimePoint next_at_ = never;
};

}  // namespace dohle::client
