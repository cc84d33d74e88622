#include "net/tls/tls_failures.hpp"

#include <arpa/inet.h>
#include <openssl/err.h>
#include <openssl/sslerr.h>
#include <openssl/x509v3.h>
#include <algorithm>
#include <array>

#include <ctime>
#include <string_view>
#include <vector>

#include <fmt/format.h>
#include <fmt/ranges.h>

namespace dohle::net {

namespace {

constexpr std::size_t max_names = 10, max_name_bytes = 200;
constexpr unsigned char handshake_record = 22, alert_record = 21;
// Received alerts are reasons above this number.
constexpr int alert_reasons = SSL_AD_REASON_OFFSET;

std::string bounded(std::string text) {
  if (text.size() > max_name_bytes) text = text.substr(0, max_name_bytes) + "...";
  return text;
}

std::string text_of(const X509_NAME* name) {
  const Bio bio(BIO_new(BIO_s_mem()));
  if (bio == nullptr || X509_NAME_print_ex(bio.get(), name, 0, XN_FLAG_RFC2253) < 0) return "?";
  char* data = nullptr;
  const long size = BIO_get_mem_data(bio.get(), &data);
  return bounded(std::string(data, static_cast<std::size_t>(size)));
}

std::string date_of(const ASN1_TIME* time) {
  std::tm at{};
  if (ASN1_TIME_to_tm(time, &at) != 1) return "an unreadable date";
  return fmt::format("{:04}-{:02}-{:02} {:02}:{:02}:{:02} UTC", at.tm_year + 1900, at.tm_mon + 1,
                     at.tm_mday, at.tm_hour, at.tm_min, at.tm_sec);
}

std::string text_of(const ASN1_STRING* value) {
  return bounded({reinterpret_cast<const char*>(ASN1_STRING_get0_data(value)),
                  static_cast<std::size_t>(ASN1_STRING_length(value))});
}

std::string address_of(const ASN1_OCTET_STRING* value) {
  std::array<char, INET6_ADDRSTRLEN> text{};
  const int size = ASN1_STRING_length(value);
  const int family = size == 4 ? AF_INET : AF_INET6;
  if (size != 4 && size != 16) return "?";
  if (::inet_ntop(family, ASN1_STRING_get0_data(value), text.data(), text.size()) == nullptr) {
    return "?";
  }
  return text.data();
}

// The hosts and addresses that a certificate is for.
std::string names_in(const X509* certificate) {
  using Names = std::unique_ptr<GENERAL_NAMES, Freed<GENERAL_NAMES_free>>;
  const Names names(static_cast<GENERAL_NAMES*>(
      X509_get_ext_d2i(certificate, NID_subject_alt_name, nullptr, nullptr)));
  std::vector<std::string> found;
  const int count = names == nullptr ? 0 : sk_GENERAL_NAME_num(names.get());
  for (int i = 0; i < count; ++i) {
    const GENERAL_NAME* name = sk_GENERAL_NAME_value(names.get(), i);
    if (name->type == GEN_DNS) found.push_back(text_of(name->d.dNSName));
    if (name->type == GEN_IPADD) found.push_back(address_of(name->d.iPAddress));
  }
  const std::size_t total = found.size();
  if (total == 0) return text_of(X509_get_subject_name(certificate));
  found.resize(std::min(total, max_names));
  const std::string more =
      total > max_names ? fmt::format(" and {} more", total - max_names) : std::string();
  return fmt::format("{}{}", fmt::join(found, ", "), more);
}

std::string refusal_of(X509_STORE_CTX* chain, const TlsFacts& facts) {
  const int code = X509_STORE_CTX_get_error(chain);
  const int depth = X509_STORE_CTX_get_error_depth(chain);
  const X509* at = X509_STORE_CTX_get_current_cert(chain);
  if (at == nullptr) at = X509_STORE_CTX_get0_cert(chain);
  const std::string owner = facts.is_server ? "the client" : "the server";
  if (at == nullptr) return fmt::format("{}: {}", owner, X509_verify_cert_error_string(code));
  const std::string subject = text_of(X509_get_subject_name(at));
  const std::string certificate =
      depth == 0 ? fmt::format("{}'s certificate ({})", owner, subject)
                 : fmt::format("the certificate of {}'s CA ({})", owner, subject);
  switch (code) {
    case X509_V_ERR_HOSTNAME_MISMATCH:
    case X509_V_ERR_IP_ADDRESS_MISMATCH:
      return fmt::format("the server's certificate is not for '{}'; it is for {}", facts.host,
                         names_in(at));
    case X509_V_ERR_DEPTH_ZERO_SELF_SIGNED_CERT:
      return fmt::format("{} is self-signed, and is not one of the trusted certificates",
                         certificate);
    case X509_V_ERR_SELF_SIGNED_CERT_IN_CHAIN:
      return fmt::format(
          "{}'s certificate comes from an unknown issuer: '{}' is not one of the "
          "trusted CAs",
          owner, subject);
    case X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT:
    case X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT_LOCALLY:
    case X509_V_ERR_UNABLE_TO_VERIFY_LEAF_SIGNATURE:
      return fmt::format("{} comes from an unknown issuer: '{}' is not one of the trusted CAs",
                         certificate, text_of(X509_get_issuer_name(at)));
    case X509_V_ERR_CERT_HAS_EXPIRED:
      return fmt::format("{} has expired on {}", certificate, date_of(X509_get0_notAfter(at)));
    case X509_V_ERR_CERT_NOT_YET_VALID:
      return fmt::format("{} is not valid before {}", certificate,
                         date_of(X509_get0_notBefore(at)));
    case X509_V_ERR_CERT_REVOKED:
      return fmt::format("{} was revoked", certificate);
    case X509_V_ERR_UNABLE_TO_GET_CRL:
      return fmt::format("the CRL file has no list of '{}', which issued {}",
                         text_of(X509_get_issuer_name(at)), certificate);
    case X509_V_ERR_CRL_HAS_EXPIRED:
      return fmt::format("the revocation list of '{}' has expired",
                         text_of(X509_get_issuer_name(at)));
    default:
      return fmt::format("{}: {}", certificate, X509_verify_cert_error_string(code));
  }
}

constexpr std::string_view no_certificate =
    "the server requires a client certificate, and none is set";

std::string words_of_alert(int alert, const TlsFacts& facts) {
  const std::string other = facts.is_server ? "the client" : "the server";
  const std::string own = facts.is_server ? "the node's" : "the client's";
  const bool lacks_certificate =
      !facts.is_server && facts.was_asked_certificate && !facts.has_identity;
  switch (alert) {
    case SSL_AD_CERTIFICATE_REQUIRED:
      return std::string(no_certificate);
    case SSL_AD_HANDSHAKE_FAILURE:
      if (lacks_certificate) return std::string(no_certificate);
      return fmt::format("{} found no common cipher, group or signature algorithm", other);
    case SSL_AD_PROTOCOL_VERSION:
      return fmt::format("no common TLS version: {} refuses the offered ones", other);
    case SSL_AD_INSUFFICIENT_SECURITY:
      return fmt::format("{} refuses the offered ciphers as too weak", other);
    case SSL_AD_UNKNOWN_CA:
      return fmt::format("{} does not trust the issuer of {} certificate", other, own);
    case SSL_AD_CERTIFICATE_EXPIRED:
      return fmt::format("{} says that {} certificate has expired or is not yet valid", other, own);
    case SSL_AD_CERTIFICATE_REVOKED:
      return fmt::format("{} says that {} certificate was revoked", other, own);
    case SSL_AD_BAD_CERTIFICATE:
    case SSL_AD_UNSUPPORTED_CERTIFICATE:
    case SSL_AD_CERTIFICATE_UNKNOWN:
    case SSL_AD_ACCESS_DENIED:
      if (lacks_certificate) return std::string(no_certificate);
      return fmt::format("{} refuses {} certificate ({})", other, own,
                         SSL_alert_desc_string_long(alert));
    case SSL_AD_UNRECOGNIZED_NAME:
      return fmt::format("{} does not serve the name '{}'", other, facts.host);
    case SSL_AD_BAD_RECORD_MAC:
    case SSL_AD_DECRYPT_ERROR:
      return fmt::format("{} found a record that was changed on its way", other);
    default:
      return fmt::format("{} ended it with the alert '{}'", other,
                         SSL_alert_desc_string_long(alert));
  }
}

bool begins_with(const TlsFacts& facts, std::string_view text) {
  return std::string_view(reinterpret_cast<const char*>(facts.first_bytes.data()),
                          facts.first_count)
      .starts_with(text);
}

bool is_http(const TlsFacts& facts) {
  constexpr std::array<std::string_view, 9> words = {
      "GET ", "POST ", "PUT ", "HEAD ", "OPTIONS ", "DELETE ", "CONNECT ", "PATCH ", "HTTP/"};
  return std::ranges::any_of(words, [&](std::string_view word) {
    return begins_with(facts, word.substr(0, facts.first_bytes.size()));
  });
}

// Empty if the first bytes are TLS.
std::string words_without_tls(const TlsFacts& facts) {
  if (facts.first_count == 0) return {};
  const bool is_tls =
      (facts.first_bytes[0] == handshake_record || facts.first_bytes[0] == alert_record) &&
      (facts.first_count < 2 || facts.first_bytes[1] == 3);
  if (is_tls) return {};
  const auto hex = fmt::format(
      "{:02x}",
      fmt::join(facts.first_bytes.begin(), facts.first_bytes.begin() + facts.first_count, " "));
  if (!facts.is_server) {
    return fmt::format("the server speaks no TLS{}; it may be a plain listener (first bytes: {})",
                       is_http(facts) ? " but HTTP" : "", hex);
  }
  if (is_http(facts)) return "the client speaks no TLS: an HTTP request came to a TLS listener";
  if (facts.first_bytes[0] == 0) {
    return "the client speaks no TLS: a plain Kafka request came to a TLS listener; set the "
           "client's security.protocol to SSL or SASL_SSL";
  }
  return fmt::format(
      "the client speaks no TLS: plain bytes came to a TLS listener (first bytes: {})", hex);
}

// The fault as text, by the last error that OpenSSL queued.
std::string words_of_reason(int reason, const TlsFacts& facts) {
  const std::string other = facts.is_server ? "the client" : "the server";
  switch (reason) {
    case SSL_R_CERTIFICATE_VERIFY_FAILED:
      return facts.refusal;
    case SSL_R_PEER_DID_NOT_RETURN_A_CERTIFICATE:
      return "the client sent no certificate, and one is required";
    case SSL_R_UNSUPPORTED_PROTOCOL:
    case SSL_R_VERSION_TOO_LOW:
    case SSL_R_NO_PROTOCOLS_AVAILABLE:
      return fmt::format("no common TLS version: those of {} are older than min_version", other);
    case SSL_R_NO_SHARED_CIPHER:
    case SSL_R_NO_CIPHERS_AVAILABLE:
      return fmt::format("no common cipher with {}", other);
    case SSL_R_NO_SUITABLE_KEY_SHARE:
    case SSL_R_NO_SUITABLE_GROUPS:
      return fmt::format("no common group for the key exchange with {}", other);
    case SSL_R_NO_SUITABLE_SIGNATURE_ALGORITHM:
      return fmt::format("no common signature algorithm with {}", other);
    case SSL_R_DECRYPTION_FAILED_OR_BAD_RECORD_MAC:
    case SSL_R_BAD_RECORD_TYPE:
    case SSL_R_DIGEST_CHECK_FAILED:
      return "a received record is damaged or was changed on its way";
    default:
      return {};
  }
}

std::string prefixed(const TlsFacts& facts, std::string_view words) {
  const bool is_handshake = !facts.is_established || (!facts.is_server && !facts.has_read);
  return fmt::format("{}: {}", is_handshake ? "TLS handshake failed" : "TLS", words);
}

}  // namespace

int note_refusal(int is_accepted, X509_STORE_CTX* chain) {
  if (is_accepted == 1) return 1;
  auto* ssl =
      static_cast<SSL*>(X509_STORE_CTX_get_ex_data(chain, SSL_get_ex_data_X509_STORE_CTX_idx()));
  auto& facts = *static_cast<TlsFacts*>(SSL_get_app_data(ssl));
  if (facts.refusal.empty()) facts.refusal = refusal_of(chain, facts);
  return 0;
}

int note_request_for_certificate(SSL* ssl, void* /*unused*/) {
  static_cast<TlsFacts*>(SSL_get_app_data(ssl))->was_asked_certificate = true;
  return 1;
}

Error tls_failure(const TlsFacts& facts) {
  std::string words = facts.is_established ? std::string() : words_without_tls(facts);
  std::string_view reason_text = "a violation of the protocol";
  while (const unsigned long code = ERR_get_error()) {
    const int reason = ERR_GET_REASON(code);
    if (const char* text = ERR_reason_error_string(code)) reason_text = text;
    if (!words.empty() || ERR_GET_LIB(code) != ERR_LIB_SSL) continue;
    words = reason >= alert_reasons ? words_of_alert(reason - alert_reasons, facts)
                                    : words_of_reason(reason, facts);
  }
  if (words.empty()) {
    words = !facts.refusal.empty() ? facts.refusal : std::string(reason_text);
  }
  const std::string message = prefixed(facts, words);
  if (facts.is_established && (facts.is_server || facts.has_read)) {
    return Error::client(Errc::connection_lost, message);
  }
  // The same attempt fails again until a certificate or an option changes.
  return Error::auth(Errc::handshake_failed, message);
}

bool is_without_tls(const TlsFacts& facts) {
  return facts.is_server && !is_http(facts) && !words_without_tls(facts).empty();
}

Error tls_ended_early(const TlsFacts& facts) {
  if (facts.is_established && (facts.is_server || facts.has_read)) {
    return Error::client(Errc::connection_lost,
                         "closed by the other side, without the end that TLS has");
  }
  const std::string plain = words_without_tls(facts);
  std::string words = "closed by the other side";
  if (!plain.empty()) {
    words = plain;
  } else if (!facts.is_server && facts.first_count == 0) {
    words += " before its first byte; it may be a plain listener";
  } else if (facts.is_established) {
    words += " before its first answer";
    if (facts.was_asked_certificate) {
      words += facts.has_identity ? "; it may refuse the client's certificate"
                                  : "; it asked for a client certificate, and none is set";
    }
  }
  return Error::client(Errc::connection_failed, prefixed(facts, words));
}

}  // namespace dohle::net
