#pragma once

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

/// A blocking connection that speaks the protocol by hand. Errors: connection_lost, timed_out (30 s
/// without a byte).
class WireConnection {
 public:
  explicit WireConnection(std::uint16_t port);
  ~WireConnection();
  WireConnection(const WireConnection&) = delete;
  WireConnection& operator=(const WireConnection&) = delete;

  /// Sends a request and waits for its answer.
  template <class Request>
  Result<typename Request::Response> ask(const Request& request,
                                         std::int16_t version = Request::api.versions.max) {
    auto bytes = wire::encode_request(++correlation_id_, "fault", request, version);
    if (!bytes) return fail(bytes.error());
    auto frame = exchange(*bytes->flatten());
    if (!frame) return fail(frame.error());
    auto split = wire::decode_response_header(*frame, Request::api, version);
    if (!split) return fail(split.error());
    return wire::decode<typename Request::Response>(split->body, version);
  }

 private:
  Result<Slice> exchange(const Slice& request);
  Result<void> send_all(Bytes bytes);
  Result<void> receive(std::span<std::byte> into);

  int socket_ = -1;
  std::int32_t correlation_id_ = 0;
};

struct Producer {
  std::int64_t id = -1;
  std::int16_t epoch = -1;
  std::int32_t sequence = -1;
};

/// One batch of one record for one partition, with acks=all.
[[nodiscard]] wire::ProduceRequest produce_request(const std::string& topic, std::int32_t partition,
                                                   std::string_view value, Producer by = {});
/// Sends it; returns the offset. Errors: also what the node answered.
Result<Offset> produce(WireConnection& to, const std::string& topic, std::int32_t partition,
                       std::string_view value, Producer by = {});
/// Makes a topic. Errors: what the node answered.
Result<void> create_topic(WireConnection& at, const std::string& topic, std::int32_t partitions,
                          const std::map<std::string, std::string>& configs = {});
/// The values of all records from `from` on to the high watermark, in order.
Result<std::vector<std::string>> values(WireConnection& from, const std::string& topic,
                                        std::int32_t partition);

}  // namespace dohle::fault
