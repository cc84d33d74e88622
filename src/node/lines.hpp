#pragma once

#include <string>
#include <string_view>

#include "base/executor.hpp"
#include "dohle/logger.hpp"
#include "node/line_limit.hpp"

namespace dohle::node {

/// Shortens text that may come from a client to fit into an answer or a line.
[[nodiscard]] inline std::string shortened(std::string_view text, std::size_t max_bytes = 1'000) {
  if (text.size() <= max_bytes) return std::string(text);
  while (max_bytes > 0 && (static_cast<unsigned char>(text[max_bytes]) & 0xc0) == 0x80) --max_bytes;
  return std::string(text.substr(0, max_bytes)) + "...";
}

/// The node's log lines. Lines that clients or disks can cause repeatedly pass a limit; omitted
/// ones are counted.
class Lines {
 public:
  /// Both outlive it.
  Lines(Executor& loop, Logger& logger) : loop_(loop), logger_(logger) {}

  void trace(std::string_view line) { logger_.log(LogLevel::debug, "node", line); }
  void inform(std::string_view line) { logger_.log(LogLevel::info, "node", line); }
  void warn(std::string_view line) { logger_.log(LogLevel::warning, "node", line); }
  void report_error(std::string_view line) { logger_.log(LogLevel::error, "node", line); }
  /// As `warn`, for a fault that repeats until it is repaired. False if the line was omitted
  /// because there were too many.
  bool warn_now_and_then(std::string_view line) { return pass(troubles_, line); }
  /// Logs faults of clients, limited in the same way.
  void complain(std::string_view line) { (void)pass(complaints_, line); }
  [[nodiscard]] bool has_traces() const { return logger_.level() <= LogLevel::debug; }
  [[nodiscard]] bool has_information() const { return logger_.level() <= LogLevel::info; }

 private:
  bool pass(LineLimit& limit, std::string_view line) {
    const auto text = limit.pass(line, loop_.tick().mono);
    if (text) warn(*text);
    return text.has_value();
  }

  Executor& loop_;
  Logger& logger_;
  LineLimit complaints_;
  LineLimit troubles_;
};

}  // namespace dohle::node
