#include <algorithm>
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

struct GroupArguments {
  ConnectionFlags connection;
  OutputFormat format = OutputFormat::text;
  std::vector<std::string> ids;
};

int list(const GroupArguments& arguments, Client& client) {
  auto groups = client.admin().list_groups();
  if (!groups) return report("group list", groups.error());
  std::ranges::sort(*groups, {}, &GroupListing::group_id);
  const bool is_wide = arguments.format == OutputFormat::wide;
  Table table(is_wide ? std::vector<std::string>{"GROUP", "STATE", "PROTOCOL", "TYPE"}
                      : std::vector<std::string>{"GROUP", "STATE", "PROTOCOL"});
  Json json = Json::array();
  for (const GroupListing& group : *groups) {
    // A narrow table shows only the first cells.
    table.add(
        {group.group_id, group.state, group.protocol_type, std::string(to_string(group.type))});
    json.push_back({{"group", group.group_id},
                    {"state", group.state},
                    {"protocol_type", group.protocol_type},
                    {"type", to_string(group.type)}});
  }
  if (is_document(arguments.format)) return print(json, arguments.format);
  return write_out(table.to_string()) ? exit_ok : exit_failed;
}

/// A partition with a committed offset or an assigned member of the group.
struct Share {
  Offset committed;
  Offset end;
  const GroupMemberDescription* member = nullptr;

  /// Absent without both offsets. Never negative, since the end is queried after the commits.
  [[nodiscard]] std::optional<std::int64_t> lag() const {
    if (committed.is_none() || end.is_none()) return std::nullopt;
    return std::max<std::int64_t>(end - committed, 0);
  }
};
using Shares = std::map<TopicPartition, Share>;

Result<Shares> shares_of(Admin& admin, const GroupDescription& group) {
  Shares shares;
  auto offsets = admin.group_offsets(group.group_id);
  if (!offsets) return fail(offsets.error());
  for (const GroupOffset& each : *offsets) shares[each.partition].committed = each.offset;
  for (const GroupMemberDescription& member : group.members) {
    for (const TopicPartition& partition : member.assignment) shares[partition].member = &member;
  }
  std::vector<OffsetQuery> queries;
  for (const auto& [partition, share] : shares)
    queries.push_back({partition, OffsetSpec::latest()});
  if (queries.empty()) return shares;
  auto ends = admin.list_offsets(std::move(queries));
  if (!ends) return fail(ends.error());
  for (const OffsetAnswer& answer : *ends) {
    if (answer.result) shares[answer.partition].end = answer.result->offset;
  }
  return shares;
}

std::string shown(Offset offset) {
  return offset.is_none() ? "-" : fmt::to_string(offset.value);
}

std::string text_of(const GroupDescription& group, const Shares& shares, bool is_wide) {
  std::int64_t total = 0;
  std::vector<std::string> headings = {"TOPIC", "PARTITION", "COMMITTED", "END",
                                       "LAG",   "MEMBER",    "HOST"};
  if (is_wide) headings.insert(headings.end(), {"CLIENT", "INSTANCE"});
  Table table(std::move(headings));
  for (const auto& [partition, share] : shares) {
    total += share.lag().value_or(0);
    table.add({partition.topic, fmt::to_string(partition.partition.value), shown(share.committed),
               shown(share.end), share.lag() ? fmt::to_string(*share.lag()) : "-",
               share.member != nullptr ? share.member->member_id : "-",
               share.member != nullptr ? share.member->client_host : "-",
               share.member != nullptr ? share.member->client_id : "-",
               share.member != nullptr ? share.member->group_instance_id : "-"});
  }
  std::string text =
      printable(fmt::format("{}  {}, {}, assignor {}, coordinator {}, lag {}", group.group_id,
                            group.state, counted(group.members.size(), "member"),
                            group.assignor.empty() ? "-" : group.assignor, group.coordinator.value,
                            total)) +
      "\n";
  return table.empty() ? text : text + table.to_string();
}

Json json_of(Offset offset) {
  return offset.is_none() ? Json(nullptr) : Json(offset.value);
}

Json json_of(const GroupDescription& group, const Shares& shares) {
  Json json = {{"group", group.group_id},
               {"state", group.state},
               {"protocol_type", group.protocol_type},
               {"type", to_string(group.type)},
               {"assignor", group.assignor},
               {"coordinator", group.coordinator.value},
               {"members", Json::array()},
               {"partitions", Json::array()}};
  for (const GroupMemberDescription& member : group.members) {
    json["members"].push_back({{"member_id", member.member_id},
                               {"instance_id", member.group_instance_id},
                               {"client_id", member.client_id},
                               {"host", member.client_host}});
  }
  for (const auto& [partition, share] : shares) {
    json["partitions"].push_back(
        {{"topic", partition.topic},
         {"partition", partition.partition.value},
         {"committed_offset", json_of(share.committed)},
         {"end_offset", json_of(share.end)},
         {"lag", share.lag() ? Json(*share.lag()) : Json(nullptr)},
         {"member_id", share.member != nullptr ? Json(share.member->member_id) : Json(nullptr)}});
  }
  return json;
}

/// Servers describe an unknown group as dead instead of returning an error.
Result<Shares> known_shares(Admin& admin, const Result<GroupDescription>& group) {
  if (!group) return fail(group.error());
  auto shares = shares_of(admin, *group);
  if (shares && shares->empty() && group->state == "Dead") {
    return fail(
        Error::client(Errc::not_found, fmt::format("there is no group {}", group->group_id)));
  }
  return shares;
}

int describe(const GroupArguments& arguments, Client& client) {
  Admin admin = client.admin();
  auto groups = admin.describe_groups(arguments.ids);
  if (!groups) return report("group describe", groups.error());
  int status = exit_ok;
  Json json = Json::array();
  for (const auto& [id, group] : *groups) {
    const auto shares = known_shares(admin, group);
    if (!shares) {
      status = first_failure(status, report("group describe", shares.error()));
      json.push_back({{"group", id}, {"error", std::string(shares.error().message())}});
    } else if (is_document(arguments.format)) {
      json.push_back(json_of(*group, *shares));
    } else {
      write_out(text_of(*group, *shares, arguments.format == OutputFormat::wide));
    }
  }
  if (is_document(arguments.format)) print(json, arguments.format);
  return status;
}

}  // namespace

void add_group_command(CLI::App& app, std::function<int()>& run) {
  CLI::App* group = app.add_subcommand("group", "List and describe consumer groups");
  group->footer("Examples:\n  dohle group list\n  dohle group describe billing");
  auto arguments = std::make_shared<GroupArguments>();

  CLI::App* lists = group->add_subcommand("list", "List all groups");
  add_connection_flags(*lists, arguments->connection);
  add_output_format(*lists, arguments->format);
  lists->footer("Example:\n  dohle group list --format json");
  lists->callback([arguments, &run] {
    run = [arguments] {
      return with_client("group list", arguments->connection,
                         [&](Client& client) { return list(*arguments, client); });
    };
  });

  CLI::App* describes = group->add_subcommand("describe", "Show members, offsets and lag");
  add_connection_flags(*describes, arguments->connection);
  add_output_format(*describes, arguments->format);
  describes->add_option("GROUP", arguments->ids, "Names of the groups")->required();
  describes->footer("Example:\n  dohle group describe billing");
  describes->callback([arguments, &run] {
    run = [arguments] {
      return with_client("group describe", arguments->connection,
                         [&](Client& client) { return describe(*arguments, client); });
    };
  });
}

}  // namespace dohle::tools
