// The accepted options, and the errors of the others.

#include <gmock/gmock.h>

#include "scratch_directory.hpp"
#include "tls_pair.hpp"

namespace dohle::net {
namespace {

using testing::HasSubstr;

class TlsContextTest : public testing::Test {
 protected:
  std::string file(const std::string& name, std::string_view bytes) const {
    return folder.write(name, bytes);
  }
  static std::string refusal(const TlsIdentity& identity) {
    const auto made = TlsContext::client({.identity = identity});
    EXPECT_FALSE(made.has_value());
    if (made) return "";
    EXPECT_EQ(made.error().category(), ErrorCategory::configuration);
    return std::string(made.error().message());
  }
  static std::string refusal(const TlsOptions& options) {
    const auto made = TlsContext::client(options);
    EXPECT_FALSE(made.has_value());
    return made ? "" : std::string(made.error().message());
  }
  static void accept(const TlsIdentity& identity) {
    const auto made = TlsContext::client({.identity = identity});
    EXPECT_TRUE(made.has_value()) << made.error().to_string();
  }

  const ScratchDirectory folder;
  const Made own = make({});
  const Made other = make({});
};

TEST_F(TlsContextTest, a_client_needs_no_options) {
  EXPECT_TRUE(TlsContext::client({}).has_value());
}

TEST_F(TlsContextTest, identities_come_from_files_text_and_pkcs12) {
  const std::string both = own.certificate_pem() + own.key_pem();
  accept({.certificate_pem = both});
  accept({.certificate_pem = own.certificate_pem(), .key_pem = Secret(own.key_pem())});
  accept({.certificate_file = file("both.pem", both)});
  accept({.certificate_file = file("certificate.pem", own.certificate_pem()),
          .key_file = file("key.pem", own.key_pem("secret")),
          .passphrase = Secret("secret")});
  accept({.pkcs12_file = file("own.p12", own.pkcs12("secret")), .passphrase = Secret("secret")});
  accept({.pkcs12_bytes = Secret(own.pkcs12("secret")), .passphrase = Secret("secret")});
}

TEST_F(TlsContextTest, a_key_without_a_passphrase_that_others_may_read_is_warned_of) {
  const auto warning = [&](const TlsIdentity& identity, const std::string& path, unsigned mode) {
    std::filesystem::permissions(path, std::filesystem::perms(mode));
    const auto made = TlsContext::client({.identity = identity});
    EXPECT_TRUE(made.has_value()) << made.error().to_string();
    return made ? made->warning() : std::string();
  };
  const std::string clear = file("clear.key", own.key_pem());
  TlsIdentity pem{.certificate_pem = own.certificate_pem(), .key_file = clear};
  EXPECT_EQ(warning(pem, clear, 0600), "");
  EXPECT_EQ(warning(pem, clear, 0400), "");
  EXPECT_THAT(warning(pem, clear, 0604), HasSubstr("its mode 0604 gives other users rights on it"));
  EXPECT_THAT(warning(pem, clear, 0620), HasSubstr("run: chmod 600 " + clear));
  // Services share a key of root by a group.
  const bool is_root = ::geteuid() == 0;
  EXPECT_EQ(warning(pem, clear, 0640).empty(), is_root);
  const std::string both = file("both.pem", own.certificate_pem() + own.key_pem());
  EXPECT_THAT(warning({.certificate_file = both}, both, 0644),
              HasSubstr("certificate file '" + both + "' holds a private key"));
  const std::string open = file("open.p12", own.pkcs12(""));
  EXPECT_THAT(warning({.pkcs12_file = open, .passphrase = Secret("")}, open, 0644),
              HasSubstr("PKCS#12 file '" + open + "' holds a private key without a passphrase"));
  // A certificate, and a key that a passphrase protects, may be read by all.
  const std::string locked = file("locked.key", own.key_pem("secret"));
  const std::string certificate = file("own.pem", own.certificate_pem());
  const TlsIdentity protected_key{
      .certificate_file = certificate, .key_file = locked, .passphrase = Secret("secret")};
  EXPECT_EQ(warning(protected_key, locked, 0644), "");
  const std::string store = file("own.p12", own.pkcs12("secret"));
  EXPECT_EQ(warning({.pkcs12_file = store, .passphrase = Secret("secret")}, store, 0644), "");
}

TEST_F(TlsContextTest, a_missing_file_is_named) {
  EXPECT_EQ(refusal({.certificate_file = "/nowhere/own.pem"}),
            "TLS: certificate file '/nowhere/own.pem': cannot be read: No such file or directory");
  EXPECT_THAT(refusal(TlsOptions{.trust = {.ca_file = "/nowhere/ca.pem"}}),
              HasSubstr("CA file '/nowhere/ca.pem': cannot be read"));
  EXPECT_THAT(refusal(TlsOptions{.trust = {.ca_folder = "/nowhere"}}),
              HasSubstr("CA folder '/nowhere': cannot be read"));
  EXPECT_THAT(refusal(TlsOptions{.trust = {.ca_file = folder.path()}}), HasSubstr("is not a file"));
}

TEST_F(TlsContextTest, an_encrypted_key_needs_its_passphrase) {
  const TlsIdentity identity{.certificate_pem = own.certificate_pem(),
                             .key_pem = Secret(own.key_pem("secret"))};
  EXPECT_EQ(refusal(identity), "TLS: key_pem: the key is encrypted, and no passphrase is set");
  TlsIdentity wrong = identity;
  wrong.passphrase = Secret("guess");
  EXPECT_THAT(refusal(wrong), HasSubstr("key_pem: the key cannot be decrypted: the passphrase is"));
  EXPECT_EQ(refusal(wrong).find("guess"), std::string::npos);
}

TEST_F(TlsContextTest, a_pkcs12_file_needs_its_passphrase) {
  const std::string path = file("own.p12", own.pkcs12("secret"));
  EXPECT_THAT(refusal({.pkcs12_file = path}), HasSubstr("is encrypted, and no passphrase is set"));
  EXPECT_THAT(refusal({.pkcs12_file = path, .passphrase = Secret("guess")}),
              HasSubstr("the passphrase is wrong"));
}

TEST_F(TlsContextTest, a_pkcs12_file_that_needs_the_legacy_provider_is_named_as_that) {
  EXPECT_THAT(refusal({.pkcs12_file = file("old.p12", own.pkcs12("secret", true)),
                       .passphrase = Secret("secret")}),
              testing::AllOf(HasSubstr("needs OpenSSL's legacy provider"),
                             HasSubstr("openssl pkcs12 -legacy")));
}

TEST_F(TlsContextTest, a_java_key_store_is_named_with_the_command_that_converts_it) {
  const std::string path = file("keystore.jks", "\xFE\xED\xFE\xED and more");
  for (const std::string& words :
       {refusal({.pkcs12_file = path}), refusal({.certificate_file = path}),
        refusal(TlsOptions{.trust = {.pkcs12_file = path}})}) {
    EXPECT_THAT(words, HasSubstr("keytool -importkeystore -srckeystore"));
  }
}

TEST_F(TlsContextTest, pem_of_another_kind_is_named) {
  EXPECT_THAT(refusal({.certificate_pem = own.key_pem()}),
              HasSubstr("holds PEM of the kind 'PRIVATE KEY' and no CERTIFICATE"));
  EXPECT_THAT(refusal({.certificate_pem = own.certificate_pem()}),
              HasSubstr("holds PEM of the kind 'CERTIFICATE' and no PRIVATE KEY"));
  EXPECT_THAT(refusal({.certificate_pem = "hello"}), HasSubstr("holds no CERTIFICATE in PEM"));
  EXPECT_THAT(refusal({.certificate_file = file("own.p12", own.pkcs12("secret"))}),
              HasSubstr("is not PEM"));
  EXPECT_THAT(refusal({.pkcs12_file = file("own.pem", own.certificate_pem())}),
              HasSubstr("is PEM and not PKCS#12"));
  EXPECT_THAT(refusal({.certificate_file = file("empty.pem", "")}), HasSubstr("is empty"));
}

/// PEM that asks for a passphrase by its header lines, as OpenSSL writes keys of the old form.
std::string as_if_encrypted(std::string pem) {
  pem.insert(pem.find('\n') + 1,
             "Proc-Type: 4,ENCRYPTED\nDEK-Info: AES-128-CBC,00112233445566778899AABBCCDDEEFF\n\n");
  return pem;
}

// Without a callback for the passphrase, OpenSSL prompts for it on the terminal.
TEST_F(TlsContextTest, pem_that_has_no_passphrase_is_refused_without_a_prompt_for_one) {
  const Made root = make({.name = "Test CA", .is_authority = true});
  const std::string path = file("crl.pem", as_if_encrypted(revocation_list(root, own)));
  const std::string ca = root.certificate_pem();
  EXPECT_EQ(
      refusal(TlsOptions{.trust = {.ca_pem = ca, .crl_file = path}}),
      "TLS: CRL file '" + path + "': its revocation list 1 is encrypted, and only keys may be");
  EXPECT_EQ(refusal(TlsOptions{.trust = {.ca_pem = ca + as_if_encrypted(ca)}}),
            "TLS: ca_pem: its certificate 2 is encrypted, and only keys may be");
  EXPECT_THAT(refusal({.certificate_pem = as_if_encrypted(ca)}),
              HasSubstr("certificate_pem: its certificate 1 is encrypted"));
}

TEST_F(TlsContextTest, a_damaged_revocation_list_is_named_by_its_number) {
  const Made root = make({.name = "Test CA", .is_authority = true});
  const std::string list = revocation_list(root, own);
  const std::string path =
      file("crl.pem", list + "-----BEGIN X509 CRL-----\nAAAA\n-----END X509 CRL-----\n");
  EXPECT_EQ(refusal(TlsOptions{.trust = {.ca_pem = root.certificate_pem(), .crl_file = path}}),
            "TLS: CRL file '" + path + "': its revocation list 2 is damaged");
}

TEST_F(TlsContextTest, a_key_of_another_certificate_is_refused) {
  EXPECT_EQ(refusal({.certificate_pem = own.certificate_pem(), .key_pem = Secret(other.key_pem())}),
            "TLS: key_pem: the key does not belong to the certificate in certificate_pem");
}

TEST_F(TlsContextTest, contradicting_sources_are_refused) {
  EXPECT_THAT(refusal({.certificate_pem = own.certificate_pem(), .pkcs12_file = "own.p12"}),
              HasSubstr("only one of the two may be set"));
  EXPECT_THAT(refusal({.certificate_file = "own.pem", .certificate_pem = "text"}),
              HasSubstr("only one of the two may be set"));
  EXPECT_THAT(refusal({.key_pem = Secret(own.key_pem())}), HasSubstr("a key and no certificate"));
}

TEST_F(TlsContextTest, a_passphrase_that_opens_nothing_is_refused) {
  const std::string of_identity =
      "TLS: identity: has a passphrase, but neither a key nor a PKCS#12 file";
  const std::string of_trust = "TLS: trust: has a passphrase, but no pkcs12_file that it opens";
  EXPECT_EQ(refusal({.passphrase = Secret("secret")}), of_identity);
  const TlsTrust trust{.ca_pem = own.certificate_pem(), .passphrase = Secret("secret")};
  EXPECT_EQ(refusal(TlsOptions{.trust = trust}), of_trust);
  EXPECT_EQ(
      refusal(TlsOptions{.trust = {.passphrase = Secret("secret")}, .verify_certificate = false}),
      of_trust);
  const TlsIdentity identity{.certificate_pem = own.certificate_pem() + own.key_pem()};
  for (const auto certificates : {ClientCertificates::none, ClientCertificates::required}) {
    const auto made = TlsContext::server(
        {.identity = identity, .client_certificates = certificates, .trust = trust});
    ASSERT_FALSE(made.has_value());
    EXPECT_EQ(made.error().message(), of_trust);
  }
  const auto bare = TlsContext::server({.identity = {.passphrase = Secret("secret")}});
  ASSERT_FALSE(bare.has_value());
  EXPECT_EQ(bare.error().message(), of_identity);
}

TEST_F(TlsContextTest, trust_without_verification_is_refused) {
  for (const TlsTrust& trust : {TlsTrust{.ca_file = "/ca.pem"}, TlsTrust{.ca_pem = "x"},
                                TlsTrust{.crl_file = "/crl.pem"}}) {
    EXPECT_THAT(refusal(TlsOptions{.trust = trust, .verify_certificate = false}),
                HasSubstr("verify_certificate is false, so the CAs"));
  }
  EXPECT_TRUE(TlsContext::client({.verify_certificate = false}).has_value());
}

TEST_F(TlsContextTest, unknown_algorithms_are_refused) {
  EXPECT_THAT(refusal(TlsOptions{.parameters = {.ciphers = "ROT13"}}), HasSubstr("'ROT13'"));
  for (const std::string ciphers :
       {"aNULL:@SECLEVEL=1", "HIGH:aNULL:@SECLEVEL=1", "ADH-AES256-GCM-SHA384:@SECLEVEL=1",
        "AECDH-AES256-SHA:@SECLEVEL=1"}) {
    EXPECT_THAT(refusal(TlsOptions{.parameters = {.ciphers = ciphers}}),
                HasSubstr("does not authenticate the server"))
        << ciphers;
  }
  for (const std::string ciphers : {"eNULL:@SECLEVEL=0", "aNULL:@SECLEVEL=0", "ALL:@SECLEVEL=0"}) {
    EXPECT_THAT(refusal(TlsOptions{.parameters = {.ciphers = ciphers}}),
                HasSubstr("ciphers '" + ciphers + "': security level 0"));
  }
  EXPECT_THAT(refusal(TlsOptions{.parameters = {.ciphers = "eNULL"}}),
              HasSubstr("encrypts with 0 bits"));
  for (const std::string ciphers : {"EXPORT", "LOW"}) {
    EXPECT_THAT(refusal(TlsOptions{.parameters = {.ciphers = ciphers}}), HasSubstr("knows none"));
  }
  EXPECT_TRUE(TlsContext::client({.parameters = {.ciphers = "ECDHE+AESGCM:!SHA1"}}).has_value());
  EXPECT_THAT(refusal(TlsOptions{.parameters = {.ciphersuites = "TLS_ROT13"}}),
              HasSubstr("'TLS_ROT13'"));
  EXPECT_THAT(refusal(TlsOptions{.parameters = {.groups = "P-13"}}), HasSubstr("'P-13'"));
  EXPECT_THAT(refusal(TlsOptions{.parameters = {.min_version = TlsVersion::tls_1_3,
                                                .max_version = TlsVersion::tls_1_2}}),
              HasSubstr("max_version is older than min_version"));
}

TEST_F(TlsContextTest, a_folder_without_hashed_names_is_refused_with_the_command_that_makes_them) {
  (void)file("ca.pem", own.certificate_pem());
  EXPECT_THAT(refusal(TlsOptions{.trust = {.ca_folder = folder.path()}}),
              HasSubstr("openssl rehash " + folder.path()));
}

TEST_F(TlsContextTest, a_listener_needs_a_certificate_and_the_cas_of_its_clients) {
  const auto bare = TlsContext::server({});
  ASSERT_FALSE(bare.has_value());
  EXPECT_THAT(bare.error().message(), HasSubstr("a listener needs a certificate and its key"));
  const auto open =
      TlsContext::server({.identity = {.certificate_pem = own.certificate_pem() + own.key_pem()},
                          .client_certificates = ClientCertificates::wanted});
  ASSERT_FALSE(open.has_value());
  EXPECT_THAT(open.error().message(), HasSubstr("no CA is set that they may come from"));
}

class TrustTest : public TlsContextTest {
 protected:
  const Made root = make({.name = "Test CA", .is_authority = true});
  const Made server = make({.issuer = &root});

  std::string words_of_handshake(const TlsTrust& trust) const {
    auto client = TlsContext::client({.trust = trust});
    EXPECT_TRUE(client.has_value()) << client.error().to_string();
    auto serving = TlsContext::server(
        {.identity = {.certificate_pem = server.certificate_pem() + server.key_pem()}});
    EXPECT_TRUE(serving.has_value());
    TlsPair pair;
    pair.begin(*client, *serving);
    return pair.client.is_open ? "open" : pair.client.why();
  }
};

TEST_F(TrustTest, cas_come_from_a_file_a_folder_text_and_a_trust_store) {
  EXPECT_EQ(words_of_handshake({.ca_pem = root.certificate_pem()}), "open");
  EXPECT_EQ(words_of_handshake({.ca_file = file("ca.pem", root.certificate_pem())}), "open");
  EXPECT_EQ(words_of_handshake({.pkcs12_file = file("ca.p12", root.pkcs12("secret")),
                                .passphrase = Secret("secret")}),
            "open");
  std::array<char, 16> name{};
  std::snprintf(name.data(), name.size(), "%08lx.0",
                X509_subject_name_hash(root.certificate.get()));
  (void)file(name.data(), root.certificate_pem());
  EXPECT_EQ(words_of_handshake({.ca_folder = folder.path()}), "open");
}

TEST_F(TrustTest, the_system_does_not_trust_a_private_ca) {
  EXPECT_THAT(words_of_handshake({}), HasSubstr("comes from an unknown issuer"));
}

TEST_F(TrustTest, a_revoked_certificate_is_refused) {
  const std::string ca = root.certificate_pem();
  EXPECT_THAT(words_of_handshake(
                  {.ca_pem = ca, .crl_file = file("crl.pem", revocation_list(root, server))}),
              HasSubstr("the server's certificate (CN=localhost,O=Dohle) was revoked"));
  EXPECT_EQ(
      words_of_handshake({.ca_pem = ca, .crl_file = file("crl.pem", revocation_list(root, other))}),
      "open");
  const Made stranger = make({.name = "Other CA", .is_authority = true});
  EXPECT_THAT(words_of_handshake(
                  {.ca_pem = ca, .crl_file = file("crl.pem", revocation_list(stranger, server))}),
              HasSubstr("the CRL file has no list of 'CN=Test CA,O=Dohle'"));
}

}  // namespace
}  // namespace dohle::net
