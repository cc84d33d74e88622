#include "wire/messages/describe_cluster.hpp"

#include "node/serve/handlers/handlers.hpp"

namespace dohle::node {

namespace {

constexpr std::int8_t brokers = 1;
constexpr std::int16_t mismatched_endpoint_type = 114;

}  // namespace

void handle(Call& call, wire::DescribeClusterRequest request) {
  wire::DescribeClusterResponse response;
  response.endpoint_type = request.endpoint_type;
  if (request.endpoint_type != brokers) {
    response.error_code = mismatched_endpoint_type;
    response.error_message = "this is a broker's endpoint; there is no controller of its own";
    return call.responder.answer(response);
  }
  const Parts<Storage> node = call.node;
  response.cluster_id = node.get<Storage>().topics().cluster_id();
  response.controller_id = node_id;
  auto& broker = response.brokers.emplace_back();
  broker.broker_id = node_id;
  broker.host = call.way.advertised.host;
  broker.port = call.way.advertised.port;
  if (request.include_cluster_authorized_operations) {
    response.cluster_authorized_operations = may::with_cluster;
  }
  call.responder.answer(response);
}

}  // namespace dohle::node
