#pragma once

#include <chrono>
#include <map>
#include <memory>
#include <string>

#include "base/random.hpp"
#include "client/consume/consumer_loop.hpp"
#include "sim/process.hpp"
#include "sim/world.hpp"
#include "simulation/effects.hpp"
#include "simulation/readings.hpp"
#include "unit/client/scripted_cluster.hpp"

namespace dohle::simulation {

enum class Committing : std::uint8_t {
  never,
  automatic,  ///< by the consumer itself
  waiting,    ///< after handling, waiting for the answer
  ahead,      ///< after handling, without waiting
};

/// The behaviour of the members of a group, drawn from the seed.
struct Habits {
  ConsumerOptions options;
  /// Partitions are assigned by hand, not by the group.
  bool takes_all = false;
  Committing committing = Committing::automatic;
  Duration max_poll = std::chrono::milliseconds(200);
  Duration max_handling = std::chrono::milliseconds(100);
  /// It leaves after one in this number of polls, and later joins again.
  std::uint64_t leaves_one_in = 200;
  /// After one in this number of polls with records it seeks. A member that commits seeks to its
  /// position, so that commits do not go back; others seek back.
  std::uint64_t seeks_one_in = 10;
};

/// One life of a process that reads "orders": it polls, handles records and commits as a program's
/// thread would with a Consumer, but on the loop's thread. A poll that blocks is a timer.
class Member {
 public:
  Member(sim::Process& self, std::string name, const Habits& habits,
         client::Cluster::Options engine, Readings& readings, Effects& effects,
         const bool& is_healed);
  ~Member();
  Member(const Member&) = delete;
  Member& operator=(const Member&) = delete;

  /// Closes the consumer. is_closed() is true once that is done.
  void close();
  [[nodiscard]] bool is_closed() const { return consumer_ == nullptr; }

 private:
  using Next = void (Member::*)();
  void after(Duration delay, Next next);
  void note(const std::string& line);
  [[nodiscard]] Duration up_to(Duration most);
  [[nodiscard]] Duration max_handling() const;

  void join();
  void begin_poll();
  void end_poll();
  /// False if it continues later by itself (after a commit before partitions are given up).
  bool hear_news();
  bool hear(client::ConsumerNews news);
  void hear_assigned(const std::vector<TopicPartition>& partitions);
  void give_up(const std::vector<TopicPartition>& partitions);
  void told_released(std::vector<TopicPartition> partitions);
  void hold(PartitionId partition, Generation generation);
  void take();
  void handle();
  void handle(const ConsumerRecord& record);
  void seek_somewhere();
  void go_on();
  void commit(std::move_only_function<void()> then);
  [[nodiscard]] bool commits_by_hand() const {
    return habits_.committing == Committing::waiting || habits_.committing == Committing::ahead;
  }
  void leave();
  void leave_now();
  void finish_leaving();
  void close_consumer();

  sim::Process& self_;
  sim::World& world_;
  const std::string name_;
  const Habits habits_;
  Readings& readings_;
  Effects& effects_;
  const bool& is_healed_;
  SeededRandom random_;
  std::shared_ptr<client::SimulatedClient> client_;
  std::shared_ptr<client::ConsumerLoop> consumer_;
  std::map<std::int32_t, Readings::Hold> holds_;
  Records taken_;
  bool is_leaving_ = false;
  bool is_closing_ = false;
  /// Expires with `consumer_`: callbacks of an earlier consumer are ignored.
  std::shared_ptr<char> session_;
};

}  // namespace dohle::simulation
