#pragma once

#include <gtest/gtest.h>

#include <chrono>
#include <string>

#include "base/budget.hpp"
#include "base/units.hpp"
#include "wire/batch_builder.hpp"
#include "wire/compression.hpp"

namespace dohle::fault {

/// A batch with one record whose value is that many zeros, with the current time.
inline Chain zeros_batch(wire::Compression codec, std::size_t bytes) {
  Budget budget(1_GiB);
  wire::BatchBuilder builder(budget, 512_MiB);
  const std::string zeros(bytes, '\0');
  const auto now = std::chrono::system_clock::now();
  EXPECT_EQ(builder.append({.value = as_bytes(zeros)}, to_timestamp(now)),
            wire::BatchBuilder::Appended::ok);
  wire::BatchBuilder::Seal seal;
  seal.compression = codec;
  if (codec != wire::Compression::none) {
    seal.compressed = *wire::compress(codec, std::nullopt, builder.records());
  }
  return builder.seal(std::move(seal));
}

}  // namespace dohle::fault
