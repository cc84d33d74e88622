#pragma once

#include <chrono>
#include <cstdint>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "base/random.hpp"
#include "base/slice.hpp"
#include "base/time.hpp"
#include "dohle/ids.hpp"
#include "node/limits.hpp"
#include "wire/messages/consumer_offsets.hpp"

namespace dohle::node {

/// Names a request that waits for its answer; the driver knows which.
using ReplyTo = std::uint64_t;

struct GroupProtocol {
  std::string name;
  Slice metadata;
};

struct JoinRequest {
  std::string group_id;
  /// Empty: a newcomer.
  std::string member_id;
  /// Static membership (KIP-345).
  std::optional<std::string> instance_id;
  std::string client_id;
  std::string client_host;
  std::string protocol_type;
  /// In the order of the member's preference.
  std::vector<GroupProtocol> protocols;
  std::chrono::milliseconds session_timeout{};
  std::chrono::milliseconds rebalance_timeout{};
  /// A newcomer is told its id first and joins with it (KIP-394).
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
  /// The leader's decision: who gets what.
  std::map<std::string, Slice> assignments;
};

struct JoinedMember {
  std::string id;
  std::optional<std::string> instance_id;
  Slice metadata;
};

// What is to be done, in this order. Answers behind a StoreGroup wait until that is durable.

struct AnswerJoin {
  ReplyTo to = 0;
  std::int16_t error = 0;
  std::string member_id;
  Generation generation;
  std::optional<std::string> protocol_type;
  std::optional<std::string> protocol;
  std::string leader;
  bool skip_assignment = false;
  /// For the leader alone.
  std::vector<JoinedMember> members;
};
struct AnswerSync {
  ReplyTo to = 0;
  std::int16_t error = 0;
  std::optional<std::string> protocol_type;
  std::optional<std::string> protocol;
  Slice assignment;
};

/// Answers that say no, or with `none` the beginning of one that says yes.
[[nodiscard]] AnswerJoin refused_join(ReplyTo to, std::string member_id, std::int16_t error);
[[nodiscard]] AnswerSync refused_sync(ReplyTo to, std::int16_t error);
struct StoreGroup {
  std::string group_id;
};
using ClassicGroupAction = std::variant<AnswerJoin, AnswerSync, StoreGroup>;
using ClassicGroupActions = std::vector<ClassicGroupAction>;

struct GroupOptions {
  /// A first rebalance waits that long for more members (group.initial.rebalance.delay.ms).
  std::chrono::milliseconds initial_rebalance_delay{0};
  std::size_t max_members = limits::max_group_members;
  /// What all members tell together, client ids included.
  std::size_t max_metadata_bytes = limits::max_group_metadata_bytes;
};

/// Membership of one classic group: who is in, who leads, which generation it is, and who waits.
/// The rules are Apache Kafka's (KIP-62, 345, 394, 559, 814).
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

  struct Member {
    std::string id;
    std::optional<std::string> instance_id;
    std::string client_id;
    std::string client_host;
    std::chrono::milliseconds session_timeout{};
    std::chrono::milliseconds rebalance_timeout{};
    std::vector<GroupProtocol> protocols;
    Slice assignment;
    ReplyTo awaiting_join = 0;
    ReplyTo awaiting_sync = 0;
    /// Has never seen a rebalance end.
    bool is_new = false;
    TimePoint expires_at = never;
  };
  using Members = std::map<std::string, Member, std::less<>>;

  ClassicGroup(std::string id, GroupOptions options, Timestamp now);
  /// As it was stored; members have their session timeouts from now on.
  static ClassicGroup restored(std::string id, GroupOptions options,
                               const wire::GroupMetadataValue& stored, Now now);

  [[nodiscard]] const std::string& id() const { return id_; }
  [[nodiscard]] State state() const { return state_; }
  [[nodiscard]] Generation generation() const { return generation_; }
  [[nodiscard]] const std::string& protocol_type() const { return protocol_type_; }
  [[nodiscard]] const std::optional<std::string>& protocol() const { return protocol_; }
  [[nodiscard]] const std::string& leader() const { return leader_; }
  [[nodiscard]] const Members& members() const { return members_; }
  /// Since when it has been in this state.
  [[nodiscard]] Timestamp state_since() const { return state_since_; }
  /// Nobody has ever been in it, and nobody is about to.
  [[nodiscard]] bool is_blank() const;
  [[nodiscard]] wire::GroupMetadataValue to_stored() const;
  /// About as many bytes as it takes of the node's memory. A member counts with 1 KiB at least for
  /// what it tells, and for what it is assigned: so much of it can always be replaced.
  [[nodiscard]] std::size_t memory_bytes() const;
  /// How many more it takes once this member has joined, or once these are assigned.
  [[nodiscard]] std::size_t growth_by(const JoinRequest& request) const;
  [[nodiscard]] std::size_t growth_by(const SyncRequest& request) const;
  /// What a member told under the chosen protocol.
  [[nodiscard]] Slice metadata_of(const Member& member) const;

  void join(JoinRequest request, ReplyTo to, Now now, Random& random, ClassicGroupActions& out);
  void sync(SyncRequest request, ReplyTo to, Now now, ClassicGroupActions& out);
  /// Returns an error code.
  [[nodiscard]] std::int16_t heartbeat(std::string_view member_id,
                                       const std::optional<std::string>& instance_id,
                                       Generation generation, TimePoint now);
  /// Takes out one member, by its id or, with an empty one, by its instance id. Returns an error
  /// code. `rebalance_after_leaving` follows once all of a request are out.
  [[nodiscard]] std::int16_t leave(std::string_view member_id,
                                   const std::optional<std::string>& instance_id,
                                   ClassicGroupActions& out);
  void rebalance_after_leaving(Now now, ClassicGroupActions& out);
  /// Whether a commit from there is welcome; it counts as a heartbeat. Returns an error code.
  [[nodiscard]] std::int16_t check_commit(std::string_view member_id,
                                          const std::optional<std::string>& instance_id,
                                          Generation generation, TimePoint now);
  /// The group could not be stored: the assignment is void, and members have to join again.
  void store_failed(Now now, ClassicGroupActions& out);

  /// When on_time is due: never later than the first deadline, sometimes earlier.
  [[nodiscard]] TimePoint next_deadline() const;
  void on_time(Now now, ClassicGroupActions& out);

  /// Ends the process when it contradicts itself. For tests and the simulation, after each event.
  void check_invariants() const;

 private:
  void check_places() const;
  void check_waits() const;
  void join_new(JoinRequest& request, ReplyTo to, Now now, Random& random,
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

  void remove_member(Members::iterator at, std::int16_t error, ClassicGroupActions& out);
  [[nodiscard]] std::int16_t check_member(std::string_view member_id,
                                          const std::optional<std::string>& instance_id) const;
  [[nodiscard]] bool has_room_for(const JoinRequest& request) const;
  [[nodiscard]] bool accepts_protocols(const JoinRequest& request) const;
  [[nodiscard]] bool supported_by_all(std::string_view protocol) const;
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
  std::map<std::string, std::string, std::less<>> static_members_;  // instance id to member id
  std::map<std::string, TimePoint, std::less<>> pending_;  // ids given out, not yet joined with
  std::set<std::string, std::less<>> unsynced_;            // of this generation
  TimePoint rebalance_deadline_ = never;                   // for all to join, or all to sync
  bool in_initial_delay_ = false;
  bool joined_during_delay_ = false;
  std::chrono::milliseconds delay_left_{0};
  TimePoint members_deadline_ = never;  // no session ends before
};

[[nodiscard]] std::string_view to_string(ClassicGroup::State state);

}  // namespace dohle::node
