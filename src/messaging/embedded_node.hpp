#pragma once

#include <chrono>
#include <memory>
#include <string>

#include "dohle/error.hpp"
#include "dohle/logger.hpp"
#include "dohle/transport.hpp"
#include "messaging/embedded_address.hpp"

namespace dohle::messaging {

/// A share in a node that runs in this process. Equal addresses share one, which ends with the last
/// share: its data is then durable and its directory free.
class EmbeddedNode {
 public:
  virtual ~EmbeddedNode() = default;
  /// For ClientOptions.
  [[nodiscard]] virtual std::shared_ptr<Transport> transport() const = 0;
  [[nodiscard]] virtual std::string bootstrap_server() const = 0;

  /// Gives the share up; the last one closes the node, whose requests that are not answered within
  /// `timeout` are dropped. Idempotent; the destructor does it with 0. Errors: those of
  /// Node::close.
  virtual Result<void> close(std::chrono::milliseconds timeout) = 0;

  /// Starts the node, or joins the one that runs. Errors: those of Node::start; configuration when
  /// it runs already and listens elsewhere than asked.
  static Result<std::unique_ptr<EmbeddedNode>> open(const EmbeddedAddress& address,
                                                    std::shared_ptr<Logger> logger);
};

}  // namespace dohle::messaging
