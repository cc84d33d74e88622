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
  /// Contents, in units of 4 KiB; above it writes and reservations fail with disk_full.
  std::uint64_t max_bytes = std::uint64_t{1} << 40;
  /// A sync takes between the two, one in `slow_one_in` up to twenty times as long.
  Duration min_sync = std::chrono::microseconds(80);
  Duration max_sync = std::chrono::microseconds(300);
  std::uint64_t slow_one_in = 100;
  /// What a sync takes at most, however slow the disk.
  Duration sync_longest = std::chrono::seconds(5);
  /// After a crash, creations, renames and removals are lost from some point on, as on ext4 and
  /// XFS. False: any subset of them is lost, which POSIX allows; each is still whole or not there.
  bool entries_in_order = true;
  /// What a failed sync leaves: false: the bytes stay readable until a crash and are never written
  /// by a later sync, not even of a file opened anew, as on Linux; true: a later sync writes them.
  bool failed_sync_is_repeatable = false;
};

/// The disk of one simulated machine, with a page cache that a crash takes away.
///
/// A crash (Machine::lose_power) decides, per file and 4 KiB page, how many of the writes since
/// the last sync had reached the medium; some pages are torn at a 512-byte sector. The size is what
/// it was after some of the writes; pages below it that did not arrive read as zeros, never as
/// other bytes. Truncation follows the size. What `sync`, `sync_now` and `sync_directory` have
/// answered for is kept. Some crashes (an eighth each) lose or keep everything.
/// A killed process loses nothing.
///
/// Power may be lost within a turn (`after_change`): what the process does until its turn ends
/// fails with Errc::closed and reaches nobody.
class SimDisk {
 public:
  SimDisk(Machine& machine, const DiskOptions& options, SeededRandom random);
  ~SimDisk();
  SimDisk(const SimDisk&) = delete;
  SimDisk& operator=(const SimDisk&) = delete;

  /// The machine's files as a process sees them: answers arrive on `loop`, and none once the
  /// process is dead. Which lock it holds ends with it.
  [[nodiscard]] std::unique_ptr<ProcessDisk> for_process(ProcessLoop& loop);

  /// While full, nothing that needs new space succeeds; reserved space may be used.
  void set_full(bool full) { is_full_ = full; }
  /// The next `count` syncs of files whose path contains `part` fail.
  void fail_syncs(std::string part, unsigned count);
  /// The next `count` writes to files whose path contains `part` fail; a prefix is written.
  void fail_writes(std::string part, unsigned count);
  /// Which changes `after_change` counts.
  enum class Change : std::uint8_t { any, of_names };
  /// Runs `then` right after the `count`-th change from now (a write, a new size; a name made,
  /// moved or removed), within the turn that made it: the moment for a power loss, since that
  /// change cannot have been synced. It takes the place of an earlier one; 0 takes it back.
  void after_change(unsigned count, Change counted, Task then);
  /// Syncs take `factor` times as long; 1 is normal.
  void set_slow(std::uint64_t factor);
  /// Turns one bit of a file over, on the medium and in the cache. False: no such byte.
  bool flip_bit(const std::string& path, std::uint64_t offset, unsigned bit);

  [[nodiscard]] const DiskOptions& options() const { return options_; }
  /// A file as processes see it; nothing where there is none.
  [[nodiscard]] std::optional<std::string> contents(const std::string& path) const;
  [[nodiscard]] std::uint64_t bytes_used() const { return *used_; }

  /// What a power loss does; called by Machine.
  void crash();

 private:
  friend class ProcessDisk;
  friend class SimFile;
  friend class SimTree;

  /// What locks a directory: the process, and the object that it holds.
  struct Lock {
    const ProcessLoop* holder;
    std::weak_ptr<void> object;
  };

  /// Whether `more` bytes fit; counts the fault where they do not.
  [[nodiscard]] bool has_room(std::uint64_t more);
  /// Counts the fault when the sync of `path` is to fail.
  [[nodiscard]] bool sync_fails(const std::string& path);
  [[nodiscard]] bool write_fails(const std::string& path);
  [[nodiscard]] Duration sync_time();
  void changed(Change change);
  void bitten(Fault fault, std::string_view how);

  Machine& machine_;
  const DiskOptions options_;
  SeededRandom random_;
  /// Counts power losses.
  std::uint64_t boots_ = 0;
  bool is_full_ = false;
  bool slow_has_bitten_ = false;
  std::uint64_t slow_factor_ = 1;
  /// What fails next, and how often.
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
