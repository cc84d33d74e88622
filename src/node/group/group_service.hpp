#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <unordered_map>
#include <variant>
#include <vector>

#include "base/executor.hpp"
#include "base/random.hpp"
#include "node/group/group_coordinator.hpp"
#include "node/storage/partition.hpp"

namespace dohle::node {

class NodeEngine;

/// Drives the GroupCoordinator: keeps the requests that wait, stores what has to be stored in
/// __consumer_offsets before the answers that depend on it go out, and calls it on time.
class GroupService {
 public:
  using JoinDone = std::move_only_function<void(const AnswerJoin&)>;
  using SyncDone = std::move_only_function<void(const AnswerSync&)>;
  /// With one error code for each leaver, and one for the whole.
  using LeaveDone = std::move_only_function<void(const std::vector<std::int16_t>&, std::int16_t)>;
  using Done = std::move_only_function<void(std::int16_t error)>;

  struct Commit {
    std::string topic;
    PartitionId partition;
    CommittedOffset committed;
  };

  GroupService(NodeEngine& engine, Executor& loop, Random& random,
               GroupCoordinator::Options options);
  ~GroupService();
  GroupService(const GroupService&) = delete;
  GroupService& operator=(const GroupService&) = delete;

  /// Reads what is stored. Errors: damaged, storage; groups are then unavailable, the rest works.
  Result<void> restore(Now now);

  void join(JoinRequest request, JoinDone done);
  void sync(SyncRequest request, SyncDone done);
  [[nodiscard]] std::int16_t heartbeat(const std::string& group, std::string_view member_id,
                                       const std::optional<std::string>& instance_id,
                                       Generation generation, Now now);
  void leave(const std::string& group, const std::vector<GroupCoordinator::Leaver>& leavers,
             LeaveDone done, Now now);
  /// Whether the group takes a commit from there. Returns an error code.
  [[nodiscard]] std::int16_t check_commit(const std::string& group, std::string_view member_id,
                                          const std::optional<std::string>& instance_id,
                                          Generation generation, Now now);
  void commit(const std::string& group, std::vector<Commit> commits, Done done);
  /// Deletes a group; the next sync makes that durable. Returns an error code.
  [[nodiscard]] std::int16_t remove(const std::string& group);
  /// Its offsets are gone from now on, and removed in pieces; then calls `done`.
  void forget_topic(std::string_view topic, Task done);
  /// A topic of that name was made: what is left of an earlier one's is removed at once, so that no
  /// crash brings it back.
  void finish_forgetting(const std::string& topic);
  /// In pieces.
  void expire(Now now);
  /// Stores the deletions for which the disk had no space. They come before anything else that is
  /// stored. Errors: storage; the next call tries again.
  Result<void> store_owed();
  /// Everybody who waits for others is sent to look for the coordinator again: the node stops.
  void answer_all();

  [[nodiscard]] bool is_available() const { return !fault_ && !is_offline(); }
  /// Why groups have to wait, as a sentence; nothing if they do not.
  [[nodiscard]] std::optional<std::string> why_unavailable() const;
  [[nodiscard]] const GroupCoordinator& coordinator() const { return coordinator_; }

 private:
  using Waiting = std::variant<JoinDone, SyncDone>;

  /// A walk over all groups that goes on while the turn has time, then in later turns.
  struct Walk {
    GroupCoordinator::Place place;
    bool is_under_way = false;
  };

  [[nodiscard]] bool is_offline() const;
  void when_ready(Task then);
  void begin_join(JoinRequest request, JoinDone done);
  void begin_sync(SyncRequest request, SyncDone done);
  void store_commits(const std::string& group, std::vector<Commit> commits, Done done);
  /// Says which bound it is when all groups together have no room for so many bytes more.
  [[nodiscard]] bool has_room_for(std::size_t growth, std::string_view what,
                                  std::string_view group);
  ReplyTo keep(Waiting waiting);
  void perform(ClassicGroupActions actions, Now now);
  void answer(const ClassicGroupAction& action, std::int16_t error);
  void answer_when_stored(ClassicGroupActions answers);
  [[nodiscard]] bool store_group(const std::string& group);
  Result<void> store(const std::vector<GroupRecord>& records);
  Result<void> store_without_rewrite(const std::vector<GroupRecord>& records);
  Result<void> store_deletions(std::vector<GroupRecord> records);
  Result<void> append(std::span<const GroupRecord> records);
  void settle(const std::string& group, std::vector<Commit>& commits, bool is_durable);
  void begin_rewrite_if_due();
  void rewrite_some();
  void give_up_rewriting(const Error& why);
  void end_rewrite();
  void forget_some();
  void expire_some();
  void walk();
  bool walk_some();
  [[nodiscard]] bool has_walk() const;
  Result<void> read_log(log::PartitionLog& log, Now now);
  Result<void> restore(const Slice& batch, Now now);
  void forget_missing_topics();
  void arm();
  void warn(std::string_view what, const Error& why);

  NodeEngine& engine_;
  Executor& loop_;
  GroupCoordinator coordinator_;
  PartitionRef partition_;  // null until something is to be stored
  /// Why there is no partition, when one was last to be made.
  std::optional<Error> not_made_;
  std::optional<Error> fault_;
  std::unordered_map<ReplyTo, Waiting> waiting_;
  ReplyTo last_reply_ = 0;
  TimerId timer_ = 0;
  TimePoint timer_at_ = never;
  std::vector<GroupRecord> owed_;
  std::size_t stored_records_ = 0;
  bool is_rewriting_ = false;
  /// Where the rewritten log begins.
  Offset rewritten_from_{};
  Walk forgetting_;
  std::vector<Task> when_forgotten_;
  Walk expiring_;
  Walk rewriting_;
  Timestamp expired_at_{};
  TimerId walk_timer_ = 0;
  bool is_walking_ = false;
};

}  // namespace dohle::node
