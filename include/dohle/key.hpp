#pragma once

#include <optional>
#include <string_view>
#include <type_traits>

#include "dohle/codec.hpp"
#include "dohle/detail/codec_choice.hpp"
#include "dohle/event.hpp"

namespace dohle {
inline namespace v0 {

/// Decodes the key of a received message to a K: `auto id = dohle::key_as<OrderId>(event);`. Absent
/// if the message has no key. `codec` names one of K's Codecs; an empty name selects the first.
/// Errors: configuration if K has no codec of that name; codec_failed. Thread safety: that of the
/// event.
template <class K>
[[nodiscard]] Result<std::optional<K>> key_as(const RawEvent& event, std::string_view codec = {}) {
  static_assert(Decodable<K>,
                "dohle: key_as: the type of the key has no dohle::Codec that decodes");
  if constexpr (Decodable<K>) {
    const auto place = messaging::choose_codec(messaging::codec_names<K>, codec, "codec");
    if (!place) return fail(place.error());
    const auto key = event.key();
    if (!key) return std::nullopt;
    auto value = messaging::decoders<K>[*place](
        as_bytes(*key),
        CodecContext{
            .topic = event.topic(), .is_key = true, .headers = CodecHeaders(event.headers())});
    if (!value) return fail(value.error());
    return std::optional<K>(*std::move(value));
  }
}

}  // namespace v0
}  // namespace dohle
