#include <gtest/gtest.h>

#include <functional>
#include <map>

#include "all_messages.hpp"
#include "base/broker_errors.hpp"
#include "bytes_of.hpp"
#include "field_coverage.hpp"
#include "golden_lines.hpp"
#include "message_json.hpp"
#include "wire/frame_body.hpp"
#include "wire/header.hpp"

// Bytes and JSON of Apache Kafka 4.3.1 (messages.jsonl.gz, made by Golden.java) against our codecs,
// in both directions and without exceptions.

namespace dohle::golden {
namespace {

using namespace wire;

const std::vector<Line>& lines() {
  static const std::vector<Line> all = read_lines(DOHLE_GOLDEN_MESSAGES);
  return all;
}

std::string title(const Line& line) {
  return line.at("message").get<std::string>() + " version " +
         std::to_string(line.at("version").get<int>()) + " " +
         line.at("variant").get<std::string>();
}

std::vector<std::optional<Slice>> expected_records(const Line& line) {
  std::vector<std::optional<Slice>> records;
  for (const auto& each : line.at("records")) {
    records.push_back(each.is_null() ? std::nullopt
                                     : std::optional(from_base64(each.get<std::string>())));
  }
  return records;
}

void compare_records(const std::vector<std::optional<Slice>>& got, const Line& line) {
  const auto expected = expected_records(line);
  ASSERT_EQ(got.size(), expected.size()) << title(line);
  for (std::size_t i = 0; i < got.size(); ++i) {
    ASSERT_EQ(got[i].has_value(), expected[i].has_value()) << title(line);
    if (!got[i]) continue;
    EXPECT_EQ(hex_of(got[i]->bytes()), hex_of(expected[i]->bytes())) << title(line);
  }
}

template <class M>
void check_message(const Line& line) {
  const auto version = line.at("version").get<std::int16_t>();
  const Slice bytes = from_base64(line.at("bytes").get<std::string>());
  const auto message = decode<M>(bytes, version);
  ASSERT_TRUE(message) << title(line) << ": " << message.error().to_string();

  JsonWriter json(version);
  EXPECT_EQ(json.structure(*message), line.at("json")) << title(line);
  compare_records(json.records, line);

  const auto size = encoded_size(*message, version);
  ASSERT_TRUE(size) << title(line) << ": " << size.error().to_string();
  EXPECT_EQ(*size, bytes.size()) << title(line);
  const auto encoded = encode(*message, version);
  ASSERT_TRUE(encoded) << title(line) << ": " << encoded.error().to_string();
  EXPECT_EQ(hex_of(encoded->flatten().value().bytes()), hex_of(bytes.bytes())) << title(line);
}

TEST(Messages, have_the_bytes_and_values_of_apache_kafka) {
  std::map<std::string, std::function<void(const Line&)>, std::less<>> checks;
  for_all_messages(
      [&]<class M>() { checks[std::string(field::message_name<M>())] = check_message<M>; });
  int checked = 0;
  for (const Line& line : lines()) {
    if (!line.contains("message")) continue;
    const auto check = checks.find(line.at("message").get<std::string>());
    ASSERT_NE(check, checks.end()) << "no type for " << title(line);
    check->second(line);
    ++checked;
  }
  EXPECT_GT(checked, 1500);
}

template <class M>
void expect_more_bytes_are_ignored(const Line& line) {
  const auto version = line.at("version").get<std::int16_t>();
  const Slice bytes = from_base64(line.at("bytes").get<std::string>());
  std::string longer(bytes.text());
  longer.append("\x01\x00\x7f", 3);
  const auto exact = decode_frame_body<M>(bytes, version);
  const auto more = decode_frame_body<M>(Slice::copy_of(longer), version);
  ASSERT_TRUE(exact && more) << title(line);
  EXPECT_FALSE(exact->has_more) << title(line);
  EXPECT_TRUE(more->has_more) << title(line);
  EXPECT_EQ(encode(more->message, version)->flatten()->text(), bytes.text()) << title(line);
  EXPECT_FALSE(decode<M>(Slice::copy_of(longer), version)) << title(line);
}

TEST(Messages, bytes_behind_the_last_field_of_a_frame_are_ignored) {
  for_all_messages([]<class M>() {
    for (const Line& line : lines()) {
      if (line.value("message", "") != field::message_name<M>()) continue;
      if (line.at("variant") == "full") expect_more_bytes_are_ignored<M>(line);
    }
  });
}

TEST(Messages, have_golden_bytes_of_every_version_and_variant) {
  std::set<std::string> titles;
  for (const Line& line : lines()) {
    if (line.contains("message")) titles.insert(title(line));
  }
  std::size_t expected = 0;
  for_all_messages([&]<class M>() {
    for (int version = M::api.versions.min; version <= M::api.versions.max; ++version) {
      for (const char* variant : {"full", "extreme", "empty", "bare", "mixed"}) {
        const std::string wanted = std::string(field::message_name<M>()) + " version " +
                                   std::to_string(version) + " " + variant;
        EXPECT_TRUE(titles.contains(wanted)) << wanted;
        ++expected;
      }
    }
  });
  EXPECT_EQ(titles.size(), expected) << "versions that we do not declare";
}

TEST(Messages, of_one_api_have_the_same_versions) {
  for_each_message<AllRequests>([&]<class M>() {
    const std::string name(field::message_name<M>());
    EXPECT_EQ(std::string(api_name(M::api.key)) + "Request", name);
    EXPECT_EQ(M::api.versions, M::Response::api.versions) << name;
    EXPECT_EQ(M::api.flexible.version, M::Response::api.flexible.version) << name;
  });
  EXPECT_TRUE(std::ranges::is_sorted(all_apis(), {}, &Api::key));
}

template <class M>
void expect_every_field_seen() {
  const std::string name(field::message_name<M>());
  SeenFields declared;
  SeenFields seen;
  collect_declared<M>(name, declared);
  for (const Line& line : lines()) {
    if (line.value("message", "") != name) continue;
    const auto version = line.at("version").get<std::int16_t>();
    const auto message = decode<M>(from_base64(line.at("bytes").get<std::string>()), version);
    ASSERT_TRUE(message) << title(line);
    collect_seen(*message, version, name, seen);
  }
  for (const auto& path : declared.set) EXPECT_TRUE(seen.set.contains(path)) << path;
  for (const auto& path : declared.null) EXPECT_TRUE(seen.null.contains(path)) << path << " null";
}

TEST(Messages, have_each_field_set_and_each_nullable_field_null_in_some_line) {
  for_all_messages([]<class M>() { expect_every_field_seen<M>(); });
}

template <class M>
void expect_no_prefix_decodes(const Line& line) {
  const auto version = line.at("version").get<std::int16_t>();
  const Slice bytes = from_base64(line.at("bytes").get<std::string>());
  for (std::size_t size = 0; size < bytes.size(); ++size) {
    const auto message = decode<M>(Slice::copy_of(bytes.bytes().first(size)), version);
    ASSERT_FALSE(message) << title(line) << " cut to " << size << " bytes";
    ASSERT_TRUE(message.error().is(Errc::malformed)) << title(line);
  }
}

TEST(Messages, cut_at_any_byte_are_refused) {
  for_all_messages([]<class M>() {
    for (const Line& line : lines()) {
      if (line.value("message", "") != field::message_name<M>()) continue;
      if (line.at("variant") == "full") expect_no_prefix_decodes<M>(line);
    }
  });
}

Slice without_length(const Chain& frame) {
  return frame.flatten().value().sub(4);
}

/// Checks header and body of a request with default values.
template <class M>
void check_request_header(const Line& line) {
  const auto version = line.at("version").get<std::int16_t>();
  const Slice bytes = from_base64(line.at("bytes").get<std::string>());
  const auto decoded = decode_request_header(bytes);
  ASSERT_TRUE(decoded) << line << decoded.error().to_string();
  EXPECT_EQ(decoded->header.api_key, M::api.key) << line;
  EXPECT_EQ(decoded->header.api_version, version) << line;
  EXPECT_EQ(decoded->header.correlation_id, line.at("correlationId").get<std::int32_t>()) << line;
  EXPECT_EQ(decoded->header.client_id.has_value(), !line.at("clientId").is_null()) << line;
  EXPECT_TRUE(decoded->body.empty()) << line;
  if (!decoded->header.client_id || !M::api.versions.contains(version)) return;
  EXPECT_EQ(*decoded->header.client_id, line.at("clientId").get<std::string>()) << line;
  const auto frame =
      encode_request(decoded->header.correlation_id, *decoded->header.client_id, M{}, version);
  ASSERT_TRUE(frame) << line << frame.error().to_string();
  const Slice made = without_length(*frame);
  EXPECT_EQ(hex_of(made.sub(0, bytes.size()).bytes()), hex_of(bytes.bytes())) << line;
  EXPECT_EQ(made.size(), bytes.size() + encoded_size(M{}, version).value()) << line;
}

template <class M>
void check_response_header(const Line& line) {
  const auto version = line.at("version").get<std::int16_t>();
  const Slice bytes = from_base64(line.at("bytes").get<std::string>());
  const auto decoded = decode_response_header(bytes, M::api, version);
  ASSERT_TRUE(decoded) << line << decoded.error().to_string();
  EXPECT_EQ(decoded->correlation_id, line.at("correlationId").get<std::int32_t>()) << line;
  EXPECT_TRUE(decoded->body.empty()) << line;
  if (!M::api.versions.contains(version)) return;
  const auto frame = encode_response(decoded->correlation_id, typename M::Response{}, version);
  ASSERT_TRUE(frame) << line << frame.error().to_string();
  const Slice made = without_length(*frame);
  EXPECT_EQ(hex_of(made.sub(0, bytes.size()).bytes()), hex_of(bytes.bytes())) << line;
}

TEST(Headers, have_the_bytes_of_apache_kafka) {
  int checked = 0;
  for_each_message<AllRequests>([&]<class M>() {
    for (const Line& line : lines()) {
      if (!line.contains("header")) continue;
      if (line.at("apiKey").get<int>() != static_cast<int>(M::api.key)) continue;
      if (line.at("header") == "request") {
        check_request_header<M>(line);
      } else {
        check_response_header<M>(line);
      }
      ++checked;
    }
  });
  EXPECT_GT(checked, 500);
}

TEST(Errors, have_the_codes_names_and_retriability_of_apache_kafka) {
  std::set<std::string> sentences;
  int last = -2;
  for (const Line& line : lines()) {
    if (!line.contains("error")) continue;
    const BrokerErrorInfo* info = find_broker_error(line.at("error").get<std::int16_t>());
    ASSERT_NE(info, nullptr) << line;
    EXPECT_EQ(info->name, line.at("name").get<std::string>());
    EXPECT_EQ(info->retriable, line.at("retriable").get<bool>()) << line;
    EXPECT_TRUE(sentences.insert(std::string(info->sentence)).second) << line;
    EXPECT_FALSE(info->sentence.ends_with('.')) << line;
    last = info->code;
  }
  EXPECT_EQ(last, 133);
  EXPECT_EQ(find_broker_error(134), nullptr);
  EXPECT_EQ(find_broker_error(-2), nullptr);
  EXPECT_EQ(find_broker_error(32767), nullptr);
}

TEST(Headers, of_api_versions_responses_never_have_tags) {
  for (std::int16_t version = 0; version <= 99; ++version) {
    EXPECT_EQ(response_header_version(ApiVersionsRequest::api, version), 0);
  }
  EXPECT_EQ(request_header_version(ApiVersionsRequest::api, 99), 2);
}

}  // namespace
}  // namespace dohle::golden
