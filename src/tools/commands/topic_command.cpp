#include <map>
#include <memory>

#include <fmt/format.h>

#include "dohle/admin.hpp"
#include "tools/commands/commands.hpp"
#include "tools/commands/connection.hpp"
#include "tools/commands/counted.hpp"
#include "tools/commands/flags.hpp"
#include "tools/commands/json_output.hpp"
#include "tools/commands/table.hpp"
#include "tools/commands/terminal.hpp"

namespace dohle::tools {

namespace {

struct TopicArguments {
  ConnectionFlags connection;
  OutputFormat format = OutputFormat::text;
  std::vector<std::string> names;
  std::int32_t partitions = -1;
  std::int16_t replication = -1;
  std::vector<std::pair<std::string, std::string>> config;
  bool with_internal = false;
  bool is_dry_run = false;
  bool is_sure = false;
};
using Shared = std::shared_ptr<TopicArguments>;

// --- list ---

int list(const TopicArguments& arguments, Client& client) {
  auto topics = client.admin().list_topics();
  if (!topics) return report("topic list", topics.error());
  const bool is_wide = arguments.format == OutputFormat::wide;
  Table table(is_wide
                  ? std::vector<std::string>{"NAME", "PARTITIONS", "REPLICATION", "ID", "INTERNAL"}
                  : std::vector<std::string>{"NAME", "PARTITIONS", "REPLICATION"});
  Json json = Json::array();
  std::ranges::sort(*topics, {}, &TopicListing::name);
  for (const TopicListing& topic : *topics) {
    if (topic.is_internal && !arguments.with_internal) continue;
    // A narrow table shows only the first cells.
    table.add({topic.name, fmt::to_string(topic.partitions),
               fmt::to_string(topic.replication_factor), topic.id.to_string(),
               topic.is_internal ? "yes" : "no"});
    json.push_back({{"name", topic.name},
                    {"id", topic.id.to_string()},
                    {"internal", topic.is_internal},
                    {"partitions", topic.partitions},
                    {"replication_factor", topic.replication_factor}});
  }
  if (is_document(arguments.format)) return print(json, arguments.format);
  return write_out(table.to_string()) ? exit_ok : exit_failed;
}

// --- create ---

int create(const TopicArguments& arguments, Client& client) {
  std::vector<NewTopic> wanted;
  for (const std::string& name : arguments.names) {
    wanted.push_back({.name = name,
                      .partitions = arguments.partitions,
                      .replication_factor = arguments.replication,
                      .config = {arguments.config.begin(), arguments.config.end()}});
  }
  auto created =
      client.admin().create_topics(std::move(wanted), {.validate_only = arguments.is_dry_run});
  if (!created) return report("topic create", created.error());
  int status = exit_ok;
  Json json = Json::array();
  for (const auto& [name, result] : *created) {
    if (!result) {
      status = first_failure(status, report("topic create", result.error()));
      json.push_back({{"name", name}, {"error", std::string(result.error().message())}});
      continue;
    }
    json.push_back({{"name", name},
                    {"id", result->id.to_string()},
                    {"partitions", result->partitions},
                    {"replication_factor", result->replication_factor}});
    if (!is_document(arguments.format)) {
      write_out(fmt::format("{}{} with {}\n", arguments.is_dry_run ? "could create " : "created ",
                            printable(name),
                            counted(static_cast<std::uint64_t>(result->partitions), "partition")));
    }
  }
  if (is_document(arguments.format)) print(json, arguments.format);
  return status;
}

// --- add partitions ---

int add_partitions(const TopicArguments& arguments, Client& client) {
  std::vector<NewPartitions> wanted;
  for (const std::string& name : arguments.names) wanted.push_back({name, arguments.partitions});
  auto added =
      client.admin().create_partitions(std::move(wanted), {.validate_only = arguments.is_dry_run});
  if (!added) return report("topic add-partitions", added.error());
  int status = exit_ok;
  Json json = Json::array();
  for (const auto& [name, result] : *added) {
    if (!result) {
      status = first_failure(status, report("topic add-partitions", result.error()));
      json.push_back({{"name", name}, {"error", std::string(result.error().message())}});
      continue;
    }
    json.push_back({{"name", name}, {"partitions", arguments.partitions}});
    if (!is_document(arguments.format)) {
      write_out(
          fmt::format("{} {} {}\n", printable(name), arguments.is_dry_run ? "could have" : "has",
                      counted(static_cast<std::uint64_t>(arguments.partitions), "partition")));
    }
  }
  if (is_document(arguments.format)) print(json, arguments.format);
  return status;
}

// --- describe ---

using Offsets = std::map<TopicPartition, Offset>;

Offsets offsets_of(Admin& admin, const TopicDescription& topic, const OffsetSpec& at) {
  std::vector<OffsetQuery> queries;
  for (const auto& partition : topic.partitions) {
    queries.push_back({{topic.name, partition.partition}, at});
  }
  Offsets found;
  // Partitions without a leader have no offsets; the others are shown nevertheless.
  const auto answers = admin.list_offsets(std::move(queries));
  if (!answers) return found;
  for (const OffsetAnswer& answer : *answers) {
    if (answer.result) found[answer.partition] = answer.result->offset;
  }
  return found;
}

std::string shown(const Offsets& offsets, const TopicPartition& partition) {
  const auto found = offsets.find(partition);
  return found == offsets.end() ? "-" : fmt::to_string(found->second.value);
}

Json json_of(const Offsets& offsets, const TopicPartition& partition) {
  const auto found = offsets.find(partition);
  return found == offsets.end() ? Json(nullptr) : Json(found->second.value);
}

std::vector<std::int32_t> numbers(const std::vector<NodeId>& nodes) {
  std::vector<std::int32_t> all;
  for (const NodeId node : nodes) all.push_back(node.value);
  return all;
}

std::string text_of(const TopicDescription& topic, const std::vector<ConfigEntry>& config,
                    const Offsets& starts, const Offsets& ends) {
  std::string text = fmt::format("{}  id {}, {}{}\n", printable(topic.name), topic.id.to_string(),
                                 counted(topic.partitions.size(), "partition"),
                                 topic.is_internal ? ", internal" : "");
  for (const ConfigEntry& entry : config) {
    if (!entry.is_default) {
      text +=
          printable(fmt::format("  {}={}", entry.name, entry.value.value_or("(hidden)"))) + "\n";
    }
  }
  Table table({"PARTITION", "LEADER", "EPOCH", "REPLICAS", "IN SYNC", "START", "END"});
  for (const auto& partition : topic.partitions) {
    const TopicPartition where{topic.name, partition.partition};
    table.add({fmt::to_string(partition.partition.value),
               partition.leader.is_none() ? "none" : fmt::to_string(partition.leader.value),
               fmt::to_string(partition.leader_epoch.value),
               fmt::format("{}", fmt::join(numbers(partition.replicas), ",")),
               fmt::format("{}", fmt::join(numbers(partition.in_sync_replicas), ",")),
               shown(starts, where), shown(ends, where)});
  }
  return text + table.to_string();
}

Json json_of(const TopicDescription& topic, const std::vector<ConfigEntry>& config,
             const Offsets& starts, const Offsets& ends) {
  Json json = {{"name", topic.name},
               {"id", topic.id.to_string()},
               {"internal", topic.is_internal},
               {"partitions", Json::array()},
               {"config", Json::object()}};
  for (const auto& partition : topic.partitions) {
    const TopicPartition where{topic.name, partition.partition};
    json["partitions"].push_back({{"partition", partition.partition.value},
                                  {"leader", partition.leader.value},
                                  {"leader_epoch", partition.leader_epoch.value},
                                  {"replicas", numbers(partition.replicas)},
                                  {"in_sync_replicas", numbers(partition.in_sync_replicas)},
                                  {"offline_replicas", numbers(partition.offline_replicas)},
                                  {"start_offset", json_of(starts, where)},
                                  {"end_offset", json_of(ends, where)}});
  }
  for (const ConfigEntry& entry : config) {
    json["config"][entry.name] = {{"value", entry.value ? Json(*entry.value) : Json(nullptr)},
                                  {"default", entry.is_default}};
  }
  return json;
}

Result<std::vector<ConfigEntry>> config_of(Admin& admin, const std::string& topic) {
  auto configs = admin.describe_configs({{ConfigResourceType::topic, topic}});
  if (!configs) return fail(configs.error());
  return std::move(configs->front().result);
}

int describe(const TopicArguments& arguments, Client& client) {
  Admin admin = client.admin();
  auto topics = admin.describe_topics(arguments.names);
  if (!topics) return report("topic describe", topics.error());
  int status = exit_ok;
  Json json = Json::array();
  for (auto& [name, topic] : *topics) {
    if (!topic) {
      status = first_failure(status, report("topic describe", topic.error()));
      json.push_back({{"name", name}, {"error", std::string(topic.error().message())}});
      continue;
    }
    auto config = config_of(admin, name);
    if (!config) {
      status = first_failure(status, report("topic describe", config.error()));
      config = std::vector<ConfigEntry>{};
    }
    std::ranges::sort(topic->partitions, {}, &PartitionDescription::partition);
    const Offsets starts = offsets_of(admin, *topic, OffsetSpec::earliest());
    const Offsets ends = offsets_of(admin, *topic, OffsetSpec::latest());
    if (is_document(arguments.format)) {
      json.push_back(json_of(*topic, *config, starts, ends));
    } else {
      write_out(text_of(*topic, *config, starts, ends));
    }
  }
  if (is_document(arguments.format)) print(json, arguments.format);
  return status;
}

// --- delete ---

int remove(const TopicArguments& arguments, Client& client) {
  auto deleted = client.admin().delete_topics(arguments.names);
  if (!deleted) return report("topic delete", deleted.error());
  int status = exit_ok;
  Json json = Json::array();
  for (const auto& [name, result] : *deleted) {
    Json item = {{"name", name}, {"deleted", result.has_value()}};
    if (!result) {
      status = first_failure(status, report("topic delete", result.error()));
      item["error"] = std::string(result.error().message());
    } else if (!is_document(arguments.format)) {
      write_out(fmt::format("deleted {}\n", printable(name)));
    }
    json.push_back(std::move(item));
  }
  if (is_document(arguments.format)) print(json, arguments.format);
  return status;
}

int delete_if_sure(const TopicArguments& arguments) {
  const std::string question =
      fmt::format("Delete {} with all records?",
                  printable(fmt::format("{}", fmt::join(arguments.names, ", "))));
  if (!arguments.is_sure && !confirm("topic delete", question)) return exit_usage;
  return with_client("topic delete", arguments.connection,
                     [&](Client& client) { return remove(arguments, client); });
}

// --- the grammar ---

CLI::App* add_verb(CLI::App& topic, const char* verb, const char* help, const Shared& arguments) {
  CLI::App* command = topic.add_subcommand(verb, help);
  add_connection_flags(*command, arguments->connection);
  add_output_format(*command, arguments->format);
  return command;
}

void add_create(CLI::App& topic, std::function<int()>& run) {
  auto arguments = std::make_shared<TopicArguments>();
  CLI::App* command = add_verb(topic, "create", "Create topics", arguments);
  command->add_option("TOPIC", arguments->names, "Names of the topics")->required();
  add_count(*command, "-p,--partitions", arguments->partitions, 1, 100'000,
            "Partitions of each topic, 1 to 100000 [the cluster's default]");
  add_count(*command, "-r,--replication", arguments->replication, 1, 1000,
            "Replicas of each partition, 1 to 1000 [the cluster's default]");
  add_repeated(
      *command, "-c,--topic-config", arguments->config,
      [](std::string_view text) { return parse_named(text, '='); }, "NAME=VALUE",
      "A setting of each topic, as retention.ms=3600000; may be repeated");
  command->add_flag("--dry-run", arguments->is_dry_run, "Check the request, create nothing");
  command->footer("Example:\n  dohle topic create orders -p 6 -c retention.ms=3600000");
  command->callback([arguments, &run] {
    run = [arguments] {
      return with_client("topic create", arguments->connection,
                         [&](Client& client) { return create(*arguments, client); });
    };
  });
}

void add_add_partitions(CLI::App& topic, std::function<int()>& run) {
  auto arguments = std::make_shared<TopicArguments>();
  CLI::App* command = add_verb(
      topic, "add-partitions",
      "Add partitions to topics. Records with a key may go to other partitions from then on",
      arguments);
  command->add_option("TOPIC", arguments->names, "Names of the topics")->required();
  add_count(*command, "-t,--total", arguments->partitions, 2, 100'000,
            "Partitions of each topic afterwards, 2 to 100000; more than it has")
      ->required();
  command->add_flag("--dry-run", arguments->is_dry_run, "Check the request, add nothing");
  command->footer("Example:\n  dohle topic add-partitions orders --total 12");
  command->callback([arguments, &run] {
    run = [arguments] {
      return with_client("topic add-partitions", arguments->connection,
                         [&](Client& client) { return add_partitions(*arguments, client); });
    };
  });
}

void add_list(CLI::App& topic, std::function<int()>& run) {
  auto arguments = std::make_shared<TopicArguments>();
  CLI::App* command = add_verb(topic, "list", "List all topics", arguments);
  command->add_flag("--internal", arguments->with_internal, "Include the servers' internal topics");
  command->footer("Example:\n  dohle topic list --format wide");
  command->callback([arguments, &run] {
    run = [arguments] {
      return with_client("topic list", arguments->connection,
                         [&](Client& client) { return list(*arguments, client); });
    };
  });
}

void add_describe(CLI::App& topic, std::function<int()>& run) {
  auto arguments = std::make_shared<TopicArguments>();
  CLI::App* command =
      add_verb(topic, "describe", "Show partitions, offsets, and settings that are not the default",
               arguments);
  command->add_option("TOPIC", arguments->names, "Names of the topics")->required();
  command->footer("Example:\n  dohle topic describe orders --format json");
  command->callback([arguments, &run] {
    run = [arguments] {
      return with_client("topic describe", arguments->connection,
                         [&](Client& client) { return describe(*arguments, client); });
    };
  });
}

void add_delete(CLI::App& topic, std::function<int()>& run) {
  auto arguments = std::make_shared<TopicArguments>();
  CLI::App* command = add_verb(topic, "delete", "Delete topics with all records", arguments);
  command->add_option("TOPIC", arguments->names, "Names of the topics")->required();
  command->add_flag("-y,--yes", arguments->is_sure, "Do not ask; required without a terminal");
  command->footer("Example:\n  dohle topic delete orders --yes");
  command->callback(
      [arguments, &run] { run = [arguments] { return delete_if_sure(*arguments); }; });
}

}  // namespace

void add_topic_command(CLI::App& app, std::function<int()>& run) {
  CLI::App* topic =
      app.add_subcommand("topic", "Create, list, describe, enlarge and delete topics");
  topic->footer(
      "Examples:\n"
      "  dohle topic create orders -p 6\n"
      "  dohle topic list\n"
      "  dohle topic describe orders\n"
      "  dohle topic add-partitions orders --total 12\n"
      "  dohle topic delete orders --yes");
  add_create(*topic, run);
  add_list(*topic, run);
  add_describe(*topic, run);
  add_add_partitions(*topic, run);
  add_delete(*topic, run);
}

}  // namespace dohle::tools
