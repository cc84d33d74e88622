#pragma once

#include <gtest/gtest.h>

#include <chrono>
#include <cstdio>
#include <optional>
#include <string>
#include <vector>

#include "fault/measured.hpp"
#include "fault/measured_node.hpp"
#include "scratch_directory.hpp"

namespace dohle::fault {

/// The base of tests of the CPU time of a node's turns. A turn uses more of it while the machine is
/// busy, e.g. when the system clears memory for it or another guest has the caches, but not the
/// same turn each time. So a test whose only faults are long turns runs again, on an empty
/// directory, and fails if each round has one.
class MeasuredTurns : public testing::Test {
 protected:
  // In this class, so that TearDown can call it.
  void TestBody() override = 0;

  void TearDown() override {
    for (int round = 1; round < rounds && !long_turns_.empty() && !HasFailure(); ++round) {
      std::printf("again, since turns were too long\n");
      long_turns_.clear();
      node_.reset();
      scratch_.emplace();
      prepare_round();
      TestBody();
    }
    for (const std::string& each : long_turns_) ADD_FAILURE() << each;
  }
  /// Sets the members of the fixture back before another round.
  virtual void prepare_round() {}

  /// Checks the longest turn since the last call.
  void expect_short_turns(const std::string& of_what,
                          std::chrono::microseconds most = std::chrono::milliseconds(20)) {
    const std::chrono::microseconds longest = node_->longest_turn();
    std::printf("%s: the longest turn used %lld us of CPU\n", of_what.c_str(),
                static_cast<long long>(longest.count()));
    EXPECT_GT(longest, std::chrono::microseconds::zero());
    expect_at_most(most, longest, "the longest turn of " + of_what);
  }
  void expect_at_most(std::chrono::microseconds most, std::chrono::microseconds measured,
                      const std::string& what) {
    if (!is_measured || measured <= most) return;
    long_turns_.push_back(what + ": " + std::to_string(measured.count()) + " us, allowed are " +
                          std::to_string(most.count()));
  }

  std::optional<ScratchDirectory> scratch_{std::in_place};
  std::optional<MeasuredNode> node_;

 private:
  static constexpr int rounds = 3;

  std::vector<std::string> long_turns_;
};

}  // namespace dohle::fault
