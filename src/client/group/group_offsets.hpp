#pragma once

#include <chrono>
#include <cstddef>
#include <deque>
#include <functional>
#include <memory>
#include <optional>
#include <vector>

#include "client/cluster/call_time.hpp"
#include "client/cluster/cluster.hpp"
#include "client/group/commit_outcome.hpp"
#include "dohle/consumer.hpp"
#include "wire/messages/offset_commit.hpp"
#include "wire/messages/offset_fetch.hpp"

namespace dohle::client {

/// The membership and the coordinator of a commit.
struct GroupMembership {
  std::string group_id;
  NodeId coordinator;
  Generation generation;
  std::string member_id;
  std::optional<std::string> instance_id;
};

/// The membership, as commits and fetches of offsets need it. Loop thread.
class OffsetsGroup {
 public:
  virtual ~OffsetsGroup() = default;
  /// The coordinator is none while it is unknown; it is then looked for.
  virtual GroupMembership membership() = 0;
  virtual void on_offsets_error(NodeId coordinator, Generation generation, const Error& why) = 0;
};

/// Commits a group's offsets, one request at a time in the order of the calls, and fetches
/// committed offsets. It retries until the deadline, a commit only within its generation and
/// without the partitions that are committed or refused already. Loop thread only.
class GroupOffsets : public std::enable_shared_from_this<GroupOffsets> {
 public:
  using OffsetsFetched = std::move_only_function<void(Result<std::vector<PartitionOffset>>)>;

  using Retention = std::optional<std::chrono::milliseconds>;

  /// `retention`: how long the server keeps committed offsets; if absent, by its own rule.
  GroupOffsets(Cluster& cluster, ConnectionLane lane, OffsetsGroup& group, Retention retention = {})
      : cluster_(cluster), lane_(lane), group_(group), retention_(retention) {}
  GroupOffsets(const GroupOffsets&) = delete;
  GroupOffsets& operator=(const GroupOffsets&) = delete;

  void commit(std::vector<PartitionOffset> offsets, SharedCallTime time, CommitDone then);
  /// The result has no entry for partitions without a committed offset.
  void fetch(std::vector<TopicPartition> partitions, SharedCallTime time, OffsetsFetched then);
  /// Fails all commits and fetches.
  void close(const Error& why);

 private:
  struct Commit {
    /// The offsets that are neither committed nor refused.
    std::vector<PartitionOffset> offsets;
    /// The generation at the time of the call. The commit is sent only under this one.
    Generation generation;
    SharedCallTime time;
    Backoff backoff;
    /// Null once its caller was told of a timeout. The answer is still awaited.
    CommitDone then;
    /// Number of offsets of the call.
    std::size_t count = 0;
    std::vector<RefusedOffset> refused = {};
  };
  struct Fetch {
    std::vector<TopicPartition> partitions;
    SharedCallTime time;
    Backoff backoff;
    /// Null once its caller was told.
    OffsetsFetched then;
  };
  void pump();
  void begin_commit();
  /// `rest`: the outcome of the offsets that are neither committed nor refused.
  void end_commit(const Result<void>& rest);
  static CommitOutcome outcome_of(Commit& commit, const Result<void>& rest);
  /// Takes committed and refused partitions out of the commit. One that the answer leaves out is
  /// refused. Errors: that of the rest.
  static Result<void> take_answer(Commit& commit, const wire::OffsetCommitResponse& answer);
  void retry_commit(const Error& why);
  /// Ends calls at their deadline, since a frozen server keeps a request much longer.
  void watch(TimePoint deadline);
  void on_time();
  void stop_timer();
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
  const Retention retention_;
  std::deque<Commit> commits_;
  bool is_committing_ = false;
  bool is_pumping_ = false;
  /// Not cancelled by the destructor, since the loop may end earlier. The timer holds a weak
  /// reference.
  TimerId timer_ = 0;
  TimePoint timer_at_ = never;
  std::optional<Error> closed_;
};

}  // namespace dohle::client
