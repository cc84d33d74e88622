#pragma once

#include <gtest/gtest.h>

#include <algorithm>
#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <utility>

#include "connected.hpp"
#include "dohle/kafka.hpp"
#include "lines.hpp"
#include "tested_server.hpp"

namespace dohle {

/// Lines for which a slower server has more time.
struct Texts : Lines {
  Texts() : Lines(std::chrono::seconds(30)) {}
};

/// Brokers at the server under test, and topics of one test.
class AtTestedServer : public testing::Test {
 protected:
  static constexpr std::chrono::seconds patience{30};

  template <class... Given>
  static std::optional<Broker> connected(Given&&... given) {
    return connected_within(patience, tested_address(), std::forward<Given>(given)...);
  }
  /// A topic that no other test has.
  static std::string topic(const std::string& name = "t") {
    const auto* test = testing::UnitTest::GetInstance()->current_test_info();
    std::string unique = std::string(test->test_suite_name()) + "." + test->name() + "." + name;
    std::ranges::replace(unique, '/', '-');
    return unique;
  }
  /// Creates it.
  static void make(std::int32_t partitions = 1) {
    const auto made = kafka::create_topic(tested_address(), topic(), partitions, 1);
    ASSERT_TRUE(made) << made.error().to_string();
  }
  /// A ready subscription to that topic.
  template <class... Given>
  static std::optional<Subscriber> read(Broker& broker, Texts& into, const Given&... given) {
    auto reader = broker.subscribe<std::string>(
        topic(), [&into](const std::string& text) { into.add(text); }, given...);
    if (!reader || !reader->wait_ready(patience)) {
      ADD_FAILURE() << (reader ? "the subscription is not ready" : reader.error().to_string());
      return std::nullopt;
    }
    return std::move(*reader);
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
