#include "tools/commands/terminal.hpp"

#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <cerrno>
#include <cstdio>
#include <cstring>
#include <ctime>
#include <mutex>
#include <thread>

#include <fmt/format.h>

namespace dohle::tools {

namespace {

// Short enough that an interrupt seems immediate.
constexpr std::chrono::milliseconds sleep_piece{100};
constexpr int full_pipe_ms = 100;

std::atomic<bool> is_interrupted = false;
bool has_failed_to_write = false;

std::atomic<std::int64_t> first_interrupt_ns = 0;
static_assert(std::atomic<std::int64_t>::is_always_lock_free);
constexpr std::int64_t same_interrupt_ns = 1'000'000'000;

// Guards standard error, where all threads draw progress and write lines.
std::mutex drawing;
bool is_drawn = false;

// The thread that writes output: a signal must reach this thread to end its write.
std::atomic<pthread_t> writing_thread{};

// Uses only async-signal-safe calls.
void note_interrupt(int signal) {
  if (!::pthread_equal(::pthread_self(), writing_thread.load())) {
    ::pthread_kill(writing_thread.load(), signal);
    return;
  }
  const int code = errno;
  timespec now{};
  ::clock_gettime(CLOCK_MONOTONIC, &now);
  const std::int64_t now_ns = std::int64_t{now.tv_sec} * 1'000'000'000 + now.tv_nsec;
  std::int64_t first_ns = 0;
  const bool is_first = first_interrupt_ns.compare_exchange_strong(first_ns, now_ns);
  is_interrupted.store(true, std::memory_order_relaxed);
  if (!is_first && now_ns - first_ns > same_interrupt_ns) {
    ::signal(signal, SIG_DFL);
    ::raise(signal);
  }
  errno = code;
}

void clear_drawn() {
  if (!is_drawn) return;
  fmt::print(stderr, "\r\x1b[K");
  std::fflush(stderr);
  is_drawn = false;
}

}  // namespace

ProgressLine::ProgressLine(bool is_quiet, int beside)
    : is_shown_(!is_quiet && ::isatty(STDERR_FILENO) == 1 && ::isatty(beside) == 0) {}

ProgressLine::~ProgressLine() {
  clear();
}

bool ProgressLine::is_due() const {
  return is_shown_ && std::chrono::steady_clock::now() - last_ >= std::chrono::milliseconds(100);
}

void ProgressLine::show(std::string_view line) {
  if (!is_shown_) return;
  const std::lock_guard guard(drawing);
  fmt::print(stderr, "\r\x1b[K{}", line);
  std::fflush(stderr);
  is_drawn = true;
  last_ = std::chrono::steady_clock::now();
}

void ProgressLine::clear() {
  clear_progress();
}

void clear_progress() {
  const std::lock_guard guard(drawing);
  clear_drawn();
}

void say(std::string_view line) {
  const std::lock_guard guard(drawing);
  clear_drawn();
  fmt::print(stderr, "{}\n", line);
  std::fflush(stderr);
}

bool confirm(std::string_view command, std::string_view question) {
  if (::isatty(STDIN_FILENO) != 1) {
    fmt::print(stderr, "dohle {}: standard input is not a terminal; --yes skips the question\n",
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
  writing_thread.store(::pthread_self());
  struct sigaction action{};
  action.sa_handler = note_interrupt;
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
    // open returns the lowest free descriptor, which is this one.
    (void)::open("/dev/null", descriptor == STDIN_FILENO ? O_WRONLY : O_RDONLY);
  }
}

bool write_out(std::string_view text) {
  if (has_failed_to_write) return false;
  while (!text.empty()) {
    pollfd out{.fd = STDOUT_FILENO, .events = POLLOUT, .revents = 0};
    if (::poll(&out, 1, full_pipe_ms) == 0 && !Interrupt::is_set()) continue;
    if (out.revents == 0 && Interrupt::is_set()) return false;
    const ssize_t written = ::write(STDOUT_FILENO, text.data(), text.size());
    if (written < 0 && errno == EINTR && !Interrupt::is_set()) continue;
    // The reader of the pipe has stopped, and the user has interrupted.
    if (written < 0 && errno == EINTR) return false;
    if (written < 0) break;
    text.remove_prefix(static_cast<std::size_t>(written));
  }
  if (text.empty()) return true;
  say(fmt::format("dohle: standard output: {}", std::strerror(errno)));
  has_failed_to_write = true;
  return false;
}

bool is_all_written() {
  return !has_failed_to_write;
}

}  // namespace dohle::tools
