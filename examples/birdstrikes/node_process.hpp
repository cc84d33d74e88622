#pragma once

#include <sys/types.h>

#include <chrono>
#include <filesystem>
#include <string>

#include "dohle/error.hpp"

namespace birdstrikes {

/// `dohle node` as a child process on a temporary directory. It ends with this object, and its
/// directory goes with it.
class NodeProcess {
 public:
  explicit NodeProcess(std::filesystem::path command) : command_(std::move(command)) {}
  ~NodeProcess();
  NodeProcess(const NodeProcess&) = delete;
  NodeProcess& operator=(const NodeProcess&) = delete;

  /// Starts it, for the first time on a free port, later on the same port and directory; returns
  /// once it says that it is ready. Errors: why it does not; timed_out after 10 s.
  dohle::Result<void> start();
  /// SIGKILL: no chance to write or say anything more.
  void kill();

  /// "HOST:PORT", once it was ready.
  [[nodiscard]] const std::string& address() const { return address_; }
  /// From the last start until it was ready.
  [[nodiscard]] std::chrono::milliseconds ready_after() const { return ready_after_; }

 private:
  dohle::Result<void> make_directory();
  void spawn(int output);
  dohle::Result<void> await_ready(int output);
  /// The last line that it wrote to standard error.
  [[nodiscard]] std::string last_words() const;

  std::filesystem::path command_;
  std::filesystem::path directory_;
  std::string address_;
  std::chrono::milliseconds ready_after_{};
  pid_t pid_ = 0;
};

}  // namespace birdstrikes
