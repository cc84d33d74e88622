#include "simulation/remaking.hpp"

#include <chrono>
#include <utility>

#include "base/broker_errors.hpp"
#include "dohle/kafka.hpp"
#include "simulation/publishing.hpp"

namespace dohle::simulation {

using namespace std::chrono_literals;

namespace {

constexpr std::chrono::milliseconds call_timeout = 8s;
constexpr std::chrono::milliseconds publish_timeout = 10s;
/// Time to look the topic up and to wait for space.
constexpr Duration max_block = 120s;
/// Members need the rest of the quiet time to handle the published messages.
constexpr Duration publishes_after_faults = 12s;
constexpr Duration waits_for_drop = 10s;
constexpr int first_records = 6;
constexpr std::uint64_t keys = 3;

}  // namespace

Remaking::Remaking(Stage& stage, Matched& matched, std::size_t waits_for_members)
    : application_(stage, "remaking"), matched_(matched), waits_for_members_(waits_for_members) {}

void Remaking::run() {
  auto client = client::make_client({.bootstrap_servers = {"node:9092"}, .client_id = "remaking"},
                                    application_.environment());
  Admin admin = client->admin();
  while (!application_.stage().is_closing && matched_.members_ready() < waits_for_members_) {
    application_.pass_time(100ms);
  }
  create_unmatched(admin);
  std::optional<Source> gone, again, hasty;
  if (auto kept = create(admin, "sensor.kept", Matched::Promise::handled)) {
    sources_.push_back(*std::move(kept));
  }
  gone = create(admin, "sensor.gone", Matched::Promise::handled);
  again = create(admin, "sensor.again", Matched::Promise::handled);
  hasty = create(admin, "sensor.hasty", Matched::Promise::handled);
  publish_until(application_.now() + application_.up_to(Duration(8s)));
  if (auto late = create(admin, "sensor.late", Matched::Promise::handled)) {
    application_.stage().effects.add(effect::topic_added);
    sources_.push_back(*std::move(late));
  }
  if (gone) (void)remove(admin, *std::move(gone));
  publish_until(application_.now() + application_.up_to(Duration(5s)));
  // The members may not see that it was deleted, so their commits may be of the former one.
  if (hasty && remove(admin, *std::move(hasty))) {
    if (auto made = create(admin, "sensor.hasty", Matched::Promise::none)) {
      sources_.push_back(*std::move(made));
    }
  }
  const bool is_removed = again && remove(admin, *std::move(again));
  while (!application_.stage().is_closing && !application_.stage().is_healed) {
    publish_until(application_.now() + 1s);
  }
  const TimePoint last = application_.now() + publishes_after_faults;
  if (is_removed) create_again(admin, "sensor.again");
  publish_until(last);
  for (Source& each : sources_) disconnect(each);
  sources_.clear();
  (void)application_.within("Client::close", 5s, [&] { return client->close(5s); });
}

void Remaking::create_unmatched(Admin& admin) {
  for (const char* name : {"sensor.kept.others.retry.5s", "sensor.kept.others.dlt"}) {
    auto made = create(admin, name, Matched::Promise::unmatched);
    if (made) disconnect(*made);
  }
}

std::optional<Remaking::Source> Remaking::create(Admin& admin, const std::string& name,
                                                 Matched::Promise promise) {
  if (!create_topic(admin, name)) return std::nullopt;
  application_.note("has created " + name);
  Source made{.name = name,
              .topic = matched_.created(name, promise),
              .broker = std::make_unique<Broker>(make_broker(application_, {}))};
  while (!application_.within("Broker::connect", 3s, [&] { return made.broker->connect(3s); })) {
    if (!application_.stage().is_closing) continue;
    disconnect(made);
    return std::nullopt;
  }
  for (int i = 0; i < first_records; ++i) publish(made);
  return made;
}

bool Remaking::create_topic(Admin& admin, const std::string& name) {
  while (!application_.stage().is_closing) {
    const NewTopic wanted{.name = name,
                          .partitions = static_cast<std::int32_t>(Matched::partitions),
                          .replication_factor = 1};
    const auto made = application_.within("Admin::create_topics", call_timeout, [&] {
      return admin.create_topics({wanted}, {.timeout = call_timeout});
    });
    if (made) {
      const Result<CreatedTopic>& result = made->at(0).result;
      // By an earlier attempt, whose answer was lost.
      if (result || result.error().is_broker(broker_error::topic_already_exists)) return true;
      application_.note(name + " is not created: " + result.error().to_string());
    }
    application_.pass_time(200ms);
  }
  return false;
}

bool Remaking::remove(Admin& admin, Source source) {
  // Late metadata or records of it must not meet the next topic of its name.
  disconnect(source);
  application_.note("deletes " + source.name);
  matched_.released(source.topic);
  const auto deleted = application_.within("Admin::delete_topics", call_timeout, [&] {
    return admin.delete_topics({source.name}, {.timeout = call_timeout});
  });
  const bool is_sure = deleted && deleted->at(0).result;
  if (is_sure) application_.stage().effects.add(effect::topic_deleted);
  return is_sure;
}

void Remaking::publish(Source& source) {
  PublishOptions options;
  options.partition =
      PartitionId{static_cast<std::int32_t>(application_.draw(Matched::partitions))};
  options.key =
      std::to_string(options.partition.value) + "/" + std::to_string(application_.draw(keys));
  options.async = false;
  options.timeout = publish_timeout;
  const std::size_t record = matched_.sent(source.topic, options.partition);
  application_.note("publishes " + std::to_string(record) + " to " + source.name);
  const std::string body = std::to_string(record) + " ";
  auto published = application_.within("Broker::publish", max_block + publish_timeout, [&] {
    return source.broker->publish(source.name, body, options);
  });
  if (!published) return;
  const auto receipt = published->wait(0ms);
  if (receipt) matched_.acknowledged(record, receipt->offset);
}

void Remaking::publish_until(TimePoint end) {
  while (!application_.stage().is_closing && application_.now() < end) {
    for (Source& each : sources_) publish(each);
    application_.pass_time(application_.up_to(Duration(1s)));
  }
}

void Remaking::disconnect(Source& source) {
  (void)application_.within("Broker::disconnect", 5s,
                            [&] { return source.broker->disconnect(5s); });
}

void Remaking::create_again(Admin& admin, const std::string& name) {
  const TimePoint end = application_.now() + waits_for_drop;
  while (matched_.is_read(name) && application_.now() < end) publish_until(application_.now() + 1s);
  if (application_.stage().is_closing || matched_.is_read(name)) return;
  // Requests that members sent before they dropped it have arrived, since no link is interrupted.
  publish_until(application_.now() + 1s);
  auto made = create(admin, name, Matched::Promise::handled);
  if (!made) return;
  application_.stage().effects.add(effect::topic_made_again);
  sources_.push_back(*std::move(made));
}

}  // namespace dohle::simulation
