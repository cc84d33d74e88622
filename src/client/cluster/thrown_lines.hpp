#pragma once

#include <chrono>
#include <cstdint>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>

#include "base/repeats.hpp"
#include "base/thrown.hpp"
#include "base/time.hpp"
#include "dohle/logger.hpp"

namespace dohle::client {

/// Log lines about functions of the program that threw on the client's threads: at most one a
/// second, with the number of the others. Any thread.
class ThrownLines {
 public:
  explicit ThrownLines(std::string_view subject) : subject_(subject) {}

  /// Call it inside a catch block. `who`: "a delivery callback".
  void say(std::string_view who, Logger& logger, TimePoint now) {
    const std::string threw = std::string(who) + " threw: " + text_of_thrown();
    std::optional<std::uint64_t> left_out;
    {
      const std::lock_guard lock(mutex_);
      left_out = repeats_.admit(now);
    }
    if (left_out) logger.log(LogLevel::error, subject_, threw + more_since(*left_out));
  }
  /// Logs the number of omitted lines at the end.
  void say_left_out(Logger& logger) {
    std::uint64_t left_out = 0;
    {
      const std::lock_guard lock(mutex_);
      left_out = repeats_.take_held_back();
    }
    if (left_out == 0) return;
    logger.log(LogLevel::error, subject_, "functions of the program threw" + more_since(left_out));
  }

 private:
  const std::string subject_;
  std::mutex mutex_;
  Repeats repeats_{std::chrono::seconds(1)};
};

}  // namespace dohle::client
