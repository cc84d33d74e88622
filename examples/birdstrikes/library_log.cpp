#include "library_log.hpp"

#include <cstdio>

#include <fmt/format.h>

namespace birdstrikes {

namespace {
constexpr std::size_t lines_kept = 20;
}

void LibraryLog::add(std::string line) {
  const std::lock_guard lock(mutex_);
  if (verbose_) {
    fmt::print(stderr, "{}\n", line);
    return;
  }
  lines_.push_back(std::move(line));
  if (lines_.size() > lines_kept) lines_.pop_front();
}

void LibraryLog::print() const {
  const std::lock_guard lock(mutex_);
  for (const std::string& line : lines_) fmt::print(stderr, "  {}\n", line);
}

std::shared_ptr<dohle::Logger> logger_into(std::shared_ptr<LibraryLog> log) {
  return dohle::function_logger(
      dohle::LogLevel::warning,
      [log = std::move(log)](dohle::LogLevel, std::string_view subject, std::string_view line) {
        log->add(fmt::format("{}: {}", subject, line));
      });
}

dohle::ErrorHandler failures_into(std::shared_ptr<LibraryLog> log) {
  return [log = std::move(log)](const dohle::Failure& failure) {
    log->add(fmt::format("{}: {}", failure.topic, failure.error.to_string()));
  };
}

}  // namespace birdstrikes
