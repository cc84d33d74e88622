#include <limits>
#include <memory>

#include <fmt/format.h>

#include "dohle/admin.hpp"
#include "dohle/option_texts.hpp"
#include "tools/bench/bench.hpp"
#include "tools/commands/commands.hpp"
#include "tools/commands/counted.hpp"
#include "tools/commands/flags.hpp"
#include "tools/commands/terminal.hpp"

namespace dohle::tools {

namespace {

constexpr std::int16_t broker_unknown_topic = 3, broker_topic_already_exists = 36;

using Measure = Result<Measurement> (*)(const BenchArguments&, Client&);

struct Subject {
  const char* name;
  /// The words for --records in the help and for the counted records in the result.
  const char* task;
  const char* verb;
  Measure measure;
};

/// Creates the topic if it is missing and --partitions is given. Then checks its number of
/// partitions.
Result<void> prepare_topic(const BenchArguments& arguments, Client& client) {
  Admin admin = client.admin();
  if (arguments.partitions > 0) {
    auto created =
        admin.create_topics({{.name = arguments.topic, .partitions = arguments.partitions}});
    if (!created) return fail(created.error());
    for (const auto& [name, result] : *created) {
      if (!result && !result.error().is_broker(broker_topic_already_exists)) {
        return fail(result.error());
      }
    }
  }
  auto described = admin.describe_topics({arguments.topic});
  if (!described) return fail(described.error());
  for (const auto& [name, topic] : *described) {
    if (!topic && topic.error().is_broker(broker_unknown_topic)) {
      return fail(Error::client(
          Errc::not_found, fmt::format("topic {} does not exist; --partitions creates it", name)));
    }
    if (!topic) return fail(topic.error());
    if (arguments.partitions > 0 &&
        std::cmp_not_equal(topic->partitions.size(), arguments.partitions)) {
      return fail(Error::client(
          Errc::invalid_argument,
          fmt::format("topic {} has {}, not the {} of --partitions", name,
                      counted(topic->partitions.size(), "partition"), arguments.partitions)));
    }
  }
  return {};
}

int run_bench(BenchArguments arguments, const Subject& subject) {
  const std::string command = fmt::format("bench {}", subject.name);
  return with_client(
      command, arguments.connection, [&](Client& client, const ConnectionSettings& settings) {
        arguments.properties = settings.properties;
        if (auto prepared = prepare_topic(arguments, client); !prepared) {
          return report(command, prepared.error());
        }
        const Interrupt interrupt;
        const auto measured = subject.measure(arguments, client);
        if (!measured) {
          const int status = report(command, measured.error());
          return Interrupt::is_set() ? exit_interrupted : status;
        }
        write_out(arguments.is_json ? to_json(*measured) + "\n" : to_text(*measured, subject.verb));
        if (Interrupt::is_set()) return exit_interrupted;
        return measured->failed > 0 ? exit_failed : exit_ok;
      });
}

auto duration_up_to(std::string_view most) {
  return [most](std::string_view text) -> Result<std::chrono::microseconds> {
    auto span = parse_duration(text);
    if (span && *span > *parse_duration(most)) {
      return fail(
          Error::configuration(fmt::format("\"{}\" is not a duration from 0 to {}", text, most)));
    }
    return span;
  };
}

CLI::App* add_subject(CLI::App& bench, const Subject& subject, const char* help,
                      const std::shared_ptr<BenchArguments>& arguments, Role role,
                      std::function<int()>& run) {
  CLI::App* command = bench.add_subcommand(subject.name, help);
  add_connection_flags(*command, arguments->connection, role);
  command->add_option("--topic", arguments->topic, "The topic to measure with")
      ->type_name("NAME")
      ->required();
  add_count(*command, "--records", arguments->records, 1, 1'000'000'000'000,
            fmt::format("Number of records {}, 1 to 1000000000000 [{}]", subject.task,
                        arguments->records));
  add_count(*command, "--partitions", arguments->partitions, 1, 100'000,
            "Create the topic with this number of partitions unless it exists, 1 to 100000 [it "
            "must exist]");
  add_parsed(*command, "--busy-poll", arguments->connection.busy_poll, duration_up_to("1s"),
             "DURATION", "How long the client polls before it sleeps, 0 to 1s [0]");
  command->add_flag("--json", arguments->is_json, "Print one JSON object");
  command->callback([arguments, subject, &run] {
    run = [arguments, subject] { return run_bench(*arguments, subject); };
  });
  return command;
}

void add_sending_flags(CLI::App& command, BenchArguments& arguments, std::uint64_t min_size_bytes) {
  add_parsed(
      command, "--size", arguments.size_bytes,
      [min_size_bytes](std::string_view text) -> Result<std::uint64_t> {
        auto size = parse_size(text);
        if (size && (*size < min_size_bytes || *size > std::uint64_t{100} << 20)) {
          return fail(Error::configuration(
              fmt::format("\"{}\" is not a size from {} bytes to 100MiB", text, min_size_bytes)));
        }
        return size;
      },
      "SIZE", fmt::format("Random bytes in each value, {} to 100MiB [100]", min_size_bytes));
  add_parsed(command, "--acks", arguments.acks, parse_acks, "ACKS",
             "all (-1), leader (1) or none (0); idempotent with all [all]");
  add_parsed(
      command, "--linger", arguments.linger, duration_up_to("1m"), "DURATION",
      fmt::format("How long a batch waits for more records, 0 to 1m [{}ms]",
                  std::chrono::ceil<std::chrono::milliseconds>(arguments.usual_linger).count()));
  add_parsed(
      command, "--buffer", arguments.buffer_bytes,
      [](std::string_view text) -> Result<std::uint64_t> {
        auto size = parse_size(text);
        if (size && *size < std::uint64_t{32} << 10) {
          return fail(
              Error::configuration(fmt::format("\"{}\" is not a size from 32KiB on", text)));
        }
        return size;
      },
      "SIZE", "Memory for unacknowledged records, at least 32KiB [32MiB]");
}

void add_group(CLI::App& command, BenchArguments& arguments) {
  command.add_option("--group", arguments.group, "The group to read in [a new one]")
      ->type_name("NAME");
}

constexpr std::int64_t max_rate = 10'000'000;

void add_produce(CLI::App& bench, std::function<int()>& run) {
  auto arguments = std::make_shared<BenchArguments>();
  CLI::App* command =
      add_subject(bench, {"produce", "to send", "sent", bench_produce},
                  "Send records and wait until all are stored", arguments, Role::producer, run);
  add_sending_flags(*command, *arguments, 0);
  add_count(*command, "--threads", arguments->threads, 1, 1024,
            "Threads that share the producer, 1 to 1024 [1]");
  add_count(*command, "--rate", arguments->rate, 1, max_rate,
            "Records per second, all threads together, 1 to 10000000 [no limit]");
  command->add_flag("--one-by-one", arguments->is_one_by_one,
                    "Wait for each record's outcome before the next is sent");
  command->footer(
      "Latency is measured for one record in 128; with --rate or --one-by-one for each.\n"
      "MB are 1,000,000 bytes.\n"
      "Example:\n  dohle bench produce --topic t --partitions 6 --records 5000000 --size 100");
}

void add_consume(CLI::App& bench, std::function<int()>& run) {
  auto arguments = std::make_shared<BenchArguments>();
  CLI::App* command = add_subject(bench, {"consume", "to read", "read", bench_consume},
                                  "Read records from the start in a group; CRCs are checked",
                                  arguments, Role::consumer, run);
  add_group(*command, *arguments);
  command->footer(
      "The measurement starts with the first record: it excludes joining the group.\n"
      "Example:\n  dohle bench consume --topic t --records 5000000");
}

void add_e2e(CLI::App& bench, std::function<int()>& run) {
  auto arguments = std::make_shared<BenchArguments>();
  arguments->records = 10'000;
  arguments->rate = 1000;
  arguments->usual_linger = std::chrono::microseconds(0);
  CLI::App* command = add_subject(bench, {"e2e", "to send", "received", bench_e2e},
                                  "Measure the time from send to poll, at a steady rate", arguments,
                                  Role::both, run);
  add_sending_flags(*command, *arguments, sizeof(std::int64_t));
  add_count(*command, "--rate", arguments->rate, 1, max_rate,
            "Records per second, 1 to 10000000 [1000]");
  add_group(*command, *arguments);
  command->footer(
      "No other producer may use the topic meanwhile.\n"
      "Example:\n  dohle bench e2e --topic t --partitions 6 --rate 1000 --records 10000");
}

}  // namespace

void add_bench_command(CLI::App& app, std::function<int()>& run) {
  CLI::App* bench = app.add_subcommand("bench", "Measure producing, consuming and latency");
  bench->footer(
      "Examples:\n"
      "  dohle bench produce --topic t --partitions 6 --records 5000000\n"
      "  dohle bench consume --topic t --records 5000000\n"
      "  dohle bench e2e --topic t --rate 1000");
  add_produce(*bench, run);
  add_consume(*bench, run);
  add_e2e(*bench, run);
}

}  // namespace dohle::tools
