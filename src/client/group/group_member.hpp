#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "base/random.hpp"
#include "base/time.hpp"
#include "client/cluster/backoff.hpp"
#include "client/group/assignor.hpp"
#include "dohle/error.hpp"
#include "dohle/ids.hpp"
#include "wire/messages/find_coordinator.hpp"
#include "wire/messages/heartbeat.hpp"
#include "wire/messages/join_group.hpp"
#include "wire/messages/leave_group.hpp"
#include "wire/messages/sync_group.hpp"

namespace dohle::client {

/// Names one question of a GroupMember; goes back to it with the answer. Answers that it no longer
/// waits for are passed over.
using GroupTicket = std::uint64_t;

/// What a GroupMember wants done, in this order.
namespace group_action {

// Questions. Each is answered exactly once by the event named beside it, with the server's answer
// or with why there is none.

/// To any server; on_coordinator.
struct FindCoordinator {
  GroupTicket ticket;
  wire::FindCoordinatorRequest message;
};
/// To the coordinator, over the connection of heartbeats: on_probed. While a join is held back
/// nothing else would show that the coordinator is gone.
struct Probe {
  GroupTicket ticket;
  NodeId coordinator;
  wire::FindCoordinatorRequest message;
};
/// That server coordinates the group no longer, or its connection is in doubt: what it was asked
/// and has not answered is taken back.
struct TakeBack {
  NodeId coordinator;
};
/// on_joined. The server may hold it back for up to `timeout`, so it needs a connection on which
/// nothing else waits (no heartbeat or leave is sent meanwhile but for an unsubscribe).
struct Join {
  GroupTicket ticket;
  NodeId coordinator;
  wire::JoinGroupRequest message;
  Duration timeout;
};
/// on_synced. Held back until the leader has made the assignments; as Join.
struct Sync {
  GroupTicket ticket;
  NodeId coordinator;
  wire::SyncGroupRequest message;
  Duration timeout;
};
/// on_heartbeat.
struct Heartbeat {
  GroupTicket ticket;
  NodeId coordinator;
  wire::HeartbeatRequest message;
};
/// on_left; nobody waits for the answer but a Left that follows it.
struct Leave {
  GroupTicket ticket;
  NodeId coordinator;
  wire::LeaveGroupRequest message;
};
/// This member leads: on_assignments with one entry for each member (members without one get
/// nothing). All topics of all members have to be looked up first. `protocol`: "range".
struct MakeAssignments {
  GroupTicket ticket;
  std::string protocol;
  std::vector<SubscribedMember> members;
};

// News for the user's thread, which takes them in this order, inside poll, unsubscribe or close.

/// Partitions that came on top of those that this member had. (All of them while rebalances are
/// eager; cooperative ones will name only the new.) None is news, too: the rebalance is done.
/// Fetching may start once the user was told.
struct Assigned {
  std::vector<TopicPartition> partitions;
};
/// Partitions that this member is about to give up: stop fetching at once, let the user know and
/// commit; then on_released. (All of them while rebalances are eager.)
struct Revoke {
  std::vector<TopicPartition> partitions;
};
/// As Revoke, but others may own them already: nothing may be committed. Takes the place of a
/// Revoke of the same partitions that the user has not been told of yet.
struct Lose {
  std::vector<TopicPartition> partitions;
};
/// For poll to return. Error::is_fatal(): it will never be a member again. Otherwise the next
/// poll tries once more.
struct Failed {
  Error why;
};
/// Ends what unsubscribe and close began.
struct Left {};

// For the log.

/// The server goes on refusing this member, which goes on trying.
struct Refused {
  Error why;
};

}  // namespace group_action

using GroupAction =
    std::variant<group_action::FindCoordinator, group_action::Probe, group_action::TakeBack,
                 group_action::Join, group_action::Sync, group_action::Heartbeat,
                 group_action::Leave, group_action::MakeAssignments, group_action::Assigned,
                 group_action::Revoke, group_action::Lose, group_action::Failed, group_action::Left,
                 group_action::Refused>;
using GroupActions = std::vector<GroupAction>;

/// Decides how a consumer takes part in a classic group (KIP-62, KIP-394, KIP-345): finding the
/// coordinator, joining, leading, heartbeats, giving up partitions, leaving. Rebalances are eager.
///
/// Joining starts at a poll and not before, and partitions are given up inside a poll, so a
/// program that does not poll holds its group up until max_poll_interval has passed; then it is
/// taken out of the group until it polls again.
///
/// Owns no socket, reads no clock. Not thread safe.
class GroupMember {
 public:
  struct Options {
    std::string group_id;
    /// Empty: dynamic membership.
    std::string group_instance_id = {};
    Duration session_timeout = std::chrono::seconds(45);
    Duration heartbeat_interval = std::chrono::seconds(3);
    /// Also the time that the server gives members to join again.
    Duration max_poll_interval = std::chrono::minutes(5);
    /// For an answer that the server does not hold back.
    Duration request_timeout = std::chrono::seconds(30);
    Duration retry_backoff = std::chrono::milliseconds(100);
    Duration max_retry_backoff = std::chrono::seconds(1);
  };
  /// A join is given up that long after the server should have answered it.
  static constexpr Duration join_grace = std::chrono::seconds(5);

  enum class State : std::uint8_t {
    off,        ///< no subscription
    unjoined,   ///< will join as soon as there is a poll and a coordinator
    releasing,  ///< waits for on_released before it joins or leaves
    joining,
    assigning,  ///< leads, and waits for on_assignments
    syncing,
    stable,
    leaving,
    fenced,  ///< for ever
  };

  GroupMember(Options options, Random& random);

  // The user.

  /// Joins, or joins again, for these topics. Its partitions are given up first if it has any.
  void subscribe(std::vector<std::string> topics, TimePoint now, GroupActions& out);
  /// Gives up the partitions, leaves (static members do not tell the server), then Left. Serves
  /// `close` as well.
  void unsubscribe(TimePoint now, GroupActions& out);
  /// The user polled, or was inside poll, at `at`. To be told at once while awaits_poll(); else it
  /// is enough to tell the last time before on_time.
  void polled(TimePoint at, TimePoint now, GroupActions& out);
  /// The user has been told of all Revoke and Lose so far, and has committed.
  void on_released(TimePoint now, GroupActions& out);
  /// The topics that this member subscribed to, or, if it leads, those of all members, changed in
  /// their partitions.
  void rejoin(std::string_view why, TimePoint now, GroupActions& out);

  // Answers.

  void on_coordinator(GroupTicket ticket, Result<wire::FindCoordinatorResponse> answer,
                      TimePoint now, GroupActions& out);
  void on_probed(GroupTicket ticket, Result<wire::FindCoordinatorResponse> answer, TimePoint now,
                 GroupActions& out);
  void on_joined(GroupTicket ticket, Result<wire::JoinGroupResponse> answer, TimePoint now,
                 GroupActions& out);
  void on_assignments(GroupTicket ticket, Result<std::vector<MemberAssignment>> assignments,
                      TimePoint now, GroupActions& out);
  void on_synced(GroupTicket ticket, Result<wire::SyncGroupResponse> answer, TimePoint now,
                 GroupActions& out);
  void on_heartbeat(GroupTicket ticket, Result<wire::HeartbeatResponse> answer, TimePoint now,
                    GroupActions& out);
  void on_left(GroupTicket ticket, Result<wire::LeaveGroupResponse> answer, TimePoint now,
               GroupActions& out);

  // Commits and fetches of offsets, which go to the same coordinator, asked by others.

  /// Looks for the coordinator if none is known; watch coordinator(). A refusal is Failed.
  void need_coordinator(TimePoint now, GroupActions& out);
  /// Whether the coordinator cannot be reached, or owes an answer for longer than it should. While
  /// it is so, other servers are asked for the coordinator each max_retry_backoff, until they name
  /// another one; then what the earlier one was asked is taken back.
  void doubt_coordinator(bool is_in_doubt, TimePoint now, GroupActions& out);
  /// What `coordinator` answered a commit or a fetch of offsets that was made as a member of
  /// `generation`; `answer` is an error of the connection or of the server. Those that say nothing
  /// about membership or coordinator are passed over.
  void on_offsets_error(NodeId coordinator, Generation generation, const Error& error,
                        TimePoint now, GroupActions& out);

  // Time.

  /// Call at `deadline()` or later.
  void on_time(TimePoint now, GroupActions& out);
  [[nodiscard]] TimePoint deadline() const;

  [[nodiscard]] State state() const { return state_; }
  /// Nothing goes on before the next poll.
  [[nodiscard]] bool awaits_poll() const;
  /// None: not known at present.
  [[nodiscard]] NodeId coordinator() const { return coordinator_; }
  /// None unless it is a member; what commits have to name.
  [[nodiscard]] Generation generation() const { return generation_; }
  [[nodiscard]] const std::string& member_id() const { return member_id_; }
  [[nodiscard]] const std::optional<std::string>& group_instance_id() const { return instance_id_; }
  [[nodiscard]] bool is_leader() const { return is_leader_; }
  /// All partitions that are this member's, until it has given them up.
  [[nodiscard]] const std::vector<TopicPartition>& assignment() const { return assignment_; }

  /// Asserts what holds between two events. Cheap.
  void check_invariants() const;

 private:
  /// Which request failed. Heartbeats keep an interval by themselves.
  enum class Source : std::uint8_t { heartbeat, other };
  /// What follows once the partitions are given up.
  enum class After : std::uint8_t { join, leave };

  void advance(TimePoint now, GroupActions& out);
  void find_coordinator(TimePoint now, GroupActions& out);
  void lose_coordinator();
  void take_coordinator(NodeId found, TimePoint now, GroupActions& out);
  /// The server may hold back what was asked, and no heartbeats go out meanwhile.
  [[nodiscard]] bool is_held_back() const { return state_ == State::joining; }
  [[nodiscard]] TimePoint may_find_at() const;
  void send_probe(TimePoint now, GroupActions& out);
  void send_join(TimePoint now, GroupActions& out);
  [[nodiscard]] Result<wire::JoinGroupRequest> join_request() const;
  void send_sync(std::vector<wire::SyncGroupRequest::SyncGroupRequestAssignment> assignments,
                 GroupActions& out);
  void send_heartbeat(TimePoint now, GroupActions& out);
  /// False: there is nobody to tell, or nothing to tell.
  bool send_leave(std::string_view why, GroupActions& out);
  void on_member(const wire::JoinGroupResponse& answer, TimePoint now, GroupActions& out);
  void lead(const wire::JoinGroupResponse& answer, TimePoint now, GroupActions& out);
  void on_assigned(const Slice& assignment, TimePoint now, GroupActions& out);
  /// Gives up what it owns, then goes on with `after`. `lost`: others may own it already.
  void release(bool lost, After after, TimePoint now, GroupActions& out);
  void go_on_released(TimePoint now, GroupActions& out);
  void finish_leaving(TimePoint now, GroupActions& out);
  void forget_membership(bool member_id_too);
  void on_poll_overdue(TimePoint now, GroupActions& out);
  /// What joining and heartbeats have in common when they fail.
  void on_failure(const Error& why, Source source, TimePoint now, GroupActions& out);
  /// False: the error says nothing about this member.
  bool on_membership_error(const Error& why, Source source, TimePoint now, GroupActions& out);
  /// The next join is due: at once, unless the last ones came to nothing, too.
  void start_over(const Error& why, TimePoint now, GroupActions& out);
  void on_member_id(const wire::JoinGroupResponse& answer, TimePoint now, GroupActions& out);
  void retry(TimePoint now);
  void note_refusal(const Error& why, GroupActions& out);
  void give_up(const Error& why, TimePoint now, GroupActions& out);
  void fence(const Error& why, GroupActions& out);
  [[nodiscard]] bool is_member() const { return !generation_.is_none(); }
  [[nodiscard]] bool is_joining() const;
  [[nodiscard]] bool beats() const;
  [[nodiscard]] bool minds_polls() const;
  [[nodiscard]] Duration join_timeout() const;
  [[nodiscard]] Error refused(std::string_view what, std::int16_t code) const;

  Options options_;
  Random* random_;
  std::optional<std::string> instance_id_;
  State state_ = State::off;
  After after_release_ = After::join;
  /// What is being released is lost, and the user will have heard so.
  bool releases_lost_ = false;
  std::vector<std::string> topics_;
  std::vector<TopicPartition> assignment_;

  NodeId coordinator_;
  /// The last one that was named.
  NodeId named_coordinator_;
  TimePoint named_at_{};
  bool coordinator_needed_ = false;
  bool coordinator_in_doubt_ = false;
  TimePoint find_not_before_{};
  Backoff find_backoff_;

  std::string member_id_;
  Generation generation_;
  bool is_leader_ = false;
  /// The join under way is about a subscription that has changed since.
  bool rejoin_wanted_ = false;
  std::string rejoin_reason_;
  TimePoint join_not_before_{};
  Backoff join_backoff_;
  /// In a row, of the server's: to joins and to questions for the coordinator.
  unsigned refusals_ = 0;
  /// Joins in a row, without a heartbeat that was answered well, that came to nothing.
  unsigned starts_over_ = 0;
  Backoff start_over_backoff_;
  Backoff heartbeat_backoff_;

  GroupTicket last_ticket_ = 0;
  /// Of the questions under way; 0: none.
  GroupTicket find_ticket_ = 0;
  /// When the server that was asked for the coordinator counts as slow, and another one is asked.
  TimePoint find_late_at_ = never;
  /// Of the join, the assignments or the sync.
  GroupTicket join_ticket_ = 0;
  GroupTicket heartbeat_ticket_ = 0;
  GroupTicket leave_ticket_ = 0;
  GroupTicket probe_ticket_ = 0;
  TimePoint probe_at_ = never;

  /// No poll since the subscription, a failure or max_poll_interval passed.
  bool poll_missing_ = true;
  TimePoint poll_deadline_ = never;
  TimePoint heartbeat_at_ = never;
  TimePoint session_deadline_ = never;
};

}  // namespace dohle::client
