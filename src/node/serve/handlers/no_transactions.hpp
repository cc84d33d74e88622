#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "node/lines.hpp"
#include "node/serve/call.hpp"

namespace dohle::node {

/// TRANSACTIONAL_ID_AUTHORIZATION_FAILED: clients take it as final and give up at once. They retry
/// other codes until their time-out.
inline constexpr std::int16_t transactions_refused = 53;
/// Message for a client that begins a transaction.
inline constexpr std::string_view this_node_has_no_transactions =
    "this node has no transactions: use a producer without a transactional id, or an Apache Kafka "
    "cluster";

/// Logs the refusal. For answers without a field for the message.
inline void complain_of_transactions(Call& call) {
  const Parts<Lines> node = call.node;
  node.get<Lines>().complain("a transactional producer at " + call.peer +
                             " is refused (53): " + std::string(this_node_has_no_transactions));
}

}  // namespace dohle::node
