#pragma once

#include <deque>
#include <functional>
#include <memory>
#include <vector>

#include "client/cluster/cluster.hpp"
#include "dohle/consumer.hpp"
#include "wire/messages/offset_commit.hpp"
#include "wire/messages/offset_fetch.hpp"

namespace dohle::client {

/// Who a commit comes from, and to whom it goes.
struct GroupMembership {
  std::string group_id;
  NodeId coordinator;
  Generation generation;
  std::string member_id;
  std::optional<std::string> instance_id;
};

/// The membership, as those see it who commit and fetch offsets. Loop thread.
class OffsetsGroup {
 public:
  virtual ~OffsetsGroup() = default;
  /// No coordinator: none is known; it is looked for, and `retry` may be called later.
  virtual GroupMembership membership() = 0;
  virtual void on_offsets_error(NodeId coordinator, Generation generation, const Error& why) = 0;
};

/// Commits a group's offsets, one request after the other in the order of the calls, and fetches
/// committed ones; tries again until a deadline, a commit only within its generation. Loop thread
/// only.
class GroupOffsets : public std::enable_shared_from_this<GroupOffsets> {
 public:
  using Committed = std::move_only_function<void(Result<void>)>;
  using OffsetsFetched = std::move_only_function<void(Result<std::vector<PartitionOffset>>)>;

  GroupOffsets(Cluster& cluster, ConnectionLane lane, OffsetsGroup& group)
      : cluster_(cluster), lane_(lane), group_(group) {}
  GroupOffsets(const GroupOffsets&) = delete;
  GroupOffsets& operator=(const GroupOffsets&) = delete;

  void commit(std::vector<PartitionOffset> offsets, TimePoint deadline, Committed then);
  /// Partitions without a committed offset are left out.
  void fetch(std::vector<TopicPartition> partitions, TimePoint deadline, OffsetsFetched then);
  /// Fails everything under way.
  void close(const Error& why);

 private:
  struct Commit {
    std::vector<PartitionOffset> offsets;
    /// Of the call; it is committed under no other.
    Generation generation;
    TimePoint deadline;
    Backoff backoff;
    /// Null: its caller was told that it ran out of time, and its answer is still awaited.
    Committed then;
  };
  struct Fetch {
    std::vector<TopicPartition> partitions;
    TimePoint deadline;
    Backoff backoff;
    /// Null: its caller was told.
    OffsetsFetched then;
  };
  void pump();
  void begin_commit();
  void end_commit(Result<void> outcome);
  void retry_commit(const Error& why);
  /// Ends what ran out of time, whatever it waits for: a frozen server holds a request much longer.
  void watch_deadlines();
  void on_time();
  void end_fetch(Fetch& fetch, Result<std::vector<PartitionOffset>> outcome);
  [[nodiscard]] Error late(std::string_view what);
  void on_committed(const GroupMembership& by, Result<wire::OffsetCommitResponse> answer);
  void ask(std::shared_ptr<Fetch> fetch);
  void retry(std::shared_ptr<Fetch> fetch, const Error& why);
  void on_fetched(std::shared_ptr<Fetch> fetch, const GroupMembership& by,
                  Result<wire::OffsetFetchResponse> answer);

  Cluster& cluster_;
  ConnectionLane lane_;
  OffsetsGroup& group_;
  std::deque<Commit> commits_;
  bool is_committing_ = false;
  bool is_pumping_ = false;
  /// Not cancelled when this ends: the loop may be gone before, and the timer finds nobody then.
  TimerId timer_ = 0;
  TimePoint timer_at_ = never;
  std::optional<Error> closed_;
};

}  // namespace dohle::client
