#pragma once

#include <map>
#include <optional>
#include <string>

#include "dohle/client.hpp"
#include "dohle/consumer.hpp"
#include "simulation/application.hpp"
#include "simulation/member.hpp"
#include "simulation/readings.hpp"

namespace dohle::simulation {

/// An application that reads "orders" as a member of a group, with a new Consumer each time after
/// it has left.
class Reading {
 public:
  Reading(Stage& stage, const std::string& name, const Habits& habits, Readings& readings);
  void start() {
    application_.start([this] { run(); });
  }

 private:
  void run();
  void read_until_it_leaves(Client& client);
  RebalanceListener listener();
  void hold(std::span<const TopicPartition> partitions);
  void give_up(std::span<const TopicPartition> partitions);
  bool poll();
  void handle(Records& records);
  void handle(const ConsumerRecord& record);
  void seek_somewhere();
  [[nodiscard]] bool commits_by_hand() const {
    return habits_.committing == Committing::waiting || habits_.committing == Committing::ahead;
  }
  bool commit();
  void commit_ahead();
  [[nodiscard]] std::vector<PartitionOffset> handled() const;
  void confirmed(const std::vector<PartitionOffset>& offsets);

  Application application_;
  const Habits habits_;
  Readings& readings_;
  std::optional<Consumer> consumer_;
  std::map<std::int32_t, Readings::Hold> holds_;
  /// Time spent in the rebalance listener.
  Duration listening_{};
};

}  // namespace dohle::simulation
