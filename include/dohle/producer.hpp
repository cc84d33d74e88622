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

/// A batch of one partition whose outcome is known, or a part of one that the server refused as too
/// large. Its views are valid during the call that gets it.
struct SettledBatch {
  /// The topic's name.
  std::string_view topic;
  /// The partition.
  PartitionId partition;
  /// The offset of the first record; none if they are not stored, and with acks none.
  Offset base_offset = {};
  /// Why the records are not stored, or possibly so. Null: they are stored.
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
  /// Default: 256 KiB. 512 B to 1 GiB. A batch of this many bytes is full and ready to send.
  std::size_t batch_bytes = std::size_t{256} << 10;
  /// A batch of this many records is ready to send. Until it is sent it may still grow, up to
  /// batch_bytes. At least 1. If absent, there is no limit.
  std::optional<std::size_t> batch_records = {};
  /// Default: 32 MiB. At least 32 KiB, two slabs of 16 KiB. Memory for records that are not
  /// acknowledged yet, in bytes.
  std::size_t buffer_bytes = std::size_t{32} << 20;
  /// Default: 1 min. 0 to 1 day. How long `send` may wait for memory and for a topic's metadata.
  std::chrono::milliseconds max_block{60'000};
  /// Default: 2 min. linger to 1 day. Time from `send` to the outcome, retries included. A record
  /// whose request is under way at its end fails as possibly stored.
  std::chrono::milliseconds delivery_timeout{120'000};
  /// Default: 30 s. 1 ms to 20 min. Time for the answer to one request.
  std::chrono::milliseconds request_timeout{30'000};
  /// Default: absent, request_timeout. 1 ms to request_timeout. How long the server may wait for
  /// the replicas that `acks` asks for; sent with each request.
  std::optional<std::chrono::milliseconds> ack_timeout = {};
  /// Default: absent, no limit but delivery_timeout. 0 to 2^31 - 1. How often a batch is sent again
  /// after a failure that permits it. The batch then fails with the last failure.
  std::optional<std::int32_t> retries = {};
  /// Default: 5. 1 to 5 with idempotence, otherwise 1 to 100. The most requests under way per
  /// server.
  int max_in_flight = 5;
  /// Default: 1 MiB. 1 KiB to 2 GiB - 1, and at least batch_bytes. The largest request, in bytes; a
  /// record must fit into it with its framing.
  std::size_t max_request_bytes = std::size_t{1} << 20;
  /// Default: none. How batches are compressed.
  CompressionCodec compression = CompressionCodec::none;
  /// Default: the codec's own. gzip 1 to 9, lz4 1 to 17, zstd -131072 to 22.
  std::optional<int> compression_level = std::nullopt;
  /// Default: null. Records without a key then go to one partition until its batch is taken, per
  /// thread; records with a key go to murmur2(key) mod partitions, as in Java.
  std::shared_ptr<const Partitioner> partitioner = nullptr;
  /// Default: true, sending to a topic that does not exist asks the servers to create it.
  bool allow_auto_create_topics = true;
  /// Default: none. Receives each batch once its outcome is known, before the callers that wait for
  /// its records, on the client's thread. It must not block; an exception that it throws is logged.
  /// While it is set, a batch's uncompressed records stay in memory until then, within
  /// buffer_bytes.
  std::function<void(const SettledBatch&)> on_batch = nullptr;
  /// Default: none; failed batches whose outcome was not read are logged, at most one line per
  /// second with their number. Called once per such batch, on the thread that destroyed its last
  /// Delivery or on the client's thread. It must not block; if it throws, that is logged, and so is
  /// the failure. It is not called after the producer's end: a batch whose last Delivery outlives
  /// the producer is counted by flush or close only.
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

/// The present or future outcome of one sent record: two words that point to its batch's outcome.
/// It may be ignored: if a batch fails and no Delivery or callback of its records received the
/// failure, it is logged (see on_untaken_failure). flush counts its records in any case.
///
/// Lifetime: independent of the producer, but a failure is not logged if its last Delivery outlives
/// the producer. Thread safety: different Deliveries may be used from different threads.
class DOHLE_API Delivery {
 public:
  Delivery() noexcept = default;
  Delivery(Delivery&& other) noexcept;
  Delivery& operator=(Delivery&& other) noexcept;
  ~Delivery();

  /// Waits for the outcome. Sends its batch at once instead of at the end of linger. Errors:
  /// timed_out if `timeout` expires first (the record is still under way, `stored()` is possibly,
  /// and wait may be called again); would_deadlock on the client's own thread; invalid_argument for
  /// a Delivery without a record (default-constructed, moved from, or of a publish with a
  /// callback); otherwise the record's own failure, whose `stored()` tells whether it may be in the
  /// log.
  Result<Receipt> wait(std::chrono::milliseconds timeout) const;
  /// As wait(), until the delivery timeout at the latest.
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

/// A topic that a producer has resolved; sending to it needs no look-up. Moved from, it has no
/// name, and sending to it answers Errc::closed. Thread safety: copies may be used from any thread.
class DOHLE_API ProducerTopic {
 public:
  /// The topic's name. Valid while a copy of it lives.
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

/// Sends records. A handle on its Client. Moved from, it answers Errc::closed; move assignment
/// first closes what it held, as the destructor does. Thread safety: every member may be called
/// from any thread.
class DOHLE_API Producer {
 public:
  Producer(Producer&&) noexcept;
  Producer& operator=(Producer&&) noexcept;
  /// As close() with the delivery timeout, at most 5 s. On the client's own thread it does not
  /// wait.
  ~Producer();

  /// Resolves a topic; waits at most max_block for its metadata. Servers learn of a new topic with
  /// a delay, so a topic counts as missing only after five answers in a row without it: after 1.5 s
  /// with the default retry_backoff. Errors: no_such_topic, timed_out, the broker's own;
  /// would_deadlock on the client's own thread, for a topic whose metadata the client does not
  /// have.
  Result<ProducerTopic> topic(std::string_view name);

  /// Copies the record into the open batch of its partition, which the record names or the
  /// partitioner chooses. Waits at most max_block while the buffer is full. If other threads wait
  /// for memory, it may also yield to them after it has copied its record, for at most 200 ms of
  /// max_block. On the client's own thread it never waits. Errors: buffer_full, too_large,
  /// no_such_partition, invalid_argument, handler_failed (the partitioner threw), closed,
  /// would_block.
  Result<Delivery> send(const ProducerTopic& topic, const Record& record);
  /// As send, but never waits: would_block instead.
  Result<Delivery> try_send(const ProducerTopic& topic, const Record& record);
  /// As send, but `callback` receives the outcome: exactly once if this call succeeds, never if it
  /// fails.
  Result<void> send(const ProducerTopic& topic, const Record& record, DeliveryCallback callback);
  /// As send, with a topic by name, through a cache of the calling thread. The search for the topic
  /// is part of max_block. Errors: also those of `topic`.
  Result<Delivery> send(std::string_view name, const Record& record);

  /// Sends all accepted records and waits until each record accepted before the call has an
  /// outcome. Errors: timed_out, would_deadlock.
  Result<FlushReport> flush(std::chrono::milliseconds timeout);

  /// Refuses further records, and delivers or fails all accepted ones within `timeout`. Records
  /// that are not acknowledged by then fail; `stored()` is possibly for those that were on the
  /// wire. Errors: would_deadlock on the client's own thread.
  Result<FlushReport> close(std::chrono::milliseconds timeout);

 private:
  friend struct client::HandleAccess;
  explicit Producer(std::shared_ptr<client::RecordIntake> inside);

  std::shared_ptr<client::RecordIntake> inside_;
};

}  // namespace v0
}  // namespace dohle
