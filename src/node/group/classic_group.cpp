#include "node/group/classic_group.hpp"

#include <algorithm>
#include <array>
#include <set>

#include "base/assert.hpp"
#include "base/broker_errors.hpp"
#include "node/limits.hpp"

namespace dohle::node {

namespace {

// The format of java.util.UUID, as in the member ids of Apache Kafka.
std::string random_uuid(SecureRandom& random) {
  static constexpr std::string_view digits = "0123456789abcdef";
  std::string text;
  std::uint64_t bits = 0;
  for (int i = 0; i < 32; ++i) {
    if (i % 16 == 0) bits = random.next();
    if (i == 8 || i == 12 || i == 16 || i == 20) text += '-';
    text += digits[bits & 15];
    bits >>= 4;
  }
  return text;
}

// The longest prefix of at most `max_bytes` that ends between two UTF-8 characters.
std::string_view beginning_of(std::string_view text, std::size_t max_bytes) {
  if (text.size() <= max_bytes) return text;
  std::size_t end = max_bytes;
  while (end > 0 && (static_cast<unsigned char>(text[end]) & 0xc0) == 0x80) --end;
  return text.substr(0, end);
}

constexpr std::size_t group_overhead = 1'024, pending_overhead = 128;

// Finds the assignments of members that are named in the order of their ids.
class AssignedOf {
 public:
  explicit AssignedOf(const std::vector<MemberShare>& assignments) : assignments_(assignments) {}
  const Slice* to(const std::string& member_id) {
    const Slice* found = nullptr;
    while (next_ < assignments_.size() && assignments_[next_].member_id <= member_id) {
      const MemberShare& here = assignments_[next_++];
      if (here.member_id == member_id) found = &here.assignment;
    }
    return found;
  }

 private:
  const std::vector<MemberShare>& assignments_;
  std::size_t next_ = 0;
};

bool same_protocols(const std::vector<GroupProtocol>& a, const std::vector<GroupProtocol>& b) {
  return std::ranges::equal(a, b, [](const GroupProtocol& x, const GroupProtocol& y) {
    return x.name == y.name && std::ranges::equal(x.metadata.bytes(), y.metadata.bytes());
  });
}

}  // namespace

AnswerJoin refused_join(ReplyTo to, std::string member_id, std::int16_t error) {
  AnswerJoin answer;
  answer.to = to;
  answer.error = error;
  answer.member_id = std::move(member_id);
  answer.protocol = std::string();
  return answer;
}

AnswerSync refused_sync(ReplyTo to, std::int16_t error) {
  AnswerSync answer;
  answer.to = to;
  answer.error = error;
  return answer;
}

std::string_view to_string(ClassicGroup::State state) {
  static constexpr std::array<std::string_view, 4> names{"Empty", "PreparingRebalance",
                                                         "CompletingRebalance", "Stable"};
  return names[static_cast<std::size_t>(state)];
}

ClassicGroup::ClassicGroup(std::string id, GroupOptions options, Timestamp now)
    : id_(std::move(id)), options_(options), state_since_(now) {}

ClassicGroup ClassicGroup::restored(std::string id, GroupOptions options,
                                    const wire::GroupMetadataValue& stored, Now now) {
  ClassicGroup group(std::move(id), options, stored.current_state_timestamp);
  group.generation_ = stored.generation;
  group.protocol_type_ = stored.protocol_type;
  // A log that 0.1.0 or an earlier version rewrote may hold an unfinished rebalance.
  if (stored.members.empty() || !stored.protocol) return group;
  group.protocol_ = stored.protocol;
  group.leader_ = stored.leader.value_or("");
  group.state_ = State::stable;
  for (const auto& from : stored.members) {
    Member& member = group.members_[from.member_id];
    member.id = from.member_id;
    member.instance_id = from.group_instance_id;
    member.client_id = from.client_id;
    member.client_host = from.client_host;
    member.session_timeout =
        std::max(std::chrono::milliseconds(from.session_timeout), limits::min_session_timeout);
    member.rebalance_timeout =
        std::max(std::chrono::milliseconds(from.rebalance_timeout), member.session_timeout);
    member.protocols.push_back(
        {stored.protocol.value_or(""), Slice::copy_of(from.subscription.bytes())});
    member.assignment = Slice::copy_of(from.assignment.bytes());
    if (member.instance_id) group.static_members_[*member.instance_id] = member.id;
    group.restart_session(member, now.mono);
    group.totals_.add(member);
  }
  return group;
}

wire::GroupMetadataValue ClassicGroup::to_stored() const {
  wire::GroupMetadataValue stored;
  stored.protocol_type = protocol_type_;
  stored.generation = generation_;
  stored.current_state_timestamp = state_since_;
  // An unfinished rebalance is not stored: after a crash its members have to join again.
  if (state_ != State::stable) return stored;
  stored.protocol = protocol_;
  stored.leader = leader_.empty() ? std::nullopt : std::optional(leader_);
  stored.members.reserve(members_.size());
  for (const auto& [id, member] : members_) {
    auto& to = stored.members.emplace_back();
    to.member_id = id;
    to.group_instance_id = member.instance_id;
    to.client_id = member.client_id;
    to.client_host = member.client_host;
    to.session_timeout = static_cast<std::int32_t>(member.session_timeout.count());
    to.rebalance_timeout = static_cast<std::int32_t>(member.rebalance_timeout.count());
    to.subscription = metadata_of(member);
    to.assignment = member.assignment;
  }
  return stored;
}

std::size_t ClassicGroup::memory_bytes() const {
  return group_overhead + 4 * id_.size() + protocol_type_.size() + totals_.memory_bytes() +
         pending_bytes_;
}

std::size_t ClassicGroup::growth_by(const JoinRequest& request) const {
  const auto instance =
      request.instance_id ? static_members_.find(*request.instance_id) : static_members_.end();
  const auto known =
      members_.find(instance == static_members_.end() ? request.member_id : instance->second);
  const std::size_t told = counted_bytes(request.protocols);
  if (known == members_.end()) {
    constexpr std::size_t uuid_bytes = 37;
    const std::size_t name = request.instance_id ? request.instance_id->size() : 0;
    const std::size_t id = uuid_bytes + std::min(std::max(request.client_id.size(), name),
                                                 limits::max_instance_id_bytes);
    return member_overhead + 4 * id + 2 * name + request.client_id.size() +
           request.client_host.size() + told + min_counted_bytes;
  }
  const std::size_t before = counted_bytes(known->second.protocols);
  return told > before ? told - before : 0;
}

std::size_t ClassicGroup::growth_by(const SyncRequest& request) const {
  std::size_t growth = 0;
  AssignedOf assigned(request.assignments);
  for (const auto& [id, member] : members_) {
    const Slice* assignment = assigned.to(id);
    if (assignment == nullptr) continue;
    const std::size_t before = counted_bytes(member.assignment);
    if (counted_bytes(*assignment) > before) growth += counted_bytes(*assignment) - before;
  }
  return growth;
}

Slice ClassicGroup::metadata_of(const Member& member) const {
  const auto found = std::ranges::find(member.protocols, protocol_, &GroupProtocol::name);
  return found == member.protocols.end() ? Slice() : found->metadata;
}

// --- joining

void ClassicGroup::join(JoinRequest request, ReplyTo to, Now now, SecureRandom& random,
                        ClassicGroupActions& out) {
  if (!accepts_protocols(request)) {
    out.push_back(
        refused_join(to, std::move(request.member_id), broker_error::inconsistent_group_protocol));
  } else if (!has_room_for(request)) {
    out.push_back(
        refused_join(to, std::move(request.member_id), broker_error::group_max_size_reached));
  } else if (request.member_id.empty()) {
    join_new(request, to, now, random, out);
  } else {
    join_known(request, to, now, out);
  }
}

// The earlier metadata of the joining member do not count, since the new ones replace them.
bool ClassicGroup::has_room_for(const JoinRequest& request) const {
  std::size_t bytes = totals_.metadata_bytes() +
                      metadata_bytes(request.client_id, request.instance_id, request.protocols);
  std::string_view known = request.member_id;
  if (known.empty() && request.instance_id) {
    const auto found = static_members_.find(*request.instance_id);
    if (found != static_members_.end()) known = found->second;
  }
  const auto member = members_.find(known);
  if (member != members_.end()) {
    bytes -= metadata_bytes(member->second.client_id, member->second.instance_id,
                            member->second.protocols);
  }
  return bytes <= options_.max_metadata_bytes;
}

void ClassicGroup::join_new(JoinRequest& request, ReplyTo to, Now now, SecureRandom& random,
                            ClassicGroupActions& out) {
  std::string id(beginning_of(request.instance_id ? *request.instance_id : request.client_id,
                              limits::max_instance_id_bytes));
  id += "-" + random_uuid(random);
  if (request.instance_id) {
    const auto known = static_members_.find(*request.instance_id);
    if (known != static_members_.end()) {
      return replace_static(std::string(known->second), std::move(id), request, to, now, out);
    }
  }
  if (members_.size() + pending_.size() >= options_.max_members) {
    out.push_back(refused_join(to, "", broker_error::group_max_size_reached));
  } else if (!request.instance_id && request.needs_known_member_id) {
    const TimePoint until = now.mono + request.session_timeout;
    pending_bytes_ += pending_overhead + id.size();
    pending_[id] = until;
    note_deadline(until);
    out.push_back(refused_join(to, std::move(id), broker_error::member_id_required));
  } else {
    add_member(std::move(id), request, to, now, out);
  }
}

bool ClassicGroup::forget_pending(std::string_view member_id) {
  const auto pending = pending_.find(member_id);
  if (pending == pending_.end()) return false;
  pending_bytes_ -= pending_overhead + pending->first.size();
  pending_.erase(pending);
  return true;
}

void ClassicGroup::join_known(JoinRequest& request, ReplyTo to, Now now, ClassicGroupActions& out) {
  if (!request.instance_id && forget_pending(request.member_id)) {
    return add_member(std::string(request.member_id), request, to, now, out);
  }
  if (const auto error = check_member(request.member_id, request.instance_id)) {
    out.push_back(refused_join(to, std::move(request.member_id), error));
    return;
  }
  Member& member = members_.find(request.member_id)->second;
  const bool is_unchanged = same_protocols(member.protocols, request.protocols);
  const bool may_keep = state_ == State::completing_rebalance
                            ? is_unchanged
                            : state_ == State::stable && is_unchanged && member.id != leader_;
  if (may_keep) {
    // The earlier answer was lost, so the member gets the same generation again.
    restart_session(member, now.mono);
    out.push_back(joined(member, to));
    return;
  }
  rejoin(member, request, to, now, out);
}

// An instance that lost its member id gets its place back under a new id.
void ClassicGroup::replace_static(const std::string& old_id, std::string new_id,
                                  JoinRequest& request, ReplyTo to, Now now,
                                  ClassicGroupActions& out) {
  auto node = members_.extract(old_id);
  Member& old = node.mapped();
  totals_.remove(old);
  if (old.awaiting_join != 0) {
    out.push_back(refused_join(std::exchange(old.awaiting_join, 0), old_id,
                               broker_error::fenced_instance_id));
  }
  if (old.awaiting_sync != 0) {
    out.push_back(
        refused_sync(std::exchange(old.awaiting_sync, 0), broker_error::fenced_instance_id));
  }
  const bool was_leader = leader_ == old_id;
  node.key() = new_id;
  node.mapped().id = new_id;
  Member& member = members_.insert(std::move(node)).position->second;
  totals_.add(member);
  static_members_[*member.instance_id] = new_id;
  if (was_leader) leader_ = new_id;
  restart_session(member, now.mono);
  if (state_ != State::stable) return rejoin(member, request, to, now, out);

  update(member, request, 0, out);
  if (choose_protocol() != protocol_) {
    totals_.set_awaiting_join(member, to);
    return rebalance_or_go_on(now, out);
  }
  // Nothing changes for the other members, so they need not rejoin.
  out.push_back(StoreGroup{id_});
  AnswerJoin answer = joined(member, to);
  if (was_leader && request.can_skip_assignment) {
    answer.skip_assignment = true;
  } else if (was_leader) {
    // Older clients would assign again if the answer named them as leader.
    answer.leader = old_id;
    answer.members.clear();
  }
  out.push_back(std::move(answer));
}

void ClassicGroup::add_member(std::string member_id, JoinRequest& request, ReplyTo to, Now now,
                              ClassicGroupActions& out) {
  if (members_.empty()) protocol_type_ = request.protocol_type;
  Member& member = members_[member_id];
  member.id = std::move(member_id);
  member.instance_id = request.instance_id;
  member.client_id = request.client_id;
  member.client_host = request.client_host;
  member.is_new = true;
  if (member.instance_id) static_members_[*member.instance_id] = member.id;
  if (leader_.empty()) leader_ = member.id;
  joined_during_delay_ = joined_during_delay_ || in_initial_delay_;
  totals_.add(member);
  update(member, request, to, out);
  member.expires_at = now.mono + limits::new_member_join_timeout;
  note_deadline(member.expires_at);
  rebalance_or_go_on(now, out);
}

void ClassicGroup::rejoin(Member& member, JoinRequest& request, ReplyTo to, Now now,
                          ClassicGroupActions& out) {
  update(member, request, to, out);
  if (!member.is_new) restart_session(member, now.mono);
  rebalance_or_go_on(now, out);
}

// The newest request of a member counts. An earlier one that still waits is answered with
// rebalance_in_progress.
void ClassicGroup::update(Member& member, JoinRequest& request, ReplyTo to,
                          ClassicGroupActions& out) {
  totals_.remove(member);
  member.protocols = std::move(request.protocols);
  totals_.add(member);
  member.session_timeout = request.session_timeout;
  member.rebalance_timeout = std::max(request.rebalance_timeout, limits::min_session_timeout);
  if (to == 0) return;
  if (member.awaiting_join != 0) {
    out.push_back(
        refused_join(member.awaiting_join, member.id, broker_error::rebalance_in_progress));
  }
  totals_.set_awaiting_join(member, to);
}

AnswerJoin ClassicGroup::joined(const Member& member, ReplyTo to) const {
  AnswerJoin answer;
  answer.to = to;
  answer.member_id = member.id;
  answer.generation = generation_;
  answer.protocol_type = protocol_type_;
  answer.protocol = protocol_;
  answer.leader = leader_;
  if (member.id == leader_) {
    answer.members.reserve(members_.size());
    for (const auto& [id, other] : members_) {
      answer.members.push_back({id, other.instance_id, metadata_of(other)});
    }
  }
  return answer;
}

// --- rebalancing

void ClassicGroup::rebalance_or_go_on(Now now, ClassicGroupActions& out) {
  if (state_ == State::preparing_rebalance) {
    complete_join_if_all_came(now, out);
  } else {
    prepare_rebalance(now, out);
  }
}

void ClassicGroup::prepare_rebalance(Now now, ClassicGroupActions& out) {
  if (state_ == State::completing_rebalance) {
    hand_out_assignments(broker_error::rebalance_in_progress, out);
  }
  if (totals_.unsynced() > 0) {
    for (auto& [id, member] : members_) totals_.set_unsynced(member, false);
  }
  in_initial_delay_ = state_ == State::empty && options_.initial_rebalance_delay.count() > 0;
  joined_during_delay_ = false;
  const auto timeout = longest_rebalance_timeout();
  if (in_initial_delay_) {
    rebalance_deadline_ = now.mono + options_.initial_rebalance_delay;
    delay_left_ = std::max(timeout - options_.initial_rebalance_delay, {});
  } else {
    rebalance_deadline_ = now.mono + timeout;
  }
  enter(State::preparing_rebalance, now);
  complete_join_if_all_came(now, out);
}

void ClassicGroup::complete_join_if_all_came(Now now, ClassicGroupActions& out) {
  if (in_initial_delay_ || !pending_.empty()) return;
  if (totals_.joining() == members_.size()) complete_join(now, out);
}

void ClassicGroup::complete_join(Now now, ClassicGroupActions& out) {
  in_initial_delay_ = false;
  for (auto member = members_.begin(); member != members_.end();) {
    if (totals_.joining() == members_.size()) break;
    const auto here = member++;
    const bool stays = here->second.awaiting_join != 0 || here->second.instance_id;
    if (!stays) remove_member(here, broker_error::unknown_member_id, out);
  }
  if (members_.empty()) return become_empty(now, out);
  if (!elect_joined_leader()) {
    // There are only static members, and none has joined: they keep their places.
    rebalance_deadline_ = now.mono + longest_rebalance_timeout();
    return;
  }
  begin_generation(now, out);
}

// False if no member has joined.
bool ClassicGroup::elect_joined_leader() {
  const auto leader = members_.find(leader_);
  if (leader != members_.end() && leader->second.awaiting_join != 0) return true;
  const auto joined = std::ranges::find_if(
      members_, [](const auto& entry) { return entry.second.awaiting_join != 0; });
  if (joined == members_.end()) return false;
  leader_ = joined->first;
  return true;
}

void ClassicGroup::begin_generation(Now now, ClassicGroupActions& out) {
  ++generation_.value;
  protocol_ = choose_protocol();
  enter(State::completing_rebalance, now);
  std::chrono::milliseconds longest_timeout{0};
  out.reserve(out.size() + members_.size());
  for (auto& [id, member] : members_) {
    longest_timeout = std::max(longest_timeout, member.rebalance_timeout);
    totals_.set_assignment(member, Slice());
    if (member.awaiting_join == 0) continue;
    totals_.set_unsynced(member, true);
    member.is_new = false;
    out.push_back(joined(member, member.awaiting_join));
    totals_.set_awaiting_join(member, 0);
    restart_session(member, now.mono);
  }
  rebalance_deadline_ = now.mono + longest_timeout;
}

void ClassicGroup::become_empty(Now now, ClassicGroupActions& out) {
  ++generation_.value;
  protocol_.reset();
  leader_.clear();
  rebalance_deadline_ = never;
  enter(State::empty, now);
  out.push_back(StoreGroup{id_});
}

void ClassicGroup::hand_out_assignments(std::int16_t error, ClassicGroupActions& out) {
  out.reserve(out.size() + members_.size());
  for (auto& [id, member] : members_) {
    if (error != broker_error::none) totals_.set_assignment(member, Slice());
    if (member.awaiting_sync == 0) continue;
    AnswerSync answer = refused_sync(std::exchange(member.awaiting_sync, 0), error);
    if (error == broker_error::none) {
      answer.protocol_type = protocol_type_;
      answer.protocol = protocol_;
      answer.assignment = member.assignment;
    }
    out.push_back(std::move(answer));
  }
}

// --- syncing

void ClassicGroup::sync(SyncRequest request, ReplyTo to, Now now, ClassicGroupActions& out) {
  const auto refuse = [&](std::int16_t error) { out.push_back(refused_sync(to, error)); };
  if (const auto error = check_member(request.member_id, request.instance_id)) {
    return refuse(error);
  }
  if (request.generation != generation_) return refuse(broker_error::illegal_generation);
  const bool is_consistent = (!request.protocol_type || request.protocol_type == protocol_type_) &&
                             (!request.protocol || request.protocol == protocol_);
  if (!is_consistent) return refuse(broker_error::inconsistent_group_protocol);
  if (state_ == State::empty) return refuse(broker_error::unknown_member_id);
  if (state_ == State::preparing_rebalance) return refuse(broker_error::rebalance_in_progress);

  Member& member = members_.find(request.member_id)->second;
  restart_session(member, now.mono);
  totals_.set_unsynced(member, false);
  if (state_ == State::stable) {
    if (totals_.unsynced() == 0) rebalance_deadline_ = never;
    AnswerSync answer = refused_sync(to, broker_error::none);
    answer.protocol_type = protocol_type_;
    answer.protocol = protocol_;
    answer.assignment = member.assignment;
    out.push_back(std::move(answer));
    return;
  }
  if (member.awaiting_sync != 0) {
    out.push_back(refused_sync(member.awaiting_sync, broker_error::rebalance_in_progress));
  }
  member.awaiting_sync = to;
  if (member.id != leader_) return;
  AssignedOf assigned(request.assignments);
  for (auto& [id, other] : members_) {
    const Slice* assignment = assigned.to(id);
    totals_.set_assignment(other, assignment == nullptr ? Slice() : *assignment);
  }
  enter(State::stable, now);
  if (totals_.unsynced() == 0) rebalance_deadline_ = never;
  out.push_back(StoreGroup{id_});
  hand_out_assignments(broker_error::none, out);
}

void ClassicGroup::store_failed(Now now, ClassicGroupActions& out) {
  if (state_ != State::stable) return;
  for (auto& [id, member] : members_) totals_.set_assignment(member, Slice());
  prepare_rebalance(now, out);
}

// --- staying and leaving

std::int16_t ClassicGroup::heartbeat(std::string_view member_id,
                                     const std::optional<std::string>& instance_id,
                                     Generation generation, TimePoint now) {
  if (const auto error = check_member(member_id, instance_id)) return error;
  if (generation != generation_) return broker_error::illegal_generation;
  if (state_ == State::empty) return broker_error::unknown_member_id;
  restart_session(members_.find(member_id)->second, now);
  return state_ == State::preparing_rebalance ? broker_error::rebalance_in_progress
                                              : broker_error::none;
}

std::int16_t ClassicGroup::leave(std::string_view member_id,
                                 const std::optional<std::string>& instance_id,
                                 ClassicGroupActions& out) {
  if (!instance_id && forget_pending(member_id)) return broker_error::none;
  if (member_id.empty() && instance_id) {
    const auto known = static_members_.find(*instance_id);
    if (known == static_members_.end()) return broker_error::unknown_member_id;
    remove_member(members_.find(known->second), broker_error::unknown_member_id, out);
    return broker_error::none;
  }
  if (const auto error = check_member(member_id, instance_id)) return error;
  remove_member(members_.find(member_id), broker_error::unknown_member_id, out);
  return broker_error::none;
}

void ClassicGroup::rebalance_after_leaving(Now now, ClassicGroupActions& out) {
  if (state_ != State::empty) rebalance_or_go_on(now, out);
}

std::int16_t ClassicGroup::check_commit(std::string_view member_id,
                                        const std::optional<std::string>& instance_id,
                                        Generation generation, TimePoint now) {
  const bool is_simple = generation.is_none() && member_id.empty() && !instance_id;
  if (generation.value < 0 && state_ == State::empty) return broker_error::none;
  if (is_simple) return broker_error::unknown_member_id;
  if (const auto error = check_member(member_id, instance_id)) return error;
  if (generation != generation_) return broker_error::illegal_generation;
  if (state_ == State::completing_rebalance) return broker_error::rebalance_in_progress;
  restart_session(members_.find(member_id)->second, now);
  return broker_error::none;
}

std::int16_t ClassicGroup::check_member(std::string_view member_id,
                                        const std::optional<std::string>& instance_id) const {
  if (instance_id) {
    const auto known = static_members_.find(*instance_id);
    if (known == static_members_.end()) return broker_error::unknown_member_id;
    if (known->second != member_id) return broker_error::fenced_instance_id;
  }
  return members_.contains(member_id) ? broker_error::none : broker_error::unknown_member_id;
}

void ClassicGroup::remove_member(Members::iterator at, std::int16_t error,
                                 ClassicGroupActions& out) {
  Member& member = at->second;
  if (member.awaiting_join != 0)
    out.push_back(refused_join(member.awaiting_join, member.id, error));
  if (member.awaiting_sync != 0) out.push_back(refused_sync(member.awaiting_sync, error));
  totals_.remove(member);
  if (member.instance_id) static_members_.erase(*member.instance_id);
  const bool was_leader = leader_ == member.id;
  members_.erase(at);
  if (was_leader) leader_ = members_.empty() ? std::string() : members_.begin()->first;
}

// --- time

TimePoint ClassicGroup::next_deadline() const {
  return std::min(rebalance_deadline_, members_deadline_);
}

void ClassicGroup::on_time(Now now, ClassicGroupActions& out) {
  if (rebalance_deadline_ <= now.mono) {
    if (in_initial_delay_) {
      end_initial_delay(now, out);
    } else if (state_ == State::preparing_rebalance) {
      complete_join(now, out);
    } else {
      expire_unsynced(now, out);
    }
  }
  if (members_deadline_ <= now.mono) expire_members(now, out);
}

// Extends the delay while members join, until the rebalance timeout at most.
void ClassicGroup::end_initial_delay(Now now, ClassicGroupActions& out) {
  if (std::exchange(joined_during_delay_, false) && delay_left_.count() > 0) {
    const auto more = std::min(options_.initial_rebalance_delay, delay_left_);
    delay_left_ -= more;
    rebalance_deadline_ = now.mono + more;
    return;
  }
  in_initial_delay_ = false;
  rebalance_deadline_ = now.mono + longest_rebalance_timeout();
  complete_join_if_all_came(now, out);
}

// Removes members that joined this generation but never asked for their assignment.
void ClassicGroup::expire_unsynced(Now now, ClassicGroupActions& out) {
  rebalance_deadline_ = never;
  if (totals_.unsynced() == 0) return;
  for (auto member = members_.begin(); member != members_.end();) {
    const auto here = member++;
    if (here->second.is_unsynced) remove_member(here, broker_error::unknown_member_id, out);
  }
  prepare_rebalance(now, out);
}

void ClassicGroup::expire_members(Now now, ClassicGroupActions& out) {
  members_deadline_ = never;
  const std::size_t before = members_.size() + pending_.size();
  for (auto pending = pending_.begin(); pending != pending_.end();) {
    const auto here = pending++;
    if (here->second <= now.mono) forget_pending(here->first);
  }
  for (auto member = members_.begin(); member != members_.end();) {
    const auto here = member++;
    Member& who = here->second;
    // A member that waits for an answer counts as alive, except for a new one that waits to join.
    const bool is_waiting = (who.awaiting_join != 0 && !who.is_new) || who.awaiting_sync != 0;
    if (who.expires_at <= now.mono && is_waiting) restart_session(who, now.mono);
    if (who.expires_at <= now.mono) remove_member(here, broker_error::unknown_member_id, out);
  }
  for (const auto& [id, member] : members_) note_deadline(member.expires_at);
  for (const auto& [id, until] : pending_) note_deadline(until);
  if (members_.size() + pending_.size() < before) rebalance_after_leaving(now, out);
}

// --- protocols and sessions

bool ClassicGroup::accepts_protocols(const JoinRequest& request) const {
  if (request.protocols.empty() || request.protocol_type.empty()) return false;
  if (members_.empty()) return true;
  return request.protocol_type == protocol_type_ &&
         std::ranges::any_of(request.protocols, [&](const GroupProtocol& protocol) {
           return totals_.is_supported_by_all(protocol.name);
         });
}

// Each member votes for the first of its protocols that all support.
std::string ClassicGroup::choose_protocol() const {
  if (members_.empty()) return {};
  std::set<std::string_view> shared;
  for (const GroupProtocol& protocol : members_.begin()->second.protocols) {
    if (totals_.is_supported_by_all(protocol.name)) shared.insert(protocol.name);
  }
  if (shared.size() == 1) return std::string(*shared.begin());
  std::map<std::string_view, std::size_t> votes;
  for (const auto& [id, member] : members_) {
    const auto choice = std::ranges::find_if(member.protocols, [&](const GroupProtocol& protocol) {
      return shared.contains(protocol.name);
    });
    if (choice != member.protocols.end()) ++votes[choice->name];
  }
  const auto most =
      std::ranges::max_element(votes, {}, [](const auto& entry) { return entry.second; });
  return most == votes.end() ? std::string() : std::string(most->first);
}

std::chrono::milliseconds ClassicGroup::longest_rebalance_timeout() const {
  std::chrono::milliseconds longest{0};
  for (const auto& [id, member] : members_) longest = std::max(longest, member.rebalance_timeout);
  return longest;
}

void ClassicGroup::enter(State state, Now now) {
  state_ = state;
  state_since_ = now.wall;
}

void ClassicGroup::restart_session(Member& member, TimePoint now) {
  member.expires_at = now + member.session_timeout;
  note_deadline(member.expires_at);
}

bool ClassicGroup::is_blank() const {
  return state_ == State::empty && pending_.empty() && generation_.value == 0 &&
         protocol_type_.empty();
}

// --- invariants

void ClassicGroup::check_invariants() const {
  check_places();
  check_waits();
  DOHLE_ASSERT(state_ != State::empty || members_.empty(), "an empty group has members");
  DOHLE_ASSERT(members_.empty() ? leader_.empty() : members_.contains(leader_),
               "the leader is no member");
  DOHLE_ASSERT(state_ != State::stable || protocol_.has_value(), "a stable group has no protocol");
  const bool is_rebalancing =
      state_ == State::preparing_rebalance || state_ == State::completing_rebalance;
  DOHLE_ASSERT(!is_rebalancing || rebalance_deadline_ != never, "a rebalance never ends");
  DOHLE_ASSERT(!in_initial_delay_ || state_ == State::preparing_rebalance,
               "a group waits for more members outside of a rebalance");
  DOHLE_ASSERT(state_ != State::completing_rebalance || members_.find(leader_)->second.is_unsynced,
               "a rebalance waits for an assignment that came");
  MemberTotals counted;
  for (const auto& [id, member] : members_) counted.add(member);
  DOHLE_ASSERT(counted == totals_, "the totals of the members are wrong");
  DOHLE_ASSERT(members_.empty() || !choose_protocol().empty(), "members share no protocol");
}

void ClassicGroup::check_places() const {
  std::size_t instances = 0;
  for (const auto& [id, member] : members_) {
    DOHLE_ASSERT(id == member.id, "a member is stored under another one's id");
    DOHLE_ASSERT(!pending_.contains(id), "a member's id waits to be used");
    DOHLE_ASSERT(members_deadline_ <= member.expires_at, "a session ends unseen");
    if (!member.instance_id) continue;
    ++instances;
    const auto place = static_members_.find(*member.instance_id);
    DOHLE_ASSERT(place != static_members_.end() && place->second == id,
                 "an instance's place is another member's");
  }
  DOHLE_ASSERT(instances == static_members_.size(), "an instance has a place and no member");
  for (const auto& [id, until] : pending_) {
    DOHLE_ASSERT(members_deadline_ <= until, "an id that was given out is never taken back");
  }
}

void ClassicGroup::check_waits() const {
  for (const auto& [id, member] : members_) {
    DOHLE_ASSERT(member.awaiting_join == 0 || state_ == State::preparing_rebalance,
                 "a member waits for a rebalance that is over");
    DOHLE_ASSERT(member.awaiting_sync == 0 || state_ == State::completing_rebalance,
                 "a member waits for an assignment that is there");
    DOHLE_ASSERT(member.awaiting_sync == 0 || !member.is_unsynced,
                 "a member that asked for its assignment counts as silent");
  }
  const bool has_generation = state_ == State::completing_rebalance || state_ == State::stable;
  DOHLE_ASSERT(totals_.unsynced() == 0 || has_generation, "assignments are waited for too early");
}

void ClassicGroup::note_deadline(TimePoint at) {
  members_deadline_ = std::min(members_deadline_, at);
}

}  // namespace dohle::node
