#include "node/group/group_coordinator.hpp"

#include <algorithm>

#include "base/assert.hpp"
#include "base/broker_errors.hpp"
#include "node/limits.hpp"

namespace dohle::node {

namespace {

std::int16_t fault_of(const JoinRequest& request) {
  if (request.group_id.empty()) return broker_error::invalid_group_id;
  if (request.instance_id && request.instance_id->size() > limits::max_instance_id_bytes) {
    return broker_error::invalid_request;
  }
  if (request.session_timeout < limits::min_session_timeout ||
      request.session_timeout > limits::max_session_timeout) {
    return broker_error::invalid_session_timeout;
  }
  if (request.protocols.size() > limits::max_member_protocols) return broker_error::invalid_request;
  std::size_t bytes = 0;
  for (const GroupProtocol& protocol : request.protocols) {
    bytes += protocol.name.size() + protocol.metadata.size();
  }
  return bytes > limits::max_member_metadata_bytes ? broker_error::invalid_request
                                                   : broker_error::none;
}

void refuse(ReplyTo to, std::string member_id, std::int16_t error, ClassicGroupActions& out) {
  AnswerJoin answer;
  answer.to = to;
  answer.error = error;
  answer.member_id = std::move(member_id);
  answer.protocol = std::string();
  out.push_back(std::move(answer));
}

// Map nodes, and ends of strings.
constexpr std::size_t offset_overhead = 192;

std::size_t counted(const GroupCoordinator::OffsetKey& at, const CommittedOffset& committed) {
  return offset_overhead + at.first.size() + committed.metadata.size();
}

}  // namespace

GroupCoordinator::Entry& GroupCoordinator::make(const std::string& group, Timestamp now) {
  const auto found = groups_.find(group);
  if (found != groups_.end()) return found->second;
  Entry& made =
      groups_.emplace(group, Entry{ClassicGroup(group, options_.group, now), {}, {}, never, 0})
          .first->second;
  count(made);
  return made;
}

void GroupCoordinator::reschedule(Entry& entry) {
  const TimePoint next = entry.group.next_deadline();
  if (next == entry.deadline) return;
  if (entry.deadline != never) deadlines_.erase({entry.deadline, entry.group.id()});
  if (next != never) deadlines_.emplace(next, entry.group.id());
  entry.deadline = next;
}

void GroupCoordinator::erase(Entries::iterator entry) {
  if (entry->second.deadline != never) {
    deadlines_.erase({entry->second.deadline, entry->first});
  }
  offset_count_ -= entry->second.offsets.size();
  state_bytes_ -= entry->second.bytes;
  for (const auto& [at, committed] : entry->second.offsets) state_bytes_ -= counted(at, committed);
  for (const auto& [at, staged] : entry->second.staged) state_bytes_ -= counted(at, staged.newest);
  groups_.erase(entry);
}

void GroupCoordinator::erase_offset(Entry& entry, Offsets::iterator at) {
  state_bytes_ -= counted(at->first, at->second);
  --offset_count_;
  entry.offsets.erase(at);
}

GroupCoordinator::StagedOffsets::iterator GroupCoordinator::erase_staged(
    Entry& entry, StagedOffsets::iterator at) {
  state_bytes_ -= counted(at->first, at->second.newest);
  return entry.staged.erase(at);
}

// To be called after a change of the group, except of its offsets.
void GroupCoordinator::count(Entry& entry) {
  state_bytes_ -= entry.bytes;
  entry.bytes = entry.group.memory_bytes();
  state_bytes_ += entry.bytes;
}

std::size_t GroupCoordinator::growth_by_group(const std::string& group) const {
  return groups_.contains(group) ? 0 : ClassicGroup(group, options_.group, {}).memory_bytes();
}

std::size_t GroupCoordinator::growth_by(const JoinRequest& request) const {
  const auto found = groups_.find(request.group_id);
  if (found != groups_.end()) return found->second.group.growth_by(request);
  const ClassicGroup made(request.group_id, options_.group, {});
  return made.memory_bytes() + made.growth_by(request);
}

std::size_t GroupCoordinator::growth_by(const SyncRequest& request) const {
  const auto found = groups_.find(request.group_id);
  return found == groups_.end() ? 0 : found->second.group.growth_by(request);
}

std::size_t GroupCoordinator::growth_by_offset(const std::string& group, const std::string& topic,
                                               PartitionId partition,
                                               const CommittedOffset& committed) const {
  const std::size_t bytes = counted({topic, partition}, committed);
  const auto found = groups_.find(group);
  if (found == groups_.end()) return bytes;
  const auto known = found->second.offsets.find({topic, partition});
  if (known == found->second.offsets.end()) return bytes;
  const std::size_t before = counted(known->first, known->second);
  return bytes > before ? bytes - before : 0;
}

// Erases a group without any state, as after a refused join.
void GroupCoordinator::erase_if_blank(const std::string& group) {
  const auto found = groups_.find(group);
  const Entry& entry = found->second;
  if (entry.group.is_blank() && entry.offsets.empty() && entry.staged.empty()) erase(found);
}

void GroupCoordinator::restore(StoredRecord record, Now now) {
  if (const auto* offset = std::get_if<StoredOffset>(&record)) {
    if (offset->committed) {
      return commit(make(offset->group, now.wall), offset->topic, offset->partition,
                    *offset->committed);
    }
    const auto found = groups_.find(offset->group);
    if (found == groups_.end()) return;
    const auto known = found->second.offsets.find({offset->topic, offset->partition});
    if (known != found->second.offsets.end()) erase_offset(found->second, known);
    // A group without a record of its own exists only while it has offsets.
    if (found->second.offsets.empty() && found->second.group.protocol_type().empty()) erase(found);
    return;
  }
  const auto* group = std::get_if<StoredGroup>(&record);
  if (group == nullptr) return;
  if (!group->state) {
    const auto found = groups_.find(group->group);
    if (found != groups_.end()) erase(found);
    return;
  }
  Entry& entry = make(group->group, now.wall);
  entry.group = ClassicGroup::restored(group->group, options_.group, *group->state, now);
  count(entry);
  reschedule(entry);
}

void GroupCoordinator::join(JoinRequest request, ReplyTo to, Now now, ClassicGroupActions& out) {
  if (const auto fault = fault_of(request)) {
    return refuse(to, std::move(request.member_id), fault, out);
  }
  const std::string group = request.group_id;
  if (!groups_.contains(group)) {
    if (!request.member_id.empty()) {
      return refuse(to, std::move(request.member_id), broker_error::unknown_member_id, out);
    }
    if (groups_.size() >= options_.max_groups) {
      return refuse(to, "", broker_error::policy_violation, out);
    }
  }
  Entry& entry = make(group, now.wall);
  entry.group.join(std::move(request), to, now, *random_, out);
  count(entry);
  reschedule(entry);
  erase_if_blank(group);
}

void GroupCoordinator::sync(SyncRequest request, ReplyTo to, Now now, ClassicGroupActions& out) {
  const auto found = groups_.find(request.group_id);
  if (found == groups_.end()) {
    AnswerSync answer;
    answer.to = to;
    answer.error =
        request.group_id.empty() ? broker_error::invalid_group_id : broker_error::unknown_member_id;
    out.push_back(std::move(answer));
    return;
  }
  const bool assigns = !request.assignments.empty();
  found->second.group.sync(std::move(request), to, now, out);
  if (assigns) count(found->second);
  reschedule(found->second);
}

std::int16_t GroupCoordinator::heartbeat(const std::string& group, std::string_view member_id,
                                         const std::optional<std::string>& instance_id,
                                         Generation generation, Now now) {
  if (group.empty()) return broker_error::invalid_group_id;
  const auto found = groups_.find(group);
  if (found == groups_.end()) return broker_error::unknown_member_id;
  const std::int16_t error =
      found->second.group.heartbeat(member_id, instance_id, generation, now.mono);
  reschedule(found->second);
  return error;
}

std::vector<std::int16_t> GroupCoordinator::leave(const std::string& group,
                                                  const std::vector<Leaver>& leavers, Now now,
                                                  std::int16_t& group_error,
                                                  ClassicGroupActions& out) {
  std::vector<std::int16_t> errors;
  group_error = group.empty() ? broker_error::invalid_group_id : broker_error::none;
  const auto found = groups_.find(group);
  if (found == groups_.end()) {
    errors.assign(leavers.size(), broker_error::unknown_member_id);
    return errors;
  }
  ClassicGroup& members = found->second.group;
  bool has_left = false;
  for (const Leaver& leaver : leavers) {
    errors.push_back(members.leave(leaver.member_id, leaver.instance_id, out));
    has_left = has_left || errors.back() == broker_error::none;
  }
  if (has_left) members.rebalance_after_leaving(now, out);
  count(found->second);
  reschedule(found->second);
  return errors;
}

std::int16_t GroupCoordinator::check_commit(const std::string& group, std::string_view member_id,
                                            const std::optional<std::string>& instance_id,
                                            Generation generation, Now now) {
  if (group.empty()) return broker_error::invalid_group_id;
  const auto found = groups_.find(group);
  if (found != groups_.end()) {
    const std::int16_t error =
        found->second.group.check_commit(member_id, instance_id, generation, now.mono);
    reschedule(found->second);
    return error;
  }
  if (generation.value >= 0) return broker_error::illegal_generation;
  return groups_.size() < options_.max_groups ? broker_error::none : broker_error::policy_violation;
}

void GroupCoordinator::stage(const std::string& group, const std::string& topic,
                             PartitionId partition, CommittedOffset committed) {
  Entry& entry = make(group, committed.committed_at);
  const auto [at, is_new] = entry.staged.try_emplace({topic, partition});
  Staged& staged = at->second;
  if (!is_new) state_bytes_ -= counted(at->first, staged.newest);
  if (!is_new && is_forgotten(topic, staged.newest)) {
    // Its record is in the log, and the new one may never get there: forget_some has to find it.
    commit(entry, topic, partition, std::move(staged.newest));
    staged = {};
  }
  if (staged.count++ == 0) staged.since_round = committed.round;
  staged.newest = std::move(committed);
  state_bytes_ += counted(at->first, staged.newest);
}

void GroupCoordinator::settle(const std::string& group, const std::string& topic,
                              PartitionId partition, CommittedOffset committed, bool is_durable) {
  const auto found = groups_.find(group);
  if (found == groups_.end()) return;
  Entry& entry = found->second;
  const auto staged = entry.staged.find({topic, partition});
  const bool is_gone = staged == entry.staged.end() ||
                       committed.round < staged->second.since_round ||
                       is_forgotten(topic, committed);
  if (is_gone) return;
  if (--staged->second.count == 0) erase_staged(entry, staged);
  if (is_durable) commit(entry, topic, partition, std::move(committed));
  erase_if_blank(group);
}

void GroupCoordinator::commit(Entry& entry, const std::string& topic, PartitionId partition,
                              CommittedOffset committed) {
  const auto [at, is_new] = entry.offsets.try_emplace({topic, partition});
  if (is_new) {
    ++offset_count_;
  } else {
    state_bytes_ -= counted(at->first, at->second);
  }
  at->second = std::move(committed);
  state_bytes_ += counted(at->first, at->second);
}

bool GroupCoordinator::is_forgotten(const std::string& topic,
                                    const CommittedOffset& committed) const {
  if (forgotten_.empty()) return false;
  const auto gone = forgotten_.find(topic);
  return gone != forgotten_.end() && committed.round < gone->second;
}

const GroupCoordinator::Offsets* GroupCoordinator::offsets(const std::string& group) const {
  const auto found = groups_.find(group);
  return found == groups_.end() ? nullptr : &found->second.offsets;
}

const ClassicGroup* GroupCoordinator::find(const std::string& group) const {
  const auto found = groups_.find(group);
  return found == groups_.end() ? nullptr : &found->second.group;
}

bool GroupCoordinator::visit_after(std::string& last, std::size_t max,
                                   const std::function<void(const ClassicGroup&)>& visit) const {
  for (auto next = groups_.upper_bound(last); next != groups_.end(); ++next) {
    if (max-- == 0) return true;
    visit(next->second.group);
    last = next->first;
  }
  return false;
}

namespace {

// Encoding fails only for names and metadata that were refused before. They were never stored and
// need no tombstone.
void add(Result<GroupRecord> record, std::vector<GroupRecord>& records) {
  if (record) records.push_back(*std::move(record));
}

}  // namespace

std::int16_t GroupCoordinator::remove(const std::string& group, std::vector<GroupRecord>& records) {
  if (group.empty()) return broker_error::invalid_group_id;
  const auto found = groups_.find(group);
  if (found == groups_.end()) return broker_error::group_id_not_found;
  if (found->second.group.state() != ClassicGroup::State::empty) {
    return broker_error::non_empty_group;
  }
  // At the next start this record deletes all offsets of the group before it.
  add(group_tombstone(group), records);
  Entry& entry = found->second;
  if (entry.deadline != never) deadlines_.erase({entry.deadline, group});
  offset_count_ -= entry.offsets.size();
  removed_.emplace_back(group, std::move(entry));
  groups_.erase(found);
  ++round_;  // staged offsets are not for the next group of that name
  return broker_error::none;
}

// Apache Kafka's brokers and tools need a deletion of each offset, not only of the group.
bool GroupCoordinator::bury_some(std::size_t max, std::vector<GroupRecord>& records) {
  while (!removed_.empty()) {
    auto& [group, entry] = removed_.front();
    const auto anew = groups_.find(group);
    while (!entry.offsets.empty()) {
      if (max-- == 0) return true;
      const auto at = entry.offsets.begin();
      const bool is_committed_anew =
          anew != groups_.end() &&
          (anew->second.offsets.contains(at->first) || anew->second.staged.contains(at->first));
      if (!is_committed_anew)
        add(offset_tombstone(group, at->first.first, at->first.second), records);
      state_bytes_ -= counted(at->first, at->second);
      entry.offsets.erase(at);
    }
    for (const auto& [at, staged] : entry.staged) state_bytes_ -= counted(at, staged.newest);
    state_bytes_ -= entry.bytes;
    removed_.pop_front();
    if (max == 0) break;
    --max;
  }
  return !removed_.empty();
}

void GroupCoordinator::forget(std::string topic) {
  forgotten_.insert_or_assign(std::move(topic), ++round_);
}

/// Visits of each group: the group, its staged offsets, its offsets, its end.
template <class Groups, class Visit>
bool GroupCoordinator::walk(Groups& groups, Place& place, std::size_t max, Visit&& visit) {
  using Part = Place::Part;
  auto at = groups.lower_bound(place.group);
  if (at == groups.end() || at->first != place.group) place.part = Part::group;
  for (; at != groups.end(); place.part = Part::group) {
    auto& entry = at->second;
    const auto pause = [&](Part part, const OffsetKey& key) {
      place = {at->first, part, key};
      return true;
    };
    if (place.part == Part::group) {
      if (max-- == 0) return pause(Part::group, {});
      visit.group(at->first, entry);
      place.part = Part::staged;
      place.offset = {};
    }
    if (place.part == Part::staged) {
      for (auto staged = entry.staged.lower_bound(place.offset); staged != entry.staged.end();) {
        if (max-- == 0) return pause(Part::staged, staged->first);
        const auto here = staged++;
        visit.staged(at->first, entry, here);
      }
      place.offset = {};
    }
    for (auto offset = entry.offsets.lower_bound(place.offset); offset != entry.offsets.end();) {
      if (max-- == 0) return pause(Part::offsets, offset->first);
      const auto here = offset++;
      visit.offset(at->first, entry, here);
    }
    const auto here = at++;
    visit.end(here);
  }
  place = {};
  return false;
}

bool GroupCoordinator::forget_some(Place& place, std::size_t max,
                                   std::vector<GroupRecord>& records) {
  if (place.group.empty()) forgetting_ = round_;
  struct Visit {
    GroupCoordinator& self;
    std::vector<GroupRecord>& records;
    void group(const std::string&, Entry&) {}
    void staged(const std::string& id, Entry& entry, StagedOffsets::iterator at) {
      if (!self.is_forgotten(at->first.first, at->second.newest)) return;
      // Its record is already in the log.
      add(offset_tombstone(id, at->first.first, at->first.second), records);
      self.erase_staged(entry, at);
    }
    void offset(const std::string& id, Entry& entry, Offsets::iterator at) {
      if (!self.is_forgotten(at->first.first, at->second)) return;
      // An offset for the next topic of that name may be staged.
      if (!entry.staged.contains(at->first)) {
        add(offset_tombstone(id, at->first.first, at->first.second), records);
      }
      self.erase_offset(entry, at);
    }
    void end(Entries::iterator) {}
  };
  if (walk(groups_, place, max, Visit{*this, records})) return true;
  std::erase_if(forgotten_, [&](const auto& gone) { return gone.second <= forgetting_; });
  return !forgotten_.empty();
}

bool GroupCoordinator::is_expired(const Entry& entry, const CommittedOffset& committed,
                                  Timestamp now) const {
  if (entry.group.state() != ClassicGroup::State::empty) return false;
  if (!committed.expires_at.is_none()) return committed.expires_at <= now;
  // If the group had members, the time counts from when the last of them left.
  const Timestamp since = entry.group.protocol_type().empty()
                              ? committed.committed_at
                              : std::max(committed.committed_at, entry.group.state_since());
  return now.value - since.value >= options_.offsets_retention.count();
}

bool GroupCoordinator::expire_some(Timestamp now, Place& place, std::size_t max,
                                   std::vector<GroupRecord>& records) {
  struct Visit {
    GroupCoordinator& self;
    Timestamp now;
    std::vector<GroupRecord>& records;
    void group(const std::string&, Entry&) {}
    void staged(const std::string&, Entry&, StagedOffsets::iterator) {}
    void offset(const std::string& id, Entry& entry, Offsets::iterator at) {
      if (!self.is_expired(entry, at->second, now)) return;
      add(offset_tombstone(id, at->first.first, at->first.second), records);
      self.erase_offset(entry, at);
    }
    void end(Entries::iterator at) {
      const Entry& entry = at->second;
      const bool is_over =
          entry.group.state() == ClassicGroup::State::empty && entry.offsets.empty() &&
          entry.staged.empty() &&
          now.value - entry.group.state_since().value >= self.options_.offsets_retention.count();
      if (!is_over) return;
      add(group_tombstone(at->first), records);
      self.erase(at);
    }
  };
  return walk(groups_, place, max, Visit{*this, now, records});
}

void GroupCoordinator::check_invariants() const {
  std::size_t bytes = 0;
  std::size_t offsets = 0;
  std::size_t deadlines = 0;
  for (const auto& [id, entry] : groups_) {
    entry.group.check_invariants();
    DOHLE_ASSERT(id == entry.group.id(), "a group is stored under another one's name");
    DOHLE_ASSERT(entry.bytes == entry.group.memory_bytes(),
                 "a group's memory differs from the counted one");
    DOHLE_ASSERT(entry.deadline == entry.group.next_deadline(),
                 "a group's deadline differs from the scheduled one");
    DOHLE_ASSERT(entry.deadline == never || deadlines_.contains({entry.deadline, id}),
                 "a group's deadline has no timer");
    deadlines += entry.deadline == never ? 0 : 1;
    bytes += entry.bytes;
    offsets += entry.offsets.size();
    for (const auto& [at, committed] : entry.offsets) bytes += counted(at, committed);
    for (const auto& [at, staged] : entry.staged) {
      bytes += counted(at, staged.newest);
      DOHLE_ASSERT(staged.count > 0, "an offset that is not yet durable has no commit");
    }
  }
  for (const auto& [id, entry] : removed_) {
    bytes += entry.bytes;
    for (const auto& [at, committed] : entry.offsets) bytes += counted(at, committed);
    for (const auto& [at, staged] : entry.staged) bytes += counted(at, staged.newest);
  }
  DOHLE_ASSERT(bytes == state_bytes_, "the memory of all groups is counted wrong");
  DOHLE_ASSERT(offsets == offset_count_, "the offsets of all groups are counted wrong");
  DOHLE_ASSERT(deadlines == deadlines_.size(),
               "scheduled deadlines and groups with one differ in number");
}

void GroupCoordinator::store_failed(const std::string& group, Now now, ClassicGroupActions& out) {
  const auto found = groups_.find(group);
  if (found == groups_.end()) return;
  found->second.group.store_failed(now, out);
  count(found->second);
  reschedule(found->second);
}

TimePoint GroupCoordinator::next_deadline() const {
  return deadlines_.empty() ? never : deadlines_.begin()->first;
}

void GroupCoordinator::on_time(Now now, ClassicGroupActions& out) {
  while (!deadlines_.empty() && deadlines_.begin()->first <= now.mono) {
    const std::string group = deadlines_.begin()->second;
    Entry& entry = groups_.find(group)->second;
    entry.group.on_time(now, out);
    count(entry);
    reschedule(entry);
    erase_if_blank(group);
  }
}

Result<bool> GroupCoordinator::snapshot_some(Place& place, std::size_t max,
                                             std::vector<GroupRecord>& records) const {
  struct Visit {
    const GroupCoordinator& self;
    std::vector<GroupRecord>& records;
    std::optional<Error> fault = {};
    void take(Result<GroupRecord> record) {
      if (record) {
        records.push_back(*std::move(record));
      } else if (!fault) {
        fault = record.error();
      }
    }
    // A group that never had members has no record of its own.
    void group(const std::string&, const Entry& entry) {
      if (!entry.group.protocol_type().empty()) take(group_record(entry.group));
    }
    // Staged offsets come before committed ones, since they may become durable while the walk
    // visits the committed ones.
    void staged(const std::string& id, const Entry&, StagedOffsets::const_iterator at) {
      if (self.is_forgotten(at->first.first, at->second.newest)) return;
      take(offset_record(id, at->first.first, at->first.second, at->second.newest));
    }
    void offset(const std::string& id, const Entry& entry, Offsets::const_iterator at) {
      const auto newer = entry.staged.find(at->first);
      const CommittedOffset& newest =
          newer == entry.staged.end() ? at->second : newer->second.newest;
      if (self.is_forgotten(at->first.first, newest)) return;
      take(offset_record(id, at->first.first, at->first.second, newest));
    }
    void end(Entries::const_iterator) {}
  };
  Visit visit{*this, records};
  const bool has_more = walk(groups_, place, max, visit);
  if (visit.fault) return fail(*visit.fault);
  return has_more;
}

}  // namespace dohle::node
