#include "messaging/reports.hpp"

#include <chrono>
#include <exception>
#include <string>
#include <utility>

namespace dohle::messaging {

namespace {

constexpr std::chrono::seconds line_period{1};

std::string place_of(const Failure& failure) {
  std::string place(failure.topic);
  if (!failure.partition.is_none()) place += "-" + std::to_string(failure.partition.value);
  if (!failure.offset.is_none()) place += " at offset " + std::to_string(failure.offset.value);
  return place;
}

}  // namespace

TimePoint monotonic_now() {
  return TimePoint(std::chrono::steady_clock::now().time_since_epoch());
}

void Reports::report(const Failure& failure) {
  if (!handler_) return log(failure);
  try {
    handler_(failure);
  } catch (const std::exception& fault) {
    logger_->log(LogLevel::error, "messaging",
                 std::string("the error handler threw: ") + fault.what());
    log(failure);
  } catch (...) {
    logger_->log(LogLevel::error, "messaging", "the error handler threw no std::exception");
    log(failure);
  }
}

int Reports::pass(Failure::Kind kind) {
  const TimePoint now = monotonic_now();
  const std::lock_guard lock(mutex_);
  Limit& limit = limits_[static_cast<std::size_t>(kind)];
  if (now < limit.next) {
    ++limit.left_out;
    return -1;
  }
  limit.next = now + line_period;
  return std::exchange(limit.left_out, 0);
}

void Reports::log(const Failure& failure) {
  const int left_out = pass(failure.kind);
  if (left_out < 0) return;
  std::string line = place_of(failure);
  if (!line.empty()) line += ": ";
  line += failure.error.to_string();
  if (left_out > 0) line += " (and " + std::to_string(left_out) + " more such failures)";
  logger_->log(LogLevel::error, "messaging", line);
}

}  // namespace dohle::messaging
