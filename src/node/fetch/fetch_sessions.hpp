#pragma once

#include <cstdint>
#include <list>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <unordered_map>
#include <utility>

#include "base/random.hpp"
#include "base/time.hpp"
#include "dohle/ids.hpp"
#include "wire/messages/fetch.hpp"

namespace dohle::node {

class Partition;

/// One partition of a fetch, and what its client was last told of it.
struct FetchEntry {
  /// The name before version 13, the id from there on; the other one is empty.
  std::string topic;
  TopicId topic_id;
  PartitionId partition;
  Offset fetch_offset;
  std::size_t max_bytes = 0;
  LeaderEpoch current_leader_epoch;
  /// Found once; null until then and after the topic was deleted.
  std::shared_ptr<Partition> found;
  /// none: nothing yet, or an error.
  Offset told_high_watermark;
  Offset told_log_start;
};

/// The partitions of one fetch, in the order in which they are served. Outlives its place in
/// FetchSessions while a fetch works on it.
class ServedFetchSession {
 public:
  using Entries = std::list<FetchEntry>;

  explicit ServedFetchSession(bool by_id) : by_id_(by_id) {}

  [[nodiscard]] bool by_id() const { return by_id_; }
  [[nodiscard]] Entries& entries() { return entries_; }
  [[nodiscard]] std::size_t size() const { return entries_.size(); }
  /// Adds what the request names, or changes it.
  void update(const wire::FetchRequest& request);
  void forget(const wire::FetchRequest& request);
  /// Served: the others come first next time.
  void move_to_end(Entries::iterator entry) { entries_.splice(entries_.end(), entries_, entry); }

 private:
  friend class FetchSessions;
  struct Key {
    std::string topic;
    TopicId topic_id;
    PartitionId partition;
    friend auto operator<=>(const Key&, const Key&) = default;
  };

  bool by_id_;
  Entries entries_;
  std::map<Key, Entries::iterator> places_;
  std::int32_t id_ = 0;
  std::int32_t next_epoch_ = 0;
  TimePoint used_at_{};
  std::size_t counted_ = 0;
};

/// Remembers what clients fetch, so that a request names only what changes (KIP-227). When all
/// places are taken, a session that was not used for a while is given up for a new one; its client
/// is told that it is not found and begins anew.
///
/// Decides; owns nothing of the network and reads no clock.
class FetchSessions {
 public:
  struct Options {
    std::size_t max_sessions = 1'000;
    std::size_t max_partitions = 1'000'000;
    Duration eviction_age = std::chrono::minutes(2);
  };
  struct Begun {
    /// Not 0: the answer, and nothing else.
    std::int16_t error = 0;
    /// To be answered; 0: no session.
    std::int32_t session_id = 0;
    /// Only what changed is answered.
    bool is_incremental = false;
    std::shared_ptr<ServedFetchSession> session;
  };

  /// `random` outlives the sessions.
  FetchSessions(Options options, Random& random) : options_(options), random_(&random) {}

  /// `by_id`: the request's version names topics by id.
  [[nodiscard]] Begun begin(const wire::FetchRequest& request, bool by_id, TimePoint now);
  [[nodiscard]] std::size_t size() const { return sessions_.size(); }
  [[nodiscard]] std::size_t partitions() const { return partitions_; }

 private:
  using Sessions = std::unordered_map<std::int32_t, std::shared_ptr<ServedFetchSession>>;

  [[nodiscard]] Begun begin_full(const wire::FetchRequest& request, bool by_id, TimePoint now);
  [[nodiscard]] Begun go_on(const wire::FetchRequest& request, bool by_id, TimePoint now);
  [[nodiscard]] bool make_room(std::size_t partitions, TimePoint now);
  void place(const std::shared_ptr<ServedFetchSession>& session, TimePoint now);
  void touch(ServedFetchSession& session, TimePoint now);
  void count(ServedFetchSession& session);
  void drop(Sessions::iterator session);

  Options options_;
  Random* random_;
  Sessions sessions_;
  std::set<std::pair<TimePoint, std::int32_t>> by_use_;
  std::size_t partitions_ = 0;
};

}  // namespace dohle::node
