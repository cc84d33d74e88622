#pragma once

#include <span>
#include <string>

#include "base/broker_errors.hpp"
#include "node/limits.hpp"
#include "node/node_engine.hpp"
#include "wire/api.hpp"
#include "wire/frame_body.hpp"

namespace dohle::node {

/// What the node serves: an API in a range of versions, and the function for one request. What is
/// advertised is the table of these, so the two cannot disagree.
struct Handler {
  wire::Api api;
  void (*handle)(Call& call, const Slice& body);
};

/// The largest body of a request: it is decoded in one turn. Only records make a request larger.
[[nodiscard]] constexpr std::size_t max_body_bytes(wire::ApiKey key) {
  switch (key) {
    case wire::ApiKey::produce:
      return SIZE_MAX;  // the frame's bound
    case wire::ApiKey::fetch:
    case wire::ApiKey::sync_group:
      return limits::max_large_body_bytes;
    case wire::ApiKey::metadata:
    case wire::ApiKey::list_offsets:
    case wire::ApiKey::offset_commit:
    case wire::ApiKey::offset_fetch:
    case wire::ApiKey::offset_for_leader_epoch:
    case wire::ApiKey::join_group:
    case wire::ApiKey::create_topics:
    case wire::ApiKey::delete_topics:
      return limits::max_body_bytes;
    default:
      return limits::max_small_body_bytes;
  }
}
/// Closes the connection with a line: the client cannot send this.
void refuse_size(Call& call, const wire::Api& api, std::size_t bytes);

/// Decodes the body and calls the `handle` for that request, wherever it is declared; a body that
/// is too large or not what the version says closes the connection. Bytes behind its last field are
/// ignored, and a line says so once for each kind of client.
template <class Request>
inline constexpr Handler handler_of{
    Request::api, [](Call& call, const Slice& body) {
      if (body.size() > max_body_bytes(Request::api.key)) {
        return refuse_size(call, Request::api, body.size());
      }
      auto request = wire::decode_frame_body<Request>(body, call.version);
      if (!request) return call.responder.close(request.error());
      if (request->has_more) call.engine.dispatcher().note_trailing_bytes(call, Request::api);
      handle(call, std::move(request->message));
    }};

/// All handlers, by key (handlers.cpp).
[[nodiscard]] std::span<const Handler> handlers();
/// Null: not served.
[[nodiscard]] const Handler* find_handler(wire::ApiKey key);

/// The answer to an ApiVersions request of a version that is too new (KIP-511).
void answer_unknown_version(Call& call);

/// The wire code of an error: a broker's own, or what storage errors are told as.
[[nodiscard]] inline std::int16_t wire_code(const Error& error) {
  if (error.category() == ErrorCategory::broker) return error.code();
  if (error.category() == ErrorCategory::storage) return broker_error::kafka_storage_error;
  return broker_error::unknown_server_error;
}
[[nodiscard]] inline std::string text_of(const Error& error) {
  const bool has_detail = !error.server_message().empty();
  return shortened(has_detail ? error.server_message() : error.message());
}

/// Why a request cannot be served by the partition it names: unknown, unusable, or known to the
/// client in an epoch that has not begun. none: it can. `partition` is null for one that does not
/// exist.
[[nodiscard]] inline std::int16_t fault_of(const PartitionRef* partition, LeaderEpoch known_epoch) {
  if (partition == nullptr) return broker_error::unknown_topic_or_partition;
  if (const Error* fault = (*partition)->fault()) return wire_code(*fault);
  return known_epoch > leader_epoch ? broker_error::unknown_leader_epoch : broker_error::none;
}

/// Which operations somebody may do, as a set of AclOperation's numbers (KIP-430); everything,
/// while nobody is asked for a name.
namespace may {
inline constexpr std::int32_t read = 1 << 3, write = 1 << 4, create = 1 << 5, remove = 1 << 6,
                              alter = 1 << 7, describe = 1 << 8, act_as_cluster = 1 << 9,
                              describe_configs = 1 << 10, alter_configs = 1 << 11,
                              write_idempotently = 1 << 12;
inline constexpr std::int32_t with_topic =
    read | write | create | remove | alter | describe | describe_configs | alter_configs;
inline constexpr std::int32_t with_group = read | remove | describe;
inline constexpr std::int32_t with_cluster = create | alter | describe | act_as_cluster |
                                             describe_configs | alter_configs | write_idempotently;
}  // namespace may

}  // namespace dohle::node
