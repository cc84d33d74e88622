#include "messaging/responder.hpp"

#include <string>
#include <utility>

#include "base/broker_errors.hpp"
#include "messaging/publish_chain.hpp"
#include "messaging/request_headers.hpp"

namespace dohle::messaging {

namespace {

/// Whether the requester's topic or partition is gone, so that no retry helps.
bool is_gone(const Error& why) {
  return why.is(Errc::no_such_topic) || why.is(Errc::no_such_partition) ||
         why.is_broker(broker_error::unknown_topic_or_partition);
}

Result<Message> made(const ReplyMaker& maker, const RawEvent& request, std::string_view topic) {
  try {
    return maker(request, topic);
  } catch (...) {
    return fail(thrown_by("the reply handler"));
  }
}

Failure failure_of(const RawEvent& request, Failure::Kind kind, const Error& why) {
  return {.kind = kind,
          .error = why,
          .topic = request.topic(),
          .partition = request.partition(),
          .offset = request.offset()};
}

/// Gives a reply what leads it to its requester, in place of what a reply that is passed on has.
void address(const RequestHeaders& to, const RawEvent& request, Message& reply) {
  remove_headers(reply);
  reply.with_partition(to.reply_partition);
  if (to.correlation) reply.with_header(std::string(correlation_header), to.correlation);
  if (const auto key = request.key(); key && !reply.key()) reply.with_key(std::string(*key));
}

Result<void> answer(const ReplyMaker& maker, const ResponderMeans& means, const RawEvent& request) {
  const auto headers = read_headers(request);
  if (!headers) return fail(headers.error());
  if (!headers->deadline.is_none() && headers->deadline.value <= means.now().value) {
    means.counts->count_expired();
    return {};
  }
  auto reply = made(maker, request, headers->reply_topic);
  const std::optional<Error> failed = reply ? std::nullopt : std::optional(reply.error());
  if (failed) {
    const bool in_decoding = failed->is(Errc::codec_failed);
    means.reports->report(
        failure_of(request, in_decoding ? Failure::Kind::decode : Failure::Kind::handler, *failed));
    reply = error_reply(*failed);
  }
  address(*headers, request, *reply);
  const auto stored = means.publish(headers->reply_topic, *std::move(reply));
  if (stored) {
    means.counts->count_answer(failed.has_value());
    return {};
  }
  const Error why =
      stored.error().within("the reply to a request of topic " + std::string(request.topic()));
  if (!is_gone(why)) return fail(why);
  means.counts->count_undeliverable();
  means.reports->report(failure_of(request, Failure::Kind::delivery, why));
  return {};
}

}  // namespace

SubscribeHandler responder(ReplyMaker maker, ResponderMeans means) {
  return [maker = std::move(maker), means = std::move(means)](RawEvent& request) {
    return answer(maker, means, request);
  };
}

}  // namespace dohle::messaging
