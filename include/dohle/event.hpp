#pragma once

#include <chrono>
#include <functional>
#include <optional>
#include <string_view>
#include <utility>

#include "dohle/codec.hpp"
#include "dohle/detail/event_pointer.hpp"
#include "dohle/error.hpp"
#include "dohle/export.hpp"
#include "dohle/ids.hpp"
#include "dohle/message.hpp"
#include "dohle/record.hpp"

namespace dohle::messaging {
class EventAccess;
}  // namespace dohle::messaging

namespace dohle {
inline namespace v0 {

/// A received message before its body is decoded. Middleware and raw handlers receive it.
///
/// Acknowledging: `ack` marks the message as done. Acks may come in any order; a commit covers the
/// messages before the first one that is not acknowledged. With automatic acknowledgement (the
/// default) the library calls `ack` when the handler succeeds. Otherwise the handler calls it, or
/// the code to which the event was moved.
///
/// Lifetime: move-only. It holds the fetched buffer, so its views are valid while it lives, also
/// after its subscription has ended. If it is destroyed without an ack, the message stays pending
/// and is delivered again after a restart or to the partition's next owner. A moved-from event may
/// only be destroyed or assigned to. Thread safety: one thread at a time; may be moved to another
/// thread and acknowledged there.
class DOHLE_API RawEvent {
 public:
  RawEvent(RawEvent&& other) noexcept;
  RawEvent& operator=(RawEvent&& other) noexcept;
  ~RawEvent();

  /// The topic that it was read from.
  [[nodiscard]] std::string_view topic() const;
  /// The partition that it was read from.
  [[nodiscard]] PartitionId partition() const;
  /// The offset of the message in the partition.
  [[nodiscard]] Offset offset() const;
  /// The timestamp of the record.
  [[nodiscard]] Timestamp timestamp() const;
  /// The key. If absent, the message has no key; an empty key is present.
  [[nodiscard]] std::optional<std::string_view> key() const;
  /// The body. If absent, the message is a tombstone.
  [[nodiscard]] std::optional<std::string_view> body() const;
  /// All its headers, in order. Valid while the event lives.
  [[nodiscard]] const HeaderRange& headers() const;
  /// The value of the first header of that name. Absent if there is no such header or its value is
  /// null.
  [[nodiscard]] std::optional<std::string_view> header(std::string_view name) const;
  /// The number of this attempt: 1 for the first attempt in this subscription, then one more for
  /// each further attempt, in place or from a retry topic. For an event from a retry topic,
  /// `topic`, `partition`, `offset` and `timestamp` are those of the record in the retry topic. Its
  /// headers `kafka_dlt-original-*` name the original topic, partition, offset and timestamp.
  [[nodiscard]] int attempt() const;
  /// An owning copy of the message.
  [[nodiscard]] Message message() const;

  /// Marks the message as done. A second ack has no effect. Errors: not_owner if this member has
  /// lost the partition (the call changes nothing, and the message is delivered again);
  /// invalid_argument after a nack.
  Result<void> ack();
  /// Marks the message as failed, as if the handler had returned `why`: it is retried in place,
  /// then reported to the error handler. After the last retry the error handler runs inside this
  /// call, unless the event's handler is still running. Errors: not_owner, as for ack;
  /// invalid_argument after an ack or a nack.
  Result<void> nack(Error why);
  Result<void> nack();
  /// Marks the message as failed, and sends it to the next retry topic whose delay is at least
  /// `delay`, without retries in place: `return event.retry_after(30s);`. If the handler then
  /// returns an error that is `permanent`, the failure policy applies instead. Errors: not_owner,
  /// as for ack; invalid_argument after an ack or a nack, or if no retry topic with such a delay is
  /// left.
  Result<void> retry_after(std::chrono::milliseconds delay);

 protected:
  explicit RawEvent(messaging::EventPointer state) noexcept;
  [[noreturn]] void throw_no_value() const;
  messaging::EventPointer state_;
  friend class messaging::EventAccess;
};

/// A received message with its body decoded to a T.
///
///     broker->subscribe<Order>("orders", [](dohle::Event<Order> order) {
///       if (!order.has_value()) return;  // a tombstone: the order was deleted
///       std::puts(order->customer.c_str());
///     });
///
/// Lifetime and thread safety: as RawEvent.
template <class T>
class Event : public RawEvent {
 public:
  /// False for a tombstone: there is no body to decode.
  [[nodiscard]] bool has_value() const { return value_.has_value(); }
  /// The decoded body. For a tombstone, `value`, `*` and `->` throw std::logic_error. If a handler
  /// does not catch it, the message has failed, and the failure policy applies.
  [[nodiscard]] const T& value() const& { return checked(); }
  [[nodiscard]] T&& value() && {
    (void)checked();
    return std::move(*value_);
  }
  [[nodiscard]] const T& operator*() const { return checked(); }
  [[nodiscard]] const T* operator->() const { return &checked(); }

 private:
  const T& checked() const {
    if (!value_) throw_no_value();
    return *value_;
  }

  Event(messaging::EventPointer state, std::optional<T> value)
      : RawEvent(std::move(state)), value_(std::move(value)) {}
  std::optional<T> value_;
  friend class messaging::EventAccess;
};

/// Handles one message. The innermost handler decodes the message and calls the program's handler.
using SubscribeHandler = std::function<Result<void>(RawEvent&)>;
/// Wraps a handler. It may look at the event before and after `next`, return a result without
/// calling `next`, or change the result of `next`. Called once per subscription; the handler that
/// it returns runs on the subscription's workers, several at a time. The event may be used after
/// `next` returns. `next` never throws: an exception of the handler or of an inner middleware
/// becomes the error that `next` returns (Errc::handler_failed).
using SubscribeMiddleware = std::function<SubscribeHandler(SubscribeHandler next)>;

}  // namespace v0
}  // namespace dohle
