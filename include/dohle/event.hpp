#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string_view>
#include <utility>

#include "dohle/codec.hpp"
#include "dohle/error.hpp"
#include "dohle/export.hpp"
#include "dohle/ids.hpp"
#include "dohle/message.hpp"
#include "dohle/record.hpp"

namespace dohle::messaging {
struct EventState;
class EventAccess;
}  // namespace dohle::messaging

namespace dohle {
inline namespace v0 {

/// A received message before its body is decoded: what middleware sees, and handlers that want
/// bytes.
///
/// Acknowledging: `ack` says that the message is done. What is committed for a partition is the
/// contiguous run of acknowledged messages, never past one that is not; so acks may come in any
/// order. With automatic acknowledgement (the default) the library calls it when the handler
/// succeeds; otherwise it is the handler's, or whoever the event is moved to.
///
/// Lifetime: move-only; holds the fetched buffer, so that its views live as long as it does, also
/// after its subscription ended. Destroyed without an ack it stays pending and comes again. Once
/// moved from it may only be destroyed or assigned to.
/// Thread safety: one thread at a time; may be moved to another thread and acknowledged there.
class DOHLE_API RawEvent {
 public:
  RawEvent(RawEvent&& other) noexcept;
  RawEvent& operator=(RawEvent&& other) noexcept;
  ~RawEvent();

  /// The topic that it was read from.
  [[nodiscard]] std::string_view topic() const;
  /// The partition that it was read from.
  [[nodiscard]] PartitionId partition() const;
  /// Its place in the partition.
  [[nodiscard]] Offset offset() const;
  /// The record's time.
  [[nodiscard]] Timestamp timestamp() const;
  /// Nothing: the message has no key, which is not an empty key.
  [[nodiscard]] std::optional<std::string_view> key() const;
  /// Nothing: a tombstone.
  [[nodiscard]] std::optional<std::string_view> body() const;
  /// All its headers, in order. Valid while the event lives.
  [[nodiscard]] const HeaderRange& headers() const;
  /// The value of the first header of that name; nothing if there is none or its value is null.
  [[nodiscard]] std::optional<std::string_view> header(std::string_view name) const;
  /// 1 when handled for the first time by this subscription, one more for each retry in place.
  [[nodiscard]] int attempt() const;
  /// A copy of everything that was received.
  [[nodiscard]] Message message() const;

  /// The message is done. A second ack has no effect.
  /// Errors: not_owner when the partition is no longer this member's, or was given up meanwhile
  /// (nothing is changed: somebody gets the message again); invalid_argument after a nack.
  Result<void> ack();
  /// The message is not done: it is retried in place, then reported to the error handler, as if
  /// the handler had returned `why`. When the last retry was used up, the error handler runs here,
  /// unless the event's handler still does.
  /// Errors: not_owner as ack; invalid_argument after an ack or a nack.
  Result<void> nack(Error why);
  Result<void> nack();

 protected:
  explicit RawEvent(std::shared_ptr<messaging::EventState> state) noexcept;
  [[noreturn]] void throw_no_value() const;
  std::shared_ptr<messaging::EventState> state_;
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
  /// The decoded body. Of a tombstone these throw std::logic_error, which in a handler is a failure
  /// as any other: it goes to the failure policy.
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

  Event(std::shared_ptr<messaging::EventState> state, std::optional<T> value)
      : RawEvent(std::move(state)), value_(std::move(value)) {}
  std::optional<T> value_;
  friend class messaging::EventAccess;
};

/// Handles one message; the innermost one decodes and calls the user's handler.
using SubscribeHandler = std::function<Result<void>(RawEvent&)>;
/// Wraps a handler: it may look at the event before and after `next`, answer in its place, or
/// change what it returns. Called once per subscription; what it returns runs on the
/// subscription's workers, several at a time. The event may be used after `next` returns. `next`
/// never throws: what the handler or an inner middleware throws is the error that it returns
/// (Errc::handler_failed).
using SubscribeMiddleware = std::function<SubscribeHandler(SubscribeHandler next)>;

}  // namespace v0
}  // namespace dohle
