#include "node_world.hpp"
#include "wire/messages/api_versions.hpp"
#include "wire/messages/find_coordinator.hpp"
#include "wire/messages/init_producer_id.hpp"

// What clients of other people send that our own never would.

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

TEST_F(ForeignClientsTest, BytesBehindTheLastFieldOfARequestAreIgnoredAndToldOnceForEachClient) {
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
  EXPECT_EQ(logger.count("librdkafka 2.16.0 sends bytes behind the last field of Metadata version "
                         "13, which are ignored"),
            1u);
  EXPECT_EQ(logger.count("other 1 sends bytes behind"), 1u);
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

}  // namespace
}  // namespace dohle::node
