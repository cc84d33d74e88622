#pragma once

#include <cstdint>
#include <string_view>

#include "base/principal.hpp"

namespace dohle::node {

/// An operation, by the numbers of Kafka's AclOperation.
enum class Operation : std::uint8_t {
  read = 3,
  write,
  create,
  remove,
  alter,
  describe,
  act_as_cluster,
  describe_configs,
  alter_configs,
  write_idempotently,
};

/// Decides whether a client may do an operation with a topic. Called on the node's thread, for each
/// topic of a request.
class Authorizer {
 public:
  virtual ~Authorizer() = default;
  [[nodiscard]] virtual bool allows(const Principal& who, Operation what,
                                    std::string_view topic) const = 0;
};

/// For a node without authentication.
class AllowEverything final : public Authorizer {
 public:
  [[nodiscard]] bool allows(const Principal&, Operation, std::string_view) const override {
    return true;
  }
};
inline const AllowEverything everything_allowed;

}  // namespace dohle::node
