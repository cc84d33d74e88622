#pragma once

#include <cstdint>
#include <deque>
#include <limits>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/random.hpp"
#include "base/time.hpp"
#include "client/cluster/backoff.hpp"
#include "client/cluster/cluster_view.hpp"
#include "client/consume/fetch_session.hpp"
#include "client/consume/records_run.hpp"
#include "dohle/consumer.hpp"
#include "dohle/error.hpp"

namespace dohle::client {

/// From where a partition is to be read, when that has to be asked for.
struct StartingPoint {
  enum class Kind : std::uint8_t { committed, earliest, latest, time };
  Kind kind = Kind::committed;
  Timestamp time = {};
};

/// Decides what a consumer fetches from which server, keeps what came until it is taken, and knows
/// each partition's position. Owns no socket, reads no clock. Not thread safe: a lock guards it,
/// since polls take from it and the loop feeds it.
class FetchPlanner {
 public:
  struct Options {
    std::size_t min_bytes = 1;
    std::size_t max_bytes = std::size_t{50} << 20;
    std::size_t max_partition_bytes = std::size_t{1} << 20;
    Duration max_wait = std::chrono::milliseconds(500);
    OffsetReset reset = OffsetReset::latest;
    /// Partitions begin at the group's committed offset.
    bool has_group = false;
    Duration retry_backoff = std::chrono::milliseconds(100);
    Duration max_retry_backoff = std::chrono::seconds(1);
  };
  /// Of what a client takes as one answer, as much may be records.
  static constexpr std::size_t max_record_share(std::size_t max_response_bytes) {
    return max_response_bytes - max_response_bytes / 8;
  }
  /// A fetch to send; on_answer follows.
  struct Ask {
    NodeId node;
    wire::FetchRequest message;
  };
  /// A position to ask for; on_found or on_not_found follows.
  struct Lookup {
    TopicPartition where;
    std::uint64_t serial;
    StartingPoint from;
  };
  /// What an answer, or new metadata, says.
  struct News {
    bool doubt = false;
    std::vector<std::pair<TopicPartition, PartitionLeader>> leaders;
    /// Their positions were in a topic that is gone; nothing of it may be committed.
    std::vector<TopicPartition> replaced;
    /// For the log.
    std::vector<std::string> lines;
  };

  FetchPlanner(Options options, std::shared_ptr<BufferAccount> account, Random& random);

  // The assignment.

  /// Reads these and no others; those that were assigned before keep their positions. `held`: new
  /// ones are not fetched before `release`.
  void assign(const std::vector<TopicPartition>& partitions, bool held);
  void release();
  /// Drops what is queued of these and fetches no more; positions stay, for a commit.
  void stop(const std::vector<TopicPartition>& partitions);
  void remove(const std::vector<TopicPartition>& partitions);
  [[nodiscard]] std::vector<TopicPartition> assignment() const;
  [[nodiscard]] std::vector<TopicPartition> paused() const;
  [[nodiscard]] bool has(const TopicPartition& where) const { return partitions_.contains(where); }

  // Positions. Errors: invalid_argument for a partition that is not assigned.

  Result<void> seek(const TopicPartition& where, Offset offset);
  Result<void> seek(const TopicPartition& where, StartingPoint to);
  Result<void> pause(const TopicPartition& where, bool paused);
  /// None: not known yet.
  [[nodiscard]] Result<Offset> position(const TopicPartition& where) const;
  [[nodiscard]] std::optional<std::int64_t> lag(const TopicPartition& where) const;
  /// Positions after everything that was taken.
  [[nodiscard]] std::vector<PartitionOffset> taken() const;
  /// As taken(), but as of the last `settle`: what the user is certainly done with.
  [[nodiscard]] std::vector<PartitionOffset> settled() const;
  /// The user polls again, and so is done with what it took before.
  void settle();

  /// Partitions without a position that may be asked for now; each once.
  void lookups(TimePoint now, std::vector<Lookup>& out);
  /// The lookup went to that server, a partition's leader: it is taken back, and made again, once
  /// another one leads.
  void on_looked_up_at(const Lookup& lookup, NodeId node);
  /// No offset: there is none (no committed one; no record so late), and the next best is tried.
  void on_found(const Lookup& lookup, Offset offset, LeaderEpoch epoch, TimePoint now);
  /// Retriable errors try again after a while; others come out of take_error.
  void on_not_found(const Lookup& lookup, const Error& why, TimePoint now);

  /// Metadata came, or partitions were assigned. A position is one in a topic of one id: where
  /// another topic of that name took its place, reading starts by the reset policy. A partition
  /// that another server leads now does not wait for the answer of the earlier one to a fetch or a
  /// lookup: it may be frozen.
  void note_topics(const ClusterView& view, News& out);

  // Fetching.

  /// The fetches that may go out now.
  void plan(TimePoint now, const ClusterView& view, std::vector<Ask>& out);
  void on_answer(NodeId node, Result<wire::FetchResponse> answer, TimePoint now, News& out);
  /// When plan and lookups may have more to do without anything else happening.
  [[nodiscard]] TimePoint next_at() const { return next_at_; }
  [[nodiscard]] bool is_fetching() const;

  // Taking.

  /// Something is there to be taken.
  [[nodiscard]] bool has_records() const { return !ready_.empty(); }
  /// At most that many records, from one partition after the other; advances their positions. Of
  /// compressed batches only as many as the account has room for once they are decompressed, but
  /// one at least. Returns how many. `freed`: a fetch may have become due.
  std::size_t take(std::size_t max_records, std::vector<RecordsRun>& out, bool& freed);
  /// What went wrong with some partition. Damage and missing offsets stay until a seek: they are
  /// told again after a wait, which doubles up to max_retry_backoff. `is_again`: it is such a one.
  [[nodiscard]] std::optional<Error> take_error(TimePoint now, bool& is_again);
  /// There may be one that was not told yet.
  [[nodiscard]] bool has_error() const { return may_have_error_; }
  /// When an error is told again; never: there is none.
  [[nodiscard]] TimePoint error_at() const { return next_error_at_; }
  /// The records from `next` on cannot be read.
  void on_damage(const TopicPartition& where, std::uint64_t serial, Offset next, const Error& why);

 private:
  /// Batches of one partition from one answer.
  /// What the compressed batches of one poll may decompress to.
  struct Expansion {
    std::size_t left = 0;
    bool has_batch = false;
    bool is_spent = false;
    /// Whether the batch may be taken, too.
    bool admit(const wire::BatchHeader& header, Bytes batch);
  };
  struct Queued {
    Slice batches;
    /// Where the first batch begins that was not taken to its end.
    std::size_t at = 0;
    std::shared_ptr<PartEnd> taken_until;
    std::shared_ptr<const BufferCharge> charge;
  };
  struct Partition {
    Partition(std::shared_ptr<const TopicPartition> name, const Options& options)
        : where(std::move(name)),
          backoff(options.retry_backoff, options.max_retry_backoff),
          resets(options.retry_backoff, options.max_retry_backoff) {}

    std::shared_ptr<const TopicPartition> where;
    /// Of the topic that the position is in; none: not known.
    TopicId topic_id;
    std::uint64_t serial = 0;
    /// What position to ask for; nothing once it is known.
    std::optional<StartingPoint> wanted;
    bool is_looked_up = false;
    /// The leader that is asked; none: the group's coordinator is.
    NodeId looked_up_at;
    Offset consumed;
    LeaderEpoch consumed_epoch;
    Offset settled;
    LeaderEpoch settled_epoch;
    /// Behind everything queued.
    Offset next_fetch;
    Offset high_watermark;
    std::deque<Queued> queue;
    std::size_t queued_bytes = 0;
    bool is_paused = false;
    bool is_held = false;
    bool is_stopped = false;
    bool is_ready = false;
    /// A batch of unknown format is queued: nothing behind it can be found.
    bool is_at_end = false;
    bool is_asked = false;
    Backoff backoff;
    /// Between positions that were out of range, one after the other.
    Backoff resets;
    TimePoint not_before{};
    std::optional<Error> error;
    bool error_stays = false;
    /// Until it is told again; zero: it was not told yet.
    Duration error_wait{};
    TimePoint error_at{};
  };
  using Partitions = std::map<TopicPartition, std::shared_ptr<Partition>>;
  /// A partition of a fetch under way; it may be assigned no longer when the answer comes.
  struct Sent {
    std::shared_ptr<Partition> partition;
    std::uint64_t serial;
  };
  struct Server {
    explicit Server(const Options& options)
        : backoff(options.retry_backoff, options.max_retry_backoff),
          idle(options.retry_backoff, options.max_retry_backoff) {}
    FetchSession session;
    bool is_asked = false;
    std::vector<Sent> sent;
    BufferCharge reserved;
    Backoff backoff;
    /// Between answers, one after the other, that came at once and brought nothing.
    Backoff idle;
    TimePoint asked_at{};
    TimePoint not_before{};
    /// Partitions of one fetch, at most: fewer after an answer above max_response_bytes, so that
    /// the one whose batch is too large is found and the others are read on.
    std::size_t max_wishes = std::numeric_limits<std::size_t>::max();
    /// Where the next of such fetches begins: behind that one.
    std::shared_ptr<const TopicPartition> asked_last;
    [[nodiscard]] bool is_narrowed() const {
      return max_wishes != std::numeric_limits<std::size_t>::max();
    }
  };
  /// What could be fetched from one server, sorted by name.
  struct Group {
    std::vector<FetchWish> wishes;
    std::vector<Sent> sent;
    /// Some partition has enough queued: a long poll for the others would hold it up.
    bool is_full = false;
  };
  using PartitionData = wire::FetchResponse::PartitionData;

  Partition* find(const TopicPartition& where);
  [[nodiscard]] const Partition* find(const TopicPartition& where) const;
  void let_go_of_moved(const ClusterView& view);
  [[nodiscard]] bool wants_fetch(const Partition& partition) const;
  void want(Partition& partition, StartingPoint from);
  void start_at(Partition& partition, Offset offset, LeaderEpoch epoch);
  void reset(Partition& partition, std::string_view why);
  void on_out_of_range(Partition& partition, TimePoint now, News& out);
  void pace(Server& server, bool brought_something, TimePoint now);
  [[nodiscard]] std::string_view reset_name() const;
  void drop_queue(Partition& partition);
  void make_ready(Partition& partition);
  void set_error(Partition& partition, Error why, bool stays);
  void put_off(Partition& partition, TimePoint now);
  void wake_at(TimePoint at) { next_at_ = std::min(next_at_, at); }
  void gather(TimePoint now, const ClusterView& view);
  bool ask(NodeId node, Group& group, TimePoint now, std::vector<Ask>& out);
  void on_failure(Server& server, const Error& why, TimePoint now, News& out);
  static void narrow(const Server& server, Group& group);
  static void widen(Server& server);
  void on_too_large(Server& server, const Error& why, TimePoint now);
  /// Whether it brought what nobody had, or is about what was asked for before a seek.
  bool on_partitions(const std::vector<Sent>& asked, wire::FetchResponse& answer, TimePoint now,
                     News& out);
  [[nodiscard]] const std::string& name_in(
      const wire::FetchResponse::FetchableTopicResponse& topic) const;
  void on_partition(Partition& partition, PartitionData& data,
                    const std::shared_ptr<const BufferCharge>& charge, TimePoint now, News& out);
  void on_partition_error(Partition& partition, const PartitionData& data, TimePoint now,
                          News& out);
  void enqueue(Partition& partition, Slice batches, std::shared_ptr<const BufferCharge> charge);
  std::size_t take_from(Partition& partition, std::size_t max_records, Expansion& expansion,
                        std::vector<RecordsRun>& out);
  std::size_t take_from(Partition& partition, Queued& queued, std::size_t max_records,
                        Expansion& expansion, RecordsRun& run);

  const Options options_;
  std::shared_ptr<BufferAccount> account_;
  Random& random_;
  std::uint64_t last_serial_ = 0;
  Partitions partitions_;
  /// Of topics with positions.
  std::map<TopicId, std::string> names_;
  std::map<NodeId, Server> servers_;
  /// Of the last plan; kept for the memory of its lists.
  std::map<NodeId, Group> groups_;
  /// Partitions with something to take, the next one first.
  std::deque<Partition*> ready_;
  bool may_have_error_ = false;
  TimePoint next_error_at_ = never;
  TimePoint next_at_ = never;
};

}  // namespace dohle::client
