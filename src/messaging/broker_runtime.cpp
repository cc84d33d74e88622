#include "messaging/broker_runtime.hpp"

#include <algorithm>
#include <functional>
#include <ranges>
#include <set>
#include <utility>

#include "base/assert.hpp"
#include "base/broker_errors.hpp"
#include "client/cluster/handle_access.hpp"
#include "client/cluster/shared_client.hpp"
#include "client/cluster/waiter.hpp"
#include "client/consume/make_consumer.hpp"
#include "client/produce/make_producer.hpp"
#include "client/produce/record_sender.hpp"
#include "client/produce/send_with.hpp"
#include "dohle/detail/stopped.hpp"
#include "messaging/events/pull_call.hpp"
#include "messaging/failures/producer_outbox.hpp"
#include "messaging/live_brokers.hpp"
#include "messaging/middleware/filter.hpp"
#include "messaging/options/broker_properties.hpp"
#include "messaging/options/changed_options.hpp"
#include "messaging/options/settings.hpp"
#include "messaging/options/skipped_option.hpp"
#include "messaging/options/whole_configs.hpp"
#include "messaging/publish/publish_chain.hpp"
#include "messaging/reach.hpp"
#include "messaging/reports/split_logger.hpp"
#include "messaging/reports/thrown_by.hpp"
#include "messaging/requests/request_headers.hpp"
#include "messaging/requests/responder.hpp"
#include "messaging/trace/publish_observer.hpp"
#include "messaging/trace/traced_source.hpp"

namespace dohle::messaging {

using messaging::monotonic_now;
using std::chrono::milliseconds;

namespace {

std::string troubles_of(const std::shared_ptr<Client::Shared>& client) {
  if (!client) return {};
  auto text = client::wait_for<std::string>(
      client->loop(), [client](auto promise) { promise(client->cluster().troubles()); });
  return text ? *text : std::string();
}

/// The partitions of a topic in use. 0 if they are not known.
std::int32_t known_partitions(const std::shared_ptr<Client::Shared>& client,
                              const std::string& topic) {
  if (!client) return 0;
  const auto count = client::wait_for<std::int32_t>(client->loop(), [client, topic](auto promise) {
    const client::TopicView* const known = client->cluster().view().topic(topic);
    promise(known == nullptr ? 0 : static_cast<std::int32_t>(known->partitions.size()));
  });
  return count ? *count : 0;
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

/// A number of the client's random source, which only its own thread may ask.
std::uint64_t seed_of(const std::shared_ptr<Client::Shared>& client) {
  auto seed = client::wait_for<std::uint64_t>(
      client->loop(), [client](auto promise) { promise(client->environment().random.next()); });
  return seed ? *seed : 0;
}

/// The deadline of a call whose options are checked later.
CallDeadline deadline_in(milliseconds asked) {
  return CallDeadline(call_timeout(std::max(asked, milliseconds(0))));
}

std::string_view name_of(std::string_view topic) {
  return topic;
}
std::string_view name_of(const ProducerTopic& topic) {
  return topic.name();
}

/// The producers of pipelines, which have to live on.
std::vector<Producer*> producers_of(const std::vector<Pipelines::Handle>& pipelines) {
  std::vector<Producer*> producers;
  producers.reserve(pipelines.size());
  for (const auto& each : pipelines) producers.push_back(&each->producer);
  return producers;
}

/// Brings the reply to its waiting caller, whose `read` it uses.
ReplyReceiver told(std::shared_ptr<client::Waiter<void>> waiter,
                   const std::function<void(RawEvent&)>& read) {
  return [waiter = std::move(waiter), &read](RawEvent* reply, const Error* failure) {
    Result<void> outcome;
    try {
      if (reply != nullptr) read(*reply);
    } catch (...) {
      outcome = fail(messaging::thrown_by("the codec of a reply"));
    }
    if (failure != nullptr) outcome = fail(*failure);
    waiter->deliver(std::move(outcome));
  };
}

DeliveryCallback telling(const std::shared_ptr<DeliveryCallback>& observer) {
  return [observer](Result<Receipt> outcome) { (*observer)(std::move(outcome)); };
}

/// A start at the end must not pass over messages that wait in retry topics, nor over the first
/// ones of a topic that was made again while it was read.
client::IsReadFromFirst reads_from_first(const std::vector<std::string>& retry_topics) {
  return [retries = std::set<std::string, std::less<>>(retry_topics.begin(), retry_topics.end())](
             std::string_view topic, bool is_made_again) {
    return is_made_again || retries.contains(topic);
  };
}

const PublishOptions& no_options() {
  static const PublishOptions none;
  return none;
}

Error not_connected() {
  return Error::client(Errc::not_connected, "the broker is not connected; call connect() first");
}

Error waits_for_itself() {
  return Error::client(Errc::would_deadlock,
                       "a synchronous publish on the client's own thread would wait for itself");
}

Error disconnected() {
  return Error::client(Errc::closed, "the broker has disconnected");
}

}  // namespace

BrokerRuntime::BrokerRuntime(kafka::BrokerOptions options, MakeClient make_client)
    : make_client_(std::move(make_client)) {
  take_options(std::move(options));
}

void BrokerRuntime::take_options(kafka::BrokerOptions options) {
  options_ = std::move(options);
  default_acks_ = messaging::default_acks(options_);
  metrics_ = options_.metrics ? std::make_shared<telemetry::Registry>() : nullptr;
  publish_counters_.reset();
  if (metrics_) publish_counters_.emplace(metrics_);
  reports_ = std::make_shared<messaging::Reports>(
      options_.error_handler, messaging::split_logger(options_),
      metrics_ ? metrics_ : std::make_shared<telemetry::Registry>());
  tracing_ = tracing();
  const bool is_raw = options_.codec.empty() || options_.codec == codec_names<std::string>[0].name;
  publishes_plainly_ =
      options_.async && is_raw && !options_.content_type && is_bare(PublishOptions());
  plain_key_ = key_of(no_options());
}

BrokerRuntime::~BrokerRuntime() = default;

Result<void> BrokerRuntime::apply(const std::vector<BrokerOption>& changes) {
  const auto lifecycle = lifecycle_.try_enter();
  if (!lifecycle) {
    return fail(Error::configuration(
        "init was called during connect or disconnect; call it before connect"));
  }
  if (is_connected_ || is_closing_) {
    const std::string names = messaging::changed_options(options_, changes);
    if (names.empty()) return {};
    return fail(Error::configuration(names + " cannot be changed once the broker is connected; "
                                             "call init before connect"));
  }
  kafka::BrokerOptions changed = options_;
  for (const BrokerOption& change : changes) change(changed);
  messaging::take_configs(changed);
  messaging::take_properties(changed);
  messaging::skip_option(changed);
  if (auto checked = messaging::check(changed); !checked) return checked;
  // A failed connect leaves a client and a node with the old options.
  const std::lock_guard lock(mutex_);
  client_.reset();
  node_.reset();
  take_options(std::move(changed));
  return {};
}

Result<void> BrokerRuntime::start_client(milliseconds timeout) {
  if (!client_) {
    auto reached = messaging::reach(options_, reports_->shared_logger(), node_);
    if (!reached) return fail(reached.error());
    const auto of_producers = messaging::producer_options(options_, {.acks = default_acks_});
    if (!of_producers) return fail(of_producers.error());
    auto client = make_client_(std::move(*reached));
    if (!client) return fail(client.error());
    const std::lock_guard lock(mutex_);
    client_.emplace(std::move(*client));
    balancers_ =
        std::make_shared<BalancerMemories>(seed_of(client::HandleAccess::insides(*client_)));
    group_ = options_.enable_one_topic_one_writer
                 ? std::make_shared<client::ProducerGroup>(of_producers->buffer_bytes)
                 : nullptr;
    topic_look_ = SharedLook::of(client::HandleAccess::insides(*client_), options_.read_timeout);
    make_requests();
  }
  return client_->connect(timeout);
}

Result<void> BrokerRuntime::connect(milliseconds timeout) {
  const CallDeadline deadline(call_timeout(timeout));
  const auto lifecycle = lifecycle_.enter_until(deadline.at());
  if (!lifecycle) {
    return fail(Error::client(Errc::timed_out, "another connect or disconnect is under way"));
  }
  if (is_gone_ || is_closing_) return fail(disconnected());
  if (is_connected_) return {};
  if (auto started = start_client(deadline.left()); !started) return started;
  is_connected_ = true;
  LiveBrokers::add(weak_from_this());
  pipelines_.admit_always({.acks = default_acks_});
  if (options_.enable_one_topic_one_writer) return {};
  if (auto first = pipeline({.acks = default_acks_}, {}); !first) {
    is_connected_ = false;
    return fail(first.error());
  }
  return {};
}

Result<Admin> BrokerRuntime::admin() {
  auto below = client();
  if (!below) return fail(below.error());
  return below->admin();
}

Result<Client> BrokerRuntime::client() {
  if (is_forked()) {
    return fail(
        Error::client(Errc::forked, "a broker cannot be used after fork() in the child process"));
  }
  if (!is_connected_) return fail(not_connected());
  const std::lock_guard lock(mutex_);
  if (is_gone_) return fail(disconnected());
  return client::HandleAccess::make<Client>(client::HandleAccess::insides(*client_));
}

bool BrokerRuntime::is_client_thread() const {
  return is_connected_ && client::HandleAccess::insides(*client_)->loop().is_loop_thread();
}

// Publishing.

Result<Pipelines::Handle> BrokerRuntime::pipeline(const PipelineKey& key, std::string_view topic) {
  if (auto made = pipelines_.find(key, topic)) return made;
  if (!is_connected_) return fail(not_connected());
  return pipelines_.find_or_make(
      key, topic,
      {.make = [this](const PipelineKey& asked) { return make_producer(asked); },
       .on_clients_thread =
           [this](const std::function<void()>& task) { on_clients_thread(task); }});
}

void BrokerRuntime::on_clients_thread(const std::function<void()>& task) {
  if (is_client_thread()) return task();
  // An error: the client has ended, and its producers with it.
  (void)client::wait_for<void>(client::HandleAccess::insides(*client_)->loop(),
                               [&task](auto promise) {
                                 task();
                                 promise({});
                               });
}

Result<Producer> BrokerRuntime::make_producer(const PipelineKey& key) {
  auto made = messaging::producer_options(options_, key);
  if (!made) return fail(made.error());
  ProducerOptions asked = *std::move(made);
  if (options_.balancer) asked.partitioner = balancers_->sharing(*options_.balancer);
  client::UntakenHandler on_untaken = [reports = reports_](const client::UntakenFailure& failure) {
    reports->report({.kind = Failure::Kind::delivery,
                     .error = failure.why,
                     .topic = failure.topic,
                     .partition = failure.partition});
  };
  if (options_.completion) {
    asked.on_batch = [completion = options_.completion,
                      reports = reports_](const SettledBatch& batch) {
      messaging::tell(completion, batch, reports->logger());
    };
  }
  return client::make_producer(client::HandleAccess::insides(*client_), std::move(asked), group_,
                               std::move(on_untaken));
}

PipelineKey BrokerRuntime::key_of(const PublishOptions& options) const {
  PipelineKey key{options.required_acks.value_or(default_acks_), options.max_attempts};
  // The caller of a synchronous publish waits for its timeout itself.
  if (is_async(options)) key.timeout = options.timeout;
  return key;
}

bool BrokerRuntime::is_async(const PublishOptions& options) const {
  return options.async.value_or(options_.async);
}

template <class Publish>
Result<Delivery> BrokerRuntime::counted(const Publish& publish) {
  // A middleware or a codec that publishes has nothing to do with the message under way.
  const PublishObserver::Hidden hidden;
  return publish_counters_ ? publish_counters_->count(publish) : publish();
}

Result<Delivery> BrokerRuntime::publish(std::string_view topic, Message message,
                                        const PublishOptions& options) {
  return counted([&] { return publish_message(topic, std::move(message), options); });
}

Result<Delivery> BrokerRuntime::publish(std::string_view topic, std::string_view body,
                                        const PublishOptions& options) {
  return counted([&] { return publish_body(topic, body, options); });
}

Result<Delivery> BrokerRuntime::publish_plainly(std::string_view topic, std::string_view body) {
  return counted([&]() -> Result<Delivery> {
    const Record record{.value = as_bytes(body)};
    if (const auto found = pipelines_.find(plain_key_, name_of_pipeline(topic))) {
      if (found->topic.empty()) return client::send_with({}, found->producer, topic, record);
      if (const ProducerTopic* const known = found->known_topic()) {
        auto sent = client::send_with({}, found->producer, *known, record);
        if (sent || !sent.error().is(Errc::closed)) return sent;
      }
    }
    // It has to be made, its topic is not known yet, or it was forgotten meanwhile.
    return pass_on(topic, record, no_options(), nullptr);
  });
}

Result<Delivery> BrokerRuntime::publish_message(std::string_view topic, Message message,
                                                const PublishOptions& options) {
  if (auto checked = messaging::check(options, is_async(options)); !checked) {
    return fail(checked.error());
  }
  if (is_bare(options)) return send_message(topic, message, options, options);
  messaging::merge(options, message);
  return tracing_.tracer ? traced_publish(topic, message, options)
                         : through_middlewares(topic, message, options);
}

Result<Delivery> BrokerRuntime::publish_body(std::string_view topic, std::string_view body,
                                             const PublishOptions& options) {
  if (!is_bare(options)) {
    return publish_message(topic, Message(std::string(body)), options);
  }
  if (auto checked = messaging::check(options, is_async(options)); !checked) {
    return fail(checked.error());
  }
  messaging::HeaderViews headers({}, options.headers);
  return send(topic,
              Record{.key = options.key ? std::optional(as_bytes(*options.key)) : std::nullopt,
                     .value = as_bytes(body),
                     .headers = headers.views(),
                     .timestamp = options.timestamp,
                     .partition = options.partition},
              options);
}

Result<Delivery> BrokerRuntime::traced_publish(std::string_view topic, Message& message,
                                               const PublishOptions& options) {
  const auto inside = [&](std::string_view to, Message& sent) {
    return through_middlewares(to, sent, options);
  };
  try {
    return trace_publish(tracing_, options.inject_trace, topic, message, std::cref(inside));
  } catch (...) {
    return fail(messaging::thrown_by("the tracer"));
  }
}

Result<Delivery> BrokerRuntime::through_middlewares(std::string_view topic, Message& message,
                                                    const PublishOptions& options) {
  if (options_.publish_middlewares.empty() && options.middlewares.empty()) {
    return send_message(topic, message, no_options(), options);
  }
  PublishHandler innermost = [this, &options](std::string_view to, Message& sent) {
    return send_message(to, sent, no_options(), options);
  };
  try {
    auto chain =
        messaging::wrapped(options_.publish_middlewares, options.middlewares, std::move(innermost));
    if (chain) return chain(topic, message);
    return fail(Error::client(Errc::handler_failed, "a publish middleware returned no handler"));
  } catch (...) {
    return fail(messaging::thrown_by("a publish middleware"));
  }
}

Result<Delivery> BrokerRuntime::send_message(std::string_view topic, const Message& message,
                                             const PublishOptions& rest,
                                             const PublishOptions& options) {
  messaging::HeaderViews headers(message.headers(), rest.headers);
  const auto& key = message.key() ? message.key() : rest.key;
  return send(
      topic,
      Record{.key = key ? std::optional(as_bytes(*key)) : std::nullopt,
             .value = message.body() ? std::optional(as_bytes(*message.body())) : std::nullopt,
             .headers = headers.views(),
             .timestamp = message.timestamp().is_none() ? rest.timestamp : message.timestamp(),
             .partition = message.partition().is_none() ? rest.partition : message.partition()},
      options);
}

Result<Delivery> BrokerRuntime::send(std::string_view topic, const Record& record,
                                     const PublishOptions& options) {
  // Checked before sending, since a refused message must not be stored.
  if (!is_async(options) && is_client_thread()) {
    return fail(waits_for_itself());
  }
  auto delivery = pass_on(topic, record, options);
  if (!delivery || is_async(options)) return delivery;
  if (auto stored = await(*delivery, options.timeout); !stored) return fail(stored.error());
  return delivery;
}

Result<void> BrokerRuntime::await(const Delivery& delivery, std::optional<milliseconds> timeout) {
  const auto receipt = timeout ? delivery.wait(*timeout) : delivery.get();
  if (receipt) return {};
  const bool under_way = receipt.error().is(Errc::timed_out) && !delivery.is_done();
  return fail(under_way ? receipt.error().with_stored(Stored::possibly) : receipt.error());
}

std::vector<Result<Delivery>> BrokerRuntime::publish(std::string_view topic,
                                                     std::span<const Message> messages,
                                                     const PublishOptions& options) {
  std::optional<CallDeadline> deadline;
  if (options.timeout) deadline = deadline_in(*options.timeout);
  std::vector<Result<Delivery>> results;
  results.reserve(messages.size());
  const bool waits = !is_async(options);
  PublishOptions sending = options;
  if (waits) {
    auto checked = messaging::check(options, false);
    if (checked && is_client_thread()) checked = fail(waits_for_itself());
    if (!checked) {
      if (publish_counters_) publish_counters_->add_refused(messages.size());
      return each_fails(messages.size(), checked.error());
    }
    // The timeout is the caller's, as of every synchronous publish.
    sending.async = true;
    sending.timeout.reset();
  }
  for (const Message& message : messages) results.push_back(publish(topic, message, sending));
  if (!waits) return results;
  client::hurry_together(results);
  for (Result<Delivery>& each : results) {
    if (!each) continue;
    std::optional<milliseconds> left;
    if (deadline) left = deadline->left();
    const auto stored = await(*each, left);
    if (stored) continue;
    each = fail(stored.error());
    if (publish_counters_) publish_counters_->add_refused(1);
  }
  return results;
}

Result<Delivery> BrokerRuntime::pass_on(std::string_view topic, const Record& record,
                                        const PublishOptions& options) {
  const Observer observers = PublishObserver::all();
  auto sent = pass_on(topic, record, options, observers);
  if (sent && observers) PublishObserver::mark_taken();
  return sent;
}

Result<Delivery> BrokerRuntime::pass_on(std::string_view topic, const Record& record,
                                        const PublishOptions& options, const Observer& observer) {
  const PipelineKey key = key_of(options);
  std::optional<CallDeadline> deadline;
  for (;;) {
    auto found = pipeline(key, name_of_pipeline(topic));
    if (!found) return fail(found.error());
    Pipeline& to = **found;
    if (to.topic.empty()) {
      return pass_to(to.producer, topic, record, options, deadline, observer);
    }
    const auto resolved = to.resolved(deadline);
    if (!resolved && !resolved.error().is(Errc::closed)) return fail(resolved.error());
    auto sent = resolved ? pass_to(to.producer, **resolved, record, options, deadline, observer)
                         : Result<Delivery>(fail(resolved.error()));
    if (sent || !sent.error().is(Errc::closed) || !to.was_refused_in_passing()) return sent;
  }
}

template <class Topic>
Result<Delivery> BrokerRuntime::pass_to(Producer& producer, const Topic& topic,
                                        const Record& record, const PublishOptions& options,
                                        const std::optional<CallDeadline>& deadline,
                                        const Observer& observer) {
  std::optional<client::Choice> choice;
  if (options.balancer) {
    choice.emplace(*BalancerAccess::partitioner(*options.balancer),
                   balancers_->borrow(name_of(topic), *options.balancer));
  }
  const client::SendTerms terms{choice ? &*choice : nullptr, deadline};
  if (!options.callback) {
    if (observer) {
      return client::send_observed(terms, producer, topic, record, telling(observer));
    }
    return client::send_with(terms, producer, topic, record);
  }
  auto sent = client::send_with(
      terms, producer, topic, record,
      [callback = options.callback, reports = reports_, observer](const Result<Receipt>& receipt) {
        if (observer) (*observer)(receipt);
        messaging::tell(callback, receipt, reports->logger());
      });
  if (!sent) return fail(sent.error());
  return Delivery{};
}

// Subscribing.

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

namespace {

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

MetricsSnapshot BrokerRuntime::metrics() {
  std::shared_ptr<telemetry::Registry> own;
  std::shared_ptr<client::ClientMetrics> below;
  {
    const std::lock_guard lock(mutex_);
    own = metrics_;
    if (client_) below = client::HandleAccess::insides(*client_)->environment().metrics;
  }
  if (!own) return {};
  MetricsSnapshot taken = own->snapshot();
  if (below) taken.add(below->registry.snapshot());
  return taken;
}

// Request and reply.

void BrokerRuntime::make_requests() {
  const auto& client = client::HandleAccess::insides(*client_);
  requests_ =
      std::make_shared<RequestDesk>(seed_of(client), options_.max_requests, client, reports_);
  ReplyReaders::Means means;
  means.choose_partition =
      [this](const std::string& topic, const std::optional<ReplyTopicCreation>& creation,
             const CallDeadline& deadline) { return reply_partition(topic, creation, deadline); };
  means.subscribe = [this](const std::string& topic, PartitionId partition,
                           std::function<void()> on_replaced) {
    SubscribeHandler handler = [requests = requests_](RawEvent& reply) {
      requests->on_reply(reply);
      return Result<void>();
    };
    return subscribe(topic, std::move(handler),
                     SubscribeOptions{.group_id = "",
                                      .max_retries = 0,
                                      .failure_policy = FailurePolicy::skip,
                                      .partition = partition,
                                      .start_offset = StartOffset::last()},
                     Middlewares::none, nullptr, Handing::events, std::move(on_replaced));
  };
  means.known_partitions = [client = std::weak_ptr(client)](const std::string& topic) {
    return known_partitions(client.lock(), topic);
  };
  reply_readers_ = std::make_shared<ReplyReaders>(std::move(means));
}

std::shared_ptr<RequestDesk> BrokerRuntime::requests() {
  const std::lock_guard lock(mutex_);
  return requests_;
}

Timestamp BrokerRuntime::wall_now() const {
  return client::HandleAccess::insides(*client_)->environment().clock.wall();
}

Result<PartitionId> BrokerRuntime::reply_partition(
    const std::string& topic, const std::optional<ReplyTopicCreation>& creation,
    const CallDeadline& deadline) {
  auto cluster = admin();
  if (!cluster) return fail(cluster.error());
  std::int32_t partitions = 0;
  if (creation) {
    const auto was_there = messaging::create_topic(*cluster, topic, creation->partitions,
                                                   creation->replication_factor, deadline.left());
    if (!was_there) return fail(was_there.error());
    // The servers learn of a new topic with a delay.
    if (!*was_there) partitions = creation->partitions;
  }
  if (partitions <= 0) {
    const auto described = cluster->describe_topics({topic}, {.timeout = deadline.left()});
    if (!described) return fail(described.error());
    const auto& found = described->front().result;
    if (!found && found.error().is_broker(broker_error::unknown_topic_or_partition)) {
      return fail(Error::client(Errc::no_such_topic,
                                "it does not exist; create it, or let the first request do so by "
                                "create_reply_topic"));
    }
    if (!found) return fail(found.error());
    partitions = static_cast<std::int32_t>(found->partitions.size());
    if (partitions == 0) {
      return fail(Error::client(Errc::malformed, "the server describes it without partitions"));
    }
  }
  const std::uint64_t chance = seed_of(client::HandleAccess::insides(*client_));
  return PartitionId{static_cast<std::int32_t>(chance % static_cast<std::uint64_t>(partitions))};
}

void BrokerRuntime::hurry(std::string_view topic, const PublishOptions& options) {
  const bool by_topic = options_.enable_one_topic_one_writer;
  const auto found = pipelines_.find(key_of(options), by_topic ? topic : std::string_view());
  if (found) client::sender_of(found->producer)->hurry_all();
}

Result<void> BrokerRuntime::request(std::string_view topic, Message message,
                                    const RequestOptions& options, ReplyReceiver receiver) {
  const CallDeadline deadline = deadline_in(timeout_of(options));
  const auto sent = send_request(
      topic, std::move(message), options, deadline, false, [&](RequestDesk& all, std::string what) {
        return all.add(deadline.at(), std::move(what), std::move(receiver));
      });
  if (!sent) return fail(sent.error());
  return {};
}

Result<void> BrokerRuntime::request_and_wait(std::string_view topic, Message message,
                                             const RequestOptions& options,
                                             const std::function<void(RawEvent&)>& read,
                                             const std::stop_token& stop) {
  const auto unsent = [] { return fail(stopped("the request was not sent")); };
  if (stop.stop_requested()) return unsent();
  const CallDeadline deadline = deadline_in(timeout_of(options));
  const auto waiter = std::make_shared<client::Waiter<void>>();
  const auto sent = send_request(topic, std::move(message), options, deadline, true,
                                 [&](RequestDesk& all, std::string what) -> Result<CorrelationId> {
                                   if (stop.stop_requested()) return unsent();
                                   return all.add(never, std::move(what), told(waiter, read));
                                 });
  if (!sent) return fail(sent.error());
  if (auto outcome = waiter->wait_until(&deadline, stop)) return *std::move(outcome);
  // Otherwise its receiver is being called, which uses `read`.
  if (*sent) {
    const auto all = requests();
    if (stop.stop_requested() && all->forget(**sent)) {
      return fail(stopped("a reply is not awaited any more").with_stored(Stored::possibly));
    }
    if (const auto late = all->expire(**sent)) return fail(*late);
  }
  return waiter->wait();
}

Result<std::optional<CorrelationId>> BrokerRuntime::send_request(
    std::string_view topic, Message message, const RequestOptions& options,
    const CallDeadline& deadline, bool waits, const AddRequest& add) {
  if (!is_connected_) return fail(not_connected());
  if (is_closing_) return fail(disconnected());
  if (auto checked = messaging::check(options); !checked) return fail(checked.error());
  const bool may_wait = !is_client_thread() && !reply_readers_->is_inside();
  if (waits && !may_wait) {
    return fail(
        Error::client(Errc::would_deadlock,
                      "a request on the client's thread, or in the callback of another one, "
                      "would wait for itself"));
  }
  RequestHeaders headers;
  headers.deadline = Timestamp{wall_now().value + timeout_of(options).count()};
  headers.reply_topic = messaging::reply_topic(options, options_);
  const auto& creation =
      options.create_reply_topic ? options.create_reply_topic : options_.create_reply_topic;
  const auto partition =
      reply_readers_->partition_of(headers.reply_topic, creation, deadline, may_wait);
  if (!partition) return fail(partition.error());
  headers.reply_partition = *partition;

  const auto all = requests();
  const auto id = add(*all, "the request to topic " + std::string(topic));
  if (!id) return fail(id.error());
  headers.correlation = id->bytes();
  set_headers(headers, message);
  PublishOptions sending = options.publish;
  // They would follow those of the message, and some readers take the last one.
  remove_headers(sending.headers);
  sending.async = true;
  sending.callback = [all, id = *id](const Result<Receipt>& receipt) {
    if (!receipt) all->on_unsent(id, receipt.error());
  };
  const auto sent = publish(topic, std::move(message), sending);
  if (sent) {
    hurry(topic, sending);
    return *id;
  }
  // Otherwise the receiver has had its deadline already.
  if (all->forget(*id)) return fail(sent.error());
  return std::nullopt;
}

SubscribeHandler BrokerRuntime::reply_handler(ReplyMaker maker) {
  ResponderMeans means;
  means.publish = [weak = weak_from_this()](std::string_view topic, Message reply) -> Result<void> {
    const auto self = weak.lock();
    if (!self) return fail(disconnected());
    const auto stored = self->publish(topic, std::move(reply), PublishOptions{.async = false});
    if (!stored) return fail(stored.error());
    return {};
  };
  means.now = [weak = weak_from_this()] {
    const auto self = weak.lock();
    return self ? self->wall_now() : Timestamp{};
  };
  means.counts = requests();
  means.reports = reports_;
  return responder(std::move(maker), std::move(means));
}

RequestCounts BrokerRuntime::request_counts() {
  const auto all = requests();
  return all ? all->counts() : RequestCounts{};
}

// The end.

std::vector<std::shared_ptr<Subscription>> BrokerRuntime::running() {
  const std::lock_guard lock(mutex_);
  std::vector<std::shared_ptr<Subscription>> all;
  for (const auto& subscription : subscriptions_) {
    if (auto alive = subscription.lock()) all.push_back(std::move(alive));
  }
  return all;
}

bool BrokerRuntime::is_inside() {
  return is_client_thread() ||
         std::ranges::any_of(running(), [](const auto& each) { return each->may_not_wait(); });
}

Result<FlushReport> BrokerRuntime::flush(milliseconds timeout, const std::stop_token& stop) {
  if (!is_connected_) return fail(not_connected());
  if (stop.stop_requested()) return fail(stopped("the flush did not begin"));
  return flush_until(CallDeadline(call_timeout(timeout)), stop);
}

Result<void> BrokerRuntime::settle(milliseconds timeout) {
  if (!is_connected_ || is_closing_) return {};
  const auto flushed = flush(timeout, {});
  if (!flushed) return fail(flushed.error());
  pipelines_.keep_report(*flushed);
  return {};
}

Result<FlushReport> BrokerRuntime::flush_until(const CallDeadline& deadline,
                                               const std::stop_token& stop) {
  if (!client_) return FlushReport{};
  const auto pipelines = pipelines_.all();
  return with_forgotten(client::flush_together(*client::HandleAccess::insides(*client_),
                                               producers_of(pipelines), deadline, stop));
}

Result<FlushReport> BrokerRuntime::with_forgotten(Result<FlushReport> report) {
  if (report) client::add(pipelines_.take_report(), *report);
  return report;
}

Result<void> BrokerRuntime::end_subscriptions(const CallDeadline& deadline) {
  const auto all = running();
  for (const auto& subscription : all) subscription->request_stop(deadline.for_loop());
  Result<void> first;
  for (const auto& subscription : all) {
    auto ended = subscription->unsubscribe(deadline);
    if (ended) continue;
    if (first) {
      first = ended;
    } else {
      subscription->log_end(ended.error());
    }
  }
  return first;
}

Result<FlushReport> BrokerRuntime::close_producers(const CallDeadline& deadline) {
  const auto pipelines = pipelines_.close();
  if (!client_) return FlushReport{};
  return with_forgotten(client::close_together(*client::HandleAccess::insides(*client_),
                                               producers_of(pipelines), deadline));
}

Result<void> BrokerRuntime::close_rest(const CallDeadline& deadline) {
  Result<void> closed;
  if (client_) closed = client_->close(deadline.left());
  {
    const std::lock_guard lock(mutex_);
    is_gone_ = true;
  }
  if (!node_) return closed;
  auto ended = node_->close(deadline.left());
  node_.reset();
  return closed ? ended : closed;
}

Result<FlushReport> BrokerRuntime::disconnect(milliseconds timeout) {
  const milliseconds most = call_timeout(timeout);
  const CallDeadline deadline(most);
  // Half of the time is for the messages published so far, in case a handler hangs until the
  // deadline.
  const CallDeadline half(most / 2);
  const auto subscriptions = running();
  is_closing_ = true;
  if (const auto all = requests()) all->close();
  if (is_inside()) {
    for (const auto& subscription : subscriptions) subscription->request_stop(deadline.at());
    return FlushReport{};
  }
  const auto lifecycle = lifecycle_.enter_until(deadline.at());
  if (!lifecycle) {
    return fail(Error::client(Errc::timed_out, "another connect or disconnect is under way"));
  }
  if (is_gone_) return FlushReport{};
  for (const auto& subscription : subscriptions) subscription->request_stop(deadline.for_loop());
  const auto early = flush_until(half, {});
  // Handlers that are still running may publish, so the producers close after them.
  auto ended = end_subscriptions(deadline);
  auto flushed = close_producers(deadline);
  auto closed = close_rest(deadline);
  reports_->say_left_out(TimePoint::max());
  if (!flushed) return flushed;
  if (!ended) return fail(ended.error());
  if (!closed) return fail(closed.error());
  if (early) {
    FlushReport all = *early;
    client::add(*flushed, all);
    return all;
  }
  return flushed;
}

void BrokerRuntime::log_end(const Error& why) {
  reports_->logger().log(LogLevel::warning, "messaging", "disconnect: " + why.to_string());
}

}  // namespace dohle::messaging
