#pragma once

#include <string>

#include "base/disk.hpp"

namespace dohle::disk {

/// Locks a directory for as long as the result lives: the directory itself, so that removing files
/// in it frees nothing, and DIRECTORY/.lock, which names the holder and which releases up to 0.1.0
/// look at. Both locks belong to open files, so that a second holder in the same process is refused
/// too, and end with the process however it ends. The file stays. A file system that cannot lock
/// directories (NFS) has the file alone.
/// Errors: locked, naming the holder's process id; not_found if the directory is missing.
[[nodiscard]] Result<Disk::DirectoryLock> lock_directory(const std::string& directory);

}  // namespace dohle::disk
