#pragma once

// Functions that set options. Each returns an option that sets the field of the same name. That
// field documents meaning, range and default. A function works for BrokerOptions and for
// SubscribeOptions if both have the field. Functions for options that every message broker has are
// in `dohle`; functions for options that only Kafka has are in `dohle::kafka`.

#include <chrono>
#include <concepts>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <initializer_list>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "dohle/broker.hpp"
#include "dohle/broker_options.hpp"
#include "dohle/dialer.hpp"
#include "dohle/export.hpp"
#include "dohle/option_texts.hpp"
#include "dohle/properties.hpp"
#include "dohle/reader_config.hpp"
#include "dohle/writer_config.hpp"

namespace dohle::messaging {
/// The option types that a function for reading accepts.
template <class Options>
concept Reads =
    std::same_as<Options, kafka::BrokerOptions> || std::same_as<Options, SubscribeOptions>;
template <class Options>
concept Publishes =
    std::same_as<Options, kafka::BrokerOptions> || std::same_as<Options, PublishOptions>;
template <class Options>
concept Requests =
    std::same_as<Options, kafka::BrokerOptions> || std::same_as<Options, RequestOptions>;
template <class Options>
concept Converts = Reads<Options> || Publishes<Options>;

/// The number of attempts with that many retries. A negative number stays negative, so that it is
/// refused.
[[nodiscard]] inline std::int32_t attempts_of(std::int32_t retries) {
  return retries < 0 || retries == INT32_MAX ? retries : retries + 1;
}

/// Adds `properties` to those of `options`, and sets the members with the same meaning. new_broker
/// reports errors in them.
DOHLE_API void add_properties(kafka::BrokerOptions& options, const kafka::Properties& properties);

// Each sets the members of `options` for which `config` has a field that is set.

DOHLE_API void add_config(kafka::BrokerOptions& options, const kafka::Dialer& config);
DOHLE_API void add_config(kafka::BrokerOptions& options, const kafka::WriterConfig& config);
DOHLE_API void add_config(kafka::BrokerOptions& options, const kafka::ReaderConfig& config);
DOHLE_API void add_config(SubscribeOptions& options, const kafka::ReaderConfig& config);
}  // namespace dohle::messaging

namespace dohle {
inline namespace v0 {

// Broker.

/// Sets `BrokerOptions::addresses`. Several addresses are servers of one cluster.
template <std::convertible_to<std::string>... More>
[[nodiscard]] BrokerOption with_address(std::string address, More&&... more) {
  std::vector<std::string> addresses{std::move(address), std::string(std::forward<More>(more))...};
  return [addresses = std::move(addresses)](kafka::BrokerOptions& o) { o.addresses = addresses; };
}
/// Sets `BrokerOptions::tls`.
[[nodiscard]] inline BrokerOption with_tls(TlsOptions tls) {
  return [tls = std::move(tls)](kafka::BrokerOptions& o) { o.tls = tls; };
}
/// Sets `BrokerOptions::enable_secure`.
[[nodiscard]] inline BrokerOption with_enable_secure(bool enable) {
  return [enable](kafka::BrokerOptions& o) { o.enable_secure = enable; };
}
/// Sets `BrokerOptions::error_handler`.
[[nodiscard]] inline BrokerOption with_error_handler(ErrorHandler handler) {
  return [handler = std::move(handler)](kafka::BrokerOptions& o) { o.error_handler = handler; };
}
/// Sets `BrokerOptions::metrics`.
[[nodiscard]] inline BrokerOption with_metrics(bool enable) {
  return [enable](kafka::BrokerOptions& o) { o.metrics = enable; };
}
/// Sets `BrokerOptions::tracer`.
[[nodiscard]] inline BrokerOption with_tracer(std::shared_ptr<Tracer> tracer) {
  return [tracer = std::move(tracer)](kafka::BrokerOptions& o) { o.tracer = tracer; };
}

// Codecs.

/// Sets `codec`, broker-wide or of one subscription.
[[nodiscard]] inline auto with_codec(std::string name) {
  return [name = std::move(name)](messaging::Reads auto& o) { o.codec = name; };
}
/// Sets `content_type`, broker-wide, of one publish or of one subscription.
[[nodiscard]] inline auto with_content_type(bool enable) {
  return [enable](messaging::Converts auto& o) { o.content_type = enable; };
}
/// Sets `PublishOptions::body_codec`.
[[nodiscard]] inline PublishOption with_publish_body_codec(std::string name) {
  return [name = std::move(name)](PublishOptions& o) { o.body_codec = name; };
}
/// Sets `PublishOptions::key_encoder`, so that the key is a value of type K. `codec` names one of
/// the type's Codecs; an empty name selects the first. `key_as` decodes such a key. Errors of
/// publish: codec_failed; configuration if no codec of the type has that name.
template <class K>
[[nodiscard]] PublishOption with_key(K key, std::string codec = {}) {
  static_assert(std::convertible_to<const K&, std::string_view> || Encodable<K>,
                "dohle: with_key: the type of the key has no dohle::Codec that encodes; include "
                "the header of a codec, for example dohle/codec/json.hpp, or specialise "
                "dohle::Codec");
  if constexpr (std::convertible_to<const K&, std::string_view> && !std::same_as<K, std::string>) {
    return with_key(std::string(std::string_view(key)), std::move(codec));
  } else if constexpr (Encodable<K>) {
    return [key = std::move(key), codec = std::move(codec)](PublishOptions& o) {
      o.key.reset();
      o.key_encoder = [key, codec](const CodecContext& context, std::string& into) -> Result<void> {
        const auto place =
            messaging::choose_codec(messaging::codec_names<K>, codec, "codec of key");
        if (!place) return fail(place.error());
        return messaging::encodings<K>[*place].encode(&key, context, into);
      };
    };
  }
}

// Request.

/// Sets `BrokerOptions::request_timeout` or `RequestOptions::timeout`.
[[nodiscard]] inline auto with_request_timeout(std::chrono::milliseconds timeout) {
  return [timeout](messaging::Requests auto& o) {
    if constexpr (requires { o.request_timeout; }) {
      o.request_timeout = timeout;
    } else {
      o.timeout = timeout;
    }
  };
}
/// Sets `reply_topic`, broker-wide or of one request.
[[nodiscard]] inline auto with_reply_topic(std::string topic) {
  return [topic = std::move(topic)](messaging::Requests auto& o) { o.reply_topic = topic; };
}
/// Sets `create_reply_topic`, broker-wide or of one request.
[[nodiscard]] inline auto with_reply_topic_creation(std::int32_t partitions = 1,
                                                    std::int16_t replication_factor = -1) {
  return [made = ReplyTopicCreation{partitions, replication_factor}](messaging::Requests auto& o) {
    o.create_reply_topic = made;
  };
}
/// Sets `BrokerOptions::request_body_codec` or `RequestOptions::body_codec`.
[[nodiscard]] inline auto with_request_body_codec(std::string name) {
  return [name = std::move(name)](messaging::Requests auto& o) {
    if constexpr (requires { o.request_body_codec; }) {
      o.request_body_codec = name;
    } else {
      o.body_codec = name;
    }
  };
}
/// Sets `BrokerOptions::max_requests`.
[[nodiscard]] inline BrokerOption with_max_requests(std::size_t requests) {
  return [requests](kafka::BrokerOptions& o) { o.max_requests = requests; };
}

// Publish.

/// Sets `PublishOptions::inject_trace`.
[[nodiscard]] inline PublishOption with_inject_trace(bool enable) {
  return [enable](PublishOptions& o) { o.inject_trace = enable; };
}
/// Sets `PublishOptions::async`.
[[nodiscard]] inline PublishOption with_publish_async(std::same_as<bool> auto async) {
  return [async](PublishOptions& o) { o.async = async; };
}
/// Sets `PublishOptions::async` to true, and `PublishOptions::callback`.
[[nodiscard]] inline PublishOption with_publish_async(
    std::function<void(const Result<Receipt>&)> callback) {
  return [callback = std::move(callback)](PublishOptions& o) {
    o.async = true;
    o.callback = callback;
  };
}
/// Sets `PublishOptions::callback`.
[[nodiscard]] inline PublishOption with_publish_callback(
    std::function<void(const Result<Receipt>&)> callback) {
  return [callback = std::move(callback)](PublishOptions& o) { o.callback = callback; };
}
/// Sets `PublishOptions::timeout`. std::nullopt means the delivery timeout.
[[nodiscard]] inline PublishOption with_publish_timeout(
    std::optional<std::chrono::milliseconds> timeout) {
  return [timeout](PublishOptions& o) { o.timeout = timeout; };
}
/// Sets `PublishOptions::max_attempts` to `retries` + 1.
[[nodiscard]] inline PublishOption with_publish_retries(std::int32_t retries) {
  return [retries](PublishOptions& o) { o.max_attempts = messaging::attempts_of(retries); };
}
/// Sets `required_acks`, broker-wide or of one publish.
[[nodiscard]] inline auto with_publish_required_acks(Acks acks) {
  return [acks](messaging::Publishes auto& o) { o.required_acks = acks; };
}
/// Sets `BrokerOptions::publish_middlewares` or `PublishOptions::middlewares`.
[[nodiscard]] inline auto with_publish_middlewares(std::vector<PublishMiddleware> middlewares) {
  return [middlewares = std::move(middlewares)](messaging::Publishes auto& o) {
    if constexpr (requires { o.publish_middlewares; }) {
      o.publish_middlewares = middlewares;
    } else {
      o.middlewares = middlewares;
    }
  };
}

// Subscribe.

/// Sets `group_id`, broker-wide or of one subscription.
[[nodiscard]] inline auto with_group_id(std::string id) {
  return [id = std::move(id)](messaging::Reads auto& o) { o.group_id = id; };
}
/// The same as with_group_id, under the name that kratos-transport's general API uses.
[[nodiscard]] inline auto with_queue_name(std::string id) {
  return with_group_id(std::move(id));
}
/// Sets `SubscribeOptions::auto_ack`.
[[nodiscard]] inline SubscribeOption with_subscribe_auto_ack(bool auto_ack) {
  return [auto_ack](SubscribeOptions& o) { o.auto_ack = auto_ack; };
}
/// The same as with_subscribe_auto_ack(false).
[[nodiscard]] inline SubscribeOption disable_auto_ack() {
  return with_subscribe_auto_ack(false);
}
/// Sets `SubscribeOptions::concurrency`.
[[nodiscard]] inline SubscribeOption with_concurrency(std::size_t handlers) {
  return [handlers](SubscribeOptions& o) { o.concurrency = handlers; };
}
/// Sets `SubscribeOptions::unordered`.
[[nodiscard]] inline SubscribeOption with_unordered() {
  return [](SubscribeOptions& o) { o.unordered = true; };
}
/// Sets `SubscribeOptions::batch_size`.
[[nodiscard]] inline SubscribeOption with_subscribe_batch_size(std::size_t messages) {
  return [messages](SubscribeOptions& o) { o.batch_size = messages; };
}
/// Sets `SubscribeOptions::batch_interval`.
[[nodiscard]] inline SubscribeOption with_subscribe_batch_interval(
    std::chrono::milliseconds interval) {
  return [interval](SubscribeOptions& o) { o.batch_interval = interval; };
}
/// Sets `SubscribeOptions::max_retries` and `SubscribeOptions::retry_delay`.
[[nodiscard]] inline SubscribeOption with_subscribe_retry(int max,
                                                          std::chrono::milliseconds delay) {
  return [max, delay](SubscribeOptions& o) {
    o.max_retries = max;
    o.retry_delay = delay;
  };
}
/// Sets `SubscribeOptions::max_retry_delay`.
[[nodiscard]] inline SubscribeOption with_max_retry_delay(std::chrono::milliseconds delay) {
  return [delay](SubscribeOptions& o) { o.max_retry_delay = delay; };
}
/// Sets `SubscribeOptions::retry_topics`: `with_retry_topics({5s, 10min})`.
[[nodiscard]] inline SubscribeOption with_retry_topics(
    std::vector<std::chrono::milliseconds> delays) {
  return [delays = std::move(delays)](SubscribeOptions& o) { o.retry_topics = delays; };
}
/// Sets `SubscribeOptions::retry_prefix`.
[[nodiscard]] inline SubscribeOption with_retry_prefix(std::string prefix) {
  return [prefix = std::move(prefix)](SubscribeOptions& o) { o.retry_prefix = prefix; };
}
/// Sets `SubscribeOptions::failure_decision`.
[[nodiscard]] inline SubscribeOption with_failure_decision(FailureDecision decision) {
  return [decision = std::move(decision)](SubscribeOptions& o) { o.failure_decision = decision; };
}
/// Sets `SubscribeOptions::filter`.
[[nodiscard]] inline SubscribeOption with_filter(EventFilter filter) {
  return [filter = std::move(filter)](SubscribeOptions& o) { o.filter = filter; };
}
/// Sets `SubscribeOptions::on_idle` and `SubscribeOptions::idle_after`.
[[nodiscard]] inline SubscribeOption with_on_idle(
    std::function<void()> callback,
    std::chrono::milliseconds after = std::chrono::milliseconds(1'000)) {
  return [callback = std::move(callback), after](SubscribeOptions& o) {
    o.on_idle = callback;
    o.idle_after = after;
  };
}
/// Sets `failure_policy`, broker-wide or of one subscription.
[[nodiscard]] inline auto with_failure_policy(FailurePolicy policy) {
  return [policy](messaging::Reads auto& o) { o.failure_policy = policy; };
}
/// Sets `SubscribeOptions::ack_timeout`. With std::nullopt, missing acknowledgements are not
/// reported.
[[nodiscard]] inline SubscribeOption with_ack_timeout(
    std::optional<std::chrono::milliseconds> timeout) {
  return [timeout](SubscribeOptions& o) { o.ack_timeout = timeout; };
}
/// Sets `SubscribeOptions::max_unacknowledged` and `SubscribeOptions::max_unacknowledged_bytes`.
[[nodiscard]] inline SubscribeOption with_max_unacknowledged(std::size_t messages,
                                                             std::size_t bytes) {
  return [messages, bytes](SubscribeOptions& o) {
    o.max_unacknowledged = messages;
    o.max_unacknowledged_bytes = bytes;
  };
}
/// Sets `BrokerOptions::subscribe_middlewares` or `SubscribeOptions::middlewares`.
[[nodiscard]] inline auto with_subscribe_middlewares(std::vector<SubscribeMiddleware> middlewares) {
  return [middlewares = std::move(middlewares)](messaging::Reads auto& o) {
    if constexpr (requires { o.subscribe_middlewares; }) {
      o.subscribe_middlewares = middlewares;
    } else {
      o.middlewares = middlewares;
    }
  };
}

namespace kafka {

// Connecting.

/// Adds to `BrokerOptions::properties`: `with_properties({{"linger.ms", "5"}})`. The order of the
/// options counts: a property replaces the value of an earlier option or property, and a later one
/// replaces the property. The properties of TLS and of the login (`security.protocol`, `ssl.*`,
/// `sasl.*`) are read together with the earlier ones, and set `BrokerOptions::tls` and
/// `BrokerOptions::sasl`. `security.protocol` has to agree with the other options.
[[nodiscard]] inline BrokerOption with_properties(Properties properties) {
  return [properties = std::move(properties)](BrokerOptions& o) {
    messaging::add_properties(o, properties);
  };
}
/// Sets the members of BrokerOptions for which `config` has a field that is set; absent fields
/// change nothing. The order of the options counts: a later option replaces an earlier one.
/// new_broker reports errors in `config`.
[[nodiscard]] inline BrokerOption with_writer_config(WriterConfig config) {
  return [config = std::move(config)](BrokerOptions& o) { messaging::add_config(o, config); };
}
/// Sets the members for which `config` has a field that is set, broker-wide or of one subscription.
/// Otherwise as with_writer_config; subscribe reports errors in the options of a subscription.
[[nodiscard]] inline auto with_reader_config(ReaderConfig config) {
  return
      [config = std::move(config)](messaging::Reads auto& o) { messaging::add_config(o, config); };
}
/// Sets `BrokerOptions::client_id`.
[[nodiscard]] inline BrokerOption with_client_id(std::string id) {
  return [id = std::move(id)](BrokerOptions& o) { o.client_id = id; };
}
/// Sets `BrokerOptions::dialer_timeout`.
[[nodiscard]] inline BrokerOption with_dialer_timeout(std::chrono::milliseconds timeout) {
  return [timeout](BrokerOptions& o) { o.dialer_timeout = timeout; };
}
/// Sets `BrokerOptions::dialer_deadline`.
[[nodiscard]] inline BrokerOption with_dialer_deadline(
    std::chrono::system_clock::time_point deadline) {
  return [deadline](BrokerOptions& o) { o.dialer_deadline = deadline; };
}
/// Sets `BrokerOptions::dialer_function`.
[[nodiscard]] inline BrokerOption with_dialer_function(DialFunction function) {
  return [function = std::move(function)](BrokerOptions& o) { o.dialer_function = function; };
}
/// Sets `BrokerOptions::dialer_resolver`.
[[nodiscard]] inline BrokerOption with_dialer_resolver(ResolveFunction resolver) {
  return [resolver = std::move(resolver)](BrokerOptions& o) { o.dialer_resolver = resolver; };
}
/// Sets `BrokerOptions::dialer_local_address`.
[[nodiscard]] inline BrokerOption with_dialer_local_address(std::string address) {
  return [address = std::move(address)](BrokerOptions& o) { o.dialer_local_address = address; };
}
/// Sets `BrokerOptions::dialer_fallback_delay`.
[[nodiscard]] inline BrokerOption with_dialer_fallback_delay(std::chrono::milliseconds delay) {
  return [delay](BrokerOptions& o) { o.dialer_fallback_delay = delay; };
}
/// Sets `BrokerOptions::dialer_keep_alive`.
[[nodiscard]] inline BrokerOption with_dialer_keep_alive(std::chrono::milliseconds idle) {
  return [idle](BrokerOptions& o) { o.dialer_keep_alive = idle; };
}
/// Sets the members of BrokerOptions for which `dialer` has a field that is set. new_broker reports
/// errors in `dialer`.
[[nodiscard]] inline BrokerOption with_dialer(Dialer dialer) {
  return [dialer = std::move(dialer)](BrokerOptions& o) { messaging::add_config(o, dialer); };
}
/// Sets `BrokerOptions::read_timeout`.
[[nodiscard]] inline BrokerOption with_read_timeout(std::chrono::milliseconds timeout) {
  return [timeout](BrokerOptions& o) { o.read_timeout = timeout; };
}
/// Sets `BrokerOptions::write_timeout`.
[[nodiscard]] inline BrokerOption with_write_timeout(std::chrono::milliseconds timeout) {
  return [timeout](BrokerOptions& o) { o.write_timeout = timeout; };
}
/// Sets `BrokerOptions::logger`.
[[nodiscard]] inline BrokerOption with_logger(std::shared_ptr<Logger> logger) {
  return [logger = std::move(logger)](BrokerOptions& o) { o.logger = logger; };
}
/// Sets `BrokerOptions::error_logger`.
[[nodiscard]] inline BrokerOption with_error_logger(std::shared_ptr<Logger> logger) {
  return [logger = std::move(logger)](BrokerOptions& o) { o.error_logger = logger; };
}
/// Sets `BrokerOptions::enable_logger`.
[[nodiscard]] inline BrokerOption with_enable_logger(bool enable) {
  return [enable](BrokerOptions& o) { o.enable_logger = enable; };
}
/// Sets `BrokerOptions::enable_error_logger`.
[[nodiscard]] inline BrokerOption with_enable_error_logger(bool enable) {
  return [enable](BrokerOptions& o) { o.enable_error_logger = enable; };
}

// Publishing.

/// Sets `BrokerOptions::async`.
[[nodiscard]] inline BrokerOption with_async(bool enable) {
  return [enable](BrokerOptions& o) { o.async = enable; };
}
/// Sets `BrokerOptions::batch_size`.
[[nodiscard]] inline BrokerOption with_batch_size(std::size_t messages) {
  return [messages](BrokerOptions& o) { o.batch_size = messages; };
}
/// Sets `BrokerOptions::batch_bytes`.
[[nodiscard]] inline BrokerOption with_batch_bytes(std::size_t bytes) {
  return [bytes](BrokerOptions& o) { o.batch_bytes = bytes; };
}
/// Sets `BrokerOptions::batch_timeout`.
[[nodiscard]] inline BrokerOption with_batch_timeout(std::chrono::milliseconds timeout) {
  return [timeout](BrokerOptions& o) { o.batch_timeout = timeout; };
}
/// Sets `BrokerOptions::publish_max_attempts`.
[[nodiscard]] inline BrokerOption with_publish_max_attempts(std::int32_t attempts) {
  return [attempts](BrokerOptions& o) { o.publish_max_attempts = attempts; };
}
/// The same as with_publish_max_attempts(retries + 1). The later of the two options wins.
[[nodiscard]] inline BrokerOption with_retries(std::int32_t retries) {
  return with_publish_max_attempts(messaging::attempts_of(retries));
}
/// Sets `BrokerOptions::completion`.
[[nodiscard]] inline BrokerOption with_completion(
    std::function<void(const SettledBatch&)> completion) {
  return [completion = std::move(completion)](BrokerOptions& o) { o.completion = completion; };
}
/// Sets `balancer`, broker-wide or of one publish.
[[nodiscard]] inline auto with_balancer(Balancer balancer) {
  return [balancer = std::move(balancer)](messaging::Publishes auto& o) { o.balancer = balancer; };
}
/// Sets `balancer` to a function of your own; see Balancer::function.
[[nodiscard]] inline auto with_balancer(PartitionChoice choice) {
  return with_balancer(Balancer::function(std::move(choice)));
}
/// Sets `balancer` to Balancer::least_bytes.
[[nodiscard]] inline auto with_least_bytes_balancer() {
  return with_balancer(Balancer::least_bytes());
}
/// Sets `balancer` to Balancer::round_robin.
[[nodiscard]] inline auto with_round_robin_balancer(std::size_t chunk = 1) {
  return with_balancer(Balancer::round_robin(chunk));
}
/// Sets `balancer` to Balancer::hash.
[[nodiscard]] inline auto with_hash_balancer(KeyHasher hasher = nullptr) {
  return with_balancer(Balancer::hash(std::move(hasher)));
}
/// Sets `balancer` to Balancer::reference_hash.
[[nodiscard]] inline auto with_reference_hash_balancer(KeyHasher hasher = nullptr) {
  return with_balancer(Balancer::reference_hash(std::move(hasher)));
}
/// Sets `balancer` to Balancer::crc32.
[[nodiscard]] inline auto with_crc32_balancer(bool consistent = false) {
  return with_balancer(Balancer::crc32(consistent));
}
/// Sets `balancer` to Balancer::murmur2.
[[nodiscard]] inline auto with_murmur2_balancer(bool consistent = false) {
  return with_balancer(Balancer::murmur2(consistent));
}
/// Sets `BrokerOptions::producer_options`.
[[nodiscard]] inline BrokerOption with_producer_options(
    std::function<void(ProducerOptions&)> change) {
  return [change = std::move(change)](BrokerOptions& o) { o.producer_options = change; };
}
/// Sets `BrokerOptions::enable_one_topic_one_writer`.
[[nodiscard]] inline BrokerOption with_enable_one_topic_one_writer(bool enable) {
  return [enable](BrokerOptions& o) { o.enable_one_topic_one_writer = enable; };
}
/// Sets `BrokerOptions::allow_publish_auto_topic_creation`.
[[nodiscard]] inline BrokerOption with_allow_publish_auto_topic_creation(bool enable) {
  return [enable](BrokerOptions& o) { o.allow_publish_auto_topic_creation = enable; };
}
/// Sets `BrokerOptions::compression` and `BrokerOptions::compression_level`.
[[nodiscard]] inline BrokerOption with_compression(CompressionCodec codec,
                                                   std::optional<int> level = std::nullopt) {
  return [codec, level](BrokerOptions& o) {
    o.compression = codec;
    o.compression_level = level;
  };
}
/// Sets `PublishOptions::key`.
[[nodiscard]] inline PublishOption with_message_key(std::string key) {
  return [key = std::move(key)](PublishOptions& o) {
    o.key = key;
    o.key_encoder = nullptr;
  };
}
/// Sets `PublishOptions::offset`.
[[nodiscard]] inline PublishOption with_message_offset(Offset offset) {
  return [offset](PublishOptions& o) { o.offset = offset; };
}
/// Sets `PublishOptions::headers`.
[[nodiscard]] inline PublishOption with_headers(std::vector<Header> headers) {
  return [headers = std::move(headers)](PublishOptions& o) { o.headers = headers; };
}

// Reading: for the broker or for one subscription.

/// Sets `start_offset`, broker-wide or of one subscription.
[[nodiscard]] inline auto with_start_offset(StartOffset start) {
  return [start](messaging::Reads auto& o) { o.start_offset = start; };
}
/// Sets `queue_capacity`, broker-wide or of one subscription.
[[nodiscard]] inline auto with_queue_capacity(std::size_t messages) {
  return [messages](messaging::Reads auto& o) { o.queue_capacity = messages; };
}
/// Sets `min_bytes`, broker-wide or of one subscription.
[[nodiscard]] inline auto with_min_bytes(std::size_t bytes) {
  return [bytes](messaging::Reads auto& o) { o.min_bytes = bytes; };
}
/// Sets `max_bytes`, broker-wide or of one subscription.
[[nodiscard]] inline auto with_max_bytes(std::size_t bytes) {
  return [bytes](messaging::Reads auto& o) { o.max_bytes = bytes; };
}
/// Sets `max_wait`, broker-wide or of one subscription.
[[nodiscard]] inline auto with_max_wait(std::chrono::milliseconds wait) {
  return [wait](messaging::Reads auto& o) { o.max_wait = wait; };
}
/// Sets `heartbeat_interval`, broker-wide or of one subscription.
[[nodiscard]] inline auto with_heartbeat_interval(std::chrono::milliseconds interval) {
  return [interval](messaging::Reads auto& o) { o.heartbeat_interval = interval; };
}
/// Sets `session_timeout`, broker-wide or of one subscription.
[[nodiscard]] inline auto with_session_timeout(std::chrono::milliseconds timeout) {
  return [timeout](messaging::Reads auto& o) { o.session_timeout = timeout; };
}
/// Sets `rebalance_timeout`, broker-wide or of one subscription.
[[nodiscard]] inline auto with_rebalance_timeout(std::chrono::milliseconds timeout) {
  return [timeout](messaging::Reads auto& o) { o.rebalance_timeout = timeout; };
}
/// Sets `max_poll_interval`, broker-wide or of one subscription.
[[nodiscard]] inline auto with_max_poll_interval(std::chrono::milliseconds interval) {
  return [interval](messaging::Reads auto& o) { o.max_poll_interval = interval; };
}
/// Sets `commit_interval`, broker-wide or of one subscription.
[[nodiscard]] inline auto with_commit_interval(std::chrono::milliseconds interval) {
  return [interval](messaging::Reads auto& o) { o.commit_interval = interval; };
}
/// Sets `retention_time`, broker-wide or of one subscription.
[[nodiscard]] inline auto with_retention_time(std::chrono::milliseconds time) {
  return [time](messaging::Reads auto& o) { o.retention_time = time; };
}
/// Sets `read_batch_timeout`, broker-wide or of one subscription.
[[nodiscard]] inline auto with_read_batch_timeout(std::chrono::milliseconds timeout) {
  return [timeout](messaging::Reads auto& o) { o.read_batch_timeout = timeout; };
}
/// Sets `read_lag_interval`, broker-wide or of one subscription.
[[nodiscard]] inline auto with_read_lag_interval(std::chrono::milliseconds interval) {
  return [interval](messaging::Reads auto& o) { o.read_lag_interval = interval; };
}
/// Sets `read_lag_interval` and `read_lag_handler`, broker-wide or of one subscription.
[[nodiscard]] inline auto with_read_lag_interval(std::chrono::milliseconds interval,
                                                 ReadLagHandler handler) {
  return [interval, handler = std::move(handler)](messaging::Reads auto& o) {
    o.read_lag_interval = interval;
    o.read_lag_handler = handler;
  };
}
/// Sets `read_lag_handler`, broker-wide or of one subscription.
[[nodiscard]] inline auto with_read_lag_handler(ReadLagHandler handler) {
  return [handler = std::move(handler)](messaging::Reads auto& o) { o.read_lag_handler = handler; };
}
/// Sets `read_backoff_min`, broker-wide or of one subscription.
[[nodiscard]] inline auto with_read_backoff_min(std::chrono::milliseconds backoff) {
  return [backoff](messaging::Reads auto& o) { o.read_backoff_min = backoff; };
}
/// Sets `read_backoff_max`, broker-wide or of one subscription.
[[nodiscard]] inline auto with_read_backoff_max(std::chrono::milliseconds backoff) {
  return [backoff](messaging::Reads auto& o) { o.read_backoff_max = backoff; };
}
/// Sets `consumer_options`, broker-wide or of one subscription.
[[nodiscard]] inline auto with_consumer_options(std::function<void(ConsumerOptions&)> change) {
  return [change = std::move(change)](messaging::Reads auto& o) { o.consumer_options = change; };
}
/// Sets `max_attempts`, broker-wide or of one subscription.
[[nodiscard]] inline auto with_max_attempts(std::int32_t attempts) {
  return [attempts](messaging::Reads auto& o) { o.max_attempts = attempts; };
}
/// Sets `BrokerOptions::watch_partition_changes`.
[[nodiscard]] inline BrokerOption with_watch_partition_changes(bool enable) {
  return [enable](BrokerOptions& o) { o.watch_partition_changes = enable; };
}
/// Sets `BrokerOptions::partition_watch_interval`.
[[nodiscard]] inline BrokerOption with_partition_watch_interval(
    std::chrono::milliseconds interval) {
  return [interval](BrokerOptions& o) { o.partition_watch_interval = interval; };
}

/// The hash function of a SCRAM mechanism.
enum class ScramAlgorithm : std::uint8_t {
  sha256,  ///< SCRAM-SHA-256
  sha512,  ///< SCRAM-SHA-512
};
/// "SHA256" or "SHA512".
[[nodiscard]] DOHLE_API std::string_view to_string(ScramAlgorithm algorithm);
/// Parses the texts of to_string. Errors: configuration, with the allowed names.
[[nodiscard]] DOHLE_API Result<ScramAlgorithm> parse_scram_algorithm(std::string_view text);
/// Sets `BrokerOptions::sasl` to a login by PLAIN, which sends the password itself.
[[nodiscard]] inline BrokerOption with_plain_mechanism(std::string username,
                                                       std::string_view password) {
  SaslOptions login{SaslMechanism::plain, std::move(username), Secret(password)};
  return [login = std::move(login)](BrokerOptions& o) { o.sasl = login; };
}
/// Sets `BrokerOptions::sasl` to a login by SCRAM.
[[nodiscard]] inline BrokerOption with_scram_mechanism(ScramAlgorithm algorithm,
                                                       std::string username,
                                                       std::string_view password) {
  // A value outside the enumeration stays invalid, so that new_broker refuses it.
  auto mechanism = static_cast<SaslMechanism>(0xff);
  if (algorithm == ScramAlgorithm::sha256) mechanism = SaslMechanism::scram_sha_256;
  if (algorithm == ScramAlgorithm::sha512) mechanism = SaslMechanism::scram_sha_512;
  SaslOptions login{mechanism, std::move(username), Secret(password)};
  return [login = std::move(login)](BrokerOptions& o) { o.sasl = login; };
}

// For one subscription.

/// Sets `SubscribeOptions::partition`.
[[nodiscard]] inline SubscribeOption with_partition(PartitionId partition) {
  return [partition](SubscribeOptions& o) { o.partition = partition; };
}
/// Sets `SubscribeOptions::on_assigned`.
[[nodiscard]] inline SubscribeOption with_on_assigned(PartitionsHandler callback) {
  return [callback = std::move(callback)](SubscribeOptions& o) { o.on_assigned = callback; };
}
/// Sets `SubscribeOptions::on_revoked`.
[[nodiscard]] inline SubscribeOption with_on_revoked(PartitionsHandler callback) {
  return [callback = std::move(callback)](SubscribeOptions& o) { o.on_revoked = callback; };
}
/// Sets `SubscribeOptions::on_lost`.
[[nodiscard]] inline SubscribeOption with_on_lost(PartitionsHandler callback) {
  return [callback = std::move(callback)](SubscribeOptions& o) { o.on_lost = callback; };
}
/// Sets `SubscribeOptions::group_instance_id`.
[[nodiscard]] inline SubscribeOption with_group_instance_id(std::string id) {
  return [id = std::move(id)](SubscribeOptions& o) { o.group_instance_id = id; };
}
/// Sets `SubscribeOptions::auto_create_topic`.
[[nodiscard]] inline SubscribeOption with_subscribe_auto_create_topic(
    std::string topic, std::int32_t partitions, std::int16_t replication_factor) {
  AutoCreateTopic made{std::move(topic), partitions, replication_factor};
  return [made = std::move(made)](SubscribeOptions& o) { o.auto_create_topic = made; };
}

}  // namespace kafka
}  // namespace v0
}  // namespace dohle
