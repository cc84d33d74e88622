#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "dohle/secret.hpp"

namespace dohle::auth {

/// The hash function of a SCRAM mechanism.
enum class Digest : std::uint8_t { sha256, sha512 };

/// 32 or 64.
[[nodiscard]] std::size_t size_of(Digest digest);

/// These return octets, as many as size_of says. Any thread. `derive` is hmac for a result that is
/// a key.
[[nodiscard]] std::string hash(Digest digest, std::string_view octets);
[[nodiscard]] std::string hmac(Digest digest, std::string_view key, std::string_view message);
[[nodiscard]] Secret derive(Digest digest, std::string_view key, std::string_view message);
/// PBKDF2 (RFC 8018): the Hi of RFC 5802. Takes about a microsecond per iteration: it runs on a
/// worker, never on a loop's thread. `iterations` is at least 1.
[[nodiscard]] Secret stretch(Digest digest, std::string_view password, std::string_view salt,
                             std::uint32_t iterations);

/// Overwrites octets that are no longer needed.
void cleanse(std::string& octets);

/// Compares in a time that depends on the lengths alone.
[[nodiscard]] bool is_equal(std::string_view one, std::string_view other);

}  // namespace dohle::auth
