#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "dohle/balancer.hpp"
#include "dohle/broker.hpp"
#include "dohle/consumer.hpp"
#include "dohle/dial.hpp"
#include "dohle/dialer.hpp"
#include "dohle/logger.hpp"
#include "dohle/producer.hpp"
#include "dohle/properties.hpp"
#include "dohle/reader_config.hpp"
#include "dohle/sasl.hpp"
#include "dohle/tls.hpp"
#include "dohle/tracer.hpp"
#include "dohle/writer_config.hpp"

namespace dohle {
inline namespace v0 {
namespace kafka {

/// The options of a Broker. new_broker checks them; an error names the option, its value and the
/// allowed values.
struct BrokerOptions {
  /// Servers to ask first, as "HOST:PORT" or "HOST" (port 9092), or one embedded node.
  /// "embedded:DIR" keeps the node's data in that directory, "embedded:memory/NAME" in memory, and
  /// "embedded:memory" in memory and private to this Broker. Brokers of one process with equal
  /// embedded addresses share one node, which ends with its last Broker. With "?listen=PORT" (1 to
  /// 65535) appended, the node also accepts connections at 127.0.0.1:PORT.
  std::vector<std::string> addresses = {"127.0.0.1:9092"};
  /// Default: "dohle". At most 249 bytes. Sent to the servers with each request.
  std::string client_id = "dohle";
  /// Default: 10 s. 1 ms to 10 min. Time to set up one connection.
  std::chrono::milliseconds dialer_timeout{10'000};
  /// Default: none. As `ClientOptions::connect_deadline`.
  std::optional<std::chrono::system_clock::time_point> dialer_deadline = {};
  /// Default: null. As `ClientOptions::dial_function`. Not allowed with an embedded address, and
  /// neither are the next four.
  DialFunction dialer_function = nullptr;
  /// Default: null, the system's name service. As `ClientOptions::resolver`.
  ResolveFunction dialer_resolver = nullptr;
  /// Default: empty, the system's choice. As `ClientOptions::local_address`.
  std::string dialer_local_address = {};
  /// Default: 300 ms. 1 ms to 10 min, or negative. As `ClientOptions::fallback_delay`.
  std::optional<std::chrono::milliseconds> dialer_fallback_delay = {};
  /// Default: the system's times. 1 ms to 32,767 s, or negative. As `ClientOptions::keep_alive`.
  std::optional<std::chrono::milliseconds> dialer_keep_alive = {};
  /// Default: 10 s. 1 ms to 10 min. Time for the answer to one request.
  std::chrono::milliseconds read_timeout{10'000};
  /// Default: 10 s. 1 ms to 10 min. How long the server may wait for the replicas that have to
  /// store a message. The client sends it with each produce request, and waits for the answer for
  /// write_timeout + read_timeout.
  std::chrono::milliseconds write_timeout{10'000};
  /// Default: none, the Broker does not log in. The login of this Broker only. Not allowed with an
  /// embedded address.
  std::optional<SaslOptions> sasl = {};
  /// Default: none. As `ClientOptions::tls`, for this Broker only. Not allowed with an embedded
  /// address.
  std::optional<TlsOptions> tls = {};
  /// Whether connections use TLS. If absent, they do if `tls` is set. True without `tls` means TLS
  /// with its defaults, which verify the server against the system's CAs. False with `tls` is an
  /// error.
  std::optional<bool> enable_secure = {};
  /// Default: none. Options by the names of Kafka's own clients, including those that only the
  /// client under the Broker has. They replace the values of the members with the same meaning. An
  /// unknown name is an error that suggests the nearest known name.
  Properties properties = {};

  /// Default: empty, each type's first codec. The name of the codec of published and received
  /// bodies: "json", "protobuf", "raw", or the name of your own codec. It selects one of the type's
  /// Codecs. publish and subscribe refuse a name that none of them has.
  std::string codec = {};
  /// Default: false. If true, a published value gets the header content-type with the content type
  /// of its codec, unless the publish's own headers include it. The header content-type of a
  /// received message then selects the codec of its body. A content type that none of the type's
  /// Codecs has is a decode failure. A message without that header is decoded as if this option
  /// were false.
  bool content_type = false;

  // Whole structs. Default: no field is set. new_broker moves each field that is set into the
  // member with the same meaning, and refuses fields without such a member.

  /// How to connect.
  Dialer dialer = {};
  /// How to publish.
  WriterConfig writer_config = {};
  /// How to read.
  ReaderConfig reader_config = {};

  /// Default: true, publish returns once the message is in its batch. If false, it returns once the
  /// message is acknowledged.
  bool async = true;
  /// Default: 100. 1 to 1,000,000. A batch of this many messages is ready to send. It may still
  /// grow up to batch_bytes until it is sent.
  std::size_t batch_size = 100;
  /// Default: 1 MiB. 512 B to 1 GiB. The most bytes of one batch.
  std::size_t batch_bytes = std::size_t{1} << 20;
  /// Default: 10 ms. 0 to 1 min. How long a batch waits for more messages. A synchronous publish,
  /// `wait` and `flush` send the batch at once.
  std::chrono::milliseconds batch_timeout{10};
  /// Default: absent, the delivery timeout (120 s) is the only limit. 1 to 2^31 - 1. How often a
  /// batch is sent before it fails with its last failure.
  std::optional<std::int32_t> publish_max_attempts = {};
  /// Default: absent, all. Which replicas have to store a message before it is acknowledged. A
  /// publish may override it. Only with `all` is each message stored once despite retries.
  std::optional<Acks> required_acks = {};
  /// Default: absent. Messages with a key then go to the partition that murmur2 of the key gives,
  /// as in Java's client. Messages without a key go to one partition after the other, a batch at a
  /// time.
  std::optional<Balancer> balancer = {};
  /// Default: none. Receives each batch of one partition once its outcome is known: topic,
  /// partition, offset of the first message, the messages, and the error if they are not stored.
  /// Called on the client's thread, before a synchronous publish returns and before a Delivery or
  /// callback gets the outcome; disconnect waits for it. It must not block; an exception that it
  /// throws is logged. The views are valid during the call. While this option is set, the messages
  /// stay in memory until the call.
  std::function<void(const SettledBatch&)> completion = nullptr;
  /// Default: true, each topic has a producer of its own, with a producer id and a queue. Failures
  /// of one topic then delay no other topic. The producers of a Broker share its connections and
  /// one memory limit (32 MiB, or the property buffer.memory). A topic may use at most four times
  /// the memory that is free. A Broker keeps at most 1,000 producers. Above that it drops producers
  /// that hold no messages; if all hold messages, publish returns limit_reached. If false, there is
  /// one producer for all topics.
  bool enable_one_topic_one_writer = true;
  /// Default: false. If true, publishing to a topic that does not exist asks the servers to create
  /// it.
  bool allow_publish_auto_topic_creation = false;
  /// Default: none. Sets options of the producers under the Broker that have no member here:
  /// `[](ProducerOptions& o) { o.buffer_bytes = 8 << 20; }`. It receives the values of the other
  /// members and of the properties. Called by new_broker, and for each producer on the thread that
  /// needs it. It has to make the same changes each time. To change an option that has a member
  /// here is a configuration error with that member's name. An exception is the error
  /// handler_failed.
  std::function<void(ProducerOptions&)> producer_options = nullptr;
  /// Default: none. How batches are compressed.
  CompressionCodec compression = CompressionCodec::none;
  /// Default: the codec's own. gzip 1 to 9, lz4 1 to 17, zstd -131072 to 22.
  std::optional<int> compression_level = std::nullopt;

  /// Default: 10 s. 1 ms to 1 day. How long a request waits for its reply. The request carries its
  /// deadline, and the responder skips a request after it. The clocks of both machines have to
  /// agree.
  std::chrono::milliseconds request_timeout{10'000};
  /// Default: empty, `client_id` + ".replies". The topic for the replies. It has to exist unless
  /// create_reply_topic is set. In the default name, "_" stands in place of each byte of the client
  /// id that a topic's name may not have, and the client id is cut to 241 bytes.
  std::string reply_topic = {};
  /// Default: none. If set, the first request creates the reply topic if it does not exist.
  std::optional<ReplyTopicCreation> create_reply_topic = {};
  /// Default: empty, `codec` applies. The name of the codec of the bodies of requests.
  std::string request_body_codec = {};
  /// Default: 10,000. 1 to 1,000,000. The most requests that wait for their replies at a time. A
  /// further one fails with limit_reached.
  std::size_t max_requests = 10'000;

  // Defaults of every subscription, which SubscribeOptions may override.

  /// Default: empty, no group. At most 32,767 bytes.
  std::string group_id = {};
  /// Default: hold. The treatment of messages that fail.
  FailurePolicy failure_policy = FailurePolicy::hold;
  /// Where reading starts. With a group it applies to partitions without a committed offset. If
  /// absent, reading starts at the first record with a group, and at the end without one. It counts
  /// when a subscription begins: a topic that is deleted and created again meanwhile is read from
  /// its first record.
  std::optional<StartOffset> start_offset = {};
  /// Default: 100. 1 to 1,000,000. The most messages of one subscription that wait for a handler.
  std::size_t queue_capacity = 100;
  /// Default: 1. At least 1. A fetch waits at the server for this many bytes, but at most max_wait.
  std::size_t min_bytes = 1;
  /// Default: 50 MiB. 1 KiB to 2 GiB - 1. The most bytes of one fetch.
  std::size_t max_bytes = std::size_t{50} << 20;
  /// Default: 500 ms. 0 to 1 min. How long a fetch waits at the server for min_bytes. The client
  /// waits for the answer for max_wait + read_batch_timeout.
  std::chrono::milliseconds max_wait{500};
  /// Default: 3 s. 1 ms to 1 day, and below session_timeout. How often a member sends a heartbeat.
  /// At most a third of session_timeout is recommended.
  std::chrono::milliseconds heartbeat_interval{3'000};
  /// Default: 45 s. 1 ms to 1 day; servers have bounds of their own (6 s to 30 min in Apache
  /// Kafka). A member whose heartbeats stop for this long loses its partitions.
  std::chrono::milliseconds session_timeout{45'000};
  /// Default: 30 s. 0 to 10 min, and below max_poll_interval. How long a rebalance waits for
  /// running handlers of the partitions that it revokes.
  std::chrono::milliseconds rebalance_timeout{30'000};
  /// Default: 5 min. 1 s to 1 day. A subscription whose handler runs longer leaves the group until
  /// that handler ends, so that other members take over its partitions.
  std::chrono::milliseconds max_poll_interval{300'000};
  /// Default: 0, a commit starts when messages are acknowledged and the previous commit is done,
  /// but at most one in a millisecond. 0 to 1 day. Minimum time between the starts of two commits.
  /// In any case a subscription commits before it gives up a partition and when it ends. A failed
  /// commit is retried after read_backoff_min, which doubles up to read_backoff_max.
  std::chrono::milliseconds commit_interval{0};
  /// Default: none, the server's own rule (in Apache Kafka 7 days after the group became empty).
  /// 1 ms to 365 days. As `ConsumerOptions::offset_retention`: how long after its commit the server
  /// may drop an offset of a group without members. Not allowed with group_instance_id.
  std::optional<std::chrono::milliseconds> retention_time = {};
  /// Default: true, subscriptions read partitions that are added to their topics while they run,
  /// and new topics that match their patterns. If false, a pattern reads the topics that match when
  /// reading starts. While no topic matches, the subscription keeps looking.
  bool watch_partition_changes = true;
  /// Default: 5 s. 100 ms to 1 day. How often subscriptions look for new partitions of their
  /// topics, and for the topics that match their patterns.
  std::chrono::milliseconds partition_watch_interval{5'000};
  /// Default: read_timeout. 1 ms to 10 min. How much longer than max_wait the answer to a fetch may
  /// take.
  std::optional<std::chrono::milliseconds> read_batch_timeout = {};
  /// Default: 1 min. 100 ms to 1 day; a negative value switches it off. How often a subscription
  /// reports how far its reading is behind, with and without a group. The report goes to
  /// read_lag_handler, or without one to the log at level info.
  std::chrono::milliseconds read_lag_interval{60'000};
  /// Default: none. See read_lag_interval.
  ReadLagHandler read_lag_handler = nullptr;
  /// Default: 3. 1 to 2^31 - 1. How many reads in a row have to fail before the error handler is
  /// called. Reading continues in any case. A failure that is not retriable is reported at once.
  std::int32_t max_attempts = 3;
  /// Default: 100 ms. 1 ms to 1 min. Wait after a failed read; it doubles up to read_backoff_max.
  std::chrono::milliseconds read_backoff_min{100};
  /// Default: 1 s. read_backoff_min to 1 min. See read_backoff_min.
  std::chrono::milliseconds read_backoff_max{1'000};
  /// Default: none. As producer_options, for the consumers of subscriptions. Called by new_broker
  /// and by subscribe.
  std::function<void(ConsumerOptions&)> consumer_options = nullptr;

  /// Default: true, publishing, handling and the Client below are counted; `Broker::metrics` reads
  /// the counters. Durations are measured for one call in 64 on each thread.
  bool metrics = true;
  /// Default: null, no spans. Gets a span for each message that is published (`send TOPIC`) or
  /// handled (`process TOPIC`), each read that brought messages (`poll TOPIC`) and each commit
  /// (`commit TOPIC`), with OpenTelemetry's names for messaging; docs/observability.md describes
  /// them. Published messages carry their span's context in the headers traceparent, tracestate and
  /// baggage; `PublishOptions::inject_trace` leaves the headers alone.
  std::shared_ptr<Tracer> tracer = nullptr;
  /// Default: none. Middlewares around every publish; the first is the outermost.
  std::vector<PublishMiddleware> publish_middlewares = {};
  /// Default: none. Middlewares around every handler; the first is the outermost.
  std::vector<SubscribeMiddleware> subscribe_middlewares = {};
  /// Default: none, failures are logged. Receives every failure that no call could return.
  ErrorHandler error_handler = nullptr;
  /// Default: null, lines go to standard error. Receives lines below warning unless `enable_logger`
  /// is false. Receives warnings and errors if `enable_error_logger` is true and `error_logger` is
  /// null.
  std::shared_ptr<Logger> logger = nullptr;
  /// Default: null, `logger` receives them. Receives warnings and errors.
  std::shared_ptr<Logger> error_logger = nullptr;
  /// Whether lines below warning go to `logger`. If absent, they do if `logger` is set.
  std::optional<bool> enable_logger = {};
  /// Default: true, warnings and errors are logged.
  bool enable_error_logger = true;
};

}  // namespace kafka
}  // namespace v0
}  // namespace dohle
