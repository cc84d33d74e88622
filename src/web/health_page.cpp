#include <httplib.h>

#include <atomic>
#include <condition_variable>
#include <deque>
#include <functional>
#include <mutex>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "base/connection.hpp"
#include "dohle/web.hpp"

namespace dohle {
inline namespace v0 {
namespace web {

namespace {

constexpr std::size_t threads = 2;
constexpr std::size_t max_waiting = 16;
constexpr time_t patience_s = 5;

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

class HttpHealthPage final : public HealthPage {
 public:
  HttpHealthPage(Endpoint at, std::function<std::string()> metrics)
      : at_(std::move(at)), metrics_(std::move(metrics)) {}
  ~HttpHealthPage() override { stop(); }
  HttpHealthPage(const HttpHealthPage&) = delete;
  HttpHealthPage& operator=(const HttpHealthPage&) = delete;

  Result<std::string> start(std::function<ServerHealth()> health) override {
    http_ = std::make_unique<httplib::Server>();
    limit(*http_);
    answer(*http_, std::move(health));
    if (metrics_) {
      http_->Get("/metrics", [this](const httplib::Request&, httplib::Response& to) {
        to.set_content(metrics_(), "text/plain; version=0.0.4; charset=utf-8");
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
    listening_.join();
    http_.reset();
  }

 private:
  static void limit(httplib::Server& http) {
    http.new_task_queue = [] { return new BoundedConnections; };
    http.set_payload_max_length(0);
    http.set_read_timeout(patience_s, 0);
    http.set_write_timeout(patience_s, 0);
    // A connection that stays open would keep a thread.
    http.set_keep_alive_max_count(1);
    // Not SO_REUSEPORT, the library's default: two programs would share the port.
    http.set_socket_options([](socket_t socket) {
      const int yes = 1;
      ::setsockopt(socket, SOL_SOCKET, SO_REUSEADDR, &yes, sizeof yes);
    });
  }

  static void answer(httplib::Server& http, std::function<ServerHealth()> health) {
    const auto respond = [health = std::move(health)](httplib::Response& to, auto is_well) {
      const ServerHealth now = health();
      to.status = is_well(now) ? 200 : 503;
      to.set_content(now.to_json() + "\n", "application/json");
    };
    const auto is_ready = [](const ServerHealth& now) { return now.is_ready(); };
    const auto is_alive = [](const ServerHealth& now) { return now.is_alive(); };
    const auto ready = [=](const httplib::Request&, httplib::Response& to) {
      respond(to, is_ready);
    };
    http.Get("/health", ready);
    http.Get("/health/ready", ready);
    http.Get("/health/live",
             [=](const httplib::Request&, httplib::Response& to) { respond(to, is_alive); });
  }

  const Endpoint at_;
  const std::function<std::string()> metrics_;
  std::unique_ptr<httplib::Server> http_;
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
