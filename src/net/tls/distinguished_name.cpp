#include "net/tls/distinguished_name.hpp"

#include <openssl/err.h>
#include <openssl/x509.h>

#include <algorithm>
#include <array>

#include "base/utf8.hpp"
#include "net/tls/openssl_handles.hpp"

namespace dohle::net {

namespace {

using Name = std::unique_ptr<X509_NAME, Freed<X509_NAME_free>>;

struct Keyword {
  int nid;
  std::string_view text;
};
constexpr std::array keywords{
    Keyword{NID_commonName, "CN"},        Keyword{NID_countryName, "C"},
    Keyword{NID_localityName, "L"},       Keyword{NID_stateOrProvinceName, "ST"},
    Keyword{NID_organizationName, "O"},   Keyword{NID_organizationalUnitName, "OU"},
    Keyword{NID_streetAddress, "STREET"}, Keyword{NID_domainComponent, "DC"},
    Keyword{NID_userId, "UID"},
};
constexpr std::string_view escaped = ",=+<>#;\"\\";
constexpr std::size_t max_oid_characters = 256;

std::string_view keyword_of(const ASN1_OBJECT* type) {
  const int nid = OBJ_obj2nid(type);
  for (const Keyword& each : keywords) {
    if (each.nid == nid) return each.text;
  }
  return {};
}

bool is_text(const ASN1_STRING* value) {
  constexpr std::array types{V_ASN1_UTF8STRING, V_ASN1_PRINTABLESTRING, V_ASN1_T61STRING,
                             V_ASN1_IA5STRING,  V_ASN1_BMPSTRING,       V_ASN1_GENERALSTRING};
  return std::ranges::find(types, ASN1_STRING_type(value)) != types.end();
}

std::string_view bytes_of(const ASN1_STRING* value) {
  return {reinterpret_cast<const char*>(ASN1_STRING_get0_data(value)),
          static_cast<std::size_t>(ASN1_STRING_length(value))};
}

std::string escape(std::string_view value) {
  std::string out;
  for (const char c : value) {
    if (c == '\0') {
      out += "\\00";
      continue;
    }
    if (escaped.find(c) != std::string_view::npos) out += '\\';
    out += c;
  }
  const auto is_blank = [](char c) { return c == ' ' || c == '\r'; };
  const auto lead = std::ranges::find_if_not(out, is_blank) - out.begin();
  const auto trail = std::ranges::find_if_not(out.rbegin(), out.rend(), is_blank).base() -
                     out.begin();  // one past the last
  std::string all;
  for (std::ptrdiff_t i = 0; i < std::ssize(out); ++i) {
    if (i < lead || i >= trail) all += '\\';
    all += out[static_cast<std::size_t>(i)];
  }
  return all;
}

// "#" and the value's DER in hex.
std::string hex_of(const ASN1_STRING* value) {
  const ASN1_TYPE typed{.type = ASN1_STRING_type(value),
                        .value = {.asn1_string = const_cast<ASN1_STRING*>(value)}};
  unsigned char* der = nullptr;
  const int size = i2d_ASN1_TYPE(&typed, &der);
  std::string out = "#";
  constexpr std::string_view digits = "0123456789abcdef";
  for (int i = 0; i < size; ++i) {
    out += digits[der[i] >> 4];
    out += digits[der[i] & 15];
  }
  OPENSSL_free(der);
  return out;
}

std::string attribute_text(const X509_NAME_ENTRY* entry) {
  const ASN1_OBJECT* type = X509_NAME_ENTRY_get_object(entry);
  const ASN1_STRING* value = X509_NAME_ENTRY_get_data(entry);
  const std::string_view keyword = keyword_of(type);
  if (!keyword.empty()) {
    const bool is_readable = is_text(value) && is_utf8(bytes_of(value));
    return std::string(keyword) + '=' + (is_readable ? escape(bytes_of(value)) : hex_of(value));
  }
  std::array<char, max_oid_characters> oid{};
  OBJ_obj2txt(oid.data(), static_cast<int>(oid.size()), type, 1);
  return std::string(oid.data()) + '=' + hex_of(value);
}

}  // namespace

Result<std::string> java_name_of(Bytes der) {
  const auto* at = reinterpret_cast<const unsigned char*>(der.data());
  const auto* const end = at + der.size();
  const Name name(d2i_X509_NAME(nullptr, &at, static_cast<long>(der.size())));
  ERR_clear_error();
  if (name == nullptr || at != end) {
    return fail(Error::client(Errc::malformed, "the certificate's subject is not a name"));
  }
  // Attributes of one set keep their order and are joined by '+'; the sets are reversed.
  std::string all, set;
  int current = -1;
  const auto add_set = [&] {
    if (current < 0) return;
    all = all.empty() ? set : set + ',' + all;
  };
  for (int i = 0; i < X509_NAME_entry_count(name.get()); ++i) {
    const X509_NAME_ENTRY* entry = X509_NAME_get_entry(name.get(), i);
    if (const int of_set = X509_NAME_ENTRY_set(entry); of_set != current) {
      add_set();
      current = of_set;
      set.clear();
    } else {
      set += '+';
    }
    set += attribute_text(entry);
  }
  add_set();
  return all;
}

}  // namespace dohle::net
