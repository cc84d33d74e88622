#pragma once

#include <memory>

#include "dohle/broker_options.hpp"
#include "dohle/client.hpp"
#include "messaging/embedded/embedded_node.hpp"

namespace dohle::messaging {

/// The options of a client for these servers. For an embedded address, `node` becomes the share in
/// it that the client needs, unless it is one already. Errors: configuration; those of
/// EmbeddedNode::open.
[[nodiscard]] Result<ClientOptions> reach(const kafka::BrokerOptions& options,
                                          const std::shared_ptr<Logger>& logger,
                                          std::unique_ptr<EmbeddedNode>& node);

}  // namespace dohle::messaging
