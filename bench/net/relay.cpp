// The bare relay: the baseline of the end-to-end benchmark. A frame goes from the caller's thread
// through a loop and TCP to a server process, whose loop sends it back, then through TCP and the
// loop to a consumer's thread.
//
//   net_relay latency [FRAMES] [PER_SECOND]   one 100-byte frame at a time: p50 and p99
//   net_relay throughput [FRAMES] [BYTES]     as many frames as the queue takes: MB/s
//   net_relay pipe-latency …, pipe-throughput …   the same through a pipe, the relay on a loop of
//                                                 this process; the CPU is that of both sides
//
// System calls: strace -fc net_relay throughput

#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <chrono>
#include <condition_variable>
#include <cstdlib>
#include <cstring>
#include <deque>
#include <mutex>
#include <optional>
#include <string_view>
#include <thread>
#include <vector>

#include <fmt/format.h>

#include "frames/framed_dialer.hpp"
#include "frames/framed_listening.hpp"
#include "net/loop.hpp"
#include "net/pipes.hpp"
#include "net/tcp.hpp"

namespace {

using namespace dohle;
using SteadyClock = std::chrono::steady_clock;

Slice framed(std::size_t body_bytes) {
  return Slice::made(body_bytes + 4, [&](std::span<std::byte> to) {
    std::memset(to.data(), 'x', to.size());
    for (std::size_t i = 0; i < 4; ++i) {
      to[i] = static_cast<std::byte>(body_bytes >> (24 - 8 * i));
    }
  });
}

// Sends each frame back.
class Relay : public Acceptor, ConnectionEvents {
 public:
  ConnectionEvents* on_accept(std::unique_ptr<Connection> connection) override {
    connection_ = std::move(connection);
    return this;
  }
  void on_open() override {}
  Admission on_frame_length(std::size_t /*bytes*/) override { return Admission::accept; }
  void on_frame(Slice frame) override {
    Chain bytes(prefix_of(frame.size()));
    bytes.append(std::move(frame));
    if (!connection_->send(std::move(bytes))) connection_->pause_reading();
  }
  void on_drained() override { connection_->resume_reading(); }
  void on_closed(Error /*why*/) override { connection_.reset(); }
  void close() { connection_.reset(); }

 private:
  Slice prefix_of(std::size_t bytes) {
    if (prefix_.empty() || bytes != prefixed_) {
      prefix_ = framed(bytes).sub(0, 4);
      prefixed_ = bytes;
    }
    return prefix_;
  }

  std::unique_ptr<Connection> connection_;
  Slice prefix_;
  std::size_t prefixed_ = 0;
};

[[noreturn]] void give_up(std::string_view why) {
  fmt::print(stderr, "{}\n", why);
  std::exit(1);
}

// Passes frames from the loop to the consumer's thread.
class Caller : public ConnectionEvents {
 public:
  void on_open() override { signal(is_open_); }
  Admission on_frame_length(std::size_t /*bytes*/) override { return Admission::accept; }
  void on_frame(Slice frame) override {
    bool is_first = false;
    {
      const std::lock_guard guard(mutex_);
      frames_.push_back(std::move(frame));
      is_first = frames_.size() == 1;
    }
    if (is_first) arrived_.notify_one();
  }
  void on_drained() override { signal(is_drained_); }
  void on_closed(Error why) override { give_up(why.to_string()); }

  void wait_open() { wait(is_open_); }
  void wait_drained() { wait(is_drained_); }
  void set_full() {
    const std::lock_guard guard(mutex_);
    is_drained_ = false;
  }
  void take(std::deque<Slice>& into) {
    into.clear();
    std::unique_lock lock(mutex_);
    arrived_.wait(lock, [&] { return !frames_.empty(); });
    into.swap(frames_);
  }

 private:
  void signal(bool& flag) {
    const std::lock_guard guard(mutex_);
    flag = true;
    wake_.notify_all();
  }
  void wait(const bool& flag) {
    std::unique_lock lock(mutex_);
    wake_.wait(lock, [&] { return flag; });
  }

  std::mutex mutex_;
  std::condition_variable wake_;
  std::condition_variable arrived_;
  std::deque<Slice> frames_;
  bool is_open_ = false;
  bool is_drained_ = true;
};

template <class Work>
void on(net::Loop& loop, Work work) {
  std::mutex mutex;
  std::condition_variable wake;
  bool is_done = false;
  loop.post([&] {
    work();
    const std::lock_guard guard(mutex);
    is_done = true;
    wake.notify_all();
  });
  std::unique_lock lock(mutex);
  wake.wait(lock, [&] { return is_done; });
}

// The server side, in a process of its own like a node. Created before the first thread.
class RelayProcess {
 public:
  RelayProcess() {
    std::array<int, 2> ends{};
    if (::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends.data()) != 0) {
      give_up(std::strerror(errno));
    }
    process_ = ::fork();
    if (process_ < 0) give_up(std::strerror(errno));
    if (process_ == 0) {
      ::close(ends[0]);
      serve(ends[1]);
    }
    ::close(ends[1]);
    parent_end_ = ends[0];
    if (::read(parent_end_, &port_, sizeof port_) != sizeof port_) give_up("no relay");
  }
  ~RelayProcess() {
    ::close(parent_end_);
    ::waitpid(process_, nullptr, 0);
  }
  RelayProcess(const RelayProcess&) = delete;
  RelayProcess& operator=(const RelayProcess&) = delete;

  [[nodiscard]] Endpoint address() const { return {"127.0.0.1", port_}; }

 private:
  // Runs until the parent closes its end.
  [[noreturn]] static void serve(int child_end) {
    net::Loop loop;
    net::TcpListening streams(loop);
    frames::FramedListening listening(streams, {loop, &loop.read_buffers()});
    Relay relay;
    std::unique_ptr<Listener> listener;
    loop.start("relay");
    on(loop, [&] {
      auto made = listening.listen({"127.0.0.1", 0}, {}, relay);
      if (!made) give_up(made.error().to_string());
      listener = *std::move(made);
    });
    const std::uint16_t port = listener->local().port;
    char nothing = 0;
    if (::write(child_end, &port, sizeof port) == sizeof port) {
      (void)::read(child_end, &nothing, 1);
    }
    on(loop, [&] {
      listener.reset();
      relay.close();
    });
    loop.stop();
    loop.join();
    ::_exit(0);
  }

  pid_t process_ = -1;
  int parent_end_ = -1;
  std::uint16_t port_ = 0;
};

// The same on a loop of this process, through pipes.
class PipeRelay {
 public:
  PipeRelay() {
    loop_.start("relay");
    on(loop_, [&] {
      auto made = listening_.listen({"relay", 1}, {}, relay_);
      if (!made) give_up(made.error().to_string());
      listener_ = *std::move(made);
    });
  }
  ~PipeRelay() {
    on(loop_, [&] {
      listener_.reset();
      relay_.close();
    });
    loop_.stop();
    loop_.join();
  }
  PipeRelay(const PipeRelay&) = delete;
  PipeRelay& operator=(const PipeRelay&) = delete;

  [[nodiscard]] std::unique_ptr<StreamDialer> dialer(net::Loop& loop) {
    return pipes_.dialer(loop);
  }

 private:
  net::Loop loop_;
  net::PipeNetwork pipes_;
  std::unique_ptr<StreamListening> streams_ = pipes_.listening(loop_);
  frames::FramedListening listening_{*streams_, {loop_, nullptr}};
  Relay relay_;
  std::unique_ptr<Listener> listener_;
};

enum class Through : std::uint8_t { tcp, pipe };

class Hops {
 public:
  explicit Hops(Through through) {
    if (through == Through::tcp) {
      process_.emplace();
      dialer_.emplace(std::make_unique<net::TcpDialer>(loop_),
                      frames::OnLoop{loop_, &loop_.read_buffers()});
    } else {
      thread_.emplace();
      dialer_.emplace(thread_->dialer(loop_), frames::OnLoop{loop_, nullptr});
    }
    const Endpoint to = process_ ? process_->address() : Endpoint{"relay", 1};
    loop_.start("client");
    on(loop_, [&] { connection = dialer_->dial(to, {.limits = limits_}, caller); });
    caller.wait_open();
  }
  ~Hops() {
    on(loop_, [&] {
      connection.reset();
      dialer_.reset();
    });
    loop_.stop();
    loop_.join();
  }
  Hops(const Hops&) = delete;
  Hops& operator=(const Hops&) = delete;

  net::Loop& loop() { return loop_; }

  Caller caller;
  std::unique_ptr<Connection> connection;

 private:
  std::optional<RelayProcess> process_;
  std::optional<PipeRelay> thread_;
  ConnectionLimits limits_{.max_write_queue_bytes = std::size_t{4} << 20};
  net::Loop loop_;
  std::optional<frames::FramedDialer> dialer_;
};

double cpu_seconds() {
  rusage used{};
  ::getrusage(RUSAGE_SELF, &used);
  const auto seconds = [](const timeval& time) {
    return static_cast<double>(time.tv_sec) + static_cast<double>(time.tv_usec) * 1e-6;
  };
  return seconds(used.ru_utime) + seconds(used.ru_stime);
}

void latency(Through through, std::size_t frames, std::size_t per_second) {
  Hops hops(through);
  const Slice frame = framed(100);
  // A warm-up of two seconds, as in `dohle bench e2e`.
  const std::size_t unmeasured = 2 * per_second;
  const std::size_t all = unmeasured + frames;
  std::vector<SteadyClock::time_point> sent(all);
  std::vector<double> milliseconds(all);
  std::thread consumer([&] {
    std::deque<Slice> arrived;
    for (std::size_t i = 0; i < all;) {
      hops.caller.take(arrived);
      const auto now = SteadyClock::now();
      for (std::size_t n = arrived.size(); n > 0; --n, ++i) {
        milliseconds[i] = std::chrono::duration<double, std::milli>(now - sent[i]).count();
      }
    }
  });
  const auto interval = std::chrono::nanoseconds(1'000'000'000 / per_second);
  auto next = SteadyClock::now();
  for (std::size_t i = 0; i < all; ++i) {
    std::this_thread::sleep_until(next += interval);
    sent[i] = SteadyClock::now();
    hops.loop().post([&] { hops.connection->send(Chain(frame)); });
  }
  consumer.join();
  milliseconds.erase(milliseconds.begin(),
                     milliseconds.begin() + static_cast<std::ptrdiff_t>(unmeasured));
  std::ranges::sort(milliseconds);
  fmt::print("relay: {} frames of 100 B at {}/s: p50 {:.3f} ms, p99 {:.3f} ms, max {:.3f} ms\n",
             frames, per_second, milliseconds[frames / 2], milliseconds[frames * 99 / 100],
             milliseconds.back());
}

// Sends on the loop until the queue is full, and continues when it has drained.
class Sender {
 public:
  Sender(Hops& hops, std::size_t frames, std::size_t bytes)
      : hops_(hops), left_(frames), frame_(framed(bytes)) {}

  void run() {
    while (left_ > 0) {
      hops_.caller.set_full();
      hops_.loop().post([this] { fill(); });
      hops_.caller.wait_drained();
    }
  }

 private:
  void fill() {
    while (left_ > 0) {
      --left_;
      if (!hops_.connection->send(Chain(frame_))) return;
    }
    hops_.caller.on_drained();
  }

  Hops& hops_;
  std::atomic<std::size_t> left_;
  Slice frame_;
};

void throughput(Through through, std::size_t frames, std::size_t bytes) {
  Hops hops(through);
  Sender sender(hops, frames, bytes);
  const double cpu_before = cpu_seconds();
  const auto begin = SteadyClock::now();
  std::thread consumer([&] {
    std::deque<Slice> arrived;
    for (std::size_t i = 0; i < frames; i += arrived.size()) hops.caller.take(arrived);
  });
  sender.run();
  consumer.join();
  const double seconds = std::chrono::duration<double>(SteadyClock::now() - begin).count();
  const double megabytes = static_cast<double>(frames) * static_cast<double>(bytes) / 1e6;
  fmt::print(
      "relay: {} frames of {} B there and back: {:.0f} MB/s each way, {:.0f} frames/s, "
      "{:.2f} us of the client's CPU per frame\n",
      frames, bytes, megabytes / seconds, static_cast<double>(frames) / seconds,
      (cpu_seconds() - cpu_before) * 1e6 / static_cast<double>(frames));
}

}  // namespace

int main(int count, char** arguments) {
  std::string_view mode = count > 1 ? arguments[1] : "latency";
  const Through through = mode.starts_with("pipe-") ? Through::pipe : Through::tcp;
  if (through == Through::pipe) mode.remove_prefix(5);
  const auto number = [&](int at, std::size_t otherwise) {
    return count > at ? static_cast<std::size_t>(std::strtoull(arguments[at], nullptr, 10))
                      : otherwise;
  };
  if (mode == "latency") {
    latency(through, std::max<std::size_t>(number(2, 3000), 1),
            std::max<std::size_t>(number(3, 1000), 1));
  } else if (mode == "throughput") {
    throughput(through, number(2, 4000), number(3, std::size_t{256} * 1024));
  } else {
    fmt::print(stderr,
               "usage: net_relay [pipe-]latency|[pipe-]throughput [FRAMES] [PER_SECOND|BYTES]\n");
    return 2;
  }
}
