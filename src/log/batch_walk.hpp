#pragma once

#include <cstdint>
#include <optional>
#include <vector>

#include "base/disk.hpp"
#include "wire/batch.hpp"

namespace dohle::log {

/// A batch of a segment, by its header.
struct BatchAt {
  std::uint64_t position = 0;
  wire::BatchHeader header;
};

/// Reads the batches of a file in order. Reads headers only, and from `crc_from` on also every
/// byte, to check the CRC. Memory: one window of at most 256 KiB, also for larger batches. Any
/// thread; the file outlives it.
class BatchWalk {
 public:
  static constexpr std::uint64_t no_crc = UINT64_MAX;

  BatchWalk(const File& file, std::uint64_t position, std::uint64_t end,
            std::uint64_t crc_from = no_crc)
      : file_(&file), position_(position), end_(end), crc_from_(crc_from) {}

  /// The next batch; none at the end. Errors: damaged (names file and byte; the walk does not
  /// advance), storage.
  Result<std::optional<BatchAt>> next();
  /// Position of the next batch.
  [[nodiscard]] std::uint64_t position() const { return position_; }

 private:
  Result<Bytes> bytes_at(std::uint64_t position, std::size_t least, std::size_t wanted);
  Result<void> check_crc(const wire::BatchHeader& header);
  [[nodiscard]] Error damaged(std::string_view what) const;

  const File* file_;
  std::uint64_t position_;
  std::uint64_t end_;
  std::uint64_t crc_from_;
  std::vector<std::byte> window_;
  std::uint64_t window_at_ = 0;
  bool batches_are_small_ = true;
};

/// Position of the first whole batch, by its CRC, that begins at or after `from` with an offset
/// above `at`; `end` if there is none. Reads the bytes in between. Errors: storage.
Result<std::uint64_t> next_whole_batch(const File& file, std::uint64_t from, std::uint64_t end,
                                       Offset at);

}  // namespace dohle::log
