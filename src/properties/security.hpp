#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "dohle/error.hpp"
#include "dohle/sasl.hpp"
#include "dohle/secret.hpp"
#include "dohle/security_protocol.hpp"
#include "dohle/tls.hpp"

namespace dohle::properties {

/// The format of a file with certificates or keys.
enum class StoreType : std::uint8_t { pem, pkcs12 };

/// A file of certificates, and of a key if it is a key store. Default: none.
struct Store {
  std::string location;
  /// If absent, decided by the contents (store_type_of).
  std::optional<StoreType> type;
  Secret password;
};

/// The issuers that are trusted. If all of it is empty, those of the system.
struct TrustedIssuers {
  std::string location;  ///< a file in PEM, or a folder of them
  std::string pem;
  Store store;
  std::string crl_location;
};

/// The client's own certificate: `store`, or one certificate and one key. Default: none.
struct OwnCertificate {
  std::string location;  ///< the certificate and its chain in PEM
  std::string pem;
  std::string key_location;
  Secret key_pem;
  Store store;
  Secret key_password;
};

struct TlsProperties {
  TrustedIssuers trust;
  OwnCertificate own;
  bool verify_certificate = true;
  /// False if verify_certificate is.
  bool verify_host = true;
  TlsVersion min_version = TlsVersion::tls_1_2;
  TlsVersion max_version = TlsVersion::tls_1_3;
  /// Names of the IANA registry, for all versions. If empty, the defaults.
  std::vector<std::string> cipher_suites;
  /// OpenSSL's list for TLS 1.2; TLS 1.3 keeps its defaults. Never beside cipher_suites.
  std::string openssl_ciphers;
};

/// The security settings in properties of Kafka's clients.
struct SecurityProperties {
  SecurityProtocol protocol = SecurityProtocol::plaintext;
  /// Set if the protocol has SASL.
  std::optional<SaslOptions> sasl;
  /// Set if the protocol has TLS.
  std::optional<TlsProperties> tls;
};

/// Values by their names. Any of them may be a password.
using SecurityTexts = std::map<std::string, Secret, std::less<>>;

/// The names that are read here, sorted.
[[nodiscard]] std::vector<std::string> security_names();
[[nodiscard]] bool is_security_name(std::string_view name);
/// Whether the value is a password or a key, which a file must not show to other users.
[[nodiscard]] bool is_secret_name(std::string_view name);

/// Checks one value by itself. Errors: configuration, with the name and the allowed values, never
/// with a password.
[[nodiscard]] Result<void> check_security(std::string_view name, std::string_view value);
/// Whether the name and password of a login may be missing.
enum class LoginIs : std::uint8_t {
  in_properties,  ///< they are required if the protocol has SASL
  anywhere,       ///< without any of them, `sasl` stays absent
};
/// Reads all values and checks them with each other: nothing is ignored. Errors: as check_security;
/// a value that the protocol does not use, two values that contradict each other, a missing one.
[[nodiscard]] Result<SecurityProperties> read_security(const SecurityTexts& texts,
                                                       LoginIs where = LoginIs::in_properties);

/// The format of a file by its contents. Errors: configuration: a Java key store, with the command
/// that converts it; another format than `declared`; neither PEM nor PKCS#12.
[[nodiscard]] Result<StoreType> store_type_of(std::string_view location, std::string_view contents,
                                              std::optional<StoreType> declared = {});

}  // namespace dohle::properties
