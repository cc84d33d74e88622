#include "server/server_runtime.hpp"

#include <algorithm>
#include <csignal>
#include <thread>
#include <utility>

#include "base/option_checks.hpp"
#include "dohle/kafka.hpp"
#include "dohle/metrics.hpp"
#include "net/loop.hpp"
#include "net/signals.hpp"

namespace dohle::server {

using std::chrono::milliseconds;

namespace {

constexpr milliseconds max_timeout = std::chrono::hours(24);
/// How often run() looks for subscribers that have ended by themselves.
constexpr std::chrono::seconds look_interval{1};
/// How long further signals are ignored: GNU timeout sends two.
constexpr std::chrono::seconds deaf_interval{1};

thread_local const ServerRuntime* handling_here = nullptr;

milliseconds left_until(TimePoint deadline) {
  return std::max(milliseconds(0), std::chrono::ceil<milliseconds>(deadline - thread_now()));
}

/// Lets stop() know that a function of that Server runs on this thread.
class Handling {
 public:
  explicit Handling(const ServerRuntime* server) : before_(std::exchange(handling_here, server)) {}
  ~Handling() { handling_here = before_; }
  Handling(const Handling&) = delete;
  Handling& operator=(const Handling&) = delete;

 private:
  const ServerRuntime* const before_;
};

SubscribeMiddleware noting(const ServerRuntime* server) {
  return [server](SubscribeHandler next) {
    return [server, next = std::move(next)](RawEvent& event) {
      const Handling here(server);
      return next(event);
    };
  };
}

template <class Argument>
void note(const ServerRuntime* server, std::function<void(const Argument&)>& function) {
  if (!function) return;
  function = [server, inner = std::move(function)](const Argument& argument) {
    const Handling here(server);
    inner(argument);
  };
}

}  // namespace

bool ServerRuntime::is_handling_here() const {
  if (handling_here == this) return true;
  std::shared_ptr<Broker> latest;
  {
    const std::lock_guard lock(mutex_);
    latest = latest_.lock();
  }
  return latest && messaging::is_inside(*latest);
}

Result<void> ServerRuntime::check_usable() const {
  if (!made_in_.is_forked()) return {};
  return fail(
      Error::client(Errc::forked, "a Server cannot be used after fork() in the child process"));
}

Result<void> ServerRuntime::check() const {
  return check_options(
      {{"start_timeout", options_.start_timeout.count(), 1, max_timeout.count(), "ms"},
       {"stop_timeout", options_.stop_timeout.count(), 1, max_timeout.count(), "ms"}});
}

void ServerRuntime::become(ServerState state) {
  const std::lock_guard lock(mutex_);
  state_ = state;
  changed_.notify_all();
}

// Registering.

Result<void> ServerRuntime::add(std::string topic, messaging::Subscribing subscribing) {
  auto added =
      std::make_shared<Registered>(Registered{std::move(topic), std::move(subscribing), nullptr});
  for (;;) {
    std::shared_ptr<Broker> broker;
    {
      const std::lock_guard lock(mutex_);
      if (registered_.size() >= Server::max_subscribers) {
        return fail(Error::client(
            Errc::limit_reached, "a Server has at most " + std::to_string(Server::max_subscribers) +
                                     " subscribers (Server::max_subscribers)"));
      }
      if (state_ != ServerState::running) {
        // Its start subscribes it.
        registered_.push_back(std::move(added));
        return {};
      }
      broker = broker_;
    }
    auto subscriber = subscribe(*broker, *added);
    const std::lock_guard lock(mutex_);
    // Stopped meanwhile, and perhaps started again without this subscriber.
    if (broker_ != broker) continue;
    if (!subscriber) return fail(subscriber.error());
    added->subscriber = *std::move(subscriber);
    registered_.push_back(std::move(added));
    return {};
  }
}

Result<std::shared_ptr<Subscriber>> ServerRuntime::subscribe(Broker& broker,
                                                             const Registered& what) {
  auto subscribed = what.subscribe(broker, what.topic);
  if (!subscribed) return fail(subscribed.error().within("subscriber of " + what.topic));
  return std::make_shared<Subscriber>(*std::move(subscribed));
}

// Starting.

Result<void> ServerRuntime::start() {
  if (auto checked = check(); !checked) return checked;
  {
    const std::lock_guard lock(mutex_);
    if (state_ != ServerState::idle) {
      return fail(Error::client(
          Errc::invalid_argument,
          "start of a Server that is " + std::string(to_string(state_)) + "; stop it first"));
    }
    state_ = ServerState::starting;
    is_stop_wanted_ = false;
  }
  auto broker = connected();
  Result<void> started = broker ? start_with(*broker) : fail(broker.error());
  if (!started) become(ServerState::idle);
  return started;
}

Result<std::shared_ptr<Broker>> ServerRuntime::connected() const {
  kafka::BrokerOptions options = options_.broker;
  options.subscribe_middlewares.insert(options.subscribe_middlewares.begin(), noting(this));
  note(this, options.error_handler);
  note(this, options.completion);
  note(this, options.read_lag_handler);
  auto made = kafka::new_broker(std::move(options));
  if (!made) return fail(made.error());
  auto broker = std::make_shared<Broker>(*std::move(made));
  if (auto connected = broker->connect(options_.start_timeout); !connected) {
    return fail(connected.error());
  }
  return broker;
}

Result<void> ServerRuntime::start_with(const std::shared_ptr<Broker>& broker) {
  {
    const std::lock_guard lock(mutex_);
    latest_ = broker;
  }
  std::string url;
  if (options_.health_page) {
    auto shown = options_.health_page->start(shown_of(broker));
    if (!shown) {
      (void)broker->disconnect(options_.stop_timeout);
      return fail(shown.error().within("health_page"));
    }
    url = *std::move(shown);
  }
  if (auto subscribed = subscribe_all(broker, url); !subscribed) {
    // The error of the start is the one to tell.
    (void)end(broker, thread_now() + options_.stop_timeout);
    return subscribed;
  }
  return {};
}

ShownServer ServerRuntime::shown_of(const std::shared_ptr<Broker>& broker) const {
  ShownServer shown{.health = [this] { return health(); }};
  if (!options_.broker.metrics) return shown;
  // A page that keeps it after its stop must not keep the Broker.
  shown.metrics = [weak = std::weak_ptr(broker)] {
    const auto alive = weak.lock();
    return alive ? to_prometheus(alive->metrics()) : std::string();
  };
  return shown;
}

Result<void> ServerRuntime::subscribe_all(const std::shared_ptr<Broker>& broker,
                                          const std::string& url) {
  for (std::size_t next = 0;; ++next) {
    std::shared_ptr<Registered> what;
    {
      const std::lock_guard lock(mutex_);
      if (is_stop_wanted_) {
        return fail(Error::client(Errc::closed, "the Server was stopped while it started"));
      }
      if (next == registered_.size()) {
        state_ = ServerState::running;
        broker_ = broker;
        url_ = url;
        changed_.notify_all();
        return {};
      }
      what = registered_[next];
    }
    auto subscriber = subscribe(*broker, *what);
    if (!subscriber) return fail(subscriber.error());
    const std::lock_guard lock(mutex_);
    what->subscriber = *std::move(subscriber);
  }
}

// Stopping.

Result<void> ServerRuntime::stop(milliseconds timeout) {
  const TimePoint deadline = thread_now() + call_timeout(timeout);
  const bool is_inside = is_handling_here();
  std::shared_ptr<Broker> broker;
  {
    Lock lock(mutex_);
    if (state_ != ServerState::idle) is_stop_wanted_ = true;
    if (tell_run_) tell_run_();
    if (is_inside) return {};
    const auto is_settled = [this] {
      return state_ == ServerState::idle || state_ == ServerState::running;
    };
    if (!changed_.wait_until(lock, deadline, is_settled)) {
      return fail(Error::client(Errc::timed_out, "the Server was still " +
                                                     std::string(to_string(state_)) + " after " +
                                                     std::to_string(timeout.count()) + " ms"));
    }
    if (state_ == ServerState::idle) return {};
    state_ = ServerState::stopping;
    broker = std::exchange(broker_, nullptr);
    url_.clear();
  }
  auto ended = end(broker, deadline);
  become(ServerState::idle);
  return ended;
}

Result<void> ServerRuntime::end(const std::shared_ptr<Broker>& broker, TimePoint deadline) {
  if (options_.health_page) options_.health_page->stop();
  const auto report = [&] {
    // It ends the requests under way, whose callbacks may stop the Server, too.
    const Handling here(this);
    return broker->disconnect(left_until(deadline));
  }();
  std::vector<std::shared_ptr<Subscriber>> ended;
  {
    const std::lock_guard lock(mutex_);
    for (const auto& each : registered_) {
      if (each->subscriber) ended.push_back(std::exchange(each->subscriber, nullptr));
    }
  }
  if (!report) return fail(report.error());
  return {};
}

// Running.

namespace {

/// The loop of run(), on a thread of its own: signals, stop() and a timer make it stop the Server.
class RunLoop {
 public:
  struct Means {
    /// Stops the Server. May wait.
    std::function<Result<void>()> stop;
    /// Requests the stop of a Server that starts.
    std::function<void()> request_stop;
    std::function<bool()> is_to_stop;
  };
  explicit RunLoop(Means means) : means_(std::move(means)) {}
  ~RunLoop() {
    end();
    watches_.clear();
    if (stopper_.joinable()) stopper_.join();
  }
  RunLoop(const RunLoop&) = delete;
  RunLoop& operator=(const RunLoop&) = delete;

  /// Takes signals from now on.
  Result<void> begin(const std::vector<int>& signals) {
    for (const int number : signals) {
      auto watch = net::on_signal(loop_, {number}, [this](int /*number*/) { on_signal(); });
      if (!watch) return fail(watch.error());
      watches_.push_back(*std::move(watch));
    }
    loop_.start("dohle-server");
    return {};
  }

  /// Stops the Server as a signal does. Any thread.
  void ask() {
    loop_.post([this] {
      is_asked_ = true;
      if (has_started_) return begin_stop();
      means_.request_stop();
    });
  }
  /// Makes `wait` stop the Server. Any thread.
  void tell() {
    loop_.post([this] { begin_stop(); });
  }

  /// The Server has started: waits for its stop, and returns the outcome.
  Result<void> wait() {
    loop_.post([this] {
      has_started_ = true;
      look();
    });
    loop_.join();
    return ended_;
  }

  /// Takes no more signals. Returns whether one has arrived, or `ask` was called.
  bool end() {
    loop_.stop();
    loop_.join();
    return has_signal_ || is_asked_;
  }

 private:
  void on_signal() {
    if (!std::exchange(has_signal_, true)) {
      loop_.arm(loop_.tick().mono + deaf_interval, [this] { watches_.clear(); });
    }
    if (has_started_) return begin_stop();
    means_.request_stop();
  }

  void look() {
    if (has_signal_ || is_asked_ || means_.is_to_stop()) return begin_stop();
    loop_.arm(loop_.tick().mono + look_interval, [this] { look(); });
  }

  void begin_stop() {
    if (stopper_.joinable()) return;
    // The loop has to go on meanwhile: it ignores signals for a while.
    stopper_ = std::thread([this] {
      ended_ = means_.stop();
      loop_.stop();
    });
  }

  const Means means_;
  net::Loop loop_;
  // Only the loop's thread uses the following members.
  std::vector<std::unique_ptr<net::SignalWatch>> watches_;
  bool has_signal_ = false;
  bool is_asked_ = false;
  bool has_started_ = false;
  std::thread stopper_;
  Result<void> ended_;
};

}  // namespace

void ServerRuntime::request_stop() {
  const std::lock_guard lock(mutex_);
  if (state_ == ServerState::starting) is_stop_wanted_ = true;
}

bool ServerRuntime::is_to_stop(std::optional<Error>& failed) const {
  failed = failure();
  const std::lock_guard lock(mutex_);
  // A subscriber that was stopped has not failed.
  if (is_stop_wanted_) failed.reset();
  return failed || is_stop_wanted_ || state_ != ServerState::running;
}

Result<void> ServerRuntime::run(const std::stop_token& by) {
  if (by.stop_requested()) return {};
  std::optional<Error> failed;
  RunLoop loop({.stop = [this] { return stop(options_.stop_timeout); },
                .request_stop = [this] { request_stop(); },
                .is_to_stop = [this, &failed] { return is_to_stop(failed); }});
  if (auto begun = loop.begin(options_.signals); !begun) return begun;
  const std::stop_callback asks(by, [&loop] { loop.ask(); });
  if (auto started = start(); !started) {
    // A signal or a stop meanwhile is a reason to end, not a failure.
    const bool is_asked_for = loop.end() && started.error().is(Errc::closed);
    return is_asked_for ? Result<void>() : started;
  }
  {
    const std::lock_guard lock(mutex_);
    tell_run_ = [&loop] { loop.tell(); };
  }
  auto ended = loop.wait();
  const std::lock_guard lock(mutex_);
  tell_run_ = nullptr;
  if (failed) return fail(*std::move(failed));
  return ended;
}

// Telling.

std::vector<std::shared_ptr<Subscriber>> ServerRuntime::subscribers() const {
  const std::lock_guard lock(mutex_);
  std::vector<std::shared_ptr<Subscriber>> running;
  if (state_ != ServerState::running) return running;
  for (const auto& each : registered_) {
    if (each->subscriber) running.push_back(each->subscriber);
  }
  return running;
}

std::optional<Error> ServerRuntime::failure() const {
  for (const auto& each : subscribers()) {
    const auto ready = each->wait_ready(milliseconds(0));
    if (!ready && ready.error().is(Errc::closed)) {
      return ready.error().within("subscriber of " + each->topic());
    }
  }
  return std::nullopt;
}

ServerHealth ServerRuntime::health() const {
  ServerHealth health;
  // The lock is not held while a subscriber is asked, which may wait for the client's thread.
  for (const auto& each : subscribers()) {
    const auto ready = each->wait_ready(milliseconds(0));
    ReadLag lag = each->lag();
    health.subscribers.push_back({.topic = each->topic(),
                                  .group_id = std::move(lag.group_id),
                                  .is_ready = ready.has_value(),
                                  .has_ended = !ready && ready.error().is(Errc::closed),
                                  .reason = ready ? std::string() : ready.error().to_string(),
                                  .held = each->held().size(),
                                  .lag = lag.total()});
  }
  const std::lock_guard lock(mutex_);
  health.state = state_;
  // During a stop the subscribers have ended by request.
  if (state_ != ServerState::running) health.subscribers.clear();
  return health;
}

std::string ServerRuntime::endpoint() const {
  const std::lock_guard lock(mutex_);
  return url_;
}

std::shared_ptr<Broker> ServerRuntime::broker() const {
  const std::lock_guard lock(mutex_);
  return broker_;
}

void ServerRuntime::log_end(const Error& why) const {
  const kafka::BrokerOptions& broker = options_.broker;
  if (!broker.enable_error_logger) return;
  const std::string line = "stop failed: " + why.to_string();
  const auto& logger = broker.error_logger ? broker.error_logger : broker.logger;
  if (logger) return logger->log(LogLevel::error, "server", line);
  kafka::ErrorLogger().log(LogLevel::error, "server", line);
}

}  // namespace dohle::server
