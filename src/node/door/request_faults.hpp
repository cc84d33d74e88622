#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "base/time.hpp"
#include "wire/api.hpp"

namespace dohle::node {

/// The faults that a test injects into the requests of its node (dohle::testing). A node outside of
/// tests has none. Called on the node's thread. Error codes are Kafka's; 0 is none.
class RequestFaults {
 public:
  virtual ~RequestFaults() = default;
  /// A request is about to be served.
  virtual void on_request(wire::ApiKey api) = 0;
  /// How long a request that has arrived waits until it is served.
  [[nodiscard]] virtual Duration delay() = 0;
  /// Whether the connection that arrives is refused.
  [[nodiscard]] virtual bool refuses_connection() = 0;
  /// Why records for the topic are refused. Asked once for each request and topic.
  [[nodiscard]] virtual std::int16_t refuses_records(std::string_view topic) = 0;
  /// Why offsets of the group are refused. Asked once for each request.
  [[nodiscard]] virtual std::int16_t refuses_offsets(std::string_view group) = 0;
  /// The partitions with which a topic is created that a client asks about; 0: it is not.
  [[nodiscard]] virtual std::int32_t partitions_on_first_use(std::string_view topic) = 0;
};

}  // namespace dohle::node
