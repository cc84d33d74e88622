#pragma once

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <chrono>
#include <condition_variable>
#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "connected.hpp"
#include "dohle/kafka.hpp"
#include "lines.hpp"
#include "recorded_node.hpp"

// Options of the messaging API, each tested by its effect outside of the options: at the server, in
// the bytes that a relay has passed, in time, or in the arguments of callbacks, middlewares and
// loggers. A test's name begins with its option.

namespace dohle {

using namespace std::chrono_literals;

inline std::shared_ptr<Logger> logger_into(Lines& lines, LogLevel level) {
  return function_logger(level, [&lines](LogLevel, std::string_view, std::string_view line) {
    lines.add(std::string(line));
  });
}

/// The calls of a completion, as text.
class Completions {
 public:
  void operator()(const SettledBatch& batch) {
    std::string line = std::string(batch.topic) + "-" + std::to_string(batch.partition.value) +
                       " from " + std::to_string(batch.base_offset.value) +
                       (batch.error != nullptr ? " failed" : "") + ":";
    for (const RecordView& record : batch.records)
      line += " " + std::string(as_text(*record.value));
    lines_.add(std::move(line));
  }
  bool wait_for(std::size_t count) { return lines_.wait_for(count); }
  std::vector<std::string> lines() { return lines_.all(); }

 private:
  Lines lines_;
};

/// A gate that holds handlers until the test opens it.
class Gate {
 public:
  /// Enters, and waits until it is open.
  void pass() {
    std::unique_lock lock(mutex_);
    ++inside_;
    changed_.notify_all();
    changed_.wait(lock, [this] { return is_open_; });
    --inside_;
  }
  /// Whether so many are held at the same time.
  bool holds(int count, std::chrono::milliseconds most = patience) {
    std::unique_lock lock(mutex_);
    return changed_.wait_for(lock, most, [&] { return inside_ >= count; });
  }
  void open() {
    const std::lock_guard lock(mutex_);
    is_open_ = true;
    changed_.notify_all();
  }

 private:
  std::mutex mutex_;
  std::condition_variable changed_;
  int inside_ = 0;
  bool is_open_ = false;
};

/// Opens a gate at its end, also where an assertion has failed.
struct Opens {
  Gate& gate;
  ~Opens() { gate.open(); }
};

/// A broker at `address` that has connected.
template <class... Given>
std::optional<Broker> connected(const std::string& address, Given&&... given) {
  return connected_within(patience, address, std::forward<Given>(given)...);
}

/// A broker on a node of its own with a topic "t" of three partitions.
class Options : public testing::Test {
 protected:
  template <class... Given>
  void connect(Given&&... given) {
    broker_ = connected("embedded:memory", std::forward<Given>(given)...);
    ASSERT_TRUE(broker_);
    ASSERT_TRUE(kafka::create_topic(*broker_, "t", 3, 1));
  }

  /// Publishes one message, and returns its partition.
  template <class... Given>
  std::int32_t publish(Given&&... given) {
    auto sent = broker_->publish("t", "text", std::forward<Given>(given)...);
    if (!sent) {
      ADD_FAILURE() << sent.error().to_string();
      return -1;
    }
    auto receipt = sent->get();
    if (!receipt) {
      ADD_FAILURE() << receipt.error().to_string();
      return -1;
    }
    return receipt->partition.value;
  }
  /// Publishes a message to partition 0, and waits until it is stored.
  void store(const std::string& text, std::int32_t partition = 0) {
    const auto sent = broker_->publish(
        "t", text, PublishOptions{.partition = PartitionId{partition}, .async = false});
    ASSERT_TRUE(sent) << sent.error().to_string();
  }

  /// These outlive the broker, whose end tells them of the last batches.
  Completions completions_;
  Lines lines_;
  std::optional<Broker> broker_;
};

/// A broker that reaches a node over a relay.
class RecordedOptions : public testing::Test {
 protected:
  template <class... Given>
  void connect(Given&&... given) {
    broker_ = connected(node_.address(), std::forward<Given>(given)...);
    ASSERT_TRUE(broker_);
  }
  template <class... Given>
  void publish(Given&&... given) {
    const auto sent =
        broker_->publish("t", "text", with_publish_async(false), std::forward<Given>(given)...);
    ASSERT_TRUE(sent) << sent.error().to_string();
  }
  /// Stores a message by another broker.
  void store(const std::string& text, std::int32_t partition = 0) {
    if (!other_) other_ = connected(node_.direct_address());
    ASSERT_TRUE(other_);
    const auto sent = other_->publish(
        "t", text, PublishOptions{.partition = PartitionId{partition}, .async = false});
    ASSERT_TRUE(sent) << sent.error().to_string();
  }

  RecordedNode node_;
  Lines lines_;
  Gate gate_;
  std::optional<Broker> broker_, other_;
};

/// The object that has an option of reading.
enum class Scope : std::uint8_t { broker, subscription };
inline std::string name_of(const testing::TestParamInfo<Scope>& scope) {
  return scope.param == Scope::broker ? "broker" : "subscribe";
}

/// Options of reading, broker-wide and of one subscription. `common` options are of both tests.
class ReadingOption : public RecordedOptions, public testing::WithParamInterface<Scope> {
 protected:
  /// A subscription to "t" that has `given` itself or by its broker, and `own` itself.
  template <class... Given>
  void read(auto handler, std::vector<BrokerOption> brokers, SubscribeOptions own, Given... given) {
    const auto set = [brokers = std::move(brokers)](kafka::BrokerOptions& o) {
      for (const auto& each : brokers) each(o);
    };
    if (GetParam() == Scope::broker) {
      connect(set, given...);
    } else {
      connect(set);
      (std::function<void(SubscribeOptions&)>(given)(own), ...);
    }
    ASSERT_TRUE(broker_);
    auto reader = broker_->subscribe("t", std::move(handler), std::move(own));
    ASSERT_TRUE(reader) << reader.error().to_string();
    reader_.emplace(std::move(*reader));
  }

  std::optional<Subscriber> reader_;
};

}  // namespace dohle
