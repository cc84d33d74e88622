#include "properties/security.hpp"

#include <algorithm>
#include <array>
#include <utility>

#include <fmt/format.h>

#include "base/security_protocols.hpp"
#include "base/shell_word.hpp"
#include "properties/jaas.hpp"
#include "properties/properties_file.hpp"
#include "properties/suggestion.hpp"

namespace dohle::properties {

namespace {

template <class... T>
std::unexpected<Error> refuse(fmt::format_string<T...> text, T&&... values) {
  return fail(Error::configuration(fmt::format(text, std::forward<T>(values)...)));
}

/// Java's types, of which JKS is refused once its file is known.
enum class DeclaredType : std::uint8_t { pem, pkcs12, jks };

struct DeclaredStore {
  std::string location;
  std::optional<DeclaredType> type;
  Secret password;
};

/// The values of single properties, before they are checked with each other.
struct Draft {
  SecurityProtocol protocol = SecurityProtocol::plaintext;
  std::optional<SaslMechanism> mechanism;
  std::optional<std::string> username;
  Secret password;
  std::optional<JaasLogin> jaas;
  std::string ca_location;
  std::string ca_pem;
  DeclaredStore truststore;
  std::string truststore_certificates;
  std::string crl_location;
  DeclaredStore keystore;
  Secret keystore_key;
  std::string keystore_chain;
  std::string certificate_location;
  std::string certificate_pem;
  std::string key_location;
  Secret key_pem;
  Secret key_password;
  std::optional<bool> verifies_host;
  bool verifies_certificate = true;
  TlsVersion min_version = TlsVersion::tls_1_2;
  TlsVersion max_version = TlsVersion::tls_1_3;
  std::vector<std::string> cipher_suites;
  std::string openssl_ciphers;
};

char lower(char c) {
  return c >= 'A' && c <= 'Z' ? static_cast<char>(c + ('a' - 'A')) : c;
}
bool is_equal_but_case(std::string_view one, std::string_view other) {
  return std::ranges::equal(one, other, {}, lower, lower);
}

std::vector<std::string> split(std::string_view text) {
  std::vector<std::string> parts;
  while (!text.empty()) {
    const auto comma = std::min(text.find(','), text.size());
    std::string_view part = text.substr(0, comma);
    while (part.starts_with(' ')) part.remove_prefix(1);
    while (part.ends_with(' ')) part.remove_suffix(1);
    if (!part.empty()) parts.emplace_back(part);
    text.remove_prefix(std::min(comma + 1, text.size()));
  }
  return parts;
}

Result<void> read_protocol(std::string_view value, Draft& draft) {
  const auto protocol = parse_security_protocol(value);
  if (!protocol) {
    return refuse("\"{}\" is not one of PLAINTEXT, SSL, SASL_PLAINTEXT, SASL_SSL", value);
  }
  draft.protocol = *protocol;
  return {};
}

constexpr std::array mechanisms = {
    std::pair{std::string_view("PLAIN"), SaslMechanism::plain},
    std::pair{std::string_view("SCRAM-SHA-256"), SaslMechanism::scram_sha_256},
    std::pair{std::string_view("SCRAM-SHA-512"), SaslMechanism::scram_sha_512}};

constexpr std::array later_mechanisms = {
    std::pair{std::string_view("OAUTHBEARER"), std::string_view("tokens of OAuth are missing")},
    std::pair{std::string_view("GSSAPI"), std::string_view("Kerberos is missing")}};

Result<void> read_mechanism(std::string_view value, Draft& draft) {
  for (const auto& [name, mechanism] : mechanisms) {
    if (name != value) continue;
    if (draft.mechanism && *draft.mechanism != mechanism) {
      return refuse("sasl.mechanism and sasl.mechanisms name different mechanisms");
    }
    draft.mechanism = mechanism;
    return {};
  }
  for (const auto& [name, missing] : later_mechanisms) {
    if (name == value) {
      return refuse(
          "{} is not supported yet: {}; supported are PLAIN, SCRAM-SHA-256 and "
          "SCRAM-SHA-512",
          value, missing);
    }
  }
  return refuse("\"{}\" is not one of PLAIN, SCRAM-SHA-256, SCRAM-SHA-512", value);
}

template <auto Member>
Result<void> text(std::string_view value, Draft& draft) {
  if (value.empty()) return refuse("the value is empty");
  draft.*Member = std::string(value);
  return {};
}
template <auto Member>
Result<void> secret(std::string_view value, Draft& draft) {
  draft.*Member = Secret(value);
  return {};
}
/// librdkafka takes an empty password for none; here it is a mistake.
template <auto Member>
Result<void> password(std::string_view value, Draft& draft) {
  if (value.empty()) return refuse("the value is empty");
  return secret<Member>(value, draft);
}

Result<void> check_pem(std::string_view value, std::string_view kind) {
  if (value.contains("-----BEGIN ") && value.contains(kind)) return {};
  return refuse(
      "the value is not PEM with \"-----BEGIN ... {}-----\"; files are named by the "
      "properties that end in .location",
      kind);
}
template <auto Member>
Result<void> certificates(std::string_view value, Draft& draft) {
  draft.*Member = std::string(value);
  return check_pem(value, "CERTIFICATE");
}
template <auto Member>
Result<void> key(std::string_view value, Draft& draft) {
  draft.*Member = Secret(value);
  return check_pem(value, "PRIVATE KEY");
}

/// librdkafka's "probe" looks for the system's issuers, which are the default.
Result<void> read_ca_location(std::string_view value, Draft& draft) {
  if (value == "probe") return {};
  return text<&Draft::ca_location>(value, draft);
}

Result<void> read_jaas_config(std::string_view value, Draft& draft) {
  auto login = read_jaas_login(value);
  if (!login) return fail(login.error());
  draft.jaas = *std::move(login);
  return {};
}

template <auto StoreMember>
Result<void> store_location(std::string_view value, Draft& draft) {
  if (value.empty()) return refuse("the value is empty");
  (draft.*StoreMember).location = std::string(value);
  return {};
}
template <auto StoreMember>
Result<void> store_password(std::string_view value, Draft& draft) {
  (draft.*StoreMember).password = Secret(value);
  return {};
}
template <auto StoreMember>
Result<void> store_type(std::string_view value, Draft& draft) {
  constexpr std::array types = {std::pair{std::string_view("PEM"), DeclaredType::pem},
                                std::pair{std::string_view("PKCS12"), DeclaredType::pkcs12},
                                std::pair{std::string_view("JKS"), DeclaredType::jks}};
  for (const auto& [name, type] : types) {
    if (!is_equal_but_case(name, value)) continue;
    (draft.*StoreMember).type = type;
    return {};
  }
  return refuse("\"{}\" is not one of PEM, PKCS12", value);
}

/// Java switches it off with an empty value, librdkafka with "none"; neither takes the other's.
Result<void> read_endpoint_algorithm(std::string_view value, Draft& draft) {
  const bool is_on = is_equal_but_case(value, "https");
  if (!is_on && !value.empty() && !is_equal_but_case(value, "none")) {
    return refuse("\"{}\" is not one of https, none", value);
  }
  draft.verifies_host = is_on;
  return {};
}

Result<void> read_verification(std::string_view value, Draft& draft) {
  if (value != "true" && value != "false") {
    return refuse("\"{}\" is not one of true, false", value);
  }
  draft.verifies_certificate = value == "true";
  return {};
}

Result<void> read_enabled_protocols(std::string_view value, Draft& draft) {
  bool has_1_2 = false, has_1_3 = false;
  for (const std::string& each : split(value)) {
    has_1_2 = has_1_2 || each == "TLSv1.2";
    has_1_3 = has_1_3 || each == "TLSv1.3";
    if (each != "TLSv1.2" && each != "TLSv1.3") {
      return refuse("\"{}\" is not one of TLSv1.2, TLSv1.3", each);
    }
  }
  if (!has_1_2 && !has_1_3) return refuse("no version is named; allowed are TLSv1.2 and TLSv1.3");
  draft.min_version = has_1_2 ? TlsVersion::tls_1_2 : TlsVersion::tls_1_3;
  draft.max_version = has_1_3 ? TlsVersion::tls_1_3 : TlsVersion::tls_1_2;
  return {};
}

/// Java's names are those of the IANA registry, with commas between them; librdkafka hands its
/// value to OpenSSL. Java refuses OpenSSL's own names.
Result<void> read_cipher_suites(std::string_view value, Draft& draft) {
  const auto names = split(value);
  const auto is_iana = [](std::string_view name) {
    return name.starts_with("TLS_") && std::ranges::all_of(name, [](char c) {
             return (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_';
           });
  };
  if (std::ranges::all_of(names, is_iana)) {
    draft.cipher_suites = names;
  } else if (std::ranges::none_of(names,
                                  [](const std::string& name) { return name.contains("TLS_"); })) {
    draft.openssl_ciphers = std::string(value);
  } else {
    return refuse("the list mixes names of the IANA registry (TLS_...) with OpenSSL's");
  }
  return {};
}

/// A property that has only one meaning here; its allowed values name that meaning.
struct FixedProperty {
  std::string_view name;
  std::array<std::string_view, 2> allowed;
  std::string_view hint;
};
constexpr std::array fixed_properties = {
    FixedProperty{"enable.sasl.oauthbearer.unsecure.jwt", {"false", "false"}, ""},
    FixedProperty{"sasl.client.callback.handler.class", {"", ""}, ""},
    FixedProperty{"sasl.login.callback.handler.class", {"", ""}, ""},
    FixedProperty{"sasl.login.class",
                  {"", "org.apache.kafka.common.security.authenticator.DefaultLogin"},
                  ""},
    FixedProperty{"security.providers", {"", ""}, ""},
    FixedProperty{"ssl.curves.list", {"", ""}, ""},
    FixedProperty{"ssl.engine.factory.class",
                  {"", "org.apache.kafka.common.security.ssl.DefaultSslEngineFactory"},
                  ""},
    FixedProperty{"ssl.engine.id", {"dynamic", "dynamic"}, ""},
    FixedProperty{"ssl.engine.location", {"", ""}, ""},
    FixedProperty{"ssl.keymanager.algorithm", {"SunX509", "PKIX"}, ""},
    FixedProperty{
        "ssl.protocol", {"TLSv1.3", "TLS"}, "; ssl.enabled.protocols chooses the versions"},
    FixedProperty{"ssl.provider", {"", ""}, ""},
    FixedProperty{"ssl.providers", {"", "default"}, ""},
    FixedProperty{"ssl.secure.random.implementation", {"", ""}, ""},
    FixedProperty{"ssl.sigalgs.list", {"", ""}, ""},
    FixedProperty{"ssl.trustmanager.algorithm", {"PKIX", "PKIX"}, ""},
};

enum class Needs : std::uint8_t { nothing, tls, sasl };
enum class Shows : std::uint8_t { text, secret };

struct SecurityProperty {
  std::string_view name;
  Result<void> (*read)(std::string_view value, Draft& draft);
  Needs needs;
  Shows shows = Shows::text;
};

using D = Draft;
constexpr std::array properties = {
    SecurityProperty{"enable.ssl.certificate.verification", read_verification, Needs::nothing},
    SecurityProperty{"sasl.jaas.config", read_jaas_config, Needs::sasl, Shows::secret},
    SecurityProperty{"sasl.mechanism", read_mechanism, Needs::sasl},
    SecurityProperty{"sasl.mechanisms", read_mechanism, Needs::sasl},
    SecurityProperty{"sasl.password", password<&D::password>, Needs::sasl, Shows::secret},
    SecurityProperty{"sasl.username", text<&D::username>, Needs::sasl},
    SecurityProperty{"security.protocol", read_protocol, Needs::nothing},
    SecurityProperty{"ssl.ca.location", read_ca_location, Needs::tls},
    SecurityProperty{"ssl.ca.pem", certificates<&D::ca_pem>, Needs::tls},
    SecurityProperty{"ssl.certificate.location", text<&D::certificate_location>, Needs::tls},
    SecurityProperty{"ssl.certificate.pem", certificates<&D::certificate_pem>, Needs::tls},
    SecurityProperty{"ssl.cipher.suites", read_cipher_suites, Needs::nothing},
    SecurityProperty{"ssl.crl.location", text<&D::crl_location>, Needs::tls},
    SecurityProperty{"ssl.enabled.protocols", read_enabled_protocols, Needs::nothing},
    SecurityProperty{"ssl.endpoint.identification.algorithm", read_endpoint_algorithm,
                     Needs::nothing},
    SecurityProperty{"ssl.key.location", text<&D::key_location>, Needs::tls},
    SecurityProperty{"ssl.key.password", secret<&D::key_password>, Needs::tls, Shows::secret},
    SecurityProperty{"ssl.key.pem", key<&D::key_pem>, Needs::tls, Shows::secret},
    SecurityProperty{"ssl.keystore.certificate.chain", certificates<&D::keystore_chain>,
                     Needs::tls},
    SecurityProperty{"ssl.keystore.key", key<&D::keystore_key>, Needs::tls, Shows::secret},
    SecurityProperty{"ssl.keystore.location", store_location<&D::keystore>, Needs::tls},
    SecurityProperty{"ssl.keystore.password", store_password<&D::keystore>, Needs::tls,
                     Shows::secret},
    SecurityProperty{"ssl.keystore.type", store_type<&D::keystore>, Needs::nothing},
    SecurityProperty{"ssl.truststore.certificates", certificates<&D::truststore_certificates>,
                     Needs::tls},
    SecurityProperty{"ssl.truststore.location", store_location<&D::truststore>, Needs::tls},
    SecurityProperty{"ssl.truststore.password", store_password<&D::truststore>, Needs::tls,
                     Shows::secret},
    SecurityProperty{"ssl.truststore.type", store_type<&D::truststore>, Needs::nothing},
};

const auto* find(const auto& table, std::string_view name) {
  const auto found = std::ranges::find(table, name, [](const auto& each) { return each.name; });
  return found == table.end() ? nullptr : &*found;
}

Result<void> check_fixed(const FixedProperty& property, std::string_view value) {
  if (std::ranges::find(property.allowed, value) != property.allowed.end()) return {};
  return refuse(R"("{}" is not supported; allowed is "{}"{})", value,
                property.allowed[0].empty() ? property.allowed[1] : property.allowed[0],
                property.hint);
}

Result<void> read(std::string_view name, std::string_view value, Draft& draft) {
  Result<void> done;
  if (const FixedProperty* fixed = find(fixed_properties, name)) {
    done = check_fixed(*fixed, value);
  } else if (const SecurityProperty* property = find(properties, name)) {
    done = property->read(value, draft);
  } else {
    return refuse("there is no property {}{}", name, suggestion(name, security_names()));
  }
  if (!done) return fail(done.error().within(name));
  return {};
}

/// Errors: the first property that needs TLS or SASL, which the protocol lacks.
Result<void> check_protocol(const Draft& draft, const SecurityTexts& texts) {
  for (const auto& [name, value] : texts) {
    const SecurityProperty* property = find(properties, name);
    if (property == nullptr) continue;
    const bool is_unused = (property->needs == Needs::tls && !has_tls(draft.protocol)) ||
                           (property->needs == Needs::sasl && !has_sasl(draft.protocol));
    if (!is_unused) continue;
    const bool is_other = has_tls(draft.protocol) || has_sasl(draft.protocol);
    return refuse("{} is set, but security.protocol is {}{}, which does not use it; set {}", name,
                  to_string(draft.protocol),
                  texts.contains("security.protocol") ? "" : " by default",
                  is_other                        ? "SASL_SSL"
                  : property->needs == Needs::tls ? "SSL or SASL_SSL"
                                                  : "SASL_SSL or SASL_PLAINTEXT");
  }
  return {};
}

Result<SaslOptions> login_of(Draft& draft) {
  SaslOptions login;
  if (draft.mechanism) login.mechanism = *draft.mechanism;
  if (draft.jaas) {
    const bool is_plain = login.mechanism == SaslMechanism::plain;
    if (is_plain != (draft.jaas->module == LoginModule::plain)) {
      return refuse("sasl.jaas.config has {}, but sasl.mechanism is {}{}",
                    is_plain ? "ScramLoginModule" : "PlainLoginModule",
                    mechanisms[static_cast<std::size_t>(login.mechanism)].first,
                    draft.mechanism ? "" : " by default");
    }
    const bool is_same = (!draft.username || *draft.username == draft.jaas->username) &&
                         (!draft.password.is_set() || draft.password == draft.jaas->password);
    if (!is_same) {
      return refuse(
          "sasl.jaas.config and sasl.username with sasl.password differ; set one of them");
    }
    draft.username = draft.jaas->username;
    draft.password = draft.jaas->password;
  }
  const auto missing = [&](std::string_view name) {
    return refuse("security.protocol is {}, but {} is not set", to_string(draft.protocol), name);
  };
  if (!draft.username) return missing("sasl.username");
  if (!draft.password.is_set()) return missing("sasl.password");
  if (draft.username->empty() || draft.password.reveal().empty()) {
    return refuse("sasl.jaas.config: the {} is empty",
                  draft.username->empty() ? "username" : "password");
  }
  login.username = *draft.username;
  login.password = draft.password;
  return login;
}

std::string conversion(std::string_view location) {
  const std::string_view from = location.empty() ? "STORE.jks" : location;
  std::string to(from.ends_with(".jks") ? from.substr(0, from.size() - 4) : from);
  return fmt::format(
      "Java key stores (JKS) are not supported; convert it: keytool -importkeystore -srckeystore "
      "{} "
      "-destkeystore {} -deststoretype PKCS12",
      shell_word(from), shell_word(to + ".p12"));
}

/// `prefix`: "ssl.keystore" or "ssl.truststore".
Result<Store> store_of(DeclaredStore& declared, std::string_view prefix, bool has_inline_pem) {
  if (declared.type == DeclaredType::jks) {
    return refuse("{}.type: {}", prefix, conversion(declared.location));
  }
  const bool is_pem = declared.type == DeclaredType::pem;
  if (has_inline_pem && !declared.location.empty()) {
    return refuse("{}.location is set beside certificates in PEM; set one of them", prefix);
  }
  if (has_inline_pem && declared.type == DeclaredType::pkcs12) {
    return refuse("{}.type is PKCS12, but the certificates are given as PEM", prefix);
  }
  if (!declared.password.is_set()) {
    // A type alone is harmless.
  } else if (declared.location.empty()) {
    return refuse("{0}.password is set, but {0}.location is not", prefix);
  } else if (is_pem) {
    return refuse("{}.password is set, but PEM files have none{}", prefix,
                  prefix == "ssl.keystore" ? "; ssl.key.password is that of the key" : "");
  }
  Store store{std::move(declared.location), {}, std::move(declared.password)};
  if (declared.type) store.type = is_pem ? StoreType::pem : StoreType::pkcs12;
  return store;
}

Result<TrustedIssuers> trust_of(Draft& draft) {
  const bool has_ca = !draft.ca_location.empty() || !draft.ca_pem.empty();
  const bool has_truststore =
      !draft.truststore.location.empty() || !draft.truststore_certificates.empty();
  if (has_ca && has_truststore) {
    return refuse(
        "ssl.ca.* of librdkafka and ssl.truststore.* of Java are both set; set one of "
        "them");
  }
  auto store = store_of(draft.truststore, "ssl.truststore", !draft.truststore_certificates.empty());
  if (!store) return fail(store.error());
  TrustedIssuers trust;
  trust.location = std::move(draft.ca_location);
  trust.pem = std::move(draft.ca_pem) + draft.truststore_certificates;
  trust.store = *std::move(store);
  trust.crl_location = std::move(draft.crl_location);
  return trust;
}

Result<void> check_one(bool has_location, bool has_pem, std::string_view prefix) {
  if (has_location && has_pem) {
    return refuse("{0}.location and {0}.pem are both set; set one of them", prefix);
  }
  return {};
}

/// In librdkafka the password is that of ssl.key.location or ssl.key.pem, in Java also that of a
/// key within a PKCS#12 file, where another one than the file's own cannot be.
Result<void> check_key_password(const Draft& draft, const OwnCertificate& own) {
  if (!draft.key_password.is_set()) return {};
  const bool has_key = !own.key_location.empty() || own.key_pem.is_set();
  if (has_key || own.store.type == StoreType::pem) return {};
  if (own.store.location.empty()) {
    return refuse(
        "ssl.key.password is set, but no key is (ssl.key.location, ssl.key.pem, "
        "ssl.keystore.key or ssl.keystore.location)");
  }
  if (draft.key_password == own.store.password) return {};
  return refuse(
      "ssl.key.password is not that of ssl.keystore.password; Java takes it for the key in "
      "ssl.keystore.location, librdkafka does not; set ssl.keystore.type=PEM if the file "
      "is PEM");
}

Result<OwnCertificate> own_of(Draft& draft) {
  const bool has_certificate =
      !draft.certificate_location.empty() || !draft.certificate_pem.empty();
  const bool has_key = !draft.key_location.empty() || draft.key_pem.is_set();
  const bool has_inline = draft.keystore_key.is_set() || !draft.keystore_chain.empty();
  if ((has_certificate || has_key) && (has_inline || !draft.keystore.location.empty())) {
    return refuse("ssl.keystore.* is set beside ssl.certificate.* or ssl.key.*; set one of them");
  }
  if (auto one = check_one(!draft.certificate_location.empty(), !draft.certificate_pem.empty(),
                           "ssl.certificate");
      !one) {
    return fail(one.error());
  }
  if (auto one = check_one(!draft.key_location.empty(), draft.key_pem.is_set(), "ssl.key"); !one) {
    return fail(one.error());
  }
  if (has_certificate != has_key) {
    return refuse("{} is set, but {} is not", has_key ? "ssl.key.*" : "ssl.certificate.*",
                  has_key ? "ssl.certificate.*" : "ssl.key.*");
  }
  if (draft.keystore_key.is_set() != !draft.keystore_chain.empty()) {
    return refuse(
        "ssl.keystore.key and ssl.keystore.certificate.chain belong together; one is not "
        "set");
  }
  auto store = store_of(draft.keystore, "ssl.keystore", has_inline);
  if (!store) return fail(store.error());
  OwnCertificate own;
  own.location = std::move(draft.certificate_location);
  own.pem = std::move(draft.certificate_pem) + draft.keystore_chain;
  own.key_location = std::move(draft.key_location);
  own.key_pem = has_inline ? std::move(draft.keystore_key) : std::move(draft.key_pem);
  own.store = *std::move(store);
  if (auto checked = check_key_password(draft, own); !checked) return fail(checked.error());
  own.key_password = std::move(draft.key_password);
  return own;
}

constexpr std::array<std::string_view, 3> default_tls_1_3_suites = {
    "TLS_AES_128_GCM_SHA256", "TLS_AES_256_GCM_SHA384", "TLS_CHACHA20_POLY1305_SHA256"};

/// OpenSSL reads names of the IANA registry, too, since 3.2, but for TLS 1.2 only: librdkafka then
/// keeps the suites of TLS 1.3, and Java allows none.
Result<void> check_cipher_suites(const Draft& draft) {
  const auto is_for_1_2 = [](std::string_view name) { return name.contains("_WITH_"); };
  const auto& suites = draft.cipher_suites;
  if (std::ranges::none_of(suites, is_for_1_2)) return {};
  if (draft.max_version == TlsVersion::tls_1_2) return {};
  const bool has_all = std::ranges::all_of(default_tls_1_3_suites, [&](std::string_view name) {
    return std::ranges::find(suites, name) != suites.end();
  });
  if (has_all) return {};
  return refuse(
      "ssl.cipher.suites means different things: Java then allows no other suite in TLS 1.3, "
      "librdkafka keeps those of TLS 1.3; add {}, {} and {}, or set ssl.enabled.protocols=TLSv1.2",
      default_tls_1_3_suites[0], default_tls_1_3_suites[1], default_tls_1_3_suites[2]);
}

Result<TlsProperties> tls_of(Draft& draft) {
  auto trust = trust_of(draft);
  if (!trust) return fail(trust.error());
  auto own = own_of(draft);
  if (!own) return fail(own.error());
  if (auto checked = check_cipher_suites(draft); !checked) return fail(checked.error());
  if (!draft.verifies_certificate && draft.verifies_host.value_or(false)) {
    return refuse(
        "ssl.endpoint.identification.algorithm is https, but "
        "enable.ssl.certificate.verification is false, which verifies nothing");
  }
  TlsProperties tls;
  tls.trust = *std::move(trust);
  tls.own = *std::move(own);
  tls.verify_certificate = draft.verifies_certificate;
  tls.verify_host = draft.verifies_certificate && draft.verifies_host.value_or(true);
  tls.min_version = draft.min_version;
  tls.max_version = draft.max_version;
  tls.cipher_suites = std::move(draft.cipher_suites);
  tls.openssl_ciphers = std::move(draft.openssl_ciphers);
  return tls;
}

}  // namespace

std::vector<std::string> security_names() {
  std::vector<std::string> names;
  for (const auto& each : properties) names.emplace_back(each.name);
  for (const auto& each : fixed_properties) names.emplace_back(each.name);
  std::ranges::sort(names);
  return names;
}

bool is_security_name(std::string_view name) {
  return find(properties, name) != nullptr || find(fixed_properties, name) != nullptr;
}

bool is_secret_name(std::string_view name) {
  const SecurityProperty* property = find(properties, name);
  return property != nullptr && property->shows == Shows::secret;
}

Result<void> check_security(std::string_view name, std::string_view value) {
  Draft draft;
  return read(name, value, draft);
}

Result<SecurityProperties> read_security(const SecurityTexts& texts, LoginIs where) {
  Draft draft;
  for (const auto& [name, value] : texts) {
    if (auto done = read(name, value.reveal(), draft); !done) return fail(done.error());
  }
  if (auto checked = check_protocol(draft, texts); !checked) return fail(checked.error());
  SecurityProperties security;
  security.protocol = draft.protocol;
  const bool has_login = std::ranges::any_of(texts, [](const auto& each) {
    const SecurityProperty* property = find(properties, each.first);
    return property != nullptr && property->needs == Needs::sasl;
  });
  if (has_sasl(draft.protocol) && (has_login || where == LoginIs::in_properties)) {
    auto login = login_of(draft);
    if (!login) return fail(login.error());
    security.sasl = *std::move(login);
  }
  if (has_tls(draft.protocol)) {
    auto tls = tls_of(draft);
    if (!tls) return fail(tls.error());
    security.tls = *std::move(tls);
  }
  return security;
}

Result<StoreType> store_type_of(std::string_view location, std::string_view contents,
                                std::optional<StoreType> declared) {
  constexpr std::string_view jks = "\xfe\xed\xfe\xed", jceks = "\xce\xce\xce\xce", sequence = "0";
  if (contents.starts_with(jks) || contents.starts_with(jceks)) {
    return refuse("{}: {}", location, conversion(location));
  }
  std::optional<StoreType> found;
  if (contents.starts_with(sequence)) found = StoreType::pkcs12;
  if (contents.contains("-----BEGIN ")) found = StoreType::pem;
  if (!found) return refuse("{} is neither PEM nor PKCS#12", location);
  if (declared && *declared != *found) {
    return refuse("{} is {}, not {}", location, *found == StoreType::pem ? "PEM" : "PKCS#12",
                  *found == StoreType::pem ? "PKCS#12" : "PEM");
  }
  return *found;
}

}  // namespace dohle::properties
