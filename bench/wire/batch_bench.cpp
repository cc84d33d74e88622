// Measures appending, sealing, reading and validating records of a batch. `items_per_second` counts
// records; its inverse is the time per record.

#include <benchmark/benchmark.h>

#include <array>

#include "batches.hpp"
#include "wire/batch.hpp"

namespace dohle::wire {
namespace {

constexpr std::size_t max_batch_bytes = 1'000'000;

// Fills batches of 1 MB repeatedly from a warm Budget, without sealing.
void append_records(benchmark::State& state, const Record& record) {
  Budget budget(64_MiB);
  BatchBuilder builder(budget, max_batch_bytes);
  std::int64_t now = 1'700'000'000'000;
  for (auto _ : state) {
    if (builder.append(record, Timestamp{now}) == BatchBuilder::Appended::full) {
      builder = BatchBuilder(budget, max_batch_bytes);
      builder.append(record, Timestamp{++now});
    }
  }
  state.SetItemsProcessed(state.iterations());
}

void append_keyless(benchmark::State& state) {
  const std::string value = random_text(static_cast<std::size_t>(state.range(0)));
  append_records(state, {.value = as_bytes(value)});
}
BENCHMARK(append_keyless)->Arg(10)->Arg(100)->Arg(1000)->Arg(100'000);

void append_keyed_with_header(benchmark::State& state) {
  const std::string value = random_text(100);
  const std::array headers{HeaderView{"trace", as_bytes("0123456789abcdef")}};
  append_records(state,
                 {.key = as_bytes("customer-42"), .value = as_bytes(value), .headers = headers});
}
BENCHMARK(append_keyed_with_header);

// Append and seal together, as in a producer, CRC included.
void append_and_seal(benchmark::State& state) {
  const std::string value = random_text(100);
  const Record record{.value = as_bytes(value)};
  Budget budget(64_MiB);
  BatchBuilder builder(budget, static_cast<std::size_t>(state.range(0)));
  for (auto _ : state) {
    if (builder.append(record, Timestamp{1}) == BatchBuilder::Appended::full) {
      benchmark::DoNotOptimize(builder.seal({}));
      builder.append(record, Timestamp{1});
    }
  }
  state.SetItemsProcessed(state.iterations());
}
BENCHMARK(append_and_seal)->Arg(16'384)->Arg(1'000'000);

void read_records(benchmark::State& state) {
  const auto count = state.range(0);
  const Slice batch = sealed_batch(static_cast<std::size_t>(count), 100);
  const bool check_crc = state.range(1) != 0;
  RecordView record;
  for (auto _ : state) {
    auto reader = BatchReader::open(batch, check_crc);
    while (reader->next(record)) benchmark::DoNotOptimize(record);
  }
  state.SetItemsProcessed(state.iterations() * count);
}
BENCHMARK(read_records)->ArgNames({"count", "crc"})->ArgsProduct({{1, 130, 8'000}, {0, 1}});

// As the node does it. A plain batch of up to 1 MiB is validated on the node's thread, and has at
// most 131,000 records.
void validate(benchmark::State& state) {
  const auto count = state.range(0);
  const Slice batch =
      sealed_batch(static_cast<std::size_t>(count), static_cast<std::size_t>(state.range(1)));
  for (auto _ : state) benchmark::DoNotOptimize(validate_produced_batch(batch));
  state.SetItemsProcessed(state.iterations() * count);
}
BENCHMARK(validate)
    ->ArgNames({"count", "size"})
    ->Args({1, 100})
    ->Args({130, 100})
    ->Args({8'000, 100})
    ->Args({131'000, 0});

}  // namespace
}  // namespace dohle::wire
