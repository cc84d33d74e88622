#include "wire/messages/describe_configs.hpp"

#include <algorithm>

#include "node/limits.hpp"
#include "node/serve/handlers/config_source.hpp"
#include "node/serve/handlers/handlers.hpp"

namespace dohle::node {

namespace {

using DescribeConfigsResource = wire::DescribeConfigsRequest::DescribeConfigsResource;
using DescribeConfigsResult = wire::DescribeConfigsResponse::DescribeConfigsResult;
using DescribeConfigsResourceResult = wire::DescribeConfigsResponse::DescribeConfigsResourceResult;

constexpr std::int8_t topic_resource = 2, broker_resource = 4, group_resource = 32;

using Needed = Parts<NodeSettings, Storage>;

bool is_wanted(const DescribeConfigsResource& wanted, std::string_view name) {
  return !wanted.configuration_keys || wanted.configuration_keys->empty() ||
         std::ranges::find(*wanted.configuration_keys, name) != wanted.configuration_keys->end();
}

class Describing {
 public:
  Describing(const Needed& node, const Call& call, const wire::DescribeConfigsRequest& request)
      : settings_(node.get<NodeSettings>()),
        storage_(node.get<Storage>()),
        call_(call),
        request_(request) {}

  DescribeConfigsResult describe(const DescribeConfigsResource& wanted) {
    DescribeConfigsResult described;
    described.error_message.reset();
    described.resource_type = wanted.resource_type;
    described.resource_name = wanted.resource_name;
    switch (wanted.resource_type) {
      case topic_resource:
        describe_topic(wanted, described);
        break;
      case broker_resource:
        describe_broker(wanted, described);
        break;
      case group_resource:  // groups have no settings
        break;
      default:
        described.error_code = broker_error::invalid_request;
        described.error_message =
            "there are no settings of resource type " + std::to_string(wanted.resource_type);
    }
    return described;
  }

 private:
  void describe_topic(const DescribeConfigsResource& wanted, DescribeConfigsResult& into) {
    const FoundTopic topic = call_.topic(wanted.resource_name, Operation::describe_configs);
    if (!topic) {
      into.error_code = topic.code;
      if (topic.code == broker_error::topic_authorization_failed) {
        into.error_message = "Authorization failed.";
        return;
      }
      into.error_message = "This server does not host this topic-partition: there is no topic " +
                           shortened(wanted.resource_name);
      return;
    }
    for (const TopicSetting& from :
         describe_topic_config(topic->config, storage_.topics().log_defaults())) {
      if (!is_wanted(wanted, from.name)) continue;
      DescribeConfigsResourceResult setting =
          setting_of(from.name, from.value, from.type, from.documentation);
      setting.read_only = from.is_fixed;
      if (from.is_set) add_source(setting, config_source::topic, from.value);
      add_source(setting, config_source::default_value, from.default_value);
      into.configs.push_back(std::move(setting));
    }
  }

  void describe_broker(const DescribeConfigsResource& wanted, DescribeConfigsResult& into) {
    if (!wanted.resource_name.empty() && wanted.resource_name != std::to_string(node_id.value)) {
      into.error_code = broker_error::invalid_request;
      into.error_message = "Unexpected broker id, expected " + std::to_string(node_id.value) +
                           " or empty string, but received " + shortened(wanted.resource_name);
      return;
    }
    const auto add = [&](std::string_view name, std::string value, SettingType type,
                         std::string_view documentation) {
      if (!is_wanted(wanted, name)) return;
      DescribeConfigsResourceResult setting = setting_of(name, value, type, documentation);
      setting.read_only = true;
      add_source(setting, config_source::broker_file, value);
      into.configs.push_back(std::move(setting));
    };
    add("auto.create.topics.enable", settings_.auto_create_topics ? "true" : "false",
        SettingType::boolean, "Topics are created on first use, with one partition");
    add("default.replication.factor", "1", SettingType::number32, "There is one node");
    add("log.dirs", settings_.data_directory, SettingType::string, "Directory of the data");
    add("log.message.timestamp.after.max.ms", std::to_string(settings_.max_timestamp_after.count()),
        SettingType::number64, "How far a record's time may lie after the node's");
    add("log.message.timestamp.before.max.ms",
        std::to_string(settings_.max_timestamp_before.count()), SettingType::number64,
        "How far a record's time may lie before the node's");
    add("max.connections", std::to_string(settings_.max_connections), SettingType::number32,
        "Connections above it are closed at once");
    add("node.id", std::to_string(node_id.value), SettingType::number32, "The node's id");
    add("num.partitions", "1", SettingType::number32, "Partitions of a topic by default");
    add("offsets.retention.minutes",
        std::to_string(
            std::chrono::duration_cast<std::chrono::minutes>(limits::offsets_retention).count()),
        SettingType::number32, "How long the offsets of a group without members are kept");
    add("socket.request.max.bytes", std::to_string(settings_.max_request_bytes),
        SettingType::number32, "The largest request");
  }

  DescribeConfigsResourceResult setting_of(std::string_view name, std::string_view value,
                                           SettingType type, std::string_view documentation) const {
    DescribeConfigsResourceResult setting;
    setting.name = name;
    setting.value = value;
    setting.config_type = static_cast<std::int8_t>(type);
    setting.documentation.reset();
    if (request_.include_documentation) setting.documentation = documentation;
    return setting;
  }

  // The first source is the effective one.
  void add_source(DescribeConfigsResourceResult& setting, std::int8_t source,
                  std::string_view value) const {
    if (setting.config_source == DescribeConfigsResourceResult().config_source)
      setting.config_source = source;
    if (request_.include_synonyms) {
      setting.synonyms.push_back({setting.name, std::string(value), source});
    }
  }

  const NodeSettings& settings_;
  Storage& storage_;
  const Call& call_;
  const wire::DescribeConfigsRequest& request_;
};

}  // namespace

void handle(Call& call, wire::DescribeConfigsRequest request) {
  wire::DescribeConfigsResponse response;
  Describing describing(call.node, call, request);
  for (const DescribeConfigsResource& wanted : request.resources) {
    response.results.push_back(describing.describe(wanted));
  }
  call.responder.answer(response);
}

}  // namespace dohle::node
