#include "demo.hpp"

#include <random>
#include <thread>

#include <fmt/format.h>

#include "dohle/admin.hpp"
#include "dohle/codec/json.hpp"
#include "read_back.hpp"
#include "row_header.hpp"

namespace birdstrikes {

namespace {

using Clock = std::chrono::steady_clock;
constexpr std::int32_t partitions = 6;
constexpr std::int32_t noteworthy_partitions = 3;
constexpr std::size_t summary_subscribers = 2;
constexpr std::chrono::milliseconds between_looks{100};
constexpr std::chrono::milliseconds node_is_down{500};
constexpr std::chrono::seconds max_connect_time{10};
constexpr std::chrono::seconds max_ready_time{15};
constexpr std::chrono::seconds max_disconnect_time{5};
// Counted from the publish of the last row.
constexpr std::chrono::seconds max_catch_up_time{30};
enum ExitCode { ok = 0, failed = 1, connection = 3, timeout = 4, interrupt = 130 };

dohle::Error client_error(dohle::Errc code, const std::string& what) {
  return dohle::Error::client(code, what);
}

std::string name_of_run() {
  std::random_device device;
  return fmt::format("birdstrikes-{:08x}", device());
}

template <class T>
dohle::Result<void> each_of(const dohle::Result<std::vector<dohle::Named<T>>>& results) {
  if (!results) return dohle::fail(results.error());
  for (const auto& named : *results) {
    if (!named.result) return dohle::fail(named.result.error().within(named.name));
  }
  return {};
}

}  // namespace

Demo::Demo(DemoOptions options, const std::atomic<bool>& interrupted)
    : options_(std::move(options)),
      interrupted_(interrupted),
      log_(std::make_shared<LibraryLog>(options_.verbose)),
      node_(options_.command) {}

int Demo::run() {
  auto played = play();
  subscribers_.clear();
  if (auto cleaned = clean_up(); played && !cleaned) played = cleaned;
  if (interrupted_) return interrupt;
  if (!played) {
    fmt::print(stderr, "birdstrikes: {}\n", played.error().to_string());
    log_->print();
    return played.error().is(dohle::Errc::timed_out) && exit_code_of_errors_ == failed
               ? timeout
               : exit_code_of_errors_;
  }
  if (!proven_) return failed;
  say_what_next();
  return ok;
}

dohle::Result<void> Demo::play() {
  auto strikes = read_strikes(options_.data);
  if (!strikes) return dohle::fail(strikes.error());
  strikes_ = std::move(*strikes);
  if (auto connected = connect(); !connected) return connected;
  if (auto made = make_topics(); !made) return made;
  if (auto subscribed = subscribe(); !subscribed) return subscribed;
  const Publisher publisher(*broker_, topic_, strikes_, options_.rate);
  if (auto watched = watch(publisher); !watched) {
    // A publish may wait for memory for up to a minute, and the publisher's destructor waits for
    // the publish.
    (void)broker_->disconnect(max_disconnect_time);
    return watched;
  }
  return prove(publisher);
}

dohle::Result<void> Demo::connect() {
  if (has_own_node()) {
    if (auto started = node_.start(); !started) return started;
    progress_.say(fmt::format("a node is ready at {} after {} ms", node_.address(),
                              node_.ready_after().count()));
  }
  address_ = has_own_node() ? node_.address() : options_.brokers;
  auto broker = dohle::kafka::new_broker({.addresses = {address_},
                                          .client_id = "birdstrikes",
                                          .error_handler = failures_into(log_),
                                          .logger = logger_into(log_)});
  if (!broker) return dohle::fail(broker.error());
  broker_ = std::make_unique<dohle::Broker>(std::move(*broker));
  exit_code_of_errors_ = connection;
  auto connected = broker_->connect(max_connect_time);
  if (connected) exit_code_of_errors_ = failed;
  return connected;
}

dohle::Result<void> Demo::make_topics() {
  const std::string prefix = has_own_node() ? "" : name_of_run() + "-";
  topic_ = prefix + "strikes";
  noteworthy_topic_ = prefix + "noteworthy";
  summary_group_ = prefix + "summary";
  forward_group_ = prefix + "forward";
  has_topics_ = true;
  if (auto made = dohle::kafka::create_topic(*broker_, topic_, partitions, -1); !made) return made;
  return dohle::kafka::create_topic(*broker_, noteworthy_topic_, noteworthy_partitions, -1);
}

dohle::Result<void> Demo::subscribe() {
  summary_ = std::make_unique<Summary>(strikes_.size(), summary_subscribers);
  forwarder_ = std::make_unique<Forwarder>(*broker_, noteworthy_topic_, strikes_.size());
  for (std::size_t number = 0; number < summary_subscribers; ++number) {
    auto subscriber = subscribe_summary(number);
    if (!subscriber) return dohle::fail(subscriber.error());
    subscribers_.push_back(std::move(*subscriber));
  }
  auto forwarding = broker_->subscribe<Strike>(
      topic_, [this](dohle::Event<Strike> event) { return forwarder_->handle(event); },
      {.group_id = forward_group_});
  if (!forwarding) return dohle::fail(forwarding.error());
  subscribers_.push_back(std::move(*forwarding));
  for (dohle::Subscriber& subscriber : subscribers_) {
    if (auto ready = subscriber.wait_ready(max_ready_time); !ready) return ready;
  }
  progress_.say(fmt::format("two groups are subscribed; publishing {} rows, {} a second",
                            grouped(static_cast<std::int64_t>(strikes_.size())),
                            grouped(static_cast<std::int64_t>(options_.rate))));
  return {};
}

dohle::Result<dohle::Subscriber> Demo::subscribe_summary(std::size_t number) {
  return broker_->subscribe<Strike>(topic_,
                                    [this, number](dohle::Event<Strike> event) {
                                      summary_->apply(row_number(event.header(row_header)), *event,
                                                      number);
                                    },
                                    {.group_id = summary_group_});
}

// Waits until every row is published, acknowledged, summed up and checked by the forwarder. Kills
// the node halfway.
dohle::Result<void> Demo::watch(const Publisher& publisher) {
  bool to_be_killed = has_own_node();
  auto last_published = Clock::now();
  for (;;) {
    if (interrupted_) return dohle::fail(client_error(dohle::Errc::cancelled, "interrupted"));
    if (const auto failure = publisher.ledger().failure()) return dohle::fail(*failure);
    const Figures now = figures(publisher);
    progress_.show(now);
    if (now.acknowledged == now.rows && now.summed_up == now.rows &&
        forwarder_->handled() == now.rows) {
      progress_.say("every row is published, stored, summed up and checked");
      return {};
    }
    if (to_be_killed && now.acknowledged >= now.rows / 2) {
      to_be_killed = false;
      if (auto restarted = restart_node(); !restarted) return restarted;
    }
    if (now.published < now.rows) last_published = Clock::now();
    if (Clock::now() - last_published > max_catch_up_time)
      return dohle::fail(why_not_complete(now));
    std::this_thread::sleep_for(between_looks);
  }
}

dohle::Result<void> Demo::restart_node() {
  node_.kill();
  progress_.say("the node is killed (SIGKILL)");
  std::this_thread::sleep_for(node_is_down);
  auto started = node_.start();
  if (started) {
    progress_.say(fmt::format("the node is ready again after {} ms; all clients continue",
                              node_.ready_after().count()));
  }
  return started;
}

dohle::Error Demo::why_not_complete(const Figures& f) const {
  return client_error(dohle::Errc::timed_out,
                      fmt::format("30 s after the last row, {} of {} rows are acknowledged, {} "
                                  "summed up and {} checked by the second group",
                                  f.acknowledged, f.rows, f.summed_up, forwarder_->handled()));
}

Figures Demo::figures(const Publisher& publisher) const {
  return {.rows = strikes_.size(),
          .published = publisher.published(),
          .acknowledged = publisher.ledger().count(),
          .summed_up = summary_->totals().rows,
          .noteworthy = forwarder_->ledger().count()};
}

dohle::Result<void> Demo::prove(const Publisher& publisher) {
  const auto strikes = verdict_of(topic_, publisher.ledger());
  if (!strikes) return dohle::fail(strikes.error());
  const auto noteworthy = verdict_of(noteworthy_topic_, forwarder_->ledger());
  if (!noteworthy) return dohle::fail(noteworthy.error());
  const Findings findings{.airports = summary_->airports(),
                          .summary = summary_->totals(),
                          .redelivered_to_forwarder = forwarder_->redelivered(),
                          .strikes = *strikes,
                          .noteworthy = *noteworthy};
  proven_ = findings.holds();
  fmt::print("\n{}", report(findings, output_width()));
  return {};
}

dohle::Result<Verdict> Demo::verdict_of(const std::string& topic, const Ledger& ledger) {
  auto client = dohle::Client::create(
      {.bootstrap_servers = {address_}, .client_id = "birdstrikes", .logger = logger_into(log_)});
  if (!client) return dohle::fail(client.error());
  const auto stored =
      read_back(*client, topic, topic == topic_ ? partitions : noteworthy_partitions);
  if (!stored) return dohle::fail(stored.error());
  return judge(ledger.rows(), *stored);
}

// Removes the demo's topics and groups from a foreign cluster.
dohle::Result<void> Demo::clean_up() {
  if (has_own_node() || !has_topics_) return {};
  auto client =
      dohle::Client::create({.bootstrap_servers = {address_}, .logger = logger_into(log_)});
  if (!client) return dohle::fail(client.error());
  auto deleted = each_of(client->admin().delete_topics({topic_, noteworthy_topic_}));
  auto groups = each_of(client->admin().delete_groups({summary_group_, forward_group_}));
  return deleted ? groups : deleted;
}

void Demo::say_what_next() const {
  fmt::print("\nTry next:\n");
  if (has_own_node()) {
    fmt::print("  scripts/demo --brokers HOST:PORT     the same on an Apache Kafka cluster\n");
  } else {
    fmt::print("  scripts/demo                         the same on a node that gets killed\n");
  }
  fmt::print(
      "  build/release/bin/dohle node --help  a node of your own, for any Kafka client\n"
      "  examples/birdstrikes/                how this was written\n");
}

}  // namespace birdstrikes
