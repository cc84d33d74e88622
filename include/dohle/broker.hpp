#pragma once

#include <chrono>
#include <concepts>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <future>
#include <memory>
#include <optional>
#include <span>
#include <stop_token>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

#include "dohle/admin.hpp"
#include "dohle/balancer.hpp"
#include "dohle/codec.hpp"
#include "dohle/detail/batch_handler.hpp"
#include "dohle/detail/codec_choice.hpp"
#include "dohle/detail/receipt_promise.hpp"
#include "dohle/detail/typed_handler.hpp"
#include "dohle/detail/typed_request.hpp"
#include "dohle/error.hpp"
#include "dohle/event.hpp"
#include "dohle/export.hpp"
#include "dohle/ids.hpp"
#include "dohle/key.hpp"
#include "dohle/message.hpp"
#include "dohle/metrics.hpp"
#include "dohle/producer.hpp"
#include "dohle/reader_config.hpp"
#include "dohle/start_offset.hpp"
#include "dohle/topics.hpp"

namespace dohle {
inline namespace v0 {

class Client;
struct ConsumerOptions;

namespace kafka {
struct BrokerOptions;
}

/// Sets fields of the broker's options. The `with_*` functions return it.
using BrokerOption = std::function<void(kafka::BrokerOptions&)>;

/// A failure that no call could return. Its views and `event` are valid while the error handler
/// runs. To keep the event, move it out.
struct Failure {
  /// The kinds of failures.
  enum class Kind : std::uint8_t {
    decode,    ///< a body could not be decoded
    handler,   ///< a handler failed, retries in place included, or left an event unacknowledged
    delivery,  ///< a published message was not stored, and no handle or callback took the error
    /// A read or a commit failed; the subscription retries by itself. If the group's coordinator
    /// refuses the offset of one partition, the failure has its topic, partition and offset. It is
    /// reported the first time, then every minute with the number of refusals since. The offsets of
    /// the other partitions are committed meanwhile.
    subscription,
    held,  ///< a message holds its partition: at the pause, then every minute
    /// A failed message could not be stored in its retry topic or in the topic for dead letters.
    /// Reported the first time, then every minute. The library tries again, and the partition waits
    /// meanwhile.
    redirect,
  };
  /// The kind of this failure.
  Kind kind;
  /// The cause and the place.
  Error error;
  /// The message's topic, or the text of the subscription's Topics; empty if the failure concerns
  /// neither.
  std::string_view topic = {};
  /// The message's partition; none if the failure concerns no single message or partition.
  PartitionId partition = {};
  /// The message's offset; none if the failure concerns no single message. Of a refused commit, the
  /// offset to commit.
  Offset offset = {};
  /// The event, for `decode` and `handler`. Under FailurePolicy::hold and ::stop it is still
  /// pending, and `event->ack()` skips it for good. Null for the other kinds, for a dead letter,
  /// for a handler that failed after it had acknowledged the event, and if the event was destroyed
  /// without an ack.
  RawEvent* event = nullptr;
};

/// Receives every failure that no call could return. Default: none; failures are then logged by the
/// error logger, at most one line per kind and second, with the number of suppressed failures. An
/// exception that it throws is logged.
///
/// Thread safety: called on several threads at a time. It runs on the subscription's threads and on
/// the thread that called nack or next. For failed deliveries and refused commits it runs on the
/// client's own thread, where it must not block. For failed deliveries it also runs on the thread
/// that destroys the last Delivery.
using ErrorHandler = std::function<void(const Failure&)>;

/// The treatment of a message that cannot be decoded, or whose handler failed in all attempts. The
/// attempts are the retries in place and then the retry topics, if there are any. The error handler
/// is called once for the message.
enum class FailurePolicy : std::uint8_t {
  /// The message stays pending until the error handler acknowledges it. Later messages of its
  /// partition are handled but not committed, so the message is delivered again after a restart or
  /// when the partition moves to another member. At max_unacknowledged the partition pauses.
  hold,
  /// The message counts as done. It is lost to this group.
  skip,
  /// The message is stored in the topic for dead letters, with acks=all, and then counts as done.
  /// If storing fails, the library tries again, and the partition waits meanwhile. Needs a group.
  dead_letter,
  /// The subscription ends, and unsubscribe returns the failure. The message is not committed.
  stop,
};

/// The library's action for one failed message; returned by a FailureDecision.
enum class FailureAction : std::uint8_t {
  /// Follows the options: retries in place, then retry topics, then failure_policy.
  retry,
  /// Applies the FailurePolicy of that name at once.
  hold,
  /// Applies the FailurePolicy of that name at once.
  skip,
  /// Applies the FailurePolicy of that name at once. Without a group, failure_policy applies.
  dead_letter,
  /// Applies the FailurePolicy of that name at once.
  stop,
};

/// Decides what the library does with a message whose handling failed with `why`. Called for each
/// failure on the thread on which it happened, on several threads at a time. An exception that it
/// throws is reported to the error handler, and counts as FailureAction::retry.
using FailureDecision = std::function<FailureAction(const Error& why, const RawEvent& event)>;

/// Receives partitions of a subscription; see SubscribeOptions::on_assigned. The span is never
/// empty and is valid while the function runs.
using PartitionsHandler = std::function<void(std::span<const TopicPartition> partitions)>;

/// Returns true if a message is to be handled. Called on the threads of the subscription, several
/// at a time.
using EventFilter = std::function<bool(const RawEvent& event)>;

/// Marks the error of a handler as permanent: the message is not retried, also after a
/// RawEvent::retry_after, and failure_policy applies at once. An exception that a handler throws is
/// never permanent.
[[nodiscard]] inline Error permanent(const Error& why) {
  return why.with_fatal();
}

/// A message that holds its partition.
struct HeldMessage {
  /// The topic that the message was read from: one of the subscription's topics or of its retry
  /// topics.
  std::string topic;
  /// The partition that it holds.
  PartitionId partition;
  /// The message's offset.
  Offset offset;
  /// The handler's error, the decode error, or timed_out if it was not acknowledged in time.
  Error reason;
};

/// How far reading is behind in one partition.
struct PartitionLag {
  /// The partition.
  PartitionId partition;
  /// The number of records between the next record to read and the end, as of the last fetch.
  std::int64_t records = 0;
  /// The partition's topic.
  std::string topic = {};
};

/// How far the reading of a subscription is behind the end of its topics. Messages that wait for a
/// handler, at most queue_capacity, count as read.
struct ReadLag {
  /// The subscription's topic. For several topics or a pattern, the text of Topics::to_string.
  std::string topic;
  /// The subscription's group; empty without one.
  std::string group_id;
  /// The assigned partitions of its topics that were fetched before, ordered by topic and
  /// partition. Messages that wait in retry topics do not count.
  std::vector<PartitionLag> partitions;

  /// The records of all partitions together.
  [[nodiscard]] std::int64_t total() const {
    std::int64_t sum = 0;
    for (const PartitionLag& each : partitions) sum += each.records;
    return sum;
  }
};

/// Receives the lag of a subscription. Called on the thread that reads for the subscription; that
/// thread reads nothing meanwhile. An exception that it throws goes to the error handler.
using ReadLagHandler = std::function<void(const ReadLag&)>;

/// Passes one message on; the innermost handler gives it to the producer.
using PublishHandler = std::function<Result<Delivery>(std::string_view topic, Message& message)>;
/// Wraps a publish: it may change the message, refuse it with an error, or look at the result.
/// Called for each publish, on the publishing threads, several at a time. `next` never throws: an
/// exception of an inner middleware becomes the error that `next` returns (Errc::handler_failed).
/// An exception of the outermost middleware becomes the error that publish returns.
using PublishMiddleware = std::function<PublishHandler(PublishHandler next)>;

/// The options of one call of publish. A Message's own key, partition and timestamp take precedence
/// over `key`, `partition` and `timestamp`.
struct PublishOptions {
  /// The message's key. If absent, the message has no key.
  std::optional<std::string> key = {};
  /// Default: none. Encodes the key in place of `key`. with_key sets it to a codec of the key's
  /// type. publish returns its error. Called by each publish whose message has no key of its own.
  std::function<Result<void>(const CodecContext&, std::string& into)> key_encoder = nullptr;
  /// Default: empty, `BrokerOptions::codec` applies. The name of the codec that encodes the body.
  /// publish refuses a name that none of the type's Codecs has. Not allowed with a Message, whose
  /// body is bytes.
  std::string body_codec = {};
  /// As `BrokerOptions::content_type`. If absent, the broker's value applies. True is not allowed
  /// with a Message, which has headers of its own.
  std::optional<bool> content_type = {};
  /// Default: none. These headers are appended to the message's own.
  std::vector<Header> headers = {};
  /// The partition. Default: none; the key then chooses it, and messages without a key go to one
  /// partition after the other.
  PartitionId partition = {};
  /// The message's timestamp. Default: none, the time of the call.
  Timestamp timestamp = {};
  /// Default: none. An offset for the caller's own use. Middlewares see it in the message. The
  /// server assigns the real offset.
  Offset offset = {};
  /// As `BrokerOptions::balancer`. If absent, the broker's value applies.
  std::optional<kafka::Balancer> balancer = {};
  /// As `BrokerOptions::async`. If absent, the broker's value applies.
  std::optional<bool> async = {};
  /// How long the message may take. If absent, the delivery timeout applies (120 s). 0 to 1 day.
  ///
  /// A synchronous publish waits at most for this time. With 0 it does not wait. If the time
  /// expires, the message stays under way, and the error says that it is possibly stored.
  ///
  /// For an asynchronous publish the least value is 1 ms. Each value then uses a producer of its
  /// own, see required_acks. A message that was not sent within this time fails. One that was sent
  /// but not acknowledged fails as possibly stored.
  std::optional<std::chrono::milliseconds> timeout = {};
  /// As `BrokerOptions::required_acks`. If absent, the broker's value applies. Each value uses a
  /// producer of its own. Only the producer for `all` is idempotent. Messages of different
  /// producers have no order. A broker has at most 16 combinations of acks, attempts and timeout;
  /// publish refuses a further one, and the error lists the 16.
  std::optional<Acks> required_acks = {};
  /// As `BrokerOptions::publish_max_attempts`. If absent, the broker's value applies.
  std::optional<std::int32_t> max_attempts = {};
  /// Default: none. Receives the outcome on the client's thread, exactly once if publish succeeds.
  /// It must not block; an exception that it throws is logged. The Delivery that publish returns is
  /// then empty. Needs an asynchronous publish.
  std::function<void(const Result<Receipt>&)> callback = nullptr;
  /// Default: true, a Broker with a tracer replaces the headers traceparent, tracestate and baggage
  /// with those of the message's `send` span. If false, the headers stay as they are.
  bool inject_trace = true;
  /// Default: none. Middlewares that run inside the broker's own. The first is the outermost.
  std::vector<PublishMiddleware> middlewares = {};
};

/// Sets fields of PublishOptions. The `with_*` functions return it.
using PublishOption = std::function<void(PublishOptions&)>;

/// How a missing reply topic is created.
struct ReplyTopicCreation {
  /// Default: 1. 1 to 100,000; -1 means the cluster's own default. Each requester chooses one
  /// partition at random.
  std::int32_t partitions = 1;
  /// Default: -1, the cluster's own default. 1 to 32,767 otherwise.
  std::int16_t replication_factor = -1;
  friend bool operator==(const ReplyTopicCreation&, const ReplyTopicCreation&) = default;
};

/// The options of one request. If an optional field is absent, the broker's value applies.
struct RequestOptions {
  /// As `BrokerOptions::request_timeout`. If absent, the broker's value applies.
  std::optional<std::chrono::milliseconds> timeout = {};
  /// As `BrokerOptions::reply_topic`. If absent, the broker's value applies. A broker reads replies
  /// from at most 16 topics.
  std::optional<std::string> reply_topic = {};
  /// As `BrokerOptions::create_reply_topic`. If absent, the broker's value applies.
  std::optional<ReplyTopicCreation> create_reply_topic = {};
  /// Default: empty, `BrokerOptions::request_body_codec` applies. The name of the codec of the
  /// request's body, as `PublishOptions::body_codec`.
  std::string body_codec = {};
  /// How the request is published. Its callback, async and body_codec are not allowed: a request
  /// waits for its reply.
  PublishOptions publish = {};
};

/// Sets fields of RequestOptions. The `with_*` functions return it.
using RequestOption = std::function<void(RequestOptions&)>;

/// Counts of a Broker's requests, and of the replies that it read and sent, since connect.
struct RequestCounts {
  /// Requests that wait for their replies.
  std::size_t under_way = 0;
  /// Replies that a request received, also those with an error.
  std::uint64_t replies = 0;
  /// Requests that ended without a reply: their deadline passed.
  std::uint64_t timed_out = 0;
  /// Ignored replies to requests of this Broker: they came after the deadline or a stop, or a
  /// second time.
  std::uint64_t late_replies = 0;
  /// Ignored replies to requests of other requesters, which use the same reply partitions. This
  /// includes requesters that no longer run.
  std::uint64_t foreign_replies = 0;
  /// Requests that a reply handler of this Broker answered, also those answered with an error.
  std::uint64_t answered = 0;
  /// Requests that a reply handler answered with an error.
  std::uint64_t answered_with_error = 0;
  /// Requests that were skipped because their deadline had passed.
  std::uint64_t expired = 0;
  /// Replies that could not be stored because the requester's topic or partition no longer exists.
  std::uint64_t undeliverable = 0;
};

/// A topic that subscribe creates if it does not exist.
struct AutoCreateTopic {
  /// The topic's name, as in NewTopic.
  std::string topic;
  /// Default: 1. 1 to 100,000; -1: the cluster's own default.
  std::int32_t partitions = 1;
  /// Default: 1. 1 to 32,767; -1: the cluster's own default.
  std::int16_t replication_factor = 1;
};

/// The options of one call of subscribe. If an optional field is absent, the broker's value
/// applies.
struct SubscribeOptions {
  /// The group that shares the topic's partitions and stores the committed offsets. At most 32,767
  /// bytes. If absent, the broker's value applies. If that is empty too, there is no group: every
  /// partition is read and nothing is committed.
  std::optional<std::string> group_id = {};
  /// Default: empty, dynamic membership. At most 32,767 bytes. An id makes the membership static: a
  /// restart within the session timeout moves no partition.
  std::string group_instance_id = {};
  /// Default: true, the library acknowledges a message when its handler succeeds. If false, the
  /// handler acknowledges it, or the code to which the handler moved the event. Without a group an
  /// acknowledgement only frees memory.
  bool auto_ack = true;
  /// Default: 1. 1 to 1,000. Number of handlers that run at a time. Messages with equal keys are
  /// always handled one after the other, and so are messages of one partition without a key.
  std::size_t concurrency = 1;
  /// Default: false. If true, messages without a key are handled in any order.
  bool unordered = false;
  /// Default: 100. 1 to 100,000, and batch_size times concurrency is at most 500,000. The most
  /// messages of a batch. A full batch is handled at once. A queue_capacity below two batches for
  /// each handler is raised to that number. Allowed for subscribe_batch only.
  std::optional<std::size_t> batch_size = {};
  /// Default: 100 ms. 0 to 1 day; with 0 a batch takes the messages that have arrived. The longest
  /// time that a message waits for its batch to fill. A batch does not wait if no more messages can
  /// come: at max_unacknowledged, or when its partition moves to another member. Allowed for
  /// subscribe_batch only.
  std::optional<std::chrono::milliseconds> batch_interval = {};
  /// Default: 3. 0 to 1,000,000. How often a failed handler is called again for the same message
  /// before it goes to a retry topic or failure_policy applies. Later messages of the same key wait
  /// meanwhile, and so do messages of a few other keys in the same lane. Neither a message that
  /// cannot be decoded nor a failure that is marked as `permanent` is retried.
  int max_retries = 3;
  /// Default: 100 ms. 0 to 1 h. Wait before the first retry; it doubles up to max_retry_delay. Each
  /// wait is longer by up to a fifth, at random.
  std::chrono::milliseconds retry_delay{100};
  /// Default: 1 s. 0 to 1 h. See retry_delay. A value below retry_delay counts as equal to it.
  std::chrono::milliseconds max_retry_delay{1'000};
  /// Default: none. At most 20 delays of 1 ms to 30 days, each longer than the one before. A
  /// message whose retries in place failed is stored in the topic TOPIC.GROUP.retry.DELAY of the
  /// first delay, with acks=all, and then counts as done. DELAY has the form 500ms, 5s or 10m. In a
  /// subscription to several topics each topic has retry topics of its own. This subscription
  /// handles the message again once the delay has passed, at most a second and max_wait later,
  /// without retries in place. The next failure uses the next delay. After the last delay,
  /// failure_policy applies. Messages are handled at least once, and not in the order of their
  /// keys. Needs a group.
  ///
  /// subscribe creates the retry topics unless they exist. They get the number of partitions of the
  /// subscription's topic, the cluster's replication, and a retention of a week or twice the delay.
  /// subscribe refuses an existing retry topic whose retention is shorter than its delay, or that
  /// is compacted. With a pattern, the retry topics are created before each matching topic is read.
  /// A failure is then reported as Failure::Kind::subscription. The topic is not read, and each
  /// later search for topics tries again.
  std::vector<std::chrono::milliseconds> retry_topics = {};
  /// Default: empty, TOPIC.GROUP. The names of the retry topics and of the topic for dead letters
  /// begin with this prefix; the latter is PREFIX.dlt. Subscriptions with other topics or groups
  /// must not use the same prefix. If it is set, all topics of the subscription share these topics.
  std::string retry_prefix = {};
  /// Default: none. Decides what the library does with each failed message. With a group, the topic
  /// for dead letters is created as under FailurePolicy::dead_letter.
  FailureDecision failure_decision = nullptr;
  /// Default: none. Called with each message before it is decoded and before the middlewares run,
  /// and again for each retry. A message for which it returns false is not handled. That message is
  /// acknowledged, even if auto_ack is false, and counted in dohle_filtered_messages_total. An
  /// exception that the filter throws is a failure of the message. A filtered message counts for
  /// batch_size.
  EventFilter filter = nullptr;
  /// Default: none. Called with partitions that the subscription starts to read, before it reads
  /// them. With a group these are the assigned partitions. Without a group these are all
  /// partitions, and later the partitions that are added.
  ///
  /// This and the next three functions are called one at a time on the thread that reads for the
  /// subscription; that thread reads nothing meanwhile. Each has to return within rebalance_timeout
  /// and max_poll_interval. They receive partitions of the subscription's topics, not of retry
  /// topics. The first call may come before subscribe has returned the Subscriber. The functions
  /// may call the Subscriber: `seek` and `pause` take effect before the next message is read, and
  /// `unsubscribe` only requests the end. An exception goes to the error handler
  /// (Failure::Kind::subscription).
  PartitionsHandler on_assigned = nullptr;
  /// Default: none. Called with partitions that the subscription gives up: to another member of the
  /// group, or at its end, also without a group. Before the call, their handlers have ended or
  /// rebalance_timeout has passed. During the call the partitions are still owned, so events may be
  /// acknowledged. Acknowledged messages are committed after the call.
  PartitionsHandler on_revoked = nullptr;
  /// Default: none. Called instead of on_revoked with partitions that are lost: the group continued
  /// without this member. Nothing is committed for them, and an ack returns not_owner.
  PartitionsHandler on_lost = nullptr;
  /// Default: none. Called when no message has come for idle_after while at least one partition is
  /// assigned. The subscription is not idle while a message waits for a handler or is being
  /// handled. A subscription whose partitions are all paused becomes idle. The function is called
  /// once. It is called again only after another message has come, or after the subscription has
  /// lost all partitions and was assigned new ones.
  std::function<void()> on_idle = nullptr;
  /// Default: 1 s. 1 ms to 1 day. See on_idle. Not allowed without it.
  std::optional<std::chrono::milliseconds> idle_after = {};
  /// As `BrokerOptions::codec`. If absent, the broker's value applies.
  std::optional<std::string> codec = {};
  /// As `BrokerOptions::content_type`. If absent, the broker's value applies.
  std::optional<bool> content_type = {};
  /// As `BrokerOptions::failure_policy`. If absent, the broker's value applies.
  std::optional<FailurePolicy> failure_policy = {};
  /// Default: 1 min. 0 to 1 day; with 0 the report comes when the handler returns. If auto_ack is
  /// false, an event that is not acknowledged within this time after its handler returned is
  /// reported to the error handler, once. If absent, it is never reported.
  std::optional<std::chrono::milliseconds> ack_timeout = std::chrono::milliseconds(60'000);
  /// Default: 10,000 messages and 64 MiB. At least 1. The most messages and bytes of one partition
  /// that are handed out and not acknowledged. At either bound the partition pauses until some are
  /// acknowledged.
  std::size_t max_unacknowledged = 10'000;
  /// See max_unacknowledged.
  std::size_t max_unacknowledged_bytes = std::size_t{64} << 20;
  /// Default: none. Middlewares that run inside the broker's own. The first is the outermost.
  std::vector<SubscribeMiddleware> middlewares = {};
  /// Default: none. The topic that is created before the subscription starts, unless it exists.
  std::optional<AutoCreateTopic> auto_create_topic = {};
  /// Default: none, all partitions or the group's share are read. If set, only this partition is
  /// read, without a group. The subscription then has to read one topic that is given by its name.
  PartitionId partition = {};
  /// As `BrokerOptions::start_offset`. If absent, the broker's value applies.
  std::optional<StartOffset> start_offset = {};
  /// As `BrokerOptions::queue_capacity`. If absent, the broker's value applies.
  std::optional<std::size_t> queue_capacity = {};
  /// As `BrokerOptions::min_bytes`. If absent, the broker's value applies.
  std::optional<std::size_t> min_bytes = {};
  /// As `BrokerOptions::max_bytes`. If absent, the broker's value applies.
  std::optional<std::size_t> max_bytes = {};
  /// As `BrokerOptions::max_wait`. If absent, the broker's value applies.
  std::optional<std::chrono::milliseconds> max_wait = {};
  // The next six need a group: without one they are configuration errors.

  /// As `BrokerOptions::heartbeat_interval`. If absent, the broker's value applies.
  std::optional<std::chrono::milliseconds> heartbeat_interval = {};
  /// As `BrokerOptions::session_timeout`. If absent, the broker's value applies.
  std::optional<std::chrono::milliseconds> session_timeout = {};
  /// As `BrokerOptions::rebalance_timeout`. If absent, the broker's value applies.
  std::optional<std::chrono::milliseconds> rebalance_timeout = {};
  /// As `BrokerOptions::max_poll_interval`. If absent, the broker's value applies.
  std::optional<std::chrono::milliseconds> max_poll_interval = {};
  /// As `BrokerOptions::commit_interval`. If absent, the broker's value applies.
  std::optional<std::chrono::milliseconds> commit_interval = {};
  /// As `BrokerOptions::retention_time`. If absent, the broker's value applies.
  std::optional<std::chrono::milliseconds> retention_time = {};
  /// As `BrokerOptions::read_batch_timeout`. If absent, the broker's value applies.
  std::optional<std::chrono::milliseconds> read_batch_timeout = {};
  /// As `BrokerOptions::read_lag_interval`. If absent, the broker's value applies.
  std::optional<std::chrono::milliseconds> read_lag_interval = {};
  /// As `BrokerOptions::read_lag_handler`. If absent, the broker's value applies.
  ReadLagHandler read_lag_handler = nullptr;
  /// As `BrokerOptions::max_attempts`. If absent, the broker's value applies.
  std::optional<std::int32_t> max_attempts = {};
  /// As `BrokerOptions::read_backoff_min`. If absent, the broker's value applies.
  std::optional<std::chrono::milliseconds> read_backoff_min = {};
  /// As `BrokerOptions::read_backoff_max`. If absent, the broker's value applies.
  std::optional<std::chrono::milliseconds> read_backoff_max = {};
  /// Default: no field is set. Each field that is set replaces the member with the same meaning.
  kafka::ReaderConfig reader_config = {};
  /// As `BrokerOptions::consumer_options`. If absent, the broker's value applies.
  std::function<void(ConsumerOptions&)> consumer_options = nullptr;
};

/// Sets fields of SubscribeOptions. The `with_*` functions return it.
using SubscribeOption = std::function<void(SubscribeOptions&)>;

}  // namespace v0
}  // namespace dohle

namespace dohle::messaging {
class BrokerRuntime;
class PullReceiver;
class Subscription;
struct BrokerAccess;

/// Whether each is an option of that options struct.
template <class Options, class... Setters>
inline constexpr bool are_options =
    (std::convertible_to<Setters, std::function<void(Options&)>> && ...);

template <class Options, class... Setters>
Options options_of(Setters&&... setters) {
  Options options;
  (std::function<void(Options&)>(std::forward<Setters>(setters))(options), ...);
  return options;
}

/// A request takes options of its own, those of a publish, a bare timeout, and a stop.
template <class T>
concept SetsRequest =
    std::convertible_to<T, RequestOption> || std::convertible_to<T, PublishOption> ||
    std::convertible_to<T, std::chrono::milliseconds> || std::convertible_to<T, std::stop_token>;
inline void take_stop(std::stop_token& stop, const std::stop_token& given) {
  stop = given;
}
template <class Other>
void take_stop(std::stop_token& /*stop*/, const Other& /*given*/) {}
template <SetsRequest Setter>
void set_request(RequestOptions& options, Setter&& setter) {
  if constexpr (std::convertible_to<Setter, std::stop_token>) {
    // stop_among returns it.
  } else if constexpr (std::convertible_to<Setter, std::chrono::milliseconds>) {
    options.timeout = setter;
  } else if constexpr (std::convertible_to<Setter, RequestOption>) {
    RequestOption(std::forward<Setter>(setter))(options);
  } else {
    PublishOption(std::forward<Setter>(setter))(options.publish);
  }
}
template <class... Setters>
RequestOptions request_options(Setters&&... setters) {
  RequestOptions options;
  (set_request(options, std::forward<Setters>(setters)), ...);
  return options;
}
/// The stop among them.
template <class... Setters>
std::stop_token stop_among(const Setters&... setters) {
  std::stop_token stop;
  (take_stop(stop, setters), ...);
  return stop;
}

/// Values that are published through their codec.
template <class T>
concept TypedValue =
    !std::convertible_to<const T&, std::string_view> && !std::derived_from<T, Message> &&
    !std::convertible_to<const T&, std::span<const Message>>;
/// The first of several options, and no whole struct of them.
template <class T, class Options>
concept FirstOption = !std::same_as<std::remove_cvref_t<T>, Options>;
}  // namespace dohle::messaging

namespace dohle {
inline namespace v0 {

/// A subscription without a handler; see dohle/pull_subscriber.hpp.
template <class T = RawEvent>
class PullSubscriber;

/// A running subscription. It reads messages and calls its handler on threads of its own.
///
/// Lifetime: move-only; it ends with this object, with unsubscribe(), or with its broker's
/// disconnect(), whichever is first. Thread safety: any thread, but not while it is being moved.
class DOHLE_API Subscriber {
 public:
  Subscriber(Subscriber&&) noexcept;
  /// First ends the subscription that it held, as the destructor does.
  Subscriber& operator=(Subscriber&&) noexcept;
  /// As unsubscribe() with 5 s; its error goes to the error handler. It does not wait after an
  /// unsubscribe that timed out.
  ~Subscriber();

  /// The topic that it reads. For several topics or a pattern, the text of Topics::to_string. Valid
  /// while the Subscriber lives.
  [[nodiscard]] const std::string& topic() const;
  /// The options in effect. Valid while this object lives.
  [[nodiscard]] const SubscribeOptions& options() const;

  /// Waits until the assignment and the position of each assigned partition are known. The
  /// assignment may be empty, for example while no topic matches a pattern. Errors: timed_out, with
  /// the last failure; closed; would_deadlock on the client's thread and on the thread that reads
  /// for the subscription.
  Result<void> wait_ready(std::chrono::milliseconds timeout);
  /// The same, but a requested stop ends the wait at once; the subscription goes on. Errors: also
  /// cancelled after the stop.
  Result<void> wait_ready(std::chrono::milliseconds timeout, const std::stop_token& stop);

  /// The messages that hold their partitions, ordered by topic, partition and offset: messages that
  /// failed under FailurePolicy::hold, and messages that were not acknowledged within ack_timeout.
  /// To skip one, acknowledge Failure::event in the error handler, subscribe with
  /// FailurePolicy::skip, or end the subscription and move the group's offset past it. Empty once
  /// the subscription has ended. At most max_unacknowledged per partition.
  [[nodiscard]] std::vector<HeldMessage> held() const;

  /// How far reading is behind, according to the last answers to fetches. Sends no request. There
  /// are no partitions in it before the first fetch and after the subscription has ended. Any
  /// thread.
  [[nodiscard]] ReadLag lag() const;

  /// The partitions of its topics that it reads now, ordered by topic and partition. Partitions of
  /// retry topics are not included. Empty after the subscription has ended.
  [[nodiscard]] std::vector<TopicPartition> assignment() const;
  /// The offset after the last message of that partition that was read for a handler. Sends no
  /// request. Errors: not_owner if the partition is not assigned; no_offset until it is known.
  [[nodiscard]] Result<Offset> position(const TopicPartition& partition) const;
  /// The offset that the subscription committed last in that partition since the partition was
  /// assigned. Sends no request. Errors: not_owner if the partition is not assigned; no_offset if
  /// it committed nothing yet.
  [[nodiscard]] Result<Offset> committed(const TopicPartition& partition) const;

  /// Stops reading all partitions until resume(), including partitions that are assigned later. The
  /// subscription stays in its group. Messages that were read before, at most queue_capacity, are
  /// still handled. Errors: closed.
  Result<void> pause();
  /// Ends pause(). Partitions that were paused one by one stay paused. Errors: closed.
  Result<void> resume();
  /// Stops reading that partition until it is resumed or assigned again. Errors: not_owner if the
  /// partition is not assigned; closed.
  Result<void> pause(const TopicPartition& partition);
  /// Ends pause(partition). Errors: as pause.
  Result<void> resume(const TopicPartition& partition);
  /// Continues that partition at `offset`, which is at least 0. The partition counts as assigned
  /// again: messages that wait for a handler are dropped, an ack of an earlier message returns
  /// not_owner, and later commits cover the messages from `offset` on. If the offset does not
  /// exist, reading continues at start_offset. Errors: invalid_argument; not_owner if the partition
  /// is not assigned; closed.
  Result<void> seek(const TopicPartition& partition, Offset offset);

  // The same functions for a subscription to one topic that is given by its name.

  /// As position(TopicPartition). Errors: also invalid_argument if the subscription reads several
  /// topics or a pattern. The next four functions return this error, too.
  [[nodiscard]] Result<Offset> position(PartitionId partition) const;
  /// As committed(TopicPartition).
  [[nodiscard]] Result<Offset> committed(PartitionId partition) const;
  /// As pause(TopicPartition).
  Result<void> pause(PartitionId partition);
  /// As resume(TopicPartition).
  Result<void> resume(PartitionId partition);
  /// As seek(TopicPartition).
  Result<void> seek(PartitionId partition, Offset offset);

  /// Stops reading, waits for running handlers, commits the acknowledged messages and leaves the
  /// group. Inside a handler of this subscription, its error handler, or a callback on the client's
  /// thread, it only requests the end and returns. The subscription then ends after that function
  /// has returned. Idempotent. Errors: timed_out if a handler or a request is still running (the
  /// subscription's threads are then detached); the error of the last commit.
  Result<void> unsubscribe(std::chrono::milliseconds timeout = std::chrono::seconds(30));

 protected:
  /// Returns true if the receiver has taken a message.
  Result<bool> next_event(std::chrono::milliseconds timeout, messaging::PullReceiver& receiver,
                          const std::stop_token& stop);

 private:
  friend struct messaging::BrokerAccess;
  explicit Subscriber(std::shared_ptr<messaging::Subscription> subscription);
  [[nodiscard]] Result<TopicPartition> of_only_topic(PartitionId partition,
                                                     std::string_view call) const;

  std::shared_ptr<messaging::Subscription> subscription_;
};

/// Publishes and subscribes. `kafka::new_broker` makes it; connect() connects it.
///
/// Lifetime: move-only; its subscriptions end with it at the latest. Thread safety: any thread, but
/// not while it is being moved.
class DOHLE_API Broker {
 public:
  Broker(Broker&&) noexcept;
  /// First disconnects the Broker that it held, as the destructor does.
  Broker& operator=(Broker&&) noexcept;
  /// As disconnect() with 5 s; its error is logged.
  ~Broker();

  /// "kafka".
  [[nodiscard]] std::string_view name() const;
  /// The options in effect. Valid while this object lives.
  [[nodiscard]] const kafka::BrokerOptions& options() const;
  /// The addresses, separated by commas.
  [[nodiscard]] std::string address() const;

  /// Changes options before connect(), or after a connect() that failed. If it fails, it changes
  /// none. No other thread may use this Broker meanwhile. Errors: configuration, also for a change
  /// after connect(), with the names of the options.
  template <class... Options>
  Result<void> init(Options&&... options) {
    static_assert(messaging::are_options<kafka::BrokerOptions, Options...>,
                  "dohle: init takes options of a broker: with_* functions that set a member of "
                  "BrokerOptions");
    if constexpr (messaging::are_options<kafka::BrokerOptions, Options...>) {
      return apply({BrokerOption(std::forward<Options>(options))...});
    }
  }

  /// Connects, and waits until a server has answered with the cluster's metadata. An `embedded:`
  /// address starts the node, or joins the one that runs in this process under that address;
  /// `timeout` does not limit the recovery of its data. After success a further call does nothing;
  /// after a failure connect may be called again. Errors: timed_out or connection_failed with the
  /// reason for each address; closed after disconnect; the errors of Node::start for an embedded
  /// node.
  Result<void> connect(std::chrono::milliseconds timeout = std::chrono::seconds(30));

  /// Publishes a message as it is. An asynchronous publish (the default) returns once the message
  /// is in its batch. It waits only for the metadata of a topic that it has not published to
  /// before, and while memory is full, for both together at most the producer's max_block (60 s). A
  /// synchronous publish returns when the message is acknowledged. The Delivery may be ignored: a
  /// failure whose outcome was not read is reported to the error handler. If the Delivery outlives
  /// the Broker, the failure is only counted in the report of flush or disconnect. On the client's
  /// thread publish never waits. It returns would_block when memory is full, and would_deadlock for
  /// a topic without known metadata and for a synchronous publish, which then sends nothing.
  /// Errors: not_connected; closed; no_such_topic (after 1.5 s, because servers learn of a new
  /// topic with a delay; with `embedded:` at once); no_such_partition; timed_out; buffer_full;
  /// too_large; configuration (options that exclude each other); the error that a middleware
  /// returned. A synchronous publish also returns the failure of the message.
  Result<Delivery> publish(std::string_view topic, Message message, PublishOptions options = {});
  /// Publishes text or bytes unchanged, with the codec "raw".
  Result<Delivery> publish(std::string_view topic, std::string_view body, PublishOptions options);
  /// The same with the Broker's options alone. It costs least.
  Result<Delivery> publish(std::string_view topic, std::string_view body);
  /// Publishes a value through a codec of its type: the codec that body_codec or codec names,
  /// otherwise the first. Errors: also codec_failed; configuration if the type has no codec of that
  /// name.
  template <messaging::TypedValue T>
  Result<Delivery> publish(std::string_view topic, const T& value, PublishOptions options = {}) {
    static_assert(Encodable<T>,
                  "dohle: publish: the type of the value has no dohle::Codec that encodes; include "
                  "the header of a codec, for example dohle/codec/json.hpp, or specialise "
                  "dohle::Codec");
    if constexpr (Encodable<T>) {
      return publish_encoded(topic, messaging::encodings<T>, &value, std::move(options));
    }
  }
  /// The same with `with_*` options: `publish("t", value, with_message_key("k"))`.
  template <class T, messaging::FirstOption<PublishOptions> First, class... Options>
    requires(!std::convertible_to<T, std::span<const Message>>)
  Result<Delivery> publish(std::string_view topic, T&& value, First&& first, Options&&... options) {
    static_assert(messaging::are_options<PublishOptions, First, Options...>,
                  "dohle: publish: the arguments after the value have to be options of a publish: "
                  "with_* functions that set a member of PublishOptions");
    if constexpr (messaging::are_options<PublishOptions, First, Options...>) {
      return publish(topic, std::forward<T>(value),
                     messaging::options_of<PublishOptions>(std::forward<First>(first),
                                                           std::forward<Options>(options)...));
    }
  }

  /// Publishes messages in their order, and returns one result for each message, in the same order.
  /// The failure of one message does not stop the others. A synchronous call adds all messages to
  /// their batches before it waits, so that they share requests. Its results are the outcomes, with
  /// a Delivery for each stored message. `timeout` then applies to the whole call, and middlewares
  /// see each message as one of an asynchronous publish. Errors of a result: those of publish.
  std::vector<Result<Delivery>> publish(std::string_view topic, std::span<const Message> messages,
                                        PublishOptions options = {});
  /// The same with `with_*` options.
  template <messaging::FirstOption<PublishOptions> First, class... Options>
  std::vector<Result<Delivery>> publish(std::string_view topic, std::span<const Message> messages,
                                        First&& first, Options&&... options) {
    static_assert(messaging::are_options<PublishOptions, First, Options...>,
                  "dohle: publish: the arguments after the messages have to be options of a "
                  "publish: with_* functions that set a member of PublishOptions");
    if constexpr (messaging::are_options<PublishOptions, First, Options...>) {
      return publish(topic, messages,
                     messaging::options_of<PublishOptions>(std::forward<First>(first),
                                                           std::forward<Options>(options)...));
    }
  }

  /// As an asynchronous publish of a value, text or a Message, with a future for its outcome. The
  /// future also receives a failure to publish. `async` = false has no effect: the call waits only
  /// where an asynchronous publish does. It must not be awaited on the client's thread. Errors:
  /// those of publish, and the message's own; configuration if the options have a callback;
  /// cancelled if a middleware kept the message.
  template <class T>
    requires(!std::convertible_to<const T&, std::span<const Message>>)
  [[nodiscard]] std::future<Result<Receipt>> publish_future(std::string_view topic, const T& value,
                                                            PublishOptions options = {}) {
    const auto promise = std::make_shared<messaging::ReceiptPromise>();
    auto future = promise->future();
    if (options.callback) {
      promise->set(fail(
          Error::configuration("callback is set; the future of publish_future takes its place")));
      return future;
    }
    options.async = true;
    options.callback = [promise](const Result<Receipt>& receipt) { promise->set(receipt); };
    const auto sent = publish(topic, value, std::move(options));
    if (!sent) promise->set(fail(sent.error()));
    return future;
  }

  /// Calls `handler` with every message of the topic, of several topics, or of the topics that
  /// match a pattern (see Topics), decoded to a T. The handler takes an `Event<T>`, a `T` (or
  /// `const T&`), or a `T` and a `RawEvent`; it returns void or `Result<void>`. With concurrency
  /// above 1 it runs on several threads at a time. A handler that takes an Event<T> receives a
  /// tombstone as an Event without a value. For a handler that takes a T a tombstone is a decode
  /// failure. Errors: not_connected; closed; configuration; handler_failed (a middleware threw or
  /// returned no handler); the error of creating auto_create_topic, retry topics or the topic for
  /// dead letters. Apart from these, a connection failure is not an error of subscribe: the
  /// subscription retries and reports it to the error handler.
  template <class T, class Handler>
  [[nodiscard]] Result<Subscriber> subscribe(Topics topics, Handler handler,
                                             SubscribeOptions options = {}) {
    static_assert(Decodable<T>,
                  "dohle: subscribe: the type of the messages has no dohle::Codec that decodes; "
                  "include the header of a codec, for example dohle/codec/json.hpp, or specialise "
                  "dohle::Codec");
    static_assert(!Decodable<T> || messaging::TypedHandler<Handler, T>,
                  "dohle: subscribe: the handler of subscribe<T> takes an Event<T>, a T, or a T "
                  "and a RawEvent, and returns void or Result<void>");
    if constexpr (Decodable<T> && messaging::TypedHandler<Handler, T>) {
      const auto decoding = choose_decoding(messaging::codec_names<T>, options);
      if (!decoding) return fail(decoding.error());
      return subscribe_raw(std::move(topics), messaging::typed<T>(std::move(handler), *decoding),
                           std::move(options));
    }
  }
  template <class T, class Handler, messaging::FirstOption<SubscribeOptions> First,
            class... Options>
  [[nodiscard]] Result<Subscriber> subscribe(Topics topics, Handler handler, First&& first,
                                             Options&&... options) {
    static_assert(messaging::are_options<SubscribeOptions, First, Options...>,
                  "dohle: subscribe: the arguments after the handler have to be options of a "
                  "subscription: with_* functions that set a member of SubscribeOptions");
    if constexpr (messaging::are_options<SubscribeOptions, First, Options...>) {
      return subscribe<T>(std::move(topics), std::move(handler),
                          messaging::options_of<SubscribeOptions>(
                              std::forward<First>(first), std::forward<Options>(options)...));
    }
  }
  /// The same without decoding: the handler takes a RawEvent.
  template <class Handler>
    requires(messaging::RawHandler<Handler> || !Decodable<Handler>)
  [[nodiscard]] Result<Subscriber> subscribe(Topics topics, Handler handler,
                                             SubscribeOptions options = {}) {
    static_assert(messaging::RawHandler<Handler>,
                  "dohle: subscribe: the handler of subscribe without a type takes a RawEvent and "
                  "returns void or Result<void>; subscribe<T> decodes the messages to a T");
    if constexpr (messaging::RawHandler<Handler>) {
      return subscribe_raw(std::move(topics), messaging::raw(std::move(handler)),
                           std::move(options));
    }
  }
  template <class Handler, messaging::FirstOption<SubscribeOptions> First, class... Options>
    requires(messaging::RawHandler<Handler> || !Decodable<Handler>)
  [[nodiscard]] Result<Subscriber> subscribe(Topics topics, Handler handler, First&& first,
                                             Options&&... options) {
    static_assert(messaging::are_options<SubscribeOptions, First, Options...>,
                  "dohle: subscribe: the arguments after the handler have to be options of a "
                  "subscription: with_* functions that set a member of SubscribeOptions");
    if constexpr (messaging::are_options<SubscribeOptions, First, Options...>) {
      return subscribe(std::move(topics), std::move(handler),
                       messaging::options_of<SubscribeOptions>(std::forward<First>(first),
                                                               std::forward<Options>(options)...));
    }
  }

  /// Calls `handler` with batches of the topic's messages, decoded to a T. The handler takes a
  /// `std::span<Event<T>>` and returns void or `Result<void>`; it may move events out. A batch is
  /// handled when it has batch_size messages, or when its first message has waited for
  /// batch_interval. With a concurrency of n, up to n batches are handled at a time. Each key
  /// belongs to one of n lanes; for messages without a key, each partition does. A lane handles one
  /// batch after the other. So messages of a key are handled in their order, and retries in place
  /// delay their lane.
  ///
  /// The handler may acknowledge or nack each event. With auto_ack, its success acknowledges the
  /// events that are still pending. Its failure counts for each event that is still pending: each
  /// is retried, in a batch again, and failure_policy applies to each. A message that cannot be
  /// decoded fails alone, and is not in the batch. Middlewares run for each message before its
  /// batch is handled: `next` puts the message into the batch and returns success. A message for
  /// which a middleware fails, or does not call `next`, is not in the batch. Errors: those of
  /// subscribe.
  template <class T, class Handler>
  [[nodiscard]] Result<Subscriber> subscribe_batch(Topics topics, Handler handler,
                                                   SubscribeOptions options = {}) {
    static_assert(Decodable<T>,
                  "dohle: subscribe_batch: the type of the messages has no dohle::Codec that "
                  "decodes; include the header of a codec, for example dohle/codec/json.hpp, or "
                  "specialise dohle::Codec");
    static_assert(!Decodable<T> || messaging::TypedBatchHandler<Handler, T>,
                  "dohle: subscribe_batch: the handler of subscribe_batch<T> takes a "
                  "std::span<Event<T>> and returns void or Result<void>");
    if constexpr (Decodable<T> && messaging::TypedBatchHandler<Handler, T>) {
      const auto decoding = choose_decoding(messaging::codec_names<T>, options);
      if (!decoding) return fail(decoding.error());
      return subscribe_raw_batch(std::move(topics),
                                 messaging::typed_batch<T>(std::move(handler), *decoding),
                                 std::move(options));
    }
  }
  /// The same with `with_*` options, for example `with_subscribe_batch_size(500)`.
  template <class T, class Handler, messaging::FirstOption<SubscribeOptions> First,
            class... Options>
  [[nodiscard]] Result<Subscriber> subscribe_batch(Topics topics, Handler handler, First&& first,
                                                   Options&&... options) {
    check_subscribe_options<First, Options...>();
    if constexpr (messaging::are_options<SubscribeOptions, First, Options...>) {
      return subscribe_batch<T>(std::move(topics), std::move(handler),
                                messaging::options_of<SubscribeOptions>(
                                    std::forward<First>(first), std::forward<Options>(options)...));
    }
  }
  /// The same without decoding: the handler takes a std::span<RawEvent>.
  template <class Handler>
    requires(messaging::RawBatchHandler<Handler> || !Decodable<Handler>)
  [[nodiscard]] Result<Subscriber> subscribe_batch(Topics topics, Handler handler,
                                                   SubscribeOptions options = {}) {
    static_assert(messaging::RawBatchHandler<Handler>,
                  "dohle: subscribe_batch: the handler of subscribe_batch without a type takes a "
                  "std::span<RawEvent> and returns void or Result<void>; subscribe_batch<T> "
                  "decodes the messages to a T");
    if constexpr (messaging::RawBatchHandler<Handler>) {
      return subscribe_raw_batch(std::move(topics), messaging::raw_batch(std::move(handler)),
                                 std::move(options));
    }
  }
  template <class Handler, messaging::FirstOption<SubscribeOptions> First, class... Options>
    requires(messaging::RawBatchHandler<Handler> || !Decodable<Handler>)
  [[nodiscard]] Result<Subscriber> subscribe_batch(Topics topics, Handler handler, First&& first,
                                                   Options&&... options) {
    check_subscribe_options<First, Options...>();
    if constexpr (messaging::are_options<SubscribeOptions, First, Options...>) {
      return subscribe_batch(std::move(topics), std::move(handler),
                             messaging::options_of<SubscribeOptions>(
                                 std::forward<First>(first), std::forward<Options>(options)...));
    }
  }

  /// Subscribes without a handler: the program takes the messages with PullSubscriber::next. They
  /// are decoded to a T; for RawEvent (the default) they are not decoded. Needs
  /// dohle/pull_subscriber.hpp, which dohle/kafka.hpp includes. A message fails if it cannot be
  /// decoded, if a middleware refuses it, or if the program calls nack. Retries, retry topics and
  /// failure_policy then apply to it as with a handler; for a retry in place, next returns the
  /// message again. `concurrency` and the options of batches are not allowed. Any number of threads
  /// may call next. Errors: those of subscribe.
  template <class T = RawEvent>
  [[nodiscard]] Result<PullSubscriber<T>> subscribe_pull(Topics topics,
                                                         SubscribeOptions options = {});
  /// The same with `with_*` options, for example `with_group_id("g")`.
  template <class T = RawEvent, messaging::FirstOption<SubscribeOptions> First, class... Options>
  [[nodiscard]] Result<PullSubscriber<T>> subscribe_pull(Topics topics, First&& first,
                                                         Options&&... options) {
    static_assert(messaging::are_options<SubscribeOptions, First, Options...>,
                  "dohle: subscribe_pull: the arguments after the topic have to be options of a "
                  "subscription: with_* functions that set a member of SubscribeOptions; only "
                  "subscribe takes a handler");
    if constexpr (messaging::are_options<SubscribeOptions, First, Options...>) {
      return subscribe_pull<T>(std::move(topics),
                               messaging::options_of<SubscribeOptions>(
                                   std::forward<First>(first), std::forward<Options>(options)...));
    }
  }

  /// The current counts of this Broker, its subscriptions and the Client under it;
  /// docs/observability.md lists the metrics. Sends no request. Empty if `BrokerOptions::metrics`
  /// is false, in a child of fork() and for a Broker that was moved from. Before connect() the
  /// Client's metrics are missing.
  [[nodiscard]] MetricsSnapshot metrics() const;

  /// Sends a request and waits for its reply. The request is a value, text, or a Message; the reply
  /// is decoded to a Reply, or is a Message with its headers. Requests are published with the
  /// headers of spring-kafka (kafka_replyTopic, kafka_replyPartition, kafka_correlationId) and
  /// dohle-deadline. Replies are read from one partition of the reply topic, without a group. The
  /// first request to a reply topic waits until that partition's end is known. A request may also
  /// wait for metadata and memory, as publish does. Errors: timed_out if no reply came in time (the
  /// request may have been handled); handler_failed with the responder's message; limit_reached
  /// above max_requests; would_deadlock on the client's thread and in the callback of a request;
  /// those of publish, also for the topic of the replies; cancelled if the broker disconnects;
  /// codec_failed.
  template <class Reply, class Request>
  [[nodiscard]] Result<Reply> request(std::string_view topic, const Request& value,
                                      RequestOptions options = {}) {
    return request<Reply>(topic, value, std::move(options), std::stop_token());
  }
  /// The same, but a requested stop ends the wait for the reply at once. After the stop nothing is
  /// sent. A request that was sent before stays sent, and its late reply is ignored. The waits
  /// before sending, of the first request to a reply topic and of publish, end at their deadline.
  /// Errors: also cancelled after the stop; the request is then possibly stored (Error::stored) if
  /// it was sent.
  template <class Reply, class Request>
  [[nodiscard]] Result<Reply> request(std::string_view topic, const Request& value,
                                      RequestOptions options, const std::stop_token& stop) {
    check_request_types<Reply, Request>();
    if constexpr (messaging::Receivable<Reply> && messaging::Sendable<Plain<Request>>) {
      const auto codec = choose_decoding(messaging::names_of<Reply>(), {});
      if (!codec) return fail(codec.error());
      std::optional<Result<Reply>> got;
      const auto sent = request_and_wait(
          topic, value, std::move(options),
          [&](RawEvent& reply) { got = messaging::read_value<Reply>(reply, *codec, "a reply"); },
          stop);
      if (!sent) return fail(sent.error());
      return *std::move(got);
    }
  }
  /// The same with `with_*` options. A duration among them is the timeout, and a std::stop_token
  /// the stop: `request<Price>("prices", order, 2s, with_message_key("k"), stop)`.
  template <class Reply, class Request, messaging::FirstOption<RequestOptions> First,
            class... Options>
  [[nodiscard]] Result<Reply> request(std::string_view topic, const Request& value, First&& first,
                                      Options&&... options) {
    check_request_options<First, Options...>();
    if constexpr (messaging::SetsRequest<First> && (messaging::SetsRequest<Options> && ...)) {
      const std::stop_token stop = messaging::stop_among(first, options...);
      return request<Reply>(
          topic, value,
          messaging::request_options(std::forward<First>(first), std::forward<Options>(options)...),
          stop);
    }
  }
  /// Sends a request and returns. `done` receives the reply or the failure, exactly once if
  /// request_async succeeds. It runs on the thread that reads the replies, on the client's thread
  /// after the deadline or a failed publish, or in disconnect. It must not block, and an exception
  /// that it throws is logged. Errors: the errors of request that prevent sending.
  template <class Reply, class Request>
  Result<void> request_async(std::string_view topic, const Request& value,
                             std::function<void(Result<Reply>)> done, RequestOptions options = {}) {
    check_request_types<Reply, Request>();
    if constexpr (messaging::Receivable<Reply> && messaging::Sendable<Plain<Request>>) {
      const auto codec = choose_decoding(messaging::names_of<Reply>(), {});
      if (!codec) return fail(codec.error());
      return send_request(topic, value, std::move(options),
                          messaging::receiver_of<Reply>(std::move(done), *codec));
    }
  }
  /// As request_async, with a future. The future also receives a failure to send. Errors: those of
  /// request.
  template <class Reply, class Request>
  [[nodiscard]] std::future<Result<Reply>> request_future(std::string_view topic,
                                                          const Request& value,
                                                          RequestOptions options = {}) {
    auto promise = std::make_shared<std::promise<Result<Reply>>>();
    auto future = promise->get_future();
    const auto sent = request_async<Reply>(
        topic, value, [promise](Result<Reply> reply) { promise->set_value(std::move(reply)); },
        std::move(options));
    if (!sent) promise->set_value(fail(sent.error()));
    return future;
  }

  /// Answers the requests of a topic. The handler takes a Request (a Message for bytes with
  /// headers), and optionally the RawEvent. It returns the reply, or a Result of it: a value, text
  /// or a Message. The reply is published to the partition that the request names, with its
  /// correlation id and key. The request is acknowledged after the reply is acknowledged. So a
  /// request may be handled again; its requester ignores a second reply. A handler that fails, and
  /// a request that cannot be decoded, are answered with an error (header dohle-error) and reported
  /// to the error handler. A request whose deadline has passed is skipped. If its reply topic or
  /// partition no longer exists, the reply is dropped and counted. The failure policy applies to a
  /// message without a reply topic, and to a request whose reply cannot be stored for another
  /// reason. `auto_ack` has to be true. `max_retries` and `retry_delay` apply to replies that
  /// cannot be stored. `codec` and `content_type` apply to requests and replies. Errors: those of
  /// subscribe.
  template <class Request, class Handler>
  [[nodiscard]] Result<Subscriber> reply(Topics topics, Handler handler,
                                         SubscribeOptions options = {}) {
    static_assert(messaging::Receivable<Request>,
                  "dohle: reply: the type of the requests has no dohle::Codec that decodes; "
                  "include the header of a codec, for example dohle/codec/json.hpp, or specialise "
                  "dohle::Codec");
    static_assert(!messaging::Receivable<Request> || messaging::Answers<Handler, Request>,
                  "dohle: reply: the handler of reply<Request> takes a Request, or a Request and a "
                  "const RawEvent&, and returns the reply or a Result of it; the reply is a "
                  "Message or has a dohle::Codec that encodes");
    if constexpr (messaging::Receivable<Request> && messaging::Answers<Handler, Request>) {
      using Reply = messaging::ReplyOf<Handler, Request>;
      const auto of_request = choose_decoding(messaging::names_of<Request>(), options);
      if (!of_request) return fail(of_request.error());
      const auto of_reply = choose_decoding(messaging::names_of<Reply>(), options);
      if (!of_reply) return fail(of_reply.error());
      return reply_raw(std::move(topics),
                       messaging::reply_maker<Request>(std::move(handler), *of_request, *of_reply),
                       std::move(options));
    }
  }
  template <class Request, class Handler, messaging::FirstOption<SubscribeOptions> First,
            class... Options>
  [[nodiscard]] Result<Subscriber> reply(Topics topics, Handler handler, First&& first,
                                         Options&&... options) {
    static_assert(messaging::are_options<SubscribeOptions, First, Options...>,
                  "dohle: reply: the arguments after the handler have to be options of a "
                  "subscription: with_* functions that set a member of SubscribeOptions");
    if constexpr (messaging::are_options<SubscribeOptions, First, Options...>) {
      return reply<Request>(std::move(topics), std::move(handler),
                            messaging::options_of<SubscribeOptions>(
                                std::forward<First>(first), std::forward<Options>(options)...));
    }
  }
  /// The counts of requests and replies so far. Any thread.
  [[nodiscard]] RequestCounts request_counts() const;

  /// The Client under this Broker, for functions that a Broker does not have. Its producers,
  /// consumers and admins use the Broker's connections and thread, and end with disconnect.
  /// Client::close also closes the Broker's connections. Errors: not_connected; closed; forked.
  Result<Client> client();

  /// Sends all published messages and waits until each has an outcome. Returns how many failed
  /// since the last flush, including failures that were reported elsewhere. Errors: not_connected,
  /// timed_out, would_deadlock.
  Result<FlushReport> flush(std::chrono::milliseconds timeout = std::chrono::seconds(30));
  /// The same, but a requested stop ends the wait at once. The messages are sent all the same, and
  /// the next flush reports their failures. Errors: also cancelled after the stop.
  Result<FlushReport> flush(std::chrono::milliseconds timeout, const std::stop_token& stop);

  /// Delivers the published messages, ends the subscriptions (as unsubscribe does), delivers or
  /// fails the messages that their handlers published meanwhile, and closes the connections.
  /// Returns how many messages failed since the last flush. A handler that does not return delays
  /// it until the deadline; messages that were published before are delivered nevertheless. The
  /// last Broker of an embedded node closes the node; `timeout` does not limit the time in which
  /// the node makes its data durable. Inside a handler, an error handler or a callback on the
  /// client's thread it only requests the end and returns. Call it again outside, or let the
  /// destructor do the rest. Idempotent; a Broker cannot connect again. Errors: timed_out; the
  /// first error of these steps.
  Result<FlushReport> disconnect(std::chrono::milliseconds timeout = std::chrono::seconds(30));

 private:
  friend struct messaging::BrokerAccess;
  explicit Broker(std::shared_ptr<messaging::BrokerRuntime> inside);
  Result<void> apply(std::vector<BrokerOption> options);
  Result<Delivery> publish_encoded(std::string_view topic,
                                   std::span<const messaging::Encoding> encodings,
                                   const void* value, PublishOptions options);
  [[nodiscard]] Result<messaging::DecodingChoice> choose_decoding(
      std::span<const messaging::CodecName> codecs, const SubscribeOptions& given) const;
  Result<Subscriber> subscribe_raw(Topics topics, SubscribeHandler handler,
                                   SubscribeOptions options);
  Result<Subscriber> subscribe_raw_batch(Topics topics, messaging::BatchHandler handler,
                                         SubscribeOptions options);
  Result<Subscriber> subscribe_pull_raw(Topics topics, SubscribeOptions options);
  template <class... Options>
  static constexpr void check_subscribe_options() {
    static_assert(messaging::are_options<SubscribeOptions, Options...>,
                  "dohle: subscribe_batch: the arguments after the handler have to be options of a "
                  "subscription: with_* functions that set a member of SubscribeOptions");
  }

  /// The type that holds a request's body; text is held as a std::string.
  template <class T>
  using Plain = std::conditional_t<std::convertible_to<const T&, std::string_view>, std::string, T>;
  template <class Reply, class Request>
  static constexpr void check_request_types() {
    static_assert(messaging::Sendable<Plain<Request>>,
                  "dohle: request: the type of the request has no dohle::Codec that encodes; "
                  "include the header of a codec, for example dohle/codec/json.hpp, or specialise "
                  "dohle::Codec");
    static_assert(!messaging::Sendable<Plain<Request>> || messaging::Receivable<Reply>,
                  "dohle: request: the type of the reply has no dohle::Codec that decodes; include "
                  "the header of a codec, for example dohle/codec/json.hpp, or specialise "
                  "dohle::Codec");
  }
  template <class... Options>
  static constexpr void check_request_options() {
    static_assert(
        (messaging::SetsRequest<Options> && ...),
        "dohle: request: the arguments after the value have to be a timeout, a stop token "
        "and options of a request: with_* functions that set a member of RequestOptions "
        "or PublishOptions");
  }
  template <class Request>
  static messaging::RequestBody body_of(const Request& value) {
    if constexpr (std::same_as<Request, Message>) {
      return {.message = &value};
    } else {
      return {.encodings = messaging::encodings<Request>, .value = &value};
    }
  }
  template <class Request>
  Result<void> send_request(std::string_view topic, const Request& value, RequestOptions options,
                            messaging::ReplyReceiver receiver) {
    const Plain<Request>& plain = value;
    return send_request_body(topic, body_of<Plain<Request>>(plain), std::move(options),
                             std::move(receiver));
  }
  template <class Request>
  Result<void> request_and_wait(std::string_view topic, const Request& value,
                                RequestOptions options, const std::function<void(RawEvent&)>& read,
                                const std::stop_token& stop) {
    const Plain<Request>& plain = value;
    return request_body_and_wait(topic, body_of<Plain<Request>>(plain), std::move(options), read,
                                 stop);
  }
  Result<void> send_request_body(std::string_view topic, const messaging::RequestBody& body,
                                 RequestOptions options, messaging::ReplyReceiver receiver);
  Result<void> request_body_and_wait(std::string_view topic, const messaging::RequestBody& body,
                                     RequestOptions options,
                                     const std::function<void(RawEvent&)>& read,
                                     const std::stop_token& stop);
  Result<Subscriber> reply_raw(Topics topics, messaging::ReplyMaker maker,
                               SubscribeOptions options);

  std::shared_ptr<messaging::BrokerRuntime> inside_;
};

}  // namespace v0
}  // namespace dohle
