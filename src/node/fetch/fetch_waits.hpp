#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <utility>
#include <vector>

#include "base/executor.hpp"
#include "node/storage/partition.hpp"

namespace dohle::node {

/// Looks whether a fetch has enough; answers it then, or whatever there is when `is_last`. Returns
/// the bytes that it still lacks; 0: answered.
using FetchAttempt = std::move_only_function<std::size_t(bool is_last)>;

/// A fetch that waits. Its partitions point at it.
struct FetchWait {
  std::pair<std::uint64_t, std::uint64_t> id;  // connection, number
  FetchAttempt attempt;
  std::vector<PartitionRef> partitions;
  /// Its place in the `waits` of each.
  std::vector<std::uint32_t> places;
  std::size_t bytes_missing = 0;
  TimePoint deadline = never;
  TimerId timer = 0;
  bool is_ready = false;
  /// Its partitions do not point at it: it looks by itself now and then.
  bool looks_by_itself = false;
};

/// Fetches that found too little and wait for more, each at most until its deadline. It is looked
/// at again only once its partitions together have become visible by as many bytes as it lacks.
///
/// A wait of a hundred partitions is a hundred pairs. Above the bound on pairs a fetch waits on its
/// timer alone, and looks every 100 ms whether there is enough.
class FetchWaits {
 public:
  struct Options {
    std::size_t max_waits = 20'000;
    std::size_t max_pairs = 1'000'000;
    Duration look_interval = std::chrono::milliseconds(100);
  };
  FetchWaits(Executor& loop, Options options) : loop_(loop), options_(options) {}
  ~FetchWaits();
  FetchWaits(const FetchWaits&) = delete;
  FetchWaits& operator=(const FetchWaits&) = delete;

  /// No further fetch may wait: answer it with what there is.
  [[nodiscard]] bool is_full() const { return waits_.size() >= options_.max_waits; }
  void add(std::uint64_t connection, std::vector<PartitionRef> partitions,
           std::size_t bytes_missing, TimePoint deadline, FetchAttempt attempt);
  /// Consumers of the partition see that many bytes more.
  void advanced(Partition& partition, std::size_t bytes);
  /// Something else changed: who waits for the partition looks again.
  void changed(Partition& partition);
  /// Runs once whoever is ready has been tried, at once if nobody is: those who wait for records
  /// hear of them before those who wrote them.
  void after_ready(Task task);
  /// The connection is gone.
  void forget(std::uint64_t connection);
  /// Everybody gets what there is.
  void answer_all();
  [[nodiscard]] std::size_t size() const { return waits_.size(); }
  /// Pairs of a wait and a partition that points at it.
  [[nodiscard]] std::size_t pairs() const { return pairs_; }

 private:
  using Waits = std::map<std::pair<std::uint64_t, std::uint64_t>, std::unique_ptr<FetchWait>>;

  void enlist(FetchWait& wait);
  void delist(FetchWait& wait);
  void arm(FetchWait& wait);
  void on_timer(const std::pair<std::uint64_t, std::uint64_t>& id);
  void make_ready(FetchWait& wait);
  void try_ready();
  void attempt(Waits::iterator wait, bool is_last);
  Waits::iterator remove(Waits::iterator at);

  Executor& loop_;
  const Options options_;
  Waits waits_;
  std::uint64_t last_number_ = 0;
  std::size_t pairs_ = 0;
  std::vector<std::pair<std::uint64_t, std::uint64_t>> ready_;
  std::vector<Task> after_ready_;
  bool is_posted_ = false;
  std::shared_ptr<bool> is_alive_ = std::make_shared<bool>(true);
};

}  // namespace dohle::node
