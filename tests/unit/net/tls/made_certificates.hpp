#pragma once

#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/pkcs12.h>
#include <openssl/provider.h>
#include <openssl/x509v3.h>

#include <memory>
#include <string>

#include <gtest/gtest.h>

#include "net/tls/openssl_handles.hpp"

namespace dohle::net {

/// A certificate with its key, made for a test.
struct Made {
  Certificate certificate;
  PrivateKey key;

  [[nodiscard]] std::string certificate_pem() const {
    return written([&](BIO* to) { return PEM_write_bio_X509(to, certificate.get()); });
  }
  [[nodiscard]] std::string key_pem(const char* passphrase = nullptr) const {
    return written([&](BIO* to) {
      const int size = passphrase != nullptr ? static_cast<int>(std::string(passphrase).size()) : 0;
      return PEM_write_bio_PKCS8PrivateKey(to, key.get(),
                                           passphrase != nullptr ? EVP_aes_256_cbc() : nullptr,
                                           passphrase, size, nullptr, nullptr);
    });
  }
  /// PKCS#12 as programs write it today, or as they did before OpenSSL 3.
  [[nodiscard]] std::string pkcs12(const char* passphrase, bool is_old = false) const {
    struct Library {
      OSSL_LIB_CTX* context = OSSL_LIB_CTX_new();
      OSSL_PROVIDER* usual = OSSL_PROVIDER_load(context, "default");
      OSSL_PROVIDER* old = OSSL_PROVIDER_load(context, "legacy");
    };
    static const Library library;
    EXPECT_TRUE(library.old != nullptr) << "OpenSSL's legacy provider is not installed";
    const Pkcs12 made(
        PKCS12_create_ex(passphrase, "name", key.get(), certificate.get(), nullptr,
                         is_old ? NID_pbe_WithSHA1And3_Key_TripleDES_CBC : NID_aes_256_cbc,
                         is_old ? NID_pbe_WithSHA1And40BitRC2_CBC : NID_aes_256_cbc, 2048, 2048, 0,
                         library.context, nullptr));
    EXPECT_TRUE(made != nullptr);
    return written([&](BIO* to) { return i2d_PKCS12_bio(to, made.get()); });
  }

  template <class Write>
  static std::string written(Write write) {
    const Bio bio(BIO_new(BIO_s_mem()));
    EXPECT_EQ(write(bio.get()), 1);
    char* data = nullptr;
    const long size = BIO_get_mem_data(bio.get(), &data);
    return {data, static_cast<std::size_t>(size)};
  }
};

struct Wanted {
  std::string name = "localhost";  // if empty, the subject is, too
  std::string alternatives = "DNS:localhost,IP:127.0.0.1";
  const Made* issuer = nullptr;
  bool is_authority = false;
  /// A key whose signatures all have the same size, as those of P-256 do not.
  bool is_ed25519 = false;
  long begins_in = -3600;  // seconds
  long ends_in = 86'400;
};

inline Made make(const Wanted& wanted) {
  Made made{Certificate(X509_new()),
            PrivateKey(wanted.is_ed25519 ? EVP_PKEY_Q_keygen(nullptr, nullptr, "ED25519")
                                         : EVP_EC_gen("P-256"))};
  X509* certificate = made.certificate.get();
  static long serial = 1'000'000;  // all of one size
  X509_set_version(certificate, X509_VERSION_3);
  ASN1_INTEGER_set(X509_get_serialNumber(certificate), ++serial);
  X509_gmtime_adj(X509_getm_notBefore(certificate), wanted.begins_in);
  X509_gmtime_adj(X509_getm_notAfter(certificate), wanted.ends_in);
  X509_set_pubkey(certificate, made.key.get());
  X509_NAME* name = X509_get_subject_name(certificate);
  const auto add = [&](const char* kind, const std::string& value) {
    X509_NAME_add_entry_by_txt(name, kind, MBSTRING_UTF8,
                               reinterpret_cast<const unsigned char*>(value.c_str()), -1, -1, 0);
  };
  if (!wanted.name.empty()) {
    add("O", "Dohle");
    add("CN", wanted.name);
  }
  const X509* issuer = wanted.issuer != nullptr ? wanted.issuer->certificate.get() : certificate;
  X509_set_issuer_name(certificate, X509_get_subject_name(issuer));
  const auto extend = [&](int kind, const std::string& value) {
    X509V3_CTX context;
    X509V3_set_ctx(&context, const_cast<X509*>(issuer), certificate, nullptr, nullptr, 0);
    X509_EXTENSION* extension = X509V3_EXT_conf_nid(nullptr, &context, kind, value.c_str());
    EXPECT_TRUE(extension != nullptr) << value;
    X509_add_ext(certificate, extension, -1);
    X509_EXTENSION_free(extension);
  };
  extend(NID_basic_constraints, wanted.is_authority ? "critical,CA:TRUE" : "CA:FALSE");
  if (!wanted.is_authority && !wanted.alternatives.empty()) {
    extend(NID_subject_alt_name, wanted.alternatives);
  }
  EVP_PKEY* signing = wanted.issuer != nullptr ? wanted.issuer->key.get() : made.key.get();
  const EVP_MD* digest = EVP_PKEY_is_a(signing, "ED25519") == 1 ? nullptr : EVP_sha256();
  EXPECT_GT(X509_sign(certificate, signing, digest), 0);
  return made;
}

/// A revocation list of `authority` with `revoked` in it.
inline std::string revocation_list(const Made& authority, const Made& revoked) {
  const RevocationList list(X509_CRL_new());
  X509_CRL_set_version(list.get(), X509_CRL_VERSION_2);
  X509_CRL_set_issuer_name(list.get(), X509_get_subject_name(authority.certificate.get()));
  using Time = std::unique_ptr<ASN1_TIME, Freed<ASN1_TIME_free>>;
  const Time before(X509_gmtime_adj(nullptr, -60)), after(X509_gmtime_adj(nullptr, 86'400));
  X509_CRL_set1_lastUpdate(list.get(), before.get());
  X509_CRL_set1_nextUpdate(list.get(), after.get());
  X509_REVOKED* entry = X509_REVOKED_new();
  X509_REVOKED_set_serialNumber(entry, X509_get_serialNumber(revoked.certificate.get()));
  X509_REVOKED_set_revocationDate(entry, before.get());
  X509_CRL_add0_revoked(list.get(), entry);
  EXPECT_GT(X509_CRL_sign(list.get(), authority.key.get(), EVP_sha256()), 0);
  return Made::written([&](BIO* to) { return PEM_write_bio_X509_CRL(to, list.get()); });
}

}  // namespace dohle::net
