// PEM and PKCS#12 input is accepted, or refused with an error that has a message.

#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string>
#include <string_view>

#include "net/tls/tls_context.hpp"

namespace {

using namespace dohle;
using namespace dohle::net;

template <class Options>
void read(const Options& options) {
  const auto made = TlsContext::client(options);
  if (!made && made.error().message().empty()) std::abort();
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string text(reinterpret_cast<const char*>(data), size);
  const std::string pem = "-----BEGIN CERTIFICATE-----\n" + text;
  for (const std::string& each : {text, pem}) {
    read(TlsOptions{.identity = {.certificate_pem = each}});
    read(TlsOptions{.trust = {.ca_pem = each}});
  }
  read(TlsOptions{.identity = {.pkcs12_bytes = Secret(text), .passphrase = Secret("phrase")}});
  return 0;
}
