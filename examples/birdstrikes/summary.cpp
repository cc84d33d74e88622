#include "summary.hpp"

namespace birdstrikes {

bool SeenRows::insert(std::size_t row) {
  if (row == 0 || row >= seen_.size()) {
    ++strangers_;
    return false;
  }
  if (seen_[row]) {
    ++repeated_;
    return false;
  }
  seen_[row] = true;
  ++count_;
  return true;
}

std::string AirportFigures::most_hit() const {
  std::string most;
  std::size_t hits = 0;
  for (const auto& [model, count] : aircraft) {
    if (count > hits) {
      most = model;
      hits = count;
    }
  }
  return most;
}

void Summary::apply(std::size_t row, const Strike& strike, std::size_t subscriber) {
  const std::lock_guard lock(mutex_);
  if (!seen_.insert(row)) return;
  ++by_subscriber_.at(subscriber);
  AirportFigures& airport = airports_[strike.airport];
  ++airport.strikes;
  if (is_noteworthy(strike)) ++airport.damaged;
  airport.cost += strike.cost_total;
  ++airport.aircraft[strike.aircraft];
}

Summary::Totals Summary::totals() const {
  const std::lock_guard lock(mutex_);
  return {.rows = seen_.count(),
          .redelivered = seen_.repeated(),
          .strangers = seen_.strangers(),
          .by_subscriber = by_subscriber_};
}

std::map<std::string, AirportFigures> Summary::airports() const {
  const std::lock_guard lock(mutex_);
  return airports_;
}

}  // namespace birdstrikes
