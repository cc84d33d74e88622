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
#include "base/secure_random.hpp"
#include "dohle/logger.hpp"
#include "dohle/node.hpp"
#include "node/door/doorway.hpp"
#include "node/door/request_faults.hpp"
#include "node/fetch/fetch_sessions.hpp"
#include "node/fetch/fetch_waits.hpp"
#include "node/group/group_service.hpp"
#include "node/lines.hpp"
#include "node/node_settings.hpp"
#include "node/security/password_checks.hpp"
#include "node/security/users.hpp"
#include "node/serve/authorizer.hpp"
#include "node/serve/batch_checks.hpp"
#include "node/serve/dispatcher.hpp"
#include "node/serve/node_parts.hpp"
#include "node/serve/time_searches.hpp"
#include "node/storage/storage.hpp"

namespace dohle::node {

/// Everything that the engine needs from outside. All of it outlives the engine.
struct NodeEnvironment {
  Executor& loop;
  Disk& disk;
  /// Run only password checks, which take milliseconds each.
  Workers& workers;
  SecureRandom& random;
  Logger& logger;
  const Authorizer& authorizer = everything_allowed;
  /// Default: null, none.
  RequestFaults* faults = nullptr;
};

/// The server: its doorway, topics, groups, and the requests that wait for a sync, for records or
/// for other members. One thread; the simulation drives the same code:
///
///     node::NodeEngine engine({loop, disk, workers, random, logger}, settings);
///     if (auto started = engine.start(); !started) …
///     if (auto at = engine.listen(listening, {"tcp", Endpoint{"127.0.0.1", 9092}}); !at) …
///     …
///     engine.stop(deadline, [](Result<void> outcome) { … });
///
/// Destroying it without `stop` has the effect of a killed process.
class NodeEngine final : private DoorwayEvents, private StorageEvents {
 public:
  NodeEngine(NodeEnvironment environment, NodeSettings settings);
  ~NodeEngine();
  NodeEngine(const NodeEngine&) = delete;
  NodeEngine& operator=(const NodeEngine&) = delete;

  /// Locks the data directory, opens and recovers the data. Blocks. Errors: locked, damaged,
  /// storage.
  Result<void> start();
  /// Accepts connections at `where`, as one more way. Returns the address that it listens at.
  Result<Endpoint> listen(Listening& listening, ListenAt where);
  /// Stops listening, answers pending requests until `deadline`, closes connections, makes the data
  /// durable and marks the stop as clean; then calls `done`.
  void stop(TimePoint deadline, std::move_only_function<void(Result<void>)> done);

  /// Closes all connections, as if the network had; new ones are accepted. For tests.
  void drop_connections();

  /// One of its parts, as `Parts::get` returns it. For tests and src/testing.
  template <class Part>
  [[nodiscard]] decltype(auto) part() const {
    return Parts<Part>(parts_).template get<Part>();
  }
  /// Asserts the conditions that hold between two turns, in all its parts. For tests: visits each
  /// connection, partition and group.
  void check_invariants() const;

 private:
  [[nodiscard]] Now now() const { return environment_.loop.tick(); }
  void on_request(Session& session, Slice frame) override;
  void on_answers(Session& session) override { dispatcher_.note_unread(session); }
  void on_gone(Session& session) override;
  void on_advanced(Partition& partition, std::size_t bytes) override;
  void on_changed(Partition& partition) override;
  void on_removed(const std::string& topic, Task then) override;
  void on_maintained(Now believed) override;
  void drain_sessions();
  void finish_stop();
  void close_storage();

  struct Stopping {
    TimePoint deadline;
    std::move_only_function<void(Result<void>)> done;
  };

  NodeEnvironment environment_;
  const NodeSettings settings_;
  Lines lines_;
  Users users_;
  PasswordChecks password_checks_;
  Doorway doorway_;
  Storage storage_;
  BatchChecks batch_checks_;
  TimeSearches time_searches_;
  FetchWaits fetch_waits_;
  FetchSessions fetch_sessions_;
  GroupService groups_;
  const NodeParts parts_;
  Dispatcher dispatcher_;
  std::uint64_t maintenance_rounds_ = 0;
  std::optional<Stopping> stopping_;
  std::shared_ptr<bool> is_alive_ = std::make_shared<bool>(true);
};

}  // namespace dohle::node
