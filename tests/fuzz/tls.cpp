// Bytes of an unknown peer at a TLS listener, before and after a handshake: they yield no data.

#include <array>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <memory>
#include <span>

#include "made_certificates.hpp"
#include "net/tls/tls_session.hpp"

namespace {

using namespace dohle;
using namespace dohle::net;

struct Contexts {
  Made own = make({});
  TlsContext server = *TlsContext::server(
      {.identity = {.certificate_pem = own.certificate_pem(), .key_pem = Secret(own.key_pem())}});
  TlsContext client = *TlsContext::client({.verify_certificate = false});
};

void move_bytes(TlsSession& from, TlsSession& to) {
  std::vector<Slice> slices;
  (void)from.to_send().take_slices(SIZE_MAX, slices);
  for (Slice& slice : slices) to.received().add(std::move(slice));
}

void require_no_data(TlsSession& session) {
  std::array<std::byte, 1024> data;
  const auto bytes = session.read(data);
  if (bytes && *bytes > 0) std::abort();
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  static const Contexts contexts;
  const Slice input = Slice::copy_of(std::as_bytes(std::span(data, size)));
  const auto fresh = TlsSession::server(contexts.server);
  if (!input.empty()) fresh->received().add(input);
  const auto state = fresh->handshake();
  if (state && *state == HandshakeState::done) std::abort();

  const auto client = TlsSession::client(contexts.client, "localhost");
  const auto server = TlsSession::server(contexts.server);
  for (int i = 0; i < 4; ++i) {
    (void)client->handshake();
    move_bytes(*client, *server);
    (void)server->handshake();
    move_bytes(*server, *client);
  }
  if (!input.empty()) server->received().add(input);
  require_no_data(*server);
  return 0;
}
