#include <unistd.h>

#include <algorithm>
#include <array>
#include <chrono>
#include <map>
#include <memory>
#include <set>

#include <fmt/format.h>

#include "base/topic_name.hpp"
#include "dohle/admin.hpp"
#include "dohle/consumer.hpp"
#include "tools/commands/commands.hpp"
#include "tools/commands/connection.hpp"
#include "tools/commands/flags.hpp"
#include "tools/commands/offset_range.hpp"
#include "tools/commands/table.hpp"
#include "tools/commands/terminal.hpp"
#include "tools/records/record_format.hpp"
#include "tools/records/record_json.hpp"

namespace dohle::tools {

namespace {

// Short, so that an interrupt is noticed; fetches continue in the background.
constexpr std::chrono::milliseconds poll_time{200};
constexpr std::chrono::seconds commit_interval{5};
constexpr std::size_t max_output_bytes = 64 << 10;

struct ConsumeArguments {
  ConnectionFlags connection;
  std::vector<std::string> topics;
  OffsetRange range{.from = AfterStart{}};
  std::vector<std::int32_t> partitions;
  std::string group;
  std::optional<std::uint64_t> max_records;
  /// If absent, JSON.
  std::optional<RecordFormat> format = *RecordFormat::parse("%v\\n");
  bool stops_at_end = false;
};

/// The offsets at which reading of a partition starts and, if `to` is set, ends.
struct Span {
  Offset from;
  std::optional<Offset> to;
};
using Spans = std::map<TopicPartition, Span>;

// --- partitions and offsets ---

Result<std::vector<TopicPartition>> partitions_of(const ConsumeArguments& arguments, Admin& admin) {
  auto topics = admin.describe_topics(arguments.topics);
  if (!topics) return fail(topics.error());
  std::vector<TopicPartition> partitions;
  for (const auto& [name, topic] : *topics) {
    if (!topic) return fail(topic.error());
    std::set<std::int32_t> there;
    for (const auto& each : topic->partitions) there.insert(each.partition.value);
    for (const std::int32_t wanted : arguments.partitions) {
      if (!there.contains(wanted)) {
        return fail(Error::client(Errc::no_such_partition,
                                  fmt::format("{} has no partition {}, only 0 to {}", name, wanted,
                                              static_cast<int>(there.size()) - 1)));
      }
    }
    if (!arguments.partitions.empty()) {
      there = {arguments.partitions.begin(), arguments.partitions.end()};
    }
    for (const std::int32_t each : there) partitions.push_back({name, PartitionId{each}});
  }
  return partitions;
}

Result<std::map<TopicPartition, Offset>> offsets_at(const std::vector<TopicPartition>& partitions,
                                                    const OffsetSpec& at, Admin& admin) {
  std::vector<OffsetQuery> queries;
  for (const TopicPartition& partition : partitions) queries.push_back({partition, at});
  auto answers = admin.list_offsets(std::move(queries));
  if (!answers) return fail(answers.error());
  std::map<TopicPartition, Offset> offsets;
  for (const OffsetAnswer& answer : *answers) {
    if (!answer.result) return fail(answer.result.error());
    offsets[answer.partition] = answer.result->offset;
  }
  return offsets;
}

/// True if the group has removed this member, which rejoins by itself.
bool is_lost_membership(const Error& why) {
  constexpr std::array<std::int16_t, 3> codes = {22, 25,
                                                 27};  // illegal generation, unknown, rebalancing
  return why.is(Errc::not_owner) ||
         std::ranges::any_of(codes, [&](std::int16_t code) { return why.is_broker(code); });
}

/// Warns about partitions that do not have the requested offset, with the offset where reading
/// starts instead.
void warn_of_moved(Offset wanted, const std::map<TopicPartition, Offset>& from,
                   const std::map<TopicPartition, Offset>& ends) {
  const auto is_moved = [&](const auto& entry) { return entry.second != wanted; };
  const auto first = std::ranges::find_if(from, is_moved);
  if (first == from.end()) return;
  const auto& [partition, offset] = *first;
  const auto others = std::ranges::count_if(from, is_moved) - 1;
  fmt::print(stderr, "dohle consume: {} {} offset {}, so reading begins at {}{}\n",
             printable(partition_name(partition.topic, partition.partition)),
             offset == ends.at(partition) ? "ends before" : "no longer has", wanted.value,
             offset.value, others == 0 ? "" : fmt::format("; the same holds for {} more", others));
}

Result<Spans> spans_of(const ConsumeArguments& arguments,
                       const std::vector<TopicPartition>& partitions, Admin& admin) {
  auto starts = offsets_at(partitions, OffsetSpec::earliest(), admin);
  if (!starts) return fail(starts.error());
  auto ends = offsets_at(partitions, OffsetSpec::latest(), admin);
  if (!ends) return fail(ends.error());
  const auto resolved = [&](const OffsetPoint& point) -> Result<std::map<TopicPartition, Offset>> {
    std::map<TopicPartition, Offset> at_time;
    if (const auto* time = std::get_if<Timestamp>(&point)) {
      auto found = offsets_at(partitions, OffsetSpec::at(*time), admin);
      if (!found) return fail(found.error());
      at_time = *std::move(found);
    }
    std::map<TopicPartition, Offset> offsets;
    for (const TopicPartition& partition : partitions) {
      offsets[partition] =
          resolve(point, {(*starts)[partition], (*ends)[partition]}, at_time[partition]);
    }
    return offsets;
  };
  auto from = resolved(arguments.range.from);
  if (!from) return fail(from.error());
  const auto* const exact = std::get_if<Offset>(&arguments.range.from);
  if (exact != nullptr && !arguments.connection.is_quiet) warn_of_moved(*exact, *from, *ends);
  Spans spans;
  for (const TopicPartition& partition : partitions) spans[partition].from = (*from)[partition];
  if (!arguments.range.to && !arguments.stops_at_end) return spans;
  auto to = resolved(arguments.range.to.value_or(BeforeEnd{}));
  if (!to) return fail(to.error());
  for (const TopicPartition& partition : partitions) spans[partition].to = (*to)[partition];
  return spans;
}

// --- reading ---

class Consuming {
 public:
  Consuming(const ConsumeArguments& arguments, Consumer& consumer, Spans spans)
      : arguments_(arguments),
        consumer_(consumer),
        spans_(std::move(spans)),
        progress_(arguments.connection.is_quiet, STDOUT_FILENO) {}

  int run() {
    if (auto started = start(); !started) return report("consume", started.error());
    auto read = read_all();
    if (!write_pending() || is_cut_short_) {
      return Interrupt::is_set() && is_all_written() ? exit_interrupted : exit_failed;
    }
    progress_.clear();
    if (read && is_grouped()) read = commit();
    // If leaving the group fails, the group removes the member after its session timeout.
    const auto closed = consumer_.close(std::chrono::seconds(5));
    if (read && !closed) read = closed;
    if (!read) return report("consume", read.error());
    return Interrupt::is_set() ? exit_interrupted : exit_ok;
  }

 private:
  [[nodiscard]] bool is_grouped() const { return !arguments_.group.empty(); }

  Result<void> start() {
    if (is_grouped()) {
      RebalanceListener listener;
      listener.on_revoked = [this](std::span<const TopicPartition>) {
        if (auto committed = commit(); !committed) report("consume", committed.error());
      };
      listener.on_lost = [this](std::span<const TopicPartition>) { next_.clear(); };
      return consumer_.subscribe(arguments_.topics, std::move(listener));
    }
    std::vector<TopicPartition> all;
    for (const auto& [partition, span] : spans_) all.push_back(partition);
    if (auto assigned = consumer_.assign(std::move(all)); !assigned) return assigned;
    for (const auto& [partition, span] : spans_) {
      if (auto sought = consumer_.seek(partition, span.from); !sought) return sought;
    }
    return {};
  }

  Result<void> read_all() {
    while (!Interrupt::is_set() && !has_enough() && !is_at_end()) {
      auto records = consumer_.poll(poll_time);
      if (!records) {
        if (!is_grouped()) return fail(records.error());
        if (auto goes_on = go_on_after(records.error(), {}); !goes_on) return goes_on;
        (void)Interrupt::sleep_until(std::chrono::steady_clock::now() + poll_time);
        continue;
      }
      for (const ConsumerRecord& record : *records) {
        if (!take(record) || has_enough()) return {};
      }
      if (const Error* error = records->error()) return fail(*error);
      if (!write_pending()) return {};
      if (progress_.is_due()) progress_.show(fmt::format("{} records", taken_));
      if (auto committed = commit_if_due(); !committed) return committed;
    }
    return {};
  }

  /// A failed commit does not end the reading: it is retried, or the group has assigned the
  /// partitions to other members, which continue from the last commit.
  Result<void> go_on_after(const Error& why, std::map<TopicPartition, OffsetAndMetadata> offsets) {
    if (why.is_fatal() || !(why.is_retriable() || is_lost_membership(why))) return fail(why);
    if (!is_lost_membership(why)) next_.merge(offsets);
    if (!arguments_.connection.is_quiet) {
      say(fmt::format("dohle consume: {}; reading continues", printable(why.message())));
    }
    return {};
  }

  [[nodiscard]] bool has_enough() const {
    return arguments_.max_records && taken_ >= *arguments_.max_records;
  }

  bool take(const ConsumerRecord& record) {
    const TopicPartition partition{std::string(record.topic), record.partition};
    const auto span = spans_.find(partition);
    if (span != spans_.end() && span->second.to && record.offset >= *span->second.to) return true;
    if (arguments_.format) {
      arguments_.format->append(record, pending_);
    } else {
      pending_ += to_json(record) + '\n';
    }
    ++taken_;
    if (is_grouped()) next_[partition] = {record.offset + 1, record.leader_epoch, {}};
    return pending_.size() < max_output_bytes || write_pending();
  }

  bool write_pending() {
    const bool is_written = write_out(pending_);
    pending_.clear();
    is_cut_short_ = is_cut_short_ || !is_written;
    return is_written;
  }

  /// True if each partition has an end and has reached it; in a group, each assigned partition.
  bool is_at_end() {
    const auto ours = consumer_.assignment();
    if (ours.empty()) return false;
    return std::ranges::all_of(ours, [&](const TopicPartition& partition) {
      const auto span = spans_.find(partition);
      if (span == spans_.end() || !span->second.to) return false;
      if (!is_grouped() && span->second.from >= *span->second.to) return true;
      const auto position = consumer_.position(partition);
      return position && *position >= *span->second.to;
    });
  }

  Result<void> commit_if_due() {
    const auto now = std::chrono::steady_clock::now();
    if (!is_grouped() || now - last_commit_ < commit_interval) return {};
    last_commit_ = now;
    auto offsets = next_;
    const auto committed = commit();
    return committed ? committed : go_on_after(committed.error(), std::move(offsets));
  }

  /// Commits the offsets of the records written to standard output only.
  Result<void> commit() {
    if (next_.empty()) return {};
    std::vector<PartitionOffset> offsets;
    for (auto& [partition, next] : next_) offsets.push_back({partition, next});
    next_.clear();
    return consumer_.commit_sync(std::move(offsets));
  }

  const ConsumeArguments& arguments_;
  Consumer& consumer_;
  Spans spans_;
  ProgressLine progress_;
  std::string pending_;
  /// True if some taken records were not written: no further commit is allowed.
  bool is_cut_short_ = false;
  std::uint64_t taken_ = 0;
  std::map<TopicPartition, OffsetAndMetadata> next_;
  std::chrono::steady_clock::time_point last_commit_ = std::chrono::steady_clock::now();
};

std::string why_not(const ConsumeArguments& arguments) {
  if (arguments.group.empty()) return {};
  if (!arguments.partitions.empty())
    return "-p cannot be used with -g: the group assigns the partitions";
  const OffsetRange& range = arguments.range;
  const bool is_plain =
      range.from == OffsetPoint(AfterStart{}) || range.from == OffsetPoint(BeforeEnd{});
  if (!is_plain || range.to) {
    return "with -g, -o must be start or end: it applies to partitions without a committed offset";
  }
  return {};
}

int refuse(const std::string& why) {
  fmt::print(stderr, "dohle consume: {}\n", why);
  return exit_usage;
}

int consume(ConsumeArguments arguments, Client& client, const ConnectionSettings& settings) {
  const auto& properties = settings.properties.values();
  if (const auto group = properties.find("group.id");
      arguments.group.empty() && group != properties.end()) {
    arguments.group = group->second;
    if (const std::string why = why_not(arguments); !why.empty()) return refuse(why);
  }
  Admin admin = client.admin();
  const auto partitions = partitions_of(arguments, admin);
  if (!partitions) return report("consume", partitions.error());
  auto spans = spans_of(arguments, *partitions, admin);
  if (!spans) return report("consume", spans.error());
  const bool starts_at_end = std::holds_alternative<BeforeEnd>(arguments.range.from);
  ConsumerOptions options{.offset_reset =
                              starts_at_end ? OffsetReset::latest : OffsetReset::earliest};
  options.default_api_timeout = settings.client.default_api_timeout;
  settings.properties.apply_to(options);
  options.group_id = arguments.group;
  options.auto_commit = false;
  auto consumer = client.consumer(std::move(options));
  if (!consumer) return report("consume", consumer.error());
  const Interrupt interrupt;
  return Consuming(arguments, *consumer, *std::move(spans)).run();
}

// --- the grammar ---

int run_consume(const ConsumeArguments& arguments) {
  if (const std::string why = why_not(arguments); !why.empty()) return refuse(why);
  return with_client("consume", arguments.connection,
                     [&](Client& client, const ConnectionSettings& settings) {
                       return consume(arguments, client, settings);
                     });
}

Result<std::optional<RecordFormat>> parse_format(std::string_view text) {
  if (text == "json") return std::optional<RecordFormat>();
  auto format = RecordFormat::parse(text == "text" ? "%v\\n" : text);
  if (!format) return fail(format.error());
  return std::optional(*std::move(format));
}

Result<OffsetRange> parse_range(std::string_view text) {
  return parse_offset_range(text, to_timestamp(std::chrono::system_clock::now()));
}

}  // namespace

void add_consume_command(CLI::App& app, std::function<int()>& run) {
  auto arguments = std::make_shared<ConsumeArguments>();
  CLI::App* command = app.add_subcommand("consume", "Write records to standard output");
  add_connection_flags(*command, arguments->connection, Role::consumer);
  command->add_option("TOPIC", arguments->topics, "Names of the topics")->required();
  add_parsed(
      *command, "-o,--offset", arguments->range, parse_range, "OFFSET",
      "start, end, 42, +10 after the start, -10 before the end, @-1h, @2026-11-24T10:30Z, or "
      "FROM:TO, which stops before TO [start]");
  add_repeated(
      *command, "-p,--partition", arguments->partitions,
      [](std::string_view text) -> Result<std::int32_t> {
        const auto number = parse_count(text, 0, 2'147'483'647);
        if (!number) return fail(number.error());
        return static_cast<std::int32_t>(*number);
      },
      "N", "Read only this partition; may be repeated");
  command
      ->add_option(
          "-g,--group", arguments->group,
          "Read as a member of this group; the offsets of written records are committed every "
          "5 s and at the end")
      ->type_name("NAME");
  add_count(*command, "-n,--number", arguments->max_records, 1,
            std::numeric_limits<std::int64_t>::max(), "Stop after N records");
  add_parsed(
      *command, "-f,--format", arguments->format, parse_format, "FORMAT|json",
      "%t topic, %p partition, %o offset, %d timestamp (%d{iso}), %k key, %v value (%v{hex}, "
      "%v{base64}), %K %V their sizes, %h{%k=%v } headers, %H their number, %e leader epoch; "
      "json: one object per line [%v\\n]");
  command->add_flag("-e,--exit-at-end", arguments->stops_at_end,
                    "Stop at the end that the partitions have when reading starts");
  command->footer(
      "Examples:\n"
      "  dohle consume orders -o -10:end -f '%p %o %k %v\\n'\n"
      "  dohle consume orders -o @-1h:end -f json\n"
      "  dohle consume orders -g billing -n 100");
  command->callback([arguments, &run] { run = [arguments] { return run_consume(*arguments); }; });
}

}  // namespace dohle::tools
