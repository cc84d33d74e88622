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
  /// `at` is an empty directory; nothing of the disk is seen there from outside.
  SmallDisk(const std::filesystem::path& at, std::size_t bytes);
  ~SmallDisk();
  SmallDisk(const SmallDisk&) = delete;
  SmallDisk& operator=(const SmallDisk&) = delete;

  /// Empty when it is there; otherwise why not.
  [[nodiscard]] const std::string& fault() const { return fault_; }
  /// Where everybody of this user reaches its files.
  [[nodiscard]] const std::filesystem::path& path() const { return path_; }
  [[nodiscard]] std::size_t free_bytes() const;
  /// Takes so much space, or all that is left.
  void take(std::size_t bytes = SIZE_MAX);
  /// Gives back what `take` took.
  void give_back();

 private:
  pid_t holder_ = 0;
  std::filesystem::path path_;
  std::string fault_;
};

}  // namespace dohle::fault
