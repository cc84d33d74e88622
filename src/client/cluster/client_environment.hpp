#pragma once

#include <memory>

#include "base/connection.hpp"
#include "base/executor.hpp"
#include "base/random.hpp"
#include "base/secure_random.hpp"
#include "base/time.hpp"
#include "client/cluster/client_metrics.hpp"
#include "dohle/logger.hpp"

namespace dohle::client {

/// The source of record timestamps for `send`, which reads no clock itself.
class RecordTime {
 public:
  virtual ~RecordTime() = default;
  /// The wall time, at most 5 ms old. Any thread.
  [[nodiscard]] virtual Timestamp wall() const = 0;
  /// `on`: a producer sends records, and meanwhile `wall` reads no clock. Off: a producer has no
  /// active partition any more. Loop thread.
  virtual void keep_fresh(bool on) = 0;
};

/// The client's dependencies, which outlive it. Client::create uses those of net, the simulator its
/// own.
struct ClientEnvironment {
  Executor& loop;
  ConnectionDialer& dialer;
  const Clock& clock;
  Random& random;
  Workers& workers;
  RecordTime& record_time;
  Logger& logger;
  /// The source of nonces. Loop thread.
  SecureRandom& secure_random;
  /// The metrics of the client; copies of this object share them.
  std::shared_ptr<ClientMetrics> metrics = std::make_shared<ClientMetrics>();
};

}  // namespace dohle::client
