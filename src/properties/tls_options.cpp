#include "properties/tls_options.hpp"

#include <string.h>

#include <cerrno>
#include <filesystem>
#include <fstream>
#include <system_error>
#include <vector>

#include <fmt/format.h>

namespace dohle::properties {

namespace {

/// The text in front of the first PEM block of a file is shorter.
constexpr std::size_t looked_at_bytes = 64 * 1024;

Result<StoreType> type_of(const Store& store) {
  if (!std::filesystem::is_regular_file(store.location)) {
    return fail(Error::configuration(fmt::format("{} is not a file", store.location)));
  }
  std::ifstream file(store.location, std::ios::binary);
  if (!file) {
    return fail(Error::configuration(fmt::format("{} cannot be read: {}", store.location,
                                                 std::generic_category().message(errno))));
  }
  std::string contents(looked_at_bytes, '\0');
  file.read(contents.data(), static_cast<std::streamsize>(contents.size()));
  contents.resize(static_cast<std::size_t>(file.gcount()));
  auto type = store_type_of(store.location, contents, store.type);
  ::explicit_bzero(contents.data(), contents.size());  // there may be a key in it
  return type;
}

/// The members of the options that describe a store.
struct StorePlace {
  std::string& pem_file;
  std::string& pkcs12_file;
  Secret& passphrase;
};

Result<void> put_store(const Store& store, const StorePlace& into) {
  if (store.location.empty()) return {};
  const auto type = type_of(store);
  if (!type) return fail(type.error());
  if (*type == StoreType::pem) {
    into.pem_file = store.location;
  } else {
    into.pkcs12_file = store.location;
    into.passphrase = store.password;
  }
  return {};
}

Result<TlsTrust> trust_of(const TrustedIssuers& said) {
  TlsTrust trust;
  if (std::filesystem::is_directory(said.location)) {
    trust.ca_folder = said.location;
  } else {
    trust.ca_file = said.location;
  }
  trust.ca_pem = said.pem;
  trust.crl_file = said.crl_location;
  auto put = put_store(said.store, {trust.ca_file, trust.pkcs12_file, trust.passphrase});
  if (!put) return fail(put.error().within("ssl.truststore.location"));
  return trust;
}

Result<TlsIdentity> identity_of(const OwnCertificate& said) {
  TlsIdentity own;
  own.certificate_file = said.location;
  own.certificate_pem = said.pem;
  own.key_file = said.key_location;
  own.key_pem = said.key_pem;
  own.passphrase = said.key_password;
  auto put = put_store(said.store, {own.certificate_file, own.pkcs12_file, own.passphrase});
  if (!put) return fail(put.error().within("ssl.keystore.location"));
  return own;
}

/// TLS 1.2 and 1.3 have suites of their own. A version of which no suite is named is not spoken.
void set_suites(const TlsProperties& said, TlsParameters& into) {
  const auto add = [](std::string& list, const std::string& name) {
    list += (list.empty() ? "" : ":") + name;
  };
  for (const std::string& name : said.cipher_suites) {
    add(name.contains("_WITH_") ? into.ciphers : into.ciphersuites, name);
  }
  if (said.cipher_suites.empty()) {
    into.ciphers = said.openssl_ciphers;
    return;
  }
  if (into.ciphers.empty()) into.min_version = TlsVersion::tls_1_3;
  if (into.ciphersuites.empty()) into.max_version = TlsVersion::tls_1_2;
}

}  // namespace

Result<TlsOptions> tls_options(const TlsProperties& said) {
  TlsOptions made;
  auto trust = trust_of(said.trust);
  if (!trust) return fail(trust.error());
  auto identity = identity_of(said.own);
  if (!identity) return fail(identity.error());
  made.trust = *std::move(trust);
  made.identity = *std::move(identity);
  made.verify_certificate = said.verify_certificate;
  made.verify_hostname = said.verify_host;
  made.parameters.min_version = said.min_version;
  made.parameters.max_version = said.max_version;
  set_suites(said, made.parameters);
  if (made.parameters.max_version < made.parameters.min_version) {
    return fail(Error::configuration(
        "ssl.cipher.suites names no suite of the versions in ssl.enabled.protocols"));
  }
  return made;
}

}  // namespace dohle::properties
