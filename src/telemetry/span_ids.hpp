#pragma once

#include <cstdint>
#include <string>

#include "base/random.hpp"
#include "base/secure_random.hpp"
#include "dohle/trace_context.hpp"

namespace dohle::telemetry {

/// Draws the ids of traces and spans. Its two generators are seeded by a SecureRandom, so that the
/// ids of two of them have nothing in common. Not thread safe: each thread has its own.
class SpanIds {
 public:
  explicit SpanIds(SecureRandom& seed) : high_(seed.next()), low_(seed.next()) {}

  [[nodiscard]] TraceId next_trace() {
    TraceId id;
    do {
      write(high_.next(), id.bytes.data());
      write(low_.next(), id.bytes.data() + 8);
    } while (!id.is_valid());
    return id;
  }
  [[nodiscard]] SpanId next_span() {
    SpanId id;
    do {
      write(high_.next() ^ low_.next(), id.bytes.data());
    } while (!id.is_valid());
    return id;
  }

  /// The calling thread's, seeded by the system on its first use and after a fork.
  [[nodiscard]] static SpanIds& of_thread();

 private:
  static void write(std::uint64_t bits, std::uint8_t* to) {
    for (int i = 0; i < 8; ++i) to[i] = static_cast<std::uint8_t>(bits >> (56 - 8 * i));
  }

  SeededRandom high_;
  SeededRandom low_;
};

/// A random UUID (version 4) in its usual spelling. Source: RFC 9562.
[[nodiscard]] std::string random_uuid();

}  // namespace dohle::telemetry
