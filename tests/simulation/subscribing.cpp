#include "simulation/subscribing.hpp"

#include <algorithm>

#include "dohle/kafka.hpp"
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

}  // namespace

Subscribing::Subscribing(Stage& stage, const std::string& name, Handlings& handlings)
    : application_(stage, name),
      handlings_(handlings),
      acknowledges_later_(application_.one_in(2)),
      policy_(application_.one_in(2) ? FailurePolicy::hold : FailurePolicy::skip) {}

void Subscribing::run() {
  kafka::BrokerOptions options;
  options.group_id = "workers";
  options.session_timeout = 6s;
  options.heartbeat_interval = 1'500ms;
  options.rebalance_timeout = 5s;
  // At a node without power a JoinGroup waits for this time and 5 s more.
  options.max_poll_interval = 20s;
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

void Subscribing::subscribe(Broker& broker) {
  SubscribeOptions options;
  options.concurrency = 1 + application_.draw(3);
  options.auto_ack = !acknowledges_later_;
  options.max_retries = 1;
  options.max_unacknowledged = application_.one_in(2) ? 10 : 10'000;
  const int subscription = ++subscription_;
  auto subscriber = broker.subscribe(
      "jobs", [this, subscription](RawEvent event) { return handle(event, subscription); },
      options);
  if (!subscriber) return application_.accuse("subscribe fails: " + subscriber.error().to_string());
  const auto patience = application_.one_in(2) ? 200ms : 5s;
  (void)application_.within("Subscriber::wait_ready", patience,
                            [&] { return subscriber->wait_ready(patience); });
  const TimePoint leaves = application_.now() + application_.up_to(Duration(40s));
  while (!application_.stage().is_closing &&
         (application_.stage().is_healed || application_.now() < leaves)) {
    look_after(*subscriber);
    application_.pass_time(100ms);
  }
  for (Kept& each : kept_) each.until = {};
  look_after(*subscriber);
  const auto timeout = application_.stage().is_closing || application_.one_in(2) ? 10s : 300ms;
  const auto ended = application_.within("Subscriber::unsubscribe", timeout,
                                         [&] { return subscriber->unsubscribe(timeout); });
  if (ended) application_.stage().effects.add(effect::unsubscribed);
}

Result<void> Subscribing::handle(RawEvent& event, int subscription) {
  const PartitionId partition = event.partition();
  const Offset offset = event.offset();
  const std::string key(event.key().value_or(""));
  const std::string body(event.body().value_or(""));
  handlings_.begins(subscription, key, partition, offset);
  const bool is_healed = application_.stage().is_healed;
  application_.pass_time(application_.up_to(Duration(is_healed ? 5ms : 200ms)));
  handlings_.ends(subscription, key);
  if (is_never_taken(body) || (fails_first(body) && event.attempt() == 1)) {
    failed_.insert({partition.value, offset.value});
    return fail(Error::client(Errc::handler_failed, "not that one"));
  }
  if (acknowledges_later_) {
    keep(std::move(event), subscription, false);
  } else {
    handlings_.done(partition, offset);
  }
  return {};
}

void Subscribing::on_failure(const Failure& failure) {
  if (failure.kind != Failure::Kind::handler) return;
  application_.stage().effects.add(effect::handler_failed);
  if (policy_ == FailurePolicy::skip) return handlings_.done(failure.partition, failure.offset);
  if (failure.event != nullptr) keep(std::move(*failure.event), subscription_, true);
}

void Subscribing::keep(RawEvent event, int subscription, bool is_held) {
  const PartitionId partition = event.partition();
  const Offset offset = event.offset();
  kept_.push_back({std::move(event), subscription, partition, offset,
                   application_.now() + application_.up_to(Duration(1s)), is_held});
}

void Subscribing::look_after(const Subscriber& subscriber) {
  for (const HeldMessage& held : subscriber.held()) {
    application_.stage().effects.add(effect::held);
    if (failed_.contains({held.partition.value, held.offset.value})) continue;
    application_.accuse("held() names " + std::to_string(held.partition.value) + ":" +
                        std::to_string(held.offset.value) + ", which no handler refused");
  }
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
    handlings_.done(each.partition, each.offset);
    // It is refused if the partition was lost meanwhile; the message is then delivered again.
    if (auto acked = each.event.ack(); !acked) {
      application_.note("ack fails: " + acked.error().to_string());
      continue;
    }
    if (!each.is_held) continue;
    const auto held = subscriber.held();
    if (std::ranges::any_of(held, [&](const HeldMessage& one) {
          return one.partition == each.partition && one.offset == each.offset;
        })) {
      application_.accuse("held() still names " + std::to_string(each.offset.value) +
                          ", which is acknowledged");
    }
  }
}

}  // namespace dohle::simulation
