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

/// Names a partition for the note: a topic that is made anew has another id.
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

/// What the note of the run before says.
struct EarlierRun {
  /// The note is that run's own file and not a copy.
  bool is_own = false;
  /// The machine was not started again since: what that run wrote is there, synced or not.
  bool is_same_boot = false;
  /// Nothing if there is no note that can be read.
  std::optional<Durability> durability;
  /// Of a note that is its own; otherwise nothing is known.
  std::optional<std::uint64_t> catalog_bytes;
  std::unordered_map<NotedPartition, Offset, NotedPartitionHash> ends;

  [[nodiscard]] std::optional<Offset> end_of(const NotedPartition& partition) const;
};

/// The file dohle-run (docs/formats.md, "The note of a run"): what clients were told, written
/// without a sync, so that it costs one write of 32 bytes.
///
/// The note of the run before stays until `begin`. A write that fails ends the note: the file is
/// removed, so that the next start knows nothing rather than too little, and `warn` is told.
/// Owner's thread only.
class RunNote {
 public:
  static constexpr std::string_view file_name = "dohle-run";

  /// Reads the note of the run before. Errors: storage; a note that cannot be understood counts as
  /// none.
  static Result<std::unique_ptr<RunNote>> open(Disk& disk, const std::string& directory);

  [[nodiscard]] const EarlierRun& earlier() const { return earlier_; }

  /// The catalog has that size from now on. Before `begin` the earlier note is told, if it counts.
  void catalog_bytes(std::uint64_t size);
  /// Replaces the note by this run's, durably but for its name, which the next sync of the
  /// directory covers. `ends`: of each partition that was recovered, and of those that refused what
  /// the earlier note says. On a full disk there is no note. Errors: storage.
  Result<void> begin(Durability durability,
                     const std::vector<std::pair<NotedPartition, Offset>>& ends,
                     std::function<void(std::string_view)> warn);

  /// Where an entry is; `none` before it has one.
  struct Place {
    static constexpr std::uint32_t none = UINT32_MAX;
    std::uint32_t value = none;
  };
  /// Notes the acknowledged end of a partition. The first call gives it a place.
  void acknowledged(const NotedPartition& partition, Place& place, Offset end);
  /// The partition is gone.
  void forget(const NotedPartition& partition);

 private:
  RunNote(Disk& disk, std::string directory) : disk_(&disk), directory_(std::move(directory)) {}
  [[nodiscard]] std::string path() const { return directory_ + "/" + std::string(file_name); }
  void read(std::string_view text);
  [[nodiscard]] std::uint32_t place_of(const NotedPartition& partition);
  void write(std::uint32_t place, const NotedPartition& partition, std::int64_t value);
  void give_up(const Error& why);

  Disk* disk_;
  std::string directory_;
  /// Written to; null: there is no note.
  std::shared_ptr<File> file_;
  EarlierRun earlier_;
  bool has_begun_ = false;
  std::uint64_t catalog_bytes_ = 0;
  std::unordered_map<NotedPartition, std::uint32_t, NotedPartitionHash> places_;
  std::vector<std::uint32_t> free_places_;
  std::uint32_t next_place_ = 1;
  std::uint64_t reserved_ = 0;
  std::function<void(std::string_view)> warn_;
};

}  // namespace dohle::node
