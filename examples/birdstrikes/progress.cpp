#include "progress.hpp"

#include <sys/ioctl.h>
#include <unistd.h>

#include <cstdio>

#include <fmt/format.h>

namespace birdstrikes {

namespace {

using Clock = std::chrono::steady_clock;
constexpr std::size_t width_without_terminal = 80;
constexpr std::chrono::seconds between_plain_lines{2};

}  // namespace

std::string grouped(std::int64_t number) {
  std::string digits = std::to_string(number);
  const std::size_t first = number < 0 ? 1 : 0;
  for (std::size_t at = digits.size(); at > first + 3; at -= 3) digits.insert(at - 3, ",");
  return digits;
}

std::size_t output_width() {
  winsize size{};
  const bool known = ::ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_col > 0;
  return known ? size.ws_col : width_without_terminal;
}

Progress::Progress()
    : on_terminal_(::isatty(STDOUT_FILENO) == 1), start_(Clock::now()), shown_(start_) {}

void Progress::show(const Figures& figures) {
  if (!on_terminal_ && Clock::now() - shown_ < between_plain_lines) return;
  shown_ = Clock::now();
  const std::string line = line_of(figures).substr(0, output_width() - 1);
  fmt::print("{}{}{}", on_terminal_ ? "\r\x1b[K" : "", line, on_terminal_ ? "" : "\n");
  std::fflush(stdout);
}

void Progress::say(std::string_view line) {
  fmt::print("{}{:5.1f} s  {}\n", on_terminal_ ? "\r\x1b[K" : "", seconds(), line);
  std::fflush(stdout);
}

std::string Progress::line_of(const Figures& f) const {
  return fmt::format("{:5.1f} s  {:>3} %  acknowledged {}  summed up {}  noteworthy {}", seconds(),
                     f.rows == 0 ? 0 : f.published * 100 / f.rows,
                     grouped(static_cast<std::int64_t>(f.acknowledged)),
                     grouped(static_cast<std::int64_t>(f.summed_up)),
                     grouped(static_cast<std::int64_t>(f.noteworthy)));
}

double Progress::seconds() const {
  return std::chrono::duration<double>(Clock::now() - start_).count();
}

}  // namespace birdstrikes
