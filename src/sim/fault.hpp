#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <string_view>
#include <vector>

namespace dohle::sim {

/// Kinds of faults. A kind counts once the fault has bitten: a cut that stopped bytes, a crash that
/// really lost a sector.
enum class Fault : std::uint8_t {
  kill,         ///< a process ended without warning (SIGKILL); its page cache survives
  power_loss,   ///< a machine stopped; what was not synced may be lost; nobody is told
  pause,        ///< a process stood still and then went on
  clock_jump,   ///< a machine's wall clock was set forward or back
  cut,          ///< a link lost everything both ways
  cut_one_way,  ///< a link lost everything one way: half-open connections
  held_back,    ///< open connections lost everything one way; new ones between the two did not
  refuse,       ///< a machine refused new connections
  reset,        ///< connections were reset with bytes under way, possibly within a frame
  slow_link,    ///< a link had many times its delay and little bandwidth
  disk_full,    ///< a write or reservation found no space
  sync_error,   ///< a sync failed
  write_error,  ///< a write failed, some of its bytes written
  slow_disk,    ///< syncs took many times as long
  lost_write,   ///< a crash lost bytes that were written and not synced
  torn_write,   ///< a crash kept a part of one write: some sectors, or less than its length
  lost_entry,   ///< a crash lost a creation, rename or removal whose directory was not synced
};
inline constexpr std::size_t fault_kinds = 17;

/// "power_loss".
[[nodiscard]] std::string_view name_of(Fault fault);

/// How often each kind has bitten. Add up over the worlds of a test, then ask what is missing.
class FaultCounts {
 public:
  void add(Fault fault) { ++counts_[static_cast<std::size_t>(fault)]; }
  [[nodiscard]] std::uint64_t of(Fault fault) const {
    return counts_[static_cast<std::size_t>(fault)];
  }
  [[nodiscard]] std::uint64_t total() const;
  /// The kinds that have not bitten yet.
  [[nodiscard]] std::vector<Fault> missing() const;
  FaultCounts& operator+=(const FaultCounts& other);

 private:
  std::array<std::uint64_t, fault_kinds> counts_{};
};

}  // namespace dohle::sim
