#pragma once

#include <string>

#include "base/budget.hpp"
#include "base/random.hpp"
#include "base/units.hpp"
#include "wire/batch_builder.hpp"

namespace dohle::wire {

/// Random, incompressible bytes, the same in every run.
inline std::string random_text(std::size_t size) {
  SeededRandom random(size);
  std::string text(size, '\0');
  for (char& c : text) c = static_cast<char>(random.next());
  return text;
}

/// A sealed batch of `count` equal records without keys, in one Slice.
inline Slice sealed_batch(std::size_t count, std::size_t value_bytes) {
  Budget budget(64_MiB);
  BatchBuilder builder(budget, 64_MiB);
  const std::string value = random_text(value_bytes);
  const Record record{.value = as_bytes(value)};
  for (std::size_t i = 0; i < count; ++i) {
    builder.append(record, Timestamp{1'700'000'000'000 + static_cast<std::int64_t>(i)});
  }
  return *builder.seal({}).flatten();
}

}  // namespace dohle::wire
