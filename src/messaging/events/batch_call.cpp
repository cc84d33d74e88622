#include "messaging/events/batch_call.hpp"

#include <utility>

#include "base/assert.hpp"
#include "messaging/reports/thrown_by.hpp"

namespace dohle::messaging {

namespace {

/// Whether the innermost middleware of this thread's current event called its `next`.
thread_local bool has_entered = false;

/// The event's own outcome. Absent if it goes into the batch.
std::optional<Result<void>> enter(const SubscribeHandler& entrance, RawEvent& event) {
  has_entered = false;
  Result<void> passed;
  try {
    passed = entrance(event);
  } catch (...) {
    passed = fail(thrown_by("a middleware"));
  }
  if (passed && has_entered) return std::nullopt;
  return passed;
}

}  // namespace

Result<BatchCall> BatchCall::make(BatchHandler handler, const Middlewares& middlewares) {
  if (!middlewares) return BatchCall(std::move(handler), nullptr);
  auto entrance = middlewares([](RawEvent&) {
    has_entered = true;
    return Result<void>();
  });
  if (!entrance) return fail(entrance.error());
  return BatchCall(std::move(handler), *std::move(entrance));
}

BatchOutcome BatchCall::operator()(std::span<const EventPointer> batch) const {
  BatchOutcome outcome;
  outcome.own.resize(batch.size());
  std::vector<RawEvent> events;
  std::vector<std::size_t> places;
  events.reserve(batch.size());
  places.reserve(batch.size());
  for (std::size_t place = 0; place < batch.size(); ++place) {
    if (entrance_) {
      RawEvent passing = EventAccess::make(batch[place]);
      outcome.own[place] = enter(entrance_, passing);
      if (outcome.own[place]) continue;
    }
    events.push_back(EventAccess::make(batch[place]));
    places.push_back(place);
  }
  if (events.empty()) return outcome;
  std::vector<BatchFailure> failed;
  try {
    outcome.handled = handler_(events, failed);
  } catch (...) {
    outcome.handled = fail(thrown_by("the handler"));
  }
  for (BatchFailure& each : failed) {
    DOHLE_ASSERT(each.index < places.size(), "an event fails that is not in the batch");
    outcome.own[places[each.index]] = Result<void>(fail(std::move(each.why)));
  }
  return outcome;
}

}  // namespace dohle::messaging
