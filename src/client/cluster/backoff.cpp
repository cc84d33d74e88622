#include "client/cluster/backoff.hpp"

#include <algorithm>

namespace dohle::client {

Duration Backoff::next(Random& random) {
  Duration wait = std::min(first_, most_);
  for (std::uint32_t i = 0; i < failures_ && wait < most_; ++i) {
    wait = wait > most_ / 2 ? most_ : wait * 2;
  }
  if (failures_ < 64) ++failures_;
  const double factor = 0.8 + 0.4 * random.unit();
  return Duration(static_cast<Duration::rep>(static_cast<double>(wait.count()) * factor));
}

}  // namespace dohle::client
