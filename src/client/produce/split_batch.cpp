#include "client/produce/split_batch.hpp"

#include <algorithm>
#include <limits>
#include <vector>

#include "base/budget.hpp"
#include "wire/batch_builder.hpp"
#include "wire/compression.hpp"

namespace dohle::client {

namespace {

Result<HalfBatch> take_half(wire::BatchReader& from, std::int32_t count, Budget& budget,
                            std::optional<int> level) {
  wire::BatchBuilder builder(budget, std::numeric_limits<std::int32_t>::max());
  RecordView view;
  while (builder.count() < count) {
    if (!from.next(view)) {
      return fail(from.fault() != nullptr
                      ? *from.fault()
                      : Error::client(Errc::malformed, "a batch has fewer records than its count"));
    }
    const std::vector<HeaderView> headers(view.headers.begin(), view.headers.end());
    const Record record{view.key, view.value, headers, view.timestamp, {}};
    if (builder.append(record, view.timestamp) != wire::BatchBuilder::Appended::ok) {
      return fail(Error::client(Errc::limit_reached, "no memory for half of a batch"));
    }
  }
  wire::BatchBuilder::Seal seal;
  seal.compression = from.header().compression();
  if (seal.compression != wire::Compression::none) {
    auto compressed = wire::compress(seal.compression, level, builder.records());
    if (!compressed) return fail(std::move(compressed.error()));
    seal.compressed = std::move(*compressed);
  }
  return HalfBatch{builder.seal(std::move(seal)), count};
}

}  // namespace

Result<Halves> split_batch(const Chain& batch, std::optional<int> level) {
  auto whole = batch.flatten();
  if (!whole) return fail(std::move(whole.error()));
  // These are the producer's own bytes, so no limit is needed.
  constexpr wire::DecompressionLimits limits{std::numeric_limits<std::int32_t>::max()};
  auto reader = wire::BatchReader::open(*whole, false, limits);
  if (!reader) return fail(std::move(reader.error()));
  // Not the producer's budget, which may be spent.
  Budget budget(std::max<std::size_t>(4 * reader->records().size(), 8 * slab_bytes));
  const std::int32_t count = reader->header().count;
  auto first = take_half(*reader, count / 2, budget, level);
  if (!first) return fail(std::move(first.error()));
  auto second = take_half(*reader, count - count / 2, budget, level);
  if (!second) return fail(std::move(second.error()));
  return Halves{std::move(*first), std::move(*second)};
}

}  // namespace dohle::client
