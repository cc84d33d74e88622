#include "dohle/client.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <atomic>
#include <optional>
#include <thread>
#include <utility>
#include <vector>

#include "base/addresses.hpp"
#include "base/option_checks.hpp"
#include "base/printable.hpp"
#include "base/system_secure_random.hpp"
#include "base/transport.hpp"
#include "client/admin/make_admin.hpp"
#include "client/cluster/handle_access.hpp"
#include "client/cluster/shared_client.hpp"
#include "client/cluster/waiter.hpp"
#include "client/consume/make_consumer.hpp"
#include "client/make_client.hpp"
#include "client/produce/make_producer.hpp"
#include "client/produce/ticking_time.hpp"
#include "dohle/consumer.hpp"
#include "dohle/producer.hpp"
#include "frames/framed_dialer.hpp"
#include "net/loop.hpp"
#include "net/system.hpp"
#include "net/tcp.hpp"
#include "net/tls/followed_context.hpp"
#include "net/workers.hpp"

namespace dohle::client {

namespace {

/// Absent if the text is no numeric address.
std::optional<net::SocketAddress> numeric_address(const std::string& host) {
  auto found = net::addresses_of({host, 0}, net::Lookup::numeric);
  return found ? std::optional(found->front()) : std::nullopt;
}

Result<void> check_signed(const std::string& name, std::optional<std::chrono::milliseconds> time,
                          std::int64_t most) {
  if (!time || time->count() < 0) return {};
  if (time->count() >= 1 && time->count() <= most) return {};
  return fail(Error::configuration(
      fmt::format("{} is {} ms; allowed are 1 to {} ms, or a negative value, which switches it off",
                  name, time->count(), most)));
}

}  // namespace

Result<void> check_connecting(const ClientOptions& options, std::string_view prefix) {
  const auto named = [&](std::string_view name) { return std::string(prefix) + std::string(name); };
  const std::string function = prefix.empty() ? "dial_function" : named("function");
  const std::string& local = options.local_address;
  if (!local.empty() && !numeric_address(local)) {
    return fail(Error::configuration(
        fmt::format("{} is \"{}\"; allowed is a numeric IPv4 or IPv6 address without a port",
                    named("local_address"), printable(local))));
  }
  constexpr std::int64_t max_delay_ms = 600'000;
  constexpr std::int64_t max_idle_ms = 32'767'000;
  for (auto checked : {check_signed(named("fallback_delay"), options.fallback_delay, max_delay_ms),
                       check_signed(named("keep_alive"), options.keep_alive, max_idle_ms)}) {
    if (!checked) return checked;
  }
  const auto excluded = [&](bool is_set, const std::string& name, std::string_view beside) {
    return is_set ? Result<void>(fail(
                        Error::configuration(fmt::format("{} is set beside {}", name, beside))))
                  : Result<void>();
  };
  const std::string beside_function = function + ", which makes the sockets itself";
  const bool has_function = options.dial_function != nullptr;
  const bool has_transport = options.transport != nullptr;
  const std::string beside_transport = "transport; servers within the process have no sockets";
  for (auto checked :
       {excluded(has_function && !local.empty(), named("local_address"), beside_function),
        excluded(has_function && options.fallback_delay, named("fallback_delay"), beside_function),
        excluded(has_transport && has_function, function, beside_transport),
        excluded(has_transport && options.resolver, named("resolver"), beside_transport),
        excluded(has_transport && !local.empty(), named("local_address"), beside_transport),
        excluded(has_transport && options.fallback_delay, named("fallback_delay"),
                 beside_transport),
        excluded(has_transport && options.keep_alive, named("keep_alive"), beside_transport)}) {
    if (!checked) return checked;
  }
  return {};
}

}  // namespace dohle::client

namespace dohle {
inline namespace v0 {

namespace {

constexpr std::int64_t day_ms = 86'400'000;

Result<void> check(const ClientOptions& options) {
  const auto ms = [](std::chrono::milliseconds span) { return span.count(); };
  constexpr std::chrono::milliseconds one_ms(1);
  auto checked = check_options({
      {"bootstrap_servers (their number)", as_value(options.bootstrap_servers.size()), 1, 1'000},
      {"client_id (its length)", as_value(options.client_id.size()), 0, 249, "bytes"},
      {"connect_timeout", ms(options.connect_timeout), 1, 600'000, "ms"},
      {"request_timeout", ms(options.request_timeout), 1, 600'000, "ms"},
      {"default_api_timeout", ms(options.default_api_timeout), 1, day_ms, "ms"},
      {"metadata_max_age", ms(options.metadata_max_age), 10, day_ms, "ms"},
      {"retry_backoff", ms(options.retry_backoff), 0, day_ms, "ms"},
      {"max_retry_backoff", ms(options.max_retry_backoff), 0, day_ms, "ms"},
      {"reconnect_backoff", ms(options.reconnect_backoff), 0, day_ms, "ms"},
      {"max_reconnect_backoff", ms(options.max_reconnect_backoff), 0, day_ms, "ms"},
      {"idle_timeout", ms(options.idle_timeout.value_or(one_ms)), 1, 365 * day_ms, "ms"},
      {"rebootstrap_after", ms(options.rebootstrap_after), 1, day_ms, "ms"},
      {"max_response_bytes", as_value(options.max_response_bytes), 1'024, INT32_MAX, "bytes"},
      {"socket_send_buffer_bytes", options.socket_send_buffer_bytes.value_or(1), 1, INT32_MAX,
       "bytes"},
      {"socket_receive_buffer_bytes", options.socket_receive_buffer_bytes.value_or(1), 1, INT32_MAX,
       "bytes"},
      {"busy_poll", options.busy_poll.count(), 0, 1'000'000, "us"},
  });
  if (!checked) return checked;
  if (auto connecting = client::check_connecting(options, ""); !connecting) return connecting;
  if (options.transport && (options.tls || options.sasl)) {
    return fail(Error::configuration(fmt::format(
        "{} is set beside transport; servers within the process take neither TLS nor logins",
        options.tls ? "tls" : "sasl")));
  }
  if (options.sasl) return client::Login::check(*options.sasl);
  return checked;
}

Result<client::Cluster::Options> cluster_options(const ClientOptions& options) {
  client::Cluster::Options made;
  auto servers = parse_addresses(options.bootstrap_servers);
  if (!servers) return fail(servers.error().within("bootstrap_servers"));
  made.bootstrap = std::move(*servers);
  made.link.protocol.client_id = options.client_id;
  made.link.protocol.connect_timeout = options.connect_timeout;
  made.link.protocol.request_timeout = options.request_timeout;
  made.link.protocol.is_over_tls = options.tls.has_value();
  if (options.connect_deadline) {
    made.link.connect_deadline = to_timestamp(*options.connect_deadline);
  }
  made.link.limits.max_frame_bytes = options.max_response_bytes;
  made.link.limits.idle_timeout = options.idle_timeout.value_or(std::chrono::milliseconds(0));
  made.link.limits.send_buffer_bytes = options.socket_send_buffer_bytes.value_or(0);
  made.link.limits.receive_buffer_bytes = options.socket_receive_buffer_bytes.value_or(0);
  made.sasl = options.sasl;
  made.view.metadata_max_age = options.metadata_max_age;
  made.view.retry_backoff = options.retry_backoff;
  made.view.max_retry_backoff = options.max_retry_backoff;
  made.view.rebootstrap_after = options.rebootstrap_after;
  made.reconnect_backoff = options.reconnect_backoff;
  made.max_reconnect_backoff = options.max_reconnect_backoff;
  made.retry_backoff = options.retry_backoff;
  made.max_retry_backoff = options.max_retry_backoff;
  made.default_api_timeout = options.default_api_timeout;
  made.fail_on_unknown_hosts = options.fail_on_unknown_hosts;
  made.can_be_overheard = !options.tls && !options.transport &&
                          !std::ranges::all_of(made.bootstrap, &Endpoint::is_loopback);
  // With a transport there is a single server, which knows all its topics.
  if (options.transport) made.max_unknown_answers = 1;
  return made;
}

net::ConnectSettings connect_settings(const ClientOptions& options) {
  net::ConnectSettings made;
  made.dial_function = options.dial_function;
  made.resolver = options.resolver;
  if (!options.local_address.empty()) {
    made.local_address = client::numeric_address(options.local_address);
  }
  if (options.fallback_delay) {
    const bool is_off = options.fallback_delay->count() < 0;
    made.fallback_delay = is_off ? std::nullopt : options.fallback_delay;
  }
  made.keep_alive = options.keep_alive;
  return made;
}

/// Source of the timestamps of records.
struct PublishedWall {
  net::Loop& loop;
  Timestamp operator()() const { return loop.published_wall(); }
};

std::shared_ptr<Logger> logger_of(const ClientOptions& options) {
  return printing_logger(options.logger ? options.logger : stderr_logger());
}

using FollowedTls = std::unique_ptr<net::FollowedContext>;

/// Null without TLS.
Result<FollowedTls> open_tls(const ClientOptions& options) {
  if (!options.tls) return nullptr;
  return net::FollowedContext::open(*options.tls, logger_of(options));
}

/// The loop's thread and the objects that live on it.
struct Running {
  Running(const ClientOptions& options, FollowedTls followed_tls,
          client::Cluster::Options cluster_options)
      : logger(logger_of(options)),
        transport(options.transport),
        loop(options.busy_poll),
        tls(std::move(followed_tls)),
        dialer(make_dialer(connect_settings(options))),
        cluster(client::ClientEnvironment{loop, dialer, loop.clock(), random, workers, time,
                                          *logger, secure_random},
                std::move(cluster_options)) {
    loop.start("dohle-client");
  }
  frames::FramedDialer make_dialer(net::ConnectSettings settings) {
    if (transport) return {transport->dialer(loop), {loop, nullptr}};
    std::optional<net::DialedTls> over;
    if (tls != nullptr) over.emplace(*tls, workers);
    return {std::make_unique<net::TcpDialer>(loop, over, std::move(settings)),
            {loop, &loop.read_buffers()}};
  }
  ~Running() {
    loop.stop();
    loop.join();
    cluster.close(Error::client(Errc::closed, "the client is closed"));
  }

  std::shared_ptr<Logger> logger;
  std::shared_ptr<Transport> transport;
  net::Loop loop;
  net::SystemRandom random;
  SystemSecureRandom secure_random;
  FollowedTls tls;
  net::WorkerThreads workers{2};
  frames::FramedDialer dialer;
  client::TickingTime<PublishedWall> time{loop, loop.clock(), PublishedWall{loop}};
  client::Cluster cluster;
};

/// A client's behaviour that does not depend on the owner of its loop.
class OpenClient : public Client::Shared {
 public:
  const client::ClientEnvironment& environment() const final { return environment_; }
  Duration default_api_timeout() const final { return default_api_timeout_; }
  Result<void> check_usable() const final {
    if (is_forked()) return fail(client::forked());
    if (is_closed_.load(std::memory_order_acquire)) {
      return fail(Error::client(Errc::closed, "the client is closed"));
    }
    return {};
  }
  void attach(std::weak_ptr<Part> part) final {
    loop().post([this, part = std::move(part)]() mutable {
      std::erase_if(parts_, [](const auto& each) { return each.expired(); });
      parts_.push_back(std::move(part));
    });
  }

  void close(client::SharedCallTime time, Done done) final {
    if (is_closed_.exchange(true)) return done({});
    auto closing = std::make_shared<Closing>();
    closing->done = std::move(done);
    std::vector<std::shared_ptr<Part>> parts;
    for (const auto& each : parts_) {
      if (auto part = each.lock()) parts.push_back(std::move(part));
    }
    closing->left = parts.size() + 1;
    const auto one_done = [this, closing](Result<void> outcome) {
      if (!outcome && closing->outcome) closing->outcome = std::move(outcome);
      if (--closing->left != 0) return;
      cluster().close(Error::client(Errc::closed, "the client is closed"));
      closing->done(std::move(closing->outcome));
    };
    for (const auto& part : parts) part->close_by(time, one_done);
    one_done({});
  }

 protected:
  OpenClient(client::ClientEnvironment environment, Duration default_api_timeout)
      : environment_(std::move(environment)), default_api_timeout_(default_api_timeout) {}

 private:
  struct Closing {
    std::size_t left = 0;
    Result<void> outcome;
    Done done;
  };

  const client::ClientEnvironment environment_;
  const Duration default_api_timeout_;
  std::vector<std::weak_ptr<Part>> parts_;
  std::atomic<bool> is_closed_{false};
};

class ThreadedClient final : public OpenClient {
 public:
  explicit ThreadedClient(std::unique_ptr<Running> running)
      : OpenClient(running->cluster.environment(), running->cluster.options().default_api_timeout),
        running_(std::move(running)) {}

  ~ThreadedClient() override {
    // The loop's thread and its sockets belong to the parent process.
    if (is_forked()) {
      keep_for_ever(std::shared_ptr<Running>(std::move(running_)));
      return;
    }
    if (!running_->loop.is_loop_thread()) return;
    // The last handle was destroyed in a callback. The loop cannot join itself.
    std::thread([running = std::move(running_)]() mutable { running.reset(); }).detach();
  }

  client::Cluster& cluster() override { return running_->cluster; }

 private:
  std::unique_ptr<Running> running_;
};

/// A client on its caller's loop, which outlives it.
class HostedClient final : public OpenClient {
 public:
  HostedClient(const client::ClientEnvironment& environment, client::Cluster::Options options)
      : OpenClient(environment, options.default_api_timeout),
        cluster_(std::make_unique<client::Cluster>(environment, std::move(options))) {}

  ~HostedClient() override {
    loop().post([cluster = std::move(cluster_)] {
      cluster->close(Error::client(Errc::closed, "the client is closed"));
    });
  }

  client::Cluster& cluster() override { return *cluster_; }

 private:
  std::unique_ptr<client::Cluster> cluster_;
};

}  // namespace

Client::Client(std::shared_ptr<Shared> inside) : inside_(std::move(inside)) {}
Client::Client(Client&&) noexcept = default;
Client& Client::operator=(Client&& other) noexcept {
  if (this == &other) return *this;
  inside_.reset();
  inside_ = std::move(other.inside_);
  return *this;
}
Client::~Client() = default;

Result<Client> Client::create(ClientOptions options) {
  if (auto checked = check(options); !checked) return fail(checked.error());
  auto found = cluster_options(options);
  if (!found) return fail(found.error());
  auto tls = open_tls(options);
  if (!tls) return fail(tls.error());
  try {
    return Client(std::make_shared<ThreadedClient>(
        std::make_unique<Running>(options, std::move(*tls), std::move(*found))));
  } catch (const std::system_error& error) {
    return fail(Error::client(
        Errc::limit_reached,
        fmt::format("the system could not create the client's loop: {}", error.what())));
  }
}

Result<void> Client::connect(std::chrono::milliseconds timeout) {
  if (!inside_) return fail(client::moved_from("the Client"));
  if (auto usable = inside_->check_usable(); !usable) return usable;
  const CallDeadline deadline(inside_->environment().clock, call_timeout(timeout));
  const auto wait = std::make_shared<client::Cluster::WaitId>();
  return client::wait_for<void>(
      inside_->loop(), deadline, {},
      [shared = inside_, wait, at = deadline.for_loop()](auto then) {
        *wait = shared->cluster().when_connected(at, std::move(then));
      },
      [shared = inside_, wait](client::CallEnd) { shared->cluster().expire_wait(*wait); });
}

Result<Producer> Client::producer(ProducerOptions options) {
  if (!inside_) return fail(client::moved_from("the Client"));
  return client::make_producer(inside_, std::move(options));
}
Result<Producer> Client::producer() {
  return producer({});
}
Admin Client::admin() {
  return client::make_admin(inside_);
}
Result<Consumer> Client::consumer(ConsumerOptions options) {
  if (!inside_) return fail(client::moved_from("the Client"));
  return client::make_consumer(inside_, std::move(options));
}
MetricsSnapshot Client::metrics() const {
  // In a forked child the registry's lock may be held for ever.
  if (!inside_ || inside_->is_forked()) return {};
  return inside_->environment().metrics->registry.snapshot();
}
Result<void> Client::replace_login(SaslOptions login) {
  if (!inside_) return fail(client::moved_from("the Client"));
  if (auto usable = inside_->check_usable(); !usable) return usable;
  if (auto checked = client::Login::check(login); !checked) return checked;
  return client::wait_for<void>(inside_->loop(),
                                [shared = inside_, login = std::move(login)](auto then) mutable {
                                  then(shared->cluster().replace_login(std::move(login)));
                                });
}
Result<void> Client::close(std::chrono::milliseconds timeout) {
  if (!inside_) return fail(client::moved_from("the Client"));
  if (inside_->is_forked()) return fail(client::forked());
  const CallDeadline deadline(inside_->environment().clock, call_timeout(timeout));
  const auto time = std::make_shared<client::CallTime>(deadline, call_timeout(timeout));
  return client::wait_for<void>(
      inside_->loop(), deadline, {},
      [shared = inside_, time](auto then) { shared->close(time, std::move(then)); },
      [shared = inside_, time](client::CallEnd) { time->end(); });
}

}  // namespace v0

Result<Client> client::make_client(const ClientOptions& options,
                                   const ClientEnvironment& environment) {
  if (auto checked = check(options); !checked) return fail(checked.error());
  auto found = cluster_options(options);
  if (!found) return fail(found.error());
  if (options.tls) {
    return fail(Error::configuration("tls: a client on its caller's loop dials without it"));
  }
  if (options.dial_function || options.resolver || !options.local_address.empty() ||
      options.fallback_delay || options.keep_alive) {
    return fail(Error::configuration(
        "a client on its caller's loop dials without dial_function, resolver, local_address, "
        "fallback_delay and keep_alive"));
  }
  std::shared_ptr<Client::Shared> shared =
      std::make_shared<HostedClient>(environment, std::move(*found));
  return HandleAccess::make<Client>(std::move(shared));
}

}  // namespace dohle
