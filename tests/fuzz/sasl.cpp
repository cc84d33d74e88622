#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string>
#include <string_view>

#include "auth/plain.hpp"
#include "auth/scram.hpp"
#include "base/base64.hpp"

namespace {

using namespace dohle::auth;
using dohle::from_base64;
using dohle::to_base64;

constexpr Digest digest = Digest::sha256;

void require(bool holds) {
  if (!holds) std::abort();
}

// No bytes are accepted without the password.
void be_the_client(std::string_view message) {
  ScramServer server(digest, "servernonce");
  const auto name = server.on_client_first(message);
  if (name) {
    require(!name->empty());
    (void)server.first_message(make_decoy({.digest = digest}, "key", *name));
  }
  ScramServer begun(digest, "servernonce");
  require(begun.on_client_first("n,,n=user,r=clientnonce").has_value());
  (void)begun.first_message(make_decoy({.digest = digest}, "key", "user"));
  for (const std::string& final :
       {std::string(message), "c=biws,r=clientnonceservernonce," + std::string(message)}) {
    const auto outcome = begun.on_client_final(final);
    require(!outcome || !outcome->has_value());
  }
  if (const auto login = read_plain_message(message)) {
    require(!login->name.empty() && !login->password.reveal().empty());
  }
}

// No bytes of a server are accepted without the keys.
void be_the_server(std::string_view message) {
  ScramClient client(digest, "user", "clientnonce");
  const std::string nonce = "r=clientnonce";
  for (const std::string& first : {std::string(message), nonce + std::string(message),
                                   nonce + "x,s=c2FsdA==,i=" + std::string(message)}) {
    const auto challenge = client.on_server_first(first);
    if (!challenge) continue;
    require(challenge->iterations >= min_scram_iterations);
    require(challenge->iterations <= max_client_iterations);
    (void)client.final_message(
        {dohle::Secret(hmac(digest, "a", "b")), dohle::Secret(hmac(digest, "c", "d"))});
    require(!client.on_server_final(message).has_value());
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view message(reinterpret_cast<const char*>(data), size);
  be_the_client(message);
  be_the_server(message);
  const auto octets = from_base64(message);
  if (octets) require(to_base64(*octets) == message);
  require(from_base64(to_base64(message)) == message);
  return 0;
}
