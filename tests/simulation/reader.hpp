#pragma once

#include <algorithm>
#include <chrono>
#include <map>
#include <memory>
#include <string>
#include <variant>

#include "client/consume/consumer_loop.hpp"
#include "sim/process.hpp"
#include "simulation/complaints.hpp"
#include "unit/client/scripted_cluster.hpp"

namespace dohle::simulation {

/// One life of a process that reads all of "orders" from scripted servers, alone or as a member of
/// a group that commits twice a second. It measures the time without records and without commits
/// per partition, and complains of skipped records.
class Reader {
 public:
  static constexpr Duration poll_every = std::chrono::milliseconds(50);
  static constexpr Duration commit_every = std::chrono::milliseconds(500);

  /// Without a group id in `options` it assigns itself all `partitions`. `complaints` outlives it.
  Reader(sim::Process& self, client::Cluster::Options engine, const ConsumerOptions& options,
         std::int32_t partitions, Complaints& complaints)
      : self_(self),
        complaints_(complaints),
        is_member_(!options.group_id.empty()),
        consumer_(std::make_shared<client::ConsumerLoop>(
            std::make_shared<client::SimulatedClient>(self, std::move(engine)), options)) {
    const TimePoint now = self_.clock().mono();
    std::vector<TopicPartition> all;
    for (std::int32_t i = 0; i < partitions; ++i) {
      all.push_back({"orders", PartitionId{i}});
      read_[i].last = now;
    }
    committed_.last = now;
    consumer_->start();
    if (is_member_) {
      consumer_->subscribe({"orders"});
    } else {
      consumer_->assign(std::move(all));
    }
    consumer_->begin_poll();
    poll_later();
  }
  Reader(const Reader&) = delete;
  Reader& operator=(const Reader&) = delete;

  /// The longest times so far, including the current ones.
  [[nodiscard]] Duration longest_without_records() const {
    Duration longest{};
    for (const auto& [partition, progress] : read_) {
      longest = std::max(longest, progress.longest_until(self_.clock().mono()));
    }
    return longest;
  }
  [[nodiscard]] Duration longest_without_commit() const {
    return is_member_ ? committed_.longest_until(self_.clock().mono()) : Duration{};
  }
  void forget_longest() {
    for (auto& [partition, progress] : read_) progress.longest = {};
    committed_.longest = {};
  }

 private:
  struct Progress {
    TimePoint last{};
    Duration longest{};
    void made(TimePoint now) {
      longest = longest_until(now);
      last = now;
    }
    [[nodiscard]] Duration longest_until(TimePoint now) const {
      return std::max<Duration>(longest, now - last);
    }
  };

  void poll_later() {
    self_.executor().arm(self_.clock().mono() + poll_every, [this] { poll(); });
  }
  void poll() {
    hear_news();
    auto records = consumer_->take();
    consumer_->end_poll();
    if (!records) {
      complaints_.add("a poll fails: " + records.error().to_string());
    } else {
      for (const ConsumerRecord& record : *records) take(record);
      if (records->error() != nullptr) complaints_.add(records->error()->to_string());
    }
    consumer_->desk().with([](client::PollTable& table) { table.fetch.settle(); });
    if (is_member_ && !next_.empty() && self_.clock().mono() >= commit_at_) commit();
    consumer_->begin_poll();
    poll_later();
  }
  void take(const ConsumerRecord& record) {
    const std::int32_t partition = record.partition.value;
    read_.at(partition).made(self_.clock().mono());
    const auto next = next_.find(partition);
    // Records that were read and not committed may come again.
    if (next != next_.end() && record.offset.value > next->second) {
      complaints_.add("partition " + std::to_string(partition) + ": " +
                      std::to_string(record.offset.value) + " follows " +
                      std::to_string(next->second - 1));
    }
    next_.insert_or_assign(partition, record.offset.value + 1);
  }
  void hear_news() {
    using namespace client::group_action;
    while (auto news = consumer_->desk().with([](client::PollTable& table) {
      std::optional<client::ConsumerNews> first;
      if (table.news.empty()) return first;
      first = std::move(table.news.front());
      table.news.pop_front();
      return first;
    })) {
      if (std::holds_alternative<Assigned>(*news)) {
        self_.executor().post([consumer = consumer_] { consumer->on_told_assigned(); });
      } else if (auto* revoke = std::get_if<Revoke>(&*news)) {
        release(revoke->partitions);
      } else if (auto* lose = std::get_if<Lose>(&*news)) {
        release(lose->partitions);
      } else if (auto* failed = std::get_if<Failed>(&*news); failed && failed->why.is_fatal()) {
        complaints_.add("the group fails: " + failed->why.to_string());
      }
    }
  }
  void release(const std::vector<TopicPartition>& partitions) {
    self_.executor().post(
        [consumer = consumer_, partitions] { consumer->on_told_released(partitions); });
  }
  void commit() {
    commit_at_ = never;
    auto offsets =
        consumer_->desk().with([](client::PollTable& table) { return table.fetch.taken(); });
    consumer_->commit(std::move(offsets), [this](Result<void> outcome) {
      const TimePoint now = self_.clock().mono();
      if (outcome) committed_.made(now);
      commit_at_ = now + commit_every;
    });
  }

  sim::Process& self_;
  Complaints& complaints_;
  const bool is_member_;
  std::shared_ptr<client::ConsumerLoop> consumer_;
  /// The time of the last records, and the offset after the last one, of each partition.
  std::map<std::int32_t, Progress> read_;
  std::map<std::int32_t, std::int64_t> next_;
  Progress committed_;
  TimePoint commit_at_{};
};

}  // namespace dohle::simulation
