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

/// Says whether a dead letter goes back. Its message has all headers, `kafka_dlt-…` included.
using RedriveFilter = std::function<bool(const Message& dead_letter)>;

/// The options of `redrive`.
struct RedriveOptions {
  /// Default: false. If true, nothing is published and nothing is committed; the report says what
  /// would be.
  bool dry_run = false;
  /// Default: false, dead letters after those of the last redrive. If true, all that the topic
  /// still has.
  bool from_first = false;
  /// Default: 5 min. At least 0. For the whole call.
  std::chrono::milliseconds timeout = std::chrono::minutes(5);
};

/// What `redrive` did, or in a dry run would do.
struct RedriveReport {
  /// Dead letters that were read.
  std::uint64_t read = 0;
  /// Those that were published again.
  std::uint64_t redriven = 0;
  /// Those that the filter refused. They stay in the topic, and only `from_first` reads them again.
  std::uint64_t refused = 0;
};

/// Puts dead letters back: publishes those that `filter` takes (default: all) to `source`, with
/// acks=all, and then commits how far it has come for the group DEAD_LETTERS.redrive. It reads up
/// to the end that the topic has when it is called. Key, body and headers are kept, but for
/// `kafka_dlt-…` and `dohle-attempts`; a message from `source` goes to its original partition,
/// others to that of their key. The time is that of the call.
///
/// Every group that reads `source` gets the messages again, not only the one that failed. At least
/// once: after an error, and of two calls at a time, some may be published twice. Thread safety:
/// any thread. Errors: configuration; not_connected; no_such_topic; timed_out; would_deadlock on
/// the client's thread; handler_failed (the filter threw); those of Producer and Consumer. What was
/// committed before an error is not redriven again.
[[nodiscard]] DOHLE_API Result<RedriveReport> redrive(Broker& broker, std::string dead_letters,
                                                      std::string source,
                                                      RedriveFilter filter = nullptr,
                                                      RedriveOptions options = {});

}  // namespace kafka
}  // namespace v0
}  // namespace dohle
