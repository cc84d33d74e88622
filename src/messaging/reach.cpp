#include "messaging/reach.hpp"

#include <filesystem>
#include <string>
#include <utility>

#include "messaging/embedded/embedded_address.hpp"
#include "messaging/options/settings.hpp"

namespace dohle::messaging {

Result<ClientOptions> reach(const kafka::BrokerOptions& options,
                            const std::shared_ptr<Logger>& logger,
                            std::unique_ptr<EmbeddedNode>& node) {
  ClientOptions reached = client_options(options, logger);
  const std::string& first = options.addresses.front();
  if (!is_embedded(first)) return reached;
  auto address = parse_embedded(first, std::filesystem::current_path().string());
  if (!address) return fail(address.error());
  if (!node) {
    auto opened = EmbeddedNode::open(*address, logger);
    if (!opened) return fail(opened.error().within(first));
    node = *std::move(opened);
  }
  reached.bootstrap_servers = {node->bootstrap_server()};
  reached.transport = node->transport();
  return reached;
}

}  // namespace dohle::messaging
