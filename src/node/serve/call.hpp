#pragma once

#include <cstdint>
#include <string>

#include "base/principal.hpp"
#include "base/time.hpp"
#include "node/door/session.hpp"
#include "wire/header.hpp"

namespace dohle::node {

class NodeEngine;

/// The place of one request: whom to answer, now or later. Copyable; answering after the connection
/// is gone does nothing. Every request is answered, or closes its connection.
class Responder {
 public:
  Responder(NodeEngine& engine, std::uint64_t session, std::uint64_t number,
            std::int32_t correlation_id, std::int16_t version)
      : engine_(&engine),
        session_(session),
        number_(number),
        correlation_id_(correlation_id),
        version_(version) {}

  [[nodiscard]] std::uint64_t session() const { return session_; }
  [[nodiscard]] std::int16_t version() const { return version_; }

  template <class Response>
  void answer(const Response& response) const {
    answer(response, version_);
  }
  template <class Response>
  void answer(const Response& response, std::int16_t version) const {
    auto bytes = wire::encode_response(correlation_id_, response, version);
    if (!bytes) return close(bytes.error());
    send(*std::move(bytes));
  }
  /// For acks=0: the request is done and gets no answer.
  void no_answer() const { send(Chain()); }
  /// A fault that the protocol has no answer for.
  void close(const Error& why) const;

 private:
  void send(Chain bytes) const;

  NodeEngine* engine_;
  std::uint64_t session_;
  std::uint64_t number_;
  std::int32_t correlation_id_;
  std::int16_t version_;
};

/// One request as its handler gets it: who asks, which way they came, and how they are answered.
/// Valid during the handler's call; what goes on later keeps the responder.
struct Call {
  NodeEngine& engine;
  const Principal& principal;
  const Way& way;
  const std::string& peer;
  std::string client_id;
  Responder responder;
  std::int16_t version;
  Now now;
};

}  // namespace dohle::node
