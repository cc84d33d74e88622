// Revocation lists are accepted, or refused with an error that has a message. None is decrypted,
// which would need a prompt for a passphrase.

#include <sys/mman.h>
#include <unistd.h>

#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <iterator>
#include <string>
#include <string_view>

#include "base/base64.hpp"
#include "made_certificates.hpp"
#include "net/tls/tls_context.hpp"

namespace {

using namespace dohle;
using namespace dohle::net;

constexpr std::string_view first_line = "-----BEGIN X509 CRL-----\n",
                           last_line = "-----END X509 CRL-----\n";
constexpr std::string_view encrypted =
    "Proc-Type: 4,ENCRYPTED\nDEK-Info: AES-128-CBC,00112233445566778899AABBCCDDEEFF\n\n";

void require(bool holds) {
  if (!holds) std::abort();
}

/// A file without a disk: revocation lists come from files alone.
class MemoryFile {
 public:
  MemoryFile() { require(number_ >= 0); }
  [[nodiscard]] std::string path() const { return "/proc/self/fd/" + std::to_string(number_); }
  void hold(std::string_view bytes) const {
    require(::ftruncate(number_, 0) == 0);
    require(::pwrite(number_, bytes.data(), bytes.size(), 0) == std::ssize(bytes));
  }

 private:
  int number_ = ::memfd_create("revoked", MFD_CLOEXEC);
};

std::string block(std::string_view headers, std::string_view der) {
  constexpr std::size_t line_bytes = 64;
  const std::string body = to_base64(der);
  std::string pem = std::string(first_line) + std::string(headers);
  for (std::size_t at = 0; at < body.size(); at += line_bytes) {
    pem += body.substr(at, line_bytes) + '\n';
  }
  return pem + std::string(last_line);
}

std::string der_of(const std::string& pem) {
  std::string body = pem.substr(first_line.size(), pem.find(last_line) - first_line.size());
  std::erase(body, '\n');
  return from_base64(body).value();
}

struct Lists {
  Lists() { require(refusal(block("", valid)).empty()); }
  /// Empty if the file is accepted.
  [[nodiscard]] std::string refusal(std::string_view text) const {
    file.hold(text);
    const auto made = TlsContext::client({.trust = {.ca_pem = ca, .crl_file = file.path()}});
    if (made) return {};
    require(!made.error().message().empty());
    return std::string(made.error().message());
  }

  Made authority = make({.name = "Test CA", .is_authority = true});
  std::string ca = authority.certificate_pem();
  std::string valid = der_of(revocation_list(authority, authority));
  MemoryFile file;
};

/// The valid list with the rest of the input at the place that its first byte says.
std::string changed(std::string der, std::string_view input) {
  const std::size_t at = static_cast<std::uint8_t>(input.front()) % der.size();
  input.remove_prefix(1);
  return der.replace(at, input.size(), input);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  static const Lists lists;
  const std::string_view input(reinterpret_cast<const char*>(data), size);
  (void)lists.refusal(input);
  (void)lists.refusal(std::string(first_line) + std::string(input) + '\n' + std::string(last_line));
  if (input.empty()) return 0;
  (void)lists.refusal(block("", input));
  (void)lists.refusal(block("", changed(lists.valid, input)));
  require(lists.refusal(block(encrypted, input)).contains("its revocation list 1 is encrypted"));
  return 0;
}
