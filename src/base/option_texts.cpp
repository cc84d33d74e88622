#include "dohle/option_texts.hpp"

#include <initializer_list>
#include <string>

namespace dohle {
inline namespace v0 {

namespace {

template <class Enum>
struct Named {
  Enum value;
  std::string_view text;
};

constexpr Named<Acks> all_acks[] = {
    {Acks::all, "all"}, {Acks::leader, "leader"}, {Acks::none, "none"}};
constexpr Named<CompressionCodec> codecs[] = {{CompressionCodec::none, "none"},
                                              {CompressionCodec::gzip, "gzip"},
                                              {CompressionCodec::snappy, "snappy"},
                                              {CompressionCodec::lz4, "lz4"},
                                              {CompressionCodec::zstd, "zstd"}};
constexpr Named<FailurePolicy> policies[] = {{FailurePolicy::hold, "hold"},
                                             {FailurePolicy::skip, "skip"},
                                             {FailurePolicy::dead_letter, "dead_letter"},
                                             {FailurePolicy::stop, "stop"}};

std::unexpected<Error> refused(std::string_view text, std::string_view allowed) {
  return fail(
      Error::configuration("\"" + std::string(text) + "\" is not one of " + std::string(allowed)));
}

std::string_view text_of(auto value, const auto& names) {
  for (const auto& each : names) {
    if (each.value == value) return each.text;
  }
  return "unknown";
}

template <class Enum, std::size_t count>
Result<Enum> value_of(std::string_view text, const Named<Enum> (&names)[count]) {
  std::string allowed;
  for (const auto& each : names) {
    if (each.text == text) return each.value;
    allowed.append(allowed.empty() ? "" : ", ").append(each.text);
  }
  return refused(text, allowed);
}

}  // namespace

std::string_view to_string(Acks acks) noexcept {
  return text_of(acks, all_acks);
}
Result<Acks> parse_acks(std::string_view text) {
  if (text == "-1") return Acks::all;
  if (text == "1") return Acks::leader;
  if (text == "0") return Acks::none;
  if (auto named = value_of(text, all_acks)) return named;
  return refused(text, "all (-1), leader (1), none (0)");
}

std::string_view to_string(CompressionCodec codec) noexcept {
  return text_of(codec, codecs);
}
Result<CompressionCodec> parse_compression_codec(std::string_view text) {
  return value_of(text, codecs);
}

Result<SaslMechanism> parse_sasl_mechanism(std::string_view text) {
  for (const auto each :
       {SaslMechanism::plain, SaslMechanism::scram_sha_256, SaslMechanism::scram_sha_512}) {
    if (to_string(each) == text) return each;
  }
  return refused(text, "PLAIN, SCRAM-SHA-256, SCRAM-SHA-512");
}

std::string_view to_string(FailurePolicy policy) noexcept {
  return text_of(policy, policies);
}
Result<FailurePolicy> parse_failure_policy(std::string_view text) {
  return value_of(text, policies);
}

}  // namespace v0
}  // namespace dohle
