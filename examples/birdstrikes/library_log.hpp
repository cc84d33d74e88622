#pragma once

#include <deque>
#include <memory>
#include <mutex>
#include <string>

#include "dohle/broker.hpp"
#include "dohle/logger.hpp"

namespace birdstrikes {

/// Keeps the last lines that the library logs and the failures that it reports. Some are expected
/// while the node is down, so they are shown only if the demo fails. Thread safe.
class LibraryLog {
 public:
  /// With `verbose` each line is also printed to standard error at once.
  explicit LibraryLog(bool verbose) : verbose_(verbose) {}

  void add(std::string line);
  /// Prints the kept lines to standard error.
  void print() const;

 private:
  const bool verbose_;
  mutable std::mutex mutex_;  // guards lines_
  std::deque<std::string> lines_;
};

[[nodiscard]] std::shared_ptr<dohle::Logger> logger_into(std::shared_ptr<LibraryLog> log);
[[nodiscard]] dohle::ErrorHandler failures_into(std::shared_ptr<LibraryLog> log);

}  // namespace birdstrikes
