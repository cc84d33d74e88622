#include "properties/values.hpp"

#include <charconv>
#include <string>

#include <fmt/format.h>

namespace dohle::properties {

namespace {

std::unexpected<Error> refuse(std::string_view text, std::string_view allowed) {
  return fail(Error::configuration(fmt::format("\"{}\" is not {}", text, allowed)));
}

}  // namespace

Result<std::int64_t> parse_count(std::string_view text, std::int64_t min, std::int64_t max) {
  std::int64_t number = 0;
  const char* const end = text.data() + text.size();
  const auto [rest, code] = std::from_chars(text.data(), end, number);
  if (code != std::errc{} || rest != end || number < min || number > max) {
    return refuse(text, fmt::format("a whole number from {} to {}", min, max));
  }
  return number;
}

Result<Acks> parse_acks(std::string_view text) {
  if (text == "all" || text == "-1") return Acks::all;
  if (text == "leader" || text == "1") return Acks::leader;
  if (text == "none" || text == "0") return Acks::none;
  return refuse(text, "one of all (-1), leader (1), none (0)");
}

Result<CompressionCodec> parse_codec(std::string_view text) {
  if (text == "none") return CompressionCodec::none;
  if (text == "gzip") return CompressionCodec::gzip;
  if (text == "snappy") return CompressionCodec::snappy;
  if (text == "lz4") return CompressionCodec::lz4;
  if (text == "zstd") return CompressionCodec::zstd;
  return refuse(text, "one of none, gzip, snappy, lz4, zstd");
}

}  // namespace dohle::properties
