#include <httplib.h>
#include <poll.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <cerrno>
#include <chrono>
#include <condition_variable>
#include <deque>
#include <functional>
#include <mutex>
#include <set>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "base/connection.hpp"
#include "base/time.hpp"
#include "base/wait_point.hpp"
#include "dohle/web.hpp"

namespace dohle {
inline namespace v0 {
namespace web {

namespace {

constexpr std::size_t threads = 2;
constexpr std::size_t max_waiting = 16;
constexpr std::chrono::seconds patience{5};
/// Bound of a request with all its header lines.
constexpr std::size_t max_request_bytes = std::size_t{8} << 10;

/// The connections that wait for a thread. Above the limit the listening thread serves a connection
/// itself, and accepts no other meanwhile.
class BoundedConnections final : public httplib::TaskQueue {
 public:
  BoundedConnections() {
    for (std::size_t i = 0; i < threads; ++i) workers_.emplace_back([this] { work(); });
  }
  ~BoundedConnections() override { shutdown(); }

  void enqueue(std::function<void()> serve) override {
    {
      const std::lock_guard lock(mutex_);
      if (waiting_.size() < max_waiting) {
        waiting_.push_back(std::move(serve));
        arrived_.notify_one();
        return;
      }
    }
    serve();
  }

  void shutdown() override {
    {
      const std::lock_guard lock(mutex_);
      is_ending_ = true;
      arrived_.notify_all();
    }
    for (std::thread& worker : workers_) worker.join();
    workers_.clear();
  }

 private:
  void work() {
    std::unique_lock lock(mutex_);
    for (;;) {
      arrived_.wait(lock, [this] { return is_ending_ || !waiting_.empty(); });
      if (waiting_.empty()) return;
      const std::function<void()> serve = std::move(waiting_.front());
      waiting_.pop_front();
      lock.unlock();
      serve();
      lock.lock();
    }
  }

  std::mutex mutex_;
  std::condition_variable arrived_;
  std::deque<std::function<void()>> waiting_;
  bool is_ending_ = false;
  std::vector<std::thread> workers_;
};

/// One connection. Its request has to arrive within `patience` and max_request_bytes, and its
/// answer has to be taken within `patience`, in however many pieces: the library's own limits are
/// for each piece, and a line may be of any length.
class BoundedStream final : public httplib::Stream {
 public:
  explicit BoundedStream(socket_t socket) : socket_(socket) {}

  bool is_readable() const override { return taken_ < filled_ || wait_for(POLLIN, read_by_); }
  bool is_writable() const override { return wait_for(POLLOUT, write_by_); }
  ssize_t read(char* into, size_t size) override {
    if (taken_ == filled_) {
      if (filled_ == buffer_.size() || !wait_for(POLLIN, read_by_)) return -1;
      const ssize_t got =
          ::recv(socket_, buffer_.data() + filled_, buffer_.size() - filled_, MSG_DONTWAIT);
      if (got <= 0) return got;
      filled_ += static_cast<std::size_t>(got);
    }
    const std::size_t count = std::min(size, filled_ - taken_);
    std::copy_n(buffer_.data() + taken_, count, into);
    taken_ += count;
    return static_cast<ssize_t>(count);
  }
  ssize_t write(const char* from, size_t size) override {
    if (write_by_ == never) write_by_ = thread_now() + patience;
    if (!is_writable()) return -1;
    return ::send(socket_, from, size, MSG_DONTWAIT | MSG_NOSIGNAL);
  }
  // The page looks at no addresses.
  void get_remote_ip_and_port(std::string& /*ip*/, int& port) const override { port = 0; }
  void get_local_ip_and_port(std::string& /*ip*/, int& port) const override { port = 0; }
  socket_t socket() const override { return socket_; }

 private:
  bool wait_for(short events, TimePoint deadline) const {
    for (;;) {
      const Duration left = std::min<Duration>(deadline - thread_now(), patience);
      if (left <= Duration(0)) return false;
      pollfd one{socket_, events, 0};
      const auto ms = std::chrono::ceil<std::chrono::milliseconds>(left).count();
      const int ready = ::poll(&one, 1, static_cast<int>(ms));
      if (ready > 0) return true;
      if (ready < 0 && errno != EINTR) return false;
    }
  }

  const socket_t socket_;
  const TimePoint read_by_ = thread_now() + patience;
  TimePoint write_by_ = never;
  std::array<char, max_request_bytes> buffer_;
  std::size_t filled_ = 0;
  std::size_t taken_ = 0;
};

/// The library's server, with one request for each connection.
class BoundedServer final : public httplib::Server {
 public:
  /// Waits for no further bytes of requests. Answers under way are sent.
  void end_requests() {
    const std::lock_guard lock(mutex_);
    is_ending_ = true;
    for (const socket_t each : reading_) ::shutdown(each, SHUT_RD);
  }

 private:
  bool process_and_close_socket(socket_t socket) override {
    bool is_served = false;
    if (begin(socket)) {
      BoundedStream stream(socket);
      bool is_closed = false;
      is_served = process_request(stream, true, is_closed, nullptr);
      const std::lock_guard lock(mutex_);
      reading_.erase(socket);
    }
    ::shutdown(socket, SHUT_RDWR);
    ::close(socket);
    return is_served;
  }
  bool begin(socket_t socket) {
    const std::lock_guard lock(mutex_);
    if (!is_ending_) reading_.insert(socket);
    return !is_ending_;
  }

  std::mutex mutex_;
  bool is_ending_ = false;
  std::set<socket_t> reading_;
};

class HttpHealthPage final : public HealthPage {
 public:
  HttpHealthPage(Endpoint at, std::function<std::string()> metrics)
      : at_(std::move(at)), metrics_(std::move(metrics)) {}
  ~HttpHealthPage() override { stop(); }
  HttpHealthPage(const HttpHealthPage&) = delete;
  HttpHealthPage& operator=(const HttpHealthPage&) = delete;

  Result<std::string> start(ShownServer server) override {
    http_ = std::make_unique<BoundedServer>();
    limit(*http_);
    answer(*http_, server.health);
    auto metrics = metrics_ ? metrics_ : server.metrics;
    if (metrics) {
      http_->Get("/metrics",
                 [metrics = std::move(metrics)](const httplib::Request&, httplib::Response& to) {
                   to.set_content(metrics(), "text/plain; version=0.0.4; charset=utf-8");
                 });
    }
    Endpoint bound = at_;
    if (at_.port == 0) {
      const int port = http_->bind_to_any_port(at_.host);
      if (port > 0) bound.port = static_cast<std::uint16_t>(port);
    } else if (!http_->bind_to_port(at_.host, at_.port)) {
      bound.port = 0;
    }
    if (bound.port == 0) {
      http_.reset();
      return fail(Error::client(Errc::io_error, "cannot listen on " + at_.to_string()));
    }
    has_ended_ = false;
    listening_ = std::thread([this] {
      http_->listen_after_bind();
      has_ended_ = true;
    });
    return "http://" + bound.to_string() + "/health";
  }

  void stop() override {
    if (!http_) return;
    // A stop before the thread listens would have no effect.
    while (!http_->is_running() && !has_ended_) std::this_thread::yield();
    http_->stop();
    http_->end_requests();
    listening_.join();
    http_.reset();
  }

 private:
  static void limit(httplib::Server& http) {
    http.new_task_queue = [] { return new BoundedConnections; };
    http.set_payload_max_length(0);
    // Not SO_REUSEPORT, the library's default: two programs would share the port.
    http.set_socket_options([](socket_t socket) {
      const int yes = 1;
      ::setsockopt(socket, SOL_SOCKET, SO_REUSEADDR, &yes, sizeof yes);
    });
  }

  static void answer(httplib::Server& http, const std::function<ServerHealth()>& health) {
    const auto respond = [&health](bool (ServerHealth::*is_well)() const) {
      return [health, is_well](const httplib::Request&, httplib::Response& to) {
        const ServerHealth now = health();
        to.status = (now.*is_well)() ? 200 : 503;
        to.set_content(now.to_json() + "\n", "application/json");
      };
    };
    http.Get("/health", respond(&ServerHealth::is_ready));
    http.Get("/health/ready", respond(&ServerHealth::is_ready));
    http.Get("/health/live", respond(&ServerHealth::is_alive));
  }

  const Endpoint at_;
  const std::function<std::string()> metrics_;
  std::unique_ptr<BoundedServer> http_;
  std::thread listening_;
  std::atomic<bool> has_ended_ = false;
};

}  // namespace

Result<std::shared_ptr<HealthPage>> health_page(HealthPageOptions options) {
  auto at = Endpoint::parse(options.address, 0);
  if (!at) return fail(at.error().within("health_page"));
  return std::make_shared<HttpHealthPage>(*std::move(at), std::move(options.metrics));
}

}  // namespace web
}  // namespace v0
}  // namespace dohle
