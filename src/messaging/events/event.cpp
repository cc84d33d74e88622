#include "dohle/event.hpp"

#include <stdexcept>

#include "messaging/events/event_pool.hpp"
#include "messaging/events/received_message.hpp"

namespace dohle {
inline namespace v0 {

namespace {

std::optional<std::string_view> text_of(const std::optional<Bytes>& bytes) {
  return bytes ? std::optional(as_text(*bytes)) : std::nullopt;
}

/// Errors: not_owner once the subscription is gone.
Result<std::shared_ptr<messaging::AckSink>> sink_of(const messaging::EventState& event,
                                                    std::string_view call) {
  if (auto sink = event.pool->sink()) return sink;
  return fail(Error::client(
      Errc::not_owner, std::string(call) + " of " + place_of(event) + ": its subscription ended"));
}

}  // namespace

RawEvent::RawEvent(messaging::EventPointer state) noexcept : state_(std::move(state)) {}
RawEvent::RawEvent(RawEvent&& other) noexcept = default;
RawEvent& RawEvent::operator=(RawEvent&& other) noexcept = default;
RawEvent::~RawEvent() = default;

std::string_view RawEvent::topic() const {
  return state_->topic;
}
PartitionId RawEvent::partition() const {
  return state_->partition;
}
Offset RawEvent::offset() const {
  return state_->offset;
}
Timestamp RawEvent::timestamp() const {
  return state_->timestamp;
}
std::optional<std::string_view> RawEvent::key() const {
  return text_of(state_->key);
}
std::optional<std::string_view> RawEvent::body() const {
  return text_of(state_->value);
}
const HeaderRange& RawEvent::headers() const {
  return state_->headers;
}
std::optional<std::string_view> RawEvent::header(std::string_view name) const {
  return text_of(state_->headers.first(name));
}
int RawEvent::attempt() const {
  return state_->attempts();
}

Message RawEvent::message() const {
  return messaging::message_of(*state_);
}

Result<void> RawEvent::ack() {
  const auto sink = sink_of(*state_, "ack");
  return sink ? (*sink)->ack(*state_) : fail(sink.error());
}
Result<void> RawEvent::nack(Error why) {
  const auto sink = sink_of(*state_, "nack");
  return sink ? (*sink)->nack(state_, std::move(why)) : fail(sink.error());
}
Result<void> RawEvent::nack() {
  return nack(Error::client(Errc::handler_failed, "the handler passed the message to nack"));
}

Result<void> RawEvent::retry_after(std::chrono::milliseconds delay) {
  const auto sink = sink_of(*state_, "retry_after");
  return sink ? (*sink)->retry_after(state_, delay) : fail(sink.error());
}

void RawEvent::throw_no_value() const {
  throw std::logic_error("the message has no body (a tombstone); has_value() says so");
}

}  // namespace v0
}  // namespace dohle
