#pragma once

#include <cstdint>
#include <functional>
#include <list>
#include <memory>
#include <string>
#include <unordered_map>
#include <unordered_set>
#include <vector>

#include "base/connection.hpp"
#include "base/disk.hpp"
#include "base/executor.hpp"
#include "base/random.hpp"
#include "dohle/logger.hpp"
#include "dohle/node.hpp"
#include "node/session.hpp"
#include "node/topics.hpp"
#include "wire/header.hpp"

namespace dohle::node {

/// What the engine needs from outside; all of it outlives the engine.
struct Environment {
  Executor& loop;
  Disk& disk;
  Listening& listening;
  Random& random;
  Logger& logger;
};

struct Settings {
  std::string data_directory;
  Endpoint listen;
  /// Empty host: the listening address.
  Endpoint advertise;
  Durability durability = Durability::fsync;
  bool auto_create_topics = true;
  std::size_t connections_max = 10'000;
  std::size_t request_bytes_max = std::size_t{100} << 20;
  std::size_t requests_bytes_max = std::size_t{512} << 20;
};

/// The place of one request: whom to answer, in which version. Copyable; answering after the
/// session is gone does nothing.
struct Responder {
  class Engine* engine;
  std::uint64_t session;
  std::uint64_t number;
  std::int32_t correlation_id;
  std::int16_t version;

  template <class Response>
  void answer(const Response& response) const;
  /// For acks=0: the request is done and gets no answer.
  void no_answer() const;
  /// A fault that the protocol has no answer for.
  void close(const Error& why) const;
};

/// The server: sessions, topics, and what waits for a sync or for records. One thread; sim drives
/// the same code. Handlers (handlers/*.cpp) are its functions for single requests.
class Engine final : public Acceptor {
 public:
  Engine(Environment environment, Settings settings);
  ~Engine() override;

  /// Opens the data and listens.
  Result<void> start();
  [[nodiscard]] const Endpoint& local() const { return listener_->local(); }
  /// Stops listening, closes sessions, makes the data durable.
  Result<void> stop();

  ConnectionEvents* on_accept(std::unique_ptr<Connection> connection) override;

  // For sessions.
  bool reserve_request(std::size_t bytes, Session& session);
  void release_request(std::size_t bytes);
  void on_request(Session& session, Slice frame);
  void on_session_closed(Session& session, const Error& why);
  void forget_later(Session& session);

  // For handlers and responders.
  [[nodiscard]] Session* session(std::uint64_t id);
  [[nodiscard]] Topics& topics() { return topics_; }
  [[nodiscard]] const Settings& settings() const { return settings_; }
  [[nodiscard]] const Endpoint& advertised() const;
  [[nodiscard]] const std::string& cluster_id() const { return cluster_id_; }
  [[nodiscard]] Now now() const { return environment_.loop.tick(); }
  void warn(std::string_view line) const {
    environment_.logger.log(LogLevel::warning, "node", line);
  }

  /// Up to where consumers may read: what a crash cannot take back.
  [[nodiscard]] Offset high_watermark(const log::PartitionLog& partition) const;
  /// Records were appended to these: syncs them as the durability asks, then calls `done`.
  void make_durable(const std::vector<log::PartitionLog*>& partitions, Task done);
  /// Tries `attempt` now, whenever a high watermark moves, and a last time at `deadline`, until it
  /// returns true. `is_last` tells it which of them it is.
  void wait_for_records(TimePoint deadline, std::move_only_function<bool(bool is_last)> attempt);
  /// A partition's log went away: nobody may wait for it any longer.
  void forget_partitions(const Topic& topic);

 private:
  struct SyncWait {
    std::vector<std::pair<log::PartitionLog*, Offset>> wanted;
    Task done;
  };
  struct RecordsWait {
    std::move_only_function<bool(bool)> attempt;
    TimerId timer = 0;
  };

  void dispatch(Session& session, const wire::RequestFrame& frame);
  void start_sync();
  void on_synced(std::vector<std::pair<log::PartitionLog*, Offset>> covered, Result<void> outcome);
  void finish_sync_waits();
  void wake_readers();
  void arm_maintenance();
  void maintain();

  Environment environment_;
  Settings settings_;
  Topics topics_;
  std::string cluster_id_;
  Disk::DirectoryLock lock_;
  std::unique_ptr<Listener> listener_;
  std::unordered_map<std::uint64_t, std::unique_ptr<Session>> sessions_;
  std::uint64_t last_session_ = 0;
  std::size_t requests_bytes_ = 0;
  std::vector<std::uint64_t> held_sessions_;

  std::unordered_set<log::PartitionLog*> dirty_;
  std::list<SyncWait> sync_waits_;
  bool is_syncing_ = false;
  bool is_sync_posted_ = false;
  std::list<RecordsWait> records_waits_;
  TimerId maintenance_ = 0;
};

template <class Response>
void Responder::answer(const Response& response) const {
  Session* to = engine->session(session);
  if (to == nullptr) return;
  auto bytes = wire::encode_response(correlation_id, response, version);
  if (!bytes) return close(bytes.error());
  to->answer(number, *std::move(bytes));
}

}  // namespace dohle::node
