#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "dohle/ids.hpp"

namespace birdstrikes {

/// A record that was read back. `row` is 0 if it has no row number.
struct StoredRow {
  std::size_t row = 0;
  dohle::PartitionId partition;
  dohle::Offset offset;
  std::string key;
  std::uint32_t checksum = 0;
};

/// A published row; partition and offset are those of the acknowledgement, none if it had none.
struct PublishedRow {
  std::size_t row = 0;
  dohle::PartitionId partition;
  dohle::Offset offset;
  std::string key;
  std::uint32_t checksum = 0;
};

/// The errors of a topic. The proof holds if all are 0.
struct Verdict {
  std::size_t published = 0, stored = 0;
  std::size_t lost = 0;          // published, but not in the topic
  std::size_t twice = 0;         // stored a second time
  std::size_t strangers = 0;     // stored, but never published
  std::size_t elsewhere = 0;     // at another place than in the acknowledgement
  std::size_t altered = 0;       // with another key or other bytes
  std::size_t out_of_order = 0;  // after a later row of the same key, or in another partition
  std::size_t gaps = 0;          // offsets without a record
  // Checksums over all rows, each once, in the order of their numbers.
  std::uint32_t published_checksum = 0, stored_checksum = 0;

  [[nodiscard]] bool holds() const;
};

/// CRC-32 of some bytes.
[[nodiscard]] std::uint32_t checksum_of(std::string_view bytes);

/// Compares the published rows with the stored ones, whose offsets must be ascending within each
/// partition.
[[nodiscard]] Verdict judge(const std::vector<PublishedRow>& published,
                            const std::vector<StoredRow>& stored);

}  // namespace birdstrikes
