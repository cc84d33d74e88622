// The bytes are those that spring-kafka 2.1.3 to 4.0 writes and reads: ReplyingKafkaTemplate puts
// the topic as text, the partition by ByteBuffer.putInt, and a UUID's 16 bytes.
#include "messaging/requests/request_headers.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>
#include <vector>

namespace dohle::messaging {
namespace {

using testing::ElementsAre;

const std::string uuid("\x55\x0e\x84\x00\xe2\x9b\x41\xd4\xa7\x16\x44\x66\x55\x44\x00\x00", 16);

TEST(RequestHeaders, equal_the_bytes_of_spring_kafka) {
  Message message;
  set_headers({.reply_topic = "replies",
               .reply_partition = PartitionId{0x01020304},
               .correlation = uuid,
               .deadline = Timestamp{1'700'000'000'123}},
              message);
  EXPECT_THAT(message.headers(), ElementsAre(Header{"kafka_replyTopic", "replies"},
                                             Header{"kafka_replyPartition", "\x01\x02\x03\x04"},
                                             Header{"kafka_correlationId", uuid},
                                             Header{"dohle-deadline", "1700000000123"}));
}

TEST(RequestHeaders, leave_out_absent_fields) {
  Message message;
  set_headers({.reply_topic = "replies"}, message);
  EXPECT_THAT(message.headers(), ElementsAre(Header{"kafka_replyTopic", "replies"}));
}

TEST(RequestHeaders, replace_those_of_a_forwarded_request_and_leave_others) {
  Message message = Message("text")
                        .with_header("a", "1")
                        .with_header("kafka_replyTopic", "theirs")
                        .with_header("kafka_replyPartition", "1234")
                        .with_header("kafka_correlationId", "x")
                        .with_header("dohle-deadline", "5")
                        .with_header("a", "2");
  set_headers({.reply_topic = "ours"}, message);
  EXPECT_THAT(message.headers(),
              ElementsAre(Header{"a", "1"}, Header{"a", "2"}, Header{"kafka_replyTopic", "ours"}));
}

TEST(ErrorReply, carries_the_error_of_the_handler) {
  const Message reply = error_reply(Error::client(Errc::invalid_argument, "no bird is named"));
  EXPECT_THAT(reply.headers(),
              ElementsAre(Header{"dohle-error", "invalid_argument: no bird is named"}));
  EXPECT_EQ(reply.body(), std::nullopt);
}

TEST(ErrorReply, cuts_a_long_message_at_a_whole_character) {
  const std::string whole(998, 'x');
  // The euro sign has three bytes, of which two are below the limit.
  const Message reply = error_reply(Error::client(Errc::invalid_argument, whole + "\xe2\x82\xac"));
  EXPECT_THAT(reply.headers(), ElementsAre(Header{"dohle-error", "invalid_argument: " + whole}));
}

}  // namespace
}  // namespace dohle::messaging
