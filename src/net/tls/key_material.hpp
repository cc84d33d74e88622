#pragma once

#include <string>
#include <vector>

#include "dohle/error.hpp"
#include "dohle/tls.hpp"
#include "net/tls/openssl_handles.hpp"

namespace dohle::net {

/// A certificate, the certificates of its issuers, and its key, which fits it.
struct KeyMaterial {
  Certificate certificate;
  std::vector<Certificate> issuers;
  PrivateKey key;
  /// The warning to log about the file of a key without a passphrase. Empty if there is none.
  std::string warning = {};
};

/// Whether any field is set.
[[nodiscard]] bool is_given(const TlsIdentity& identity);
[[nodiscard]] bool has_authorities(const TlsTrust& trust);
/// Errors: configuration (a passphrase without the file that it is for).
[[nodiscard]] Result<void> check_passphrase(const TlsTrust& trust);

/// Reads the identity's files. Errors: configuration, with the file or field and the reason.
[[nodiscard]] Result<KeyMaterial> read_identity(const TlsIdentity& identity);

/// The trusted certificates and revocation lists in files and text, but not in `ca_folder`.
struct Authorities {
  std::vector<Certificate> certificates;
  std::vector<RevocationList> revoked;
};
[[nodiscard]] Result<Authorities> read_authorities(const TlsTrust& trust);

}  // namespace dohle::net
