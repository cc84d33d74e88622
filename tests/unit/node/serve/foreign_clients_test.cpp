#include "node_world.hpp"
#include "wire/messages/api_versions.hpp"
#include "wire/messages/find_coordinator.hpp"
#include "wire/messages/init_producer_id.hpp"

// Requests of other clients that the own client never sends.

namespace dohle::node {
namespace {

using testing::HasSubstr;
using testing::SizeIs;

class ForeignClientsTest : public NodeWorld {
 protected:
  void say_software(const std::string& name, const std::string& version, std::string_view from) {
    wire::ApiVersionsRequest request;
    request.client_software_name = name;
    request.client_software_version = version;
    EXPECT_EQ(ask(request, 3, from).error_code, 0);
  }
};

// librdkafka 2.16.0 lists topics with these seven bytes.
constexpr std::string_view librdkafkas_metadata_v13("\x00\x00\x00\x00\x01\x00\x00", 7);

TEST_F(ForeignClientsTest, BytesBehindTheLastFieldOfARequestAreIgnoredAndLoggedOnceForEachClient) {
  create("t");
  say_software("librdkafka", "2.16.0", "one");
  say_software("librdkafka", "2.16.0", "two");
  say_software("other", "1", "three");
  for (const char* from : {"one", "one", "two", "three"}) {
    const auto answer = client(from).send_body<wire::MetadataRequest>(librdkafkas_metadata_v13, 13);
    const auto metadata = wait<wire::MetadataRequest>(answer);
    ASSERT_THAT(metadata.topics, SizeIs(1)) << from;
    EXPECT_EQ(metadata.topics[0].name, "t");
  }
  EXPECT_EQ(logger.count("librdkafka 2.16.0 sends bytes after the last field of Metadata version "
                         "13, which are ignored"),
            1u);
  EXPECT_EQ(logger.count("other 1 sends bytes after"), 1u);
  EXPECT_THAT(logger.lines, SizeIs(2));
}

TEST_F(ForeignClientsTest, ABodyThatEndsTooEarlyStillClosesTheConnection) {
  WireClient& one = client();
  (void)one.send_body<wire::MetadataRequest>(std::string_view("\x02\x00\x00", 3), 13);
  EXPECT_TRUE(world.run_until([&] { return one.is_closed; }, 1s));
}

TEST_F(ForeignClientsTest, LinesAboutClientSoftwareAreBounded) {
  for (int i = 0; i < static_cast<int>(limits::max_client_software) + 20; ++i) {
    say_software("client" + std::to_string(i), "1", "one");
    (void)wait<wire::MetadataRequest>(
        client().send_body<wire::MetadataRequest>(librdkafkas_metadata_v13, 13));
  }
  EXPECT_THAT(logger.lines, SizeIs(limits::max_client_software));
}

TEST_F(ForeignClientsTest, TransactionalProducersAreRefusedAtOnceWithoutARetriableError) {
  constexpr std::int16_t transactional_id_authorization_failed = 53;
  for (const std::int16_t version : std::initializer_list<std::int16_t>{1, 3, 4, 6}) {
    wire::FindCoordinatorRequest request;
    request.key_type = 1;
    if (version < 4) {
      request.key = "tx";
    } else {
      request.coordinator_keys = {"tx"};
    }
    const auto answer = ask(request, version);
    const auto code = version < 4 ? answer.error_code : answer.coordinators.at(0).error_code;
    const auto text = version < 4 ? answer.error_message : answer.coordinators.at(0).error_message;
    EXPECT_EQ(code, transactional_id_authorization_failed) << version;
    EXPECT_THAT(text.value_or(""), HasSubstr("this node has no transactions")) << version;
  }
  wire::InitProducerIdRequest init;
  init.transactional_id = "tx";
  EXPECT_EQ(ask(init).error_code, transactional_id_authorization_failed);
  EXPECT_GE(logger.count("is refused (53): this node has no transactions"), 1u);
  // Producers without transactions get an id.
  init.transactional_id.reset();
  EXPECT_EQ(ask(init).error_code, 0);
}

// Clients of KIP-848 and KIP-932 groups check ApiVersions first and report that the server does not
// support the protocol. A client that sends the request all the same loses the connection, as at an
// Apache Kafka before 3.7.
TEST_F(ForeignClientsTest, NewGroupProtocolsAreNotAdvertisedAndTheirRequestsCloseTheConnection) {
  const auto versions = ask(wire::ApiVersionsRequest{}, 3);
  for (const auto& spoken : versions.api_keys) {
    EXPECT_THAT(spoken.api_key, testing::Not(testing::AnyOf(68, 69, 76, 77, 78, 79)));
  }
  EXPECT_THAT(versions.finalized_features, testing::IsEmpty());
  EXPECT_THAT(versions.supported_features, testing::IsEmpty());
  WireClient& one = client("heartbeat");
  // ConsumerGroupHeartbeat (68) version 0, correlation id 7, no client id, no tags.
  one.send_bytes(Chain(Slice::copy_of(
      std::string_view("\x00\x00\x00\x0b\x00\x44\x00\x00\x00\x00\x00\x07\xff\xff\x00", 15))));
  EXPECT_TRUE(world.run_until([&] { return one.is_closed; }, 1s));
  EXPECT_EQ(logger.count("unknown API key 68"), 1u);
}

}  // namespace
}  // namespace dohle::node
