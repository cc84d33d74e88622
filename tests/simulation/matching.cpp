#include "simulation/matching.hpp"

#include <charconv>
#include <cstdint>
#include <span>
#include <string_view>
#include <vector>

#include "dohle/kafka.hpp"
#include "simulation/publishing.hpp"

namespace dohle::simulation {

using namespace std::chrono_literals;

namespace {

/// No record has this number.
constexpr std::size_t no_number = SIZE_MAX;

std::size_t number_of(const RawEvent& event) {
  const std::string_view body = event.body().value_or("");
  std::size_t number = no_number;
  const auto parsed = std::from_chars(body.data(), body.data() + body.size(), number);
  return parsed.ec == std::errc() ? number : no_number;
}

}  // namespace

Matching::Matching(Stage& stage, const std::string& name, MatchingHabits habits, Matched& matched)
    : application_(stage, name), habits_(habits), matched_(matched) {}

void Matching::run() {
  kafka::BrokerOptions options = options_of_member("sensors");
  // Longer than faults keep a commit under way, so that none arrives after a later one.
  options.read_timeout = 30s;
  options.commit_interval = application_.one_in(2) ? 0ms : 500ms;
  options.partition_watch_interval = application_.one_in(2) ? 500ms : 2s;
  options.start_offset = habits_.starts_at_end ? StartOffset::last() : StartOffset::first();
  Broker broker = make_broker(application_, options);
  while (!application_.within("Broker::connect", 3s, [&] { return broker.connect(3s); })) continue;
  while (!application_.stage().is_closing) subscribe(broker);
  (void)application_.within("Broker::disconnect", 5s, [&] { return broker.disconnect(5s); });
}

SubscribeOptions Matching::draw_options(const std::shared_ptr<Turns>& turns) {
  SubscribeOptions options;
  options.concurrency = 1 + application_.draw(3);
  options.max_retries = habits_.has_retry_topics ? 0 : 1;
  if (habits_.has_retry_topics) options.retry_topics = {500ms};
  options.on_assigned = [this, turns](std::span<const TopicPartition> partitions) {
    for (const TopicPartition& each : partitions) {
      turns->assigned(each, matched_.committed(each));
    }
  };
  return options;
}

void Matching::subscribe(Broker& broker) {
  const auto turns = std::make_shared<Turns>();
  auto subscriber = broker.subscribe(
      kafka::pattern("sensor\\..*"),
      [this, turns](RawEvent event) { return handle(event, *turns); }, draw_options(turns));
  if (!subscriber) {
    application_.accuse("subscribe fails: " + subscriber.error().to_string());
    return application_.pass_time(1s);
  }
  const TimePoint leaves = application_.now() + application_.up_to(Duration(60s));
  bool is_ready = false;
  while (!application_.stage().is_closing &&
         (habits_.starts_at_end || application_.stage().is_healed || application_.now() < leaves)) {
    if (!is_ready) {
      is_ready = application_
                     .within("Subscriber::wait_ready", 100ms,
                             [&] { return subscriber->wait_ready(100ms); })
                     .has_value();
      if (is_ready) matched_.ready(application_.name());
    }
    look_at(*subscriber);
    application_.pass_time(100ms);
  }
  const auto timeout = application_.stage().is_closing || application_.one_in(2) ? 10s : 300ms;
  (void)application_.within("Subscriber::unsubscribe", timeout,
                            [&] { return subscriber->unsubscribe(timeout); });
  matched_.assigned(application_.name(), {});
}

void Matching::look_at(const Subscriber& subscriber) {
  std::vector<TopicPartition> own = subscriber.assignment();
  for (const TopicPartition& each : own) {
    if (const auto committed = subscriber.committed(each)) matched_.committed(each, *committed);
  }
  matched_.assigned(application_.name(), std::move(own));
}

Result<void> Matching::handle(const RawEvent& event, Turns& turns) {
  const bool is_retry = event.topic().ends_with(Matched::retry_end);
  const std::size_t number = number_of(event);
  matched_.begins(number, std::string(event.topic()));
  // Callbacks name no partitions of retry topics.
  if (!is_retry) check_turn(event, turns);
  const bool is_healed = application_.stage().is_healed;
  application_.pass_time(application_.up_to(Duration(is_healed ? 5ms : 100ms)));
  if (refuses(event, is_retry)) {
    return fail(Error::client(Errc::handler_failed, "not that one"));
  }
  if (is_retry) application_.stage().effects.add(effect::matched_retried);
  matched_.handled(number);
  return {};
}

bool Matching::refuses(const RawEvent& event, bool is_retry) const {
  if (!event.body().value_or("").ends_with("7 ")) return false;
  return habits_.has_retry_topics ? !is_retry : event.attempt() == 1;
}

void Matching::check_turn(const RawEvent& event, Turns& turns) {
  const TopicPartition partition{std::string(event.topic()), event.partition()};
  const auto wrong = turns.begins(partition, std::string(event.key().value_or("")),
                                  event.offset().value, event.attempt());
  if (!wrong || !matched_.is_promised(partition.topic)) return;
  application_.accuse(partition.topic + " partition " + std::to_string(partition.partition.value) +
                      " offset " + std::to_string(event.offset().value) + " " + *wrong);
}

}  // namespace dohle::simulation
