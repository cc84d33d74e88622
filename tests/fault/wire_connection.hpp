#pragma once

#include <chrono>
#include <cstdint>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include "base/chain.hpp"
#include "wire/header.hpp"
#include "wire/messages/fetch.hpp"
#include "wire/messages/produce.hpp"

namespace dohle::fault {

/// A blocking connection on which tests send requests of their own. Errors: connection_lost;
/// timed_out after `silence_max` without a byte.
class WireConnection {
 public:
  explicit WireConnection(std::uint16_t port,
                          std::chrono::seconds silence_max = std::chrono::seconds(30));
  ~WireConnection();
  WireConnection(const WireConnection&) = delete;
  WireConnection& operator=(const WireConnection&) = delete;

  /// Sends a request and waits for its answer.
  template <class Request>
  Result<typename Request::Response> ask(const Request& request,
                                         std::int16_t version = Request::api.versions.max) {
    if (auto sent = send(request, version); !sent) return fail(sent.error());
    return receive<Request>(version);
  }
  /// Sends a request; `receive` takes the answers in the order of the requests.
  template <class Request>
  Result<void> send(const Request& request, std::int16_t version = Request::api.versions.max) {
    auto bytes = wire::encode_request(++sent_, "fault", request, version);
    if (!bytes) return fail(bytes.error());
    return send_bytes(bytes->flatten()->bytes());
  }
  /// Errors: also malformed, if the answer is not that of the next request.
  template <class Request>
  Result<typename Request::Response> receive(std::int16_t version = Request::api.versions.max) {
    auto frame = receive_frame();
    if (!frame) return fail(frame.error());
    auto split = wire::decode_response_header(*frame, Request::api, version);
    if (!split) return fail(split.error());
    if (split->correlation_id != ++received_) {
      return fail(Error::client(Errc::malformed, "an answer out of order"));
    }
    return wire::decode<typename Request::Response>(split->body, version);
  }

  Result<void> send_bytes(Bytes bytes);
  /// Waits for the end of the stream. False if bytes came instead, or after 30 s of silence.
  [[nodiscard]] bool is_closed_by_the_node();

 private:
  Result<Slice> receive_frame();
  Result<void> receive_bytes(std::span<std::byte> into);

  int socket_ = -1;
  std::int32_t sent_ = 0;
  std::int32_t received_ = 0;
};

struct Producer {
  std::int64_t id = -1;
  std::int16_t epoch = -1;
  std::int32_t sequence = -1;
};

/// One batch with one record for one partition, with acks=all.
[[nodiscard]] wire::ProduceRequest produce_request(const std::string& topic, std::int32_t partition,
                                                   std::string_view value, Producer by = {});
/// Sends a produce_request and returns the offset. Errors: also the node's.
Result<Offset> produce(WireConnection& to, const std::string& topic, std::int32_t partition,
                       std::string_view value, Producer by = {});
/// A fetch from `offset` on of one partition. Version 12 is the last one with topic names.
[[nodiscard]] wire::FetchRequest fetch_request(const std::string& topic, std::int32_t partition,
                                               Offset offset, std::int32_t max_bytes = 1 << 20);
inline constexpr std::int16_t fetch_version = 12;
/// The values of the records in the answer to a fetch_request, in order. `next` becomes the offset
/// after them. Errors: the node's.
Result<std::vector<std::string>> values_in(const wire::FetchResponse& answer, Offset& next);

/// Creates a topic. Errors: the node's.
Result<void> create_topic(WireConnection& at, const std::string& topic, std::int32_t partitions,
                          const std::map<std::string, std::string>& configs = {});
/// The values of all records from offset `first` on to the high watermark, in order.
Result<std::vector<std::string>> values(WireConnection& from, const std::string& topic,
                                        std::int32_t partition, Offset first = Offset{0});

}  // namespace dohle::fault
