#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <unordered_map>
#include <utility>
#include <vector>

#include "base/secure_random.hpp"
#include "base/time.hpp"
#include "dohle/ids.hpp"
#include "wire/messages/fetch.hpp"

namespace dohle::node {

class Partition;

/// One partition of a fetch. Two million of them may wait at once, so it is small.
struct FetchEntry {
  /// Looked up once. Null before that and after the topic was deleted.
  std::shared_ptr<Partition> found;
  Offset fetch_offset;
  /// The index of its topic in the session.
  std::uint32_t topic = 0;
  PartitionId partition;
  std::uint32_t max_bytes = 0;
  LeaderEpoch current_leader_epoch;
};

/// The partitions of one fetch, in the order of serving. May outlive its entry in FetchSessions
/// while a fetch uses it.
class ServedFetchSession {
 public:
  /// The name before version 13, the id from version 13 on; the other one is empty.
  struct Topic {
    std::string name;
    TopicId id;
    friend auto operator<=>(const Topic&, const Topic&) = default;
  };
  /// The values for a partition that the client was last sent. Both are none before the first ones,
  /// and after an error.
  struct Told {
    Offset high_watermark;
    Offset log_start;
    friend bool operator==(const Told&, const Told&) = default;
  };

  explicit ServedFetchSession(bool by_id) : by_id_(by_id) {}

  [[nodiscard]] bool by_id() const { return by_id_; }
  [[nodiscard]] std::size_t size() const { return is_lasting_ ? order_.size() : entries_.size(); }
  /// The index of the entry that is served as the nth.
  [[nodiscard]] std::uint32_t place(std::size_t n) const {
    return is_lasting_ ? order_[n] : static_cast<std::uint32_t>(n);
  }
  [[nodiscard]] FetchEntry& entry(std::uint32_t place) { return entries_[place]; }
  [[nodiscard]] const FetchEntry& entry(std::uint32_t place) const { return entries_[place]; }
  [[nodiscard]] const Topic& topic(const FetchEntry& entry) const {
    return topics_[entry.topic].topic;
  }
  /// The values that the client last received for this place. Only for lasting sessions.
  [[nodiscard]] Told& told(std::uint32_t place) { return told_[place]; }
  [[nodiscard]] const Told& told(std::uint32_t place) const { return told_[place]; }
  [[nodiscard]] bool is_lasting() const { return is_lasting_; }

  /// The next partition of a request: first of those that it forgets, then of those that it wants.
  struct Cursor {
    bool has_forgotten = false;
    std::size_t topic = 0;
    std::size_t partition = 0;
  };
  /// Forgets, adds or changes the partitions that the request names from `from` on, at most `most`
  /// of them and of their topics. Returns whether there are more.
  bool change_some(const wire::FetchRequest& request, Cursor& from, std::size_t most);
  void check_invariants() const;
  /// Moves served partitions to the end, so that the others come first next time. `served`: their
  /// indexes, in the order of serving.
  void move_to_end(const std::vector<std::uint32_t>& served);

 private:
  friend class FetchSessions;
  struct UsedTopic {
    Topic topic;
    std::uint32_t entries = 0;
  };
  using Key = std::pair<std::uint32_t, PartitionId>;

  [[nodiscard]] static Topic topic_of(bool by_id, const std::string& name, TopicId id) {
    return by_id ? Topic{{}, id} : Topic{name, {}};
  }
  [[nodiscard]] bool forget_some(const wire::FetchRequest& request, Cursor& from,
                                 std::size_t& left);
  [[nodiscard]] bool update_some(const wire::FetchRequest& request, Cursor& from,
                                 std::size_t& left);
  std::uint32_t use_topic(Topic topic);
  void leave_topic(std::uint32_t topic);
  std::uint32_t add(Key key);
  /// Makes this a session of a single request, and frees the data that only lasting ones need.
  void settle();

  bool by_id_;
  /// Entries keep their indexes; those of forgotten partitions are used again. A session of a
  /// single request has only the entries, in their order.
  std::vector<FetchEntry> entries_;
  std::vector<UsedTopic> topics_;
  std::vector<Told> told_;
  std::vector<std::uint32_t> order_;
  std::vector<std::uint32_t> free_entries_;
  std::vector<std::uint32_t> free_topics_;
  std::map<Topic, std::uint32_t> topic_places_;
  std::map<Key, std::uint32_t> places_;
  bool is_lasting_ = true;
  std::int32_t id_ = 0;
  std::int32_t next_epoch_ = 0;
  TimePoint used_at_{};
  std::size_t counted_ = 0;
};

/// Stores the partitions that clients fetch, so that a request names only changes (KIP-227). If all
/// places are taken, a new session evicts one that was not used for a while. Its client gets
/// fetch_session_id_not_found and begins again.
///
/// Decides; owns no connection and reads no clock.
class FetchSessions {
 public:
  struct Options {
    std::size_t max_sessions = 1'000;
    std::size_t max_partitions = 1'000'000;
    Duration eviction_age = std::chrono::minutes(2);
  };
  struct Begun {
    /// If it is not 0, it is the whole answer.
    std::int16_t error = 0;
    /// The id in the answer; 0: no session.
    std::int32_t session_id = 0;
    /// Only changes are answered.
    bool is_incremental = false;
    std::shared_ptr<ServedFetchSession> session;
  };

  /// `random` outlives the sessions.
  FetchSessions(Options options, SecureRandom& random) : options_(options), random_(&random) {}

  /// `by_id`: the request's version names topics by id.
  [[nodiscard]] Begun begin(const wire::FetchRequest& request, bool by_id, TimePoint now);
  /// As `begin`, in pieces: a request whose partitions are being entered into its session.
  struct Beginning {
    /// Complete once `enter_some` has returned false.
    Begun begun;
    ServedFetchSession::Cursor next;
    bool is_full = true;
  };
  [[nodiscard]] Beginning open(const wire::FetchRequest& request, bool by_id);
  /// Enters at most `most` partitions and topics. Returns whether there are more.
  bool enter_some(Beginning& beginning, const wire::FetchRequest& request, std::size_t most,
                  TimePoint now);
  [[nodiscard]] std::size_t size() const { return sessions_.size(); }
  [[nodiscard]] std::size_t partitions() const { return partitions_; }
  void check_invariants() const;

 private:
  using Sessions = std::unordered_map<std::int32_t, std::shared_ptr<ServedFetchSession>>;

  void end_full(Begun& begun, const wire::FetchRequest& request, TimePoint now);
  void check(Begun& begun, const wire::FetchRequest& request, bool by_id) const;
  bool enter_changes(Beginning& beginning, const wire::FetchRequest& request, std::size_t most,
                     TimePoint now);
  [[nodiscard]] bool make_room(std::size_t partitions, TimePoint now);
  void place(const std::shared_ptr<ServedFetchSession>& session, TimePoint now);
  void touch(ServedFetchSession& session, TimePoint now);
  void count(ServedFetchSession& session);
  void drop(Sessions::iterator session);

  Options options_;
  SecureRandom* random_;
  Sessions sessions_;
  std::set<std::pair<TimePoint, std::int32_t>> by_use_;
  std::size_t partitions_ = 0;
};

}  // namespace dohle::node
