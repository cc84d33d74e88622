#pragma once

#include <cstdint>

#include "wire/big_endian.hpp"
#include "wire/codec.hpp"

// Schemas with their version in their first two bytes: keys and values of __consumer_offsets, and
// the consumer protocol inside JoinGroup and SyncGroup.

namespace dohle::wire {

/// A prefix of two bytes. `number` outlives the prefix.
[[nodiscard]] inline FramePrefix number_prefix(const std::int16_t& number) {
  return {sizeof number,
          [](const void* from, std::byte* to, std::size_t) {
            store_big_endian(to, *static_cast<const std::int16_t*>(from));
          },
          &number};
}

/// Encodes version and message. Errors as encode.
template <class M>
[[nodiscard]] Result<Chain> encode_versioned(const M& message, std::int16_t version) {
  return encode_behind(number_prefix(version), message, version);
}

/// Encodes a key of __consumer_offsets: its kind, then the message in its only version.
template <class Key>
[[nodiscard]] Result<Chain> encode_key(const Key& key) {
  return encode_behind(number_prefix(Key::record_type), key, 0);
}

/// The version in the first two bytes. Errors: Errc::malformed for fewer than two bytes.
[[nodiscard]] inline Result<std::int16_t> peek_version(const Slice& bytes) {
  if (bytes.size() < sizeof(std::int16_t)) {
    return fail(Error::client(Errc::malformed, "fewer than the two bytes of a version"));
  }
  return load_big_endian<std::int16_t>(bytes.data());
}

/// Decodes a key that encode_key wrote; `peek_version` returns its kind. Errors as decode;
/// Errc::malformed for another kind of key.
template <class Key>
[[nodiscard]] Result<Key> decode_key(const Slice& bytes) {
  auto kind = peek_version(bytes);
  if (!kind) return fail(std::move(kind.error()));
  if (*kind != Key::record_type) {
    return fail(Error::client(Errc::malformed, "record key of another kind"));
  }
  return decode<Key>(bytes.sub(sizeof(std::int16_t)), 0);
}

/// Decodes a message that encode_versioned wrote. Errors as decode; Errc::unsupported_version for a
/// version above the known ones.
template <class M>
[[nodiscard]] Result<M> decode_versioned(const Slice& bytes) {
  auto version = peek_version(bytes);
  if (!version) return fail(std::move(version.error()));
  return decode<M>(bytes.sub(sizeof(std::int16_t)), *version);
}

/// Decodes a message of another consumer. Versions above the known ones are read as the highest
/// known one, and the appended bytes are ignored, as Apache Kafka's consumers do.
template <class M>
[[nodiscard]] Result<M> decode_consumer_protocol(const Slice& bytes) {
  auto version = peek_version(bytes);
  if (!version) return fail(std::move(version.error()));
  const std::int16_t known = *version > M::api.versions.max ? M::api.versions.max : *version;
  return decode_prefix<M>(bytes.sub(sizeof(std::int16_t)), known);
}

}  // namespace dohle::wire
