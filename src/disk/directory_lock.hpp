#pragma once

#include <string>

#include "base/disk.hpp"

namespace dohle::disk {

/// Locks a directory while the result lives. It locks the directory itself, so that removing files
/// in it does not free the lock, and DIRECTORY/.lock, which names the holder and which releases up
/// to 0.1.0 use. Both locks belong to open files: a second holder in the same process is refused
/// too, and the locks end with the process. The file is not removed. On a file system that cannot
/// lock directories (NFS) only the file is locked. Errors: locked, with the holder's process id;
/// not_found if the directory is missing.
[[nodiscard]] Result<Disk::DirectoryLock> lock_directory(const std::string& directory);

}  // namespace dohle::disk
