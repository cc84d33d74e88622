#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "dohle/error.hpp"
#include "dohle/event.hpp"
#include "dohle/ids.hpp"
#include "dohle/message.hpp"
#include "dohle/middleware.hpp"

// The headers of requests and replies. Those that begin with kafka_ are spring-kafka's
// (ReplyingKafkaTemplate and @SendTo): the topic as UTF-8, the partition as a big-endian 32-bit
// integer, the correlation id as bytes that the responder does not look into.

namespace dohle::messaging {

inline constexpr std::string_view reply_topic_header = "kafka_replyTopic";
inline constexpr std::string_view reply_partition_header = "kafka_replyPartition";
inline constexpr std::string_view correlation_header = "kafka_correlationId";
/// Milliseconds since the Unix epoch, in decimal digits.
using middleware::deadline_header;
/// The reason why a reply has no value: "NAME: message". A long message is cut by
/// message_for_header.
inline constexpr std::string_view error_header = "dohle-error";

/// The destination of the reply to a request, and the time until which it is of use.
struct RequestHeaders {
  std::string reply_topic;
  /// none: any.
  PartitionId reply_partition = {};
  /// If it is absent, the reply has none either.
  std::optional<std::string> correlation = {};
  /// none: for ever.
  Timestamp deadline = {};
};

/// Removes the headers of a request, which a copy of another message may have.
void remove_headers(std::vector<Header>& headers);
void remove_headers(Message& message);
/// Gives a request these headers, in place of those that it has as a copy of another request.
void set_headers(const RequestHeaders& request, Message& message);
/// Errors: codec_failed for a message without a reply topic, or with a partition or a deadline
/// that is none.
[[nodiscard]] Result<RequestHeaders> read_headers(const RawEvent& request);

/// The reply that says why there is none.
[[nodiscard]] Message error_reply(const Error& why);
/// The responder's error; absent for a reply with a value.
[[nodiscard]] std::optional<Error> error_of(const RawEvent& reply);

}  // namespace dohle::messaging
