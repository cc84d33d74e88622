#pragma once

#include <functional>
#include <optional>
#include <span>
#include <vector>

#include "dohle/detail/batch_handler.hpp"
#include "dohle/error.hpp"
#include "dohle/event.hpp"
#include "messaging/events/event_state.hpp"

namespace dohle::messaging {

/// The outcome of a batch in its handler.
struct BatchOutcome {
  /// The outcome of each event of the batch; absent if it is that of the handler.
  std::vector<std::optional<Result<void>>> own;
  /// The handler's result.
  Result<void> handled;
};

/// Calls the handler of a subscription with batches.
///
/// Thread safety: any thread, several at a time.
class BatchCall {
 public:
  using Middlewares = std::function<Result<SubscribeHandler>(SubscribeHandler innermost)>;

  /// Errors: those of `middlewares`, which puts the program's middlewares around the handler that
  /// it is given. Empty: there are none.
  static Result<BatchCall> make(BatchHandler handler, const Middlewares& middlewares);

  /// Never throws. Each event passes through the middlewares; those that come out of them are
  /// handled together.
  [[nodiscard]] BatchOutcome operator()(std::span<const EventPointer> batch) const;

 private:
  BatchCall(BatchHandler handler, SubscribeHandler entrance)
      : handler_(std::move(handler)), entrance_(std::move(entrance)) {}

  BatchHandler handler_;
  /// It is empty without middlewares.
  SubscribeHandler entrance_;
};

/// Wraps the handler of batches. Only the library's own additions use it.
using BatchMiddleware = std::function<BatchHandler(BatchHandler next)>;

}  // namespace dohle::messaging
