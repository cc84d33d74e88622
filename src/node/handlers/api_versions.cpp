#include "wire/messages/api_versions.hpp"

#include <array>

#include "node/handlers/handlers.hpp"
#include "wire/messages/create_topics.hpp"
#include "wire/messages/delete_topics.hpp"
#include "wire/messages/fetch.hpp"
#include "wire/messages/init_producer_id.hpp"
#include "wire/messages/list_offsets.hpp"
#include "wire/messages/metadata.hpp"
#include "wire/messages/produce.hpp"

namespace dohle::node {

namespace {

wire::ApiVersionsResponse served() {
  wire::ApiVersionsResponse response;
  for (const Handler& handler : handlers()) {
    auto& entry = response.api_keys.emplace_back();
    entry.api_key = static_cast<std::int16_t>(handler.api.key);
    // Older librdkafka takes a Produce that begins at 3 for a broker without compression
    // (KAFKA-18659); a request of version 0 to 2 closes the connection, as with Apache Kafka.
    entry.min_version =
        handler.api.key == wire::ApiKey::produce ? std::int16_t{0} : handler.api.versions.min;
    entry.max_version = handler.api.versions.max;
  }
  return response;
}

void answer(Engine&, const Responder& responder, wire::ApiVersionsRequest) {
  responder.answer(served());
}

}  // namespace

std::span<const Handler> handlers() {
  static constexpr std::array table{
      Handler{wire::ProduceRequest::api, handle_produce},
      Handler{wire::FetchRequest::api, handle_fetch},
      Handler{wire::ListOffsetsRequest::api, handle_list_offsets},
      Handler{wire::MetadataRequest::api, handle_metadata},
      Handler{wire::ApiVersionsRequest::api, handle_api_versions},
      Handler{wire::CreateTopicsRequest::api, handle_create_topics},
      Handler{wire::DeleteTopicsRequest::api, handle_delete_topics},
      Handler{wire::InitProducerIdRequest::api, handle_init_producer_id},
  };
  return table;
}

void handle_api_versions(Engine& engine, const Responder& responder, const Slice& body) {
  decoded<wire::ApiVersionsRequest, answer>(engine, responder, body);
}

// KIP-511: a client that is too new learns in version 0 what there is.
void answer_unknown_version(const Responder& responder) {
  wire::ApiVersionsResponse response = served();
  response.error_code = broker_error::unsupported_version;
  Responder oldest = responder;
  oldest.version = 0;
  oldest.answer(response);
}

}  // namespace dohle::node
