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

/// Where events say what became of them. It outlives the subscription, as events may.
/// Thread safety: any thread.
class AckSink {
 public:
  virtual ~AckSink() = default;
  virtual Result<void> ack(EventState& event) = 0;
  virtual Result<void> nack(const std::shared_ptr<EventState>& event, Error why) = 0;
};

/// One delivery of one record: a retry in place is a delivery of its own, so that an ack of the
/// earlier one cannot settle the later.
struct EventState {
  enum class Settled : std::uint8_t {
    pending,
    acked,
    nacked,  ///< retried, or about to be: no longer this event's to acknowledge
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
  /// Which time of owning the partition it belongs to.
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
