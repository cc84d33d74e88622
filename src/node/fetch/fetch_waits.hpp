#pragma once

#include <cstddef>
#include <cstdint>
#include <deque>
#include <list>
#include <map>
#include <memory>
#include <optional>
#include <utility>
#include <vector>

#include "base/executor.hpp"
#include "node/storage/partition.hpp"

namespace dohle::node {

/// A fetch that waits for more records. FetchWaits calls it until it is answered.
class WaitingFetch {
 public:
  /// Sums over all its partitions. The difference of two shows the changes in between.
  struct Seen {
    /// Bytes that became visible to consumers.
    std::uint64_t visible_bytes = 0;
    /// Calls of FetchWaits::changed.
    std::uint64_t changes = 0;
    friend bool operator==(const Seen&, const Seen&) = default;
  };

  WaitingFetch() = default;
  virtual ~WaitingFetch() = default;
  WaitingFetch(const WaitingFetch&) = delete;
  WaitingFetch& operator=(const WaitingFetch&) = delete;

  /// Answers if there are enough bytes, or with the available ones if `is_last`. Returns the number
  /// of missing bytes; 0: answered. Absent: the turn of the loop is over, and the next call goes on
  /// with this attempt.
  virtual std::optional<std::size_t> attempt(bool is_last) = 0;
  [[nodiscard]] virtual Seen seen() const = 0;
};

/// The entry of a waiting fetch. Its partitions refer to it.
struct FetchWait {
  std::pair<std::uint64_t, std::uint64_t> id;  // connection, number
  /// Null during a call of its attempt.
  std::unique_ptr<WaitingFetch> fetch;
  std::vector<PartitionRef> partitions;
  /// Its index in the `waits` of each partition.
  std::vector<std::uint32_t> places;
  std::size_t bytes_missing = 0;
  TimePoint deadline = never;
  TimerId timer = 0;
  /// Its number in PartitionWait.
  std::uint32_t slot = 0;
  bool is_ready = false;
  /// An attempt has begun and goes on in a later turn.
  bool is_attempted = false;
  /// Its deadline has passed: the next attempt answers.
  bool is_due = false;
  /// Its partitions do not refer to it. It is checked at intervals instead.
  bool looks_by_itself = false;
  /// Set if it is checked at intervals: the state at its last check, and its place in `lookers_`.
  WaitingFetch::Seen seen;
  std::list<FetchWait*>::iterator looker;
};

/// Fetches that wait for more records, each until its deadline at most. A fetch is tried again only
/// once its partitions together have as many more visible bytes as it lacks.
///
/// A wait for a hundred partitions is a hundred pairs. Above the bounds on pairs, the partitions of
/// a fetch do not refer to it, and it is checked every 100 ms. Each turn of the loop answers ready
/// fetches, and checks others, as long as it has time. An attempt of a fetch of many partitions,
/// and the end of a connection with many waits, take several turns.
class FetchWaits {
 public:
  struct Options {
    std::size_t max_waits = 20'000;
    std::size_t max_pairs = 1'000'000;
    /// Bound on the pairs of one fetch, because they are made in one event.
    std::size_t max_pairs_of_fetch = 50'000;
    Duration look_interval = std::chrono::milliseconds(100);
  };
  FetchWaits(Executor& loop, Options options)
      : loop_(loop), options_(options), next_look_(lookers_.end()) {}
  ~FetchWaits();
  FetchWaits(const FetchWaits&) = delete;
  FetchWaits& operator=(const FetchWaits&) = delete;

  /// Whether no more fetches may wait. They are then answered with the available records.
  [[nodiscard]] bool is_full() const { return size() >= options_.max_waits; }
  /// `is_outdated`: its partitions have changed since it read them, so it is tried again at once.
  void add(std::uint64_t connection, std::vector<PartitionRef> partitions,
           std::size_t bytes_missing, TimePoint deadline, std::unique_ptr<WaitingFetch> fetch,
           bool is_outdated = false);
  /// `bytes` more bytes of the partition became visible to consumers.
  void advanced(Partition& partition, std::size_t bytes);
  /// There was another change: fetches that wait for the partition are tried again.
  void changed(Partition& partition);
  /// Runs `task` once the ready fetches have been tried, or as many as a turn has time for; at once
  /// if none is ready. A waiting fetch is thus answered before the producer of its records. Tasks
  /// run in order, those that a turn has no time for in the next one.
  void after_ready(Task task);
  /// Removes the waits of a closed connection.
  void forget(std::uint64_t connection);
  /// Answers all fetches with the available records.
  void answer_all();
  /// Waits, with those of closed connections that are still to be freed.
  [[nodiscard]] std::size_t size() const { return waits_.size() + forgotten_.size(); }
  /// Asserts the conditions that hold between two turns.
  void check_invariants() const;
  /// Pairs of a wait and a partition that refers to it.
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
  void run_after_ready();
  void look_later();
  void look();
  void look_at(FetchWait& wait);
  [[nodiscard]] bool attempt(Waits::iterator wait);
  Waits::iterator remove(Waits::iterator at);
  void free_forgotten();

  Executor& loop_;
  const Options options_;
  Waits waits_;
  std::uint64_t last_number_ = 0;
  std::size_t pairs_ = 0;
  /// By slot; null if it is free.
  std::vector<FetchWait*> slots_;
  std::vector<std::uint32_t> free_slots_;
  std::deque<Id> ready_;
  /// The fetch whose attempt goes on in the next turn, if any.
  std::optional<Id> attempted_;
  std::deque<Task> after_ready_;
  /// Waits of closed connections, whose partitions still refer to them.
  std::vector<std::unique_ptr<FetchWait>> forgotten_;
  /// Fetches that are checked at intervals, and the next of them in this round.
  std::list<FetchWait*> lookers_;
  std::list<FetchWait*>::iterator next_look_;
  TimePoint round_began_{};
  TimerId look_timer_ = 0;
  bool is_looking_ = false;
  bool is_posted_ = false;
  std::shared_ptr<bool> is_alive_ = std::make_shared<bool>(true);
};

}  // namespace dohle::node
