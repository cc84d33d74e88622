#include "simulation/subscribing.hpp"

#include <algorithm>

#include "dohle/kafka.hpp"
#include "messaging/failures/redirect_headers.hpp"
#include "simulation/publishing.hpp"

namespace dohle::simulation {

using namespace std::chrono_literals;

namespace {

/// Handlers fail on some messages always, and on others once.
bool is_never_taken(std::string_view body) {
  return body.ends_with("7 ");
}
bool fails_first(std::string_view body) {
  return body.ends_with("3 ");
}
/// A filter leaves these out.
bool is_unwanted(std::string_view body) {
  return body.ends_with("5 ");
}
constexpr int max_retries = 1;

bool is_retry(std::string_view topic) {
  return topic != "jobs";
}

}  // namespace

Subscribing::Subscribing(Stage& stage, const std::string& name, Workers& workers)
    : application_(stage, name),
      workers_(workers),
      handlings_(workers.handlings),
      acknowledges_later_(application_.one_in(2)),
      policy_(application_.one_in(2) ? FailurePolicy::hold : FailurePolicy::skip),
      has_batches_(application_.one_in(2)),
      has_filter_(application_.one_in(2)) {}

void Subscribing::run() {
  kafka::BrokerOptions options = options_of_member("workers");
  options.start_offset = StartOffset::first();
  options.failure_policy = policy_;
  options.commit_interval = application_.one_in(2) ? 0ms : 500ms;
  options.error_handler = [this](const Failure& failure) { on_failure(failure); };
  Broker broker = make_broker(application_, options);
  while (!application_.within("Broker::connect", 3s, [&] { return broker.connect(3s); })) continue;
  while (!application_.stage().is_closing) subscribe(broker);
  (void)application_.within("Broker::disconnect", 5s, [&] { return broker.disconnect(5s); });
  kept_.clear();
}

SubscribeOptions Subscribing::draw_options() {
  SubscribeOptions options;
  options.concurrency = 1 + application_.draw(3);
  options.auto_ack = !acknowledges_later_;
  options.max_retries = max_retries;
  options.max_unacknowledged = application_.one_in(2) ? 10 : 10'000;
  if (workers_.has_retry_topic) options.retry_topics = {500ms};
  if (has_filter_) {
    options.filter = [this](const RawEvent& event) { return wants(event); };
  }
  if (has_batches_) {
    options.batch_size = 1 + application_.draw(5);
    options.batch_interval = application_.up_to(200ms);
  }
  return options;
}

Result<Subscriber> Subscribing::start_subscription(Broker& broker) {
  const std::string name = application_.name() + "-" + std::to_string(++subscription_);
  if (has_batches_) {
    return broker.subscribe_batch(
        "jobs", [this, name](std::span<RawEvent> batch) { handle_batch(batch, name); },
        draw_options());
  }
  return broker.subscribe(
      "jobs", [this, name](RawEvent event) { return handle(event, name); }, draw_options());
}

void Subscribing::subscribe(Broker& broker) {
  auto subscriber = start_subscription(broker);
  if (!subscriber) {
    // Its topics could not be made in time.
    if (workers_.has_retry_topic && subscriber.error().is_retriable()) {
      return application_.note("subscribe fails: " + subscriber.error().to_string());
    }
    return application_.accuse("subscribe fails: " + subscriber.error().to_string());
  }
  const auto patience = application_.one_in(2) ? 200ms : 5s;
  (void)application_.within("Subscriber::wait_ready", patience,
                            [&] { return subscriber->wait_ready(patience); });
  const TimePoint leaves = application_.now() + application_.up_to(Duration(40s));
  while (!application_.stage().is_closing &&
         (application_.stage().is_healed || application_.now() < leaves)) {
    look_after(*subscriber);
    control(*subscriber);
    application_.pass_time(100ms);
  }
  for (Kept& each : kept_) each.until = {};
  look_after(*subscriber);
  const auto timeout = application_.stage().is_closing || application_.one_in(2) ? 10s : 300ms;
  const auto ended = application_.within("Subscriber::unsubscribe", timeout,
                                         [&] { return subscriber->unsubscribe(timeout); });
  if (ended) application_.stage().effects.add(effect::unsubscribed);
}

Subscribing::Place Subscribing::first_place(const RawEvent& event) {
  if (!is_retry(event.topic())) return {event.partition().value, event.offset().value};
  const auto bytes = [&](std::string_view name) {
    const auto text = event.header(name);
    return text ? std::optional(as_bytes(*text)) : std::nullopt;
  };
  return {
      messaging::number_in<std::int32_t>(bytes(messaging::header::original_partition)).value_or(-1),
      messaging::number_in<std::int64_t>(bytes(messaging::header::original_offset)).value_or(-1)};
}

bool Subscribing::wants(const RawEvent& event) {
  if (!is_unwanted(event.body().value_or(""))) return true;
  application_.stage().effects.add(effect::filtered);
  // It is acknowledged once this has returned.
  handlings_.done(event.partition(), event.offset());
  return false;
}

Result<void> Subscribing::handle(RawEvent& event, const std::string& subscription) {
  const std::string key(event.key().value_or(""));
  // A retry is not in the order of its key.
  const bool is_first = !is_retry(event.topic());
  if (is_first) handlings_.begins(subscription, key, event.partition(), event.offset());
  const bool is_healed = application_.stage().is_healed;
  application_.pass_time(application_.up_to(Duration(is_healed ? 5ms : 200ms)));
  if (is_first) handlings_.ends(subscription, key);
  return judge(event);
}

void Subscribing::handle_batch(std::span<RawEvent> batch, const std::string& subscription) {
  application_.stage().effects.add(effect::batched);
  std::set<std::string> keys;
  for (const RawEvent& event : batch) {
    if (is_retry(event.topic())) continue;
    // The messages of a key may be in one batch, and in no other one at the same time.
    const auto [key, is_new] = keys.emplace(event.key().value_or(""));
    if (is_new) handlings_.begins(subscription, *key, event.partition(), event.offset());
  }
  const bool is_healed = application_.stage().is_healed;
  application_.pass_time(application_.up_to(Duration(is_healed ? 5ms : 200ms)));
  for (const std::string& key : keys) handlings_.ends(subscription, key);
  for (RawEvent& event : batch) {
    if (auto judged = judge(event); !judged) (void)event.nack(judged.error());
  }
}

Result<void> Subscribing::judge(RawEvent& event) {
  const Place place = first_place(event);
  const bool is_first = !is_retry(event.topic());
  const std::string body(event.body().value_or(""));
  if (has_filter_ && is_unwanted(body)) application_.accuse("a handler has " + body);
  if (!is_first) {
    application_.stage().effects.add(effect::retried);
    workers_.awaited.erase(place);
  }
  const int failing = workers_.has_retry_topic ? max_retries + 1 : max_retries;
  if (is_never_taken(body) || (fails_first(body) && event.attempt() <= failing)) {
    return refuse(event, place);
  }
  if (acknowledges_later_) {
    keep(std::move(event), false);
  } else if (is_first) {
    handlings_.done(event.partition(), event.offset());
  }
  return {};
}

Result<void> Subscribing::refuse(const RawEvent& event, Place place) {
  workers_.failed.insert(place);
  if (workers_.has_retry_topic && !is_retry(event.topic()) && event.attempt() > max_retries) {
    // From now on it may be stored in the retry topic, and be acknowledged.
    workers_.awaited.insert(place);
    handlings_.done(event.partition(), event.offset());
  }
  return fail(Error::client(Errc::handler_failed, "not that one"));
}

void Subscribing::on_failure(const Failure& failure) {
  if (failure.kind != Failure::Kind::handler) return;
  application_.stage().effects.add(effect::handler_failed);
  if (policy_ == FailurePolicy::skip) {
    if (!is_retry(failure.topic)) handlings_.done(failure.partition, failure.offset);
    return;
  }
  if (failure.event != nullptr) keep(std::move(*failure.event), true);
}

void Subscribing::keep(RawEvent event, bool is_held) {
  const PartitionId partition = event.partition();
  const Offset offset = event.offset();
  const bool from_retry = is_retry(event.topic());
  kept_.push_back({std::move(event), from_retry, partition, offset,
                   application_.now() + application_.up_to(Duration(1s)), is_held});
}

void Subscribing::look_after(const Subscriber& subscriber) {
  for (const HeldMessage& held : subscriber.held()) {
    application_.stage().effects.add(effect::held);
    if (is_retry(held.topic)) continue;
    if (workers_.failed.contains({held.partition.value, held.offset.value})) continue;
    application_.accuse("held() names " + std::to_string(held.partition.value) + ":" +
                        std::to_string(held.offset.value) + ", which no handler refused");
  }
  settle_kept(subscriber);
}

void Subscribing::settle_kept(const Subscriber& subscriber) {
  std::vector<Kept> settled;
  for (auto each = kept_.begin(); each != kept_.end();) {
    if (each->until > application_.now()) {
      ++each;
      continue;
    }
    settled.push_back(std::move(*each));
    each = kept_.erase(each);
  }
  for (Kept& each : settled) {
    if (!each.is_retry) handlings_.done(each.partition, each.offset);
    // It is refused if the partition was lost meanwhile; the message is then delivered again.
    if (auto acked = each.event.ack(); !acked) {
      application_.note("ack fails: " + acked.error().to_string());
      continue;
    }
    if (!each.is_held) continue;
    const auto held = subscriber.held();
    if (std::ranges::any_of(held, [&](const HeldMessage& one) {
          return is_retry(one.topic) == each.is_retry && one.partition == each.partition &&
                 one.offset == each.offset;
        })) {
      application_.accuse("held() still names " + std::to_string(each.offset.value) +
                          ", which is acknowledged");
    }
  }
}

void Subscribing::control(Subscriber& subscriber) {
  const std::vector<TopicPartition> own = subscriber.assignment();
  if (application_.stage().is_healed || application_.one_in(3)) {
    (void)subscriber.resume();
    for (const TopicPartition& each : own) (void)subscriber.resume(each);
  }
  if (own.empty()) return;
  const TopicPartition& partition = own[application_.draw(own.size())];
  // Without one it has begun or was given up just now.
  if (const auto committed = subscriber.committed(partition)) {
    handlings_.told(partition.partition, *committed);
  }
  if (application_.stage().is_healed || !application_.one_in(15)) return;
  if (application_.one_in(2)) {
    const auto paused = application_.one_in(2) ? subscriber.pause() : subscriber.pause(partition);
    if (paused) application_.stage().effects.add(effect::paused);
    return;
  }
  // A seek past messages that are not done would leave them out.
  const auto committed = subscriber.committed(partition);
  if (!committed) return;
  const auto back = static_cast<std::int64_t>(application_.draw(10));
  application_.note("seeks back by " + std::to_string(back));
  if (subscriber.seek(partition, Offset{std::max<std::int64_t>(0, committed->value - back)})) {
    application_.stage().effects.add(effect::sought_back);
  }
}

}  // namespace dohle::simulation
