// CRC-32C by the implementation that crc32c chooses for this CPU, and by tables.

#include <benchmark/benchmark.h>

#include "batches.hpp"
#include "wire/crc32c.hpp"

namespace dohle::wire {
namespace {

void checksum(benchmark::State& state, std::uint32_t (*function)(std::uint32_t, Bytes)) {
  const std::string text = random_text(static_cast<std::size_t>(state.range(0)));
  for (auto _ : state) benchmark::DoNotOptimize(function(0, as_bytes(text)));
  state.SetBytesProcessed(state.iterations() * state.range(0));
}
BENCHMARK_CAPTURE(checksum, cpu, crc32c)->Arg(100)->Arg(1'000)->Arg(16'384)->Arg(1'000'000);
BENCHMARK_CAPTURE(checksum, tables, crc32c_software)->Arg(100)->Arg(16'384);

}  // namespace
}  // namespace dohle::wire
