#pragma once

#include <algorithm>
#include <chrono>
#include <cstdint>
#include <memory>

#include "base/call_deadline.hpp"
#include "client/cluster/shared_client.hpp"
#include "client/cluster/waiter.hpp"
#include "dohle/error.hpp"

// Helpers of several parts of BrokerRuntime.

namespace dohle::messaging {

/// A number of the client's random source, which only its own thread may ask.
inline std::uint64_t seed_of(const std::shared_ptr<Client::Shared>& client) {
  auto seed = client::wait_for<std::uint64_t>(
      client->loop(), [client](auto promise) { promise(client->environment().random.next()); });
  return seed ? *seed : 0;
}

/// The deadline of a call whose options are checked later.
inline CallDeadline deadline_in(std::chrono::milliseconds asked) {
  return CallDeadline(call_timeout(std::max(asked, std::chrono::milliseconds(0))));
}

inline Error not_connected() {
  return Error::client(Errc::not_connected, "the broker is not connected; call connect() first");
}

inline Error disconnected() {
  return Error::client(Errc::closed, "the broker has disconnected");
}

}  // namespace dohle::messaging
