#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/disk.hpp"
#include "base/executor.hpp"
#include "base/random.hpp"
#include "sim/fault.hpp"

namespace dohle::sim {

class Machine;
class ProcessDisk;
class ProcessLoop;
class SimTree;

struct DiskOptions {
  /// Default: 1 TiB. Space for contents, in units of 4 KiB. Writes and reservations above it fail
  /// with disk_full.
  std::uint64_t max_bytes = std::uint64_t{1} << 40;
  /// Defaults: 80 µs, 300 µs, 100. A sync takes from `min_sync` to `max_sync`; one in `slow_one_in`
  /// takes up to 20 times as long (0: none).
  Duration min_sync = std::chrono::microseconds(80);
  Duration max_sync = std::chrono::microseconds(300);
  std::uint64_t slow_one_in = 100;
  /// Default: 5 s. Maximum time of a sync, also on a slow disk.
  Duration sync_longest = std::chrono::seconds(5);
  /// Default: true. A crash loses creations, renames and removals from some point on, as on ext4
  /// and XFS. If false, it loses any subset of them, which POSIX allows; each one is still kept or
  /// lost as a whole.
  bool entries_in_order = true;
  /// Default: false. The bytes of a failed sync stay readable until a crash, but no later sync
  /// writes them, not even of a file opened anew, as on Linux. If true, a later sync writes them.
  bool failed_sync_is_repeatable = false;
};

/// The disk of one simulated machine, with a page cache that a crash discards.
///
/// A crash (Machine::lose_power) decides, per file and 4 KiB page, how many of the writes since the
/// last sync reached the medium; some pages are torn at a 512-byte sector. The size of a file is
/// that after some of the writes. Lost pages below it read as zeros, never as other bytes.
/// Truncation follows the size. Changes that `sync`, `sync_now` or `sync_directory` confirmed are
/// kept. One file in eight loses all of its unsynced writes, one in eight keeps all of them. A
/// killed process loses nothing.
///
/// Power may be lost within a turn (`after_change`). Until the turn ends, the process' calls to the
/// disk fail with Errc::closed, and bytes that it sends are not delivered.
class SimDisk {
 public:
  SimDisk(Machine& machine, const DiskOptions& options, SeededRandom random);
  ~SimDisk();
  SimDisk(const SimDisk&) = delete;
  SimDisk& operator=(const SimDisk&) = delete;

  /// The machine's files as a process sees them. Answers arrive on `loop`, and none after the
  /// process has ended. Its locks end with it.
  [[nodiscard]] std::unique_ptr<ProcessDisk> for_process(ProcessLoop& loop);

  /// While full, calls that need new space fail; reserved space can be used.
  void set_full(bool full) { is_full_ = full; }
  /// The next `count` syncs of files whose path contains `part` fail.
  void fail_syncs(std::string part, unsigned count);
  /// The next `count` writes to files whose path contains `part` fail; a prefix is written.
  void fail_writes(std::string part, unsigned count);
  /// The changes that `after_change` counts.
  enum class Change : std::uint8_t { any, of_names };
  /// Runs `then` right after the `count`-th change from now (a write or a new size; a name made,
  /// moved or removed), within the turn that made it. A power loss at this moment comes before that
  /// change can be synced. A further call replaces an earlier one; a count of 0 cancels it.
  void after_change(unsigned count, Change counted, Task then);
  /// Syncs take `factor` times as long; 1 is normal.
  void set_slow(std::uint64_t factor);
  /// Inverts one bit of a file, on the medium and in the cache. Returns false if there is no such
  /// byte.
  bool flip_bit(const std::string& path, std::uint64_t offset, unsigned bit);

  [[nodiscard]] const DiskOptions& options() const { return options_; }
  /// The bytes of a file as processes see them. Empty optional if there is no such file.
  [[nodiscard]] std::optional<std::string> contents(const std::string& path) const;
  [[nodiscard]] std::uint64_t bytes_used() const { return *used_; }

  /// The effect of a power loss. Called by Machine.
  void crash();

 private:
  friend class ProcessDisk;
  friend class SimFile;
  friend class SimTree;

  /// The lock of a directory: its process, and the object that the process holds.
  struct Lock {
    const ProcessLoop* holder;
    std::weak_ptr<void> object;
  };

  /// True if `more` bytes fit; counts the fault otherwise.
  [[nodiscard]] bool has_room(std::uint64_t more);
  /// True if the sync of `path` has to fail; counts the fault.
  [[nodiscard]] bool sync_fails(const std::string& path);
  [[nodiscard]] bool write_fails(const std::string& path);
  [[nodiscard]] Duration sync_time();
  void changed(Change change);
  void bitten(Fault fault, std::string_view how);

  Machine& machine_;
  const DiskOptions options_;
  SeededRandom random_;
  /// Number of power losses.
  std::uint64_t boots_ = 0;
  bool is_full_ = false;
  bool slow_has_bitten_ = false;
  std::uint64_t slow_factor_ = 1;
  /// The next failing calls: a part of their paths, and their number.
  struct Failing {
    std::string part;
    unsigned count = 0;
    [[nodiscard]] bool strikes(const std::string& path);
  };
  Failing failing_syncs_;
  Failing failing_writes_;
  unsigned changes_left_ = 0;
  Change counted_ = Change::any;
  Task after_change_;
  std::shared_ptr<std::uint64_t> used_;  ///< files may outlive the disk
  std::map<std::string, Lock> locks_;
  std::unique_ptr<SimTree> tree_;
};

}  // namespace dohle::sim
