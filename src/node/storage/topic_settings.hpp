#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "dohle/error.hpp"
#include "log/partition_log.hpp"

namespace dohle::node {

/// Settings as given, by name.
using TopicConfig = std::map<std::string, std::string>;

/// Kafka's numbers for the types of settings (DescribeConfigs version 3).
enum class SettingType : std::int8_t {
  boolean = 1,
  string = 2,
  number32 = 3,
  number64 = 5,
  list = 7
};

/// A setting of a topic with its effective value.
struct TopicSetting {
  std::string_view name;
  SettingType type;
  std::string value;
  std::string default_value;
  bool is_set = false;
  /// This node supports only this value.
  bool is_fixed = false;
  std::string_view documentation;
};

/// The configuration of a topic's logs. `defaults` apply to settings that are not in `config`.
/// Errors: broker error 40 names the setting and the allowed values, also for a setting that this
/// node does not support.
[[nodiscard]] Result<log::LogConfig> parse_topic_config(const TopicConfig& config,
                                                        const log::LogConfig& defaults);
/// All settings of a topic, in the order of their names.
[[nodiscard]] std::vector<TopicSetting> describe_topic_config(const TopicConfig& config,
                                                              const log::LogConfig& defaults);

}  // namespace dohle::node
