#pragma once

#include <initializer_list>
#include <memory>
#include <optional>
#include <span>
#include <string>

#include "base/broker_errors.hpp"
#include "node/fetch/fetch_sessions.hpp"
#include "node/fetch/fetch_waits.hpp"
#include "node/group/group_service.hpp"
#include "node/limits.hpp"
#include "node/lines.hpp"
#include "node/node_settings.hpp"
#include "node/serve/batch_checks.hpp"
#include "node/serve/call.hpp"
#include "node/serve/dispatcher.hpp"
#include "node/serve/time_searches.hpp"
#include "node/storage/storage.hpp"
#include "wire/api.hpp"
#include "wire/bounded_decode.hpp"

namespace dohle::node {

/// The state of a request after a slice.
using Progress = Dispatcher::Progress;

/// A served API: its range of versions and the function for one request. The node advertises the
/// table of these.
struct Handler {
  wire::Api api;
  void (*handle)(Call& call, const Slice& body);
};

/// The largest body of a request. Only Produce, because of its records, has no limit here.
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
    case wire::ApiKey::create_partitions:
      return limits::max_body_bytes;
    default:
      return limits::max_small_body_bytes;
  }
}
/// Closes the connection and logs a line: the request is too large.
void refuse_size(Call& call, const wire::Api& api, std::size_t bytes);

/// Calls the `handle` for that request, wherever it is declared. Closes the connection if the body
/// does not fit the version. Ignores bytes after its last field and logs that once for each kind of
/// client.
template <class Request>
void handle_decoded(Call& call, Result<wire::FrameBody<Request>> request) {
  if (!request) return call.responder.close(request.error());
  if (request->has_more) {
    const Parts<Dispatcher> node = call.node;
    node.get<Dispatcher>().note_trailing_bytes(call, Request::api);
  }
  handle(call, std::move(request->message));
}

/// Decodes a large body on a disk thread, then handles it in a later turn.
template <class Request>
void decode_beside(Call& call, const Slice& body) {
  struct Decoding {
    Slice body;
    std::int16_t version;
    std::optional<Result<wire::FrameBody<Request>>> request;
  };
  auto decoding = std::make_shared<Decoding>(Decoding{body, call.version, {}});
  const Parts<Dispatcher, Executor> node = call.node;
  node.get<Dispatcher>().go_on_after(
      call.responder.session(),
      [decoding] {
        decoding->request = wire::decode_bounded<Request>(decoding->body, decoding->version,
                                                          limits::max_request_elements);
      },
      [call, node, decoding]() mutable {
        call.now = node.get<Executor>().tick();
        handle_decoded<Request>(call, *std::move(decoding->request));
        return Progress::answered;
      });
}

/// Decodes the body and handles it. Closes the connection if the body is too large, or has too many
/// elements.
template <class Request>
inline constexpr Handler handler_of{
    Request::api, [](Call& call, const Slice& body) {
      if (body.size() > max_body_bytes(Request::api.key)) {
        return refuse_size(call, Request::api, body.size());
      }
      auto request = wire::decode_bounded<Request>(body, call.version, limits::max_decoded_at_once);
      const bool is_large = !request && request.error().is(Errc::too_large);
      if (is_large) return decode_beside<Request>(call, body);
      handle_decoded<Request>(call, std::move(request));
    }};

/// For handlers: serves the request by calls of `serving->go_on()`, one for each slice. `serving`
/// is a smart pointer.
template <class Serving>
void serve_in_slices(Dispatcher& dispatcher, const Responder& responder, Serving serving) {
  dispatcher.go_on(responder.session(),
                   [serving = std::move(serving)] { return serving->go_on(); });
}

/// Destroys a value with very many parts on a disk thread.
template <class Value>
void drop_beside(Dispatcher& dispatcher, Value value) {
  auto dropped = std::make_shared<std::optional<Value>>(std::move(value));
  dispatcher.run_beside([dropped] { dropped->reset(); }, [] {});
}

/// An answer that is encoded and destroyed on a disk thread.
template <class Response>
class AnswerEncoding {
 public:
  AnswerEncoding(Response response, const Responder& responder)
      : response_(std::move(response)), responder_(responder) {}
  void encode() {
    bytes_ = responder_.encode(response_);
    response_ = {};
  }
  void answer() { responder_.answer_encoded(*std::move(bytes_)); }

 private:
  Response response_;
  Responder responder_;
  std::optional<Result<Chain>> bytes_;
};

/// As `Responder::answer`, from any event. An answer with more than `max_encoded_at_once` items is
/// encoded on a disk thread. The next requests of the connection are served meanwhile.
template <class Response>
void answer_whenever(Dispatcher& dispatcher, const Responder& responder, Response response,
                     std::size_t items) {
  if (items <= limits::max_encoded_at_once) return responder.answer(response);
  const auto encoding = std::make_shared<AnswerEncoding<Response>>(std::move(response), responder);
  dispatcher.run_beside([encoding] { encoding->encode(); }, [encoding] { encoding->answer(); });
}

/// As `Responder::answer`, for the handler or last slice of a request whose answer has `items`
/// items. An answer with more than `max_encoded_at_once` items is encoded on a disk thread.
template <class Response>
void answer_beside(Dispatcher& dispatcher, const Responder& responder, Response response,
                   std::size_t items) {
  if (items <= limits::max_encoded_at_once) return responder.answer(response);
  const auto encoding = std::make_shared<AnswerEncoding<Response>>(std::move(response), responder);
  dispatcher.go_on_after(
      responder.session(), [encoding] { encoding->encode(); },
      [encoding] {
        encoding->answer();
        return Progress::answered;
      });
}

/// All handlers, by key (handlers.cpp).
[[nodiscard]] std::span<const Handler> handlers();
/// Null if not served.
[[nodiscard]] const Handler* find_handler(wire::ApiKey key);

/// The answer to an ApiVersions request of a version that is too new (KIP-511).
void answer_unknown_version(Call& call);

/// The wire code of an error: a broker error's own, KAFKA_STORAGE_ERROR for storage errors,
/// otherwise UNKNOWN_SERVER_ERROR.
[[nodiscard]] inline std::int16_t wire_code(const Error& error) {
  if (error.category() == ErrorCategory::broker) return error.code();
  if (error.category() == ErrorCategory::storage) return broker_error::kafka_storage_error;
  return broker_error::unknown_server_error;
}
[[nodiscard]] inline std::string text_of(const Error& error) {
  const bool has_detail = !error.server_message().empty();
  return shortened(has_detail ? error.server_message() : error.message());
}

/// Why the partition cannot serve a request: it does not exist, it is unusable, or the client knows
/// an epoch that has not begun. none if it can. `partition` is null if it does not exist.
[[nodiscard]] inline std::int16_t fault_of(const PartitionRef* partition, LeaderEpoch known_epoch) {
  if (partition == nullptr) return broker_error::unknown_topic_or_partition;
  if (const Error* fault = (*partition)->fault()) return wire_code(*fault);
  return known_epoch > leader_epoch ? broker_error::unknown_leader_epoch : broker_error::none;
}

/// Sets of operations, as bits of AclOperation's numbers (KIP-430): all operations, because there
/// are no ACLs.
namespace may {
[[nodiscard]] constexpr std::int32_t set_of(std::initializer_list<Operation> operations) {
  std::int32_t bits = 0;
  for (const Operation operation : operations) bits |= 1 << static_cast<int>(operation);
  return bits;
}
inline constexpr std::int32_t with_topic = set_of(
    {Operation::read, Operation::write, Operation::create, Operation::remove, Operation::alter,
     Operation::describe, Operation::describe_configs, Operation::alter_configs});
inline constexpr std::int32_t with_group =
    set_of({Operation::read, Operation::remove, Operation::describe});
inline constexpr std::int32_t with_cluster =
    set_of({Operation::create, Operation::alter, Operation::describe, Operation::act_as_cluster,
            Operation::describe_configs, Operation::alter_configs, Operation::write_idempotently});
}  // namespace may

}  // namespace dohle::node
