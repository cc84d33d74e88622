#include "messaging/requests/responder.hpp"

#include <optional>
#include <string>
#include <utility>

#include "base/broker_errors.hpp"
#include "dohle/detail/typed_handler.hpp"
#include "messaging/events/event_state.hpp"
#include "messaging/reports/thrown_by.hpp"
#include "messaging/requests/request_headers.hpp"
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

void report_failed(const ResponderMeans& means, const RawEvent& request, const Error& why) {
  const bool in_decoding = why.is(Errc::codec_failed);
  means.reports->report(
      failure_of(request, in_decoding ? Failure::Kind::decode : Failure::Kind::handler, why));
}

/// Sets the headers that lead a reply to its requester. They replace those of a reply that is
/// passed on.
void address(const RequestHeaders& to, const RawEvent& request, Message& reply) {
  remove_headers(reply);
  reply.with_partition(to.reply_partition);
  if (to.correlation) reply.with_header(std::string(correlation_header), to.correlation);
  if (const auto key = request.key(); key && !reply.key()) reply.with_key(std::string(*key));
}

/// Stores the answer to a request. `failed`: why its handler failed, now or in an earlier attempt.
/// Then no retry calls it again; only the answer is sent again. Errors: the answer is not stored.
Result<void> store_answer(const ReplyMaker& maker, const ResponderMeans& means,
                          const RawEvent& request, const RequestHeaders& headers,
                          std::optional<Error>& failed) {
  const std::string what = "the reply to a request of topic " + std::string(request.topic());
  const auto send = [&](Message reply) -> Result<void> {
    address(headers, request, reply);
    auto stored = means.publish(headers.reply_topic, std::move(reply));
    return stored ? stored : fail(stored.error().within(what));
  };
  if (!failed) {
    auto reply = made(maker, request, headers.reply_topic);
    if (reply) {
      auto stored = send(*std::move(reply));
      if (stored || !is_too_large(stored.error())) return stored;
      failed = stored.error();
    } else {
      failed = reply.error();
    }
    report_failed(means, request, *failed);
  }
  HandlingSpan::mark(*failed);
  return send(error_reply(*failed));
}

Result<void> answer(const ReplyMaker& maker, const ResponderMeans& means, const RawEvent& request) {
  const auto headers = read_headers(request);
  if (!headers) return fail(headers.error());
  if (!headers->deadline.is_none() && headers->deadline.value <= means.now().value) {
    means.counts->count_expired();
    return {};
  }
  std::optional<Error>& failed = EventAccess::state(request).failed_reply;
  auto stored = store_answer(maker, means, request, *headers, failed);
  if (stored) {
    means.counts->count_answer(failed.has_value());
    return {};
  }
  if (!is_gone(stored.error())) return stored;
  means.counts->count_undeliverable();
  means.reports->report(failure_of(request, Failure::Kind::delivery, stored.error()));
  return {};
}

}  // namespace

SubscribeHandler responder(ReplyMaker maker, ResponderMeans means) {
  return [maker = std::move(maker), means = std::move(means)](RawEvent& request) {
    return answer(maker, means, request);
  };
}

}  // namespace dohle::messaging
