#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <set>
#include <string>
#include <unordered_map>
#include <variant>
#include <vector>

#include "base/executor.hpp"
#include "base/random.hpp"
#include "node/group/group_coordinator.hpp"
#include "node/journal/topic_journal.hpp"
#include "node/lines.hpp"
#include "node/storage/storage.hpp"

namespace dohle::node {

/// Drives the GroupCoordinator: keeps the requests that wait, stores what has to be stored in
/// __consumer_offsets before the answers that depend on it go out, and calls it on time.
///
/// While a long __consumer_offsets is loaded, requests are refused as Apache Kafka refuses them:
/// with COORDINATOR_LOAD_IN_PROGRESS, but for heartbeats, which are answered blindly, and
/// SyncGroup.
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

  /// All but the options outlive it.
  GroupService(Storage& storage, Lines& lines, Executor& loop, Disk& disk, Random& random,
               GroupCoordinator::Options options);
  ~GroupService();
  GroupService(const GroupService&) = delete;
  GroupService& operator=(const GroupService&) = delete;

  /// Reads what is stored, in the call if it is little. Where that fails, a line says so; groups
  /// are then unavailable, the rest works.
  void load();
  /// The log of __consumer_offsets was checked.
  void on_checked() { journal_.on_checked(); }

  void join(JoinRequest request, JoinDone done);
  void sync(SyncRequest request, SyncDone done);
  [[nodiscard]] std::int16_t heartbeat(const std::string& group, std::string_view member_id,
                                       const std::optional<std::string>& instance_id,
                                       Generation generation, Now now);
  void leave(const std::string& group, std::vector<GroupCoordinator::Leaver> leavers,
             LeaveDone done);
  /// Whether the group takes a commit from there. Returns an error code.
  [[nodiscard]] std::int16_t check_commit(const std::string& group, std::string_view member_id,
                                          const std::optional<std::string>& instance_id,
                                          Generation generation, Now now);
  void commit(const std::string& group, std::vector<Commit> commits, Done done);
  /// Calls `then` once deletions find the log prepared, or at once while requests are refused.
  void when_prepared(Task then);
  /// Deletes a group; the next sync makes that durable. Returns an error code.
  [[nodiscard]] std::int16_t remove(const std::string& group);
  /// Its offsets are gone from now on, and removed in pieces; then calls `done`. No topic of that
  /// name is made before.
  void forget_topic(const std::string& topic, Task done);
  /// In pieces.
  void expire(Now now);
  /// Stores the deletions for which the disk had no space. They come before anything else that is
  /// stored. Errors: storage; the next call tries again.
  Result<void> store_owed();
  /// Everybody who waits for others is sent to look for the coordinator again: the node stops.
  void answer_all();

  [[nodiscard]] bool is_loading() const { return journal_.is_replaying(); }
  [[nodiscard]] bool is_available() const { return !is_loading() && journal_.fault() == nullptr; }
  /// What requests are refused with; none while groups are available.
  [[nodiscard]] std::int16_t refusal() const;
  /// Why groups have to wait for somebody to do something, as a sentence; nothing if they do not.
  [[nodiscard]] std::optional<std::string> why_unavailable() const;
  [[nodiscard]] const GroupCoordinator& coordinator() const { return coordinator_; }

 private:
  using Waiting = std::variant<JoinDone, SyncDone>;

  /// A walk over all groups that goes on while the turn has time, then in later turns.
  struct Walk {
    GroupCoordinator::Place place;
    bool is_under_way = false;
  };

  /// Nothing keeps a walk from storing what it changes.
  [[nodiscard]] bool is_ready() const { return !is_loading() && journal_.is_prepared(); }
  void when_ready(Task then);
  Result<Taken> take(const JournalRecord& record);
  void loaded(const Result<void>& outcome);
  void leave_now(const std::string& group, const std::vector<GroupCoordinator::Leaver>& leavers,
                 LeaveDone done);
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
  void settle(const std::string& group, std::vector<Commit>& commits, bool is_durable);
  void begin_rewrite_if_due();
  void rewrite_some();
  void forget_some();
  void end_forgetting();
  void expire_some();
  void walk();
  bool walk_some();
  [[nodiscard]] bool has_walk() const;
  void arm();
  void warn(std::string_view what, const Error& why);

  Storage& storage_;
  Lines& lines_;
  Executor& loop_;
  GroupCoordinator coordinator_;
  /// Not open until something is to be stored.
  TopicJournal journal_;
  /// Why there is no topic, when one was last to be made.
  std::optional<Error> not_made_;
  /// While loading: topics of offsets that are not there, and those that were deleted meanwhile.
  std::set<std::string> missing_topics_;
  /// Of those, until none of their offsets can come back.
  std::vector<std::string> held_names_;
  TimePoint loading_since_{};
  /// No member is taken out before.
  TimePoint expire_from_{};
  std::unordered_map<ReplyTo, Waiting> waiting_;
  ReplyTo last_reply_ = 0;
  TimerId timer_ = 0;
  TimePoint timer_at_ = never;
  Walk forgetting_;
  std::vector<Task> when_forgotten_;
  Walk expiring_;
  Walk rewriting_;
  Timestamp expired_at_{};
  TimerId walk_timer_ = 0;
  bool is_walking_ = false;
};

}  // namespace dohle::node
