#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <string>

#include "dohle/broker.hpp"
#include "dohle/error.hpp"
#include "dohle/export.hpp"
#include "dohle/message.hpp"

namespace dohle {
inline namespace v0 {
namespace kafka {

/// Returns true if a dead letter is to be published again. The message has all headers of the dead
/// letter, including `kafka_dlt-…`. Called on the thread that called redrive.
using RedriveFilter = std::function<bool(const Message& dead_letter)>;

/// The options of `redrive`.
struct RedriveOptions {
  /// Default: false. If true, nothing is published and nothing is committed; the report counts the
  /// messages that a real call would publish.
  bool dry_run = false;
  /// Default: false, the call begins after the dead letters of the last redrive. If true, it reads
  /// all dead letters that the topic still has.
  bool from_first = false;
  /// Default: 5 min. At least 0. The time for the whole call.
  std::chrono::milliseconds timeout = std::chrono::minutes(5);
  /// Default: false, messages keep their original timestamps. If true, they get the time of the
  /// call. Use it if the source refuses old timestamps (message.timestamp.before.max.ms), or if its
  /// retention would delete the messages at once.
  bool new_timestamps = false;
};

/// The result of `redrive`. A dry run reports the messages that it would put back.
struct RedriveReport {
  /// Dead letters that were read.
  std::uint64_t read = 0;
  /// Dead letters that were published again.
  std::uint64_t redriven = 0;
  /// Dead letters for which the filter returned false. They stay in the topic, and only
  /// `from_first` reads them again.
  std::uint64_t refused = 0;
};

/// Publishes dead letters again. It reads the topic `dead_letters` up to its end at the time of the
/// call, and publishes the messages for which `filter` returns true (default: all) to `source`,
/// with acks=all. Then it commits its position for the group DEAD_LETTERS.redrive. Key, body and
/// headers are kept, except the headers `kafka_dlt-…` and `dohle-attempts`. So is the timestamp
/// that `kafka_dlt-original-timestamp` names; without that header it is the time of the call. A
/// message that came from `source` goes to its original partition; for others the key chooses the
/// partition.
///
/// Every group that reads `source` gets the messages again, not only the one that failed. Messages
/// are published at least once: after an error, or if two calls run at a time, some may be
/// published twice. Thread safety: any thread. Errors: configuration; not_connected; no_such_topic;
/// timed_out; would_deadlock on the client's thread; handler_failed (the filter threw); those of
/// Producer and Consumer. The next call does not publish messages whose position was committed
/// before the error.
[[nodiscard]] DOHLE_API Result<RedriveReport> redrive(Broker& broker, std::string dead_letters,
                                                      std::string source,
                                                      RedriveFilter filter = nullptr,
                                                      RedriveOptions options = {});

}  // namespace kafka
}  // namespace v0
}  // namespace dohle
