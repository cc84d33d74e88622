#pragma once

#include <chrono>
#include <memory>
#include <string>
#include <utility>

#include "dohle/error.hpp"
#include "dohle/logger.hpp"
#include "dohle/node.hpp"
#include "dohle/transport.hpp"
#include "messaging/embedded/embedded_address.hpp"

namespace dohle::messaging {

/// A share in a node that runs in this process. Equal addresses share one node. It ends with its
/// last share: its data is then durable and its directory unlocked.
class EmbeddedNode {
 public:
  virtual ~EmbeddedNode() = default;
  /// The transport for ClientOptions::transport.
  [[nodiscard]] virtual std::shared_ptr<Transport> transport() const = 0;
  [[nodiscard]] virtual std::string bootstrap_server() const = 0;

  /// Gives up the share. The last share closes the node, which drops requests that are not answered
  /// within `timeout`. Idempotent; the destructor calls it with 0. Errors: those of Node::close.
  virtual Result<void> close(std::chrono::milliseconds timeout) = 0;

  /// Starts the node, or joins the running one. Errors: those of Node::start; configuration if the
  /// running node does not listen on the requested port.
  static Result<std::unique_ptr<EmbeddedNode>> open(const EmbeddedAddress& address,
                                                    std::shared_ptr<Logger> logger);
  /// Lets `open` find a running node under "embedded:" and `key`, which no other node has. Returns
  /// the first share, and the node, which lives as long as that is not given up.
  static std::pair<std::unique_ptr<EmbeddedNode>, Node*> share(std::string key, Node node);
};

}  // namespace dohle::messaging
