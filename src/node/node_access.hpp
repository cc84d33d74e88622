#pragma once

#include <functional>
#include <memory>

#include "dohle/node.hpp"
#include "node/door/request_faults.hpp"
#include "node/node_engine.hpp"

namespace dohle::node {

/// Reaches into a Node of this process, for its tests' faults and questions (dohle::testing).
struct NodeAccess {
  /// As Node::start. The node keeps `faults`, which may be null.
  static Result<Node> start(NodeOptions options, std::shared_ptr<RequestFaults> faults);
  /// Runs `work` on the node's thread and waits for it. Not at the same time as Node::close.
  /// Errors: closed.
  static Result<void> with_engine(Node& node, std::move_only_function<void(NodeEngine&)> work);
};

}  // namespace dohle::node
