#include "messaging/requests/request_headers.hpp"

#include <cstdint>
#include <span>

#include "messaging/reports/error_header.hpp"
#include "properties/values.hpp"
#include "wire/big_endian.hpp"

namespace dohle::messaging {

namespace {

std::string big_endian(std::int32_t value) {
  std::string bytes(sizeof value, '\0');
  wire::store_big_endian(std::as_writable_bytes(std::span(bytes)).data(), value);
  return bytes;
}

std::optional<std::int32_t> parse_big_endian(std::string_view bytes) {
  if (bytes.size() != sizeof(std::int32_t)) return std::nullopt;
  return wire::load_big_endian<std::int32_t>(as_bytes(bytes).data());
}

Error wrong_header(const RawEvent& request, const std::string& what) {
  return Error::client(Errc::codec_failed,
                       "the request at offset " + std::to_string(request.offset().value) +
                           " of topic " + std::string(request.topic()) + " " + what);
}

}  // namespace

void remove_headers(std::vector<Header>& headers) {
  std::erase_if(headers, [](const Header& each) {
    return each.name == reply_topic_header || each.name == reply_partition_header ||
           each.name == correlation_header || each.name == deadline_header;
  });
}

void remove_headers(Message& message) {
  std::vector<Header> headers = message.headers();
  remove_headers(headers);
  message.with_headers(std::move(headers));
}

void set_headers(const RequestHeaders& request, Message& message) {
  std::vector<Header> headers = message.headers();
  remove_headers(headers);
  headers.push_back({std::string(reply_topic_header), request.reply_topic});
  if (!request.reply_partition.is_none()) {
    headers.push_back(
        {std::string(reply_partition_header), big_endian(request.reply_partition.value)});
  }
  if (request.correlation) {
    headers.push_back({std::string(correlation_header), request.correlation});
  }
  if (!request.deadline.is_none()) {
    headers.push_back({std::string(deadline_header), std::to_string(request.deadline.value)});
  }
  message.with_headers(std::move(headers));
}

Result<RequestHeaders> read_headers(const RawEvent& request) {
  RequestHeaders found;
  const auto topic = request.header(reply_topic_header);
  if (!topic) return fail(wrong_header(request, "has no header kafka_replyTopic"));
  found.reply_topic = *topic;
  if (const auto partition = request.header(reply_partition_header)) {
    const auto number = parse_big_endian(*partition);
    if (!number || *number < 0) {
      return fail(wrong_header(request, "has a header kafka_replyPartition of " +
                                            std::to_string(partition->size()) +
                                            " bytes that is no big-endian 32-bit partition"));
    }
    found.reply_partition = PartitionId{*number};
  }
  if (const auto id = request.header(correlation_header)) found.correlation = std::string(*id);
  if (const auto deadline = request.header(deadline_header)) {
    const auto at = properties::parse_count(*deadline, 0, INT64_MAX);
    if (!at) return fail(wrong_header(request, "has a header dohle-deadline that is no time"));
    found.deadline = Timestamp{*at};
  }
  return found;
}

Message error_reply(const Error& why) {
  return Message().with_header(std::string(error_header), std::string(why.name()) + ": " +
                                                              std::string(message_for_header(why)));
}

std::optional<Error> error_of(const RawEvent& reply) {
  const auto text = reply.header(error_header);
  if (!text) return std::nullopt;
  return Error::client(Errc::handler_failed,
                       "the responder answered with an error: " + std::string(*text));
}

}  // namespace dohle::messaging
