#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "base/secure_random.hpp"
#include "base/slice.hpp"
#include "base/time.hpp"
#include "dohle/ids.hpp"
#include "node/group/classic_members.hpp"
#include "node/limits.hpp"
#include "wire/messages/consumer_offsets.hpp"

namespace dohle::node {

struct JoinRequest {
  std::string group_id;
  /// Empty for a new member.
  std::string member_id;
  /// Static membership (KIP-345).
  std::optional<std::string> instance_id;
  std::string client_id;
  std::string client_host;
  std::string protocol_type;
  /// The member's protocols in the order of its preference.
  std::vector<GroupProtocol> protocols;
  std::chrono::milliseconds session_timeout{};
  std::chrono::milliseconds rebalance_timeout{};
  /// A new member first gets its id in an error answer and then joins with it (KIP-394).
  bool needs_known_member_id = false;
  /// A returning static leader may be told to skip the assignment (KIP-814).
  bool can_skip_assignment = false;
};

struct SyncRequest {
  std::string group_id;
  Generation generation;
  std::string member_id;
  std::optional<std::string> instance_id;
  std::optional<std::string> protocol_type;
  std::optional<std::string> protocol;
  /// The leader's assignments, sorted by member id. Of several for one member the last one counts.
  std::vector<MemberShare> assignments;
};

struct JoinedMember {
  std::string id;
  std::optional<std::string> instance_id;
  Slice metadata;
};

// The actions of a group, in their order. Answers after a StoreGroup wait until that is durable.

struct AnswerJoin {
  ReplyTo to = 0;
  std::int16_t error = 0;
  std::string member_id;
  Generation generation;
  std::optional<std::string> protocol_type;
  std::optional<std::string> protocol;
  std::string leader;
  bool skip_assignment = false;
  /// The members of the group. Only the leader gets them.
  std::vector<JoinedMember> members;
};
struct AnswerSync {
  ReplyTo to = 0;
  std::int16_t error = 0;
  std::optional<std::string> protocol_type;
  std::optional<std::string> protocol;
  Slice assignment;
};

/// An answer with an error, or with `none` the start of a successful one.
[[nodiscard]] AnswerJoin refused_join(ReplyTo to, std::string member_id, std::int16_t error);
[[nodiscard]] AnswerSync refused_sync(ReplyTo to, std::int16_t error);
struct StoreGroup {
  std::string group_id;
};
using ClassicGroupAction = std::variant<AnswerJoin, AnswerSync, StoreGroup>;
using ClassicGroupActions = std::vector<ClassicGroupAction>;

struct GroupOptions {
  /// Default: 0. Time that a first rebalance waits for more members
  /// (group.initial.rebalance.delay.ms).
  std::chrono::milliseconds initial_rebalance_delay{0};
  std::size_t max_members = limits::max_group_members;
  /// Default: limits::max_group_metadata_bytes. Maximum size of all members' metadata and client
  /// ids together.
  std::size_t max_metadata_bytes = limits::max_group_metadata_bytes;
};

/// Membership of one classic group: its members, leader, generation and waiting requests. The rules
/// are Apache Kafka's (KIP-62, 345, 394, 559, 814).
///
/// Decides; owns no connection and reads no clock. Every waiting request is answered exactly once.
class ClassicGroup {
 public:
  enum class State : std::uint8_t {
    empty,                 ///< no members; it may have offsets
    preparing_rebalance,   ///< waits for all members to join
    completing_rebalance,  ///< waits for the leader's assignment
    stable,
  };

  using Member = ClassicMember;
  using Members = ClassicMembers;

  ClassicGroup(std::string id, GroupOptions options, Timestamp now);
  /// A group from its stored state. The session timeouts of its members start now.
  static ClassicGroup restored(std::string id, GroupOptions options,
                               const wire::GroupMetadataValue& stored, Now now);

  [[nodiscard]] const std::string& id() const { return id_; }
  [[nodiscard]] State state() const { return state_; }
  [[nodiscard]] Generation generation() const { return generation_; }
  [[nodiscard]] const std::string& protocol_type() const { return protocol_type_; }
  [[nodiscard]] const std::optional<std::string>& protocol() const { return protocol_; }
  [[nodiscard]] const std::string& leader() const { return leader_; }
  [[nodiscard]] const Members& members() const { return members_; }
  /// The time at which it entered this state.
  [[nodiscard]] Timestamp state_since() const { return state_since_; }
  /// Whether it never had a member, and no new member is about to join.
  [[nodiscard]] bool is_blank() const;
  [[nodiscard]] wire::GroupMetadataValue to_stored() const;
  /// Approximate memory use in bytes. Metadata and assignment of a member each count as at least 1
  /// KiB, so that up to this size they can always be replaced.
  [[nodiscard]] std::size_t memory_bytes() const;
  /// Additional bytes after this member has joined, or after these assignments.
  [[nodiscard]] std::size_t growth_by(const JoinRequest& request) const;
  [[nodiscard]] std::size_t growth_by(const SyncRequest& request) const;
  /// The metadata of a member under the chosen protocol.
  [[nodiscard]] Slice metadata_of(const Member& member) const;

  void join(JoinRequest request, ReplyTo to, Now now, SecureRandom& random,
            ClassicGroupActions& out);
  void sync(SyncRequest request, ReplyTo to, Now now, ClassicGroupActions& out);
  /// Returns an error code.
  [[nodiscard]] std::int16_t heartbeat(std::string_view member_id,
                                       const std::optional<std::string>& instance_id,
                                       Generation generation, TimePoint now);
  /// Removes one member, by its id, or by its instance id if the id is empty. Returns an error
  /// code. After the last member of a request the caller calls `rebalance_after_leaving`.
  [[nodiscard]] std::int16_t leave(std::string_view member_id,
                                   const std::optional<std::string>& instance_id,
                                   ClassicGroupActions& out);
  void rebalance_after_leaving(Now now, ClassicGroupActions& out);
  /// Whether this sender may commit. The check counts as a heartbeat. Returns an error code.
  [[nodiscard]] std::int16_t check_commit(std::string_view member_id,
                                          const std::optional<std::string>& instance_id,
                                          Generation generation, TimePoint now);
  /// The group could not be stored. Its assignment becomes invalid, and members have to join again.
  void store_failed(Now now, ClassicGroupActions& out);

  /// When to call on_time: never after the first deadline, sometimes earlier.
  [[nodiscard]] TimePoint next_deadline() const;
  void on_time(Now now, ClassicGroupActions& out);

  /// Ends the process if the state contradicts itself. For tests and the simulation, after each
  /// event.
  void check_invariants() const;

 private:
  void check_places() const;
  void check_waits() const;
  void join_new(JoinRequest& request, ReplyTo to, Now now, SecureRandom& random,
                ClassicGroupActions& out);
  void join_known(JoinRequest& request, ReplyTo to, Now now, ClassicGroupActions& out);
  void replace_static(const std::string& old_id, std::string new_id, JoinRequest& request,
                      ReplyTo to, Now now, ClassicGroupActions& out);
  void add_member(std::string member_id, JoinRequest& request, ReplyTo to, Now now,
                  ClassicGroupActions& out);
  void rejoin(Member& member, JoinRequest& request, ReplyTo to, Now now, ClassicGroupActions& out);
  void update(Member& member, JoinRequest& request, ReplyTo to, ClassicGroupActions& out);
  [[nodiscard]] AnswerJoin joined(const Member& member, ReplyTo to) const;

  void prepare_rebalance(Now now, ClassicGroupActions& out);
  void rebalance_or_go_on(Now now, ClassicGroupActions& out);
  void complete_join_if_all_came(Now now, ClassicGroupActions& out);
  void complete_join(Now now, ClassicGroupActions& out);
  [[nodiscard]] bool elect_joined_leader();
  void begin_generation(Now now, ClassicGroupActions& out);
  void become_empty(Now now, ClassicGroupActions& out);
  void hand_out_assignments(std::int16_t error, ClassicGroupActions& out);
  void end_initial_delay(Now now, ClassicGroupActions& out);
  void expire_members(Now now, ClassicGroupActions& out);
  void expire_unsynced(Now now, ClassicGroupActions& out);

  bool forget_pending(std::string_view member_id);
  void remove_member(Members::iterator at, std::int16_t error, ClassicGroupActions& out);
  [[nodiscard]] std::int16_t check_member(std::string_view member_id,
                                          const std::optional<std::string>& instance_id) const;
  [[nodiscard]] bool has_room_for(const JoinRequest& request) const;
  [[nodiscard]] bool accepts_protocols(const JoinRequest& request) const;
  [[nodiscard]] std::string choose_protocol() const;
  [[nodiscard]] std::chrono::milliseconds longest_rebalance_timeout() const;
  void enter(State state, Now now);
  void restart_session(Member& member, TimePoint now);
  void note_deadline(TimePoint at);

  std::string id_;
  GroupOptions options_;
  State state_ = State::empty;
  Timestamp state_since_;
  Generation generation_{0};
  std::string protocol_type_;
  std::optional<std::string> protocol_;
  std::string leader_;
  Members members_;
  MemberTotals totals_;
  std::size_t pending_bytes_ = 0;
  std::map<std::string, std::string, std::less<>> static_members_;  // instance id to member id
  std::map<std::string, TimePoint, std::less<>> pending_;  // assigned ids that have not joined yet
  TimePoint rebalance_deadline_ = never;                   // for all to join, or all to sync
  bool in_initial_delay_ = false;
  bool joined_during_delay_ = false;
  std::chrono::milliseconds delay_left_{0};
  TimePoint members_deadline_ = never;  // no session ends earlier
};

[[nodiscard]] std::string_view to_string(ClassicGroup::State state);

}  // namespace dohle::node
