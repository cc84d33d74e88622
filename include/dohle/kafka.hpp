#pragma once

#include <chrono>
#include <concepts>
#include <cstddef>
#include <cstdint>
#include <initializer_list>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "dohle/admin.hpp"
#include "dohle/broker.hpp"
#include "dohle/consumer.hpp"
#include "dohle/error.hpp"
#include "dohle/export.hpp"
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
  std::chrono::milliseconds read_backoff_max{1'000};

  /// Around every publish and every handler; the first is the outermost.
  std::vector<PublishMiddleware> publish_middlewares = {};
  std::vector<SubscribeMiddleware> subscribe_middlewares = {};
  ErrorHandler error_handler = nullptr;
  /// Null: standard error. Gets information if `enable_logger`, and warnings and errors if
  /// `enable_error_logger` and there is no `error_logger`.
  std::shared_ptr<Logger> logger = nullptr;
  /// Gets warnings and errors. Null: `logger`.
  std::shared_ptr<Logger> error_logger = nullptr;
  bool enable_logger = false;
  bool enable_error_logger = true;
};

/// Checks the options; connects by Broker::connect().
/// Errors: configuration, naming the option, its value and what is allowed.
[[nodiscard]] DOHLE_API Result<Broker> new_broker(BrokerOptions options = {});

/// `new_broker(with_address("127.0.0.1:9092"), with_batch_timeout(5ms))`
template <class... Options>
  requires(sizeof...(Options) > 0 && (std::convertible_to<Options, BrokerOption> && ...))
[[nodiscard]] Result<Broker> new_broker(Options&&... options) {
  return new_broker(messaging::options_of<BrokerOptions>(std::forward<Options>(options)...));
}

/// Makes a topic; that it exists with as many partitions is success. -1: the cluster's default, and
/// any number that an existing topic has. `timeout`: of the whole call; default: 30 s. Each call
/// connects on its own, and disconnects; with a Broker it uses the Broker's connections. Thread
/// safety: any thread. Errors: configuration (also for a bare "embedded:memory", which only its
/// Broker reaches); TOPIC_ALREADY_EXISTS (36) with both numbers of partitions; not_connected;
/// timed_out with the reason; would_deadlock on the client's thread; what the controller answered.
DOHLE_API Result<void> create_topic(std::string address, std::string topic, std::int32_t partitions,
                                    std::int16_t replication_factor,
                                    std::chrono::milliseconds timeout = std::chrono::seconds(30));
DOHLE_API Result<void> create_topic(std::vector<std::string> addresses, std::string topic,
                                    std::int32_t partitions, std::int16_t replication_factor,
                                    std::chrono::milliseconds timeout = std::chrono::seconds(30));
DOHLE_API Result<void> create_topic(Broker& broker, std::string topic, std::int32_t partitions,
                                    std::int16_t replication_factor,
                                    std::chrono::milliseconds timeout = std::chrono::seconds(30));

/// `create_topic({"one:9092", "two:9092"}, "orders", 6, 3)`
inline Result<void> create_topic(std::initializer_list<std::string> addresses, std::string topic,
                                 std::int32_t partitions, std::int16_t replication_factor,
                                 std::chrono::milliseconds timeout = std::chrono::seconds(30)) {
  return create_topic(std::vector<std::string>(addresses), std::move(topic), partitions,
                      replication_factor, timeout);
}

/// Deletes topics, each with its own result. `timeout` and errors of the whole: as create_topic.
DOHLE_API Result<std::vector<Named<void>>> delete_topic(
    std::string address, std::vector<std::string> topics,
    std::chrono::milliseconds timeout = std::chrono::seconds(30));
DOHLE_API Result<std::vector<Named<void>>> delete_topic(
    std::vector<std::string> addresses, std::vector<std::string> topics,
    std::chrono::milliseconds timeout = std::chrono::seconds(30));
DOHLE_API Result<std::vector<Named<void>>> delete_topic(
    Broker& broker, std::vector<std::string> topics,
    std::chrono::milliseconds timeout = std::chrono::seconds(30));
inline Result<std::vector<Named<void>>> delete_topic(
    std::initializer_list<std::string> addresses, std::vector<std::string> topics,
    std::chrono::milliseconds timeout = std::chrono::seconds(30)) {
  return delete_topic(std::vector<std::string>(addresses), std::move(topics), timeout);
}
/// `delete_topic("127.0.0.1:9092", "orders", "payments")`
template <std::convertible_to<std::string>... Topics>
  requires(sizeof...(Topics) > 0)
Result<std::vector<Named<void>>> delete_topic(std::string address, Topics&&... topics) {
  return delete_topic(std::move(address),
                      std::vector<std::string>{std::string(std::forward<Topics>(topics))...});
}

}  // namespace kafka
}  // namespace v0
}  // namespace dohle

#include "dohle/options.hpp"
