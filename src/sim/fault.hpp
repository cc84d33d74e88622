#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <string_view>
#include <vector>

namespace dohle::sim {

/// Kinds of faults. A fault counts once it took effect: a cut that stopped bytes, a crash that lost
/// a sector.
enum class Fault : std::uint8_t {
  kill,         ///< a process ended without warning (SIGKILL); its page cache survives
  power_loss,   ///< a machine stopped; unsynced changes may be lost; peers are not told
  pause,        ///< a process was paused and then went on
  clock_jump,   ///< a machine's wall clock was set forward or back
  cut,          ///< a link delivered nothing in either direction
  cut_one_way,  ///< a link delivered nothing in one direction: half-open connections
  held_back,    ///< open connections delivered nothing in one direction; later ones did
  refuse,       ///< a machine refused new connections
  reset,        ///< connections were reset with bytes in transit, possibly within a frame
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

/// Numbers of faults that took effect, by kind. Sum them over the worlds of a test, then check
/// `missing`.
class FaultCounts {
 public:
  void add(Fault fault) { ++counts_[static_cast<std::size_t>(fault)]; }
  [[nodiscard]] std::uint64_t of(Fault fault) const {
    return counts_[static_cast<std::size_t>(fault)];
  }
  [[nodiscard]] std::uint64_t total() const;
  /// The kinds without a counted fault.
  [[nodiscard]] std::vector<Fault> missing() const;
  FaultCounts& operator+=(const FaultCounts& other);

 private:
  std::array<std::uint64_t, fault_kinds> counts_{};
};

}  // namespace dohle::sim
