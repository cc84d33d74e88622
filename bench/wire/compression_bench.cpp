// Compression of a 1 MB batch of repetitive text, in slabs, at each codec's default level.

#include <benchmark/benchmark.h>

#include "batches.hpp"
#include "wire/compression.hpp"

namespace dohle::wire {
namespace {

Chain slabs_of_text() {
  Chain chain;
  for (std::size_t line = 0; chain.size() < 1'000'000;) {
    std::string slab;
    while (slab.size() < slab_bytes) slab += "{\"order\":" + std::to_string(line++ * 7919) + "}\n";
    chain.append(Slice::copy_of(std::string_view(slab).substr(0, slab_bytes)));
  }
  return chain;
}

void compress_text(benchmark::State& state) {
  const Chain input = slabs_of_text();
  const auto codec = static_cast<Compression>(state.range(0));
  state.SetLabel(std::string(name_of(codec)));
  for (auto _ : state) benchmark::DoNotOptimize(compress(codec, std::nullopt, input));
  state.SetBytesProcessed(state.iterations() * static_cast<std::int64_t>(input.size()));
}
BENCHMARK(compress_text)->DenseRange(1, 4);

void decompress_text(benchmark::State& state) {
  const Chain input = slabs_of_text();
  const auto codec = static_cast<Compression>(state.range(0));
  state.SetLabel(std::string(name_of(codec)));
  const Slice compressed = *compress(codec, std::nullopt, input)->flatten();
  for (auto _ : state) benchmark::DoNotOptimize(decompress(codec, compressed.bytes(), {}));
  state.SetBytesProcessed(state.iterations() * static_cast<std::int64_t>(input.size()));
}
BENCHMARK(decompress_text)->DenseRange(1, 4);

}  // namespace
}  // namespace dohle::wire
