#include "messaging/writer_runtime.hpp"

#include <utility>

#include "client/cluster/handle_access.hpp"
#include "client/produce/make_producer.hpp"
#include "messaging/options/broker_properties.hpp"
#include "messaging/options/distinct_servers.hpp"
#include "messaging/options/settings.hpp"
#include "messaging/options/whole_configs.hpp"
#include "messaging/publish/balancers.hpp"
#include "messaging/publish/publish_chain.hpp"
#include "messaging/reach.hpp"
#include "messaging/reports/reports.hpp"
#include "messaging/reports/split_logger.hpp"

namespace dohle::messaging {

namespace {

using std::chrono::milliseconds;

Error closed() {
  return Error::client(Errc::closed, "the Writer is closed");
}
Error forked() {
  return Error::client(Errc::forked, "a writer cannot be used after fork() in the child process");
}

Error too_many(std::string_view what, std::size_t most) {
  return Error::client(Errc::limit_reached,
                       "a Writer has at most " + std::to_string(most) + " " + std::string(what));
}

/// Another handle on the same producer.
Producer shared(const Producer& producer) {
  return client::HandleAccess::make<Producer>(client::HandleAccess::insides(producer));
}

}  // namespace

Result<Producer> WriterRuntime::create_producer(kafka::BrokerOptions options) {
  const std::lock_guard lock(mutex_);
  if (is_closed_) return fail(closed());
  auto link = find_or_open(options);
  if (!link) return fail(link.error());
  std::shared_ptr<client::ProducerGroup> group;
  if (enable_one_topic_one_writer) {
    const auto of_producers = producer_options(options, {.acks = default_acks(options)});
    if (!of_producers) return fail(of_producers.error());
    group = std::make_shared<client::ProducerGroup>(of_producers->buffer_bytes);
  }
  auto made = make(options, **link, group);
  if (!made) return fail(made.error());
  latest_.emplace(Latest{std::move(options), *link, std::move(group), shared(*made), {}});
  return made;
}

Result<Producer> WriterRuntime::producer(std::string_view topic) {
  const std::lock_guard lock(mutex_);
  if (is_closed_) return fail(closed());
  if (!latest_) {
    return fail(Error::client(Errc::invalid_argument,
                              "the Writer has no producer yet: call create_producer first"));
  }
  if (!enable_one_topic_one_writer) return shared(latest_->made);
  if (const auto own = latest_->own.find(topic); own != latest_->own.end()) {
    return shared(own->second);
  }
  auto made = make(latest_->options, *latest_->link, latest_->group);
  if (!made) return fail(made.error());
  latest_->own.emplace(std::string(topic), shared(*made));
  return made;
}

Result<Producer> WriterRuntime::make(const kafka::BrokerOptions& options, Link& link,
                                     const std::shared_ptr<client::ProducerGroup>& group) {
  if (producers_ == kafka::Writer::max_producers) return fail(too_many("producers", producers_));
  auto asked = producer_options(options, {.acks = default_acks(options)});
  if (!asked) return fail(asked.error());
  if (options.balancer) asked->partitioner = BalancerAccess::partitioner(*options.balancer);
  if (options.completion) {
    asked->on_batch = [completion = options.completion, logger = link.logger](
                          const SettledBatch& batch) { tell(completion, batch, *logger); };
  }
  auto made =
      client::make_producer(client::HandleAccess::insides(*link.client), *std::move(asked), group);
  if (!made) return made;
  link.producers.push_back(shared(*made));
  ++producers_;
  return made;
}

Result<WriterRuntime::Link*> WriterRuntime::find_or_open(const kafka::BrokerOptions& options) {
  std::vector<std::string> servers = distinct_servers(options.addresses);
  for (const auto& link : links_) {
    if (link->servers != servers || link->sasl != options.sasl || link->tls != options.tls) {
      continue;
    }
    if (auto shared = check_shared(*link, options); !shared) return fail(shared.error());
    return link.get();
  }
  return open(options, std::move(servers));
}

Result<void> WriterRuntime::check_shared(const Link& link, const kafka::BrokerOptions& options) {
  constexpr std::string_view sharers =
      " the producers with the same brokers, login and TLS, which share one client; give all of "
      "them the same";
  if (link.given_logger != options.logger || link.given_error_logger != options.error_logger) {
    return fail(Error::configuration("logger is another one than that of" + std::string(sharers)));
  }
  if (link.read_timeout == options.read_timeout) return {};
  return fail(Error::configuration(
      "read_timeout is " + std::to_string(options.read_timeout.count()) + " ms, but " +
      std::to_string(link.read_timeout.count()) + " ms for" + std::string(sharers)));
}

Result<WriterRuntime::Link*> WriterRuntime::open(const kafka::BrokerOptions& options,
                                                 std::vector<std::string> servers) {
  if (links_.size() == kafka::Writer::max_clients) return fail(too_many("clients", links_.size()));
  auto link = std::make_unique<Link>();
  link->servers = std::move(servers);
  link->sasl = options.sasl;
  link->tls = options.tls;
  link->given_logger = options.logger;
  link->given_error_logger = options.error_logger;
  link->read_timeout = options.read_timeout;
  link->logger = split_logger(options);
  auto reached = reach(options, link->logger, link->node);
  if (!reached) return fail(reached.error());
  auto client = Client::create(*std::move(reached));
  if (!client) return fail(client.error());
  link->client.emplace(*std::move(client));
  return links_.emplace_back(std::move(link)).get();
}

Result<FlushReport> WriterRuntime::close_link(Link& link, const CallDeadline& deadline) {
  std::vector<Producer*> producers;
  for (Producer& each : link.producers) producers.push_back(&each);
  auto report =
      client::close_together(*client::HandleAccess::insides(*link.client), producers, deadline);
  auto ended = link.client->close(deadline.left());
  if (link.node) {
    if (auto closed = link.node->close(deadline.left()); ended) ended = closed;
  }
  if (report && !ended) return fail(ended.error());
  return report;
}

Result<FlushReport> WriterRuntime::close(milliseconds timeout) {
  const CallDeadline deadline(call_timeout(timeout));
  std::vector<std::unique_ptr<Link>> links;
  {
    const std::lock_guard lock(mutex_);
    for (const auto& link : links_) {
      if (!client::HandleAccess::insides(*link->client)->loop().is_loop_thread()) continue;
      return fail(Error::client(Errc::would_deadlock,
                                "close on a client's own thread would wait for itself"));
    }
    is_closed_ = true;
    latest_.reset();
    links = std::exchange(links_, {});
  }
  FlushReport all;
  std::optional<Error> first;
  for (const auto& link : links) {
    const auto closed = close_link(*link, deadline);
    if (closed) {
      client::add(*closed, all);
    } else if (!first) {
      first = closed.error();
    }
  }
  if (first) return fail(*first);
  return all;
}

}  // namespace dohle::messaging

namespace dohle {
inline namespace v0 {
namespace kafka {

namespace {

/// Runs before any lock: in a forked child, a thread that does not exist there may hold it.
Result<void> check(const messaging::WriterRuntime* runtime) {
  if (runtime == nullptr) {
    return fail(Error::client(Errc::closed, "the Writer was moved from"));
  }
  if (runtime->is_forked()) return fail(messaging::forked());
  return {};
}

}  // namespace

Writer::Writer(bool enable_one_topic_one_writer)
    : inside_(std::make_shared<messaging::WriterRuntime>(enable_one_topic_one_writer)) {}
Writer::Writer(Writer&&) noexcept = default;

Writer& Writer::operator=(Writer&& other) noexcept {
  if (this == &other) return *this;
  const Writer ended(std::move(*this));
  inside_ = std::move(other.inside_);
  return *this;
}

Writer::~Writer() {
  if (!inside_) return;
  if (inside_->is_forked()) {
    keep_for_ever(std::move(inside_));
    return;
  }
  // Failures are logged by the clients.
  (void)inside_->close(std::chrono::seconds(5));
}

Result<Producer> Writer::create_producer(WriterConfig config, std::optional<SaslOptions> sasl,
                                         std::optional<TlsOptions> tls) {
  if (auto usable = check(inside_.get()); !usable) return fail(usable.error());
  if (config.async == false) {
    return fail(Error::configuration(
        "writer_config.async is false; a producer returns before the outcome: wait for its "
        "Delivery"));
  }
  BrokerOptions options;
  if (config.brokers) options.addresses = *std::exchange(config.brokers, std::nullopt);
  options.sasl = std::move(sasl);
  options.tls = std::move(tls);
  messaging::add_config(options, config);
  if (auto checked = messaging::check(options); !checked) return fail(checked.error());
  return inside_->create_producer(std::move(options));
}

Result<Producer> Writer::producer(std::string_view topic) {
  if (auto usable = check(inside_.get()); !usable) return fail(usable.error());
  return inside_->producer(topic);
}

Result<FlushReport> Writer::close(std::chrono::milliseconds timeout) {
  if (auto usable = check(inside_.get()); !usable) return fail(usable.error());
  return inside_->close(timeout);
}

bool Writer::enable_one_topic_one_writer() const {
  return inside_ && inside_->enable_one_topic_one_writer;
}

}  // namespace kafka
}  // namespace v0
}  // namespace dohle
