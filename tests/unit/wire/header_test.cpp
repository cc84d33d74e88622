#include "wire/header.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "bytes_of.hpp"
#include "wire/messages/api_versions.hpp"
#include "wire/messages/consumer_offsets.hpp"
#include "wire/messages/consumer_protocol.hpp"
#include "wire/messages/heartbeat.hpp"
#include "wire/versioned.hpp"

namespace dohle::wire {
namespace {

using testing::HasSubstr;

std::string frame_of(const Result<Chain>& chain) {
  return chain ? hex_of(chain->flatten().value().bytes()) : chain.error().to_string();
}

TEST(Header, requests_are_framed) {
  HeartbeatRequest request;
  request.group_id = "g";
  request.generation_id = Generation{2};
  EXPECT_EQ(frame_of(encode_request(7, "c", request, 0)),
            "00000014"
            "000c000000000007000163"
            "000167000000020000");
  EXPECT_EQ(frame_of(encode_request(7, "", request, 4)),
            "00000014"
            "000c0004000000070000"
            "00"
            "0267000000020100"
            "00");
}

TEST(Header, responses_are_framed) {
  HeartbeatResponse response;
  response.error_code = 27;
  EXPECT_EQ(frame_of(encode_response(9, response, 0)), "0000000600000009001b");
  EXPECT_EQ(frame_of(encode_response(9, response, 4)), "0000000c000000090000000000001b00");
  EXPECT_EQ(frame_of(encode_response(9, ApiVersionsResponse{}, 3)),
            "0000000c0000000900000100000000"
            "00")
      << "no tags in the header";
}

TEST(Header, a_client_id_that_does_not_fit_is_refused) {
  const auto refused = encode_request(1, std::string(40'000, 'x'), HeartbeatRequest{}, 0);
  ASSERT_FALSE(refused);
  EXPECT_TRUE(refused.error().is(Errc::invalid_argument));
}

TEST(Header, requests_are_split) {
  const auto plain = decode_request_header(bytes_of("000c 0000 00000007 0001 63 aabb"));
  ASSERT_TRUE(plain) << plain.error().to_string();
  EXPECT_EQ(plain->header.api_key, ApiKey::heartbeat);
  EXPECT_EQ(plain->header.api_version, 0);
  EXPECT_EQ(plain->header.correlation_id, 7);
  EXPECT_EQ(plain->header.client_id, "c");
  EXPECT_EQ(hex_of(plain->body.bytes()), "aabb");
  const auto null_client = decode_request_header(bytes_of("000c 0000 00000007 ffff aabb"));
  ASSERT_TRUE(null_client);
  EXPECT_FALSE(null_client->header.client_id);
}

TEST(Header, unknown_tags_in_headers_are_skipped) {
  const auto request = decode_request_header(bytes_of("000c 0004 00000007 0000 01 05 01 ff aabb"));
  ASSERT_TRUE(request) << request.error().to_string();
  EXPECT_EQ(hex_of(request->body.bytes()), "aabb");
  const auto response =
      decode_response_header(bytes_of("00000007 01 05 01 ff aabb"), HeartbeatRequest::api, 4);
  ASSERT_TRUE(response) << response.error().to_string();
  EXPECT_EQ(response->correlation_id, 7);
  EXPECT_EQ(hex_of(response->body.bytes()), "aabb");
}

TEST(Header, truncated_or_unknown_requests_are_refused) {
  const Slice whole = bytes_of("000c 0004 00000007 0001 63 00");
  for (std::size_t size = 0; size < whole.size(); ++size) {
    const auto cut = decode_request_header(whole.sub(0, size));
    ASSERT_FALSE(cut) << size;
    EXPECT_TRUE(cut.error().is(Errc::malformed));
    EXPECT_THAT(cut.error().message(), HasSubstr("malformed request header at byte"));
  }
  const auto unknown = decode_request_header(bytes_of("03e7 0000 00000007 0000"));
  ASSERT_FALSE(unknown);
  EXPECT_TRUE(unknown.error().is(Errc::unsupported_version));
  EXPECT_THAT(unknown.error().message(), HasSubstr("API key 999"));
  EXPECT_FALSE(decode_request_header(bytes_of("000c 0000 00000007 fffe")));
  EXPECT_FALSE(decode_response_header(bytes_of("000000"), HeartbeatRequest::api, 0));
}

TEST(Header, an_api_versions_request_of_a_later_version_can_be_answered) {
  const auto request =
      decode_request_header(bytes_of("0012 0063 00000007 0001 63 00 0261 0261 00"));
  ASSERT_TRUE(request) << request.error().to_string();
  EXPECT_EQ(request->header.api_version, 99);
  EXPECT_EQ(request->header.client_id, "c");
}

TEST(Header, the_refusal_of_an_api_versions_request_is_in_version_zero) {
  ApiVersionsResponse refusal;
  refusal.error_code = 35;
  refusal.api_keys.push_back({.api_key = 18, .min_version = 0, .max_version = 3});
  const Slice body = encode(refusal, 0).value().flatten().value();
  const auto back = decode_api_versions_response(body, 4);
  ASSERT_TRUE(back) << back.error().to_string();
  EXPECT_EQ(back->api_keys.at(0).max_version, 3);
  EXPECT_FALSE(decode<ApiVersionsResponse>(body, 4));
  const Slice other = encode(ApiVersionsResponse{}, 4).value().flatten().value();
  EXPECT_TRUE(decode_api_versions_response(other, 4));
}

TEST(Api, names_and_ranges_are_found) {
  EXPECT_EQ(api_name(ApiKey::describe_cluster), "DescribeCluster");
  EXPECT_EQ(api_name(ApiKey::produce), "Produce");
  EXPECT_EQ(api_name(ApiKey{999}), "unknown");
  EXPECT_EQ(find_api(ApiKey{999}), nullptr);
  EXPECT_EQ(find_api(ApiKey::fetch)->versions, versions(4, 18));
}

TEST(Versioned, values_begin_with_their_version) {
  OffsetCommitValue value;
  value.offset = Offset{5};
  value.metadata = "m";
  value.commit_timestamp = Timestamp{6};
  const Slice bytes = encode_versioned(value, 3).value().flatten().value();
  EXPECT_EQ(hex_of(bytes.bytes()), "00030000000000000005ffffffff00016d0000000000000006");
  const auto back = decode_versioned<OffsetCommitValue>(bytes);
  ASSERT_TRUE(back) << back.error().to_string();
  EXPECT_EQ(back->offset, Offset{5});
  EXPECT_EQ(peek_version(bytes).value(), 3);
  EXPECT_FALSE(decode_versioned<OffsetCommitValue>(bytes_of("0009 00")));
  EXPECT_FALSE(decode_versioned<OffsetCommitValue>(bytes_of("00")));
}

TEST(Versioned, keys_begin_with_their_kind) {
  const OffsetCommitKey key{"g", "t", PartitionId{1}};
  const Slice bytes = encode_key(key).value().flatten().value();
  EXPECT_EQ(hex_of(bytes.bytes()), "000100016700017400000001");
  EXPECT_EQ(decode_key<OffsetCommitKey>(bytes).value().topic, "t");
  EXPECT_FALSE(decode_key<GroupMetadataKey>(bytes));
  EXPECT_EQ(hex_of(encode_key(GroupMetadataKey{"g"}).value().flatten().value().bytes()),
            "0002000167");
}

TEST(Versioned, a_consumer_of_a_later_version_is_understood) {
  ConsumerProtocolSubscription subscription;
  subscription.topics = {"t"};
  std::string bytes(encode_versioned(subscription, 3).value().flatten().value().text());
  bytes[1] = 7;
  bytes += "what version 7 appends";
  const auto back = decode_consumer_protocol<ConsumerProtocolSubscription>(Slice::copy_of(bytes));
  ASSERT_TRUE(back) << back.error().to_string();
  EXPECT_EQ(back->topics, std::vector<std::string>{"t"});
  bytes[0] = -1;
  EXPECT_FALSE(decode_consumer_protocol<ConsumerProtocolSubscription>(Slice::copy_of(bytes)));
}

}  // namespace
}  // namespace dohle::wire
