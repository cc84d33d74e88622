#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "base/connection.hpp"
#include "base/disk.hpp"
#include "base/executor.hpp"
#include "base/random.hpp"
#include "dohle/logger.hpp"
#include "dohle/node.hpp"
#include "node/door/doorway.hpp"
#include "node/fetch/fetch_sessions.hpp"
#include "node/fetch/fetch_waits.hpp"
#include "node/group/group_service.hpp"
#include "node/lines.hpp"
#include "node/serve/batch_checks.hpp"
#include "node/serve/call.hpp"
#include "node/serve/dispatcher.hpp"
#include "node/storage/clock_watch.hpp"
#include "node/storage/partition_walk.hpp"
#include "node/storage/place_watch.hpp"
#include "node/storage/syncing.hpp"
#include "node/storage/topics.hpp"

namespace dohle::node {

/// What the engine needs from outside; all of it outlives the engine.
struct NodeEnvironment {
  Executor& loop;
  Disk& disk;
  Random& random;
  Logger& logger;
};

struct NodeSettings {
  std::string data_directory;
  Durability durability = Durability::fsync;
  bool auto_create_topics = true;
  std::size_t max_connections = 10'000;
  /// What sets that bound, for the line about a connection above it.
  std::string connections_bound = "max_connections";
  std::size_t max_request_bytes = std::size_t{100} << 20;
  std::size_t max_requests_bytes = std::size_t{512} << 20;
  std::size_t max_unread_answer_bytes = std::size_t{256} << 20;
  std::size_t max_open_files = log::FileCache::open_max_default;
  std::size_t max_fetch_wait_pairs = 1'000'000;
  std::chrono::milliseconds max_timestamp_before = std::chrono::milliseconds::max();
  std::chrono::milliseconds max_timestamp_after = std::chrono::hours(1);
  GroupCoordinator::Options groups = {};
  /// As Topics::Options::adopt.
  std::vector<std::string> adopt = {};
  /// As Topics::Options::accept_losses.
  std::vector<AcceptedLoss> accept_losses = {};
};

/// The server: what comes in by its doorway, topics, groups, and what waits for a sync, for records
/// or for other members. One thread; sim drives the same code:
///
///     node::NodeEngine engine({loop, disk, random, logger}, settings);
///     if (auto started = engine.start(); !started) …
///     if (auto at = engine.listen(listening, {"tcp", Endpoint{"127.0.0.1", 9092}}); !at) …
///     …
///     engine.stop(deadline, [](Result<void> outcome) { … });
///
/// Destroying it without `stop` is what a killed process does. Handlers (handlers/*.cpp) are its
/// functions for single requests.
class NodeEngine final : private log::LogEvents, private DoorwayEvents {
 public:
  NodeEngine(NodeEnvironment environment, NodeSettings settings);
  ~NodeEngine() override;
  NodeEngine(const NodeEngine&) = delete;
  NodeEngine& operator=(const NodeEngine&) = delete;

  /// Takes the directory's lock, opens and recovers the data. Blocks. Errors: locked, damaged,
  /// storage.
  Result<void> start();
  /// Takes connections there, as many ways as there are calls. Returns where it listens.
  Result<Endpoint> listen(Listening& listening, ListenAt where);
  /// Stops listening, answers what is under way until `deadline`, closes connections, makes the
  /// data durable and marks the stop as clean; then calls `done`.
  void stop(TimePoint deadline, std::move_only_function<void(Result<void>)> done);

  // For handlers and what they use.
  [[nodiscard]] Session* session(std::uint64_t id) { return doorway_.sessions().find(id); }
  [[nodiscard]] Lines& lines() { return lines_; }
  [[nodiscard]] Dispatcher& dispatcher() { return dispatcher_; }
  [[nodiscard]] Topics& topics() { return topics_; }
  [[nodiscard]] GroupService& groups() { return groups_; }
  [[nodiscard]] Syncing& syncing() { return syncing_; }
  [[nodiscard]] BatchChecks& batch_checks() { return batch_checks_; }
  [[nodiscard]] FetchWaits& fetch_waits() { return fetch_waits_; }
  [[nodiscard]] FetchSessions& fetch_sessions() { return fetch_sessions_; }
  [[nodiscard]] const NodeSettings& settings() const { return settings_; }
  /// Asserts the conditions that hold between two turns, in all its parts. For tests: it takes time
  /// for each connection, partition and group.
  void check_invariants() const;
  [[nodiscard]] Now now() const { return environment_.loop.tick(); }

  /// Appends a batch that was checked, and sees to it that it becomes durable and visible.
  Result<log::Appended> append(const PartitionRef& partition, const Slice& batch,
                               const wire::BatchHeader& header);

 private:
  void on_request(Session& session, Slice frame) override;
  void on_answers(Session& session) override { dispatcher_.note_unread(session); }
  void on_gone(Session& session) override;
  void on_partition_synced(const PartitionRef& partition, std::uint64_t bytes);
  void show(const PartitionRef& partition, std::uint64_t visible_bytes);
  void on_checked(log::PartitionLog& log) override;
  void on_offline(log::PartitionLog& log, const Error& why) override;
  void arm_maintenance();
  void begin_maintenance();
  void maintain_some();
  void end_maintenance();
  void retain(const PartitionRef& partition, Now now);
  void checkpoint(std::vector<PartitionRef> due) const;
  void check_in_background();
  void drain_sessions();
  void finish_stop();

  struct Stopping {
    TimePoint deadline;
    std::move_only_function<void(Result<void>)> done;
  };

  NodeEnvironment environment_;
  NodeSettings settings_;
  const log::Visible visible_;
  Lines lines_;
  Doorway doorway_;
  Disk::DirectoryLock lock_;
  Topics topics_;
  Syncing syncing_;
  PlaceWatch places_;
  BatchChecks batch_checks_;
  FetchWaits fetch_waits_;
  FetchSessions fetch_sessions_;
  GroupService groups_;
  Dispatcher dispatcher_;
  ClockWatch clock_watch_;
  TimerId maintenance_ = 0;
  TimerId background_check_ = 0;
  std::uint64_t maintenance_round_ = 0;
  PartitionWalk maintained_;
  /// Of this round: partitions whose recovery point is behind, and whether the disk took what
  /// recovery had to write.
  std::vector<PartitionRef> due_;
  bool has_space_ = true;
  std::optional<Stopping> stopping_;
  std::shared_ptr<bool> is_alive_ = std::make_shared<bool>(true);
};

}  // namespace dohle::node
