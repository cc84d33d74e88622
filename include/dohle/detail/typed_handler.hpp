#pragma once

#include <concepts>
#include <exception>
#include <memory>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>

#include "dohle/codec.hpp"
#include "dohle/detail/codec_choice.hpp"
#include "dohle/event.hpp"

namespace dohle::messaging {

/// Makes the events for handlers from the event that the innermost middleware passes on.
class DOHLE_API EventAccess {
 public:
  static RawEvent make(EventPointer state) { return RawEvent(std::move(state)); }
  /// Another handle on the same event.
  static RawEvent share(const RawEvent& event) { return RawEvent(event.state_); }
  /// The event must not have been moved from.
  static EventState& state(const RawEvent& event) { return *event.state_; }
  template <class T>
  static Event<T> typed(const RawEvent& event, std::optional<T> value) {
    return Event<T>(event.state_, std::move(value));
  }
};

/// Decodes the body of an event. Absent for a tombstone.
template <Decodable T>
Result<std::optional<T>> decode(const RawEvent& event, const DecodingChoice& choice) {
  const auto body = event.body();
  if (!body) return std::nullopt;
  const CodecContext context{.topic = event.topic(), .headers = CodecHeaders(event.headers())};
  auto value = decode_body<T>(as_bytes(*body), context, choice);
  if (!value) return fail(value.error());
  return std::optional<T>(*std::move(value));
}

template <class R>
concept HandlerResult = std::same_as<R, void> || std::same_as<R, Result<void>>;
template <class Handler, class... Arguments>
concept Handles = std::invocable<Handler&, Arguments...> &&
                  HandlerResult<std::invoke_result_t<Handler&, Arguments...>>;
template <class Handler, class T>
concept TypedHandler =
    Handles<Handler, Event<T>> || Handles<Handler, T, RawEvent> || Handles<Handler, T>;
template <class Handler>
concept RawHandler = Handles<Handler, RawEvent>;

template <class Handler, class... Arguments>
Result<void> call(Handler& handler, Arguments&&... arguments) {
  if constexpr (std::is_void_v<std::invoke_result_t<Handler&, Arguments...>>) {
    handler(std::forward<Arguments>(arguments)...);
    return {};
  } else {
    return handler(std::forward<Arguments>(arguments)...);
  }
}

inline Error tombstone_without_value(const RawEvent& event) {
  return Error::client(Errc::codec_failed,
                       "a message of topic " + std::string(event.topic()) +
                           " has no body (a tombstone); a handler that takes an Event sees it");
}

/// std::function needs a copyable callable. The handler is shared, so that it need not be copyable.
template <class T, class Handler>
SubscribeHandler typed(Handler handler, DecodingChoice choice) {
  return [shared = std::make_shared<Handler>(std::move(handler)),
          choice](RawEvent& event) -> Result<void> {
    auto value = decode<T>(event, choice);
    if (!value) return fail(value.error());
    if constexpr (Handles<Handler, Event<T>>) {
      return call(*shared, EventAccess::typed<T>(event, std::move(*value)));
    } else {
      if (!*value) return fail(tombstone_without_value(event));
      if constexpr (Handles<Handler, T, RawEvent>) {
        return call(*shared, std::move(**value), EventAccess::share(event));
      } else {
        return call(*shared, std::move(**value));
      }
    }
  };
}

template <class Handler>
SubscribeHandler raw(Handler handler) {
  return [shared = std::make_shared<Handler>(std::move(handler))](RawEvent& event) {
    return call(*shared, EventAccess::share(event));
  };
}

}  // namespace dohle::messaging
