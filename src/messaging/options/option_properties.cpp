#include "messaging/options/option_properties.hpp"

#include <algorithm>
#include <string_view>

namespace dohle::messaging {

Result<void> set_addresses(const MeantByProperties& meant, kafka::BrokerOptions& options) {
  options.addresses.clear();
  for (std::string_view list : meant.client.bootstrap_servers) {
    while (!list.empty()) {
      const std::size_t comma = std::min(list.find(','), list.size());
      std::string_view one = list.substr(0, comma);
      list.remove_prefix(std::min(comma + 1, list.size()));
      while (one.starts_with(' ')) one.remove_prefix(1);
      while (one.ends_with(' ')) one.remove_suffix(1);
      if (!one.empty()) options.addresses.emplace_back(one);
    }
  }
  return {};
}

Result<void> set_compression(const MeantByProperties& meant, kafka::BrokerOptions& options) {
  options.compression = meant.producer.compression;
  options.compression_level.reset();
  return {};
}

Result<void> set_publish_max_attempts(const MeantByProperties& meant,
                                      kafka::BrokerOptions& options) {
  options.publish_max_attempts = meant.producer.retries;
  if (options.publish_max_attempts) ++*options.publish_max_attempts;
  return {};
}

Result<void> refuse_group_instance_id(const MeantByProperties& /*meant*/,
                                      SubscribeOptions& /*options*/) {
  return fail(
      Error::configuration("two subscriptions of a broker cannot share it; set it for each with "
                           "with_group_instance_id"));
}

}  // namespace dohle::messaging
