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

/// Where a partition is read from when there is no committed offset, or it is out of range.
enum class OffsetReset : std::uint8_t {
  latest,    ///< the end: records that are published from then on
  earliest,  ///< the first record that the log still has
  fail,      ///< poll returns Errc::no_offset
};

/// How a Consumer fetches and takes part in a group.
struct ConsumerOptions {
  /// Empty: no group; partitions are assigned by hand and nothing can be committed.
  std::string group_id = {};
  /// Static membership (KIP-345); empty: dynamic.
  std::string group_instance_id = {};
  /// Default: latest.
  OffsetReset offset_reset = OffsetReset::latest;
  /// Commit the positions of what poll has returned every `auto_commit_interval`, before partitions
  /// are given up, and on close. 1 ms to 1 day.
  bool auto_commit = true;
  /// See auto_commit. Default: 5 s. 1 ms to 1 day.
  std::chrono::milliseconds auto_commit_interval{5'000};
  /// A member that is not heard of for that long loses its partitions. 1 ms to 1 day.
  std::chrono::milliseconds session_timeout{45'000};
  /// Below session_timeout; at most a third of it is wise. At least 1 ms.
  std::chrono::milliseconds heartbeat_interval{3'000};
  /// A member that does not poll for that long leaves the group until it polls again. 1 ms to 1
  /// day.
  std::chrono::milliseconds max_poll_interval{300'000};
  /// A fetch waits at the server for this many bytes, at most max_fetch_wait. At least 1.
  std::size_t min_fetch_bytes = 1;
  /// Per answer, and per partition in an answer. At least 1 KiB.
  std::size_t max_fetch_bytes = std::size_t{50} << 20;
  /// Of one partition in an answer. Default: 1 MiB. At least 1 KiB.
  std::size_t max_partition_fetch_bytes = std::size_t{1} << 20;
  /// 0 to 10 min.
  std::chrono::milliseconds max_fetch_wait{500};
  /// All fetched bytes that are queued or still held by the user, decompressed ones included. A
  /// single first batch larger than what is left may exceed it by its own size. At least 1 KiB.
  std::size_t buffer_bytes = std::size_t{64} << 20;
  /// Records that one poll returns at most. 1 to 1,000,000.
  std::size_t max_poll_records = 500;
  /// Check each batch's CRC-32C before its first record is handed out.
  bool check_crcs = true;
  /// Time for one request's answer. 1 ms to 10 min.
  std::chrono::milliseconds request_timeout{30'000};
  /// For calls without a timeout of their own. 1 ms to 1 day.
  std::chrono::milliseconds default_api_timeout{60'000};
};

/// A record together with where it came from. Views; see Records.
struct ConsumerRecord : RecordView {
  /// The topic that it was read from.
  std::string_view topic;
  /// The partition that it was read from.
  PartitionId partition;
  /// Of its batch; none if the server does not say.
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

/// What one poll returned: the records of some partitions, in order within each. CRC check,
/// decompression and decoding happen while it is walked, in the walking thread.
///
/// Lifetime: views taken from it live as long as it does; it counts against buffer_bytes until it
/// is destroyed. It may outlive the consumer. Not thread safe; may be moved to another thread.
class DOHLE_API Records {
 public:
  /// A C++20 input iterator. The record that it refers to is valid until it moves on.
  class DOHLE_API iterator {
   public:
    using value_type = ConsumerRecord;
    using difference_type = std::ptrdiff_t;
    iterator() = default;
    const ConsumerRecord& operator*() const { return *current_; }
    const ConsumerRecord* operator->() const { return current_; }
    iterator& operator++() {
      current_ = next(core_);
      return *this;
    }
    void operator++(int) { ++*this; }
    friend bool operator==(const iterator& a, const iterator& b) {
      return a.current_ == b.current_;
    }

   private:
    friend class Records;
    explicit iterator(client::RecordsWalk* core) : core_(core) { ++*this; }
    static const ConsumerRecord* next(client::RecordsWalk* core);
    client::RecordsWalk* core_ = nullptr;
    const ConsumerRecord* current_ = nullptr;
  };

  /// No records.
  Records();
  Records(Records&&) noexcept;
  Records& operator=(Records&&) noexcept;
  ~Records();

  /// A single pass: a second begin() goes on where the first stopped.
  [[nodiscard]] iterator begin();
  /// Where the walk ends.
  [[nodiscard]] iterator end() const { return {}; }
  /// No record at all: the poll's time passed.
  [[nodiscard]] bool empty() const;
  /// Records in it, as the batches' headers say (aborted and control records not counted out).
  [[nodiscard]] std::size_t count() const;
  /// Why the walk of some partition ended early (damaged batch, wrong CRC); asked after the walk.
  /// That partition's position stays before the damage, and the next poll returns the same error.
  [[nodiscard]] const Error* error() const;

 private:
  friend struct client::HandleAccess;
  explicit Records(std::unique_ptr<client::RecordsWalk> core);

  std::unique_ptr<client::RecordsWalk> core_;
};

/// An offset to commit, or a committed one.
struct OffsetAndMetadata {
  /// The next record to read.
  Offset offset;
  /// Of the last record before it. Default: none.
  LeaderEpoch leader_epoch = {};
  /// Stored beside the offset. At most 4,096 bytes at Apache Kafka. Default: empty.
  std::string metadata = {};
};
/// An offset of one partition, to commit or committed.
struct PartitionOffset {
  /// The partition that it belongs to.
  TopicPartition partition;
  /// Its offset.
  OffsetAndMetadata committed;
};

/// Told of changes of the assignment, inside `poll`, `unsubscribe` and `close`, on the calling
/// thread. They may commit and seek, but not poll.
struct RebalanceListener {
  /// Partitions newly this member's; their positions are not yet fetched.
  std::move_only_function<void(std::span<const TopicPartition>)> on_assigned = nullptr;
  /// Partitions about to be given up; they can still be committed.
  std::move_only_function<void(std::span<const TopicPartition>)> on_revoked = nullptr;
  /// Partitions that others may already own; a commit would be refused.
  std::move_only_function<void(std::span<const TopicPartition>)> on_lost = nullptr;
};

/// Reads records, alone or as a member of a group. A handle on its Client. Moved from, it answers
/// Errc::closed, and its const members nothing; move assignment first closes what it held, as the
/// destructor does.
///
/// Thread safety: one thread at a time, but `wakeup` and the const members, which any thread may
/// call. Heartbeats and fetches go on in the background.
class DOHLE_API Consumer {
 public:
  /// Told what became of a commit.
  using CommitCallback = std::move_only_function<void(Result<void>)>;

  Consumer(Consumer&&) noexcept;
  Consumer& operator=(Consumer&&) noexcept;
  /// As close() with 5 s.
  ~Consumer();

  /// Joins the group for these topics; replaces an earlier subscription. Needs a group id. Topics
  /// that are not there are waited for; after 5 s the log says so. Errors: invalid_argument, also
  /// for a name that no topic can have (patterns are none).
  Result<void> subscribe(std::vector<std::string> topics, RebalanceListener listener = {});
  /// Leaves the group, or drops the assignment.
  Result<void> unsubscribe();
  /// Reads these partitions, outside of any group management. Excludes subscribe. A topic that is
  /// not there is waited for, and never created. Where a topic is deleted and created again, the
  /// new one is read by offset_reset, from wherever that leads; the log says so.
  Result<void> assign(std::vector<TopicPartition> partitions);

  /// Waits until there are records, a rebalance is done, or `timeout` is up (an empty result).
  /// An error that stays until a seek (no_offset, damage) is returned again after 100 ms, which
  /// doubles up to 1 s; other partitions are read on meanwhile. Errors: cancelled after wakeup();
  /// no_offset; limit_reached when Records that the user still holds fill buffer_bytes; fenced;
  /// auth; whatever is not retriable.
  Result<Records> poll(std::chrono::milliseconds timeout);
  /// Makes the present or the next poll return Errc::cancelled. Any thread.
  void wakeup();

  /// Commits the positions of everything poll has returned. A subscribed consumer commits as a
  /// member of its group alone: one that left it (max_poll_interval) is refused with not_owner
  /// until it has joined again.
  Result<void> commit_sync();
  /// Commits these. Errors name the first partition that was refused. Waits at most
  /// default_api_timeout, as do `committed` and `unsubscribe`; inside a listener that close or
  /// unsubscribe calls, only as long as those may.
  Result<void> commit_sync(std::vector<PartitionOffset> offsets);
  /// The same, and waits at most `timeout`.
  Result<void> commit_sync(std::vector<PartitionOffset> offsets, std::chrono::milliseconds timeout);
  /// `callback` runs on the client's thread, exactly once; commits are answered in order.
  void commit_async(CommitCallback callback = {});
  void commit_async(std::vector<PartitionOffset> offsets, CommitCallback callback = {});
  /// The group's committed offsets; partitions without one are left out.
  Result<std::vector<PartitionOffset>> committed(std::vector<TopicPartition> partitions);

  /// The next poll goes on from there; records already queued are dropped, and those that a fetch
  /// under way brings of the partition. The next fetch from that server waits for the answer to
  /// that one, up to max_fetch_wait where nothing new comes, as with Java's consumer and
  /// librdkafka's.
  Result<void> seek(const TopicPartition& partition, Offset offset);
  /// As `seek`, to the first record that the log still has.
  Result<void> seek_to_beginning(const TopicPartition& partition);
  /// As `seek`, to the end: records that are published from now on.
  Result<void> seek_to_end(const TopicPartition& partition);
  /// To the first record with that timestamp or a later one; to the end if there is none.
  Result<void> seek_to_time(const TopicPartition& partition, Timestamp time);
  /// Offset of the next record that poll will return. Waits until it is known, at most `timeout`
  /// (without one, default_api_timeout); with 0 it says what is known, and never waits.
  /// Errors: timed_out; invalid_argument when it is not assigned; what the look-up failed with.
  Result<Offset> position(const TopicPartition& partition);
  Result<Offset> position(const TopicPartition& partition, std::chrono::milliseconds timeout);

  /// Paused partitions stay assigned and are not fetched; records already queued wait, and so do
  /// those that a fetch under way brings. After resume, new ones wait for it as after seek.
  Result<void> pause(std::span<const TopicPartition> partitions);
  /// Fetches paused partitions again. Errors: invalid_argument for one that is not assigned.
  Result<void> resume(std::span<const TopicPartition> partitions);

  /// The partitions that it reads at present.
  [[nodiscard]] std::vector<TopicPartition> assignment() const;
  /// Those of them that are paused.
  [[nodiscard]] std::vector<TopicPartition> paused() const;
  /// As the group knows it; empty while it is no member.
  [[nodiscard]] std::string member_id() const;
  /// none while it is no member. See MemberEpoch.
  [[nodiscard]] MemberEpoch member_epoch() const;
  /// Records between position and high watermark, as of the last fetch; nothing before it.
  [[nodiscard]] std::optional<std::int64_t> lag(const TopicPartition& partition) const;

  /// Commits if auto_commit, leaves the group, stops fetching, all of it within `timeout`.
  Result<void> close(std::chrono::milliseconds timeout);

 private:
  friend struct client::HandleAccess;
  explicit Consumer(std::shared_ptr<client::ConsumerCalls> core);

  std::shared_ptr<client::ConsumerCalls> core_;
};

}  // namespace v0
}  // namespace dohle
