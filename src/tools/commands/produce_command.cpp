#include <poll.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <memory>
#include <mutex>

#include <fmt/format.h>

#include "dohle/option_texts.hpp"
#include "dohle/producer.hpp"
#include "tools/commands/commands.hpp"
#include "tools/commands/connection.hpp"
#include "tools/commands/counted.hpp"
#include "tools/commands/flags.hpp"
#include "tools/commands/settling.hpp"
#include "tools/commands/table.hpp"
#include "tools/commands/terminal.hpp"
#include "tools/records/record_input.hpp"

namespace dohle::tools {

namespace {

constexpr int max_failures_shown = 5;
constexpr int input_wait_ms = 500;

struct ProduceArguments {
  ConnectionFlags connection;
  std::string topic;
  std::optional<std::string> key;
  std::vector<std::pair<std::string, std::string>> headers;
  std::optional<std::int32_t> partition;
  std::optional<CompressionCodec> compression;
  std::optional<Acks> acks;
  bool empty_is_null = false;
  std::optional<InputFormat> format;
  bool is_json = false;
};

/// The outcomes of the records, from the client's thread and the command's own.
class Outcomes {
 public:
  void stored() {
    const std::lock_guard guard(mutex_);
    ++stored_;
  }
  void failed(const Error& error) {
    const std::lock_guard guard(mutex_);
    if (failed_ == 0) status_ = exit_status(error);
    if (++failed_ > max_failures_shown) return;
    say(fmt::format("dohle produce: {}", printable(error.message())));
  }
  /// The exit status of the first failure.
  [[nodiscard]] int status() const {
    const std::lock_guard guard(mutex_);
    return status_;
  }
  [[nodiscard]] std::uint64_t stored_count() const {
    const std::lock_guard guard(mutex_);
    return stored_;
  }
  [[nodiscard]] std::uint64_t failed_count() const {
    const std::lock_guard guard(mutex_);
    return failed_;
  }

 private:
  mutable std::mutex mutex_;
  std::uint64_t stored_ = 0;
  std::uint64_t failed_ = 0;
  int status_ = exit_ok;
};

/// Standard input, read in pieces.
class Input {
 public:
  /// The next bytes. Empty at the end or when the user interrupts. Errors: io_error.
  Result<std::string_view> read() {
    while (!Interrupt::is_set()) {
      pollfd ready{.fd = STDIN_FILENO, .events = POLLIN, .revents = 0};
      if (::poll(&ready, 1, input_wait_ms) <= 0) continue;
      const ssize_t size = ::read(STDIN_FILENO, bytes_.data(), bytes_.size());
      if (size >= 0) return std::string_view(bytes_.data(), static_cast<std::size_t>(size));
      if (errno != EINTR) {
        return fail(Error::storage(
            Errc::io_error, fmt::format("reading standard input: {}", std::strerror(errno))));
      }
    }
    return std::string_view();
  }

 private:
  std::array<char, 64 << 10> bytes_;
};

class Producing {
 public:
  Producing(const ProduceArguments& arguments, Producer& producer, ProducerTopic topic)
      : arguments_(arguments),
        producer_(producer),
        topic_(std::move(topic)),
        input_(*arguments.format),
        progress_(arguments.connection.is_quiet, STDIN_FILENO) {}

  int run() {
    int status = send_all();
    const auto flushed = settle(producer_, std::chrono::minutes(3));
    progress_.clear();
    if (!flushed) status = report("produce", flushed.error());
    if (!arguments_.connection.is_quiet) {
      say(fmt::format("{} stored, {} failed", counted(outcomes_->stored_count(), "record"),
                      outcomes_->failed_count()));
    }
    if (Interrupt::is_set()) return exit_interrupted;
    return status == exit_ok ? outcomes_->status() : status;
  }

 private:
  int send_all() {
    Input source;
    while (true) {
      const auto bytes = source.read();
      if (!bytes) return report("produce", bytes.error());
      bytes->empty() ? input_.end() : input_.feed(*bytes);
      while (!Interrupt::is_set()) {
        const auto record = input_.next();
        if (!record) return report("produce", record.error());
        if (!*record) break;
        send(**record);
      }
      if (bytes->empty() || Interrupt::is_set()) return exit_ok;
      if (progress_.is_due()) progress_.show(fmt::format("{} stored", outcomes_->stored_count()));
    }
  }

  void send(const OwnedRecord& from) {
    headers_.clear();
    for (const auto& [name, value] : from.headers) {
      headers_.push_back({name, value ? std::optional(as_bytes(*value)) : std::nullopt});
    }
    for (const auto& [name, value] : arguments_.headers)
      headers_.push_back({name, as_bytes(value)});
    Record record{.headers = headers_, .timestamp = from.timestamp, .partition = from.partition};
    const auto& key = from.key ? from.key : arguments_.key;
    if (key) record.key = as_bytes(*key);
    const bool is_null = !from.value || (arguments_.empty_is_null && from.value->empty());
    if (!is_null) record.value = as_bytes(*from.value);
    if (arguments_.partition) record.partition = PartitionId{*arguments_.partition};
    const auto sent =
        producer_.send(topic_, record, [outcomes = outcomes_](Result<Receipt> receipt) {
          receipt ? outcomes->stored() : outcomes->failed(receipt.error());
        });
    if (!sent) outcomes_->failed(sent.error());
  }

  const ProduceArguments& arguments_;
  Producer& producer_;
  ProducerTopic topic_;
  RecordInput input_;
  ProgressLine progress_;
  std::vector<HeaderView> headers_;
  // Shared with callbacks, which may run later if a flush times out.
  std::shared_ptr<Outcomes> outcomes_ = std::make_shared<Outcomes>();
};

ProducerOptions producer_options(const ProduceArguments& arguments,
                                 const ConnectionSettings& settings) {
  ProducerOptions options{.max_block = settings.client.default_api_timeout};
  settings.properties.apply_to(options);
  if (arguments.acks) {
    options.acks = *arguments.acks;
    options.idempotence = options.acks == Acks::all;
  }
  if (arguments.compression) options.compression = *arguments.compression;
  return options;
}

int produce(const ProduceArguments& arguments, Client& client, const ConnectionSettings& settings) {
  auto producer = client.producer(producer_options(arguments, settings));
  if (!producer) return report("produce", producer.error());
  auto topic = producer->topic(arguments.topic);
  if (!topic) return report("produce", topic.error());
  const Interrupt interrupt;
  return Producing(arguments, *producer, *std::move(topic)).run();
}

Result<bool> parse_is_json(std::string_view text) {
  if (text == "text" || text == "json") return text == "json";
  return fail(Error::configuration(fmt::format("\"{}\" is not one of text, json", text)));
}

int run_produce(ProduceArguments arguments) {
  if (arguments.is_json && arguments.format) {
    fmt::print(stderr,
               "dohle produce: -f is a format of text; it cannot be used with --input json\n");
    return exit_usage;
  }
  if (arguments.is_json) arguments.format = InputFormat::json();
  if (!arguments.format) arguments.format = *InputFormat::parse("%v\\n");
  return with_client("produce", arguments.connection,
                     [&](Client& client, const ConnectionSettings& settings) {
                       return produce(arguments, client, settings);
                     });
}

}  // namespace

void add_produce_command(CLI::App& app, std::function<int()>& run) {
  auto arguments = std::make_shared<ProduceArguments>();
  CLI::App* command = app.add_subcommand("produce", "Store records from standard input");
  add_connection_flags(*command, arguments->connection, Role::producer);
  command->add_option("TOPIC", arguments->topic, "The topic")->required();
  add_parsed(
      *command, "-k,--key", arguments->key,
      [](std::string_view text) -> Result<std::string> { return std::string(text); }, "TEXT",
      "The key of records without one");
  add_repeated(
      *command, "-H,--header", arguments->headers,
      [](std::string_view text) { return parse_named(text, ':'); }, "NAME:VALUE",
      "A header of every record; may be repeated");
  add_count(*command, "-p,--partition", arguments->partition, -1, 2'147'483'647,
            "The partition of every record, which overrides the input; -1: by key");
  add_parsed(*command, "-z,--compression", arguments->compression, parse_compression_codec, "CODEC",
             "none, gzip, snappy, lz4 or zstd [none]");
  add_parsed(*command, "--acks", arguments->acks, parse_acks, "ACKS",
             "all (-1), leader (1) or none (0); idempotent with all [all]");
  command->add_flag("-Z,--empty-is-null", arguments->empty_is_null,
                    "Store an empty value as null, a tombstone");
  add_parsed(*command, "-f,--format", arguments->format, InputFormat::parse, "FORMAT",
             "How text is split into records, each field ended by the text after it: %k key, %v "
             "value (%v{hex}, %v{base64}), %p partition, %d timestamp in ms [%v\\n]");
  add_parsed(*command, "--input", arguments->is_json, parse_is_json, "text|json",
             "json: one object per line, as consume writes it [text]");
  command->footer(
      "Examples:\n"
      "  echo hello | dohle produce greetings\n"
      "  printf 'ann\\t17\\nbob\\t4\\n' | dohle produce scores -f '%k\\t%v\\n'\n"
      "  echo | dohle produce scores -k bob -Z\n"
      "  dohle consume a -e -f json | dohle produce b --input json");
  command->callback([arguments, &run] { run = [arguments] { return run_produce(*arguments); }; });
}

}  // namespace dohle::tools
