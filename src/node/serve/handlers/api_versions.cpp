#include "wire/messages/api_versions.hpp"

#include <algorithm>

#include "node/serve/handlers/handlers.hpp"

namespace dohle::node {

namespace {

wire::ApiVersionsResponse served() {
  wire::ApiVersionsResponse response;
  for (const Handler& handler : handlers()) {
    auto& entry = response.api_keys.emplace_back();
    entry.api_key = static_cast<std::int16_t>(handler.api.key);
    // Older librdkafka takes a broker whose Produce begins at version 3 for one without compression
    // (KAFKA-18659). A request of version 0 to 2 closes the connection, as with Apache Kafka.
    entry.min_version =
        handler.api.key == wire::ApiKey::produce ? std::int16_t{0} : handler.api.versions.min;
    entry.max_version = handler.api.versions.max;
  }
  return response;
}

// Letters and digits, with '-' and '.' between them (KIP-511).
bool is_software_name(std::string_view name) {
  const auto is_plain = [](char c) {
    return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
  };
  return !name.empty() && is_plain(name.front()) && is_plain(name.back()) &&
         std::ranges::all_of(name, [&](char c) { return is_plain(c) || c == '-' || c == '.'; });
}

void note_software(Call& call, const wire::ApiVersionsRequest& request) {
  const Parts<Sessions> node = call.node;
  Session* from = node.get<Sessions>().find(call.responder.session());
  if (from == nullptr || request.client_software_name.empty()) return;
  constexpr std::size_t max_name_bytes = 100;
  from->set_software(request.client_software_name.substr(0, max_name_bytes) + " " +
                     request.client_software_version.substr(0, max_name_bytes));
}

}  // namespace

void handle(Call& call, wire::ApiVersionsRequest request) {
  const bool is_named = call.version < 3 || (is_software_name(request.client_software_name) &&
                                             is_software_name(request.client_software_version));
  if (is_named) {
    note_software(call, request);
    return call.responder.answer(served());
  }
  wire::ApiVersionsResponse response;
  response.error_code = broker_error::invalid_request;
  call.responder.answer(response);
}

// Uses the oldest version, which every client can read.
void answer_unknown_version(Call& call) {
  wire::ApiVersionsResponse response = served();
  response.error_code = broker_error::unsupported_version;
  call.responder.answer_in_version(0, response);
}

}  // namespace dohle::node
