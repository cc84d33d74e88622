#pragma once

#include <concepts>
#include <cstddef>
#include <functional>
#include <memory>
#include <span>
#include <utility>
#include <vector>

#include "dohle/detail/typed_handler.hpp"
#include "dohle/error.hpp"
#include "dohle/event.hpp"

namespace dohle::messaging {

/// An event of a batch that fails alone, independent of the others.
struct BatchFailure {
  /// Its place in the batch.
  std::size_t index;
  Error why;
};
/// Handles the events of a batch together. Adds events that it cannot decode to `failed`. Its
/// result applies to the others.
using BatchHandler =
    std::function<Result<void>(std::span<RawEvent> events, std::vector<BatchFailure>& failed)>;

template <class Handler, class T>
concept TypedBatchHandler = Handles<Handler, std::span<Event<T>>>;
template <class Handler>
concept RawBatchHandler = Handles<Handler, std::span<RawEvent>>;

template <class T, class Handler>
BatchHandler typed_batch(Handler handler, DecodingChoice choice) {
  return [shared = std::make_shared<Handler>(std::move(handler)), choice](
             std::span<RawEvent> events, std::vector<BatchFailure>& failed) -> Result<void> {
    std::vector<Event<T>> decoded;
    decoded.reserve(events.size());
    for (std::size_t index = 0; index < events.size(); ++index) {
      auto value = decode<T>(events[index], choice);
      if (value) {
        decoded.push_back(EventAccess::typed<T>(events[index], *std::move(value)));
      } else {
        failed.push_back({index, value.error()});
      }
    }
    if (decoded.empty()) return {};
    return call(*shared, std::span<Event<T>>(decoded));
  };
}

template <class Handler>
BatchHandler raw_batch(Handler handler) {
  return [shared = std::make_shared<Handler>(std::move(handler))](
             std::span<RawEvent> events, std::vector<BatchFailure>& /*failed*/) {
    return call(*shared, std::span<RawEvent>(events));
  };
}

}  // namespace dohle::messaging
