#include "messaging/responder.hpp"

#include <string>
#include <utility>

#include "base/broker_errors.hpp"
#include "messaging/publish_chain.hpp"
#include "messaging/request_headers.hpp"
#include "messaging/trace/handling_span.hpp"

namespace dohle::messaging {

namespace {

/// Whether the requester's topic or partition is gone, so that no retry helps.
bool is_gone(const Error& why) {
  return why.is(Errc::no_such_topic) || why.is(Errc::no_such_partition) ||
         why.is_broker(broker_error::unknown_topic_or_partition);
}

/// Whether the reply has more bytes than the producer or the reply topic takes.
bool is_too_large(const Error& why) {
  return why.is(Errc::too_large) || why.is_broker(broker_error::message_too_large) ||
         why.is_broker(broker_error::record_list_too_large);
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

/// A failure that its requester hears of.
void report_failed(const ResponderMeans& means, const RawEvent& request, const Error& why) {
  HandlingSpan::mark(why);
  const bool in_decoding = why.is(Errc::codec_failed);
  means.reports->report(
      failure_of(request, in_decoding ? Failure::Kind::decode : Failure::Kind::handler, why));
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
  const auto send = [&](Message reply) {
    address(*headers, request, reply);
    return means.publish(headers->reply_topic, std::move(reply));
  };
  const std::string what = "the reply to a request of topic " + std::string(request.topic());
  auto reply = made(maker, request, headers->reply_topic);
  std::optional<Error> failed = reply ? std::nullopt : std::optional(reply.error());
  auto stored = reply ? send(*std::move(reply)) : Result<void>();
  // No retry helps.
  if (!stored && is_too_large(stored.error())) failed = stored.error().within(what);
  if (failed) {
    report_failed(means, request, *failed);
    stored = send(error_reply(*failed));
  }
  if (stored) {
    means.counts->count_answer(failed.has_value());
    return {};
  }
  const Error why = stored.error().within(what);
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
