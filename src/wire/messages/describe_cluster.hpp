#pragma once

#include <cstdint>
#include <limits>
#include <optional>
#include <string>
#include <vector>

#include "dohle/ids.hpp"
#include "wire/api.hpp"
#include "wire/fields.hpp"

namespace dohle::wire {

struct DescribeClusterResponse;

// DescribeCluster (60). Describes the cluster and its brokers (KIP-700).
//
// v0 flexible (KIP-482). v1 endpoint type: 1 brokers, 2 controllers (KIP-919). v2 fenced
// brokers (KIP-1073).
struct DescribeClusterRequest {
  using Response = DescribeClusterResponse;
  static constexpr Api api{ApiKey::describe_cluster, versions(0, 2), flexible_since(0)};

  bool include_cluster_authorized_operations = false;
  std::int8_t endpoint_type = 1;
  bool include_fenced_brokers = false;

  static void fields(auto& self, auto& f) {
    f(self.include_cluster_authorized_operations, "includeClusterAuthorizedOperations");
    f(self.endpoint_type, "endpointType", since(1));
    f(self.include_fenced_brokers, "includeFencedBrokers", since(2));
  }
};

struct DescribeClusterResponse {
  static constexpr Api api{ApiKey::describe_cluster, versions(0, 2), flexible_since(0)};

  struct DescribeClusterBroker {
    NodeId broker_id;
    std::string host;
    std::int32_t port = 0;
    std::optional<std::string> rack;
    bool is_fenced = false;

    static void fields(auto& self, auto& f) {
      f(self.broker_id, "brokerId");
      f(self.host, "host");
      f(self.port, "port");
      f(self.rack, "rack");
      f(self.is_fenced, "isFenced", since(2));
    }
  };

  std::int32_t throttle_time_ms = 0;
  std::int16_t error_code = 0;
  std::optional<std::string> error_message;
  std::int8_t endpoint_type = 1;
  std::string cluster_id;
  NodeId controller_id;
  std::vector<DescribeClusterBroker> brokers;
  std::int32_t cluster_authorized_operations = std::numeric_limits<std::int32_t>::min();

  static void fields(auto& self, auto& f) {
    f(self.throttle_time_ms, "throttleTimeMs");
    f(self.error_code, "errorCode");
    f(self.error_message, "errorMessage");
    f(self.endpoint_type, "endpointType", since(1));
    f(self.cluster_id, "clusterId");
    f(self.controller_id, "controllerId");
    f(self.brokers, "brokers");
    f(self.cluster_authorized_operations, "clusterAuthorizedOperations");
  }
};

}  // namespace dohle::wire
