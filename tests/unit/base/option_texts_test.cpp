#include "dohle/option_texts.hpp"

#include <gtest/gtest.h>

#include <initializer_list>
#include <string_view>
#include <utility>

namespace dohle {
namespace {

/// Each text is that of its value and parses to it. Returns the error of another text.
template <class Enum>
std::string check(std::initializer_list<std::pair<Enum, std::string_view>> texts,
                  Result<Enum> (*parse)(std::string_view text)) {
  for (const auto& [value, text] : texts) {
    EXPECT_EQ(to_string(value), text);
    EXPECT_EQ(parse(text).value(), value) << text;
  }
  EXPECT_EQ(to_string(static_cast<Enum>(0x55)), "unknown");
  const auto refused = parse("Other");
  EXPECT_EQ(refused.error().category(), ErrorCategory::configuration);
  return std::string(refused.error().message());
}

TEST(OptionTexts, OfAcksAreNamesAndKafkasNumbers) {
  EXPECT_EQ(
      check<Acks>({{Acks::all, "all"}, {Acks::leader, "leader"}, {Acks::none, "none"}}, parse_acks),
      "\"Other\" is not one of all (-1), leader (1), none (0)");
  EXPECT_EQ(parse_acks("-1").value(), Acks::all);
  EXPECT_EQ(parse_acks("1").value(), Acks::leader);
  EXPECT_EQ(parse_acks("0").value(), Acks::none);
}

TEST(OptionTexts, OfCodecsAreKafkas) {
  using enum CompressionCodec;
  EXPECT_EQ(check<CompressionCodec>(
                {{none, "none"}, {gzip, "gzip"}, {snappy, "snappy"}, {lz4, "lz4"}, {zstd, "zstd"}},
                parse_compression_codec),
            "\"Other\" is not one of none, gzip, snappy, lz4, zstd");
}

TEST(OptionTexts, OfMechanismsAreThoseOfTheProtocol) {
  using enum SaslMechanism;
  EXPECT_EQ(
      check<SaslMechanism>(
          {{plain, "PLAIN"}, {scram_sha_256, "SCRAM-SHA-256"}, {scram_sha_512, "SCRAM-SHA-512"}},
          parse_sasl_mechanism),
      "\"Other\" is not one of PLAIN, SCRAM-SHA-256, SCRAM-SHA-512");
}

TEST(OptionTexts, OfFailurePoliciesAreTheirNames) {
  using enum FailurePolicy;
  EXPECT_EQ(check<FailurePolicy>(
                {{hold, "hold"}, {skip, "skip"}, {dead_letter, "dead_letter"}, {stop, "stop"}},
                parse_failure_policy),
            "\"Other\" is not one of hold, skip, dead_letter, stop");
}

}  // namespace
}  // namespace dohle
