#include "properties/security.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <string>
#include <utility>
#include <vector>

#include "unit/shown_secret.hpp"

namespace dohle::properties {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

using Texts = std::vector<std::pair<std::string, std::string>>;

const std::string secret = "correct horse battery";
const std::string certificate = "-----BEGIN CERTIFICATE-----\nMIIB\n-----END CERTIFICATE-----\n";
const std::string private_key =
    "-----BEGIN PRIVATE KEY-----\n" + secret + "\n-----END PRIVATE KEY-----\n";
const std::string jaas_plain =
    "org.apache.kafka.common.security.plain.PlainLoginModule required username=\"alice\" "
    "password=\"" +
    secret + "\";";
const std::string jaas_scram =
    "org.apache.kafka.common.security.scram.ScramLoginModule required username=\"alice\" "
    "password=\"" +
    secret + "\";";

Result<SecurityProperties> read(const Texts& texts) {
  SecurityTexts all;
  for (const auto& [name, value] : texts) all.insert_or_assign(name, Secret(value));
  return read_security(all);
}

Texts with(std::string_view protocol, Texts more) {
  more.emplace_back("security.protocol", protocol);
  return more;
}
Texts over_sasl(Texts more) {
  more.emplace_back("sasl.username", "alice");
  more.emplace_back("sasl.password", secret);
  return with("SASL_SSL", std::move(more));
}

std::string refusal(const Texts& texts) {
  const auto security = read(texts);
  if (security) return "accepted";
  EXPECT_EQ(security.error().category(), ErrorCategory::configuration);
  EXPECT_EQ(shown_secret(security.error().to_string(), secret), "");
  return std::string(security.error().message());
}

TlsProperties tls(const Texts& texts) {
  auto security = read(with("SSL", texts));
  if (!security) ADD_FAILURE() << security.error().message();
  return security && security->tls ? *std::move(security->tls) : TlsProperties();
}

TEST(SecurityProperties, KeepDefaultsForAbsentNames) {
  const auto none = read({});
  ASSERT_TRUE(none);
  EXPECT_EQ(none->protocol, SecurityProtocol::plaintext);
  EXPECT_FALSE(none->sasl);
  EXPECT_FALSE(none->tls);
  const TlsProperties defaults = tls({});
  EXPECT_TRUE(defaults.verify_certificate);
  EXPECT_TRUE(defaults.verify_host);
  EXPECT_EQ(defaults.min_version, TlsVersion::tls_1_2);
  EXPECT_EQ(defaults.max_version, TlsVersion::tls_1_3);
  EXPECT_EQ(read(over_sasl({}))->sasl->mechanism, SaslMechanism::scram_sha_512);
}

TEST(SecurityProperties, ReadTheProtocolInAnyCase) {
  for (const auto& [text, protocol] : std::vector<std::pair<std::string, SecurityProtocol>>{
           {"PLAINTEXT", SecurityProtocol::plaintext},
           {"plaintext", SecurityProtocol::plaintext},
           {"ssl", SecurityProtocol::ssl}}) {
    const auto security = read({{"security.protocol", text}});
    ASSERT_TRUE(security) << text;
    EXPECT_EQ(security->protocol, protocol) << text;
    EXPECT_EQ(security->tls.has_value(), protocol == SecurityProtocol::ssl) << text;
  }
  EXPECT_EQ(refusal({{"security.protocol", "TLS"}}),
            "security.protocol: \"TLS\" is not one of PLAINTEXT, SSL, SASL_PLAINTEXT, SASL_SSL");
}

TEST(SecurityProperties, ReadLoginsOfLibrdkafkaAndOfJava) {
  for (const auto& [texts, mechanism] : std::vector<std::pair<Texts, SaslMechanism>>{
           {over_sasl({{"sasl.mechanisms", "PLAIN"}}), SaslMechanism::plain},
           {over_sasl({{"sasl.mechanism", "SCRAM-SHA-256"}}), SaslMechanism::scram_sha_256},
           {over_sasl({{"sasl.mechanism", "PLAIN"}, {"sasl.mechanisms", "PLAIN"}}),
            SaslMechanism::plain},
           {with("sasl_plaintext", {{"sasl.mechanism", "PLAIN"}, {"sasl.jaas.config", jaas_plain}}),
            SaslMechanism::plain},
           {with("SASL_SSL",
                 {{"sasl.mechanism", "SCRAM-SHA-512"}, {"sasl.jaas.config", jaas_scram}}),
            SaslMechanism::scram_sha_512},
           {over_sasl({{"sasl.mechanism", "PLAIN"}, {"sasl.jaas.config", jaas_plain}}),
            SaslMechanism::plain}}) {
    const auto security = read(texts);
    ASSERT_TRUE(security) << security.error().message();
    ASSERT_TRUE(security->sasl);
    EXPECT_EQ(security->sasl->mechanism, mechanism);
    EXPECT_EQ(security->sasl->username, "alice");
    EXPECT_EQ(security->sasl->password.reveal(), secret);
  }
}

TEST(SecurityProperties, RefuseLoginsThatAreIncompleteOrContradictory) {
  const std::vector<std::pair<Texts, std::string>> cases = {
      {over_sasl({{"sasl.mechanism", "GSSAPI"}}),
       "sasl.mechanism: GSSAPI is not supported yet: Kerberos is missing; supported are PLAIN, "
       "SCRAM-SHA-256 and SCRAM-SHA-512"},
      {over_sasl({{"sasl.mechanism", "DIGEST-MD5"}}),
       "sasl.mechanism: \"DIGEST-MD5\" is not one of PLAIN, SCRAM-SHA-256, SCRAM-SHA-512"},
      {over_sasl({{"sasl.mechanism", "plain"}}),
       "sasl.mechanism: \"plain\" is not one of PLAIN, SCRAM-SHA-256, SCRAM-SHA-512"},
      {over_sasl({{"sasl.mechanism", "PLAIN"}, {"sasl.mechanisms", "SCRAM-SHA-256"}}),
       "sasl.mechanisms: sasl.mechanism and sasl.mechanisms name different mechanisms"},
      {with("SASL_SSL", {}), "security.protocol is SASL_SSL, but sasl.username is not set"},
      {with("SASL_PLAINTEXT", {{"sasl.username", "alice"}}),
       "security.protocol is SASL_PLAINTEXT, but sasl.password is not set"},
      {over_sasl({{"sasl.jaas.config", jaas_plain}}),
       "sasl.jaas.config has PlainLoginModule, but sasl.mechanism is SCRAM-SHA-512 by default"},
      {over_sasl({{"sasl.mechanism", "PLAIN"}, {"sasl.jaas.config", jaas_scram}}),
       "sasl.jaas.config has ScramLoginModule, but sasl.mechanism is PLAIN"},
      {with("SASL_SSL", {{"sasl.jaas.config", jaas_scram}, {"sasl.password", secret + "!"}}),
       "sasl.jaas.config and sasl.username with sasl.password differ; set one of them"},
      {with("SASL_SSL", {{"sasl.jaas.config",
                          "org.apache.kafka.common.security.scram.ScramLoginModule required "
                          "username=a password='';"}}),
       "sasl.jaas.config: the password is empty"},
      {with("SASL_SSL", {{"sasl.password", ""}}), "sasl.password: the value is empty"},
      {over_sasl({{"sasl.jaas.config", secret}}),
       "sasl.jaas.config: at byte 8: one of required, requisite, sufficient, optional is expected"},
  };
  for (const auto& [texts, message] : cases) EXPECT_EQ(refusal(texts), message);
}

TEST(SecurityProperties, RefuseNamesThatTheProtocolDoesNotUse) {
  EXPECT_EQ(refusal({{"sasl.password", secret}}),
            "sasl.password is set, but security.protocol is PLAINTEXT by default, which does not "
            "use it; set SASL_SSL or SASL_PLAINTEXT");
  EXPECT_EQ(
      refusal(with("PLAINTEXT", {{"ssl.ca.location", "ca.pem"}})),
      "ssl.ca.location is set, but security.protocol is PLAINTEXT, which does not use it; set "
      "SSL or SASL_SSL");
  EXPECT_EQ(refusal(with("SSL", {{"sasl.username", "alice"}})),
            "sasl.username is set, but security.protocol is SSL, which does not use it; set "
            "SASL_SSL");
  EXPECT_EQ(refusal(with("SASL_PLAINTEXT", {{"ssl.keystore.key", private_key}})),
            "ssl.keystore.key is set, but security.protocol is SASL_PLAINTEXT, which does not use "
            "it; set SASL_SSL");
  EXPECT_EQ(refusal({{"ssl.endpoint.identification.algorithm", "https"},
                     {"ssl.enabled.protocols", "TLSv1.2,TLSv1.3"},
                     {"ssl.truststore.type", "JKS"}}),
            "accepted");
}

TEST(SecurityProperties, ReadTrustedIssuers) {
  TrustedIssuers trust = tls({{"ssl.ca.location", "/ca"}, {"ssl.crl.location", "/crl"}}).trust;
  EXPECT_EQ(trust.location, "/ca");
  EXPECT_EQ(trust.crl_location, "/crl");
  EXPECT_EQ(tls({{"ssl.ca.location", "probe"}}).trust.location, "");
  EXPECT_EQ(tls({{"ssl.ca.pem", certificate}}).trust.pem, certificate);
  EXPECT_EQ(
      tls({{"ssl.truststore.certificates", certificate}, {"ssl.truststore.type", "PEM"}}).trust.pem,
      certificate);
  trust = tls({{"ssl.truststore.location", "/t.p12"},
               {"ssl.truststore.type", "PKCS12"},
               {"ssl.truststore.password", secret}})
              .trust;
  EXPECT_EQ(trust.store.location, "/t.p12");
  EXPECT_EQ(trust.store.type, StoreType::pkcs12);
  EXPECT_EQ(trust.store.password.reveal(), secret);
  EXPECT_EQ(tls({{"ssl.truststore.location", "/t"}}).trust.store.type, std::nullopt);
}

TEST(SecurityProperties, ReadTheCertificateOfTheClient) {
  OwnCertificate own = tls({{"ssl.certificate.location", "/c"},
                            {"ssl.key.location", "/k"},
                            {"ssl.key.password", secret}})
                           .own;
  EXPECT_EQ(own.location, "/c");
  EXPECT_EQ(own.key_location, "/k");
  EXPECT_EQ(own.key_password.reveal(), secret);
  own = tls({{"ssl.certificate.pem", certificate}, {"ssl.key.pem", private_key}}).own;
  EXPECT_EQ(own.pem, certificate);
  EXPECT_EQ(own.key_pem.reveal(), private_key);
  own = tls({{"ssl.keystore.certificate.chain", certificate},
             {"ssl.keystore.key", private_key},
             {"ssl.keystore.type", "PEM"},
             {"ssl.key.password", secret}})
            .own;
  EXPECT_EQ(own.pem, certificate);
  EXPECT_EQ(own.key_pem.reveal(), private_key);
  own = tls({{"ssl.keystore.location", "/k.p12"},
             {"ssl.keystore.password", secret},
             {"ssl.key.password", secret}})
            .own;
  EXPECT_EQ(own.store.location, "/k.p12");
  EXPECT_EQ(own.store.password.reveal(), secret);
  own = tls({{"ssl.keystore.location", "/k.pem"},
             {"ssl.keystore.type", "PEM"},
             {"ssl.key.password", secret}})
            .own;
  EXPECT_EQ(own.store.type, StoreType::pem);
  EXPECT_EQ(own.key_password.reveal(), secret);
}

TEST(SecurityProperties, RefuseFilesThatAreIncompleteOrContradictory) {
  const std::vector<std::pair<Texts, std::string>> cases = {
      {{{"ssl.ca.location", "/ca"}, {"ssl.truststore.location", "/t"}},
       "ssl.ca.* of librdkafka and ssl.truststore.* of Java are both set; set one of them"},
      {{{"ssl.truststore.location", "/t"}, {"ssl.truststore.certificates", certificate}},
       "ssl.truststore.location is set beside certificates in PEM; set one of them"},
      {{{"ssl.truststore.type", "PKCS12"}, {"ssl.truststore.certificates", certificate}},
       "ssl.truststore.type is PKCS12, but the certificates are given as PEM"},
      {{{"ssl.truststore.password", secret}},
       "ssl.truststore.password is set, but ssl.truststore.location is not"},
      {{{"ssl.truststore.location", "/t"},
        {"ssl.truststore.type", "PEM"},
        {"ssl.truststore.password", secret}},
       "ssl.truststore.password is set, but PEM files have none"},
      {{{"ssl.keystore.location", "/k"},
        {"ssl.keystore.type", "PEM"},
        {"ssl.keystore.password", secret}},
       "ssl.keystore.password is set, but PEM files have none; ssl.key.password is that of the "
       "key"},
      {{{"ssl.truststore.location", "/my stores/trust.jks"}, {"ssl.truststore.type", "JKS"}},
       "ssl.truststore.type: Java key stores (JKS) are not supported; convert it: keytool "
       "-importkeystore -srckeystore '/my stores/trust.jks' -destkeystore '/my stores/trust.p12' "
       "-deststoretype PKCS12"},
      {{{"ssl.keystore.location", "/k"}, {"ssl.keystore.type", "jks"}},
       "ssl.keystore.type: Java key stores (JKS) are not supported; convert it: keytool "
       "-importkeystore -srckeystore /k -destkeystore /k.p12 -deststoretype PKCS12"},
      {{{"ssl.keystore.type", "BCFKS"}}, "ssl.keystore.type: \"BCFKS\" is not one of PEM, PKCS12"},
      {{{"ssl.keystore.location", "/k"}, {"ssl.key.location", "/k"}},
       "ssl.keystore.* is set beside ssl.certificate.* or ssl.key.*; set one of them"},
      {{{"ssl.certificate.location", "/c"},
        {"ssl.certificate.pem", certificate},
        {"ssl.key.location", "/k"}},
       "ssl.certificate.location and ssl.certificate.pem are both set; set one of them"},
      {{{"ssl.certificate.location", "/c"},
        {"ssl.key.pem", private_key},
        {"ssl.key.location", "/k"}},
       "ssl.key.location and ssl.key.pem are both set; set one of them"},
      {{{"ssl.certificate.location", "/c"}}, "ssl.certificate.* is set, but ssl.key.* is not"},
      {{{"ssl.key.location", "/k"}}, "ssl.key.* is set, but ssl.certificate.* is not"},
      {{{"ssl.keystore.key", private_key}},
       "ssl.keystore.key and ssl.keystore.certificate.chain belong together; one is not set"},
      {{{"ssl.key.password", secret}},
       "ssl.key.password is set, but no key is (ssl.key.location, ssl.key.pem, ssl.keystore.key or "
       "ssl.keystore.location)"},
      {{{"ssl.ca.pem", "/ca.pem"}},
       "ssl.ca.pem: the value is not PEM with \"-----BEGIN ... CERTIFICATE-----\"; files are named "
       "by the properties that end in .location"},
      {{{"ssl.key.pem", secret}},
       "ssl.key.pem: the value is not PEM with \"-----BEGIN ... PRIVATE KEY-----\"; files are "
       "named by the properties that end in .location"},
      {{{"ssl.ca.location", ""}}, "ssl.ca.location: the value is empty"},
  };
  for (const auto& [texts, message] : cases) EXPECT_EQ(refusal(with("SSL", texts)), message);
}

TEST(SecurityProperties, RefuseAKeyPasswordThatJavaAndLibrdkafkaUseDifferently) {
  EXPECT_THAT(refusal(with("SSL", {{"ssl.keystore.location", "/k.p12"},
                                   {"ssl.keystore.password", secret},
                                   {"ssl.key.password", secret + "!"}})),
              HasSubstr("ssl.key.password is not that of ssl.keystore.password; Java takes it"));
}

TEST(SecurityProperties, RefuseCipherSuitesThatJavaAndLibrdkafkaUseDifferently) {
  const std::string for_1_2 = "TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256";
  const std::string for_1_3 =
      "TLS_AES_256_GCM_SHA384,TLS_CHACHA20_POLY1305_SHA256,TLS_AES_128_GCM_SHA256";
  EXPECT_THAT(refusal(with("SSL", {{"ssl.cipher.suites", for_1_2}})),
              HasSubstr("ssl.cipher.suites means different things: Java then allows no other"));
  EXPECT_THAT(refusal(with("SSL", {{"ssl.cipher.suites", "TLS_AES_128_GCM_SHA256," + for_1_2}})),
              HasSubstr("ssl.cipher.suites means different things"));
  EXPECT_EQ(tls({{"ssl.cipher.suites", for_1_3 + ", " + for_1_2}}).cipher_suites.size(), 4U);
  EXPECT_THAT(
      tls({{"ssl.cipher.suites", for_1_2}, {"ssl.enabled.protocols", "TLSv1.2"}}).cipher_suites,
      ElementsAre(for_1_2));
  EXPECT_THAT(tls({{"ssl.cipher.suites", "TLS_AES_128_GCM_SHA256"}}).cipher_suites,
              ElementsAre("TLS_AES_128_GCM_SHA256"));
  const TlsProperties openssl = tls({{"ssl.cipher.suites", "ECDHE+AESGCM:!aNULL"}});
  EXPECT_EQ(openssl.openssl_ciphers, "ECDHE+AESGCM:!aNULL");
  EXPECT_TRUE(openssl.cipher_suites.empty());
  EXPECT_EQ(refusal(with("SSL", {{"ssl.cipher.suites", for_1_2 + ",AES128-SHA"}})),
            "ssl.cipher.suites: the list mixes names of the IANA registry (TLS_...) with "
            "OpenSSL's");
  EXPECT_EQ(refusal(with("SSL", {{"ssl.cipher.suites", for_1_2 + ":" + for_1_2}})),
            "ssl.cipher.suites: the list mixes names of the IANA registry (TLS_...) with "
            "OpenSSL's");
  EXPECT_EQ(refusal(with("SSL", {{"ssl.cipher.suites", ""}})), "accepted");
}

TEST(SecurityProperties, ReadVersionsAndVerification) {
  EXPECT_EQ(tls({{"ssl.enabled.protocols", "TLSv1.3"}}).min_version, TlsVersion::tls_1_3);
  EXPECT_EQ(tls({{"ssl.enabled.protocols", "TLSv1.2"}}).max_version, TlsVersion::tls_1_2);
  EXPECT_EQ(refusal({{"ssl.enabled.protocols", "TLSv1.1,TLSv1.2"}}),
            "ssl.enabled.protocols: \"TLSv1.1\" is not one of TLSv1.2, TLSv1.3");
  EXPECT_EQ(refusal({{"ssl.enabled.protocols", ""}}),
            "ssl.enabled.protocols: no version is named; allowed are TLSv1.2 and TLSv1.3");
  for (const char* off : {"", "none", "None"}) {
    const TlsProperties without = tls({{"ssl.endpoint.identification.algorithm", off}});
    EXPECT_FALSE(without.verify_host) << off;
    EXPECT_TRUE(without.verify_certificate) << off;
  }
  EXPECT_TRUE(tls({{"ssl.endpoint.identification.algorithm", "HTTPS"}}).verify_host);
  EXPECT_EQ(refusal({{"ssl.endpoint.identification.algorithm", "ldaps"}}),
            "ssl.endpoint.identification.algorithm: \"ldaps\" is not one of https, none");
  const TlsProperties unverified = tls({{"enable.ssl.certificate.verification", "false"}});
  EXPECT_FALSE(unverified.verify_certificate);
  EXPECT_FALSE(unverified.verify_host);
  EXPECT_EQ(refusal({{"enable.ssl.certificate.verification", "no"}}),
            "enable.ssl.certificate.verification: \"no\" is not one of true, false");
  EXPECT_THAT(refusal(with("SSL", {{"enable.ssl.certificate.verification", "false"},
                                   {"ssl.endpoint.identification.algorithm", "https"}})),
              HasSubstr("which verifies nothing"));
}

TEST(SecurityProperties, AcceptValuesThatNameTheFixedBehaviour) {
  for (const auto& [name, value] : Texts{{"ssl.protocol", "TLSv1.3"},
                                         {"ssl.keymanager.algorithm", "SunX509"},
                                         {"ssl.trustmanager.algorithm", "PKIX"},
                                         {"ssl.engine.id", "dynamic"},
                                         {"sasl.login.class", ""},
                                         {"enable.sasl.oauthbearer.unsecure.jwt", "false"}}) {
    EXPECT_EQ(refusal({{name, value}}), "accepted") << name;
  }
  EXPECT_EQ(refusal({{"ssl.protocol", "TLSv1.2"}}),
            "ssl.protocol: \"TLSv1.2\" is not supported; allowed is \"TLSv1.3\"; "
            "ssl.enabled.protocols chooses the versions");
  EXPECT_EQ(refusal({{"ssl.provider", "BC"}}),
            "ssl.provider: \"BC\" is not supported; allowed is \"\"");
}

TEST(SecurityProperties, NeverShowASecretInAnError) {
  int secrets = 0;
  for (const std::string& name : security_names()) {
    if (!is_secret_name(name)) continue;
    ++secrets;
    for (const std::string& value : {secret, "\"" + secret, secret + "\xff", jaas_plain + secret}) {
      const auto checked = check_security(name, value);
      if (checked) continue;
      EXPECT_EQ(shown_secret(checked.error().to_string(), secret), "") << name;
      EXPECT_THAT(std::string(checked.error().message()), testing::StartsWith(name + ": "));
    }
  }
  EXPECT_EQ(secrets, 7);
}

TEST(SecurityNames, AreSortedAndReadHere) {
  const auto names = security_names();
  EXPECT_TRUE(std::ranges::is_sorted(names));
  EXPECT_EQ(std::ranges::adjacent_find(names), names.end());
  EXPECT_EQ(names.size(), 43U);
  for (const auto& name : names) EXPECT_TRUE(is_security_name(name)) << name;
  EXPECT_FALSE(is_security_name("linger.ms"));
  EXPECT_EQ(check_security("sasl.pasword", secret).error().message(),
            "there is no property sasl.pasword; did you mean sasl.password?");
}

TEST(StoreType, IsDecidedByTheContents) {
  EXPECT_EQ(store_type_of("/k", "Bag Attributes\n" + certificate).value(), StoreType::pem);
  EXPECT_EQ(store_type_of("/k", "\x30\x82", StoreType::pkcs12).value(), StoreType::pkcs12);
  EXPECT_EQ(store_type_of("/k.jks", "\xfe\xed\xfe\xed").error().message(),
            "/k.jks: Java key stores (JKS) are not supported; convert it: keytool -importkeystore "
            "-srckeystore /k.jks -destkeystore /k.p12 -deststoretype PKCS12");
  EXPECT_EQ(store_type_of("/k", "").error().message(), "/k is neither PEM nor PKCS#12");
  EXPECT_EQ(store_type_of("/k", certificate, StoreType::pkcs12).error().message(),
            "/k is PEM, not PKCS#12");
}

}  // namespace
}  // namespace dohle::properties
