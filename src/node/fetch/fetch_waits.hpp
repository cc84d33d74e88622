#pragma once

#include <cstdint>
#include <list>
#include <map>
#include <memory>
#include <utility>
#include <vector>

#include "base/executor.hpp"
#include "node/storage/partition.hpp"

namespace dohle::node {

/// A fetch that found too little: what FetchWaits asks of it until it is answered.
class WaitingFetch {
 public:
  /// Of all its partitions together. Two of them tell what happened in between.
  struct Seen {
    /// Bytes that became visible to consumers.
    std::uint64_t visible_bytes = 0;
    /// Other changes, as of FetchWaits::changed.
    std::uint64_t changes = 0;
  };

  WaitingFetch() = default;
  virtual ~WaitingFetch() = default;
  WaitingFetch(const WaitingFetch&) = delete;
  WaitingFetch& operator=(const WaitingFetch&) = delete;

  /// Looks whether it has enough; answers then, or whatever there is when `is_last`. Returns the
  /// bytes that it still lacks; 0: answered.
  virtual std::size_t attempt(bool is_last) = 0;
  [[nodiscard]] virtual Seen seen() const = 0;
};

/// Its place among those that wait. Its partitions point at it.
struct FetchWait {
  std::pair<std::uint64_t, std::uint64_t> id;  // connection, number
  /// Null while it is attempted.
  std::unique_ptr<WaitingFetch> fetch;
  std::vector<PartitionRef> partitions;
  /// Its place in the `waits` of each.
  std::vector<std::uint32_t> places;
  std::size_t bytes_missing = 0;
  TimePoint deadline = never;
  TimerId timer = 0;
  /// What PartitionWait calls it by.
  std::uint32_t slot = 0;
  bool is_ready = false;
  /// Its partitions do not point at it: it looks by itself now and then.
  bool looks_by_itself = false;
  /// Then: what it saw the last time, and its place among those that look.
  WaitingFetch::Seen seen;
  std::list<FetchWait*>::iterator looker;
};

/// Fetches that found too little and wait for more, each at most until its deadline. It is looked
/// at again only once its partitions together have become visible by as many bytes as it lacks.
///
/// A wait of a hundred partitions is a hundred pairs. Above the bound on pairs a fetch waits on its
/// timer alone, and looks every 100 ms whether there is enough. Ready fetches are answered, and
/// the others look, as many in a turn of the loop as it has time for.
class FetchWaits {
 public:
  struct Options {
    std::size_t max_waits = 20'000;
    std::size_t max_pairs = 1'000'000;
    Duration look_interval = std::chrono::milliseconds(100);
  };
  FetchWaits(Executor& loop, Options options)
      : loop_(loop), options_(options), next_look_(lookers_.end()) {}
  ~FetchWaits();
  FetchWaits(const FetchWaits&) = delete;
  FetchWaits& operator=(const FetchWaits&) = delete;

  /// No further fetch may wait: answer it with what there is.
  [[nodiscard]] bool is_full() const { return waits_.size() >= options_.max_waits; }
  void add(std::uint64_t connection, std::vector<PartitionRef> partitions,
           std::size_t bytes_missing, TimePoint deadline, std::unique_ptr<WaitingFetch> fetch);
  /// Consumers of the partition see that many bytes more.
  void advanced(Partition& partition, std::size_t bytes);
  /// Something else changed: fetches that wait for the partition look again.
  void changed(Partition& partition);
  /// Runs `task` once the ready fetches have been tried, or as many as a turn has time for; at once
  /// if none is ready. So a waiting fetch is answered before the producer of its records.
  void after_ready(Task task);
  /// The connection is gone.
  void forget(std::uint64_t connection);
  /// Everybody gets what there is.
  void answer_all();
  [[nodiscard]] std::size_t size() const { return waits_.size(); }
  /// Asserts the conditions that hold between two turns.
  void check_invariants() const;
  /// Pairs of a wait and a partition that points at it.
  [[nodiscard]] std::size_t pairs() const { return pairs_; }

 private:
  using Id = std::pair<std::uint64_t, std::uint64_t>;
  using Waits = std::map<Id, std::unique_ptr<FetchWait>>;

  void enlist(FetchWait& wait);
  void delist(FetchWait& wait);
  void on_deadline(const Id& id);
  void make_ready(FetchWait& wait);
  void try_ready_later();
  void try_ready();
  void look_later();
  void look();
  void look_at(FetchWait& wait);
  void attempt(Waits::iterator wait, bool is_last);
  Waits::iterator remove(Waits::iterator at);

  Executor& loop_;
  const Options options_;
  Waits waits_;
  std::uint64_t last_number_ = 0;
  std::size_t pairs_ = 0;
  /// By their slots; null: free.
  std::vector<FetchWait*> slots_;
  std::vector<std::uint32_t> free_slots_;
  std::vector<Id> ready_;
  std::vector<Task> after_ready_;
  /// Those that look by themselves, and the next of them in this round.
  std::list<FetchWait*> lookers_;
  std::list<FetchWait*>::iterator next_look_;
  TimePoint round_began_{};
  TimerId look_timer_ = 0;
  bool is_looking_ = false;
  bool is_posted_ = false;
  std::shared_ptr<bool> is_alive_ = std::make_shared<bool>(true);
};

}  // namespace dohle::node
