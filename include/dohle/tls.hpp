#pragma once

#include <cstdint>
#include <string>

#include "dohle/export.hpp"
#include "dohle/secret.hpp"

namespace dohle {
inline namespace v0 {

/// A version of TLS. The library never uses versions before 1.2.
enum class TlsVersion : std::uint8_t {
  tls_1_2,  ///< TLS 1.2 (RFC 5246)
  tls_1_3,  ///< TLS 1.3 (RFC 8446)
};

/// The certificates that a side trusts. It also trusts the certificates that these have issued. If
/// several sources are set, all of them are used.
struct TlsTrust {
  /// Default: none. A PEM file with one or more CA certificates.
  std::string ca_file = {};
  /// Default: none. A folder with one CA certificate per file. The files are named by their hash,
  /// as `openssl rehash` names them. A file is read when a certificate refers to it.
  std::string ca_folder = {};
  /// Default: none. CA certificates as PEM text.
  std::string ca_pem = {};
  /// Default: none. A PKCS#12 file whose certificates are trusted (a trust store of Java).
  std::string pkcs12_file = {};
  /// Default: not set. The passphrase of `pkcs12_file`. A configuration error without that file.
  Secret passphrase = {};
  /// Default: none. A PEM file with revocation lists. If set, the file has to have a list of the
  /// issuer of the other side's certificate, and the certificate must not be in that list.
  std::string crl_file = {};

  friend bool operator==(const TlsTrust&, const TlsTrust&) = default;
};

/// The certificate of this side, its chain and its private key. Default: none. They come from one
/// source: PEM files, PEM text, or PKCS#12. If other users may read a file with a private key that
/// has no passphrase, a warning with the file's mode is logged.
struct TlsIdentity {
  /// Default: none. A PEM file with the certificate first, then the certificates of its issuers.
  std::string certificate_file = {};
  /// The content of such a file.
  std::string certificate_pem = {};
  /// A PEM file with the private key, which may be encrypted. Default: the key is in
  /// `certificate_file` or `certificate_pem`.
  std::string key_file = {};
  /// The content of such a file.
  Secret key_pem = {};
  /// Default: none. A PKCS#12 file with key and certificates, as `openssl pkcs12` or keytool write
  /// it. A file that needs OpenSSL's legacy provider, and a JKS file, are refused; the error
  /// contains the command that converts them.
  std::string pkcs12_file = {};
  /// The content of such a file.
  Secret pkcs12_bytes = {};
  /// Default: not set. The passphrase that decrypts the key or the PKCS#12 file. A configuration
  /// error without one of them. The library never prompts for it.
  Secret passphrase = {};

  friend bool operator==(const TlsIdentity&, const TlsIdentity&) = default;
};

/// The algorithms of a connection.
struct TlsParameters {
  /// Default: tls_1_2. The oldest version that is used.
  TlsVersion min_version = TlsVersion::tls_1_2;
  /// Default: tls_1_3. Not older than `min_version`. The newest version that is used.
  TlsVersion max_version = TlsVersion::tls_1_3;
  /// Default: OpenSSL's. The ciphers of TLS 1.2, in OpenSSL's list format, for example
  /// "ECDHE+AESGCM:!SHA1". Names of the IANA registry (TLS_...) are accepted, too. Ciphers without
  /// authentication or with fewer than 112 bits are refused.
  std::string ciphers = {};
  /// Default: OpenSSL's. The ciphers of TLS 1.3, separated by ':', for example
  /// "TLS_AES_128_GCM_SHA256".
  std::string ciphersuites = {};
  /// Default: OpenSSL's. The groups of the key exchange, separated by ':', for example
  /// "X25519:P-256".
  std::string groups = {};

  friend bool operator==(const TlsParameters&, const TlsParameters&) = default;
};

/// The TLS options of a client. The defaults verify the server against the system's CAs.
///
/// Files are read when the client is created; an error in a file is then an error of the creation.
/// Before each new connection the client checks whether a file has changed (the file itself or, for
/// `ca_folder`, its entries; not the system's CAs). If one has changed, it reads all files again.
/// If they cannot be used, new connections use the former content, and a warning is logged once.
/// Open connections keep the content with which they began.
struct TlsOptions {
  /// Default: the CAs of the system.
  TlsTrust trust = {};
  /// Default: none. The certificate with which the client identifies itself, if a server asks.
  TlsIdentity identity = {};
  /// Default: true. If false, any certificate with any name is accepted. A party that can redirect
  /// the connection can then read and change the data. Has to be true if `trust` is set.
  bool verify_certificate = true;
  /// Default: true, the server's certificate has to be for the host to which the client connects.
  /// An IP address has to be in the certificate as an address.
  bool verify_hostname = true;
  /// Default: empty, the host to which the client connects. The name to verify and to send (SNI).
  std::string server_name = {};
  /// Default: OpenSSL's, from TLS 1.2 on.
  TlsParameters parameters = {};

  friend bool operator==(const TlsOptions&, const TlsOptions&) = default;
};

/// Whether a listener requests certificates from clients.
enum class ClientCertificates : std::uint8_t {
  none,      ///< not requested
  wanted,    ///< requested; a client without one is accepted, an invalid one is refused
  required,  ///< a client without a valid one is refused
};

/// The TLS options of a listener of a node.
struct TlsServerOptions {
  /// The node's certificate and key. Required.
  TlsIdentity identity = {};
  /// Default: none.
  ClientCertificates client_certificates = ClientCertificates::none;
  /// The CAs of clients' certificates; never the system's. Has to be set if client_certificates is
  /// wanted or required, and must not be set otherwise.
  TlsTrust trust = {};
  /// Default: OpenSSL's, from TLS 1.2 on.
  TlsParameters parameters = {};
};

}  // namespace v0
}  // namespace dohle
