#pragma once

#include <atomic>
#include <cstdint>
#include <deque>
#include <list>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "client/cluster/retry_time.hpp"
#include "client/cluster/shared_client.hpp"
#include "client/cluster/thrown_lines.hpp"
#include "client/cluster/waiter.hpp"
#include "client/produce/partition_queue.hpp"
#include "client/produce/produce_partition.hpp"
#include "client/produce/producer_group.hpp"
#include "client/produce/room_queue.hpp"
#include "client/produce/settled_serials.hpp"
#include "dohle/producer.hpp"
#include "wire/messages/init_producer_id.hpp"
#include "wire/messages/produce.hpp"

namespace dohle::client {

/// A producer's view of a topic. The list of partitions only grows. Callers read it without a lock.
class IntakeTopic {
 public:
  struct Partition;
  struct Table {
    std::vector<Partition*> all;
    /// The partitions with a known leader, or all partitions if none has one.
    std::vector<Partition*> available;
  };

  IntakeTopic(std::string name_, std::uint64_t serial_,
              std::shared_ptr<Partitioner::Memory> choices_, const ProducedCounters& counters_);
  ~IntakeTopic();
  [[nodiscard]] const Table& table() const { return *table_.load(std::memory_order_acquire); }

  const std::string name;
  /// Unique among the topics of all producers of the process.
  const std::uint64_t serial;
  /// The memory of the producer's partitioner for this topic.
  const std::shared_ptr<Partitioner::Memory> choices;
  /// Loop thread: the client's metrics may end before the last handle on the topic.
  const ProducedCounters counters;
  /// Number of threads that have sent records without a key. Any thread.
  std::atomic<std::uint32_t> threads{0};

 private:
  friend class RecordSender;
  std::vector<std::unique_ptr<Partition>> partitions_;
  /// Former tables are kept, since callers may be reading them.
  std::vector<std::unique_ptr<Table>> tables_;
  std::atomic<const Table*> table_{nullptr};
};

/// The error of a flush that ends before its records have outcomes.
[[nodiscard]] Error flush_ended(CallEnd how);

/// The loop's side of a producer. It takes due batches from the queues, has them compressed, seals
/// and sends them, and handles the answers. It sends one request per node at a time, and more under
/// load. Its only locks are those of the queues.
///
/// Loop thread only, unless a member says otherwise.
class RecordSender final : public OutcomeOwner,
                           public Client::Shared::Part,
                           public telemetry::Collector,
                           public std::enable_shared_from_this<RecordSender> {
 public:
  using Flushed = std::move_only_function<void(Result<FlushReport>)>;
  using TopicFound = std::move_only_function<void(Result<std::shared_ptr<IntakeTopic>>)>;

  /// `group` may be null. `on_untaken`, unless it is null, is called in place of
  /// options.on_untaken_failure.
  RecordSender(std::shared_ptr<Client::Shared> client, ProducerOptions options,
               std::shared_ptr<ProducerGroup> group = nullptr, UntakenHandler on_untaken = nullptr);
  ~RecordSender() override;

  /// Begins to ask for a producer id and to follow the cluster.
  void start();
  /// Does not wait; null if the topic is not known yet. Loop thread.
  std::shared_ptr<IntakeTopic> known_topic(std::string_view name);
  /// Returns the wait, for Cluster::expire_wait.
  client::Cluster::WaitId find_topic(std::string_view name, TimePoint deadline, TopicFound then);
  /// Names a flush until its `then` was called.
  using FlushId = std::uint64_t;
  FlushId flush(TimePoint deadline, Flushed then);
  /// Ends the flush with that error. No effect on one that has ended.
  void end_flush(FlushId id, const Error& why);
  /// Adds a report that no caller has got to the next one.
  void give_back(const FlushReport& report);
  /// Flushes until `deadline`, fails all records left, and stops.
  void close(const SharedCallTime& time, Flushed then);
  void close_by(SharedCallTime time, Client::Shared::Done done) override;
  /// Closes it if it holds no records, and returns its report then. Otherwise nothing changes, but
  /// records that are sent during the call may be refused as by a closed producer.
  std::optional<FlushReport> close_if_idle();

  /// The partition has new records or new due batches. Any thread.
  void wake(IntakeTopic::Partition& partition);
  /// The buffer is spent, so all accepted records become due, except at nodes with a request in
  /// flight; also those of the group, if this producer has the smaller part of its memory. Any
  /// thread.
  void hurry_all();
  /// The same of this producer alone. Loop thread.
  void hurry_own();
  void hurry(PartitionId partition, std::uint64_t topic_serial) override;
  void report_untaken(const UntakenFailure& failure) override;
  void collect(telemetry::Collection& into) override;
  [[nodiscard]] bool is_loop_thread() const override { return client_->loop().is_loop_thread(); }

  // Read by callers of `send`.
  const ProducerOptions options;
  const client::PartitionQueue::Settings queue_settings;
  Budget budget;
  /// Shared with the budget, since other threads may return slabs after the producer is gone.
  const std::shared_ptr<client::RoomQueue> room = std::make_shared<client::RoomQueue>();
  std::atomic<bool> is_closed{false};
  /// More of the buffer is in use than fits into the CPU's cache, so more callers would only slow
  /// each other down. Any thread.
  [[nodiscard]] bool is_filling_up() const;
  [[nodiscard]] Client::Shared& client() { return *client_; }

 private:
  friend struct IntakeTopic::Partition;
  using Partition = IntakeTopic::Partition;
  struct NodeRequests {
    int in_flight = 0;
    /// An answer arrived since the last request, so due batches may be sent.
    bool may_go = true;
  };
  struct Offer {
    std::size_t bytes = 0;
    TimePoint since = never;
  };
  /// A batch of a request, to match it with the answer.
  struct Sent {
    Partition* partition;
    std::uint64_t order;
  };
  class AnswerIndex;
  struct FlushWait {
    /// All batches of the partition up to that serial have to be settled.
    struct Target {
      Partition* partition;
      std::uint64_t serial;
    };
    std::vector<Target> targets;
    TimerId timer = 0;
    Flushed then;
    FlushId id = 0;
  };
  using Request = wire::ProduceRequest;
  using Response = wire::ProduceResponse;

  [[nodiscard]] client::Cluster& cluster() { return client_->cluster(); }
  [[nodiscard]] TimePoint now() { return cluster().now(); }

  void ask_identity();
  void ask_identity_of(NodeId node);
  void ask_identity_later();
  void ask_identity_sooner();
  /// Asks another server if the first one has an overdue answer.
  void ask_another_for_identity();
  void on_identity(std::string_view server, Result<wire::InitProducerIdResponse> answer);

  std::shared_ptr<IntakeTopic> make_topic(const std::string& name);
  void refresh(IntakeTopic& topic);
  void refresh_leaders();

  void activate(Partition& partition);
  void deactivate_idle();
  void pump_all();
  void pump(NodeId node);
  [[nodiscard]] Offer survey(NodeId node);
  Offer offer_of(Partition& partition, NodeId node);
  void stage(Partition& partition);
  void compress(Partition& partition, std::uint64_t serial);
  void split(Partition& partition, std::uint64_t order, Chain batch);
  bool send_to(NodeId node);
  /// Null if no batch may be sent, or if the next one exceeds `max_bytes` (`is_larger` is set
  /// then).
  const client::SealedBatch* next_batch(Partition& partition, NodeId node, std::size_t max_bytes,
                                        bool& is_larger);
  /// Seals a batch for a request to `node`, and counts it.
  const client::SealedBatch& seal(Partition& partition, client::OpenBatch batch,
                                  wire::Compression codec, Chain compressed, NodeId node);
  void deliver(NodeId node, Request request, std::vector<Sent> sent);
  void on_answer(NodeId node, const std::vector<Sent>& sent, const Result<Response>& answer);
  client::ProduceVerdict verdict_of(const Sent& sent, const AnswerIndex& answer);
  void apply(const Sent& sent, const client::ProduceVerdict& verdict);
  /// The earliest time of the next attempt for the partition's oldest batch after that failure.
  TimePoint retry_time(Partition& partition, const Error& why);
  void warn_of_refusals(const Partition& partition, const Error& why);
  void look_at(TimePoint at);
  [[nodiscard]] TimePoint next_expiry() const;
  [[nodiscard]] TimePoint waiting_since(const Partition& partition) const;
  void watch_stalls(TimePoint not_before);
  void on_stall_time();
  [[nodiscard]] std::string why_stalled(const Partition& partition) const;
  void watch_time(TimePoint not_before);
  void sweep();
  void on_settled(Partition& partition, client::SealedBatch& batch,
                  const std::optional<Error>& why);
  [[nodiscard]] std::string why_unsent(const Partition& partition) const;
  [[nodiscard]] Error unsent_in_time(const Partition& partition) const;
  /// Called before the records of a batch are sealed or failed.
  void keep_records(client::OpenBatch& batch) const;
  /// Called before callers learn the outcome, so that a later snapshot of theirs includes it.
  void count_outcome(const Partition& partition, const client::SealedBatch& batch,
                     const client::Outcome::Part& outcome);
  void tell_of_batch(const Partition& partition, const client::SealedBatch& batch,
                     const client::Outcome::Part& outcome);
  /// Call it inside a catch block.
  void say_threw(std::string_view who);
  void fail_unsent(Partition& partition, client::OpenBatch batch, const Error& why);
  void fail_queued(Partition& partition, const Error& why, TimePoint opened_before);
  void settle_flushes();
  FlushReport take_report();
  void log_untaken(std::uint64_t count, const Error& why);
  void stop(const Error& why);

  std::shared_ptr<Client::Shared> client_;
  const std::shared_ptr<ProducerGroup> group_;
  const UntakenHandler on_untaken_;
  /// None is ever erased: outcomes refer to their names.
  std::map<std::string, std::shared_ptr<IntakeTopic>, std::less<>> topics_;
  std::vector<Partition*> active_;
  std::size_t rotation_ = 0;
  std::map<NodeId, NodeRequests> lanes_;
  client::ProducerIdentity identity_;
  /// `waiting`: the last attempt failed and the next one is scheduled.
  enum class Identity : std::uint8_t { none, asking, waiting, known };
  Identity identity_state_ = Identity::none;
  NodeId identity_asked_of_;
  /// The number of the latest request.
  std::uint64_t identity_question_ = 0;
  /// The failure of the last attempt.
  std::optional<Error> identity_failure_;
  client::RetryTime identity_retry_;
  TimerId identity_timer_ = 0;
  client::Cluster::ObserverId observer_ = 0;
  TimerId timer_ = 0;
  TimePoint timer_at_ = never;
  TimerId sweep_timer_ = 0;
  TimerId stall_timer_ = 0;
  bool is_stopped_ = false;
  std::list<FlushWait> flushes_;
  FlushId last_flush_ = 0;
  std::uint64_t failed_ = 0;
  std::optional<Error> first_error_;
  std::atomic<std::uint64_t> untaken_{0};
  /// The count in the last log line about them.
  std::atomic<std::uint64_t> untaken_logged_{0};
  std::atomic<std::int64_t> untaken_logged_second_{-1};
  client::ThrownLines thrown_{"producer"};
};

/// One partition of a producer: queue, compression and sender.
struct IntakeTopic::Partition final : client::ProducePartition::Events {
  struct Staged {
    client::OpenBatch batch;
    Chain compressed;
    bool is_ready = false;
  };

  Partition(RecordSender& owner_, IntakeTopic& topic_, PartitionId id_);
  void on_outcome(const client::SealedBatch& batch, const client::Outcome::Part& outcome) override;
  void on_settled(client::SealedBatch& batch, const std::optional<Error>& why) override;
  void on_too_large(std::uint64_t order, Chain batch) override;
  void on_thrown() override;
  /// The time at which the oldest unsent record was accepted.
  [[nodiscard]] TimePoint oldest_unsent() const {
    return staged.empty() ? queue.oldest() : staged.front().batch.opened_at;
  }

  RecordSender& owner;
  IntakeTopic& topic;
  const PartitionId id;
  client::PartitionQueue queue;

  // Loop thread.
  client::ProducePartition sender;
  /// Backoff between consecutive failures of the oldest batch.
  client::Backoff retries;
  NodeId leader;
  /// Batches taken from the queue for compression; empty without compression.
  std::deque<Staged> staged;
  client::SettledSerials settled;
  bool is_active = false;
};

}  // namespace dohle::client
