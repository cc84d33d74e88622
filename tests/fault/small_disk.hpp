#pragma once

#include <sys/types.h>

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <string>

namespace dohle::fault {

/// A file system of its own that can really be full: a tmpfs of a few MiB in the mount namespace of
/// a child process, which dies with the test. Needs Linux and either root or user namespaces.
class SmallDisk {
 public:
  /// `at` is an empty directory. Other processes do not see the disk there.
  SmallDisk(const std::filesystem::path& at, std::size_t bytes);
  ~SmallDisk();
  SmallDisk(const SmallDisk&) = delete;
  SmallDisk& operator=(const SmallDisk&) = delete;

  /// Empty if the disk exists, otherwise the reason.
  [[nodiscard]] const std::string& fault() const { return fault_; }
  /// The path by which all processes of this user reach its files.
  [[nodiscard]] const std::filesystem::path& path() const { return path_; }
  [[nodiscard]] std::size_t free_bytes() const;
  /// Uses `bytes` of the space, or all that is left.
  void take(std::size_t bytes = SIZE_MAX);
  /// Frees the space used by `take`.
  void give_back();

 private:
  pid_t holder_ = 0;
  std::filesystem::path path_;
  std::string fault_;
};

}  // namespace dohle::fault
