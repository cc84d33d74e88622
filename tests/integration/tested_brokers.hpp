#pragma once

#include <gtest/gtest.h>

#include <algorithm>
#include <chrono>
#include <condition_variable>
#include <mutex>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "dohle/kafka.hpp"
#include "tested_server.hpp"

namespace dohle {

/// Texts from any thread.
class Texts {
 public:
  void add(std::string text) {
    const std::lock_guard lock(mutex_);
    texts_.push_back(std::move(text));
    grown_.notify_all();
  }
  bool wait_for(const std::string& text) {
    std::unique_lock lock(mutex_);
    return grown_.wait_for(lock, std::chrono::seconds(30), [&] { return has_unlocked(text); });
  }
  bool wait_for_count(std::size_t count) {
    std::unique_lock lock(mutex_);
    return grown_.wait_for(lock, std::chrono::seconds(30), [&] { return texts_.size() >= count; });
  }
  bool has(const std::string& text) {
    const std::lock_guard lock(mutex_);
    return has_unlocked(text);
  }
  std::vector<std::string> all() {
    const std::lock_guard lock(mutex_);
    return texts_;
  }

 private:
  [[nodiscard]] bool has_unlocked(const std::string& text) const {
    return std::ranges::find(texts_, text) != texts_.end();
  }
  std::mutex mutex_;
  std::condition_variable grown_;
  std::vector<std::string> texts_;
};

/// Brokers at the server under test, and topics of one test.
class AtTestedServer : public testing::Test {
 protected:
  static constexpr std::chrono::seconds patience{30};

  template <class... Given>
  static std::optional<Broker> connected(Given&&... given) {
    auto made = kafka::new_broker(with_address(tested_address()), std::forward<Given>(given)...);
    if (!made) {
      ADD_FAILURE() << made.error().to_string();
      return std::nullopt;
    }
    if (auto reached = made->connect(patience); !reached) {
      ADD_FAILURE() << reached.error().to_string();
      return std::nullopt;
    }
    return std::move(*made);
  }
  /// A topic that no other test has.
  static std::string topic(const std::string& name = "t") {
    const auto* test = testing::UnitTest::GetInstance()->current_test_info();
    std::string unique = std::string(test->test_suite_name()) + "." + test->name() + "." + name;
    std::ranges::replace(unique, '/', '-');
    return unique;
  }
  /// Does `look` until it returns true.
  template <class Look>
  static bool eventually(Look look) {
    const auto deadline = std::chrono::steady_clock::now() + patience;
    while (!look()) {
      if (std::chrono::steady_clock::now() > deadline) return false;
    }
    return true;
  }
};

}  // namespace dohle
