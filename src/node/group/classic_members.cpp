#include "node/group/classic_members.hpp"

#include <algorithm>
#include <numeric>
#include <utility>

#include "base/assert.hpp"

namespace dohle::node {

namespace {

// A node in the member's list, and one in the totals.
constexpr std::size_t protocol_overhead = 256;

std::size_t memory_of(const ClassicMember& member) {
  const std::size_t instance = member.instance_id ? member.instance_id->size() : 0;
  return member_overhead + 4 * member.id.size() + 2 * instance + member.client_id.size() +
         member.client_host.size() + counted_bytes(member.protocols) +
         counted_bytes(member.assignment);
}

// A member may name a protocol twice.
bool is_first(const std::vector<GroupProtocol>& protocols, std::size_t at) {
  const auto end = protocols.begin() + static_cast<std::ptrdiff_t>(at);
  return std::find_if(protocols.begin(), end, [&](const GroupProtocol& earlier) {
           return earlier.name == protocols[at].name;
         }) == end;
}

}  // namespace

void sort(std::vector<MemberShare>& assignments) {
  std::vector<std::size_t> order(assignments.size());
  std::iota(order.begin(), order.end(), std::size_t{0});
  std::ranges::sort(order, [&](std::size_t one, std::size_t other) {
    const int difference = assignments[one].member_id.compare(assignments[other].member_id);
    return difference != 0 ? difference < 0 : one < other;
  });
  std::vector<MemberShare> sorted;
  sorted.reserve(assignments.size());
  for (const std::size_t at : order) sorted.push_back(std::move(assignments[at]));
  assignments = std::move(sorted);
}

std::size_t metadata_bytes(std::string_view client_id,
                           const std::optional<std::string>& instance_id,
                           const std::vector<GroupProtocol>& protocols) {
  std::size_t bytes = client_id.size() + (instance_id ? instance_id->size() : 0);
  for (const GroupProtocol& protocol : protocols) {
    bytes += protocol.name.size() + protocol.metadata.size();
  }
  return bytes;
}

std::size_t counted_bytes(const std::vector<GroupProtocol>& protocols) {
  std::size_t bytes = 0;
  for (const GroupProtocol& protocol : protocols) {
    bytes += protocol_overhead + 2 * protocol.name.size() + protocol.metadata.size();
  }
  return std::max(bytes, min_counted_bytes);
}

std::size_t counted_bytes(const Slice& assignment) {
  return std::max(assignment.size(), min_counted_bytes);
}

void MemberTotals::add(const ClassicMember& member) {
  ++members_;
  metadata_bytes_ += node::metadata_bytes(member.client_id, member.instance_id, member.protocols);
  memory_bytes_ += memory_of(member);
  if (member.awaiting_join != 0) ++joining_;
  if (member.is_unsynced) ++unsynced_;
  for (std::size_t i = 0; i < member.protocols.size(); ++i) {
    if (is_first(member.protocols, i)) ++supporters_[member.protocols[i].name];
  }
}

void MemberTotals::remove(const ClassicMember& member) {
  DOHLE_ASSERT(members_ > 0, "a member leaves that was not counted");
  --members_;
  metadata_bytes_ -= node::metadata_bytes(member.client_id, member.instance_id, member.protocols);
  memory_bytes_ -= memory_of(member);
  if (member.awaiting_join != 0) --joining_;
  if (member.is_unsynced) --unsynced_;
  for (std::size_t i = 0; i < member.protocols.size(); ++i) {
    if (!is_first(member.protocols, i)) continue;
    const auto supported = supporters_.find(member.protocols[i].name);
    DOHLE_ASSERT(supported != supporters_.end(), "a protocol was not counted");
    if (--supported->second == 0) supporters_.erase(supported);
  }
}

void MemberTotals::set_assignment(ClassicMember& member, Slice assignment) {
  memory_bytes_ -= counted_bytes(member.assignment);
  member.assignment = std::move(assignment);
  memory_bytes_ += counted_bytes(member.assignment);
}

void MemberTotals::set_awaiting_join(ClassicMember& member, ReplyTo to) {
  if (member.awaiting_join != 0) --joining_;
  member.awaiting_join = to;
  if (member.awaiting_join != 0) ++joining_;
}

void MemberTotals::set_unsynced(ClassicMember& member, bool is_unsynced) {
  if (member.is_unsynced) --unsynced_;
  member.is_unsynced = is_unsynced;
  if (member.is_unsynced) ++unsynced_;
}

bool MemberTotals::is_supported_by_all(std::string_view protocol) const {
  if (members_ == 0) return true;
  const auto supported = supporters_.find(protocol);
  return supported != supporters_.end() && supported->second == members_;
}

}  // namespace dohle::node
