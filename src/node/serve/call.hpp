#pragma once

#include <chrono>
#include <cstdint>
#include <string>
#include <string_view>

#include "base/time.hpp"
#include "node/door/session.hpp"
#include "node/serve/access.hpp"
#include "node/serve/node_parts.hpp"
#include "wire/header.hpp"

namespace dohle::node {

/// The place of one request's answer.
struct AnswerPlace {
  std::uint64_t session;
  /// Number in the order of the session's answers.
  std::uint64_t number;
  std::int32_t correlation_id;
  std::int16_t version;
  /// How long the client is told to wait before its next request.
  std::chrono::milliseconds throttle{0};
};

/// Moves large pieces, which are the node's own, to pages of their own: answers may wait long for
/// their reader, and are freed together when the connection closes.
void keep_apart(Chain& answer);

/// The answer's frame, with the throttle time in it if the message has one: those of SASL do not.
template <class Response>
[[nodiscard]] Result<Chain> encode_answer(const AnswerPlace& place, Response& response) {
  if constexpr (requires { response.throttle_time_ms; }) {
    response.throttle_time_ms = static_cast<std::int32_t>(place.throttle.count());
  }
  auto frame = wire::encode_response(place.correlation_id, response, place.version);
  if (frame) keep_apart(*frame);
  return frame;
}

/// Answers one request, now or later. Copyable. Has no effect after the connection has closed.
/// Every request is answered or closes its connection. The sessions and the lines outlive it.
class Responder {
 public:
  Responder(const Sessions& sessions, Lines& lines, AnswerPlace place)
      : sessions_(&sessions), lines_(&lines), place_(place) {}

  [[nodiscard]] std::uint64_t session() const { return place_.session; }
  [[nodiscard]] std::int16_t version() const { return place_.version; }

  /// Sends the response, which gets the throttle time.
  template <class Response>
  void answer(Response&& response) const {
    answer_encoded(encode(response));
  }
  /// As `answer`, in two steps. The first one may run on another thread.
  template <class Response>
  [[nodiscard]] Result<Chain> encode(Response& response) const {
    return encode_answer(place_, response);
  }
  void answer_encoded(Result<Chain> bytes) const {
    if (!bytes) return close(bytes.error());
    send(*std::move(bytes));
  }
  /// As `answer`, in another version than the request's.
  template <class Response>
  void answer_in_version(std::int16_t version, Response&& response) const {
    Responder other = *this;
    other.place_.version = version;
    other.answer(response);
  }
  /// For acks=0: the request is done and gets no answer.
  void no_answer() const { send(Chain()); }
  /// Closes the connection, for a fault that the protocol has no answer for.
  void close(const Error& why) const;

 private:
  void send(Chain bytes) const;

  const Sessions* sessions_;
  Lines* lines_;
  AnswerPlace place_;
};

/// One request as its handler gets it: the node's parts, of which it names those that it uses
/// (`Parts`), the client, the way of its connection, and the responder. Valid during the handler's
/// call; work that continues later keeps the parts, the access and the responder.
struct Call {
  const NodeParts& node;
  Access access;
  const Way& way;
  const std::string& peer;
  std::string client_id;
  Responder responder;
  std::int16_t version;
  Now now;

  /// The topic of that name or id, if the client may do the operation with it.
  [[nodiscard]] FoundTopic topic(std::string_view name, Operation what) const {
    return access.topic(name, what);
  }
  [[nodiscard]] FoundTopic topic(const TopicId& id, Operation what) const {
    return access.topic(id, what);
  }
  [[nodiscard]] FoundTopic topic(const TopicReference& named, Operation what) const {
    return access.topic(named, what);
  }
};

}  // namespace dohle::node
