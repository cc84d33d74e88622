#include "dohle/logger.hpp"

#include <unistd.h>

#include <array>
#include <atomic>
#include <cstdarg>
#include <cstdio>
#include <ctime>

#include <fmt/format.h>

#include "base/printable.hpp"
#include "base/thrown.hpp"

namespace dohle {
inline namespace v0 {

namespace {

/// Bound of a line made by Logger::printf.
constexpr std::size_t max_formatted_bytes = std::size_t{16} << 10;

std::string_view name_of(LogLevel level) {
  switch (level) {
    case LogLevel::debug:
      return "debug";
    case LogLevel::info:
      return "info";
    case LogLevel::warning:
      return "warning";
    case LogLevel::error:
      return "error";
  }
  return "?";
}

class StderrLogger final : public Logger {
 public:
  explicit StderrLogger(LogLevel level) : level_(level) {}
  LogLevel level() const noexcept override { return level_; }
  void log(LogLevel level, std::string_view subject, std::string_view line) noexcept override {
    if (level < level_) return;
    timespec now{};
    ::clock_gettime(CLOCK_REALTIME, &now);
    const std::string shown = is_printable(line) ? std::string() : printable(line);
    if (!shown.empty()) line = shown;
    tm parts{};
    ::gmtime_r(&now.tv_sec, &parts);
    fmt::memory_buffer text;
    fmt::format_to(
        std::back_inserter(text), "{:04}-{:02}-{:02}T{:02}:{:02}:{:02}.{:03}Z {:<7} {}: {}\n",
        parts.tm_year + 1900, parts.tm_mon + 1, parts.tm_mday, parts.tm_hour, parts.tm_min,
        parts.tm_sec, now.tv_nsec / 1'000'000, name_of(level), subject, line);
    // One write per line keeps lines of several threads apart. A failed write cannot be reported.
    [[maybe_unused]] const auto written = ::write(STDERR_FILENO, text.data(), text.size());
  }

 private:
  LogLevel level_;
};

class FunctionLogger final : public Logger {
 public:
  FunctionLogger(LogLevel level,
                 std::function<void(LogLevel, std::string_view, std::string_view)> function)
      : level_(level), function_(std::move(function)) {}
  LogLevel level() const noexcept override { return level_; }
  void log(LogLevel level, std::string_view subject, std::string_view line) noexcept override {
    if (level < level_) return;
    try {
      function_(level, subject, line);
    } catch (...) {
      if (has_thrown_.exchange(true)) return;
      stderr_logger()->log(
          LogLevel::error, "logger",
          "the function of a logger threw, and the line is lost, as will be others "
          "without a word: " +
              text_of_thrown());
    }
  }

 private:
  LogLevel level_;
  std::function<void(LogLevel, std::string_view, std::string_view)> function_;
  std::atomic<bool> has_thrown_{false};
};

class FieldsLogger final : public Logger {
 public:
  FieldsLogger(std::shared_ptr<Logger> to, const std::vector<LogField>& fields)
      : to_(std::move(to)) {
    for (const LogField& field : fields) behind_ += " " + field.name + "=" + field.value;
  }
  LogLevel level() const noexcept override { return to_->level(); }
  void log(LogLevel level, std::string_view subject, std::string_view line) noexcept override {
    if (level >= to_->level()) to_->log(level, subject, std::string(line) + behind_);
  }

 private:
  const std::shared_ptr<Logger> to_;
  std::string behind_;
};

class SilentLogger final : public Logger {
 public:
  LogLevel level() const noexcept override { return LogLevel::error; }
  void log(LogLevel, std::string_view, std::string_view) noexcept override {}
};

}  // namespace

namespace {

void log_formatted(Logger& to, LogLevel level, const char* format, std::va_list arguments) {
  if (level < to.level()) return;
  std::array<char, max_formatted_bytes + 1> text;
  const int size = std::vsnprintf(text.data(), text.size(), format, arguments);
  std::string_view line =
      size < 0 ? std::string_view("a line whose format is wrong") : std::string_view(text.data());
  while (line.ends_with('\n')) line.remove_suffix(1);
  to.log(level, "app", line);
}

}  // namespace

void Logger::printf(const char* format, ...) noexcept {
  std::va_list arguments;
  va_start(arguments, format);
  log_formatted(*this, LogLevel::info, format, arguments);
  va_end(arguments);
}

std::shared_ptr<Logger> stderr_logger(LogLevel level) {
  return std::make_shared<StderrLogger>(level);
}
std::shared_ptr<Logger> function_logger(
    LogLevel level, std::function<void(LogLevel, std::string_view, std::string_view)> function) {
  return std::make_shared<FunctionLogger>(level, std::move(function));
}
std::shared_ptr<Logger> fields_logger(std::shared_ptr<Logger> logger,
                                      std::vector<LogField> fields) {
  if (!logger) return nullptr;
  return std::make_shared<FieldsLogger>(std::move(logger), fields);
}
std::shared_ptr<Logger> silent_logger() {
  return std::make_shared<SilentLogger>();
}

namespace kafka {

ErrorLogger::ErrorLogger() : to_(stderr_logger(LogLevel::error)) {}
ErrorLogger::~ErrorLogger() = default;

LogLevel ErrorLogger::level() const noexcept {
  return LogLevel::error;
}

void ErrorLogger::log(LogLevel level, std::string_view subject, std::string_view line) noexcept {
  to_->log(level, subject, line);
}

void ErrorLogger::printf(const char* format, ...) noexcept {
  std::va_list arguments;
  va_start(arguments, format);
  log_formatted(*this, LogLevel::error, format, arguments);
  va_end(arguments);
}

}  // namespace kafka
}  // namespace v0
}  // namespace dohle
