#pragma once

#include <string_view>

#include "dohle/broker.hpp"
#include "dohle/error.hpp"
#include "dohle/export.hpp"
#include "dohle/producer.hpp"
#include "dohle/sasl.hpp"

// Texts of the values of options, for configuration files. The functions for SecurityProtocol,
// BalancerName and ScramAlgorithm are declared beside these enumerations. Thread safety: any
// thread.

namespace dohle {
inline namespace v0 {

/// "none", "leader" or "all".
[[nodiscard]] DOHLE_API std::string_view to_string(Acks acks) noexcept;
/// Parses the texts of to_string, and Kafka's "0", "1" and "-1". Errors: configuration, with the
/// allowed texts.
[[nodiscard]] DOHLE_API Result<Acks> parse_acks(std::string_view text);

/// "none", "gzip", "snappy", "lz4" or "zstd".
[[nodiscard]] DOHLE_API std::string_view to_string(CompressionCodec codec) noexcept;
/// Parses the texts of to_string. Errors: configuration, with the allowed texts.
[[nodiscard]] DOHLE_API Result<CompressionCodec> parse_compression_codec(std::string_view text);

/// Parses "PLAIN", "SCRAM-SHA-256" and "SCRAM-SHA-512". Errors: configuration, with the allowed
/// texts.
[[nodiscard]] DOHLE_API Result<SaslMechanism> parse_sasl_mechanism(std::string_view text);

/// "hold", "skip", "dead_letter" or "stop".
[[nodiscard]] DOHLE_API std::string_view to_string(FailurePolicy policy) noexcept;
/// Parses the texts of to_string. Errors: configuration, with the allowed texts.
[[nodiscard]] DOHLE_API Result<FailurePolicy> parse_failure_policy(std::string_view text);

}  // namespace v0
}  // namespace dohle
