#include "messaging/reports/split_logger.hpp"

#include <utility>

#include "base/printable.hpp"

namespace dohle::messaging {

namespace {

class SplitLogger final : public Logger {
 public:
  /// A null logger drops its lines.
  SplitLogger(std::shared_ptr<Logger> information, std::shared_ptr<Logger> errors)
      : information_(std::move(information)), errors_(std::move(errors)) {}

  LogLevel level() const noexcept override {
    return information_ ? information_->level() : LogLevel::warning;
  }
  void log(LogLevel level, std::string_view subject, std::string_view line) noexcept override {
    Logger* to = level >= LogLevel::warning ? errors_.get() : information_.get();
    if (to != nullptr && level >= to->level()) to->log(level, subject, line);
  }

 private:
  const std::shared_ptr<Logger> information_;
  const std::shared_ptr<Logger> errors_;
};

}  // namespace

std::shared_ptr<Logger> split_logger(const kafka::BrokerOptions& options) {
  const bool informs = options.enable_logger.value_or(options.logger != nullptr);
  const auto plain =
      options.logger ? options.logger : stderr_logger(informs ? LogLevel::info : LogLevel::warning);
  const auto errors = options.error_logger ? options.error_logger : plain;
  return printing_logger(std::make_shared<SplitLogger>(
      informs ? plain : nullptr, options.enable_error_logger ? errors : nullptr));
}

}  // namespace dohle::messaging
