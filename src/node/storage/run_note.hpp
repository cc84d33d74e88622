#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "base/disk.hpp"
#include "dohle/error.hpp"
#include "dohle/ids.hpp"
#include "dohle/node.hpp"

namespace dohle::node {

/// Identifies a partition in the note. A topic that is created again has another id.
struct NotedPartition {
  TopicId topic;
  PartitionId partition;
  friend bool operator==(const NotedPartition&, const NotedPartition&) = default;
};

struct NotedPartitionHash {
  std::size_t operator()(const NotedPartition& of) const {
    return std::hash<TopicId>()(of.topic) ^
           (static_cast<std::size_t>(of.partition.value) * 0x9E3779B97F4A7C15ULL);
  }
};

/// The note of the previous run.
struct EarlierRun {
  /// The note is the file of that run and not a copy.
  bool is_own = false;
  /// The machine was not restarted since, so all writes of that run are there, synced or not.
  bool is_same_boot = false;
  /// None without a readable note.
  std::optional<Durability> durability;
  /// This, `users_bytes` and `ends` are known only if `is_own`.
  std::optional<std::uint64_t> catalog_bytes;
  std::optional<std::uint64_t> users_bytes;
  std::unordered_map<NotedPartition, Offset, NotedPartitionHash> ends;

  [[nodiscard]] std::optional<Offset> end_of(const NotedPartition& partition) const;
};

/// The file dohle-run (docs/formats.md, "The note of a run"): the acknowledged ends of the
/// partitions and the sizes of the catalog and the users' journal. An update is one write of 32
/// bytes, without a sync.
///
/// The note of the previous run stays until `begin`. After a failed write the file is removed and
/// `warn` is called, so that the next start does not rely on an outdated note. Owner's thread only.
class RunNote {
 public:
  static constexpr std::string_view file_name = "dohle-run";

  /// Reads the note of the previous run. A note that cannot be parsed counts as none. Errors:
  /// storage.
  static Result<std::unique_ptr<RunNote>> open(Disk& disk, const std::string& directory);

  [[nodiscard]] const EarlierRun& earlier() const { return earlier_; }

  /// Notes the size of the catalog. Before `begin` it is written to the earlier note, if that is of
  /// the same boot.
  void catalog_bytes(std::uint64_t size);
  /// Notes the size of the users' journal. Before `begin` the earlier note stays: that journal is
  /// not rewritten at a start, so the noted minimum holds.
  void users_bytes(std::uint64_t size);
  /// Before `begin`: the earlier note, if it is of the same boot, no longer states a size of the
  /// users' journal, which is begun anew.
  void forget_users_bytes();
  /// Replaces the note by that of this run. Its content is synced, its name by the next sync of the
  /// directory. `ends`: those of the recovered partitions, and those of the earlier note for
  /// partitions that refused to open. On a full disk there is no note. Errors: storage.
  Result<void> begin(Durability durability,
                     const std::vector<std::pair<NotedPartition, Offset>>& ends,
                     std::function<void(std::string_view)> warn);

  /// The index of an entry, `none` before it is assigned.
  struct Place {
    static constexpr std::uint32_t none = UINT32_MAX;
    std::uint32_t value = none;
  };
  /// Notes the acknowledged end of a partition. The first call assigns `place`.
  void acknowledged(const NotedPartition& partition, Place& place, Offset end);
  /// Frees the entry of a removed partition.
  void forget(const NotedPartition& partition);

 private:
  RunNote(Disk& disk, std::string directory);
  [[nodiscard]] std::string path() const { return directory_ + "/" + std::string(file_name); }
  void read(std::string_view text);
  [[nodiscard]] std::uint32_t place_of(const NotedPartition& partition);
  void write(std::uint32_t place, const NotedPartition& partition, std::int64_t value);
  void give_up(const Error& why);

  Disk* disk_;
  std::string directory_;
  /// Null if there is no note to write to.
  std::shared_ptr<File> file_;
  EarlierRun earlier_;
  bool has_begun_ = false;
  std::uint64_t catalog_bytes_ = 0;
  std::optional<std::uint64_t> users_bytes_;
  std::unordered_map<NotedPartition, std::uint32_t, NotedPartitionHash> places_;
  std::vector<std::uint32_t> free_places_;
  std::uint32_t next_place_;
  std::uint64_t reserved_ = 0;
  std::function<void(std::string_view)> warn_;
};

}  // namespace dohle::node
