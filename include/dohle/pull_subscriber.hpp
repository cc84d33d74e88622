#pragma once

#include <chrono>
#include <concepts>
#include <optional>
#include <string>
#include <type_traits>
#include <utility>

#include "dohle/broker.hpp"
#include "dohle/detail/pull_receiver.hpp"
#include "dohle/error.hpp"
#include "dohle/event.hpp"

namespace dohle {
inline namespace v0 {

/// A running subscription whose messages the program takes by next(), on threads of its own; made
/// by Broker::subscribe_pull. It has the calls of a Subscriber, too.
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
/// it calls next again; before, it may `ack`, or `nack` it, which is a failed handler. With
/// disable_auto_ack() only `ack` does, at any time and on any thread, as after kafka-go's
/// FetchMessage. Unlike kafka-go's ReadMessage, next never acknowledges the message that it
/// returns, so that a message whose handling a crash cuts short comes again.
///
/// Order: next hands out the messages of a partition in their order; a message that failed comes
/// again before later ones, unless those were handed out. With auto_ack the next message of a
/// partition is handed out only once the one before is acknowledged or has failed, so that several
/// threads handle several partitions side by side (some partitions share a turn by chance); with
/// unordered that is so for the messages of a key, and not for messages without one.
///
/// In a group: with auto_ack a rebalance waits for the messages that threads took, at most
/// rebalance_timeout. If no thread calls next for max_poll_interval, or one holds a message for so
/// long with auto_ack, the subscription leaves the group, and joins again with the next call.
///
/// Lifetime and thread safety: as Subscriber; any number of threads may call next.
template <class T>
class PullSubscriber : public Subscriber {
 public:
  /// An Event of the type; for RawEvent a RawEvent.
  using Pulled = std::conditional_t<std::same_as<T, RawEvent>, RawEvent, Event<T>>;

  /// Waits for the next message, at most `timeout`; with 0 it looks at one that is there. Without
  /// a value: none came in time that is returned. Middlewares and filter run inside this call. A
  /// message that the filter does not want is acknowledged. For one that a middleware refuses, or
  /// that cannot be decoded, failure_policy applies, and the error handler runs inside this call,
  /// too. Neither is returned. What unsubscribe finds taken and not acknowledged is not waited for;
  /// it comes again. Errors: closed once the subscription has ended, with the failure under
  /// FailurePolicy::stop, and at once in threads that wait; would_deadlock on the client's thread,
  /// and inside the subscription's callbacks and middlewares; forked.
  Result<std::optional<Pulled>> next(std::chrono::milliseconds timeout) {
    messaging::PullInto<T> receiver(decoding_);
    const auto handed = next_event(timeout, receiver);
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

/// As the declaration in Broker says.
template <class T>
Result<PullSubscriber<T>> Broker::subscribe_pull(Topics topics, SubscribeOptions options) {
  constexpr bool is_raw = std::same_as<T, RawEvent>;
  static_assert(is_raw || Decodable<T>,
                "dohle: subscribe_pull: the type of the messages has no dohle::Codec that decodes; "
                "include the header of a codec, as dohle/codec/json.hpp, or specialise "
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
