#include <optional>

#include <fmt/format.h>

#include "dohle/consumer.hpp"
#include "tools/bench/bench.hpp"
#include "tools/commands/terminal.hpp"

namespace dohle::tools {

namespace {

constexpr std::chrono::milliseconds poll_time{200};
constexpr std::chrono::seconds max_idle{20};

Result<void> read(const BenchArguments& arguments, Consumer& consumer, Measurement& measured) {
  // Excludes joining the group: the stopwatch starts with the first records.
  std::optional<Stopwatch> watch;
  auto last = std::chrono::steady_clock::now();
  while (measured.records < arguments.records && !Interrupt::is_set()) {
    auto records = consumer.poll(poll_time);
    if (!records) return fail(records.error());
    if (records->empty()) {
      if (std::chrono::steady_clock::now() - last < max_idle) continue;
      return fail(Error::client(
          Errc::timed_out, fmt::format("only {} of {} records arrived; none for {} s",
                                       measured.records, arguments.records, max_idle.count())));
    }
    last = std::chrono::steady_clock::now();
    if (!watch) watch.emplace();
    for (const ConsumerRecord& record : *records) {
      measured.bytes += record.value ? record.value->size() : 0;
      ++measured.records;
    }
    if (const Error* error = records->error()) return fail(*error);
  }
  if (watch) watch->into(measured);
  return {};
}

}  // namespace

Result<Measurement> bench_consume(const BenchArguments& arguments, Client& client) {
  auto consumer = client.consumer(bench_consumer_options(arguments, OffsetReset::earliest));
  if (!consumer) return fail(consumer.error());
  if (auto subscribed = consumer->subscribe({arguments.topic}); !subscribed) {
    return fail(subscribed.error());
  }
  Measurement measured;
  auto done = read(arguments, *consumer, measured);
  const auto closed = consumer->close(std::chrono::seconds(5));
  if (done && !closed) done = closed;
  if (!done) return fail(done.error());
  return measured;
}

}  // namespace dohle::tools
