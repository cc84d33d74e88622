#include "tools/commands/terminal.hpp"

#include <fcntl.h>
#include <signal.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <cerrno>
#include <cstdio>
#include <cstring>
#include <thread>

#include <fmt/format.h>

namespace dohle::tools {

namespace {

// Short enough for a user to take an interrupt for immediate.
constexpr std::chrono::milliseconds sleep_piece{100};

std::atomic<bool> is_interrupted = false;
bool has_failed_to_write = false;

void note_interrupt(int /*signal*/) {
  is_interrupted.store(true, std::memory_order_relaxed);
}

}  // namespace

Progress::Progress(bool is_quiet) : is_shown_(!is_quiet && ::isatty(STDERR_FILENO) == 1) {}

Progress::~Progress() {
  clear();
}

bool Progress::is_due() const {
  return is_shown_ && std::chrono::steady_clock::now() - last_ >= std::chrono::milliseconds(100);
}

void Progress::show(std::string_view line) {
  if (!is_shown_) return;
  fmt::print(stderr, "\r\x1b[K{}", line);
  std::fflush(stderr);
  is_drawn_ = true;
  last_ = std::chrono::steady_clock::now();
}

void Progress::clear() {
  if (!is_drawn_) return;
  fmt::print(stderr, "\r\x1b[K");
  std::fflush(stderr);
  is_drawn_ = false;
}

bool confirm(std::string_view command, std::string_view question) {
  if (::isatty(STDIN_FILENO) != 1) {
    fmt::print(stderr, "dohle {}: there is no terminal to ask on; --yes does it without asking\n",
               command);
    return false;
  }
  fmt::print(stderr, "{} [y/N] ", question);
  std::array<char, 16> answer{};
  if (std::fgets(answer.data(), answer.size(), stdin) == nullptr) return false;
  const std::string_view text(answer.data());
  return text == "y\n" || text == "yes\n" || text == "Y\n";
}

Interrupt::Interrupt() {
  struct sigaction action{};
  action.sa_handler = note_interrupt;
  action.sa_flags = static_cast<int>(SA_RESETHAND);
  ::sigaction(SIGINT, &action, nullptr);
  ::sigaction(SIGTERM, &action, nullptr);
}

bool Interrupt::is_set() {
  return is_interrupted.load(std::memory_order_relaxed);
}

bool Interrupt::sleep_until(std::chrono::steady_clock::time_point time) {
  while (!is_set()) {
    const auto now = std::chrono::steady_clock::now();
    if (now >= time) return true;
    std::this_thread::sleep_until(std::min(time, now + sleep_piece));
  }
  return false;
}

void hold_standard_descriptors() {
  for (const int descriptor : {STDIN_FILENO, STDOUT_FILENO, STDERR_FILENO}) {
    if (::fcntl(descriptor, F_GETFD) != -1 || errno != EBADF) continue;
    // The lowest number that is free, which is this one.
    (void)::open("/dev/null", descriptor == STDIN_FILENO ? O_WRONLY : O_RDONLY);
  }
}

bool write_out(std::string_view text) {
  if (has_failed_to_write) return false;
  if (std::fwrite(text.data(), 1, text.size(), stdout) == text.size() && std::fflush(stdout) == 0) {
    return true;
  }
  fmt::print(stderr, "dohle: standard output: {}\n", std::strerror(errno));
  has_failed_to_write = true;
  return false;
}

bool is_all_written() {
  return !has_failed_to_write;
}

}  // namespace dohle::tools
