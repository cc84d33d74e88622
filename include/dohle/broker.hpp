#pragma once

#include <chrono>
#include <concepts>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

#include "dohle/admin.hpp"
#include "dohle/codec.hpp"
#include "dohle/detail/typed_handler.hpp"
#include "dohle/error.hpp"
#include "dohle/event.hpp"
#include "dohle/export.hpp"
#include "dohle/ids.hpp"
#include "dohle/message.hpp"
#include "dohle/producer.hpp"

namespace dohle {
inline namespace v0 {

namespace kafka {
struct BrokerOptions;
}

/// Sets fields of the broker's options; made by the `with_*` functions.
using BrokerOption = std::function<void(kafka::BrokerOptions&)>;

/// What went wrong where no call could return it. Its views, and `event`, are valid while the error
/// handler runs; to keep the event, move it out.
struct Failure {
  /// What failed.
  enum class Kind : std::uint8_t {
    decode,        ///< a body could not be decoded
    handler,       ///< a handler failed, retries in place included, or left an event unacknowledged
    delivery,      ///< a published message was not stored, and no handle or callback took the error
    subscription,  ///< reading or committing; the subscription goes on by itself
    held,          ///< a message that failed holds its partition: when that pauses, and each minute
  };
  /// What failed.
  Kind kind;
  /// Why, and where.
  Error error;
  /// Empty and none where the failure has no single message.
  std::string_view topic = {};
  /// See topic.
  PartitionId partition = {};
  /// See topic.
  Offset offset = {};
  /// For `decode` and `handler`: the event. Under FailurePolicy::hold and ::stop it is still
  /// pending, and `event->ack()` skips it for good. Null otherwise, for a handler that failed after
  /// it had acknowledged, and when an unacknowledged event was destroyed.
  RawEvent* event = nullptr;
};

/// Told of every failure that no call could return. Without one, they are lines of the error
/// logger: one of a kind a second at most, with the number of those left out. What it throws is
/// logged. Runs on the subscription's threads and on that of whoever called nack; for deliveries,
/// and commits that were refused, on the client's own thread, where it must not block; for
/// deliveries also where the last Delivery ends. Several at a time.
using ErrorHandler = std::function<void(const Failure&)>;

/// What becomes of a message that its handler did not take, retries in place included, or that
/// cannot be decoded. The error handler is told first, whichever it is.
enum class FailurePolicy : std::uint8_t {
  /// The message stays pending until the error handler acknowledges it. Messages behind it are
  /// handled, but nothing behind it in its partition is committed, so that it comes again after a
  /// restart or when the partition changes hands. At max_unacknowledged the partition pauses.
  hold,
  /// The message counts as done. It is lost to this group.
  skip,
  /// The subscription ends, and unsubscribe returns the failure. The message is not committed.
  stop,
};

/// A message that holds its partition.
struct HeldMessage {
  /// The subscription's topic.
  std::string topic;
  /// The partition that it holds.
  PartitionId partition;
  /// The message's offset.
  Offset offset;
  /// What its handler failed with, or why it cannot be decoded, or that nobody acknowledged it.
  Error reason;
};

/// Sends one message on; the innermost one gives it to the producer.
using PublishHandler = std::function<Result<Delivery>(std::string_view topic, Message& message)>;
/// Wraps a publish: it may change the message, refuse it with an error, or look at the result.
/// Called for each publish, on the publishing threads, several at a time. `next` never throws: what
/// an inner middleware throws is the error that it returns (Errc::handler_failed), and what the
/// outermost throws is publish's own.
using PublishMiddleware = std::function<PublishHandler(PublishHandler next)>;

/// Of one call of publish. What a Message says itself wins over `key`, `partition`, `timestamp`.
struct PublishOptions {
  /// The message's key; nothing: none.
  std::optional<std::string> key = {};
  /// Appended to the message's own headers.
  std::vector<Header> headers = {};
  /// none: chosen by the key, or one partition after the other for messages without.
  PartitionId partition = {};
  /// none: now.
  Timestamp timestamp = {};
  /// Nothing: the broker's `async`.
  std::optional<bool> async = {};
  /// How long a synchronous publish waits for the acknowledgement, to 1 day; 0: as long as the
  /// delivery timeout (120 s) allows. When it passes the error says that the message is possibly
  /// stored: it stays under way. Refused with an asynchronous publish.
  std::chrono::milliseconds timeout{0};
  /// Another value than `all` uses a pipeline of its own, without idempotence; there is no order
  /// between pipelines. Nothing: all.
  std::optional<Acks> required_acks = {};
  /// Told of the outcome on the client's thread, exactly once if publish succeeds; it must not
  /// block, and what it throws is logged. The Delivery that publish returns is then empty. Needs an
  /// asynchronous publish.
  std::function<void(const Result<Receipt>&)> callback = nullptr;
  /// Inside the broker's own; the first is the outermost.
  std::vector<PublishMiddleware> middlewares = {};
};

/// Sets fields of PublishOptions; made by the `with_*` functions.
using PublishOption = std::function<void(PublishOptions&)>;

/// Where a subscription starts reading.
///
///     broker.subscribe<Order>("orders", handler, kafka::with_start_offset(StartOffset::first()));
class StartOffset {
 public:
  /// What the value says.
  enum class Kind : std::uint8_t {
    first,      ///< the first record that the log still has
    last,       ///< the end: records that are published from now on
    offset,     ///< the record with that offset
    timestamp,  ///< the first record with that timestamp or a later one
  };

  /// The first record that the log still has.
  [[nodiscard]] static constexpr StartOffset first() { return {Kind::first, 0}; }
  /// The end: records that are published from now on.
  [[nodiscard]] static constexpr StartOffset last() { return {Kind::last, 0}; }
  /// With SubscribeOptions::partition only. At least 0.
  [[nodiscard]] static constexpr StartOffset at(Offset offset) {
    return {Kind::offset, offset.value};
  }
  /// At least 0.
  [[nodiscard]] static constexpr StartOffset at(Timestamp time) {
    return {Kind::timestamp, time.value};
  }

  /// Which of the four it is.
  [[nodiscard]] constexpr Kind kind() const { return kind_; }
  /// The offset, or the milliseconds of the timestamp; 0 otherwise.
  [[nodiscard]] constexpr std::int64_t value() const { return value_; }
  friend constexpr bool operator==(const StartOffset&, const StartOffset&) = default;

 private:
  constexpr StartOffset(Kind kind, std::int64_t value) : kind_(kind), value_(value) {}

  Kind kind_;
  std::int64_t value_;
};

/// A topic that subscribe makes if it does not exist.
struct AutoCreateTopic {
  /// The topic's name; names as for NewTopic.
  std::string topic;
  /// Default: 1. -1: the cluster's own default.
  std::int32_t partitions = 1;
  /// Default: 1. -1: the cluster's own default.
  std::int16_t replication_factor = 1;
};

/// Of one call of subscribe. A field that is optional and absent is the broker's.
struct SubscribeOptions {
  /// The group that shares the topic's partitions and remembers what is done. Empty and no
  /// broker-wide one either: no group; every partition is read, nothing is committed.
  std::optional<std::string> group_id = {};
  /// Static membership: a restart within the session timeout moves no partition.
  std::string group_instance_id = {};
  /// Acknowledge when the handler succeeds; false: the handler, or whoever gets the event, does.
  /// Without a group an acknowledgement only frees memory.
  bool auto_ack = true;
  /// Handlers that run at a time. Messages of one key, and messages without a key of one
  /// partition, are handled one after the other in any case. 1 to 1,000.
  std::size_t concurrency = 1;
  /// Messages without a key need no order.
  bool unordered = false;
  /// How often a failed handler is called again for the same message, before the failure goes to
  /// the error handler. Later messages of the same key wait, and by chance those of a few others.
  /// What cannot be decoded is not tried again. 0 to 1,000,000.
  int max_retries = 3;
  /// Wait before each of these. 0 to 1 h.
  std::chrono::milliseconds retry_delay{100};
  /// After the last retry. Default: the broker's, which is hold.
  std::optional<FailurePolicy> failure_policy = {};
  /// With auto_ack off: an event that nobody acknowledged for that long after its handler returned
  /// is reported to the error handler, once. To 1 day; 0: never.
  std::chrono::milliseconds ack_timeout{60'000};
  /// Messages and bytes of one partition that were handed out and not acknowledged; above either
  /// the partition pauses until there is room. At least 1.
  std::size_t max_unacknowledged = 10'000;
  /// See max_unacknowledged.
  std::size_t max_unacknowledged_bytes = std::size_t{64} << 20;
  /// Inside the broker's own; the first is the outermost.
  std::vector<SubscribeMiddleware> middlewares = {};
  /// Made before the subscription starts; that it exists is fine.
  std::optional<AutoCreateTopic> auto_create_topic = {};
  /// Read this one partition, without a group. none: all, or the group's share.
  PartitionId partition = {};
  /// As `BrokerOptions::start_offset`. If absent, the broker\'s.
  std::optional<StartOffset> start_offset = {};
  /// As `BrokerOptions::queue_capacity`. If absent, the broker\'s.
  std::optional<std::size_t> queue_capacity = {};
  /// As `BrokerOptions::min_bytes`. If absent, the broker\'s.
  std::optional<std::size_t> min_bytes = {};
  /// As `BrokerOptions::max_bytes`. If absent, the broker\'s.
  std::optional<std::size_t> max_bytes = {};
  /// As `BrokerOptions::max_wait`. If absent, the broker\'s.
  std::optional<std::chrono::milliseconds> max_wait = {};
  // The next five are configuration errors without a group.

  /// As `BrokerOptions::heartbeat_interval`. If absent, the broker's.
  std::optional<std::chrono::milliseconds> heartbeat_interval = {};
  /// As `BrokerOptions::session_timeout`. If absent, the broker\'s.
  std::optional<std::chrono::milliseconds> session_timeout = {};
  /// As `BrokerOptions::rebalance_timeout`. If absent, the broker\'s.
  std::optional<std::chrono::milliseconds> rebalance_timeout = {};
  /// As `BrokerOptions::max_poll_interval`. If absent, the broker\'s.
  std::optional<std::chrono::milliseconds> max_poll_interval = {};
  /// As `BrokerOptions::commit_interval`. If absent, the broker\'s.
  std::optional<std::chrono::milliseconds> commit_interval = {};
  /// As `BrokerOptions::read_backoff_min`. If absent, the broker\'s.
  std::optional<std::chrono::milliseconds> read_backoff_min = {};
  /// As `BrokerOptions::read_backoff_max`. If absent, the broker\'s.
  std::optional<std::chrono::milliseconds> read_backoff_max = {};
};

/// Sets fields of SubscribeOptions; made by the `with_*` functions.
using SubscribeOption = std::function<void(SubscribeOptions&)>;

}  // namespace v0
}  // namespace dohle

namespace dohle::messaging {
class BrokerRuntime;
class Subscription;
struct BrokerAccess;

template <class Options, class... Setters>
Options options_of(Setters&&... setters) {
  Options options;
  (std::function<void(Options&)>(std::forward<Setters>(setters))(options), ...);
  return options;
}
}  // namespace dohle::messaging

namespace dohle {
inline namespace v0 {

/// A running subscription: reads, and calls its handler on threads of its own.
///
/// Lifetime: move-only; it ends with this object, with unsubscribe(), or with its broker's
/// disconnect(), whichever is first. Thread safety: any thread, but not while it is being moved.
class DOHLE_API Subscriber {
 public:
  Subscriber(Subscriber&&) noexcept;
  /// What it held before ends as by the destructor.
  Subscriber& operator=(Subscriber&&) noexcept;
  /// As unsubscribe() with 5 s; what fails goes to the error handler.
  ~Subscriber();

  /// The topic that it reads. Valid while it lives.
  [[nodiscard]] const std::string& topic() const;
  /// As they are in effect. Valid while it lives.
  [[nodiscard]] const SubscribeOptions& options() const;

  /// Waits until partitions are assigned, be it none of the group's, and it is known where reading
  /// starts. Errors: timed_out, with the last thing that went wrong; closed; would_deadlock on the
  /// thread that would have to make it ready.
  Result<void> wait_ready(std::chrono::milliseconds timeout);

  /// The messages that hold their partitions at present, in the order of partition and offset:
  /// those that failed under FailurePolicy::hold, and those that nobody acknowledged within
  /// ack_timeout. To skip one, acknowledge Failure::event in the error handler, subscribe with
  /// FailurePolicy::skip, or end the subscription and move the group's offset behind it. Empty once
  /// the subscription has ended. At most max_unacknowledged for each partition.
  [[nodiscard]] std::vector<HeldMessage> held() const;

  /// Stops reading, waits for running handlers, commits what was acknowledged, leaves the group.
  /// Inside a handler of this subscription, its error handler, or a callback on the client's
  /// thread, it marks and returns: the rest happens when that has returned. Idempotent. Errors:
  /// timed_out (a handler or a server hangs; nobody waits for it any more, and its thread is left
  /// behind); what the commit failed with.
  Result<void> unsubscribe(std::chrono::milliseconds timeout = std::chrono::seconds(30));

 private:
  friend struct messaging::BrokerAccess;
  explicit Subscriber(std::shared_ptr<messaging::Subscription> subscription);

  std::shared_ptr<messaging::Subscription> subscription_;
};

/// Publishes and subscribes. Made by `kafka::new_broker`; connects by connect().
///
/// Lifetime: move-only; subscriptions end with it at the latest.
/// Thread safety: any thread, but not while it is being moved.
class DOHLE_API Broker {
 public:
  Broker(Broker&&) noexcept;
  /// What it held before ends as by the destructor.
  Broker& operator=(Broker&&) noexcept;
  /// As disconnect() with 5 s; what fails is logged.
  ~Broker();

  /// "kafka".
  [[nodiscard]] std::string_view name() const;
  /// As they are in effect. Valid while it lives.
  [[nodiscard]] const kafka::BrokerOptions& options() const;
  /// The addresses, separated by commas.
  [[nodiscard]] std::string address() const;

  /// Changes options before connect(), or after one that failed; all of them or, with an error,
  /// none. Not while another thread uses this Broker. Errors: configuration, also for any change
  /// after connect(), with the names of the options.
  template <class... Options>
    requires(std::convertible_to<Options, BrokerOption> && ...)
  Result<void> init(Options&&... options) {
    return apply({BrokerOption(std::forward<Options>(options))...});
  }

  /// Connects, and waits until a server has answered with the cluster's metadata. An `embedded:`
  /// address starts the node, or joins the one that runs in this process under that address; the
  /// recovery of its data is not cut short by `timeout`. After success it does nothing, after a
  /// failure it may be called again. Errors: timed_out or connection_failed with the reason for
  /// each address; closed after disconnect; what the embedded node fails with.
  Result<void> connect(std::chrono::milliseconds timeout = std::chrono::seconds(30));

  /// Publishes a message as it is. Asynchronous (the default): returns once the message is in its
  /// batch; waits only for what is known of a topic not published to before, and while memory is
  /// full, at most 60 s each. Otherwise returns when it is acknowledged. Nobody has to look at the
  /// Delivery: a failure that nobody took is reported, unless the Delivery outlives the Broker;
  /// then flush or disconnect has counted it. On the client's thread it never waits: would_block
  /// when memory is full, would_deadlock for a topic that it knows nothing of and for a synchronous
  /// publish, of which then nothing is sent. Errors: not_connected; closed; no_such_topic
  /// (after 1.5 s: a topic that was just made takes a moment to be known by every server; with
  /// `embedded:` at once);
  /// no_such_partition; timed_out; buffer_full; too_large; configuration (options that exclude each
  /// other); what a middleware returned; of a synchronous publish also the message's own failure.
  Result<Delivery> publish(std::string_view topic, Message message, PublishOptions options = {});
  /// Publishes text or bytes as they are.
  Result<Delivery> publish(std::string_view topic, std::string_view body,
                           PublishOptions options = {});
  /// Publishes a value through its Codec. Errors: also codec_failed.
  template <Encodable T>
    requires(!std::convertible_to<const T&, std::string_view> && !std::same_as<T, Message>)
  Result<Delivery> publish(std::string_view topic, const T& value, PublishOptions options = {}) {
    return publish_encoded(topic, &messaging::encode_into<T>, &value, std::move(options));
  }
  /// The same with options in the other style: `publish("t", value, with_message_key("k"))`.
  template <class T, class... Options>
    requires(sizeof...(Options) > 0 && (std::convertible_to<Options, PublishOption> && ...))
  Result<Delivery> publish(std::string_view topic, T&& value, Options&&... options) {
    return publish(topic, std::forward<T>(value),
                   messaging::options_of<PublishOptions>(std::forward<Options>(options)...));
  }

  /// Calls `handler` with every message of the topic, decoded to a T. The handler takes an
  /// `Event<T>`, a `T` (or `const T&`), or a `T` and a `RawEvent`; it returns void or
  /// `Result<void>`. With concurrency above 1 it runs on several threads at a time. A tombstone
  /// comes as an Event<T> without value; a handler that takes a T alone cannot see it, which is a
  /// failed decode.
  /// Errors: not_connected; closed; configuration; handler_failed (a middleware threw or returned
  /// nothing); the topic cannot be made. Connection failures are none: the subscription goes on
  /// trying, and says so.
  template <Decodable T, class Handler>
    requires messaging::TypedHandler<Handler, T>
  [[nodiscard]] Result<Subscriber> subscribe(std::string topic, Handler handler,
                                             SubscribeOptions options = {}) {
    return subscribe_raw(std::move(topic), messaging::typed<T>(std::move(handler)),
                         std::move(options));
  }
  template <Decodable T, class Handler, class... Options>
    requires(messaging::TypedHandler<Handler, T> && sizeof...(Options) > 0 &&
             (std::convertible_to<Options, SubscribeOption> && ...))
  [[nodiscard]] Result<Subscriber> subscribe(std::string topic, Handler handler,
                                             Options&&... options) {
    return subscribe<T>(std::move(topic), std::move(handler),
                        messaging::options_of<SubscribeOptions>(std::forward<Options>(options)...));
  }
  /// The same without decoding: the handler takes a RawEvent.
  template <messaging::RawHandler Handler>
  [[nodiscard]] Result<Subscriber> subscribe(std::string topic, Handler handler,
                                             SubscribeOptions options = {}) {
    return subscribe_raw(std::move(topic), messaging::raw(std::move(handler)), std::move(options));
  }
  template <messaging::RawHandler Handler, class... Options>
    requires(sizeof...(Options) > 0 && (std::convertible_to<Options, SubscribeOption> && ...))
  [[nodiscard]] Result<Subscriber> subscribe(std::string topic, Handler handler,
                                             Options&&... options) {
    return subscribe(std::move(topic), std::move(handler),
                     messaging::options_of<SubscribeOptions>(std::forward<Options>(options)...));
  }

  /// Makes everything published due and waits until each message has an outcome; says how many
  /// failed since the last flush, whoever was told. Errors: not_connected, timed_out,
  /// would_deadlock.
  Result<FlushReport> flush(std::chrono::milliseconds timeout = std::chrono::seconds(30));

  /// Delivers what was published, ends the subscriptions (as unsubscribe does), delivers or fails
  /// what their handlers published meanwhile, takes no more, closes the connections; says how many
  /// messages failed since the last flush. A handler that hangs holds it until the deadline, and
  /// what was published before is delivered nevertheless. An embedded node's last Broker closes
  /// it, and making its data durable takes as long as the disk does.
  /// Inside a handler, an error handler or a callback on the client's thread it marks and returns:
  /// call it again outside, or leave the rest to the destructor. Idempotent; a Broker does not
  /// connect again. Errors: timed_out; the first thing that did not end well.
  Result<FlushReport> disconnect(std::chrono::milliseconds timeout = std::chrono::seconds(30));

 private:
  friend struct messaging::BrokerAccess;
  explicit Broker(std::shared_ptr<messaging::BrokerRuntime> core);
  Result<void> apply(std::vector<BrokerOption> options);
  Result<Delivery> publish_encoded(std::string_view topic, messaging::EncodeInto encode,
                                   const void* value, PublishOptions options);
  Result<Subscriber> subscribe_raw(std::string topic, SubscribeHandler handler,
                                   SubscribeOptions options);

  std::shared_ptr<messaging::BrokerRuntime> core_;
};

}  // namespace v0
}  // namespace dohle
