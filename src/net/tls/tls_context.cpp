#include "net/tls/tls_context.hpp"

#include <openssl/err.h>

#include <algorithm>
#include <cctype>
#include <filesystem>
#include <new>

#include <fmt/format.h>

#include "base/option_checks.hpp"
#include "net/tls/key_material.hpp"
#include "net/tls/tls_context_state.hpp"
#include "net/tls/tls_failures.hpp"

namespace dohle::net {

namespace {

std::unexpected<Error> refuse(std::string_view why) {
  ERR_clear_error();
  return fail(Error::configuration(fmt::format("TLS: {}", why)));
}

int give_no_passphrase(char* /*to*/, int /*max*/, int /*writes*/, void* /*data*/) {
  return -1;
}

int protocol_number(TlsVersion version) {
  return version == TlsVersion::tls_1_3 ? TLS1_3_VERSION : TLS1_2_VERSION;
}

ContextHandle made_context(bool is_server) {
  ContextHandle made(SSL_CTX_new(is_server ? TLS_server_method() : TLS_client_method()));
  if (made == nullptr) throw std::bad_alloc();
  SSL_CTX* context = made.get();
  SSL_CTX_set_options(context, SSL_OP_NO_RENEGOTIATION | SSL_OP_NO_TICKET | SSL_OP_NO_COMPRESSION);
  if (is_server) {
    SSL_CTX_set_options(context, SSL_OP_CIPHER_SERVER_PREFERENCE);
    SSL_CTX_set_num_tickets(context, 0);
  }
  SSL_CTX_set_session_cache_mode(context, SSL_SESS_CACHE_OFF);
  SSL_CTX_set_mode(context, SSL_MODE_RELEASE_BUFFERS);
  SSL_CTX_set_default_passwd_cb(context, give_no_passphrase);
  return made;
}

// Names of the IANA registry become OpenSSL's.
Result<std::string> own_names(const std::string& ciphers) {
  std::string names;
  for (std::size_t at = 0; at <= ciphers.size();) {
    const std::size_t end = std::min(ciphers.find(':', at), ciphers.size());
    std::string name = ciphers.substr(at, end - at);
    if (name.starts_with("TLS_")) {
      const std::string own = OPENSSL_cipher_name(name.c_str());
      if (own == "(NONE)") {
        return refuse(fmt::format("ciphers: OpenSSL does not know '{}'", name));
      }
      name = own;
    }
    names += (at == 0 ? "" : ":") + name;
    at = end + 1;
  }
  return names;
}

// A list such as "aNULL:@SECLEVEL=0" names ciphers without authentication or encryption.
Result<void> check_ciphers(const SSL_CTX* context, std::string_view wanted) {
  constexpr int least_bits = 112;
  const auto no = [&](std::string_view what) {
    return refuse(fmt::format("ciphers '{}': {}", wanted, what));
  };
  if (SSL_CTX_get_security_level(context) < 1) {
    return no("security level 0 allows keys and signatures that are no protection");
  }
  const STACK_OF(SSL_CIPHER)* all = SSL_CTX_get_ciphers(context);
  for (int i = 0; i < sk_SSL_CIPHER_num(all); ++i) {
    const SSL_CIPHER* cipher = sk_SSL_CIPHER_value(all, i);
    if (SSL_CIPHER_get_auth_nid(cipher) == NID_auth_null) {
      return no(fmt::format("{} does not authenticate the server", SSL_CIPHER_get_name(cipher)));
    }
    if (const int bits = SSL_CIPHER_get_bits(cipher, nullptr); bits < least_bits) {
      return no(fmt::format("{} encrypts with {} bits; at least {} are allowed",
                            SSL_CIPHER_get_name(cipher), bits, least_bits));
    }
  }
  return {};
}

Result<void> set_parameters(SSL_CTX* context, const TlsParameters& wanted) {
  using enum TlsVersion;
  for (const auto& [name, version] :
       {std::pair("min_version", wanted.min_version), {"max_version", wanted.max_version}}) {
    if (auto known = check_enum(name, version, {tls_1_2, tls_1_3}); !known) return known;
  }
  if (wanted.max_version < wanted.min_version) {
    return refuse("max_version is older than min_version");
  }
  if (SSL_CTX_set_min_proto_version(context, protocol_number(wanted.min_version)) != 1 ||
      SSL_CTX_set_max_proto_version(context, protocol_number(wanted.max_version)) != 1) {
    return refuse("min_version, max_version: OpenSSL does not have one of them");
  }
  if (!wanted.ciphers.empty()) {
    const auto ciphers = own_names(wanted.ciphers);
    if (!ciphers) return fail(ciphers.error());
    if (SSL_CTX_set_cipher_list(context, ciphers->c_str()) != 1) {
      return refuse(fmt::format("ciphers '{}': OpenSSL knows none of them", wanted.ciphers));
    }
    if (auto checked = check_ciphers(context, wanted.ciphers); !checked) return checked;
  }
  if (!wanted.ciphersuites.empty() &&
      SSL_CTX_set_ciphersuites(context, wanted.ciphersuites.c_str()) != 1) {
    return refuse(
        fmt::format("ciphersuites '{}': OpenSSL does not know one of them", wanted.ciphersuites));
  }
  if (!wanted.groups.empty() && SSL_CTX_set1_groups_list(context, wanted.groups.c_str()) != 1) {
    return refuse(fmt::format("groups '{}': OpenSSL does not know one of them", wanted.groups));
  }
  return {};
}

/// Sets the certificate and its key. `warning` gets the fault of the key's file, if there is one.
Result<void> set_identity(SSL_CTX* context, const TlsIdentity& identity, std::string& warning) {
  const auto material = read_identity(identity);
  if (!material) return fail(material.error());
  warning = material->warning;
  bool is_set = SSL_CTX_use_certificate(context, material->certificate.get()) == 1;
  for (const Certificate& issuer : material->issuers) {
    is_set = is_set && SSL_CTX_add1_chain_cert(context, issuer.get()) == 1;
  }
  is_set = is_set && SSL_CTX_use_PrivateKey(context, material->key.get()) == 1;
  if (is_set) return {};
  const char* why = ERR_reason_error_string(ERR_peek_last_error());
  return refuse(fmt::format("the certificate and its key cannot be used: {}",
                            why != nullptr ? why : "OpenSSL refuses them"));
}

// Files of a folder are found by the hash of the subject: 8 hexadecimal digits, a dot, a number.
bool is_hash_name(std::string_view name) {
  constexpr std::size_t digits = 8;
  return name.size() > digits + 1 && name[digits] == '.' &&
         std::ranges::all_of(name.substr(0, digits),
                             [](unsigned char c) { return std::isxdigit(c) != 0; }) &&
         std::ranges::all_of(name.substr(digits + 1),
                             [](unsigned char c) { return std::isdigit(c) != 0; });
}

Result<void> add_folder(X509_STORE* store, const std::string& folder) {
  std::error_code failed;
  bool has_hashes = false;
  for (std::filesystem::directory_iterator at(folder, failed), end; !failed && at != end;
       at.increment(failed)) {
    has_hashes = has_hashes || is_hash_name(at->path().filename().string());
  }
  if (failed) {
    return refuse(fmt::format("CA folder '{}': cannot be read: {}", folder, failed.message()));
  }
  if (!has_hashes) {
    return refuse(
        fmt::format("CA folder '{0}': holds no certificate named by its hash; run: "
                    "openssl rehash {0}",
                    folder));
  }
  if (X509_STORE_load_path(store, folder.c_str()) != 1) {
    return refuse(fmt::format("CA folder '{}': OpenSSL cannot use it", folder));
  }
  return {};
}

Result<void> set_trust(SSL_CTX* context, const TlsTrust& trust, bool is_server) {
  X509_STORE* store = SSL_CTX_get_cert_store(context);
  // A trusted certificate ends a chain, as in Java, even if another one has issued it.
  X509_STORE_set_flags(store, X509_V_FLAG_PARTIAL_CHAIN);
  const auto found = read_authorities(trust);
  if (!found) return fail(found.error());
  for (const Certificate& each : found->certificates) {
    if (X509_STORE_add_cert(store, each.get()) != 1) throw std::bad_alloc();
    if (is_server && SSL_CTX_add_client_CA(context, each.get()) != 1) throw std::bad_alloc();
  }
  for (const RevocationList& each : found->revoked) {
    if (X509_STORE_add_crl(store, each.get()) != 1) throw std::bad_alloc();
  }
  if (!found->revoked.empty()) X509_STORE_set_flags(store, X509_V_FLAG_CRL_CHECK);
  if (!trust.ca_folder.empty()) {
    if (auto done = add_folder(store, trust.ca_folder); !done) return fail(done.error());
  }
  if (!has_authorities(trust) && SSL_CTX_set_default_verify_paths(context) != 1) {
    return refuse("the system's CAs cannot be used; set ca_file");
  }
  return {};
}

}  // namespace

bool TlsContext::is_server() const {
  return state_->is_server;
}

const std::string& TlsContext::warning() const {
  return state_->warning;
}

Result<TlsContext> TlsContext::client(const TlsOptions& options) {
  if (auto checked = check_passphrase(options.trust); !checked) return fail(checked.error());
  const bool has_trust = has_authorities(options.trust) || !options.trust.crl_file.empty();
  if (has_trust && !options.verify_certificate) {
    return refuse(
        "verify_certificate is false, so the CAs and revocation lists of trust would not be used: "
        "remove them, or verify certificates");
  }
  auto state = std::make_shared<State>();
  state->context = made_context(false);
  SSL_CTX* context = state->context.get();
  if (auto done = set_parameters(context, options.parameters); !done) return fail(done.error());
  if (is_given(options.identity)) {
    if (auto done = set_identity(context, options.identity, state->warning); !done) {
      return fail(done.error());
    }
    state->has_identity = true;
  }
  state->verifies_certificate = options.verify_certificate;
  state->verifies_hostname = options.verify_certificate && options.verify_hostname;
  state->server_name = options.server_name;
  if (options.verify_certificate) {
    if (auto done = set_trust(context, options.trust, false); !done) return fail(done.error());
    SSL_CTX_set_verify(context, SSL_VERIFY_PEER, note_refusal);
  } else {
    SSL_CTX_set_verify(context, SSL_VERIFY_NONE, nullptr);
  }
  SSL_CTX_set_cert_cb(context, note_request_for_certificate, nullptr);
  return TlsContext(std::move(state));
}

Result<TlsContext> TlsContext::server(const TlsServerOptions& options) {
  if (auto checked = check_passphrase(options.trust); !checked) return fail(checked.error());
  auto state = std::make_shared<State>();
  state->is_server = true;
  state->context = made_context(true);
  SSL_CTX* context = state->context.get();
  if (auto done = set_parameters(context, options.parameters); !done) return fail(done.error());
  if (!is_given(options.identity)) return refuse("a listener needs a certificate and its key");
  if (auto done = set_identity(context, options.identity, state->warning); !done) {
    return fail(done.error());
  }
  state->has_identity = true;
  if (options.client_certificates == ClientCertificates::none) {
    if (has_authorities(options.trust) || !options.trust.crl_file.empty()) {
      return refuse(
          "client_certificates is none, so the CAs and revocation lists of trust would not be "
          "used: ask for certificates (wanted, required), or remove them");
    }
    SSL_CTX_set_verify(context, SSL_VERIFY_NONE, nullptr);
    return TlsContext(std::move(state));
  }
  if (!has_authorities(options.trust)) {
    return refuse("clients' certificates are asked for, and no CA is set that they may come from");
  }
  if (auto done = set_trust(context, options.trust, true); !done) return fail(done.error());
  const bool is_required = options.client_certificates == ClientCertificates::required;
  SSL_CTX_set_verify(context, SSL_VERIFY_PEER | (is_required ? SSL_VERIFY_FAIL_IF_NO_PEER_CERT : 0),
                     note_refusal);
  return TlsContext(std::move(state));
}

}  // namespace dohle::net
