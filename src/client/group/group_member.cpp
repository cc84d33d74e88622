#include "client/group/group_member.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <utility>

#include "base/assert.hpp"
#include "base/broker_errors.hpp"
#include "client/group/coordinator.hpp"

namespace dohle::client {

using namespace group_action;
using SyncAssignment = wire::SyncGroupRequest::SyncGroupRequestAssignment;

namespace {

constexpr std::string_view protocol_type = "consumer";
constexpr std::string_view range = "range";
/// A restarting node refuses a few times. With the backoff these are some seconds and about a
/// minute.
constexpr unsigned refusals_until_line = 5;
constexpr unsigned refusals_per_line = 60;
/// A frozen server is detected only after request_timeout, so another one is asked earlier.
constexpr Duration find_patience = std::chrono::seconds(5);

std::int32_t milliseconds(Duration duration) {
  return static_cast<std::int32_t>(
      std::chrono::duration_cast<std::chrono::milliseconds>(duration).count());
}

}  // namespace

GroupMember::GroupMember(Options options, Random& random)
    : options_(std::move(options)),
      random_(&random),
      find_backoff_(options_.retry_backoff, options_.max_retry_backoff),
      join_backoff_(options_.retry_backoff, options_.max_retry_backoff),
      start_over_backoff_(options_.retry_backoff, options_.max_retry_backoff),
      heartbeat_backoff_(options_.retry_backoff, options_.max_retry_backoff) {
  if (!options_.group_instance_id.empty()) instance_id_ = options_.group_instance_id;
}

void GroupMember::check_invariants() const {
  const bool owns = !assignment_.empty();
  DOHLE_ASSERT(!owns || state_ == State::stable || state_ == State::releasing,
               "a member that joins or leaves owns partitions");
  DOHLE_ASSERT(state_ != State::stable || is_member(), "a stable member has no generation");
  DOHLE_ASSERT(state_ != State::releasing || owns, "a member releases without partitions");
  DOHLE_ASSERT(!is_joining() || join_ticket_ != 0, "a member joins without a request in flight");
  DOHLE_ASSERT(state_ != State::assigning || is_leader_,
               "a member assigns partitions and does not lead");
  DOHLE_ASSERT(!is_leader_ || is_member(), "a leader has no generation");
  DOHLE_ASSERT(!is_member() || !member_id_.empty(), "a member has no id");
  DOHLE_ASSERT(state_ != State::leaving || (leave_ticket_ != 0 && !is_member()),
               "a leaving member has no request in flight or still has a generation");
  DOHLE_ASSERT(state_ != State::fenced || !is_member(), "a fenced member has a generation");
  DOHLE_ASSERT(state_ != State::off || !is_member(),
               "a member without a subscription has a generation");
  DOHLE_ASSERT(heartbeat_ticket_ == 0 || (beats() && !coordinator_.is_none()),
               "a heartbeat is in flight without membership or coordinator");
  DOHLE_ASSERT(coordinator_.is_none() || !coordinator_needed_, "a known coordinator is looked for");
  DOHLE_ASSERT(std::max({find_ticket_, join_ticket_, heartbeat_ticket_, leave_ticket_,
                         probe_ticket_}) <= last_ticket_,
               "an answer is awaited to a request that was not made");
}

// Requests and their conditions.

bool GroupMember::is_joining() const {
  return state_ == State::joining || state_ == State::assigning || state_ == State::syncing;
}

bool GroupMember::beats() const {
  return is_member() && state_ != State::joining && state_ != State::leaving;
}

bool GroupMember::minds_polls() const {
  return !poll_missing_ && state_ != State::off && state_ != State::leaving &&
         state_ != State::fenced;
}

bool GroupMember::awaits_poll() const {
  return state_ == State::releasing || (state_ == State::unjoined && poll_missing_);
}

Duration GroupMember::join_timeout() const {
  return std::max(options_.max_poll_interval + join_grace, options_.request_timeout);
}

Error GroupMember::refused(std::string_view what, std::int16_t code) const {
  return Error::broker(code, fmt::format("{} group {}", what, options_.group_id));
}

TimePoint GroupMember::deadline() const {
  const bool coordinated = !coordinator_.is_none();
  TimePoint next = never;
  if (minds_polls()) next = poll_deadline_;
  if (coordinated ? coordinator_in_doubt_ : coordinator_needed_) {
    next = std::min(next, may_find_at());
  }
  if (state_ == State::unjoined && !poll_missing_ && coordinated) {
    next = std::min(next, join_not_before_);
  }
  if (is_held_back() && coordinated && probe_ticket_ == 0) next = std::min(next, probe_at_);
  if (beats() && coordinated) {
    next = std::min(next, session_deadline_);
    if (heartbeat_ticket_ == 0) next = std::min(next, heartbeat_at_);
  }
  return next;
}

void GroupMember::on_time(TimePoint now, GroupActions& out) {
  if (minds_polls() && now >= poll_deadline_) on_poll_overdue(now, out);
  // Heartbeats are not answered, so another node may be the coordinator by now.
  if (beats() && now >= session_deadline_) lose_coordinator();
  advance(now, out);
}

void GroupMember::advance(TimePoint now, GroupActions& out) {
  const bool joins = state_ == State::unjoined && !poll_missing_;
  if (coordinator_.is_none()) {
    if (joins || beats()) coordinator_needed_ = true;
    if (coordinator_needed_ && now >= may_find_at()) find_coordinator(now, out);
    return;
  }
  if (coordinator_in_doubt_ && now >= may_find_at()) find_coordinator(now, out);
  if (is_held_back() && probe_ticket_ == 0 && now >= probe_at_) send_probe(now, out);
  if (joins && now >= join_not_before_) send_join(now, out);
  if (beats() && heartbeat_ticket_ == 0 && now >= heartbeat_at_) send_heartbeat(now, out);
}

// Calls of the consumer.

void GroupMember::subscribe(std::vector<std::string> topics, TimePoint now, GroupActions& out) {
  topics_ = std::move(topics);
  if (state_ == State::off) {
    state_ = State::unjoined;
    poll_missing_ = true;
  } else {
    rejoin("the subscription changed", now, out);
  }
}

void GroupMember::rejoin(std::string_view why, TimePoint now, GroupActions& out) {
  rejoin_reason_ = why;
  if (state_ == State::stable) return release(false, After::join, now, out);
  if (is_joining()) rejoin_wanted_ = true;
}

void GroupMember::unsubscribe(TimePoint now, GroupActions& out) {
  topics_.clear();
  if (state_ == State::leaving) return;
  if (state_ == State::off || state_ == State::fenced) {
    out.push_back(Left{});
    return;
  }
  release(false, After::leave, now, out);
}

void GroupMember::polled(TimePoint at, TimePoint now, GroupActions& out) {
  poll_deadline_ = at + options_.max_poll_interval;
  poll_missing_ = false;
  advance(now, out);
}

void GroupMember::on_released(TimePoint now, GroupActions& out) {
  if (state_ == State::releasing) go_on_released(now, out);
}

void GroupMember::need_coordinator(TimePoint now, GroupActions& out) {
  if (coordinator_.is_none()) coordinator_needed_ = true;
  advance(now, out);
}

// Giving up partitions and leaving.

void GroupMember::release(bool lost, After after, TimePoint now, GroupActions& out) {
  if (state_ == State::releasing) {
    if (after == After::leave) after_release_ = after;
    if (lost && !releases_lost_ && !assignment_.empty()) out.push_back(Lose{assignment_});
    releases_lost_ = releases_lost_ || lost;
    return;
  }
  state_ = State::releasing;
  after_release_ = after;
  releases_lost_ = lost;
  join_ticket_ = 0;
  if (assignment_.empty()) return go_on_released(now, out);
  if (lost) {
    out.push_back(Lose{assignment_});
  } else {
    out.push_back(Revoke{assignment_});
  }
}

void GroupMember::go_on_released(TimePoint now, GroupActions& out) {
  assignment_.clear();
  if (after_release_ == After::leave) return finish_leaving(now, out);
  state_ = State::unjoined;
  advance(now, out);
}

void GroupMember::finish_leaving(TimePoint now, GroupActions& out) {
  const bool told = send_leave("the consumer unsubscribed or was closed", out);
  forget_membership(true);
  state_ = State::leaving;
  if (!told) on_left(leave_ticket_ = 0, wire::LeaveGroupResponse{}, now, out);
}

void GroupMember::on_left(GroupTicket ticket, Result<wire::LeaveGroupResponse> /*answer*/,
                          TimePoint now, GroupActions& out) {
  // The answer does not matter: the server drops the member after session_timeout at the latest.
  if (state_ != State::leaving || ticket != leave_ticket_) return;
  leave_ticket_ = 0;
  state_ = topics_.empty() ? State::off : State::unjoined;
  out.push_back(Left{});
  advance(now, out);
}

bool GroupMember::send_leave(std::string_view why, GroupActions& out) {
  // A static member stays, so that its successor with the same instance id gets the same
  // partitions.
  if (instance_id_ || member_id_.empty() || coordinator_.is_none()) return false;
  wire::LeaveGroupRequest message;
  message.group_id = options_.group_id;
  message.member_id = member_id_;
  message.members.push_back({member_id_, std::nullopt, std::string(why)});
  leave_ticket_ = ++last_ticket_;
  out.push_back(Leave{leave_ticket_, coordinator_, std::move(message)});
  return true;
}

void GroupMember::forget_membership(bool member_id_too) {
  generation_ = Generation{};
  is_leader_ = false;
  rejoin_wanted_ = false;
  join_ticket_ = 0;
  heartbeat_ticket_ = 0;
  if (member_id_too) member_id_.clear();
}

void GroupMember::on_poll_overdue(TimePoint now, GroupActions& out) {
  poll_missing_ = true;
  if (state_ == State::unjoined && !is_member()) return;
  send_leave("max_poll_interval passed without a poll", out);
  forget_membership(true);
  rejoin_reason_ = "there was no poll for max_poll_interval";
  release(true, After::join, now, out);
}

// The coordinator.

void GroupMember::find_coordinator(TimePoint now, GroupActions& out) {
  find_ticket_ = ++last_ticket_;
  find_late_at_ = now + find_patience;
  out.push_back(FindCoordinator{find_ticket_, ask_for_coordinator(options_.group_id)});
}

void GroupMember::lose_coordinator() {
  coordinator_ = NodeId{};
  coordinator_needed_ = true;
  coordinator_in_doubt_ = false;
  heartbeat_ticket_ = 0;
  probe_ticket_ = 0;
}

TimePoint GroupMember::may_find_at() const {
  if (find_ticket_ != 0) return find_late_at_;
  // A coordinator that was just named is asked for again only after max_retry_backoff, even in
  // doubt.
  return coordinator_.is_none() ? find_not_before_
                                : TimePoint(named_at_ + options_.max_retry_backoff);
}

void GroupMember::doubt_coordinator(bool is_in_doubt, TimePoint now, GroupActions& out) {
  coordinator_in_doubt_ = is_in_doubt && !coordinator_.is_none();
  advance(now, out);
}

void GroupMember::on_reached(TimePoint now, GroupActions& out) {
  find_not_before_ = std::min(find_not_before_, TimePoint(named_at_ + options_.retry_backoff));
  advance(now, out);
}

void GroupMember::send_probe(TimePoint now, GroupActions& out) {
  probe_ticket_ = ++last_ticket_;
  probe_at_ = now + options_.heartbeat_interval;
  out.push_back(Probe{probe_ticket_, coordinator_, ask_for_coordinator(options_.group_id)});
}

void GroupMember::on_probed(GroupTicket ticket, Result<wire::FindCoordinatorResponse> answer,
                            TimePoint now, GroupActions& out) {
  if (probe_ticket_ == 0 || ticket != probe_ticket_) return;
  probe_ticket_ = 0;
  if (!is_held_back()) return;
  if (answer) {
    const auto found = coordinator_of(*answer, options_.group_id);
    if (found && *found != coordinator_) take_coordinator(*found, now, out);
    return advance(now, out);
  }
  // The connection of the join may be half-open as well, without any sign of it.
  if (is_coordinator_lost(answer.error())) out.push_back(TakeBack{coordinator_});
  on_failure(answer.error().within("join group " + options_.group_id), Source::other, now, out);
}

void GroupMember::take_coordinator(NodeId found, TimePoint now, GroupActions& out) {
  const bool has_moved = !named_coordinator_.is_none() && named_coordinator_ != found;
  if (has_moved) out.push_back(TakeBack{named_coordinator_});
  if (has_moved && !coordinator_.is_none()) {
    heartbeat_ticket_ = probe_ticket_ = 0;
    heartbeat_at_ = std::min(heartbeat_at_, now);
    // Requests to the earlier coordinator are made again.
    if (state_ == State::joining || state_ == State::syncing) {
      state_ = State::unjoined;
      join_ticket_ = 0;
    }
  }
  find_backoff_.reset();
  coordinator_ = named_coordinator_ = found;
  named_at_ = now;
  coordinator_needed_ = coordinator_in_doubt_ = false;
  session_deadline_ = now + options_.session_timeout;
}

void GroupMember::on_coordinator(GroupTicket ticket, Result<wire::FindCoordinatorResponse> answer,
                                 TimePoint now, GroupActions& out) {
  if (ticket != find_ticket_) return;
  find_ticket_ = 0;
  auto found = answer ? coordinator_of(*answer, options_.group_id) : fail(answer.error());
  if (!found) {
    find_not_before_ = now + find_backoff_.next(*random_);
    named_at_ = now;
    if (!coordinator_.is_none()) return;
    if (found.error().is_retriable()) return note_refusal(found.error(), out);
    coordinator_needed_ = false;
    return give_up(found.error(), now, out);
  }
  if (*found == coordinator_) {
    // Asked in doubt, and other servers know no other coordinator yet.
    named_at_ = now;
    return;
  }
  take_coordinator(*found, now, out);
  advance(now, out);
}

// Joining.

Result<wire::JoinGroupRequest> GroupMember::join_request() const {
  auto subscription = encode_subscription(topics_, {}, Generation{});
  if (!subscription) return fail(subscription.error());
  wire::JoinGroupRequest message;
  message.group_id = options_.group_id;
  message.session_timeout_ms = milliseconds(options_.session_timeout);
  message.rebalance_timeout_ms = milliseconds(options_.max_poll_interval);
  message.member_id = member_id_;
  message.group_instance_id = instance_id_;
  message.protocol_type = protocol_type;
  message.protocols.push_back({std::string(range), std::move(*subscription)});
  if (!rejoin_reason_.empty()) message.reason = rejoin_reason_;
  return message;
}

void GroupMember::send_join(TimePoint now, GroupActions& out) {
  auto message = join_request();
  if (!message) {
    poll_missing_ = true;
    join_not_before_ = now + join_backoff_.next(*random_);
    out.push_back(Failed{message.error().within("join group " + options_.group_id)});
    return;
  }
  state_ = State::joining;
  rejoin_wanted_ = false;
  heartbeat_ticket_ = 0;
  join_ticket_ = ++last_ticket_;
  probe_ticket_ = 0;
  probe_at_ = now + options_.heartbeat_interval;
  out.push_back(Join{join_ticket_, coordinator_, std::move(*message), join_timeout()});
}

void GroupMember::on_joined(GroupTicket ticket, Result<wire::JoinGroupResponse> answer,
                            TimePoint now, GroupActions& out) {
  if (state_ != State::joining || ticket != join_ticket_) return;
  join_ticket_ = 0;
  if (!answer) {
    on_failure(answer.error().within("join group " + options_.group_id), Source::other, now, out);
  } else if (answer->error_code == broker_error::member_id_required) {
    on_member_id(*answer, now, out);
  } else if (answer->error_code != broker_error::none) {
    on_failure(refused("join", answer->error_code), Source::other, now, out);
  } else {
    on_member(*answer, now, out);
  }
}

// Waits for the backoff if a server keeps assigning ids, or assigns none.
void GroupMember::on_member_id(const wire::JoinGroupResponse& answer, TimePoint now,
                               GroupActions& out) {
  const bool had_one = !member_id_.empty();
  member_id_ = answer.member_id;
  if (!had_one && !member_id_.empty()) return send_join(now, out);
  state_ = State::unjoined;
  starts_over_ = std::max(starts_over_, 1U);
  start_over(refused("join", broker_error::member_id_required), now, out);
  advance(now, out);
}

void GroupMember::start_over(const Error& why, TimePoint now, GroupActions& out) {
  ++starts_over_;
  if (starts_over_ < 2) return;
  join_not_before_ = std::max(join_not_before_, now + start_over_backoff_.next(*random_));
  const bool is_told = starts_over_ == 2 || starts_over_ % refusals_per_line == 0;
  if (is_told) out.push_back(Refused{why, starts_over_});
}

void GroupMember::on_member(const wire::JoinGroupResponse& answer, TimePoint now,
                            GroupActions& out) {
  const bool agreed = answer.protocol_type.value_or(std::string(protocol_type)) == protocol_type &&
                      answer.protocol_name == range;
  if (!agreed) {
    return give_up(refused("join", broker_error::inconsistent_group_protocol), now, out);
  }
  if (answer.member_id.empty() || answer.generation_id.is_none()) {
    const Error why = Error::client(Errc::malformed, "the answer has no member id or generation");
    return give_up(why.within("join group " + options_.group_id), now, out);
  }
  member_id_ = answer.member_id;
  generation_ = answer.generation_id;
  is_leader_ = answer.leader == answer.member_id;
  rejoin_reason_.clear();
  session_deadline_ = now + options_.session_timeout;
  heartbeat_at_ = now + options_.heartbeat_interval;
  if (is_leader_ && !answer.skip_assignment) {
    lead(answer, now, out);
  } else {
    send_sync({}, out);
  }
}

void GroupMember::lead(const wire::JoinGroupResponse& answer, TimePoint now, GroupActions& out) {
  std::vector<SubscribedMember> members;
  for (const auto& member : answer.members) {
    auto topics = subscribed_topics(member.metadata);
    if (!topics) {
      return give_up(topics.error().within(fmt::format("lead group {}: subscription of member {}",
                                                       options_.group_id, member.member_id)),
                     now, out);
    }
    members.push_back({member.member_id, member.group_instance_id, std::move(*topics)});
  }
  state_ = State::assigning;
  join_ticket_ = ++last_ticket_;
  out.push_back(MakeAssignments{join_ticket_, std::string(range), std::move(members)});
}

void GroupMember::on_assignments(GroupTicket ticket,
                                 Result<std::vector<MemberAssignment>> assignments, TimePoint now,
                                 GroupActions& out) {
  if (state_ != State::assigning || ticket != join_ticket_) return;
  join_ticket_ = 0;
  if (!assignments) {
    return on_failure(assignments.error().within("lead group " + options_.group_id), Source::other,
                      now, out);
  }
  std::vector<SyncAssignment> encoded;
  for (MemberAssignment& each : *assignments) {
    auto bytes = encode_assignment(each.partitions);
    if (!bytes) {
      return give_up(bytes.error().within("lead group " + options_.group_id), now, out);
    }
    encoded.push_back({std::move(each.member_id), std::move(*bytes)});
  }
  send_sync(std::move(encoded), out);
}

void GroupMember::send_sync(std::vector<SyncAssignment> assignments, GroupActions& out) {
  if (coordinator_.is_none()) {
    // The coordinator was lost during the assignment; a new one requires a join.
    state_ = State::unjoined;
    return;
  }
  wire::SyncGroupRequest message;
  message.group_id = options_.group_id;
  message.generation_id = generation_;
  message.member_id = member_id_;
  message.group_instance_id = instance_id_;
  message.protocol_type = protocol_type;
  message.protocol_name = range;
  message.assignments = std::move(assignments);
  state_ = State::syncing;
  join_ticket_ = ++last_ticket_;
  out.push_back(Sync{join_ticket_, coordinator_, std::move(message), join_timeout()});
}

void GroupMember::on_synced(GroupTicket ticket, Result<wire::SyncGroupResponse> answer,
                            TimePoint now, GroupActions& out) {
  if (state_ != State::syncing || ticket != join_ticket_) return;
  join_ticket_ = 0;
  if (!answer) {
    on_failure(answer.error().within("sync group " + options_.group_id), Source::other, now, out);
  } else if (answer->error_code != broker_error::none) {
    on_failure(refused("sync", answer->error_code), Source::other, now, out);
  } else {
    on_assigned(answer->assignment, now, out);
  }
}

void GroupMember::on_assigned(const Slice& assignment, TimePoint now, GroupActions& out) {
  join_backoff_.reset();
  refusals_ = 0;
  if (rejoin_wanted_) {
    state_ = State::unjoined;
    return advance(now, out);
  }
  auto partitions = decode_assignment(assignment);
  if (!partitions) {
    return give_up(partitions.error().within("assignment in group " + options_.group_id), now, out);
  }
  state_ = State::stable;
  assignment_ = std::move(*partitions);
  out.push_back(Assigned{assignment_});
}

// Staying.

void GroupMember::send_heartbeat(TimePoint now, GroupActions& out) {
  wire::HeartbeatRequest message;
  message.group_id = options_.group_id;
  message.generation_id = generation_;
  message.member_id = member_id_;
  message.group_instance_id = instance_id_;
  heartbeat_ticket_ = ++last_ticket_;
  heartbeat_at_ = now + options_.heartbeat_interval;
  out.push_back(Heartbeat{heartbeat_ticket_, coordinator_, std::move(message)});
}

void GroupMember::on_heartbeat(GroupTicket ticket, Result<wire::HeartbeatResponse> answer,
                               TimePoint now, GroupActions& out) {
  if (heartbeat_ticket_ == 0 || ticket != heartbeat_ticket_) return;
  heartbeat_ticket_ = 0;
  if (!answer) {
    return on_failure(answer.error().within("heartbeat to group " + options_.group_id),
                      Source::heartbeat, now, out);
  }
  const std::int16_t code = answer->error_code;
  if (code == broker_error::none || code == broker_error::rebalance_in_progress) {
    session_deadline_ = now + options_.session_timeout;
  }
  if (code == broker_error::none) {
    starts_over_ = 0;
    start_over_backoff_.reset();
    heartbeat_backoff_.reset();
  }
  if (code != broker_error::none)
    on_failure(refused("heartbeat to", code), Source::heartbeat, now, out);
}

// Failures.

void GroupMember::on_failure(const Error& why, Source source, TimePoint now, GroupActions& out) {
  if (on_membership_error(why, source, now, out)) return;
  if (is_joining() && why.is_retriable()) note_refusal(why, out);
  if (is_coordinator_lost(why)) {
    // A delayed sync waits on another connection, which may be half-open.
    if (source == Source::heartbeat && is_joining()) out.push_back(TakeBack{coordinator_});
    lose_coordinator();
    retry(now);
    advance(now, out);
  } else if (why.is_retriable()) {
    retry(now);
    advance(now, out);
  } else {
    give_up(why, now, out);
  }
}

void GroupMember::retry(TimePoint now) {
  if (state_ == State::releasing || state_ == State::stable) {
    heartbeat_at_ = now + heartbeat_backoff_.next(*random_);
    return;
  }
  state_ = State::unjoined;
  join_not_before_ = now + join_backoff_.next(*random_);
}

// The cluster already logs failed connections.
void GroupMember::note_refusal(const Error& why, GroupActions& out) {
  if (why.category() != ErrorCategory::broker) return;
  ++refusals_;
  const bool is_told = refusals_ == refusals_until_line || refusals_ % refusals_per_line == 0;
  if (is_told) out.push_back(Refused{why, refusals_});
}

bool GroupMember::on_membership_error(const Error& why, Source source, TimePoint now,
                                      GroupActions& out) {
  if (why.category() != ErrorCategory::broker) return false;
  switch (why.code()) {
    case broker_error::fenced_instance_id:
      fence(why, out);
      return true;
    case broker_error::illegal_generation:
    case broker_error::unknown_member_id: {
      // Waits for the backoff if the server refuses even a new member.
      if (state_ == State::joining && member_id_.empty()) retry(now);
      forget_membership(why.code() == broker_error::unknown_member_id);
      rejoin_reason_ = why.name();
      if (source == Source::other) start_over(why, now, out);
      release(true, After::join, now, out);
      return true;
    }
    case broker_error::rebalance_in_progress:
      // The answer to a join if the server could not store the group in time.
      if (state_ == State::joining) return false;
      rejoin_reason_ = "the group rebalances";
      if (source == Source::other) start_over(why, now, out);
      if (is_joining() || state_ == State::stable) release(false, After::join, now, out);
      return true;
    default:
      return false;
  }
}

void GroupMember::on_offsets_error(NodeId coordinator, Generation generation, const Error& error,
                                   TimePoint now, GroupActions& out) {
  if (is_coordinator_lost(error)) {
    if (coordinator != coordinator_) return;
    lose_coordinator();
    return advance(now, out);
  }
  // During a join its answer decides.
  const bool concerns = is_member() && generation == generation_ &&
                        (state_ == State::stable || state_ == State::releasing);
  if (concerns) on_membership_error(error, Source::other, now, out);
}

void GroupMember::give_up(const Error& why, TimePoint now, GroupActions& out) {
  join_not_before_ = now + join_backoff_.next(*random_);
  forget_membership(false);
  poll_missing_ = true;
  const bool is_out = state_ == State::off || state_ == State::leaving || state_ == State::fenced;
  if (!is_out) release(true, After::join, now, out);
  out.push_back(Failed{why});
}

void GroupMember::fence(const Error& why, GroupActions& out) {
  forget_membership(true);
  const bool leaves = state_ == State::releasing && after_release_ == After::leave;
  if (!assignment_.empty() && (state_ != State::releasing || !releases_lost_)) {
    out.push_back(Lose{assignment_});
  }
  assignment_.clear();
  state_ = State::fenced;
  coordinator_needed_ = false;
  out.push_back(Failed{why.with_fatal()});
  if (leaves) out.push_back(Left{});
}

}  // namespace dohle::client
