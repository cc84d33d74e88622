// The options that the properties of TLS set, with files whose contents show their format.
#include "properties/tls_options.hpp"

#include <string>

#include <gmock/gmock.h>

#include "scratch_directory.hpp"

namespace dohle::properties {
namespace {

using testing::HasSubstr;

class TlsOptionsOfProperties : public testing::Test {
 protected:
  std::string file(const std::string& name, std::string_view bytes) const {
    return folder.write(name, bytes);
  }
  static Result<TlsOptions> read(const std::map<std::string, std::string>& texts) {
    SecurityTexts all{{"security.protocol", Secret("SSL")}};
    for (const auto& [name, value] : texts) all.insert_or_assign(name, Secret(value));
    const auto security = read_security(all);
    if (!security) return fail(security.error());
    return tls_options(*security->tls);
  }
  static TlsOptions made(const std::map<std::string, std::string>& texts) {
    auto options = read(texts);
    EXPECT_TRUE(options.has_value()) << options.error().message();
    return options.value_or(TlsOptions{});
  }

  const ScratchDirectory folder;
  const std::string pem = "Bag Attributes\n-----BEGIN CERTIFICATE-----\n", der = "\x30\x82\x01";
};

TEST_F(TlsOptionsOfProperties, verify_against_the_system_by_default) {
  const TlsOptions options = made({});
  EXPECT_TRUE(options.verify_certificate);
  EXPECT_TRUE(options.verify_hostname);
  EXPECT_EQ(options.trust.ca_file + options.trust.ca_folder + options.trust.pkcs12_file, "");
  EXPECT_EQ(options.parameters.min_version, dohle::TlsVersion::tls_1_2);
  EXPECT_EQ(options.parameters.max_version, dohle::TlsVersion::tls_1_3);
}

TEST_F(TlsOptionsOfProperties, tell_a_file_of_issuers_from_a_folder) {
  EXPECT_EQ(made({{"ssl.ca.location", folder.path()}}).trust.ca_folder, folder.path());
  const std::string path = file("ca.pem", pem);
  const TlsTrust trust = made({{"ssl.ca.location", path}, {"ssl.crl.location", "/crl"}}).trust;
  EXPECT_EQ(trust.ca_file, path);
  EXPECT_EQ(trust.ca_folder, "");
  EXPECT_EQ(trust.crl_file, "/crl");
}

TEST_F(TlsOptionsOfProperties, tell_pem_from_pkcs12_by_the_contents_of_stores) {
  const std::string text = file("store.pem", pem), binary = file("store.p12", der);
  const TlsOptions with_pem = made({{"ssl.truststore.location", text},
                                    {"ssl.keystore.location", text},
                                    {"ssl.keystore.type", "PEM"},
                                    {"ssl.key.password", "key"}});
  EXPECT_EQ(with_pem.trust.ca_file, text);
  EXPECT_EQ(with_pem.identity.certificate_file, text);
  EXPECT_EQ(with_pem.identity.passphrase.reveal(), "key");
  const TlsOptions with_pkcs12 = made({{"ssl.truststore.location", binary},
                                       {"ssl.truststore.password", "trust"},
                                       {"ssl.keystore.location", binary},
                                       {"ssl.keystore.password", "own"}});
  EXPECT_EQ(with_pkcs12.trust.pkcs12_file, binary);
  EXPECT_EQ(with_pkcs12.trust.passphrase.reveal(), "trust");
  EXPECT_EQ(with_pkcs12.identity.pkcs12_file, binary);
  EXPECT_EQ(with_pkcs12.identity.passphrase.reveal(), "own");
}

TEST_F(TlsOptionsOfProperties, name_the_file_that_is_missing_or_a_java_key_store) {
  const auto refusal = [](const std::map<std::string, std::string>& texts) {
    const auto options = read(texts);
    EXPECT_FALSE(options.has_value());
    return options ? "" : std::string(options.error().message());
  };
  EXPECT_THAT(refusal({{"ssl.truststore.location", "/none/t"}}),
              HasSubstr("ssl.truststore.location: /none/t is not a file"));
  const std::string jks = file("k.jks", "\xfe\xed\xfe\xed");
  EXPECT_THAT(refusal({{"ssl.keystore.location", jks}}), HasSubstr("keytool -importkeystore"));
}

TEST_F(TlsOptionsOfProperties, contain_the_own_certificate_and_key) {
  const TlsIdentity own = made({{"ssl.certificate.location", "/c"},
                                {"ssl.key.location", "/k"},
                                {"ssl.key.password", "key"}})
                              .identity;
  EXPECT_EQ(own.certificate_file, "/c");
  EXPECT_EQ(own.key_file, "/k");
  EXPECT_EQ(own.passphrase.reveal(), "key");
}

TEST_F(TlsOptionsOfProperties, keep_each_suite_for_its_version) {
  const std::string for_1_2 = "TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256";
  const TlsParameters only_1_3 = made({{"ssl.cipher.suites", "TLS_AES_128_GCM_SHA256"}}).parameters;
  EXPECT_EQ(only_1_3.ciphersuites, "TLS_AES_128_GCM_SHA256");
  EXPECT_EQ(only_1_3.min_version, dohle::TlsVersion::tls_1_3);
  const TlsParameters only_1_2 =
      made({{"ssl.cipher.suites", for_1_2}, {"ssl.enabled.protocols", "TLSv1.2"}}).parameters;
  EXPECT_EQ(only_1_2.ciphers, for_1_2);
  EXPECT_EQ(only_1_2.max_version, dohle::TlsVersion::tls_1_2);
  EXPECT_EQ(made({{"ssl.cipher.suites", "ECDHE+AESGCM"}}).parameters.ciphers, "ECDHE+AESGCM");
  const auto none =
      read({{"ssl.cipher.suites", "TLS_AES_128_GCM_SHA256"}, {"ssl.enabled.protocols", "TLSv1.2"}});
  ASSERT_FALSE(none.has_value());
  EXPECT_THAT(std::string(none.error().message()), HasSubstr("names no suite"));
}

TEST_F(TlsOptionsOfProperties, may_switch_off_verification_of_the_host_or_of_all) {
  EXPECT_FALSE(made({{"ssl.endpoint.identification.algorithm", ""}}).verify_hostname);
  EXPECT_FALSE(made({{"enable.ssl.certificate.verification", "false"}}).verify_certificate);
}

}  // namespace
}  // namespace dohle::properties
