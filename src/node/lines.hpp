#pragma once

#include <string>
#include <string_view>

#include "base/executor.hpp"
#include "dohle/logger.hpp"
#include "node/line_limit.hpp"

namespace dohle::node {

/// Text that may hold what a client sent, cut to what an answer or a line has room for.
[[nodiscard]] inline std::string shortened(std::string_view text, std::size_t max_bytes = 1'000) {
  if (text.size() <= max_bytes) return std::string(text);
  while (max_bytes > 0 && (static_cast<unsigned char>(text[max_bytes]) & 0xc0) == 0x80) --max_bytes;
  return std::string(text.substr(0, max_bytes)) + "...";
}

/// What the node says in the log. What clients or disks can cause again and again passes a limit,
/// and the lines that were left out are counted.
class Lines {
 public:
  /// Both outlive it.
  Lines(Executor& loop, Logger& logger) : loop_(loop), logger_(logger) {}

  void inform(std::string_view line) { logger_.log(LogLevel::info, "node", line); }
  void warn(std::string_view line) { logger_.log(LogLevel::warning, "node", line); }
  void report_error(std::string_view line) { logger_.log(LogLevel::error, "node", line); }
  /// The same as `warn` for what comes again until it is cured. False: left out, there were too
  /// many.
  bool warn_now_and_then(std::string_view line) { return pass(troubles_, line); }
  /// The client's fault: one of many such lines.
  void complain(std::string_view line) { (void)pass(complaints_, line); }
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
