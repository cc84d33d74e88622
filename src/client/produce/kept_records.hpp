#pragma once

#include <cstdint>
#include <vector>

#include "base/chain.hpp"
#include "dohle/error.hpp"
#include "dohle/record.hpp"
#include "wire/batch_builder.hpp"

namespace dohle::client {

/// The uncompressed records of a batch, kept for ProducerOptions::on_batch.
class KeptRecords {
 public:
  explicit KeptRecords(const wire::BatchBuilder& builder)
      : records_(builder.records()), base_timestamp_(builder.base_timestamp()) {}

  /// Views of `count` records from index `first` on; `flat` holds their bytes. Their offsets follow
  /// `base_offset`, if that is not none.
  [[nodiscard]] std::vector<RecordView> views(std::uint32_t first, std::uint32_t count,
                                              Offset base_offset, Slice& flat) const;

 private:
  Chain records_;
  Timestamp base_timestamp_;
};

}  // namespace dohle::client
