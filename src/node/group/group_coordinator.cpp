#include "node/group/group_coordinator.hpp"

#include <algorithm>

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

}  // namespace

GroupCoordinator::Entry& GroupCoordinator::make(const std::string& group, Timestamp now) {
  const auto found = groups_.find(group);
  if (found != groups_.end()) return found->second;
  return groups_.emplace(group, Entry{ClassicGroup(group, options_.group, now), {}, {}, never})
      .first->second;
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
  groups_.erase(entry);
}

// A join that was refused leaves no group behind.
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
    offset_count_ -= found->second.offsets.erase({offset->topic, offset->partition});
    // A group without a record of its own exists through its offsets.
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
  found->second.group.sync(std::move(request), to, now, out);
  reschedule(found->second);
}

std::int16_t GroupCoordinator::heartbeat(const std::string& group, std::string_view member_id,
                                         const std::optional<std::string>& instance_id,
                                         Generation generation, Now now) {
  if (group.empty()) return broker_error::invalid_group_id;
  const auto found = groups_.find(group);
  if (found == groups_.end()) return broker_error::unknown_member_id;
  return found->second.group.heartbeat(member_id, instance_id, generation, now.mono);
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
  reschedule(found->second);
  return errors;
}

std::int16_t GroupCoordinator::check_commit(const std::string& group, std::string_view member_id,
                                            const std::optional<std::string>& instance_id,
                                            Generation generation, Now now) {
  if (group.empty()) return broker_error::invalid_group_id;
  const auto found = groups_.find(group);
  if (found != groups_.end()) {
    return found->second.group.check_commit(member_id, instance_id, generation, now.mono);
  }
  if (generation.value >= 0) return broker_error::illegal_generation;
  return groups_.size() < options_.max_groups ? broker_error::none : broker_error::policy_violation;
}

void GroupCoordinator::stage(const std::string& group, const std::string& topic,
                             PartitionId partition, CommittedOffset committed) {
  Staged& staged = make(group, committed.committed_at).staged[{topic, partition}];
  staged.newest = std::move(committed);
  ++staged.count;
}

void GroupCoordinator::settle(const std::string& group, const std::string& topic,
                              PartitionId partition, CommittedOffset committed, bool is_durable) {
  const auto found = groups_.find(group);
  if (found == groups_.end()) return;
  Entry& entry = found->second;
  const auto staged = entry.staged.find({topic, partition});
  if (staged == entry.staged.end()) return;
  if (--staged->second.count == 0) entry.staged.erase(staged);
  if (is_durable) commit(entry, topic, partition, std::move(committed));
  erase_if_blank(group);
}

void GroupCoordinator::commit(Entry& entry, const std::string& topic, PartitionId partition,
                              CommittedOffset committed) {
  const auto placed = entry.offsets.insert_or_assign({topic, partition}, std::move(committed));
  if (placed.second) ++offset_count_;
}

const GroupCoordinator::Offsets* GroupCoordinator::offsets(const std::string& group) const {
  const auto found = groups_.find(group);
  return found == groups_.end() ? nullptr : &found->second.offsets;
}

const ClassicGroup* GroupCoordinator::find(const std::string& group) const {
  const auto found = groups_.find(group);
  return found == groups_.end() ? nullptr : &found->second.group;
}

void GroupCoordinator::for_each(const std::function<void(const ClassicGroup&)>& visit) const {
  for (const auto& [id, entry] : groups_) visit(entry.group);
}

namespace {

// Encoding fails for names and metadata that were refused before; what cannot be encoded was never
// stored and needs no tombstone.
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
  for (const auto& [at, committed] : found->second.offsets) {
    add(offset_tombstone(group, at.first, at.second), records);
  }
  add(group_tombstone(group), records);
  erase(found);
  return broker_error::none;
}

void GroupCoordinator::forget_topics(const std::function<bool(const std::string& topic)>& is_gone,
                                     std::vector<GroupRecord>& records) {
  for (auto& [id, entry] : groups_) {
    std::erase_if(entry.staged, [&](const auto& staged) {
      if (!is_gone(staged.first.first)) return false;
      // Its record lies in the log already.
      add(offset_tombstone(id, staged.first.first, staged.first.second), records);
      return true;
    });
    for (auto at = entry.offsets.begin(); at != entry.offsets.end();) {
      if (!is_gone(at->first.first)) {
        ++at;
        continue;
      }
      add(offset_tombstone(id, at->first.first, at->first.second), records);
      at = entry.offsets.erase(at);
      --offset_count_;
    }
  }
}

bool GroupCoordinator::is_expired(const Entry& entry, const CommittedOffset& committed,
                                  Timestamp now) const {
  if (entry.group.state() != ClassicGroup::State::empty) return false;
  // A group that had members counts from when the last of them left.
  const Timestamp since = entry.group.protocol_type().empty()
                              ? committed.committed_at
                              : std::max(committed.committed_at, entry.group.state_since());
  return now.value - since.value >= options_.offsets_retention.count();
}

void GroupCoordinator::expire(Timestamp now, std::vector<GroupRecord>& records) {
  for (auto at = groups_.begin(); at != groups_.end();) {
    const auto here = at++;
    Entry& entry = here->second;
    for (auto offset = entry.offsets.begin(); offset != entry.offsets.end();) {
      if (!is_expired(entry, offset->second, now)) {
        ++offset;
        continue;
      }
      add(offset_tombstone(here->first, offset->first.first, offset->first.second), records);
      offset = entry.offsets.erase(offset);
      --offset_count_;
    }
    const bool is_over =
        entry.group.state() == ClassicGroup::State::empty && entry.offsets.empty() &&
        entry.staged.empty() &&
        now.value - entry.group.state_since().value >= options_.offsets_retention.count();
    if (!is_over) continue;
    add(group_tombstone(here->first), records);
    erase(here);
  }
}

void GroupCoordinator::store_failed(const std::string& group, Now now, ClassicGroupActions& out) {
  const auto found = groups_.find(group);
  if (found == groups_.end()) return;
  found->second.group.store_failed(now, out);
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
    reschedule(entry);
    erase_if_blank(group);
  }
}

Result<std::vector<GroupRecord>> GroupCoordinator::snapshot() const {
  std::vector<GroupRecord> records;
  records.reserve(live_records());
  for (const auto& [id, entry] : groups_) {
    // A group that never had members exists through its offsets.
    if (!entry.group.protocol_type().empty()) {
      auto record = group_record(entry.group);
      if (!record) return fail(record.error());
      records.push_back(*std::move(record));
    }
    Offsets newest = entry.offsets;
    for (const auto& [at, staged] : entry.staged) newest.insert_or_assign(at, staged.newest);
    for (const auto& [at, committed] : newest) {
      auto record = offset_record(id, at.first, at.second, committed);
      if (!record) return fail(record.error());
      records.push_back(*std::move(record));
    }
  }
  return records;
}

}  // namespace dohle::node
