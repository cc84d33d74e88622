#include "tools/commands/settling.hpp"

#include <fmt/format.h>

#include "tools/commands/terminal.hpp"

namespace dohle::tools {

namespace {

// Short, so that an interrupt is noticed.
constexpr std::chrono::milliseconds flush_time{200};
constexpr std::chrono::seconds interrupted_time{5};

}  // namespace

Result<FlushReport> settle(Producer& producer, std::chrono::milliseconds patience) {
  const auto until = std::chrono::steady_clock::now() + patience;
  for (;;) {
    const bool is_interrupted = Interrupt::is_set();
    auto flushed = producer.flush(flush_time);
    if (flushed || !flushed.error().is(Errc::timed_out)) return flushed;
    if (is_interrupted) {
      say(
          fmt::format("dohle: interrupted; waiting up to {} s for records under way, another "
                      "interrupt ends at once",
                      interrupted_time.count()));
      return producer.close(interrupted_time);
    }
    if (std::chrono::steady_clock::now() >= until) return flushed;
  }
}

}  // namespace dohle::tools
