#pragma once

#include "base/broker_errors.hpp"
#include "dohle/error.hpp"

namespace dohle::messaging {

/// True for the failure of a call about a topic that does not exist.
[[nodiscard]] inline bool is_missing_topic(const Error& why) {
  return why.is(Errc::no_such_topic) || why.is_broker(broker_error::unknown_topic_or_partition);
}

}  // namespace dohle::messaging
