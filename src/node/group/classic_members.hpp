#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/slice.hpp"
#include "base/time.hpp"

namespace dohle::node {

/// Identifies a waiting request. The driver maps it to the request.
using ReplyTo = std::uint64_t;

struct GroupProtocol {
  std::string name;
  Slice metadata;
};

/// A member of a classic group.
struct ClassicMember {
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
  /// It has not completed a rebalance yet.
  bool is_new = false;
  /// It belongs to this generation and has not asked for its assignment yet.
  bool is_unsynced = false;
  TimePoint expires_at = never;
};
using ClassicMembers = std::map<std::string, ClassicMember, std::less<>>;

/// What a leader assigns to a member.
struct MemberShare {
  std::string member_id;
  Slice assignment;
};
/// Sorts assignments as `SyncRequest` needs them. Of several for one member the last one stays
/// last.
void sort(std::vector<MemberShare>& assignments);

/// Size of the texts that a member sends: its ids, and its protocols' names and metadata.
[[nodiscard]] std::size_t metadata_bytes(std::string_view client_id,
                                         const std::optional<std::string>& instance_id,
                                         const std::vector<GroupProtocol>& protocols);
/// The size of the same data in memory, its containers included. At least `min_counted_bytes`.
[[nodiscard]] std::size_t counted_bytes(const std::vector<GroupProtocol>& protocols);
[[nodiscard]] std::size_t counted_bytes(const Slice& assignment);
inline constexpr std::size_t min_counted_bytes = 1'024;
/// Memory of a member besides the bytes of its texts: map nodes, ends of strings, waiting requests.
inline constexpr std::size_t member_overhead = 512;

/// Counts over all members of a group. They are updated with each member, so that a join, a sync or
/// a heartbeat never walks the others.
class MemberTotals {
 public:
  void add(const ClassicMember& member);
  void remove(const ClassicMember& member);
  void set_assignment(ClassicMember& member, Slice assignment);
  void set_awaiting_join(ClassicMember& member, ReplyTo to);
  void set_unsynced(ClassicMember& member, bool is_unsynced);

  [[nodiscard]] std::size_t members() const { return members_; }
  [[nodiscard]] std::size_t metadata_bytes() const { return metadata_bytes_; }
  [[nodiscard]] std::size_t memory_bytes() const { return memory_bytes_; }
  /// Members that wait for the end of a rebalance.
  [[nodiscard]] std::size_t joining() const { return joining_; }
  [[nodiscard]] std::size_t unsynced() const { return unsynced_; }
  [[nodiscard]] bool is_supported_by_all(std::string_view protocol) const;

  [[nodiscard]] bool operator==(const MemberTotals&) const = default;

 private:
  std::size_t members_ = 0;
  std::size_t metadata_bytes_ = 0;
  std::size_t memory_bytes_ = 0;
  std::size_t joining_ = 0;
  std::size_t unsynced_ = 0;
  std::map<std::string, std::size_t, std::less<>> supporters_;  // by name of the protocol
};

}  // namespace dohle::node
