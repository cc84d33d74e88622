#pragma once

#include <cstdint>
#include <string>

#include "dohle/export.hpp"
#include "dohle/secret.hpp"

namespace dohle {
inline namespace v0 {

/// A version of TLS. Older ones than 1.2 are never spoken.
enum class TlsVersion : std::uint8_t {
  tls_1_2,  ///< TLS 1.2 (RFC 5246)
  tls_1_3,  ///< TLS 1.3 (RFC 8446)
};

/// The certificates that a side trusts, and those that they have issued. Several sources add up.
struct TlsTrust {
  /// Default: none. A PEM file with one or more CA certificates.
  std::string ca_file = {};
  /// Default: none. A folder with a CA certificate per file, named by its hash as `openssl rehash`
  /// does. Files are read when a certificate refers to them.
  std::string ca_folder = {};
  /// Default: none. CA certificates as PEM text.
  std::string ca_pem = {};
  /// Default: none. A PKCS#12 file whose certificates are trusted (a trust store of Java).
  std::string pkcs12_file = {};
  /// Default: not set. The passphrase of `pkcs12_file`.
  Secret passphrase = {};
  /// Default: none. A PEM file with revocation lists. If present, the other side's certificate has
  /// to have an issuer with a list in the file, and must not be in that list.
  std::string crl_file = {};

  friend bool operator==(const TlsTrust&, const TlsTrust&) = default;
};

/// The own certificate, its chain and its private key, from one source: PEM files, PEM text, or
/// PKCS#12. Default: none. If other users may read a file that holds a private key without a
/// passphrase, a warning with the file's mode is logged.
struct TlsIdentity {
  /// A PEM file: the certificate first, then the certificates of its issuers.
  std::string certificate_file = {};
  /// The content of such a file.
  std::string certificate_pem = {};
  /// A PEM file with the private key, which may be encrypted. Default: the key is in
  /// `certificate_file` or `certificate_pem`.
  std::string key_file = {};
  /// The content of such a file.
  Secret key_pem = {};
  /// A PKCS#12 file with key and certificates, as `openssl pkcs12` or keytool write it. One that
  /// needs OpenSSL's legacy provider, and a JKS file, are refused with the command that converts
  /// them.
  std::string pkcs12_file = {};
  /// The content of such a file.
  Secret pkcs12_bytes = {};
  /// Default: not set. Decrypts the key or the PKCS#12 file. Nothing ever prompts for it.
  Secret passphrase = {};

  friend bool operator==(const TlsIdentity&, const TlsIdentity&) = default;
};

/// The algorithms of a connection.
struct TlsParameters {
  /// Default: tls_1_2. The oldest version that is spoken.
  TlsVersion min_version = TlsVersion::tls_1_2;
  /// Default: tls_1_3. The newest version that is spoken. Not older than `min_version`.
  TlsVersion max_version = TlsVersion::tls_1_3;
  /// Default: OpenSSL's. The ciphers of TLS 1.2, in OpenSSL's list format, as
  /// "ECDHE+AESGCM:!SHA1". Names of the IANA registry (TLS_...) are taken, too. Ciphers without
  /// authentication or with fewer than 112 bits are refused.
  std::string ciphers = {};
  /// Default: OpenSSL's. The ciphers of TLS 1.3, separated by ':', as "TLS_AES_128_GCM_SHA256".
  std::string ciphersuites = {};
  /// Default: OpenSSL's. The groups of the key exchange, separated by ':', as "X25519:P-256".
  std::string groups = {};

  friend bool operator==(const TlsParameters&, const TlsParameters&) = default;
};

/// TLS as a client speaks it. The default verifies the server against the system's CAs.
///
/// Files are read when the client is created; what is wrong with one fails it at once. Before each
/// new connection the client looks whether a file has changed (the file itself or, for `ca_folder`,
/// its entries; not the system's CAs), and reads all of them again if so. If they cannot be used,
/// new connections keep the former ones, and a warning is logged once. Open connections keep those
/// with which they began.
struct TlsOptions {
  /// Default: the CAs of the system.
  TlsTrust trust = {};
  /// Default: none. The certificate with which the client identifies itself, if a server asks.
  TlsIdentity identity = {};
  /// Default: true. If false, any certificate is accepted, with any name: a party that can redirect
  /// the connection can read and change it. With `trust` it has to be true.
  bool verify_certificate = true;
  /// Default: true. Whether the certificate has to be for the host that is connected to. An IP
  /// address has to be in the certificate as an address.
  bool verify_hostname = true;
  /// Default: the host that is connected to. The name to verify and to send (SNI) instead.
  std::string server_name = {};
  /// Default: OpenSSL's, from TLS 1.2 on.
  TlsParameters parameters = {};

  friend bool operator==(const TlsOptions&, const TlsOptions&) = default;
};

/// Whether a listener asks clients for certificates.
enum class ClientCertificates : std::uint8_t {
  none,      ///< not asked for
  wanted,    ///< asked for; a client without one is accepted, one with an invalid one is not
  required,  ///< a client without a valid one is refused
};

/// TLS as a listener of a node speaks it.
struct TlsServerOptions {
  /// The node's certificate and key. Required.
  TlsIdentity identity = {};
  /// Default: none.
  ClientCertificates client_certificates = ClientCertificates::none;
  /// The CAs of clients' certificates. Required if those are wanted or required, an error if not;
  /// never the system's.
  TlsTrust trust = {};
  /// Default: OpenSSL's, from TLS 1.2 on.
  TlsParameters parameters = {};
};

}  // namespace v0
}  // namespace dohle
