#pragma once

#include "base/connection.hpp"
#include "base/executor.hpp"
#include "base/random.hpp"
#include "base/time.hpp"
#include "dohle/logger.hpp"

namespace dohle::client {

/// Time for records: what `send` stamps them with instead of reading a clock.
class RecordTime {
 public:
  virtual ~RecordTime() = default;
  /// At most 5 ms old. Any thread.
  [[nodiscard]] virtual Timestamp wall() const = 0;
  /// On: records are being sent; for as long as they are, `wall` reads no clock. Off: nothing of
  /// one user is under way any more. Loop thread.
  virtual void keep_fresh(bool on) = 0;
};

/// What the client needs from outside; all of it outlives the client. The construction of Client
/// puts net behind it, sim its twins.
struct ClientEnvironment {
  Executor& loop;
  Dialer& dialer;
  const Clock& clock;
  Random& random;
  Workers& workers;
  RecordTime& record_time;
  Logger& logger;
};

}  // namespace dohle::client
