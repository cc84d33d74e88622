#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "base/time.hpp"
#include "dohle/error.hpp"
#include "dohle/ids.hpp"
#include "dohle/record.hpp"

namespace dohle::messaging {

struct EventState;

/// Receives the acks and nacks of events. Events keep it alive, so it may outlive the handle of its
/// subscription. Thread safety: any thread.
class AckSink {
 public:
  virtual ~AckSink() = default;
  virtual Result<void> ack(EventState& event) = 0;
  virtual Result<void> nack(const std::shared_ptr<EventState>& event, Error why) = 0;
};

/// One delivery of one record. A retry in place is a separate delivery, so that an ack of an
/// earlier one cannot settle a later one.
struct EventState {
  enum class Settled : std::uint8_t {
    pending,
    acked,
    nacked,  ///< retried, or about to be: this event can no longer be acknowledged
    failed,  ///< retries used up; the error handler may still acknowledge
  };

  /// Keeps the views alive.
  std::shared_ptr<const void> buffer;
  std::string_view topic;
  PartitionId partition;
  Offset offset;
  LeaderEpoch leader_epoch;
  Timestamp timestamp;
  std::optional<Bytes> key;
  std::optional<Bytes> value;
  HeaderRange headers;
  int attempt = 1;
  /// The number of the partition's assignment that it belongs to.
  std::uint64_t assignment = 0;
  std::size_t lane = 0;
  std::shared_ptr<AckSink> sink;

  // Guarded by the subscription's lock.
  Settled settled = Settled::pending;
  bool is_running = false;
  TimePoint started;
  std::optional<Error> nacked_with;

  [[nodiscard]] std::size_t bytes() const {
    return (key ? key->size() : 0) + (value ? value->size() : 0);
  }
};

}  // namespace dohle::messaging
