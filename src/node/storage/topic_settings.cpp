#include "node/storage/topic_settings.hpp"

#include <algorithm>
#include <array>
#include <charconv>
#include <limits>
#include <optional>

#include "base/broker_errors.hpp"

namespace dohle::node {

namespace {

constexpr std::int64_t no_limit = -1;
constexpr std::int64_t int32_max = std::numeric_limits<std::int32_t>::max();
constexpr std::int64_t int64_max = std::numeric_limits<std::int64_t>::max();
constexpr std::string_view create_time = "CreateTime";
constexpr std::string_view log_append_time = "LogAppendTime";

struct Number {
  std::string_view name;
  SettingType type;
  std::int64_t lowest;
  std::int64_t highest;
  std::int64_t (*get)(const log::LogConfig& config);
  void (*set)(log::LogConfig& config, std::int64_t value);
  std::string_view documentation;
};

constexpr std::array numbers{
    Number{"max.message.bytes", SettingType::number32, 0, int32_max,
           [](const log::LogConfig& c) { return static_cast<std::int64_t>(c.max_message_bytes); },
           [](log::LogConfig& c, std::int64_t v) {
             c.max_message_bytes = static_cast<std::size_t>(v);
           },
           "The largest record batch that is accepted, in bytes"},
    Number{"message.timestamp.after.max.ms", SettingType::number64, 0, int64_max,
           [](const log::LogConfig& c) { return c.max_timestamp_after_ms; },
           [](log::LogConfig& c, std::int64_t v) { c.max_timestamp_after_ms = v; },
           "How far a record's time may lie after the node's, in milliseconds"},
    Number{"message.timestamp.before.max.ms", SettingType::number64, 0, int64_max,
           [](const log::LogConfig& c) { return c.max_timestamp_before_ms; },
           [](log::LogConfig& c, std::int64_t v) { c.max_timestamp_before_ms = v; },
           "How far a record's time may lie before the node's, in milliseconds"},
    Number{"retention.bytes", SettingType::number64, no_limit, int64_max,
           [](const log::LogConfig& c) { return c.retention_bytes; },
           [](log::LogConfig& c, std::int64_t v) { c.retention_bytes = v; },
           "Bytes that each partition keeps at least; -1: without limit"},
    Number{"retention.ms", SettingType::number64, no_limit, int64_max,
           [](const log::LogConfig& c) { return c.retention_ms; },
           [](log::LogConfig& c, std::int64_t v) { c.retention_ms = v; },
           "How long records are kept at least, in milliseconds; -1: for ever"},
    Number{"segment.bytes", SettingType::number32, 1024, int32_max,
           [](const log::LogConfig& c) { return c.segment_bytes; },
           [](log::LogConfig& c, std::int64_t v) { c.segment_bytes = v; },
           "Size of a segment file, the unit in which records are deleted"},
};
constexpr std::string_view timestamp_type = "message.timestamp.type";

// The value of every topic here. Requests may set this value and no other.
struct Fixed {
  std::string_view name;
  SettingType type;
  std::string_view value;
  std::string_view documentation;
};
constexpr std::array fixed{
    Fixed{"cleanup.policy", SettingType::list, "delete", "Old segments are deleted as a whole"},
    Fixed{"compression.type", SettingType::string, "producer", "Batches are stored as they come"},
    Fixed{"min.insync.replicas", SettingType::number32, "1", "There is one replica: this node"},
};

Error refused(std::string_view name, std::string_view value, std::string_view allowed) {
  return Error::broker(broker_error::invalid_config, std::string(name) + "=" + std::string(value),
                       allowed);
}

std::optional<std::int64_t> number_of(std::string_view text) {
  std::int64_t value = 0;
  const auto [end, code] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (code != std::errc{} || end != text.data() + text.size()) return std::nullopt;
  return value;
}

Result<void> set(const std::string& name, const std::string& value, log::LogConfig& into) {
  const auto number = std::ranges::find(numbers, name, &Number::name);
  if (number != numbers.end()) {
    const auto wanted = number_of(value);
    if (!wanted || *wanted < number->lowest || *wanted > number->highest) {
      return fail(refused(name, value,
                          "Invalid value " + value + " for configuration " + name +
                              ": a number from " + std::to_string(number->lowest) + " to " +
                              std::to_string(number->highest) + " is allowed"));
    }
    number->set(into, *wanted);
    return {};
  }
  if (name == timestamp_type) {
    if (value != create_time && value != log_append_time) {
      return fail(refused(name, value,
                          "Invalid value " + value + " for configuration " + name +
                              ": CreateTime and LogAppendTime are allowed"));
    }
    into.timestamp_type = value == create_time ? log::TimestampType::create_time
                                               : log::TimestampType::log_append_time;
    return {};
  }
  const auto known = std::ranges::find(fixed, name, &Fixed::name);
  if (known == fixed.end()) {
    return fail(refused(
        name, value,
        "Unknown topic config name: " + name + " (this node has no topic setting " + name + ")"));
  }
  if (known->value != value) {
    return fail(refused(name, value,
                        "Invalid value " + value + " for configuration " + name + ": only " +
                            std::string(known->value) + " is allowed"));
  }
  return {};
}

}  // namespace

Result<log::LogConfig> parse_topic_config(const TopicConfig& config,
                                          const log::LogConfig& defaults) {
  log::LogConfig parsed = defaults;
  for (const auto& [name, value] : config) {
    if (auto outcome = set(name, value, parsed); !outcome) return fail(outcome.error());
  }
  return parsed;
}

std::vector<TopicSetting> describe_topic_config(const TopicConfig& config,
                                                const log::LogConfig& defaults) {
  const auto parsed = parse_topic_config(config, defaults);
  const log::LogConfig now = parsed ? *parsed : defaults;
  std::vector<TopicSetting> settings;
  for (const Number& number : numbers) {
    settings.push_back({number.name, number.type, std::to_string(number.get(now)),
                        std::to_string(number.get(defaults)),
                        config.contains(std::string(number.name)), false, number.documentation});
  }
  const bool is_append_time = now.timestamp_type == log::TimestampType::log_append_time;
  settings.push_back({timestamp_type, SettingType::string,
                      std::string(is_append_time ? log_append_time : create_time),
                      std::string(create_time), config.contains(std::string(timestamp_type)), false,
                      "The time of a record: its producer's or the node's"});
  for (const Fixed& setting : fixed) {
    settings.push_back({setting.name, setting.type, std::string(setting.value),
                        std::string(setting.value), config.contains(std::string(setting.name)),
                        true, setting.documentation});
  }
  std::ranges::sort(settings, {}, &TopicSetting::name);
  return settings;
}

}  // namespace dohle::node
