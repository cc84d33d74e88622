// How a broker starts its subscriptions.
#include <functional>
#include <set>
#include <utility>

#include "base/assert.hpp"
#include "client/cluster/handle_access.hpp"
#include "client/cluster/shared_client.hpp"
#include "client/cluster/waiter.hpp"
#include "client/consume/make_consumer.hpp"
#include "client/produce/make_producer.hpp"
#include "messaging/broker_calls.hpp"
#include "messaging/broker_runtime.hpp"
#include "messaging/events/pull_call.hpp"
#include "messaging/failures/producer_outbox.hpp"
#include "messaging/middleware/filter.hpp"
#include "messaging/options/settings.hpp"
#include "messaging/options/whole_configs.hpp"
#include "messaging/publish/publish_chain.hpp"
#include "messaging/reports/thrown_by.hpp"
#include "messaging/trace/traced_source.hpp"

namespace dohle::messaging {

namespace {

std::string troubles_of(const std::shared_ptr<Client::Shared>& client) {
  if (!client) return {};
  auto text = client::wait_for<std::string>(
      client->loop(), [client](auto promise) { promise(client->cluster().troubles()); });
  return text ? *text : std::string();
}

/// Sets the functions by which a subscription asks its client, which may end before it.
void ask_client(const std::weak_ptr<Client::Shared>& client, Subscription::Setup& setup) {
  setup.wall = [client] {
    const auto alive = client.lock();
    return alive ? alive->environment().clock.wall() : Timestamp{0};
  };
  setup.is_client_thread = [client] {
    const auto alive = client.lock();
    return alive && alive->loop().is_loop_thread();
  };
  setup.troubles = [client] { return troubles_of(client.lock()); };
}

/// A start at the end must not pass over messages that wait in retry topics, nor over the first
/// ones of a topic that was made again while it was read.
client::IsReadFromFirst reads_from_first(const std::vector<std::string>& retry_topics) {
  return [retries = std::set<std::string, std::less<>>(retry_topics.begin(), retry_topics.end())](
             std::string_view topic, bool is_made_again) {
    return is_made_again || retries.contains(topic);
  };
}

/// The part of a subscription's setup that its settings say.
Subscription::Setup setup_of(const messaging::ReadSettings& read, Handing handing) {
  Subscription::Setup setup;
  setup.settings = read.state;
  setup.pulls = handing == Handing::pulls;
  setup.group_id = read.consumer.group_id;
  setup.rebalance_timeout = read.rebalance_timeout;
  setup.read_lag_interval = read.read_lag_interval;
  setup.read_lag_handler = read.read_lag_handler;
  setup.max_poll_interval = read.consumer.max_poll_interval;
  setup.max_attempts = read.max_attempts;
  setup.min_backoff = read.min_backoff;
  setup.max_backoff = read.max_backoff;
  return setup;
}

}  // namespace

std::vector<SubscribeMiddleware> BrokerRuntime::subscribe_middlewares(const std::string& topic,
                                                                      const std::string& group_id,
                                                                      const EventFilter& filter,
                                                                      Handing handing) const {
  std::vector<SubscribeMiddleware> all;
  if (filter) all.push_back(filter_events(filter, metrics_, topic, group_id));
  // Batches are counted and traced as wholes. A thread that pulls an event handles it outside of
  // the library, which counts that it was handed out.
  const bool is_each = handing != Handing::batches;
  if (is_each && metrics_) all.push_back(count_handling(metrics_, topic, group_id));
  if (handing == Handing::events && options_.tracer) {
    all.push_back(trace_handling(tracing(group_id)));
  }
  all.insert(all.end(), options_.subscribe_middlewares.begin(),
             options_.subscribe_middlewares.end());
  return all;
}

Result<SubscribeHandler> BrokerRuntime::wrapped(SubscribeHandler handler,
                                                const std::vector<SubscribeMiddleware>& outer,
                                                const SubscribeOptions& options) {
  try {
    auto chain = messaging::wrapped(outer, options.middlewares, std::move(handler));
    if (chain) return chain;
    return fail(Error::client(Errc::handler_failed, "a subscribe middleware returned no handler"));
  } catch (...) {
    return fail(messaging::thrown_by("a subscribe middleware"));
  }
}

Result<std::unique_ptr<Outbox>> BrokerRuntime::make_outbox() {
  auto publishes = messaging::producer_options(options_, {.acks = Acks::all});
  if (!publishes) return fail(publishes.error());
  auto producer = client::make_producer(client::HandleAccess::insides(*client_),
                                        messaging::outbox_options(*std::move(publishes)));
  if (!producer) return fail(producer.error());
  return std::make_unique<ProducerOutbox>(*std::move(producer));
}

// The existing topic is used in any case; a different number of partitions is logged.
void BrokerRuntime::note_other_partitions(Admin& cluster, const AutoCreateTopic& create) {
  if (reports_->logger().level() > LogLevel::warning) return;
  const auto differs = messaging::other_partitions(cluster, create.topic, create.partitions);
  const std::string what = differs ? *differs : differs.error().to_string();
  if (what.empty()) return;
  reports_->logger().log(LogLevel::warning, "messaging",
                         "auto_create_topic: topic " + create.topic + ": " + what);
}

Result<std::shared_ptr<Subscription>> BrokerRuntime::subscribe(Topics topics,
                                                               SubscribeHandler handler,
                                                               SubscribeOptions options) {
  return subscribe(std::move(topics), std::move(handler), std::move(options), Middlewares::all);
}

Result<std::shared_ptr<Subscription>> BrokerRuntime::subscribe_batch(Topics topics,
                                                                     BatchHandler handler,
                                                                     SubscribeOptions options) {
  return subscribe(std::move(topics), nullptr, std::move(options), Middlewares::all,
                   std::move(handler));
}

Result<std::shared_ptr<Subscription>> BrokerRuntime::subscribe_pull(Topics topics,
                                                                    SubscribeOptions options) {
  return subscribe(std::move(topics), PullCall::handler(), std::move(options), Middlewares::all,
                   nullptr, Handing::pulls);
}

Result<BatchCall> BrokerRuntime::batch_call(BatchHandler handler, const std::string& topic,
                                            const std::string& group_id,
                                            const SubscribeOptions& options) const {
  if (options_.tracer) handler = trace_batches(tracing(group_id), topic)(std::move(handler));
  if (metrics_) handler = count_batches(metrics_, topic, group_id)(std::move(handler));
  const auto outer = subscribe_middlewares(topic, group_id, options.filter, Handing::batches);
  if (outer.empty() && options.middlewares.empty()) {
    return BatchCall::make(std::move(handler), nullptr);
  }
  return BatchCall::make(std::move(handler), [&](SubscribeHandler innermost) {
    return wrapped(std::move(innermost), outer, options);
  });
}

Result<std::shared_ptr<Subscription>> BrokerRuntime::subscribe(
    Topics topics, SubscribeHandler handler, SubscribeOptions options, Middlewares around,
    BatchHandler batch_handler, Handing handing, std::function<void()> on_replaced) {
  if (!is_connected_) return fail(not_connected());
  messaging::take_configs(options);
  if (batch_handler) handing = Handing::batches;
  std::string topic = topics.to_string();
  auto read = messaging::read_settings(topics, options, options_, handing);
  if (!read) return fail(read.error());
  auto cluster = admin();
  if (!cluster) return fail(cluster.error());
  if (const auto& create = options.auto_create_topic) {
    auto made = messaging::create_topic(*cluster, create->topic, create->partitions,
                                        create->replication_factor);
    if (!made) return fail(made.error());
    if (*made) note_other_partitions(*cluster, *create);
  }
  if (auto prepared = messaging::prepare_redirects(*cluster, *read); !prepared) {
    return fail(prepared.error());
  }
  // Not under the lock, since producer_options and a middleware may use the broker.
  auto outbox = read->state.redirects.empty() ? Result<std::unique_ptr<Outbox>>() : make_outbox();
  if (!outbox) return fail(outbox.error());
  std::optional<BatchCall> of_batches;
  if (batch_handler) {
    auto made = batch_call(std::move(batch_handler), topic, read->consumer.group_id, options);
    if (!made) return fail(made.error());
    of_batches = *std::move(made);
  } else if (around == Middlewares::all) {
    const auto outer =
        subscribe_middlewares(topic, read->consumer.group_id, options.filter, handing);
    auto made = wrapped(std::move(handler), outer, options);
    if (!made) return fail(made.error());
    handler = *std::move(made);
  }
  const std::lock_guard lock(mutex_);
  if (is_closing_) return fail(disconnected());
  DOHLE_ASSERT(client_.has_value(), "a broker subscribes that is not connected");
  auto consumer = client::make_consumer(client::HandleAccess::insides(*client_), read->consumer,
                                        reads_from_first(read->plan.retry_topics));
  if (!consumer) return fail(consumer.error());
  std::unique_ptr<Source> source = std::make_unique<messaging::ConsumerSource>(
      read->plan, std::move(*consumer), std::move(*cluster), topic_look_);
  if (options_.tracer) {
    source =
        std::make_unique<TracedSource>(std::move(source), tracing(read->consumer.group_id), topic);
  }
  Subscription::Setup setup = setup_of(*read, handing);
  setup.outbox = *std::move(outbox);
  ask_client(client::HandleAccess::insides(*client_), setup);
  setup.topic = std::move(topic);
  setup.has_one_topic = topics.is_one();
  setup.workers = options.concurrency;
  setup.handler = std::move(handler);
  setup.batch_handler = std::move(of_batches);
  setup.source = std::move(source);
  setup.on_replaced = std::move(on_replaced);
  setup.reports = reports_;
  setup.options = std::move(options);
  auto started = Subscription::start(std::move(setup));
  std::erase_if(subscriptions_, [](const auto& earlier) { return earlier.expired(); });
  subscriptions_.push_back(started);
  return started;
}

}  // namespace dohle::messaging
