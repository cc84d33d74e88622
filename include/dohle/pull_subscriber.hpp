#pragma once

#include <chrono>
#include <concepts>
#include <optional>
#include <stop_token>
#include <string>
#include <type_traits>
#include <utility>

#include "dohle/broker.hpp"
#include "dohle/detail/pull_receiver.hpp"
#include "dohle/error.hpp"
#include "dohle/event.hpp"

namespace dohle {
inline namespace v0 {

/// A running subscription without a handler: the program takes the messages with next(), on its own
/// threads. Broker::subscribe_pull makes it. It also has the functions of a Subscriber.
///
///     auto reader = broker->subscribe_pull<Order>("orders", dohle::with_group_id("billing"));
///     while (true) {
///       auto order = reader->next(1s);
///       if (!order) return order.error();  // the subscription has ended
///       if (!*order) continue;             // no message within a second
///       bill((*order)->value());
///     }
///
/// Acknowledging: with auto_ack (the default) a message is acknowledged when the thread that took
/// it calls next again. Before that, the program may call `ack`, or `nack`, which counts as a
/// failed handler. With disable_auto_ack() only `ack` acknowledges, at any time and on any thread,
/// as after kafka-go's FetchMessage. Unlike kafka-go's ReadMessage, next never acknowledges the
/// message that it returns. So a message is delivered again if the program crashes while it handles
/// the message.
///
/// Order: next returns the messages of a partition in their order. A message that failed is
/// returned again before later messages that were not returned yet. With auto_ack, the next message
/// of a partition is returned only after the one before it is acknowledged or has failed. So
/// several threads handle several partitions in parallel; some partitions may share a lane and then
/// wait for each other. With `unordered`, this order holds for messages with the same key, and
/// messages without a key have no order.
///
/// In a group: with auto_ack a rebalance waits for the messages that threads have taken, at most
/// rebalance_timeout. The subscription leaves the group if no thread calls next for
/// max_poll_interval, or if with auto_ack a thread holds a message for that long. It joins again at
/// the next call.
///
/// Lifetime and thread safety: as Subscriber; any number of threads may call next.
template <class T>
class PullSubscriber : public Subscriber {
 public:
  /// The type of the messages: Event<T>, or RawEvent if T is RawEvent.
  using Pulled = std::conditional_t<std::same_as<T, RawEvent>, RawEvent, Event<T>>;

  /// Waits for the next message, at most `timeout`. With 0 it does not wait. Absent if there was no
  /// message to return in that time.
  ///
  /// Middlewares and the filter run inside this call. A message for which the filter returns false
  /// is acknowledged and not returned. A message that a middleware refuses, or that cannot be
  /// decoded, is not returned either: failure_policy applies to it, and the error handler runs
  /// inside this call, too.
  ///
  /// unsubscribe does not wait for messages that were taken and are not acknowledged; they are
  /// delivered again. Errors: closed after the subscription has ended, with the failure under
  /// FailurePolicy::stop (waiting threads return at once); would_deadlock on the client's thread,
  /// and inside the subscription's callbacks and middlewares; forked.
  Result<std::optional<Pulled>> next(std::chrono::milliseconds timeout) {
    return next(timeout, std::stop_token());
  }
  /// The same, but a requested stop ends the wait at once. Also a call after the stop acknowledges
  /// the message that its thread took before, with auto_ack, and takes none. Errors: also cancelled
  /// after the stop.
  Result<std::optional<Pulled>> next(std::chrono::milliseconds timeout,
                                     const std::stop_token& stop) {
    messaging::PullInto<T> receiver(decoding_);
    const auto handed = next_event(timeout, receiver, stop);
    if (!handed) return fail(handed.error());
    if (!*handed) return std::nullopt;
    return receiver.give();
  }

 private:
  friend class Broker;
  PullSubscriber(Subscriber&& subscriber, messaging::DecodingChoice decoding)
      : Subscriber(std::move(subscriber)), decoding_(decoding) {}

  messaging::DecodingChoice decoding_;
};

/// See the declaration in Broker.
template <class T>
Result<PullSubscriber<T>> Broker::subscribe_pull(Topics topics, SubscribeOptions options) {
  constexpr bool is_raw = std::same_as<T, RawEvent>;
  static_assert(is_raw || Decodable<T>,
                "dohle: subscribe_pull: the type of the messages has no dohle::Codec that decodes; "
                "include the header of a codec, for example dohle/codec/json.hpp, or specialise "
                "dohle::Codec");
  if constexpr (is_raw || Decodable<T>) {
    messaging::DecodingChoice choice;
    if constexpr (!is_raw) {
      auto decoding = choose_decoding(messaging::codec_names<T>, options);
      if (!decoding) return fail(decoding.error());
      choice = *decoding;
    }
    auto started = subscribe_pull_raw(std::move(topics), std::move(options));
    if (!started) return fail(started.error());
    return PullSubscriber<T>(*std::move(started), choice);
  }
}

}  // namespace v0
}  // namespace dohle
