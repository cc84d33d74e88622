#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <stop_token>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "dohle/broker.hpp"
#include "dohle/broker_options.hpp"
#include "dohle/detail/shared_handler.hpp"
#include "dohle/error.hpp"
#include "dohle/export.hpp"
#include "dohle/topics.hpp"

namespace dohle::server {
class ServerRuntime;
}  // namespace dohle::server

namespace dohle {
inline namespace v0 {

/// The stages of a Server.
enum class ServerState : std::uint8_t {
  idle,      ///< not started yet, stopped, or its start failed
  starting,  ///< connecting, and subscribing the registered subscribers
  running,   ///< start has succeeded
  stopping,  ///< ending its subscribers
};

/// "idle", "starting", "running" or "stopping".
[[nodiscard]] DOHLE_API std::string_view to_string(ServerState state);

/// The condition of one subscriber of a running Server.
struct SubscriberHealth {
  /// Its topic.
  std::string topic = {};
  /// Its group; empty without one.
  std::string group_id = {};
  /// True once its partitions are assigned and their positions are known.
  bool is_ready = false;
  /// True if it has ended by itself, for example under FailurePolicy::stop. It does not start
  /// again.
  bool has_ended = false;
  /// Why it is not ready, or has ended; empty if it is ready.
  std::string reason = {};
  /// The number of messages that hold their partitions (Subscriber::held).
  std::size_t held = 0;
  /// The number of records between its positions and the ends of its partitions (Subscriber::lag).
  std::int64_t lag = 0;
};

/// The condition of a Server.
struct ServerHealth {
  /// Its stage.
  ServerState state = ServerState::idle;
  /// One for each subscriber, in the order of registration. Empty unless the Server is running.
  std::vector<SubscriberHealth> subscribers = {};

  /// False if a subscriber has ended by itself. The Server then has to be restarted.
  [[nodiscard]] DOHLE_API bool is_alive() const;
  /// True if the Server is running and all subscribers are ready.
  [[nodiscard]] DOHLE_API bool is_ready() const;
  /// The condition as JSON in one line:
  /// {"state":"running","alive":true,"ready":true,"subscribers":[{"topic":…}]}
  [[nodiscard]] DOHLE_API std::string to_json() const;
};

/// The functions by which a HealthPage reads its Server. Thread safety: they may be called on any
/// thread until the page's stop() has returned.
struct ShownServer {
  /// The current condition: Server::health.
  std::function<ServerHealth()> health = nullptr;
  /// The counts of the Server's Broker in Prometheus' text format 0.0.4: `to_prometheus` of
  /// Broker::metrics. Null if BrokerOptions::metrics is false.
  std::function<std::string()> metrics = nullptr;
};

/// Shows the health and the metrics of a Server to other programs while the Server runs.
/// `web::health_page` makes one that answers over HTTP. Thread safety: the Server makes all calls,
/// one at a time.
class HealthPage {
 public:
  virtual ~HealthPage() = default;
  /// Starts to show the values that the functions of `server` return. Returns the URL. Errors: its
  /// own; Server::start returns them.
  virtual Result<std::string> start(ShownServer server) = 0;
  /// Ends the page. Called once after each start that succeeded.
  virtual void stop() = 0;
};

/// The options of a Server.
struct ServerOptions {
  /// The options of its Broker. The middlewares in `subscribe_middlewares` and
  /// `publish_middlewares` apply to the whole Server.
  kafka::BrokerOptions broker = {};
  /// Default: 30 s. 1 ms to 1 day. How long start may take to connect.
  std::chrono::milliseconds start_timeout{30'000};
  /// Default: 30 s. 1 ms to 1 day. The time that run() and the destructor allow for a stop.
  std::chrono::milliseconds stop_timeout{30'000};
  /// Default: none. Signals, for example SIGINT and SIGTERM, at which run() stops the Server and
  /// returns. If a signal arrives during the start, the start ends first, at the latest at
  /// start_timeout. Further signals within a second of the first are ignored. After that, a signal
  /// has its former effect again; by default it ends the process, without waiting for handlers that
  /// do not return.
  std::vector<int> signals = {};
  /// Default: none. Shows the health and the metrics while the Server runs, and gives endpoint()
  /// its URL.
  std::shared_ptr<HealthPage> health_page = nullptr;
};

/// A service: a Broker and its subscribers, which start and stop together.
///
///     dohle::Server server({.broker = {.addresses = {"localhost:9092"}, .group_id = "billing"},
///                           .signals = {SIGINT, SIGTERM}});
///     auto registered = server.register_subscriber<Order>("orders", handle_order);
///     auto ended = server.run();   // returns after a signal, when all handlers have finished
///
/// Lifetime: neither movable nor copyable. Thread safety: any thread, except where a function says
/// otherwise. In a forked child its calls return Errc::forked, and its state is idle.
class DOHLE_API Server {
 public:
  /// The most subscribers of a Server.
  static constexpr std::size_t max_subscribers = 1'000;

  /// Keeps the options; start() checks them.
  explicit Server(ServerOptions options);
  /// As stop() with the options' stop_timeout; its error is logged.
  ~Server();
  Server(const Server&) = delete;
  Server& operator=(const Server&) = delete;

  /// Registers a subscriber: handler and options as for Broker::subscribe. Before start the
  /// subscriber is only kept, and each start subscribes it. While the Server runs, it is subscribed
  /// at once. Several subscribers of one topic are independent. Errors: limit_reached; while the
  /// Server runs, also those of Broker::subscribe, and the subscriber is then not kept.
  template <class T, class Handler>
  Result<void> register_subscriber(Topics topics, Handler handler, SubscribeOptions options = {}) {
    static_assert(Decodable<T>,
                  "dohle: register_subscriber: the type of the messages has no dohle::Codec that "
                  "decodes; include the header of a codec, for example dohle/codec/json.hpp, or "
                  "specialise dohle::Codec");
    static_assert(!Decodable<T> || messaging::TypedHandler<Handler, T>,
                  "dohle: register_subscriber: the handler of register_subscriber<T> takes an "
                  "Event<T>, a T, or a T and a RawEvent, and returns void or Result<void>");
    if constexpr (Decodable<T> && messaging::TypedHandler<Handler, T>) {
      return add(topics.to_string(),
                 [topics, handler = messaging::SharedHandler(std::move(handler)),
                  options = std::move(options)](Broker& broker, const std::string& /*name*/) {
                   return broker.subscribe<T>(topics, handler, options);
                 });
    }
  }
  /// The same with `with_*` options, for example `with_queue_name("g")`.
  template <class T, class Handler, messaging::FirstOption<SubscribeOptions> First,
            class... Options>
  Result<void> register_subscriber(Topics topics, Handler handler, First&& first,
                                   Options&&... options) {
    check_subscriber_options<First, Options...>();
    if constexpr (messaging::are_options<SubscribeOptions, First, Options...>) {
      return register_subscriber<T>(
          std::move(topics), std::move(handler),
          messaging::options_of<SubscribeOptions>(std::forward<First>(first),
                                                  std::forward<Options>(options)...));
    }
  }
  /// The same without decoding: the handler takes a RawEvent.
  template <class Handler>
    requires(messaging::RawHandler<Handler> || !Decodable<Handler>)
  Result<void> register_subscriber(Topics topics, Handler handler, SubscribeOptions options = {}) {
    static_assert(messaging::RawHandler<Handler>,
                  "dohle: register_subscriber: the handler of register_subscriber without a type "
                  "takes a RawEvent and returns void or Result<void>; register_subscriber<T> "
                  "decodes the messages to a T");
    if constexpr (messaging::RawHandler<Handler>) {
      return add(topics.to_string(),
                 [topics, handler = messaging::SharedHandler(std::move(handler)),
                  options = std::move(options)](Broker& broker, const std::string& /*name*/) {
                   return broker.subscribe(topics, handler, options);
                 });
    }
  }
  /// The same with `with_*` options.
  template <class Handler, messaging::FirstOption<SubscribeOptions> First, class... Options>
    requires(messaging::RawHandler<Handler> || !Decodable<Handler>)
  Result<void> register_subscriber(Topics topics, Handler handler, First&& first,
                                   Options&&... options) {
    check_subscriber_options<First, Options...>();
    if constexpr (messaging::are_options<SubscribeOptions, First, Options...>) {
      return register_subscriber(
          std::move(topics), std::move(handler),
          messaging::options_of<SubscribeOptions>(std::forward<First>(first),
                                                  std::forward<Options>(options)...));
    }
  }
  /// Registers a subscriber that takes batches: handler and options as for Broker::subscribe_batch.
  /// Errors: as register_subscriber.
  template <class T, class Handler>
  Result<void> register_batch_subscriber(Topics topics, Handler handler,
                                         SubscribeOptions options = {}) {
    static_assert(Decodable<T>,
                  "dohle: register_batch_subscriber: the type of the messages has no dohle::Codec "
                  "that decodes; include the header of a codec, for example "
                  "dohle/codec/json.hpp, or specialise dohle::Codec");
    static_assert(!Decodable<T> || messaging::TypedBatchHandler<Handler, T>,
                  "dohle: register_batch_subscriber: the handler takes a std::span<Event<T>> and "
                  "returns void or Result<void>");
    if constexpr (Decodable<T> && messaging::TypedBatchHandler<Handler, T>) {
      return add(topics.to_string(),
                 [topics, handler = messaging::SharedHandler(std::move(handler)),
                  options = std::move(options)](Broker& broker, const std::string& /*name*/) {
                   return broker.subscribe_batch<T>(topics, handler, options);
                 });
    }
  }
  template <class T, class Handler, messaging::FirstOption<SubscribeOptions> First,
            class... Options>
  Result<void> register_batch_subscriber(Topics topics, Handler handler, First&& first,
                                         Options&&... options) {
    static_assert(messaging::are_options<SubscribeOptions, First, Options...>,
                  "dohle: register_batch_subscriber: the arguments after the handler have to be "
                  "options of a subscription: with_* functions that set a member of "
                  "SubscribeOptions");
    if constexpr (messaging::are_options<SubscribeOptions, First, Options...>) {
      return register_batch_subscriber<T>(
          std::move(topics), std::move(handler),
          messaging::options_of<SubscribeOptions>(std::forward<First>(first),
                                                  std::forward<Options>(options)...));
    }
  }
  /// Registers a subscriber that answers requests: handler and options as for Broker::reply.
  /// Errors: as register_subscriber.
  template <class Request, class Handler>
  Result<void> register_responder(Topics topics, Handler handler, SubscribeOptions options = {}) {
    static_assert(messaging::Receivable<Request>,
                  "dohle: register_responder: the type of the requests has no dohle::Codec that "
                  "decodes; include the header of a codec, for example dohle/codec/json.hpp, or "
                  "specialise dohle::Codec");
    static_assert(!messaging::Receivable<Request> || messaging::Answers<Handler, Request>,
                  "dohle: register_responder: the handler takes a Request, or a Request and a "
                  "const RawEvent&, and returns the reply or a Result of it; the reply is a "
                  "Message or has a dohle::Codec that encodes");
    if constexpr (messaging::Receivable<Request> && messaging::Answers<Handler, Request>) {
      return add(topics.to_string(),
                 [topics, handler = messaging::SharedHandler(std::move(handler)),
                  options = std::move(options)](Broker& broker, const std::string& /*name*/) {
                   return broker.reply<Request>(topics, handler, options);
                 });
    }
  }
  template <class Request, class Handler, messaging::FirstOption<SubscribeOptions> First,
            class... Options>
  Result<void> register_responder(Topics topics, Handler handler, First&& first,
                                  Options&&... options) {
    static_assert(messaging::are_options<SubscribeOptions, First, Options...>,
                  "dohle: register_responder: the arguments after the handler have to be options "
                  "of a subscription: with_* functions that set a member of SubscribeOptions");
    if constexpr (messaging::are_options<SubscribeOptions, First, Options...>) {
      return register_responder<Request>(
          std::move(topics), std::move(handler),
          messaging::options_of<SubscribeOptions>(std::forward<First>(first),
                                                  std::forward<Options>(options)...));
    }
  }

  /// Connects a new Broker, subscribes the registered subscribers, and starts the health page. It
  /// does not wait until the subscribers are ready; health() says whether they are. After an error
  /// nothing runs, and start may be called again. Errors: configuration; invalid_argument if the
  /// Server is not idle; those of Broker::connect, Broker::subscribe (with the topic) and
  /// HealthPage::start; closed if stop was called meanwhile.
  Result<void> start();

  /// Ends the health page, then disconnects the Broker: handlers finish, acknowledged messages are
  /// committed, and published messages are delivered. A call during start or another stop waits
  /// until that has ended. If the Server is idle, it does nothing. Afterwards start may be called
  /// again. Inside a handler of the Server or a callback of its Broker (of a publish, a request or
  /// a subscription, or a function of its options) it only requests the stop. run() then carries it
  /// out; without run(), call stop again outside. Errors: timed_out; those of Broker::disconnect.
  /// The Server is idle after these errors, too.
  Result<void> stop(std::chrono::milliseconds timeout);
  /// The same with the options' stop_timeout.
  Result<void> stop();

  /// Starts the Server, waits, and stops it within the options' stop_timeout. The wait ends when
  /// stop is called on another thread or in a handler, when one of the options' signals arrives, or
  /// within a second after a subscriber has ended by itself. Errors: those of start and stop; the
  /// failure of the subscriber that ended; already_exists if other code of the library in this
  /// process already watches one of the signals.
  Result<void> run();
  /// The same, but a requested stop also stops the Server, as a signal does. After the stop it does
  /// not start. Errors: those of run().
  Result<void> run(const std::stop_token& stop);

  /// The current condition. Sends no request.
  [[nodiscard]] ServerHealth health() const;
  /// The URL of the health page. Empty without a page, and unless the Server runs.
  [[nodiscard]] std::string endpoint() const;
  /// The Broker, for publishing. Null unless the Server runs. The caller may keep the pointer:
  /// after stop the Broker's calls return Errc::closed.
  [[nodiscard]] std::shared_ptr<Broker> broker() const;

 private:
  Result<void> add(std::string topic, messaging::Subscribing subscribe);
  template <class... Options>
  static constexpr void check_subscriber_options() {
    static_assert(messaging::are_options<SubscribeOptions, Options...>,
                  "dohle: register_subscriber: the arguments after the handler have to be options "
                  "of a subscription: with_* functions that set a member of SubscribeOptions");
  }

  std::shared_ptr<server::ServerRuntime> inside_;
};

}  // namespace v0
}  // namespace dohle
