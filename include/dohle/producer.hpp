#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string_view>

#include "dohle/error.hpp"
#include "dohle/export.hpp"
#include "dohle/ids.hpp"
#include "dohle/record.hpp"

namespace dohle {
inline namespace v0 {

/// How many replicas have to have a record before the server answers.
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

/// How a Producer batches, sends and retries.
struct ProducerOptions {
  /// With anything but `all`, idempotence has to be off.
  Acks acks = Acks::all;
  /// Each record is stored once and in order, whatever is retried (KIP-98, KIP-360).
  bool idempotence = true;
  /// How long a batch waits for more records since its first. 0 to 1 min. Under load batches grow
  /// by themselves while earlier requests are under way; at low load, with nothing in flight,
  /// linger is the price of sharing a request, and 0 sends at once.
  std::chrono::microseconds linger{5'000};
  /// A batch of that many bytes is due at once and takes no more. 512 B to 1 GiB.
  std::size_t batch_bytes = std::size_t{256} << 10;
  /// A batch of that many records is due at once; it may grow on, up to batch_bytes, while it waits
  /// for its turn on the wire. 0: no such limit.
  std::size_t batch_records = 0;
  /// Memory of records that are not acknowledged yet, in bytes. At least two slabs of 16 KiB.
  std::size_t buffer_bytes = std::size_t{32} << 20;
  /// How long `send` may wait for memory and for a topic's metadata. 0 to 1 day.
  std::chrono::milliseconds max_block{60'000};
  /// From `send` to the outcome, retries included; at least linger + request_timeout, at most 1
  /// day.
  std::chrono::milliseconds delivery_timeout{120'000};
  /// Time for one request's answer. 1 ms to 10 min.
  std::chrono::milliseconds request_timeout{30'000};
  /// Requests under way per server. 1 to 5 with idempotence, else to 100.
  int max_in_flight = 5;
  /// The largest request, in bytes; a record must fit into it with its framing. 1 KiB to 2 GiB - 1,
  /// and at least batch_bytes.
  std::size_t max_request_bytes = std::size_t{1} << 20;
  /// How batches are compressed. Default: none.
  CompressionCodec compression = CompressionCodec::none;
  /// The codec's own scale; nothing: its default. gzip 1 to 9, lz4 1 to 17, zstd -131072 to 22.
  std::optional<int> compression_level = std::nullopt;
  /// Ask the servers to create topics that do not exist.
  bool allow_auto_create_topics = true;
  /// Told of a batch that failed and whose outcome nobody took, once, in place of the log line (of
  /// which there is one a second at most, with their number). On the thread that dropped the last
  /// Delivery, or the client's: it must not block, nor throw. Never once the producer is gone,
  /// since what it uses may be gone, too: a batch whose last Delivery outlives the producer is told
  /// of by the report of flush or close alone.
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

/// What became, or will become, of one sent record: two words that point at its batch's outcome.
/// Nobody has to look at it: a batch that failed, and of whose records neither a Delivery was asked
/// nor a callback told, is logged (see on_untaken_failure); flush counts its records in any case.
///
/// Lifetime: independent of the producer, but what is dropped after it is no longer logged. Thread
/// safety: distinct Deliveries from any threads.
class DOHLE_API Delivery {
 public:
  Delivery() noexcept = default;
  Delivery(Delivery&& other) noexcept;
  Delivery& operator=(Delivery&& other) noexcept;
  ~Delivery();

  /// Waits for the outcome; makes its batch due at once instead of at the end of linger.
  /// Errors: timed_out when `timeout` passes first (the record is still under way, `stored()` is
  /// possibly, and the Delivery may be asked again); would_deadlock on the client's own thread;
  /// invalid_argument for a Delivery that stands for no record (made by default, moved from, or of
  /// a publish with a callback); otherwise the record's own failure, with `stored()` telling
  /// whether it may be in the log.
  Result<Receipt> wait(std::chrono::milliseconds timeout) const;
  /// Waits for as long as the delivery timeout allows.
  Result<Receipt> get() const;
  /// The outcome is there; never waits, on any thread.
  [[nodiscard]] bool is_done() const;

 private:
  friend struct client::HandleAccess;
  /// Takes over one reference.
  Delivery(client::Outcome* adopted, std::uint32_t index, std::int32_t timestamp_delta) noexcept
      : outcome_(adopted), index_(index), timestamp_delta_(timestamp_delta) {}

  client::Outcome* outcome_ = nullptr;
  std::uint32_t index_ = 0;
  /// Milliseconds after the batch's first record; INT32_MIN: the outcome knows the time.
  std::int32_t timestamp_delta_ = 0;
};

/// Called with a record's outcome, on the client's thread: it must not block. Free of allocation
/// when its captures fit three words.
using DeliveryCallback = std::move_only_function<void(Result<Receipt>)>;

/// A topic that a producer has resolved; sending to it looks nothing up. Moved from, it has no name
/// and sending to it answers Errc::closed.
/// Thread safety: copies may be used from any thread.
class DOHLE_API ProducerTopic {
 public:
  /// The topic's name. Valid while a copy of it lives.
  [[nodiscard]] std::string_view name() const;
  /// As last heard from the cluster.
  [[nodiscard]] std::int32_t partition_count() const;

 private:
  friend struct client::HandleAccess;
  explicit ProducerTopic(std::shared_ptr<client::IntakeTopic> core);

  std::shared_ptr<client::IntakeTopic> core_;
};

/// What a flush or close found.
struct FlushReport {
  /// Records that failed since the last flush, whoever was told.
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
  /// As close() with the delivery timeout, at most 5 s; on the client's own thread it does not wait
  /// for the end.
  ~Producer();

  /// Resolves a topic; waits at most max_block for its metadata. One that was just made takes a
  /// moment to be known by every server, so a topic counts as missing when five answers in a row do
  /// not know it: with the usual retry_backoff after 1.5 s.
  /// Errors: no_such_topic, timed_out, the broker's own; would_deadlock on the client's own thread,
  /// where only topics are found that the client knows already.
  Result<ProducerTopic> topic(std::string_view name);

  /// Copies the record into its partition's open batch. Keyless records go to one partition until
  /// its batch is taken (sticky, per thread); keyed ones to murmur2(key) mod partitions, as in
  /// Java. Waits at most max_block when the buffer is full; while others wait for that, it may also
  /// wait for them once its record is in, at most 200 ms of max_block: threads take turns. On the
  /// client's own thread it never waits. Errors: buffer_full, too_large, no_such_partition,
  /// invalid_argument, closed, would_block.
  Result<Delivery> send(const ProducerTopic& topic, const Record& record);
  /// As send, but never waits: would_block instead.
  Result<Delivery> try_send(const ProducerTopic& topic, const Record& record);
  /// As send, with the outcome told to `callback`, which is called exactly once if this succeeds
  /// and never if it fails.
  Result<void> send(const ProducerTopic& topic, const Record& record, DeliveryCallback callback);
  /// By name, through a cache of the calling thread. Errors: also those of `topic`.
  Result<Delivery> send(std::string_view name, const Record& record);

  /// Makes everything due and waits until each record accepted before the call has an outcome.
  /// Errors: timed_out, would_deadlock.
  Result<FlushReport> flush(std::chrono::milliseconds timeout);

  /// Refuses further records, delivers or fails everything it accepted within `timeout`.
  /// What is not acknowledged by then fails, with `stored()` possibly for what was on the wire.
  /// Errors: would_deadlock on the client's own thread.
  Result<FlushReport> close(std::chrono::milliseconds timeout);

 private:
  friend struct client::HandleAccess;
  explicit Producer(std::shared_ptr<client::RecordIntake> core);

  std::shared_ptr<client::RecordIntake> core_;
};

}  // namespace v0
}  // namespace dohle
