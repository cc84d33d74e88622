#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>

#include "base/disk.hpp"
#include "log/recovery_plan.hpp"
#include "node/storage/run_note.hpp"

namespace dohle::node {

/// The file dohle-clean-stop (docs/formats.md, "The mark of a clean stop"). A value type.
struct CleanStop {
  static constexpr std::string_view file_name = "dohle-clean-stop";

  /// Whether the mark exists and is intact, so that the last stop was clean.
  bool is_clean = false;
  /// Whether the mark is that of 0.1.0, which states nothing else.
  bool is_bare = false;
  std::optional<std::uint64_t> catalog_bytes;
  /// None without a journal of users.
  std::optional<std::uint64_t> users_bytes;
  std::unordered_map<NotedPartition, log::MarkedLog, NotedPartitionHash> logs;

  /// The marked state of a log. Null if the mark has none.
  [[nodiscard]] const log::MarkedLog* log_of(const NotedPartition& partition) const;
  [[nodiscard]] std::string text() const;
  /// None if the text is damaged.
  [[nodiscard]] static std::optional<CleanStop> parse(std::string_view text);
};

/// The mark in `directory`. If it is damaged, `mark` is empty and `is_damaged` is set. Errors:
/// storage.
struct ReadCleanStop {
  CleanStop mark;
  bool exists = false;
  bool is_damaged = false;
};
[[nodiscard]] Result<ReadCleanStop> read_clean_stop(Disk& disk, const std::string& directory);

}  // namespace dohle::node
