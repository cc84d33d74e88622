#pragma once

#include <sys/types.h>

#include <chrono>
#include <cstdint>
#include <filesystem>
#include <string>
#include <string_view>
#include <vector>

#include "scratch_directory.hpp"

namespace dohle::fault {

/// `dohle node` as a child process, on a free port of the loopback interface unless `more` has
/// --listen. The destructor kills it.
class NodeProcess {
 public:
  /// Returns once the node is ready or has ended, or after 30 s: see `port`.
  /// `max_descriptors` is its hard and soft limit of descriptors. Default: 0, that of this process.
  explicit NodeProcess(const std::filesystem::path& data, std::vector<std::string> more = {},
                       unsigned max_descriptors = 0);
  ~NodeProcess();
  NodeProcess(const NodeProcess&) = delete;
  NodeProcess& operator=(const NodeProcess&) = delete;

  /// 0 if it did not become ready; `lines` has the reason.
  [[nodiscard]] std::uint16_t port() const { return port_; }
  /// Time from the fork to its line "ready".
  [[nodiscard]] std::chrono::microseconds ready_after() const { return ready_after_; }
  /// CPU time that it has used, of all threads.
  [[nodiscard]] std::chrono::milliseconds cpu_time() const;
  /// Number of system calls that read a file or a socket.
  [[nodiscard]] std::size_t reads() const;
  /// How often the thread of its loop has waited, for a device or anything else.
  [[nodiscard]] std::size_t waits_of_loop() const;
  /// Resident memory, in bytes.
  [[nodiscard]] std::size_t resident_bytes() const;
  /// Peak resident memory, in bytes.
  [[nodiscard]] std::size_t max_resident_bytes() const;
  /// Its standard error so far.
  [[nodiscard]] std::string lines() const;

  /// SIGSTOP: it keeps its connections and does not answer.
  void freeze() const;

  /// SIGKILL.
  void kill() { end(9); }
  /// SIGTERM. Returns its exit status.
  int stop() { return end(15); }

 private:
  int end(int signal);
  void wait_until_ready(int standard_output);

  std::filesystem::path errors_;
  pid_t pid_ = 0;
  std::uint16_t port_ = 0;
  std::chrono::microseconds ready_after_{};
};

/// The number after a word in a file of /proc; 0 if there is none.
[[nodiscard]] std::size_t number_in(const std::string& path, std::string_view word);
/// A size in /proc/PROCESS/status, for instance "VmRSS:". `process` is an id or "self".
[[nodiscard]] std::size_t status_bytes(const std::string& process, std::string_view wanted);

}  // namespace dohle::fault
