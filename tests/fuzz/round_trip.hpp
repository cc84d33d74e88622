#pragma once

#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <tuple>

#include "all_messages.hpp"
#include "wire/bounded_decode.hpp"
#include "wire/field_types.hpp"

namespace dohle::fuzz {

/// Ends the process so that libFuzzer reports the input.
[[noreturn]] inline void report(std::string_view message, const char* what) {
  std::fprintf(stderr, "%.*s: %s\n", static_cast<int>(message.size()), message.data(), what);
  std::abort();
}

/// Decoded input encodes to exactly the stated size, and decoding and encoding that again gives the
/// same bytes. The only error of decoding is malformed, or too_large with a bound on elements.
template <class M>
void round_trip(const Slice& body, std::int16_t version) {
  const std::string_view name = wire::field::message_name<M>();
  const auto bounded = wire::decode_bounded<M>(body, version, 3);
  if (!bounded && !bounded.error().is(Errc::too_large) && !bounded.error().is(Errc::malformed)) {
    report(name, "refused, but neither as malformed nor as too large");
  }
  const auto message = wire::decode<M>(body, version);
  if (!message) {
    if (!message.error().is(Errc::malformed)) report(name, "refused, but not as malformed");
    if (message.error().message().empty()) report(name, "refused without a word");
    const auto in_frame = wire::decode_frame_body<M>(body, version);
    if (bounded && !in_frame) report(name, "accepted with a bound alone");
    if (in_frame && !in_frame->has_more) report(name, "accepted in a frame alone, with no more");
    if (in_frame && !wire::encode(in_frame->message, version)) {
      report(name, "decoded in a frame, but does not encode");
    }
    return;
  }
  const auto encoded = wire::encode(*message, version);
  if (!encoded) report(name, "decoded, but does not encode");
  if (encoded->size() != wire::encoded_size(*message, version).value()) report(name, "wrong size");
  const Slice bytes = encoded->flatten().value();
  const auto again = wire::decode<M>(bytes, version);
  if (!again) report(name, "encoded, but does not decode");
  const Slice same = wire::encode(*again, version).value().flatten().value();
  if (same.text() != bytes.text()) report(name, "encodes differently the second time");
}

/// The input's first byte selects the message, its second one the version.
template <class Tuple, bool Responses = false>
void pick_and_round_trip(const std::uint8_t* data, std::size_t size) {
  if (size < 2) return;
  const std::size_t wanted = data[0] % std::tuple_size_v<Tuple>;
  // In a buffer of its own, so that a sanitizer sees reads past its end.
  const Slice body = Slice::copy_of(Bytes{reinterpret_cast<const std::byte*>(data + 2), size - 2});
  std::size_t place = 0;
  wire::for_each_message<Tuple>([&]<class M>() {
    if (place++ != wanted) return;
    const int versions = M::api.versions.max - M::api.versions.min + 1;
    const auto version = static_cast<std::int16_t>(M::api.versions.min + data[1] % versions);
    if constexpr (Responses) {
      round_trip<typename M::Response>(body, version);
    } else {
      round_trip<M>(body, version);
    }
  });
}

}  // namespace dohle::fuzz
