#include "log/batch_walk.hpp"

#include <algorithm>
#include <string>

#include "base/assert.hpp"
#include "base/units.hpp"
#include "wire/batch_layout.hpp"
#include "wire/crc32c.hpp"

namespace dohle::log {

namespace {

constexpr std::size_t crc_window_bytes = 256_KiB;
/// Holds about twenty headers of small batches; reading it costs little more than one header.
constexpr std::size_t header_window_bytes = 4_KiB;
constexpr std::size_t search_window_bytes = 1_MiB;

/// Whether a whole batch with an offset above `at` begins at `position`.
Result<bool> is_whole_batch(const File& file, std::uint64_t position, std::uint64_t end,
                            Offset at) {
  BatchWalk walk(file, position, end, 0);
  auto batch = walk.next();
  if (!batch) return batch.error().is(Errc::damaged) ? Result<bool>(false) : fail(batch.error());
  return *batch && (*batch)->header.base_offset > at;
}

}  // namespace

Result<std::uint64_t> next_whole_batch(const File& file, std::uint64_t from, std::uint64_t end,
                                       Offset at) {
  std::vector<std::byte> window(search_window_bytes);
  while (from + wire::batch_header_bytes <= end) {
    auto got = file.read(from, window);
    if (!got) return fail(got.error());
    if (*got < wire::batch_header_bytes) break;
    const std::size_t begins = *got - wire::batch_header_bytes + 1;
    for (std::size_t i = 0; i < begins; ++i) {
      // A cheap check that excludes nearly every byte.
      if (window[i + wire::batch_at::magic] != std::byte{2} || window[i] != std::byte{0}) continue;
      auto is_whole = is_whole_batch(file, from + i, end, at);
      if (!is_whole) return fail(is_whole.error());
      if (*is_whole) return from + i;
    }
    from += begins;
  }
  return end;
}

Error BatchWalk::damaged(std::string_view what) const {
  return Error::storage(Errc::damaged, file_->path() + " at byte " + std::to_string(position_) +
                                           ": " + std::string(what));
}

// At least `least` bytes from `position` on (they exist), `wanted` if the file has to be read.
Result<Bytes> BatchWalk::bytes_at(std::uint64_t position, std::size_t least, std::size_t wanted) {
  DOHLE_ASSERT(position <= end_ && least <= end_ - position, "a walk reads beyond its end");
  if (position < window_at_ || position + least > window_at_ + window_.size()) {
    window_.resize(std::min<std::uint64_t>(std::max(least, wanted), end_ - position));
    window_at_ = position;
    auto got = file_->read(position, window_);
    if (!got) {
      window_.clear();
      return fail(got.error());
    }
    window_.resize(*got);
    if (*got < least) return fail(damaged("the file ends within a batch"));
  }
  return Bytes(window_).subspan(position - window_at_);
}

Result<void> BatchWalk::check_crc(const wire::BatchHeader& header) {
  const std::uint64_t batch_end = position_ + header.size();
  std::uint32_t crc = 0;
  for (std::uint64_t at = position_ + wire::batch_at::crc_begin; at < batch_end;) {
    auto bytes = bytes_at(at, 1, crc_window_bytes);
    if (!bytes) return fail(bytes.error());
    const auto piece = bytes->first(std::min<std::uint64_t>(bytes->size(), batch_end - at));
    crc = wire::crc32c(crc, piece);
    at += piece.size();
  }
  if (crc != header.crc) return fail(damaged("the CRC of a batch does not match its bytes"));
  return {};
}

Result<std::optional<BatchAt>> BatchWalk::next() {
  if (position_ >= end_) return std::nullopt;
  if (end_ - position_ < wire::batch_header_bytes) {
    return fail(damaged("a batch is cut off in its header"));
  }
  const bool checks = position_ >= crc_from_;
  const std::size_t wanted = checks               ? crc_window_bytes
                             : batches_are_small_ ? header_window_bytes
                                                  : wire::batch_header_bytes;
  auto bytes = bytes_at(position_, wire::batch_header_bytes, wanted);
  if (!bytes) return fail(bytes.error());
  auto header = wire::read_batch_header(*bytes);
  if (!header) return fail(damaged(header.error().message()));
  if (header->size() > end_ - position_) {
    return fail(damaged("a batch of " + std::to_string(header->size()) + " bytes is cut off"));
  }
  if (checks) {
    if (auto checked = check_crc(*header); !checked) return fail(checked.error());
  }
  batches_are_small_ = header->size() < header_window_bytes;
  const BatchAt batch{position_, *header};
  position_ += header->size();
  return batch;
}

}  // namespace dohle::log
