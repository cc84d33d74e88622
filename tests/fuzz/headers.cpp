#include "round_trip.hpp"
#include "wire/header.hpp"

namespace {

using namespace dohle;

/// A frame as a node receives it: header, then the body that the header announces.
void read_request(const Slice& frame) {
  const auto request = wire::decode_request_header(frame);
  if (!request) return;
  wire::for_each_message<wire::AllRequests>([&]<class M>() {
    const std::int16_t version = request->header.api_version;
    if (request->header.api_key != M::api.key || !M::api.versions.contains(version)) return;
    fuzz::round_trip<M>(request->body, version);
  });
}

/// A frame as a client receives it after a request of the first two bytes' API and version.
void read_response(const Slice& frame) {
  if (frame.size() < 2) return;
  const auto apis = wire::all_apis();
  const wire::Api& api = apis[static_cast<std::size_t>(frame.data()[0]) % apis.size()];
  const auto version = static_cast<std::int16_t>(frame.data()[1]);
  const auto response = wire::decode_response_header(frame.sub(2), api, version);
  if (response && response->body.size() > frame.size()) fuzz::report("response", "body too long");
  if (response) (void)wire::decode_api_versions_response(response->body, version);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const Slice frame = Slice::copy_of(dohle::Bytes{reinterpret_cast<const std::byte*>(data), size});
  read_request(frame);
  read_response(frame);
  return 0;
}
