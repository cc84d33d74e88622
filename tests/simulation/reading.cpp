#include "simulation/reading.hpp"

#include <algorithm>
#include <charconv>
#include <iterator>
#include <utility>
#include <vector>

namespace dohle::simulation {

using namespace std::chrono_literals;

namespace {

constexpr Duration hurried_handling = 50ms;
/// One in this number of handlings takes longer than the short max_poll_interval.
constexpr std::uint64_t oversleeps_one_in = 20;
constexpr Duration max_oversleep = 15s;

}  // namespace

Reading::Reading(Stage& stage, const std::string& name, const Habits& habits, Readings& readings)
    : application_(stage, name), habits_(habits), readings_(readings) {}

void Reading::run() {
  auto client =
      client::make_client({.bootstrap_servers = {"node:9092"}, .client_id = application_.name()},
                          application_.environment());
  while (!application_.stage().is_closing) {
    read_until_it_leaves(*client);
    if (!application_.stage().is_healed) application_.pass_time(application_.up_to(Duration(5s)));
  }
  (void)application_.within("Client::close", 5s, [&] { return client->close(5s); });
}

void Reading::read_until_it_leaves(Client& client) {
  application_.note("joins");
  consumer_ = *client.consumer(habits_.options);
  if (auto subscribed = consumer_->subscribe({"orders"}, listener()); !subscribed) {
    application_.accuse("subscribe fails: " + subscribed.error().to_string());
  }
  application_.stage().effects.add(effect::joined);
  while (poll()) continue;
  application_.note("leaves");
  if (commits_by_hand()) {
    for (int attempts = 0; !commit() && application_.stage().is_closing && attempts < 5; ++attempts)
      application_.pass_time(200ms);
  }
  const auto timeout = application_.stage().is_closing || application_.one_in(2) ? 10s : 500ms;
  const auto closed =
      application_.within("Consumer::close", timeout, [&] { return consumer_->close(timeout); });
  if (closed) application_.stage().effects.add(effect::left);
  holds_.clear();
  consumer_.reset();
}

RebalanceListener Reading::listener() {
  const auto listening = [this](auto hear) {
    return [this, hear](std::span<const TopicPartition> partitions) {
      const TimePoint began = application_.now();
      const Duration stood = application_.stood_still();
      (this->*hear)(partitions);
      listening_ += application_.now() - began - (application_.stood_still() - stood);
    };
  };
  return {.on_assigned = listening(&Reading::hold),
          .on_revoked =
              [this, give_up = listening(&Reading::give_up)](auto partitions) {
                application_.stage().effects.add(effect::revoked);
                const TimePoint began = application_.now();
                const Duration stood = application_.stood_still();
                if (commits_by_hand() && !partitions.empty()) commit();
                listening_ += application_.now() - began - (application_.stood_still() - stood);
                give_up(partitions);
              },
          .on_lost =
              [this, give_up = listening(&Reading::give_up)](auto partitions) {
                application_.stage().effects.add(effect::lost);
                give_up(partitions);
              }};
}

void Reading::hold(std::span<const TopicPartition> partitions) {
  application_.stage().effects.add(effect::assigned);
  std::string line = "has";
  for (const TopicPartition& each : partitions) {
    line += " " + std::to_string(each.partition.value);
    // Without a generation: the consumer may have a later one than the callback's by now.
    holds_.insert_or_assign(each.partition.value,
                            readings_.held(application_.name(), Generation{}, each.partition));
  }
  application_.note(line);
}

void Reading::give_up(std::span<const TopicPartition> partitions) {
  application_.note("gives up its partitions");
  for (const TopicPartition& each : partitions) holds_.erase(each.partition.value);
}

bool Reading::poll() {
  const auto timeout =
      std::chrono::duration_cast<std::chrono::milliseconds>(application_.up_to(habits_.max_poll));
  auto records = application_.within(
      "Consumer::poll", timeout, [&] { return consumer_->poll(timeout); }, &listening_);
  if (!records) {
    if (records.error().is_fatal()) application_.accuse(records.error().to_string());
    application_.pass_time(5ms);
  } else if (!records->empty()) {
    handle(*records);
  }
  if (application_.stage().is_closing) return false;
  return application_.stage().is_healed || !application_.one_in(habits_.leaves_one_in);
}

void Reading::handle(Records& records) {
  const bool is_healed = application_.stage().is_healed;
  application_.pass_time(application_.up_to(
      is_healed ? std::min(habits_.max_handling, hurried_handling) : habits_.max_handling));
  const bool oversleeps = !is_healed && application_.one_in(oversleeps_one_in);
  if (oversleeps) application_.pass_time(5s + application_.up_to(max_oversleep));
  std::string line = "handled";
  for (const ConsumerRecord& record : records) {
    handle(record);
    line +=
        " " + std::to_string(record.partition.value) + ":" + std::to_string(record.offset.value);
  }
  if (const Error* why = records.error()) application_.accuse(why->to_string());
  application_.note(line);
  if (application_.one_in(habits_.seeks_one_in)) seek_somewhere();
  if (!commits_by_hand() || (!oversleeps && !application_.one_in(3))) return;
  if (habits_.committing == Committing::ahead) return commit_ahead();
  commit();
}

void Reading::handle(const ConsumerRecord& record) {
  const auto at = holds_.find(record.partition.value);
  if (at == holds_.end()) {
    return readings_.accuse(record.partition, application_.name() + " reads what it does not have");
  }
  const std::string_view text = as_text(record.value.value_or(Bytes()));
  std::size_t number = 0;
  const auto parsed = std::from_chars(text.data(), text.data() + text.size(), number);
  if (parsed.ec != std::errc()) {
    return readings_.accuse(record.partition, "'" + std::string(text) + "' was never sent");
  }
  readings_.handled(application_.name(), at->second, record.partition, record.offset, number);
}

void Reading::seek_somewhere() {
  if (holds_.empty()) return;
  auto at = holds_.begin();
  std::advance(at, application_.draw(holds_.size()));
  const auto& [partition, hold] = *at;
  if (!hold.next) return;
  application_.note("seeks " + std::to_string(partition) + ":" + std::to_string(*hold.next));
  application_.stage().effects.add(effect::sought);
  // Fails if the partition was lost meanwhile.
  (void)consumer_->seek({"orders", PartitionId{partition}}, Offset{*hold.next});
}

std::vector<PartitionOffset> Reading::handled() const {
  std::vector<PartitionOffset> offsets;
  for (const auto& [partition, hold] : holds_) {
    if (hold.next) offsets.push_back({{"orders", PartitionId{partition}}, {Offset{*hold.next}}});
  }
  return offsets;
}

void Reading::confirmed(const std::vector<PartitionOffset>& offsets) {
  application_.stage().effects.add(effect::commit_confirmed);
  for (const PartitionOffset& each : offsets) {
    readings_.committed(each.partition.partition, each.committed.offset);
  }
}

bool Reading::commit() {
  auto offsets = handled();
  const bool names_them = application_.one_in(2);
  if (!names_them) {
    // Records of partitions that were lost meanwhile are not committed.
    const auto assigned = consumer_->assignment();
    std::erase_if(offsets, [&](const PartitionOffset& each) {
      return std::ranges::find(assigned, each.partition) == assigned.end();
    });
  }
  const auto committed = application_.within(
      "Consumer::commit_sync", habits_.options.default_api_timeout,
      [&] { return names_them ? consumer_->commit_sync(offsets) : consumer_->commit_sync(); });
  if (committed) {
    confirmed(offsets);
  } else {
    application_.stage().effects.add(effect::commit_failed);
  }
  return committed.has_value();
}

void Reading::commit_ahead() {
  auto offsets = handled();
  consumer_->commit_async(offsets, [this, offsets](const Result<void>& committed) {
    if (committed) return confirmed(offsets);
    application_.stage().effects.add(effect::commit_failed);
  });
}

}  // namespace dohle::simulation
