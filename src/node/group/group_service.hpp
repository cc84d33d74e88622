#pragma once

#include <cstdint>
#include <deque>
#include <functional>
#include <optional>
#include <set>
#include <string>
#include <unordered_map>
#include <variant>
#include <vector>

#include "base/executor.hpp"
#include "base/secure_random.hpp"
#include "node/group/group_coordinator.hpp"
#include "node/lines.hpp"
#include "node/storage/storage.hpp"
#include "node/storage/topic_journal.hpp"

namespace dohle::node {

/// Drives the GroupCoordinator: keeps the waiting requests, stores its records in
/// __consumer_offsets before dependent answers are sent, and calls `on_time`.
///
/// While a long __consumer_offsets is loaded, requests are refused as in Apache Kafka, with
/// COORDINATOR_LOAD_IN_PROGRESS. Heartbeats succeed without a check, and SyncGroup gets
/// REBALANCE_IN_PROGRESS.
class GroupService {
 public:
  using JoinDone = std::move_only_function<void(AnswerJoin)>;
  using SyncDone = std::move_only_function<void(const AnswerSync&)>;
  /// Gets one error code for each leaver, and one for the whole request.
  using LeaveDone = std::move_only_function<void(const std::vector<std::int16_t>&, std::int16_t)>;
  using Done = std::move_only_function<void(std::int16_t error)>;

  struct Commit {
    std::string topic;
    PartitionId partition;
    CommittedOffset committed;
  };

  /// All arguments except the options outlive it.
  GroupService(Storage& storage, Lines& lines, Executor& loop, Disk& disk, SecureRandom& random,
               GroupCoordinator::Options options);
  ~GroupService();
  GroupService(const GroupService&) = delete;
  GroupService& operator=(const GroupService&) = delete;

  /// Reads the stored groups, within the call if the log is short. A failure is logged; groups are
  /// then unavailable, and the node serves all other requests.
  void load();
  /// To be called after a check of the log of __consumer_offsets.
  void on_checked() { journal_.on_checked(); }

  void join(JoinRequest request, JoinDone done);
  void sync(SyncRequest request, SyncDone done);
  [[nodiscard]] std::int16_t heartbeat(const std::string& group, std::string_view member_id,
                                       const std::optional<std::string>& instance_id,
                                       Generation generation, Now now);
  void leave(const std::string& group, std::vector<GroupCoordinator::Leaver> leavers,
             LeaveDone done);
  /// Whether this sender may commit offsets of the group. Returns an error code.
  [[nodiscard]] std::int16_t check_commit(const std::string& group, std::string_view member_id,
                                          const std::optional<std::string>& instance_id,
                                          Generation generation, Now now);
  void commit(const std::string& group, std::vector<Commit> commits, Done done);
  /// Calls `then` once the log is prepared for deletions, or at once while requests are refused.
  void when_prepared(Task then);
  /// Deletes a group; the next sync makes that durable. Returns an error code.
  [[nodiscard]] std::int16_t remove(const std::string& group);
  /// The topic's offsets are invalid from now on and are removed in pieces; then calls `done`. No
  /// topic of that name is created before.
  void forget_topic(const std::string& topic, Task done);
  /// Removes expired offsets and groups, in pieces.
  void expire(Now now);
  /// Stores deletions for which the disk had no space. They are stored before any other record.
  /// Errors: storage; the next call tries again.
  Result<void> store_owed();
  /// Answers all waiting requests with coordinator_not_available, since the node stops.
  void answer_all();

  [[nodiscard]] bool is_loading() const { return journal_.is_replaying(); }
  [[nodiscard]] bool is_available() const { return !is_loading() && journal_.fault() == nullptr; }
  /// The error code that requests are refused with; `none` while groups are available.
  [[nodiscard]] std::int16_t refusal() const;
  /// Why groups are unavailable until the user acts, as a sentence. None while they are available
  /// or being loaded.
  [[nodiscard]] std::optional<std::string> why_unavailable() const;
  [[nodiscard]] const GroupCoordinator& coordinator() const { return coordinator_; }

 private:
  using Waiting = std::variant<JoinDone, SyncDone>;

  /// A walk over all groups. It runs until the end of the turn and continues in later turns.
  struct Walk {
    GroupCoordinator::Place place;
    bool is_under_way = false;
  };

  /// Answers that wait for a later turn.
  struct LateAnswers {
    ClassicGroupActions actions;
    std::int16_t error;
    std::size_t next = 0;
  };

  /// Whether a walk can store its changes.
  [[nodiscard]] bool is_ready() const { return !is_loading() && journal_.is_prepared(); }
  void when_ready(Task then);
  Result<Taken> take(const JournalRecord& record);
  void loaded(const Result<void>& outcome);
  void leave_now(const std::string& group, const std::vector<GroupCoordinator::Leaver>& leavers,
                 LeaveDone done);
  void begin_join(JoinRequest request, JoinDone done);
  void begin_sync(SyncRequest request, SyncDone done);
  void store_commits(const std::string& group, std::vector<Commit> commits, Done done);
  /// False if all groups together have no space for `growth` more bytes, which is logged.
  [[nodiscard]] bool has_room_for(std::size_t growth, std::string_view what,
                                  std::string_view group);
  ReplyTo keep(Waiting waiting);
  void perform(ClassicGroupActions actions, Now now);
  void answer(ClassicGroupAction action, std::int16_t error);
  void answer_when_stored(ClassicGroupActions answers);
  /// Answers now, and in later turns once this one has no time left.
  void answer_in_turn(ClassicGroupActions actions, std::int16_t error);
  /// Sends at least one late answer, and further ones while the turn has time.
  void answer_some();
  void arm_late_answers();
  [[nodiscard]] bool store_group(const std::string& group);
  Result<void> store(const std::vector<GroupRecord>& records);
  Result<void> store_without_rewrite(const std::vector<GroupRecord>& records);
  Result<void> store_deletions(std::vector<GroupRecord> records);
  void settle(const std::string& group, std::vector<Commit>& commits, bool is_durable);
  void begin_rewrite_if_due();
  void rewrite_some();
  void forget_some();
  void end_forgetting();
  void bury_some();
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
  /// It is opened when the first record is to be stored.
  TopicJournal journal_;
  /// The error of the last attempt to create the topic.
  std::optional<Error> not_made_;
  /// While loading: topics of offsets that do not exist, and topics that were deleted meanwhile.
  std::set<std::string> missing_topics_;
  /// Names of these topics, held until none of their offsets can return after a crash.
  std::vector<std::string> held_names_;
  TimePoint loading_since_{};
  /// No member is removed before this time.
  TimePoint expire_from_{};
  std::unordered_map<ReplyTo, Waiting> waiting_;
  ReplyTo last_reply_ = 0;
  std::deque<LateAnswers> late_answers_;
  TimerId late_answers_timer_ = 0;
  bool is_answering_ = false;
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
