#include <algorithm>
#include <array>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/printable.hpp"
#include "dohle/trace_context.hpp"
#include "telemetry/hexadecimal.hpp"
#include "telemetry/member_list.hpp"

namespace dohle {
inline namespace v0 {

using telemetry::without_blanks;

namespace {

Error malformed(std::string_view why, std::string_view member) {
  return Error::client(Errc::malformed,
                       "baggage: " + std::string(why) + ": " + printable(member.substr(0, 80)));
}

Error too_large(std::string_view what) {
  return Error::client(Errc::too_large, "baggage: it has more than " + std::string(what));
}

bool is_letter_or_digit(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
}

/// RFC 7230's token.
bool is_name(std::string_view name) {
  constexpr std::string_view others = "!#$%&'*+-.^_`|~";
  return !name.empty() && std::ranges::all_of(name, [&](char c) {
    return is_letter_or_digit(c) || others.contains(c);
  });
}

/// W3C's baggage-octet.
bool is_octet(char c) {
  return c > ' ' && c <= '~' && c != '"' && c != ',' && c != ';' && c != '\\';
}

bool are_properties(std::string_view properties) {
  return std::ranges::all_of(
      properties, [](char c) { return is_octet(c) || c == ' ' || c == '\t' || c == ';'; });
}

/// Absent for an octet that is not allowed. A % without two digits stands for itself, as W3C has
/// it.
std::optional<std::string> decoded(std::string_view text) {
  std::string value;
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (!is_octet(text[i])) return std::nullopt;
    if (text[i] == '%' && i + 2 < text.size()) {
      const auto high = telemetry::hex_digit(text[i + 1]);
      const auto low = telemetry::hex_digit(text[i + 2]);
      if (high && low) {
        value += static_cast<char>(*high << 4 | *low);
        i += 2;
        continue;
      }
    }
    value += text[i];
  }
  return value;
}

void append_encoded(std::string& to, std::string_view value) {
  constexpr std::string_view digits = "0123456789ABCDEF";
  for (const char c : value) {
    if (is_octet(c) && c != '%') {
      to += c;
      continue;
    }
    const auto byte = static_cast<unsigned char>(c);
    to += '%';
    to += digits[byte >> 4];
    to += digits[byte & 15];
  }
}

Result<BaggageEntry> parse_member(std::string_view member) {
  const auto semicolon = member.find(';');
  const std::string_view pair = member.substr(0, semicolon);
  const auto equals = pair.find('=');
  if (equals == std::string_view::npos) {
    return fail(malformed("a member is not NAME=VALUE", member));
  }
  BaggageEntry entry;
  entry.name = without_blanks(pair.substr(0, equals));
  if (!is_name(entry.name)) return fail(malformed("a name is not allowed", member));
  auto value = decoded(without_blanks(pair.substr(equals + 1)));
  if (!value) return fail(malformed("a value is not allowed", member));
  entry.value = *std::move(value);
  if (semicolon == std::string_view::npos) return entry;
  entry.properties = without_blanks(member.substr(semicolon + 1));
  if (!are_properties(entry.properties)) {
    return fail(malformed("properties are not allowed", member));
  }
  return entry;
}

}  // namespace

Result<std::vector<BaggageEntry>> parse_baggage(std::string_view text) {
  if (text.size() > max_baggage_bytes) return fail(too_large("8192 bytes"));
  std::vector<BaggageEntry> entries;
  auto read = telemetry::for_each_member(text, [&](std::string_view member) -> Result<void> {
    auto entry = parse_member(member);
    if (!entry) return fail(entry.error());
    if (entries.size() == max_baggage_entries) return fail(too_large("64 entries"));
    entries.push_back(*std::move(entry));
    return {};
  });
  if (!read) return fail(read.error());
  return entries;
}

Result<std::string> format_baggage(std::span<const BaggageEntry> entries) {
  if (entries.size() > max_baggage_entries) return fail(too_large("64 entries"));
  std::string text;
  for (const BaggageEntry& entry : entries) {
    if (!is_name(entry.name) || !are_properties(entry.properties)) {
      return fail(Error::client(Errc::invalid_argument,
                                "baggage: the name or the properties are not allowed: " +
                                    printable(entry.name.substr(0, 80))));
    }
    if (!text.empty()) text += ',';
    text += entry.name;
    text += '=';
    append_encoded(text, entry.value);
    if (!entry.properties.empty()) text += ';' + entry.properties;
  }
  if (text.size() > max_baggage_bytes) return fail(too_large("8192 bytes"));
  return text;
}

}  // namespace v0
}  // namespace dohle
