#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "dohle/error.hpp"
#include "dohle/export.hpp"
#include "dohle/ids.hpp"
#include "dohle/record.hpp"

namespace dohle {
inline namespace v0 {

/// Where reading starts if a partition has no committed offset, or its position is out of range.
enum class OffsetReset : std::uint8_t {
  latest,    ///< the end: records that are published from then on
  earliest,  ///< the first record that the log still has
  fail,      ///< poll returns Errc::no_offset
};

/// The options of a Consumer.
struct ConsumerOptions {
  /// Default: empty, no group. Without a group, `assign` assigns the partitions, and commits are
  /// refused.
  std::string group_id = {};
  /// Default: empty, dynamic membership. An id makes the membership static (KIP-345).
  std::string group_instance_id = {};
  /// Default: latest. The start of reading without a usable offset.
  OffsetReset offset_reset = OffsetReset::latest;
  /// Default: true, the positions after the returned records are committed every
  /// auto_commit_interval, before partitions are given up, and on close.
  bool auto_commit = true;
  /// Default: 5 s. 1 ms to 1 day. See auto_commit.
  std::chrono::milliseconds auto_commit_interval{5'000};
  /// Default: none, the server's own rule applies (in Apache Kafka 7 days after the group became
  /// empty). 1 ms to 365 days. How long after its commit the server may drop an offset. The server
  /// keeps the offsets of groups with members. Commits then use OffsetCommit v4 at most. That is
  /// the last version with this time (KIP-211), and it has no leader epochs. Servers drop offsets
  /// late; Apache Kafka checks every offsets.retention.check.interval.ms. Needs a group_id; not
  /// allowed with group_instance_id.
  std::optional<std::chrono::milliseconds> offset_retention = {};
  /// Default: 45 s. 1 ms to 1 day. A member whose heartbeats stop for this long loses its
  /// partitions.
  std::chrono::milliseconds session_timeout{45'000};
  /// Default: 3 s. At least 1 ms, and below session_timeout. How often a member sends a heartbeat.
  /// At most a third of session_timeout is recommended.
  std::chrono::milliseconds heartbeat_interval{3'000};
  /// Default: 5 min. 1 ms to 1 day. A member that does not poll for this long leaves the group
  /// until it polls again.
  std::chrono::milliseconds max_poll_interval{300'000};
  /// Default: 1. At least 1. A fetch waits at the server for this many bytes, but at most
  /// max_fetch_wait.
  std::size_t min_fetch_bytes = 1;
  /// Default: 50 MiB. At least 1 KiB. The most bytes of one fetch.
  std::size_t max_fetch_bytes = std::size_t{50} << 20;
  /// Default: 1 MiB. At least 1 KiB. The most bytes of one partition in one fetch.
  std::size_t max_partition_fetch_bytes = std::size_t{1} << 20;
  /// Default: 500 ms. 0 to 10 min. How long a fetch waits for min_fetch_bytes.
  std::chrono::milliseconds max_fetch_wait{500};
  /// Default: 64 MiB. At least 1 KiB. The most fetched bytes that are queued or held in Records,
  /// decompressed ones included. One batch that is larger than the free part may exceed the limit
  /// by its own size.
  std::size_t buffer_bytes = std::size_t{64} << 20;
  /// Default: 500. 1 to 1,000,000. The most records that one poll returns.
  std::size_t max_poll_records = 500;
  /// Default: true, a member of a group joins again when the number of partitions of a topic that
  /// it reads has changed, so that new partitions are assigned. If false, they stay unread until a
  /// member joins or leaves.
  bool follow_new_partitions = true;
  /// Default: true, each batch's CRC-32C is checked before its first record is returned.
  bool check_crcs = true;
  /// Default: 30 s. 1 ms to 10 min. Time for the answer to one request.
  std::chrono::milliseconds request_timeout{30'000};
  /// Default: request_timeout. 1 ms to 10 min. The time for the answer to a fetch, in addition to
  /// max_fetch_wait.
  std::optional<std::chrono::milliseconds> fetch_timeout = {};
  /// Default: 1 min. 1 ms to 1 day. Timeout of calls without one of their own.
  std::chrono::milliseconds default_api_timeout{60'000};
};

/// A record with its topic and partition. Its members are views; see Records.
struct ConsumerRecord : RecordView {
  /// The topic that it was read from.
  std::string_view topic;
  /// The partition that it was read from.
  PartitionId partition;
  /// The leader epoch of its batch; none if the server does not say.
  LeaderEpoch leader_epoch;
};

}  // namespace v0
}  // namespace dohle

namespace dohle::client {
class ConsumerCalls;
class RecordsWalk;
struct HandleAccess;
}  // namespace dohle::client

namespace dohle {
inline namespace v0 {

/// The records that one poll returned, in order within each partition. Iterating checks the CRC,
/// decompresses and decodes, on the iterating thread.
///
/// Lifetime: views into it are valid while it lives. It counts against buffer_bytes until it is
/// destroyed. It may outlive the consumer. Thread safety: not thread safe; it may be moved to
/// another thread.
class DOHLE_API Records {
 public:
  /// A C++20 input iterator. Its record is valid until the next increment.
  class DOHLE_API iterator {
   public:
    using value_type = ConsumerRecord;
    using difference_type = std::ptrdiff_t;
    iterator() = default;
    const ConsumerRecord& operator*() const { return *current_; }
    const ConsumerRecord* operator->() const { return current_; }
    iterator& operator++() {
      current_ = next(walk_);
      return *this;
    }
    void operator++(int) { ++*this; }
    friend bool operator==(const iterator& a, const iterator& b) {
      return a.current_ == b.current_;
    }

   private:
    friend class Records;
    explicit iterator(client::RecordsWalk* walk) : walk_(walk) { ++*this; }
    static const ConsumerRecord* next(client::RecordsWalk* walk);
    client::RecordsWalk* walk_ = nullptr;
    const ConsumerRecord* current_ = nullptr;
  };

  /// No records.
  Records();
  Records(Records&&) noexcept;
  Records& operator=(Records&&) noexcept;
  ~Records();

  /// Single-pass: a second begin() continues where the first stopped.
  [[nodiscard]] iterator begin();
  /// The end of the iteration.
  [[nodiscard]] iterator end() const { return {}; }
  /// True if there is no record: the poll's timeout expired.
  [[nodiscard]] bool empty() const;
  /// The number of records according to the headers of the batches, aborted records and control
  /// records included.
  [[nodiscard]] std::size_t count() const;
  /// The error that ended the iteration of a partition early (damaged batch, wrong CRC). Null if
  /// there was none. Valid after the iteration. That partition's position stays before the damage,
  /// and the next poll returns the same error.
  [[nodiscard]] const Error* error() const;

 private:
  friend struct client::HandleAccess;
  explicit Records(std::unique_ptr<client::RecordsWalk> inside);

  std::unique_ptr<client::RecordsWalk> inside_;
};

/// An offset to commit, or a committed one.
struct OffsetAndMetadata {
  /// The offset of the next record to read.
  Offset offset;
  /// Default: none. The leader epoch of the last record before the offset.
  LeaderEpoch leader_epoch = {};
  /// Default: empty. At most 4,096 bytes in Apache Kafka. Text that is stored beside the offset.
  std::string metadata = {};
};
/// An offset of one partition, to commit or committed.
struct PartitionOffset {
  /// The partition that it belongs to.
  TopicPartition partition;
  /// Its offset.
  OffsetAndMetadata committed;
};

/// Callbacks for changes of the assignment. They run inside `poll`, `unsubscribe` and `close`, on
/// the calling thread. They may commit and seek, but not poll. An exception becomes the error of
/// that call, handler_failed. The assignment changes nevertheless.
struct RebalanceListener {
  /// Receives newly assigned partitions; their positions are not known yet.
  std::move_only_function<void(std::span<const TopicPartition>)> on_assigned = nullptr;
  /// Receives partitions that this member is about to give up; it can still commit their offsets.
  std::move_only_function<void(std::span<const TopicPartition>)> on_revoked = nullptr;
  /// Receives partitions that other members may already own; a commit would be refused.
  std::move_only_function<void(std::span<const TopicPartition>)> on_lost = nullptr;
};

/// Reads records, alone or as a member of a group. It is a handle on its Client. A Consumer that
/// was moved from returns Errc::closed, and its const members return empty values. Move assignment
/// first closes the Consumer that it held, as the destructor does.
///
/// Every call may also fail with closed, after `close` or Client::close, and with forked. A call
/// that waits fails with would_deadlock on the client's own thread.
///
/// Thread safety: one thread at a time, except `wakeup` and the const members, which any thread may
/// call. Heartbeats and fetches run in the background.
class DOHLE_API Consumer {
 public:
  /// Receives the outcome of a commit. An exception that it throws on the client's thread is
  /// logged.
  using CommitCallback = std::move_only_function<void(Result<void>)>;

  Consumer(Consumer&&) noexcept;
  Consumer& operator=(Consumer&&) noexcept;
  /// As close() with 5 s.
  ~Consumer();

  /// Joins the group for these topics; replaces an earlier subscription. Needs a group id. It waits
  /// for topics that do not exist, and logs this after 5 s. If a topic is deleted and created
  /// again, the new one is read by offset_reset, and the log says so. Errors: invalid_argument
  /// without a group or a topic, and for an invalid topic name. It takes no patterns; those are
  /// part of the messaging API, see Topics.
  Result<void> subscribe(std::vector<std::string> topics, RebalanceListener listener = {});
  /// Leaves the group, or drops the assignment. Waits at most default_api_timeout. Errors:
  /// timed_out; the error of the last commit. The assignment is dropped in any case.
  Result<void> unsubscribe();
  /// Reads these partitions without group management. Excludes subscribe. It waits for a topic that
  /// does not exist, and never creates one. If a topic is deleted and created again, reading the
  /// new topic starts at offset_reset, with a log line. Errors: invalid_argument for an invalid
  /// topic name, a negative partition, or while subscribed.
  Result<void> assign(std::vector<TopicPartition> partitions);

  /// Waits until there are records, a rebalance is done, or `timeout` expires (an empty result). An
  /// error that lasts until a seek (no_offset, damage) is returned again after 100 ms. This wait
  /// doubles up to 1 s. The other partitions are read meanwhile. Errors: cancelled after wakeup();
  /// no_offset; limit_reached if the Records that the program holds fill buffer_bytes; the broker
  /// error FENCED_INSTANCE_ID (82), which is fatal, once another consumer has joined the group with
  /// this group_instance_id; errors that are not retriable.
  Result<Records> poll(std::chrono::milliseconds timeout);
  /// Makes the running or the next poll return Errc::cancelled. Any thread.
  void wakeup();

  /// Commits the positions after all records that poll has returned. A subscribed consumer may
  /// commit only while it is a member of its group: after it left (max_poll_interval), commits are
  /// refused with not_owner until it has joined again. An offset that the coordinator refuses, for
  /// example of a topic that no longer exists (UNKNOWN_TOPIC_OR_PARTITION), fails the call at once;
  /// the other offsets are committed, and the error says so. Errors:
  /// not_owner; invalid_argument without a group; timed_out; the error that the coordinator
  /// returned, for example FENCED_INSTANCE_ID as of poll().
  Result<void> commit_sync();
  /// Commits these offsets. As commit_sync(); an error names the refused partitions (at most 10,
  /// and the number of the rest), has the code of the first one, and says whether the other offsets
  /// are committed. Waits at most default_api_timeout. Inside a listener that close or unsubscribe
  /// calls, it waits at most until their deadline.
  Result<void> commit_sync(std::vector<PartitionOffset> offsets);
  /// As above, but waits at most `timeout`.
  Result<void> commit_sync(std::vector<PartitionOffset> offsets, std::chrono::milliseconds timeout);
  /// Commits without waiting. `callback` runs on the client's thread, exactly once; callbacks run
  /// in the order of the commits.
  void commit_async(CommitCallback callback = {});
  void commit_async(std::vector<PartitionOffset> offsets, CommitCallback callback = {});
  /// The group's committed offsets. Partitions without one are omitted. Waits at most
  /// default_api_timeout. Errors: invalid_argument without a group; timed_out; the error that the
  /// coordinator returned.
  Result<std::vector<PartitionOffset>> committed(std::vector<TopicPartition> partitions);

  /// Continues reading at `offset`. Records of the partition that are queued, or that the fetch
  /// under way returns, are dropped. The next fetch from that server is sent after the answer to
  /// the fetch under way. If there are no new records, that takes up to max_fetch_wait, as in the
  /// Java consumer and librdkafka. Errors: invalid_argument for a partition that is not assigned,
  /// or a negative offset.
  Result<void> seek(const TopicPartition& partition, Offset offset);
  /// As `seek`, to the first record that the log still has.
  Result<void> seek_to_beginning(const TopicPartition& partition);
  /// As `seek`, to the end: records that are published from now on.
  Result<void> seek_to_end(const TopicPartition& partition);
  /// As `seek`, to the first record with that timestamp or a later one. If there is no such record,
  /// to the end. Errors: also invalid_argument for a negative time.
  Result<void> seek_to_time(const TopicPartition& partition, Timestamp time);
  /// The offset of the next record that poll will return. Waits until it is known, at most
  /// `timeout` (if not given, default_api_timeout). With 0 it never waits. Errors: timed_out;
  /// invalid_argument if the partition is not assigned; the error of the look-up.
  Result<Offset> position(const TopicPartition& partition);
  Result<Offset> position(const TopicPartition& partition, std::chrono::milliseconds timeout);

  /// Stops fetching these partitions; they stay assigned. Records that are queued, or that the
  /// fetch under way returns, are kept until resume. After resume, new fetches wait for the fetch
  /// under way, as after seek. Errors: invalid_argument for a partition that is not assigned; the
  /// other partitions are paused.
  Result<void> pause(std::span<const TopicPartition> partitions);
  /// Fetches paused partitions again. Errors: invalid_argument for a partition that is not
  /// assigned.
  Result<void> resume(std::span<const TopicPartition> partitions);

  /// The assigned partitions.
  [[nodiscard]] std::vector<TopicPartition> assignment() const;
  /// The assigned partitions that are paused.
  [[nodiscard]] std::vector<TopicPartition> paused() const;
  /// The member id in the group. Empty while the consumer is not a member.
  [[nodiscard]] std::string member_id() const;
  /// The member epoch. none while the consumer is not a member.
  [[nodiscard]] MemberEpoch member_epoch() const;
  /// Number of records between position and high watermark, as of the last fetch. Absent before the
  /// first fetch.
  [[nodiscard]] std::optional<std::int64_t> lag(const TopicPartition& partition) const;

  /// Commits if auto_commit is true, leaves the group and stops fetching, within `timeout`.
  /// Idempotent. Errors: timed_out; the error of the last commit. The consumer is closed in any
  /// case.
  Result<void> close(std::chrono::milliseconds timeout);

 private:
  friend struct client::HandleAccess;
  explicit Consumer(std::shared_ptr<client::ConsumerCalls> inside);

  std::shared_ptr<client::ConsumerCalls> inside_;
};

}  // namespace v0
}  // namespace dohle
