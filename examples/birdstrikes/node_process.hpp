#pragma once

#include <sys/types.h>

#include <chrono>
#include <filesystem>
#include <string>

#include "dohle/error.hpp"

namespace birdstrikes {

/// `dohle node` as a child process on a temporary directory. Both end with this object.
class NodeProcess {
 public:
  explicit NodeProcess(std::filesystem::path command) : command_(std::move(command)) {}
  ~NodeProcess();
  NodeProcess(const NodeProcess&) = delete;
  NodeProcess& operator=(const NodeProcess&) = delete;

  /// Starts the node: the first time on a free port, later on the same port and directory. Returns
  /// once the node is ready. Errors: the reason why it is not; timed_out after 10 s.
  dohle::Result<void> start();
  /// Sends SIGKILL, so that the node cannot finish any work.
  void kill();

  /// "HOST:PORT", after the first start.
  [[nodiscard]] const std::string& address() const { return address_; }
  /// The time that the last start took until the node was ready.
  [[nodiscard]] std::chrono::milliseconds ready_after() const { return ready_after_; }

 private:
  dohle::Result<void> make_directory();
  void spawn(int output);
  dohle::Result<void> await_ready(int output);
  /// The last line that the node wrote to standard error.
  [[nodiscard]] std::string last_words() const;

  std::filesystem::path command_;
  std::filesystem::path directory_;
  std::string address_;
  std::chrono::milliseconds ready_after_{};
  pid_t pid_ = 0;
};

}  // namespace birdstrikes
