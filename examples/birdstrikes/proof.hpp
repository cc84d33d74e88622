#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "dohle/ids.hpp"

namespace birdstrikes {

/// One record as it was read back. `row` is 0 if it carried no row number.
struct StoredRow {
  std::size_t row = 0;
  dohle::PartitionId partition;
  dohle::Offset offset;
  std::string key;
  std::uint32_t checksum = 0;
};

/// A row as it was published; partition and offset are what the acknowledgement said (none: it did
/// not say).
struct PublishedRow {
  std::size_t row = 0;
  dohle::PartitionId partition;
  dohle::Offset offset;
  std::string key;
  std::uint32_t checksum = 0;
};

/// What is wrong with a topic; all 0 is the proof.
struct Verdict {
  std::size_t published = 0, stored = 0;
  std::size_t lost = 0;          // published, and nowhere in the topic
  std::size_t twice = 0;         // stored again
  std::size_t strangers = 0;     // stored, and never published
  std::size_t elsewhere = 0;     // not where the acknowledgement said
  std::size_t altered = 0;       // other key or other bytes
  std::size_t out_of_order = 0;  // behind a later row of the same key, or in another partition
  std::size_t gaps = 0;          // offsets that hold no record
  // Over all rows, each once, in the order of their numbers: as published, as stored.
  std::uint32_t published_checksum = 0, stored_checksum = 0;

  [[nodiscard]] bool holds() const;
};

/// CRC-32 of some bytes.
[[nodiscard]] std::uint32_t checksum_of(std::string_view bytes);

/// Compares what was published with what was read, whose offsets rise within each partition.
[[nodiscard]] Verdict judge(const std::vector<PublishedRow>& published,
                            const std::vector<StoredRow>& stored);

}  // namespace birdstrikes
