#pragma once

#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <stop_token>
#include <string>
#include <vector>

#include "base/fork_watch.hpp"
#include "base/time.hpp"
#include "base/wait_point.hpp"
#include "dohle/server.hpp"

namespace dohle::server {

/// The state of a Server. Thread safety: any thread.
class ServerRuntime {
 public:
  explicit ServerRuntime(ServerOptions options) : options_(std::move(options)) {}

  [[nodiscard]] const ServerOptions& options() const { return options_; }

  Result<void> add(std::string topic, messaging::Subscribing subscribing);
  Result<void> start();
  Result<void> stop(std::chrono::milliseconds timeout);
  Result<void> run(const std::stop_token& by);
  [[nodiscard]] ServerHealth health() const;
  [[nodiscard]] std::string endpoint() const;
  [[nodiscard]] std::shared_ptr<Broker> broker() const;
  void log_end(const Error& why) const;
  /// Errors: forked. To be called before any lock is taken.
  [[nodiscard]] Result<void> check_usable() const;

 private:
  /// True inside a handler or callback of this Server and its Broker.
  [[nodiscard]] bool is_handling_here() const;

  using Lock = std::unique_lock<std::mutex>;

  struct Registered {
    std::string topic;
    messaging::Subscribing subscribe;
    /// Null unless the Server runs.
    std::shared_ptr<Subscriber> subscriber;
  };

  [[nodiscard]] Result<void> check() const;
  Result<std::shared_ptr<Broker>> connected() const;
  Result<void> start_with(const std::shared_ptr<Broker>& broker);
  /// The functions by which a health page reads the Server while `broker` runs.
  [[nodiscard]] ShownServer shown_of(const std::shared_ptr<Broker>& broker) const;
  /// Subscribes each registered subscriber, those that are added meanwhile included, and then runs.
  Result<void> subscribe_all(const std::shared_ptr<Broker>& broker, const std::string& url);
  static Result<std::shared_ptr<Subscriber>> subscribe(Broker& broker, const Registered& what);
  void become(ServerState state);
  /// Ends the health page, the Broker and its subscribers.
  Result<void> end(const std::shared_ptr<Broker>& broker, TimePoint deadline);
  /// The running subscribers.
  [[nodiscard]] std::vector<std::shared_ptr<Subscriber>> subscribers() const;
  /// The failure of a subscriber that has ended by itself.
  [[nodiscard]] std::optional<Error> failure() const;
  /// Makes a start under way fail.
  void request_stop();
  /// Whether run() has to stop the Server, and the failure that asks for it.
  bool is_to_stop(std::optional<Error>& failed) const;

  const ServerOptions options_;
  mutable std::mutex mutex_;
  WaitPoint changed_;
  ServerState state_ = ServerState::idle;
  bool is_stop_wanted_ = false;
  std::vector<std::shared_ptr<Registered>> registered_;
  std::shared_ptr<Broker> broker_;
  /// The same until it has ended.
  std::weak_ptr<Broker> latest_;
  std::string url_;
  /// Set while run() waits; makes it stop the Server.
  std::function<void()> tell_run_;
  const ForkMark made_in_;
};

}  // namespace dohle::server
