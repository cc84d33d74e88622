#include "messaging/broker_runtime.hpp"

#include <algorithm>
#include <functional>
#include <ranges>
#include <utility>

#include "client/cluster/handle_access.hpp"
#include "client/cluster/shared_client.hpp"
#include "client/cluster/waiter.hpp"
#include "client/produce/make_producer.hpp"
#include "client/produce/record_sender.hpp"
#include "client/produce/send_with.hpp"
#include "dohle/detail/stopped.hpp"
#include "messaging/broker_calls.hpp"
#include "messaging/live_brokers.hpp"
#include "messaging/options/broker_properties.hpp"
#include "messaging/options/changed_options.hpp"
#include "messaging/options/settings.hpp"
#include "messaging/options/skipped_option.hpp"
#include "messaging/options/whole_configs.hpp"
#include "messaging/publish/publish_chain.hpp"
#include "messaging/reach.hpp"
#include "messaging/reports/split_logger.hpp"
#include "messaging/reports/thrown_by.hpp"
#include "messaging/trace/publish_observer.hpp"

namespace dohle::messaging {

using std::chrono::milliseconds;

namespace {

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

DeliveryCallback telling(const std::shared_ptr<DeliveryCallback>& observer) {
  return [observer](Result<Receipt> outcome) { (*observer)(std::move(outcome)); };
}

const PublishOptions& no_options() {
  static const PublishOptions none;
  return none;
}

Error waits_for_itself() {
  return Error::client(Errc::would_deadlock,
                       "a synchronous publish on the client's own thread would wait for itself");
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
