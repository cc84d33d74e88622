#include "dohle/ids.hpp"

namespace dohle {
inline namespace v0 {

namespace {

constexpr std::string_view alphabet =
    "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
constexpr std::size_t text_length = 22;

}  // namespace

std::string TopicId::to_string() const {
  std::string text;
  text.reserve(text_length);
  std::uint32_t bits = 0;
  int held = 0;
  for (const std::uint8_t byte : bytes) {
    bits = (bits << 8) | byte;
    held += 8;
    for (; held >= 6; held -= 6) text.push_back(alphabet[(bits >> (held - 6)) & 63]);
  }
  text.push_back(alphabet[(bits << (6 - held)) & 63]);
  return text;
}

std::optional<TopicId> TopicId::parse(std::string_view text) {
  if (text.size() != text_length) return std::nullopt;
  TopicId id;
  std::size_t at = 0;
  std::uint32_t bits = 0;
  int held = 0;
  for (const char c : text) {
    const auto digit = alphabet.find(c);
    if (digit == std::string_view::npos) return std::nullopt;
    bits = (bits << 6) | static_cast<std::uint32_t>(digit);
    held += 6;
    if (held >= 8) {
      held -= 8;
      id.bytes[at++] = static_cast<std::uint8_t>(bits >> held);
      if (at == id.bytes.size()) break;
    }
  }
  // The last character carries two bits of the id; the other four are zero.
  if ((alphabet.find(text.back()) & 15) != 0) return std::nullopt;
  return id;
}

}  // namespace v0
}  // namespace dohle
