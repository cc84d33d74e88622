#pragma once

#include <chrono>
#include <cstddef>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "dohle/broker.hpp"
#include "dohle/logger.hpp"
#include "dohle/producer.hpp"

namespace dohle {
inline namespace v0 {
namespace kafka {

/// How a Broker connects, publishes and reads. All of it is checked by new_broker; an error names
/// the option, its value and what is allowed.
struct BrokerOptions {
  /// Servers to ask first, as "HOST:PORT"; or one embedded node: "embedded:DIR" keeps its data in
  /// that directory, "embedded:memory/NAME" in memory, "embedded:memory" in memory and private to
  /// this Broker. Equal embedded addresses in one process share one node, which ends with the last
  /// Broker on it. "?listen=PORT" (1 to 65535) behind one lets others connect to 127.0.0.1:PORT.
  std::vector<std::string> addresses = {"127.0.0.1:9092"};
  /// Named to the servers with each request; at most 249 bytes.
  std::string client_id = "dohle";
  /// Time to set up one connection. 1 ms to 10 min.
  std::chrono::milliseconds dialer_timeout{10'000};
  /// Time for the answer to one request. 1 ms to 10 min.
  std::chrono::milliseconds read_timeout{10'000};

  /// Publish returns once the message is in its batch; false: once it is acknowledged.
  bool async = true;
  /// A batch of that many messages is due at once; while it waits for its turn on the wire it may
  /// grow on, up to batch_bytes. 1 to 1,000,000.
  std::size_t batch_size = 100;
  /// Bytes of one batch. 512 B to 1 GiB.
  std::size_t batch_bytes = std::size_t{1} << 20;
  /// How long a batch waits for more messages; a synchronous publish, `wait` and `flush` never wait
  /// for it. 0 to 1 min.
  std::chrono::milliseconds batch_timeout{10};
  /// Ask the servers to create a topic that is published to and does not exist.
  bool allow_publish_auto_topic_creation = false;
  /// How batches are compressed. Default: none.
  CompressionCodec compression = CompressionCodec::none;
  /// The codec's own scale: gzip 1 to 9, lz4 1 to 17, zstd -131072 to 22; nothing: its default.
  std::optional<int> compression_level = std::nullopt;

  // Defaults of every subscription; SubscribeOptions may say otherwise.

  /// Empty: no group.
  std::string group_id = {};
  /// What becomes of messages that fail.
  FailurePolicy failure_policy = FailurePolicy::hold;
  /// Where reading starts when the group has no committed offset: nothing: the first record.
  /// Without a group it counts for every start: nothing: the end.
  std::optional<StartOffset> start_offset = {};
  /// Messages of one subscription that wait for a handler. 1 to 1,000,000.
  std::size_t queue_capacity = 100;
  /// A fetch waits at the server for this many bytes, at most max_wait. At least 1.
  std::size_t min_bytes = 1;
  /// Per fetch. 1 KiB to 2 GiB - 1.
  std::size_t max_bytes = std::size_t{50} << 20;
  /// 0 to 1 min, and below read_timeout.
  std::chrono::milliseconds max_wait{500};
  /// At most a third of session_timeout is wise; it must be below it. 1 ms to 1 day.
  std::chrono::milliseconds heartbeat_interval{3'000};
  /// A member that is not heard of for that long loses its partitions. 1 ms to 1 day; the servers
  /// have bounds of their own (6 s to 30 min in Apache Kafka).
  std::chrono::milliseconds session_timeout{45'000};
  /// How long handlers that run may take to end when their partition is taken away. 0 to 10 min,
  /// and below max_poll_interval.
  std::chrono::milliseconds rebalance_timeout{30'000};
  /// A subscription whose handler runs longer leaves the group until that handler ends, so that
  /// others go on with its partitions. 1 s to 1 day.
  std::chrono::milliseconds max_poll_interval{300'000};
  /// 0: commit as acknowledgements come, one commit at a time; else at most that often. Whatever it
  /// is, the last commit is made before a partition is given up and when the subscription ends. To
  /// 1 day. A commit that failed is made again after read_backoff_min, doubling.
  std::chrono::milliseconds commit_interval{0};
  /// How often subscriptions look for new partitions of their topic. 100 ms to 1 day.
  std::chrono::milliseconds partition_watch_interval{5'000};
  /// Wait after a read that failed; doubles up to the maximum. 1 ms to 1 min.
  std::chrono::milliseconds read_backoff_min{100};
  /// See read_backoff_min.
  std::chrono::milliseconds read_backoff_max{1'000};

  /// Around every publish and every handler; the first is the outermost.
  std::vector<PublishMiddleware> publish_middlewares = {};
  /// See publish_middlewares.
  std::vector<SubscribeMiddleware> subscribe_middlewares = {};
  /// Told of every failure that no call could return. Default: none; then they are log lines.
  ErrorHandler error_handler = nullptr;
  /// Null: standard error. Gets information if `enable_logger`, and warnings and errors if
  /// `enable_error_logger` and there is no `error_logger`.
  std::shared_ptr<Logger> logger = nullptr;
  /// Gets warnings and errors. Null: `logger`.
  std::shared_ptr<Logger> error_logger = nullptr;
  /// Information goes to `logger`. Default: false.
  bool enable_logger = false;
  /// Warnings and errors are logged. Default: true.
  bool enable_error_logger = true;
};

}  // namespace kafka
}  // namespace v0
}  // namespace dohle
