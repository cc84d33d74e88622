#pragma once

#include <span>

#include "base/broker_errors.hpp"
#include "node/engine.hpp"
#include "wire/api.hpp"

namespace dohle::node {

/// What the node serves: an API in a range of versions, and the function for one request. What is
/// advertised is this table, so the two cannot disagree.
struct Handler {
  wire::Api api;
  void (*handle)(Engine& engine, const Responder& responder, const Slice& body);
};

[[nodiscard]] std::span<const Handler> handlers();

/// Decodes the body and calls `function`; a body that is not what the version says closes the
/// connection.
template <class Request, void (*function)(Engine&, const Responder&, Request)>
void decoded(Engine& engine, const Responder& responder, const Slice& body) {
  auto request = wire::decode<Request>(body, responder.version);
  if (!request) return responder.close(request.error());
  function(engine, responder, *std::move(request));
}

/// The wire code of an error: a broker's own, or what storage errors are told as.
[[nodiscard]] inline std::int16_t wire_code(const Error& error) {
  if (error.category() == ErrorCategory::broker) return error.code();
  if (error.category() == ErrorCategory::storage) return broker_error::kafka_storage_error;
  return broker_error::unknown_server_error;
}

/// The node is its own cluster: one broker, leader of everything, in its first epoch.
inline constexpr NodeId node_id{1};
inline constexpr LeaderEpoch leader_epoch{0};

void answer_unknown_version(const Responder& responder);

void handle_api_versions(Engine& engine, const Responder& responder, const Slice& body);
void handle_create_topics(Engine& engine, const Responder& responder, const Slice& body);
void handle_delete_topics(Engine& engine, const Responder& responder, const Slice& body);
void handle_fetch(Engine& engine, const Responder& responder, const Slice& body);
void handle_init_producer_id(Engine& engine, const Responder& responder, const Slice& body);
void handle_list_offsets(Engine& engine, const Responder& responder, const Slice& body);
void handle_metadata(Engine& engine, const Responder& responder, const Slice& body);
void handle_produce(Engine& engine, const Responder& responder, const Slice& body);

}  // namespace dohle::node
