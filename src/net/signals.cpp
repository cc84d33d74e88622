#include "net/signals.hpp"

#include <fcntl.h>
#include <unistd.h>

#include <array>
#include <atomic>
#include <cerrno>
#include <csignal>
#include <cstring>
#include <utility>
#include <vector>

#include "net/poller.hpp"
#include "net/socket.hpp"

namespace dohle::net {

namespace {

// For each signal the descriptor that the handler writes to, plus one; 0 if the signal is not
// watched. A signal handler may do little else than write to a descriptor.
std::array<std::atomic<int>, NSIG> pipe_of_signal{};
static_assert(std::atomic<int>::is_always_lock_free);

extern "C" void write_to_pipe(int number) {
  const int code = errno;
  const auto byte = static_cast<std::uint8_t>(number);
  const int pipe = pipe_of_signal[static_cast<std::size_t>(number)] - 1;
  // If the pipe is full, the loop has enough signals to read.
  if (pipe >= 0) {
    [[maybe_unused]] const ssize_t written = ::write(pipe, &byte, 1);
  }
  errno = code;
}

class PipeWatch final : public SignalWatch, public Watcher {
 public:
  using Handler = std::move_only_function<void(int)>;

  PipeWatch(Loop& loop, Handler handler)
      : loop_(loop), handler_(std::make_shared<Handler>(std::move(handler))) {}
  ~PipeWatch() override {
    loop_.poller().remove(watch_);
    for (const auto& [number, action] : before_) {
      ::sigaction(number, &action, nullptr);
      pipe_of_signal[static_cast<std::size_t>(number)] = 0;
    }
  }
  PipeWatch(const PipeWatch&) = delete;
  PipeWatch& operator=(const PipeWatch&) = delete;

  Result<void> open(std::initializer_list<int> signals) {
    std::array<int, 2> ends{};
    if (::pipe2(ends.data(), O_NONBLOCK | O_CLOEXEC) != 0) return refused();
    read_end_ = Descriptor(ends[0]);
    write_end_ = Descriptor(ends[1]);
    watch_ = loop_.poller().watch(read_end_.number(), *this);
    if (watch_ == 0) return refused();
    for (const int number : signals) {
      if (auto watched = add(number); !watched) return watched;
    }
    return {};
  }

 private:
  static Result<void> refused() {
    return fail(
        Error::client(Errc::limit_reached, "cannot watch signals: " + text_of_errno(errno)));
  }

  Result<void> add(int number) {
    if (number <= 0 || number >= NSIG) {
      return fail(
          Error::client(Errc::invalid_argument, "there is no signal " + std::to_string(number)));
    }
    int nobody = 0;
    auto& pipe = pipe_of_signal[static_cast<std::size_t>(number)];
    if (!pipe.compare_exchange_strong(nobody, write_end_.number() + 1)) {
      return fail(Error::client(Errc::already_exists,
                                "signal " + std::to_string(number) + " is being watched already"));
    }
    struct sigaction action{};
    action.sa_handler = write_to_pipe;
    action.sa_flags = SA_RESTART;
    struct sigaction before{};
    if (::sigaction(number, &action, &before) != 0) {
      pipe = 0;
      return refused();
    }
    before_.emplace_back(number, before);
    return {};
  }

  void on_ready(std::uint32_t /*events*/) override {
    std::array<std::uint8_t, 64> numbers;
    std::array<bool, 256> has_arrived{};
    for (ssize_t got = 0; (got = ::read(read_end_.number(), numbers.data(), numbers.size())) > 0;) {
      for (ssize_t i = 0; i < got; ++i) has_arrived[numbers[static_cast<std::size_t>(i)]] = true;
    }
    // The handler may destroy the watch. Then this is the last reference to the handler.
    const auto handler = handler_;
    for (int number = 0; number < NSIG; ++number) {
      if (has_arrived[static_cast<std::size_t>(number)] && handler.use_count() > 1) {
        (*handler)(number);
      }
    }
  }

  Loop& loop_;
  std::shared_ptr<Handler> handler_;
  Descriptor read_end_;
  Descriptor write_end_;
  WatchId watch_ = 0;
  std::vector<std::pair<int, struct sigaction>> before_;
};

}  // namespace

Result<std::unique_ptr<SignalWatch>> on_signal(Loop& loop, std::initializer_list<int> signals,
                                               std::move_only_function<void(int)> handler) {
  auto watch = std::make_unique<PipeWatch>(loop, std::move(handler));
  if (auto opened = watch->open(signals); !opened) return fail(opened.error());
  return watch;
}

}  // namespace dohle::net
