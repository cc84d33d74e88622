#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string_view>
#include <utility>

#include "dohle/error.hpp"
#include "dohle/export.hpp"
#include "dohle/ids.hpp"
#include "dohle/partitioner.hpp"
#include "dohle/record.hpp"

namespace dohle {
inline namespace v0 {

/// Which replicas must have stored a record before the server answers.
enum class Acks : std::int8_t {
  none = 0,    ///< the server does not answer: failures stay unknown
  leader = 1,  ///< the leader
  all = -1,    ///< all in-sync replicas
};

/// How a batch is compressed.
enum class CompressionCodec : std::uint8_t {
  none,    ///< not at all
  gzip,    ///< RFC 1952
  snappy,  ///< in the framing that Kafka's Java client uses
  lz4,     ///< LZ4 frame format
  zstd,    ///< RFC 8878
};

/// A batch of one partition whose outcome is known, or a part of a batch that the server refused as
/// too large. Its views are valid during the call that receives it.
struct SettledBatch {
  /// The topic's name.
  std::string_view topic;
  /// The partition.
  PartitionId partition;
  /// The offset of the first record. none if the records are not stored, and with Acks::none.
  Offset base_offset = {};
  /// Null if the records are stored. Otherwise why they are not stored, or only possibly stored.
  const Error* error = nullptr;
  /// Errors of single records by their index, if the server names them (KIP-467).
  std::span<const std::pair<std::uint32_t, Error>> record_errors = {};
  /// The records, in the order in which they were accepted.
  std::span<const RecordView> records = {};
};

/// The options of a Producer.
struct ProducerOptions {
  /// Default: all. Other values need idempotence to be off.
  Acks acks = Acks::all;
  /// Default: true, each record is stored once and in order, despite retries (KIP-98, KIP-360).
  bool idempotence = true;
  /// Default: 5 ms. 0 to 1 min. How long a batch waits for more records, from its first record on.
  /// Under load, batches fill while earlier requests are under way. At low load linger delays each
  /// batch by this time; 0 sends at once.
  std::chrono::microseconds linger{5'000};
  /// Default: 256 KiB. 512 B to 1 GiB. A batch of this size in bytes is full and ready to send.
  std::size_t batch_bytes = std::size_t{256} << 10;
  /// If absent, there is no limit. At least 1. A batch of this many records is ready to send. It
  /// may still grow up to batch_bytes until it is sent.
  std::optional<std::size_t> batch_records = {};
  /// Default: 32 MiB. At least 32 KiB. Memory for records that are not acknowledged yet, in bytes.
  /// It is used in pieces of 16 KiB.
  std::size_t buffer_bytes = std::size_t{32} << 20;
  /// Default: 1 min. 0 to 1 day. How long `send` may wait for memory and for a topic's metadata.
  std::chrono::milliseconds max_block{60'000};
  /// Default: 2 min. linger to 1 day. Time from `send` to the outcome, retries included. A record
  /// whose request is under way at the end of this time fails as possibly stored.
  std::chrono::milliseconds delivery_timeout{120'000};
  /// Default: 30 s. 1 ms to 20 min. Time for the answer to one request.
  std::chrono::milliseconds request_timeout{30'000};
  /// Default: absent, request_timeout. 1 ms to request_timeout. How long the server may wait for
  /// the replicas that `acks` requires. The client sends it with each request.
  std::optional<std::chrono::milliseconds> ack_timeout = {};
  /// Default: absent, delivery_timeout is the only limit. 0 to 2^31 - 1. How often a batch is sent
  /// again after a retriable failure. After that it fails with the last failure.
  std::optional<std::int32_t> retries = {};
  /// Default: 5. 1 to 5 with idempotence, otherwise 1 to 100. The most requests under way per
  /// server.
  int max_in_flight = 5;
  /// Default: 1 MiB. 1 KiB to 2 GiB - 1, and at least batch_bytes. The largest request, in bytes. A
  /// record with its framing must fit into it.
  std::size_t max_request_bytes = std::size_t{1} << 20;
  /// Default: none. How batches are compressed.
  CompressionCodec compression = CompressionCodec::none;
  /// Default: the codec's own. gzip 1 to 9, lz4 1 to 17, zstd -131072 to 22.
  std::optional<int> compression_level = std::nullopt;
  /// Default: null. Each sending thread then sends its records without a key to one partition until
  /// that partition's batch is taken. Records with a key go to partition murmur2(key) mod the
  /// number of partitions, as in Java.
  std::shared_ptr<const Partitioner> partitioner = nullptr;
  /// Default: true, a send to a topic that does not exist asks the servers to create it.
  bool allow_auto_create_topics = true;
  /// Default: none. Receives each batch once its outcome is known, before waiting callers get the
  /// outcome of its records. Called on the client's thread. It must not block; an exception that it
  /// throws is logged. While this option is set, the uncompressed records of a batch stay in memory
  /// until the call, within buffer_bytes.
  std::function<void(const SettledBatch&)> on_batch = nullptr;
  /// Default: none; failed batches whose outcome was not read are logged, at most one line per
  /// second with their number. Called once for each such batch, on the thread that destroyed its
  /// last Delivery or on the client's thread. It must not block. If it throws, the exception and
  /// the failure are logged. It is not called after the producer has ended: if a batch's last
  /// Delivery outlives the producer, only flush or close counts the failure.
  std::function<void(const Error&)> on_untaken_failure = nullptr;
};

}  // namespace v0
}  // namespace dohle

namespace dohle::client {
class RecordIntake;
class IntakeTopic;
struct Outcome;
struct HandleAccess;
}  // namespace dohle::client

namespace dohle {
inline namespace v0 {

/// The present or future outcome of one sent record: two words that point to the outcome of its
/// batch. It may be ignored: if a batch fails and no Delivery or callback of its records received
/// the failure, the failure is logged (see on_untaken_failure). flush always counts the failed
/// records, and returns after the report of each failed batch without a Delivery.
///
/// Lifetime: independent of the producer, but a failure is not logged if its last Delivery outlives
/// the producer. Thread safety: different Deliveries may be used from different threads.
class DOHLE_API Delivery {
 public:
  Delivery() noexcept = default;
  Delivery(Delivery&& other) noexcept;
  Delivery& operator=(Delivery&& other) noexcept;
  ~Delivery();

  /// Waits for the outcome. The batch is sent at once instead of at the end of linger. Errors:
  /// timed_out if `timeout` expires first (the record is still under way, `stored()` is possibly,
  /// and wait may be called again); would_deadlock on the client's own thread; invalid_argument for
  /// a Delivery without a record (default-constructed, moved from, or of a publish with a
  /// callback); otherwise the failure of the record, whose `stored()` says whether the record may
  /// be in the log.
  Result<Receipt> wait(std::chrono::milliseconds timeout) const;
  /// As wait(), with the delivery timeout as its limit.
  Result<Receipt> get() const;
  /// True if the outcome is known. Never waits. Any thread.
  [[nodiscard]] bool is_done() const;

 private:
  friend struct client::HandleAccess;
  /// Adopts one reference.
  Delivery(client::Outcome* adopted, std::uint32_t index, std::int32_t timestamp_delta) noexcept
      : outcome_(adopted), index_(index), timestamp_delta_(timestamp_delta) {}

  client::Outcome* outcome_ = nullptr;
  std::uint32_t index_ = 0;
  /// Milliseconds after the batch's first record; INT32_MIN if the outcome holds the time.
  std::int32_t timestamp_delta_ = 0;
};

/// Receives a record's outcome on the client's thread. It must not block; an exception that it
/// throws is logged. It allocates nothing if its captures fit three words.
using DeliveryCallback = std::move_only_function<void(Result<Receipt>)>;

/// A topic that a producer has resolved. A send to it needs no look-up. A ProducerTopic that was
/// moved from has no name, and a send to it returns Errc::closed. Thread safety: copies may be used
/// from any thread.
class DOHLE_API ProducerTopic {
 public:
  /// The topic's name. Valid while a copy of this object lives.
  [[nodiscard]] std::string_view name() const;
  /// The number of partitions in the latest metadata.
  [[nodiscard]] std::int32_t partition_count() const;

 private:
  friend struct client::HandleAccess;
  explicit ProducerTopic(std::shared_ptr<client::IntakeTopic> inside);

  std::shared_ptr<client::IntakeTopic> inside_;
};

/// The result of flush or close.
struct FlushReport {
  /// Number of records that failed since the last flush, including failures that were reported
  /// elsewhere.
  std::uint64_t failed = 0;
  /// The first of those failures.
  std::optional<Error> first_error;
};

/// Sends records. It is a handle on its Client. A Producer that was moved from returns
/// Errc::closed. Move assignment first closes the Producer that it held, as the destructor does.
/// Thread safety: every member may be called from any thread.
class DOHLE_API Producer {
 public:
  Producer(Producer&&) noexcept;
  Producer& operator=(Producer&&) noexcept;
  /// As close() with the delivery timeout, but at most 5 s. On the client's own thread it does not
  /// wait.
  ~Producer();

  /// Resolves a topic. Waits at most max_block for its metadata. Servers learn of a new topic with
  /// a delay, so a topic counts as missing only after five answers in a row without it. That takes
  /// 1.5 s with the default retry_backoff. Errors: no_such_topic; timed_out; the error that a
  /// server returned; would_deadlock on the client's own thread, if the client does not have the
  /// topic's metadata.
  Result<ProducerTopic> topic(std::string_view name);

  /// Copies the record into the open batch of its partition, which the record names or the
  /// partitioner chooses. Waits at most max_block while the buffer is full. If other threads wait
  /// for memory, it may also wait after it has copied its record, so that they proceed; at most 200
  /// ms of max_block. On the client's own thread it never waits. Errors: buffer_full, too_large,
  /// no_such_partition, invalid_argument, handler_failed (the partitioner threw), closed,
  /// would_block.
  Result<Delivery> send(const ProducerTopic& topic, const Record& record);
  /// As send, but never waits. Errors: also would_block if the buffer is full.
  Result<Delivery> try_send(const ProducerTopic& topic, const Record& record);
  /// As send, but `callback` receives the outcome: exactly once if this call succeeds, and never if
  /// it fails.
  Result<void> send(const ProducerTopic& topic, const Record& record, DeliveryCallback callback);
  /// As send, with the topic's name. The calling thread keeps a cache of topics. The look-up of the
  /// topic is part of max_block. Errors: also those of `topic`.
  Result<Delivery> send(std::string_view name, const Record& record);

  /// Sends all accepted records and waits until each record accepted before the call has an
  /// outcome. Errors: timed_out, would_deadlock.
  Result<FlushReport> flush(std::chrono::milliseconds timeout);

  /// Refuses further records, and delivers or fails all accepted ones within `timeout`. Records
  /// that are not acknowledged by then fail. `stored()` is possibly for those that were sent.
  /// Errors: would_deadlock on the client's own thread.
  Result<FlushReport> close(std::chrono::milliseconds timeout);

 private:
  friend struct client::HandleAccess;
  explicit Producer(std::shared_ptr<client::RecordIntake> inside);

  std::shared_ptr<client::RecordIntake> inside_;
};

}  // namespace v0
}  // namespace dohle
