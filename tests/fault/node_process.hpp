#pragma once

#include <sys/types.h>

#include <chrono>
#include <cstdint>
#include <filesystem>
#include <string>
#include <string_view>
#include <vector>

namespace dohle::fault {

/// A new directory below `parent`, by default TMPDIR, removed at the end.
class ScratchDirectory {
 public:
  explicit ScratchDirectory(
      const std::filesystem::path& parent = std::filesystem::temp_directory_path());
  ~ScratchDirectory();
  ScratchDirectory(const ScratchDirectory&) = delete;
  ScratchDirectory& operator=(const ScratchDirectory&) = delete;
  [[nodiscard]] std::filesystem::path operator/(const std::string& name) const {
    return path_ / name;
  }

 private:
  std::filesystem::path path_;
};

/// `dohle node` as a child, on a free port of the loopback interface unless `more` says --listen.
/// Killed at the end.
class NodeProcess {
 public:
  /// Returns once it is ready, or has ended, or 30 s have passed: see `port`.
  /// With `max_descriptors` that is its hard and soft limit of them; 0: as this process has it.
  explicit NodeProcess(const std::filesystem::path& data, std::vector<std::string> more = {},
                       unsigned max_descriptors = 0);
  ~NodeProcess();
  NodeProcess(const NodeProcess&) = delete;
  NodeProcess& operator=(const NodeProcess&) = delete;

  /// 0: it did not become ready; `lines` says why.
  [[nodiscard]] std::uint16_t port() const { return port_; }
  /// From the fork to its word that it is ready.
  [[nodiscard]] std::chrono::microseconds ready_after() const { return ready_after_; }
  /// Resident memory, in bytes.
  [[nodiscard]] std::size_t resident_bytes() const;
  /// The most that it ever had, in bytes.
  [[nodiscard]] std::size_t max_resident_bytes() const;
  /// What it has written to standard error so far.
  [[nodiscard]] std::string lines() const;

  /// SIGSTOP: it keeps its connections and answers nothing.
  void freeze() const;

  /// SIGKILL.
  void kill() { end(9); }
  /// SIGTERM; returns its exit status.
  int stop() { return end(15); }

 private:
  int end(int signal);
  void wait_until_ready(int standard_output);

  std::filesystem::path errors_;
  pid_t pid_ = 0;
  std::uint16_t port_ = 0;
  std::chrono::microseconds ready_after_{};
};

/// A size from /proc/PROCESS/status, as "VmRSS:"; `process` is an id or "self".
[[nodiscard]] std::size_t status_bytes(const std::string& process, std::string_view wanted);

}  // namespace dohle::fault
