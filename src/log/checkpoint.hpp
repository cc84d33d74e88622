#pragma once

#include <string>
#include <string_view>

#include "base/disk.hpp"

namespace dohle::log {

/// The directory that holds `directory`.
[[nodiscard]] std::string parent_of(const std::string& directory);
/// Replaces a small text file so that after any crash it holds either the old or the new text:
/// writes PATH.tmp, syncs it, renames it over PATH, syncs the directory.
[[nodiscard]] Result<void> write_checkpoint(Disk& disk, const std::string& directory,
                                            std::string_view name, std::string_view text);
/// Reads a whole small file. Errors: not_found; damaged if it is larger than `max_bytes`.
[[nodiscard]] Result<std::string> read_checkpoint(Disk& disk, const std::string& directory,
                                                  std::string_view name,
                                                  std::size_t max_bytes = std::size_t{1} << 20);

}  // namespace dohle::log
