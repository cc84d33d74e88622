#include "tools/commands/node_tls.hpp"

#include <algorithm>
#include <cstdlib>
#include <string_view>

#include <CLI/CLI.hpp>

#include "base/security_protocols.hpp"
#include "tools/commands/password.hpp"

namespace dohle::tools {

namespace {

using Texts = std::vector<std::string>;
using Set = Result<void> (*)(NodeListener& listener, const std::string& value);

Result<void> set_client_certificates(NodeListener& listener, const std::string& value) {
  using enum ClientCertificates;
  ClientCertificates& into = listener.tls->client_certificates;
  if (value == "none") {
    into = none;
  } else if (value == "wanted") {
    into = wanted;
  } else if (value == "required") {
    into = required;
  } else {
    return fail(Error::configuration("\"" + value + "\" is not one of none, wanted and required"));
  }
  return {};
}

Result<void> set_min_version(NodeListener& listener, const std::string& value) {
  TlsVersion& into = listener.tls->parameters.min_version;
  if (value != "1.2" && value != "1.3") {
    return fail(Error::configuration("\"" + value + "\" is not one of 1.2 and 1.3"));
  }
  into = value == "1.2" ? TlsVersion::tls_1_2 : TlsVersion::tls_1_3;
  return {};
}

Result<void> set_passphrase(NodeListener& listener, const std::string& path) {
  auto password = read_password_file(path);
  if (!password) return fail(password.error());
  listener.tls->identity.passphrase = *std::move(password);
  return {};
}

template <auto member>
Result<void> set_identity(NodeListener& listener, const std::string& value) {
  listener.tls->identity.*member = value;
  return {};
}
template <auto member>
Result<void> set_trust(NodeListener& listener, const std::string& value) {
  listener.tls->trust.*member = value;
  return {};
}
template <auto member>
Result<void> set_parameter(NodeListener& listener, const std::string& value) {
  listener.tls->parameters.*member = value;
  return {};
}
Result<void> set_principal_rules(NodeListener& listener, const std::string& value) {
  listener.principal_rules = value;
  return {};
}

struct Flag {
  const char* name;
  const char* type;
  Texts NodeTlsFlags::* values;
  Set set;
  const char* help;
};

constexpr Flag all_flags[] = {
    {"--tls-certificate", "[NAME=]FILE", &NodeTlsFlags::certificate,
     set_identity<&TlsIdentity::certificate_file>,
     "PEM file with the certificate of SSL and SASL_SSL listeners, and then those of its issuers; "
     "as all flags of TLS for the listener NAME alone, or for all with TLS; SIGHUP reads the files "
     "again"},
    {"--tls-key", "[NAME=]FILE", &NodeTlsFlags::key, set_identity<&TlsIdentity::key_file>,
     "PEM file with the private key [in the certificate's file]"},
    {"--tls-keystore", "[NAME=]FILE", &NodeTlsFlags::keystore,
     set_identity<&TlsIdentity::pkcs12_file>,
     "PKCS#12 file with certificate and key, instead of the two files"},
    {"--tls-password-file", "[NAME=]FILE", &NodeTlsFlags::password_file, set_passphrase,
     "File with the passphrase of the key or key store, mode 0600 [$DOHLE_TLS_PASSWORD]"},
    {"--tls-client-certificates", "[NAME=]WHEN", &NodeTlsFlags::client_certificates,
     set_client_certificates,
     "Whether clients have to show a certificate: none, wanted or required [none]"},
    {"--tls-ca", "[NAME=]FILE", &NodeTlsFlags::ca, set_trust<&TlsTrust::ca_file>,
     "PEM file with the CAs of clients' certificates"},
    {"--tls-crl", "[NAME=]FILE", &NodeTlsFlags::crl, set_trust<&TlsTrust::crl_file>,
     "PEM file with revocation lists of those CAs"},
    {"--tls-principal-rules", "[NAME=]RULES", &NodeTlsFlags::principal_rules, set_principal_rules,
     "How the name in a client's certificate becomes its principal, as Apache Kafka's "
     "ssl.principal.mapping.rules [DEFAULT]"},
    {"--tls-min-version", "[NAME=]VERSION", &NodeTlsFlags::min_version, set_min_version,
     "Oldest version of TLS: 1.2 or 1.3 [1.2]"},
    {"--tls-ciphers", "[NAME=]LIST", &NodeTlsFlags::ciphers, set_parameter<&TlsParameters::ciphers>,
     "Ciphers of TLS 1.2 [OpenSSL's]"},
    {"--tls-ciphersuites", "[NAME=]LIST", &NodeTlsFlags::ciphersuites,
     set_parameter<&TlsParameters::ciphersuites>, "Ciphers of TLS 1.3 [OpenSSL's]"},
    {"--tls-groups", "[NAME=]LIST", &NodeTlsFlags::groups, set_parameter<&TlsParameters::groups>,
     "Groups of the key exchange [OpenSSL's]"},
};

Result<void> set_one(const Flag& flag, NodeListener& listener, const std::string& value) {
  if (!has_tls(listener.protocol)) {
    return fail(Error::configuration(
        std::string(flag.name) + ": listener " + listener.name + " has the protocol " +
        std::string(to_string(listener.protocol)) + "; TLS is for SSL and SASL_SSL"));
  }
  if (auto set = flag.set(listener, value); !set) return fail(set.error().within(flag.name));
  return {};
}

/// A value for one listener counts more than one for all, wherever it stands.
Result<void> set_all(const Flag& flag, const Texts& values, std::vector<NodeListener>& listeners) {
  const auto named = [&](const std::string& value) {
    return std::ranges::find(listeners, value.substr(0, value.find('=')), &NodeListener::name);
  };
  const auto is_for_one = [&](const std::string& value) {
    return value.contains('=') && named(value) != listeners.end();
  };
  for (const std::string& value : values) {
    if (is_for_one(value)) continue;
    if (std::ranges::none_of(listeners, has_tls, &NodeListener::protocol)) {
      return fail(Error::configuration(std::string(flag.name) +
                                       ": no listener has the protocol SSL or SASL_SSL"));
    }
    for (NodeListener& listener : listeners) {
      if (!has_tls(listener.protocol)) continue;
      if (auto set = set_one(flag, listener, value); !set) return set;
    }
  }
  for (const std::string& value : values) {
    if (!is_for_one(value)) continue;
    auto set = set_one(flag, *named(value), value.substr(value.find('=') + 1));
    if (!set) return set;
  }
  return {};
}

}  // namespace

void add_tls_flags(CLI::App& app, NodeTlsFlags& flags) {
  for (const Flag& flag : all_flags) {
    app.add_option(flag.name, flags.*flag.values, flag.help)
        ->type_name(flag.type)
        ->allow_extra_args(false);
  }
}

Result<void> set_tls(const NodeTlsFlags& flags, std::vector<NodeListener>& listeners) {
  // Read before any thread starts.
  const char* passphrase = std::getenv("DOHLE_TLS_PASSWORD");
  for (NodeListener& listener : listeners) {
    if (!has_tls(listener.protocol)) continue;
    listener.tls.emplace();
    if (passphrase != nullptr) listener.tls->identity.passphrase = Secret(passphrase);
  }
  for (const Flag& flag : all_flags) {
    if (auto set = set_all(flag, flags.*flag.values, listeners); !set) return set;
  }
  for (const NodeListener& listener : listeners) {
    if (!listener.tls || listener.tls->client_certificates != ClientCertificates::none) continue;
    const TlsTrust& trust = listener.tls->trust;
    if (trust.ca_file.empty() && trust.crl_file.empty()) continue;
    return fail(Error::configuration(
        "listener " + listener.name + ": " + (trust.ca_file.empty() ? "--tls-crl" : "--tls-ca") +
        " is for clients' certificates, and --tls-client-certificates is none; set it to wanted or "
        "required"));
  }
  for (const NodeListener& listener : listeners) {
    const bool has_none = listener.tls && listener.tls->identity.certificate_file.empty() &&
                          listener.tls->identity.pkcs12_file.empty();
    if (!has_none) continue;
    return fail(Error::configuration("listener " + listener.name + ": " +
                                     std::string(to_string(listener.protocol)) +
                                     " needs a certificate and its key: --tls-certificate and "
                                     "--tls-key, or --tls-keystore"));
  }
  return {};
}

}  // namespace dohle::tools
