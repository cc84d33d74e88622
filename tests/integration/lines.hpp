#pragma once

#include <algorithm>
#include <chrono>
#include <condition_variable>
#include <cstddef>
#include <cstdlib>
#include <mutex>
#include <string>
#include <utility>
#include <vector>

namespace dohle {

/// Where options are skipped (option_tests.py), tests are there to fail, and wait less.
inline const std::chrono::milliseconds patience = std::getenv("DOHLE_SKIP_OPTION") == nullptr
                                                      ? std::chrono::seconds(20)
                                                      : std::chrono::seconds(3);

/// Texts from any thread.
class Lines {
 public:
  /// `most`: how long a wait takes at most.
  explicit Lines(std::chrono::milliseconds most = patience) : most_(most) {}

  void add(std::string line) {
    const std::lock_guard lock(mutex_);
    lines_.push_back(std::move(line));
    grown_.notify_all();
  }
  bool wait_for(std::size_t count) { return wait_for(count, most_); }
  bool wait_for(std::size_t count, std::chrono::milliseconds most) {
    std::unique_lock lock(mutex_);
    return grown_.wait_for(lock, most, [&] { return lines_.size() >= count; });
  }
  bool wait_for(const std::string& line) {
    std::unique_lock lock(mutex_);
    return grown_.wait_for(lock, most_, [&] { return has_unlocked(line); });
  }
  bool has(const std::string& line) {
    const std::lock_guard lock(mutex_);
    return has_unlocked(line);
  }
  std::vector<std::string> all() {
    const std::lock_guard lock(mutex_);
    return lines_;
  }

 private:
  [[nodiscard]] bool has_unlocked(const std::string& line) const {
    return std::ranges::find(lines_, line) != lines_.end();
  }

  const std::chrono::milliseconds most_;
  std::mutex mutex_;
  std::condition_variable grown_;
  std::vector<std::string> lines_;
};

}  // namespace dohle
