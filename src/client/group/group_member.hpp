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

/// Identifies one request of a GroupMember, which gets it back with the answer. It ignores answers
/// that it no longer waits for.
using GroupTicket = std::uint64_t;

/// Actions of a GroupMember, to be done in their order.
namespace group_action {

// Requests. Each is answered exactly once by the event that its comment names, with the server's
// answer or an error.

/// Goes to any server. Event: on_coordinator.
struct FindCoordinator {
  GroupTicket ticket;
  wire::FindCoordinatorRequest message;
};
/// Goes to the coordinator, over the connection of heartbeats. Event: on_probed. While the server
/// delays the answer to a join, only a probe shows that the coordinator is gone.
struct Probe {
  GroupTicket ticket;
  NodeId coordinator;
  wire::FindCoordinatorRequest message;
};
/// The server no longer coordinates the group, or its connection is in doubt. Its unanswered
/// requests are cancelled.
struct TakeBack {
  NodeId coordinator;
};
/// Event: on_joined. The server may delay the answer for up to `timeout`, so no other request may
/// wait on its connection. Until then no heartbeat is sent, and a leave only after unsubscribe.
struct Join {
  GroupTicket ticket;
  NodeId coordinator;
  wire::JoinGroupRequest message;
  Duration timeout;
};
/// Event: on_synced. The server delays the answer until the leader has made the assignments; as
/// Join.
struct Sync {
  GroupTicket ticket;
  NodeId coordinator;
  wire::SyncGroupRequest message;
  Duration timeout;
};
/// Event: on_heartbeat.
struct Heartbeat {
  GroupTicket ticket;
  NodeId coordinator;
  wire::HeartbeatRequest message;
};
/// Event: on_left. Only a following Left waits for the answer.
struct Leave {
  GroupTicket ticket;
  NodeId coordinator;
  wire::LeaveGroupRequest message;
};
/// This member leads. Event: on_assignments with one entry per member; members without an entry get
/// no partitions. All topics of all members have to be looked up first. `protocol`: "range".
struct MakeAssignments {
  GroupTicket ticket;
  std::string protocol;
  std::vector<SubscribedMember> members;
};

// Events for the caller's thread, which takes them in their order inside poll, unsubscribe or
// close.

/// Partitions that were added to this member's: all of them, since rebalances are eager. An empty
/// list also ends a rebalance. Fetching may start once the caller was told.
struct Assigned {
  std::vector<TopicPartition> partitions;
};
/// Partitions that this member is about to give up: all of them, since rebalances are eager. Stop
/// fetching at once, let the caller commit, then call on_released.
struct Revoke {
  std::vector<TopicPartition> partitions;
};
/// As Revoke, but other members may own them already, so commits are not allowed. Replaces a Revoke
/// of the same partitions that the caller has not taken yet.
struct Lose {
  std::vector<TopicPartition> partitions;
};
/// The error that poll returns. If Error::is_fatal(), it can never be a member again. Otherwise the
/// next poll tries again.
struct Failed {
  Error why;
};
/// Completes unsubscribe and close.
struct Left {};

// The following action is only logged.

/// The server keeps refusing this member, which keeps trying.
struct Refused {
  Error why;
  /// In a row, this one included.
  unsigned times = 0;
};

}  // namespace group_action

using GroupAction =
    std::variant<group_action::FindCoordinator, group_action::Probe, group_action::TakeBack,
                 group_action::Join, group_action::Sync, group_action::Heartbeat,
                 group_action::Leave, group_action::MakeAssignments, group_action::Assigned,
                 group_action::Revoke, group_action::Lose, group_action::Failed, group_action::Left,
                 group_action::Refused>;
using GroupActions = std::vector<GroupAction>;

/// A consumer's membership in a classic group (KIP-62, KIP-394, KIP-345): finds the coordinator,
/// joins, leads, sends heartbeats, gives up partitions, leaves. Rebalances are eager.
///
/// It joins and gives up partitions only inside a poll. A program that does not poll delays its
/// group until max_poll_interval has passed; then the member leaves the group until the next poll.
///
/// Owns no socket, reads no clock. Not thread safe.
class GroupMember {
 public:
  struct Options {
    std::string group_id;
    /// Default: empty, dynamic membership.
    std::string group_instance_id = {};
    Duration session_timeout = std::chrono::seconds(45);
    Duration heartbeat_interval = std::chrono::seconds(3);
    /// The longest time between two polls. Also the time in which members have to join again after
    /// a rebalance began.
    Duration max_poll_interval = std::chrono::minutes(5);
    /// Timeout of requests that the server answers at once.
    Duration request_timeout = std::chrono::seconds(30);
    Duration retry_backoff = std::chrono::milliseconds(100);
    Duration max_retry_backoff = std::chrono::seconds(1);
  };
  /// Additional time for the answer to a join after max_poll_interval.
  static constexpr Duration join_grace = std::chrono::seconds(5);

  enum class State : std::uint8_t {
    off,        ///< no subscription
    unjoined,   ///< joins at the next poll, once a coordinator is known
    releasing,  ///< waits for on_released before it joins or leaves
    joining,
    assigning,  ///< leads and waits for on_assignments
    syncing,
    stable,
    leaving,
    fenced,  ///< for ever
  };

  GroupMember(Options options, Random& random);

  // Calls of the consumer.

  /// Joins, or joins again, for these topics. Gives up its partitions first.
  void subscribe(std::vector<std::string> topics, TimePoint now, GroupActions& out);
  /// Gives up the partitions and leaves, then Left. A static member does not tell the server.
  /// `close` calls it too.
  void unsubscribe(TimePoint now, GroupActions& out);
  /// The consumer polled, or was inside poll, at `at`. Call at once while awaits_poll(); otherwise
  /// the last time before on_time is enough.
  void polled(TimePoint at, TimePoint now, GroupActions& out);
  /// The caller was told of all Revoke and Lose so far and has committed.
  void on_released(TimePoint now, GroupActions& out);
  /// The partitions of the subscribed topics changed; if it leads, of any member's topics.
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

  // Events of commits and fetches of offsets, which use the same coordinator.

  /// Looks for the coordinator if none is known; coordinator() changes then. A refusal is Failed.
  void need_coordinator(TimePoint now, GroupActions& out);
  /// `is_in_doubt`: the coordinator cannot be reached or has an overdue answer. While in doubt,
  /// other servers are asked for the coordinator every max_retry_backoff, until they name another
  /// one; then the unanswered requests to the earlier one are cancelled.
  void doubt_coordinator(bool is_in_doubt, TimePoint now, GroupActions& out);
  /// A server was reached. If none was known to be the coordinator, the next search comes at most
  /// retry_backoff after the last one failed.
  void on_reached(TimePoint now, GroupActions& out);
  /// `coordinator` or its connection failed a commit or fetch of offsets by a member of
  /// `generation`. Errors that concern neither the membership nor the coordinator are ignored.
  void on_offsets_error(NodeId coordinator, Generation generation, const Error& error,
                        TimePoint now, GroupActions& out);

  // Time.

  /// Call at `deadline()` or later.
  void on_time(TimePoint now, GroupActions& out);
  [[nodiscard]] TimePoint deadline() const;

  [[nodiscard]] State state() const { return state_; }
  /// It makes no progress before the next poll.
  [[nodiscard]] bool awaits_poll() const;
  /// None if it is not known.
  [[nodiscard]] NodeId coordinator() const { return coordinator_; }
  /// The generation for commits. None unless it is a member.
  [[nodiscard]] Generation generation() const { return generation_; }
  [[nodiscard]] const std::string& member_id() const { return member_id_; }
  [[nodiscard]] const std::optional<std::string>& group_instance_id() const { return instance_id_; }
  [[nodiscard]] bool is_leader() const { return is_leader_; }
  /// All partitions of this member, until it has given them up.
  [[nodiscard]] const std::vector<TopicPartition>& assignment() const { return assignment_; }

  /// Asserts the invariants between two events. Cheap.
  void check_invariants() const;

 private:
  /// The kind of the failed request. Heartbeats are repeated at their interval anyway.
  enum class Source : std::uint8_t { heartbeat, other };
  /// The next step after the partitions are given up.
  enum class After : std::uint8_t { join, leave };

  void advance(TimePoint now, GroupActions& out);
  void find_coordinator(TimePoint now, GroupActions& out);
  void lose_coordinator();
  void take_coordinator(NodeId found, TimePoint now, GroupActions& out);
  /// The server may delay the current answer, and no heartbeats are sent meanwhile.
  [[nodiscard]] bool is_held_back() const { return state_ == State::joining; }
  [[nodiscard]] TimePoint may_find_at() const;
  void send_probe(TimePoint now, GroupActions& out);
  void send_join(TimePoint now, GroupActions& out);
  [[nodiscard]] Result<wire::JoinGroupRequest> join_request() const;
  void send_sync(std::vector<wire::SyncGroupRequest::SyncGroupRequestAssignment> assignments,
                 GroupActions& out);
  void send_heartbeat(TimePoint now, GroupActions& out);
  /// False if there is no coordinator or if the server need not be told.
  bool send_leave(std::string_view why, GroupActions& out);
  void on_member(const wire::JoinGroupResponse& answer, TimePoint now, GroupActions& out);
  void lead(const wire::JoinGroupResponse& answer, TimePoint now, GroupActions& out);
  void on_assigned(const Slice& assignment, TimePoint now, GroupActions& out);
  /// Gives up its partitions, then continues with `after`. `lost`: other members may own them
  /// already.
  void release(bool lost, After after, TimePoint now, GroupActions& out);
  void go_on_released(TimePoint now, GroupActions& out);
  void finish_leaving(TimePoint now, GroupActions& out);
  void forget_membership(bool member_id_too);
  void on_poll_overdue(TimePoint now, GroupActions& out);
  /// Handles failures of joins and heartbeats.
  void on_failure(const Error& why, Source source, TimePoint now, GroupActions& out);
  /// False if the error does not concern the membership.
  bool on_membership_error(const Error& why, Source source, TimePoint now, GroupActions& out);
  /// Schedules the next join: at once, or after a backoff if earlier ones failed too.
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
  /// The partitions being released are lost, and a Lose was issued.
  bool releases_lost_ = false;
  std::vector<std::string> topics_;
  std::vector<TopicPartition> assignment_;

  NodeId coordinator_;
  /// The coordinator in the last answer.
  NodeId named_coordinator_;
  TimePoint named_at_{};
  bool coordinator_needed_ = false;
  bool coordinator_in_doubt_ = false;
  TimePoint find_not_before_{};
  Backoff find_backoff_;

  std::string member_id_;
  Generation generation_;
  bool is_leader_ = false;
  /// The subscription changed after the current join was sent.
  bool rejoin_wanted_ = false;
  std::string rejoin_reason_;
  TimePoint join_not_before_{};
  Backoff join_backoff_;
  /// Consecutive refusals by servers of joins and of requests for the coordinator.
  unsigned refusals_ = 0;
  /// Consecutive failed joins since the last successful heartbeat.
  unsigned starts_over_ = 0;
  Backoff start_over_backoff_;
  Backoff heartbeat_backoff_;

  GroupTicket last_ticket_ = 0;
  /// Tickets of the requests in flight; 0 for none.
  GroupTicket find_ticket_ = 0;
  /// The time after which the server asked for the coordinator counts as slow and another one is
  /// asked.
  TimePoint find_late_at_ = never;
  /// The join, the assignments or the sync.
  GroupTicket join_ticket_ = 0;
  GroupTicket heartbeat_ticket_ = 0;
  GroupTicket leave_ticket_ = 0;
  GroupTicket probe_ticket_ = 0;
  TimePoint probe_at_ = never;

  /// There was no poll since the subscription, since a failure, or since max_poll_interval passed.
  bool poll_missing_ = true;
  TimePoint poll_deadline_ = never;
  TimePoint heartbeat_at_ = never;
  TimePoint session_deadline_ = never;
};

}  // namespace dohle::client
