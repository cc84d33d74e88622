#pragma once

#include <string>

#include "base/disk.hpp"

namespace dohle::disk {

/// Takes DIRECTORY/.lock for as long as the result lives. The lock belongs to the open file, so
/// that a second holder in the same process is refused too, and goes with the process however it
/// ends. The file stays: removing it would let two processes lock two files of that name.
/// Errors: locked, naming the holder's process id; not_found where the directory is missing.
[[nodiscard]] Result<Disk::DirectoryLock> lock_directory(const std::string& directory);

}  // namespace dohle::disk
