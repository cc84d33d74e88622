#include "net/tls/key_material.hpp"

#include <openssl/err.h>
#include <openssl/pem.h>
#include <sys/stat.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <fstream>
#include <limits>
#include <string_view>
#include <system_error>

#include <fmt/format.h>

#include "base/shell_word.hpp"

namespace dohle::net {

namespace {

constexpr std::size_t max_file_bytes = std::size_t{16} << 20;
constexpr int max_pkcs12_iterations = 10'000'000;

// A source of keys: its bytes, and its name in errors.
struct KeySource {
  Secret bytes;
  std::string name;
  /// The warning to log if the source holds a key without a passphrase.
  std::string warning = {};
};

std::unexpected<Error> refuse(std::string_view name, std::string_view why) {
  ERR_clear_error();
  return fail(Error::configuration(fmt::format("TLS: {}: {}", name, why)));
}

/// A key may be read by its owner; one of root also by a group, as of keys that several services
/// use.
std::string warning_of(const std::string& name, const std::string& path,
                       const struct stat& status) {
  constexpr mode_t permission_bits = 07777, of_others = 077, read_by_group = 040;
  const mode_t allowed = status.st_uid == 0 ? read_by_group : 0;
  if ((status.st_mode & of_others & ~allowed) == 0) return {};
  return fmt::format(
      "TLS: {} holds a private key without a passphrase, and its mode {:04o} gives other users "
      "rights on it; run: chmod 600 {}",
      name, status.st_mode & permission_bits, shell_word(path));
}

Result<KeySource> read_file(const std::string& path, std::string_view what) {
  const std::string name = fmt::format("{} '{}'", what, path);
  const auto why = [] { return std::generic_category().message(errno); };
  struct stat status{};
  if (::stat(path.c_str(), &status) != 0) return refuse(name, "cannot be read: " + why());
  if (!S_ISREG(status.st_mode)) return refuse(name, "is not a file");
  std::ifstream file(path, std::ios::binary);
  if (!file) return refuse(name, "cannot be read: " + why());
  std::string bytes(static_cast<std::size_t>(std::max<off_t>(status.st_size, 0)) + 1, '\0');
  if (bytes.size() > max_file_bytes) {
    return refuse(name, fmt::format("is larger than {} bytes", max_file_bytes));
  }
  file.read(bytes.data(), static_cast<std::streamsize>(bytes.size() - 1));
  const auto size = static_cast<std::size_t>(file.gcount());
  KeySource source{Secret(std::string_view(bytes).substr(0, size)), name,
                   warning_of(name, path, status)};
  OPENSSL_cleanse(bytes.data(), bytes.size());
  if (file.bad()) return refuse(name, "cannot be read");
  return source;
}

Bio bio_over(const Secret& bytes) {
  const std::string_view text = bytes.reveal();
  if (text.size() > static_cast<std::size_t>(std::numeric_limits<int>::max())) return nullptr;
  return Bio(BIO_new_mem_buf(text.data(), static_cast<int>(text.size())));
}

bool is_java_key_store(std::string_view bytes) {
  return bytes.starts_with("\xFE\xED\xFE\xED") || bytes.starts_with("\xCE\xCE\xCE\xCE");
}

constexpr std::string_view convert_java =
    "is a Java key store (JKS); convert it with: keytool -importkeystore -srckeystore OLD "
    "-destkeystore NEW.p12 -deststoretype PKCS12";

// Names the content of a text that lacks the wanted kind of PEM.
std::string found_instead(std::string_view bytes, std::string_view wanted) {
  if (bytes.empty()) return "is empty";
  if (is_java_key_store(bytes)) return std::string(convert_java);
  constexpr std::string_view begin = "-----BEGIN ";
  if (const std::size_t at = bytes.find(begin); at != std::string_view::npos) {
    std::string_view kind = bytes.substr(at + begin.size());
    kind = kind.substr(0, std::min<std::size_t>(kind.find("-----"), 40));
    return fmt::format("holds PEM of the kind '{}' and no {}", kind, wanted);
  }
  if (bytes.front() == '\x30') {
    return "is not PEM; it may be DER, which openssl converts (-inform DER), or PKCS#12, which has "
           "an option of its own";
  }
  return fmt::format("holds no {} in PEM", wanted);
}

bool queue_has(std::initializer_list<int> reasons) {
  bool has = false;
  while (const unsigned long code = ERR_get_error()) {
    for (const int reason : reasons) has = has || ERR_GET_REASON(code) == reason;
  }
  return has;
}

struct Passphrase {
  const Secret& secret;
  bool was_asked = false;
};

int give_passphrase(char* to, int max, int /*writes*/, void* data) {
  auto& passphrase = *static_cast<Passphrase*>(data);
  passphrase.was_asked = true;
  const std::string_view text = passphrase.secret.reveal();
  if (!passphrase.secret.is_set() || text.size() > static_cast<std::size_t>(max)) return -1;
  std::memcpy(to, text.data(), text.size());
  return static_cast<int>(text.size());
}

/// The fault of a block that must not be encrypted, and cannot be read.
std::string_view fault_of(const Passphrase& passphrase) {
  return passphrase.was_asked ? "encrypted, and only keys may be" : "damaged";
}

Result<std::vector<Certificate>> certificates_in(const KeySource& source) {
  if (source.bytes.reveal().empty()) return refuse(source.name, "is empty");
  const Bio bio = bio_over(source.bytes);
  std::vector<Certificate> all;
  const Secret none;
  Passphrase passphrase{none};
  while (bio != nullptr) {
    Certificate next(PEM_read_bio_X509(bio.get(), nullptr, give_passphrase, &passphrase));
    if (next == nullptr) break;
    all.push_back(std::move(next));
  }
  const unsigned long last = ERR_peek_last_error();
  if (ERR_GET_LIB(last) != ERR_LIB_PEM || ERR_GET_REASON(last) != PEM_R_NO_START_LINE) {
    return refuse(source.name,
                  fmt::format("its certificate {} is {}", all.size() + 1, fault_of(passphrase)));
  }
  if (all.empty()) {
    return refuse(source.name, found_instead(source.bytes.reveal(), "CERTIFICATE"));
  }
  ERR_clear_error();
  return all;
}

/// A key, and whether it was encrypted.
struct FoundKey {
  PrivateKey key;
  bool is_encrypted;
};

Result<FoundKey> key_in(const KeySource& source, const Secret& secret) {
  if (source.bytes.reveal().empty()) return refuse(source.name, "is empty");
  const Bio bio = bio_over(source.bytes);
  Passphrase passphrase{secret};
  PrivateKey key(bio == nullptr
                     ? nullptr
                     : PEM_read_bio_PrivateKey(bio.get(), nullptr, give_passphrase, &passphrase));
  if (key != nullptr) {
    ERR_clear_error();
    return FoundKey{std::move(key), passphrase.was_asked};
  }
  if (passphrase.was_asked && !secret.is_set()) {
    return refuse(source.name, "the key is encrypted, and no passphrase is set");
  }
  const std::string_view text = source.bytes.reveal();
  if (queue_has({ERR_R_UNSUPPORTED, EVP_R_UNSUPPORTED_ALGORITHM, PEM_R_UNSUPPORTED_CIPHER,
                 PEM_R_UNSUPPORTED_ENCRYPTION}) &&
      text.find("ENCRYPTED") != std::string_view::npos && !passphrase.was_asked) {
    return refuse(source.name, "the key is encrypted with an algorithm that OpenSSL does not have");
  }
  if (passphrase.was_asked) {
    return refuse(source.name,
                  "the key cannot be decrypted: the passphrase is wrong, or the key "
                  "is encrypted with an algorithm of OpenSSL's legacy provider");
  }
  if (text.find("PRIVATE KEY-----") != std::string_view::npos) {
    return refuse(source.name, "its private key is damaged");
  }
  return refuse(source.name, found_instead(text, "PRIVATE KEY"));
}

Result<KeyMaterial> contents_of_pkcs12(const KeySource& source, const Secret& secret) {
  const std::string_view bytes = source.bytes.reveal();
  if (bytes.empty()) return refuse(source.name, "is empty");
  if (is_java_key_store(bytes)) return refuse(source.name, convert_java);
  if (bytes.find("-----BEGIN ") != std::string_view::npos) {
    return refuse(source.name, "is PEM and not PKCS#12; PEM has options of its own");
  }
  const Bio bio = bio_over(source.bytes);
  const Pkcs12 pkcs12(bio == nullptr ? nullptr : d2i_PKCS12_bio(bio.get(), nullptr));
  if (pkcs12 == nullptr) return refuse(source.name, "is not PKCS#12, or damaged");
  const ASN1_INTEGER* iterations = nullptr;
  PKCS12_get0_mac(nullptr, nullptr, nullptr, &iterations, pkcs12.get());
  if (iterations != nullptr) {
    std::int64_t count = 0;
    if (ASN1_INTEGER_get_int64(&count, iterations) != 1 || count < 0 ||
        count > max_pkcs12_iterations) {
      return refuse(source.name, fmt::format("has more than {} iterations", max_pkcs12_iterations));
    }
  }
  std::string phrase(secret.reveal());  // with its terminating NUL; cleansed below
  EVP_PKEY* key = nullptr;
  X509* certificate = nullptr;
  STACK_OF(X509)* others = nullptr;
  const int parsed = PKCS12_parse(pkcs12.get(), secret.is_set() ? phrase.c_str() : nullptr, &key,
                                  &certificate, &others);
  OPENSSL_cleanse(phrase.data(), phrase.size());
  KeyMaterial material{Certificate(certificate), {}, PrivateKey(key), {}};
  while (others != nullptr && sk_X509_num(others) > 0) {
    material.issuers.emplace_back(sk_X509_shift(others));
  }
  sk_X509_free(others);
  if (parsed == 1) {
    ERR_clear_error();
    return material;
  }
  bool is_wrong_phrase = false, is_old = false;
  while (const unsigned long code = ERR_get_error()) {
    const int reason = ERR_GET_REASON(code);
    is_wrong_phrase = is_wrong_phrase || reason == PKCS12_R_MAC_VERIFY_FAILURE;
    is_old = is_old || reason == ERR_R_UNSUPPORTED || reason == EVP_R_UNSUPPORTED_ALGORITHM;
  }
  if (is_old) {
    return refuse(
        source.name,
        "is encrypted with an old algorithm, which needs OpenSSL's legacy provider; "
        "convert it with: openssl pkcs12 -legacy -in OLD.p12 -nodes -out TEMPORARY.pem && "
        "openssl pkcs12 -export -in TEMPORARY.pem -out NEW.p12");
  }
  if (is_wrong_phrase) {
    return refuse(source.name, secret.is_set() ? "the passphrase is wrong"
                                               : "is encrypted, and no passphrase is set");
  }
  return refuse(source.name, "its contents are damaged, or its passphrase is wrong");
}

Result<KeySource> file_or_bytes(const std::string& file, const Secret& bytes, std::string_view what,
                                std::string_view field) {
  if (!file.empty() && bytes.is_set()) {
    return refuse(field, fmt::format("is set beside the {} '{}'; only one of the two may be set",
                                     what, file));
  }
  if (!file.empty()) return read_file(file, what);
  return KeySource{bytes, std::string(field), {}};
}

Secret text_as_secret(const std::string& text) {
  return text.empty() ? Secret() : Secret(text);
}

Result<KeyMaterial> read_pem(const TlsIdentity& identity) {
  auto source = file_or_bytes(identity.certificate_file, text_as_secret(identity.certificate_pem),
                              "certificate file", "certificate_pem");
  if (!source) return fail(source.error());
  auto certificates = certificates_in(*source);
  if (!certificates) return fail(certificates.error());
  KeySource key_source = *source;
  if (!identity.key_file.empty() || identity.key_pem.is_set()) {
    auto other = file_or_bytes(identity.key_file, identity.key_pem, "key file", "key_pem");
    if (!other) return fail(other.error());
    key_source = *std::move(other);
  }
  auto key = key_in(key_source, identity.passphrase);
  if (!key) return fail(key.error());
  if (X509_check_private_key(certificates->front().get(), key->key.get()) != 1) {
    return refuse(key_source.name,
                  fmt::format("the key does not belong to the certificate in {}", source->name));
  }
  KeyMaterial material{std::move(certificates->front()), {}, std::move(key->key)};
  if (!key->is_encrypted) material.warning = key_source.warning;
  material.issuers.assign(std::make_move_iterator(certificates->begin() + 1),
                          std::make_move_iterator(certificates->end()));
  return material;
}

Result<void> read_revoked(const std::string& path, std::vector<RevocationList>& into) {
  const auto source = read_file(path, "CRL file");
  if (!source) return fail(source.error());
  const Bio bio = bio_over(source->bytes);
  const Secret none;
  Passphrase passphrase{none};
  while (bio != nullptr) {
    RevocationList next(PEM_read_bio_X509_CRL(bio.get(), nullptr, give_passphrase, &passphrase));
    if (next == nullptr) break;
    into.push_back(std::move(next));
  }
  const unsigned long last = ERR_peek_last_error();
  if (ERR_GET_LIB(last) != ERR_LIB_PEM || ERR_GET_REASON(last) != PEM_R_NO_START_LINE) {
    return refuse(source->name, fmt::format("its revocation list {} is {}", into.size() + 1,
                                            fault_of(passphrase)));
  }
  if (into.empty()) return refuse(source->name, found_instead(source->bytes.reveal(), "X509 CRL"));
  ERR_clear_error();
  return {};
}

void move_to(std::vector<Certificate>& all, std::vector<Certificate> more) {
  for (Certificate& each : more) all.push_back(std::move(each));
}

}  // namespace

bool is_given(const TlsIdentity& identity) {
  return !identity.certificate_file.empty() || !identity.certificate_pem.empty() ||
         !identity.key_file.empty() || identity.key_pem.is_set() || !identity.pkcs12_file.empty() ||
         identity.pkcs12_bytes.is_set() || identity.passphrase.is_set();
}

bool has_authorities(const TlsTrust& trust) {
  return !trust.ca_file.empty() || !trust.ca_folder.empty() || !trust.ca_pem.empty() ||
         !trust.pkcs12_file.empty();
}

Result<void> check_passphrase(const TlsTrust& trust) {
  if (!trust.passphrase.is_set() || !trust.pkcs12_file.empty()) return {};
  return refuse("trust", "has a passphrase, but no pkcs12_file that it opens");
}

Result<KeyMaterial> read_identity(const TlsIdentity& identity) {
  ERR_clear_error();
  const bool has_pkcs12 = !identity.pkcs12_file.empty() || identity.pkcs12_bytes.is_set();
  const bool has_certificate =
      !identity.certificate_file.empty() || !identity.certificate_pem.empty();
  const bool has_key = !identity.key_file.empty() || identity.key_pem.is_set();
  if (has_pkcs12 && (has_certificate || has_key)) {
    return refuse("identity", "is given as PEM and as PKCS#12; only one of the two may be set");
  }
  if (!has_pkcs12) {
    if (!has_certificate) {
      return refuse("identity", has_key ? "has a key and no certificate"
                                        : "has a passphrase, but neither a key nor a PKCS#12 file");
    }
    return read_pem(identity);
  }
  const auto source =
      file_or_bytes(identity.pkcs12_file, identity.pkcs12_bytes, "PKCS#12 file", "pkcs12_bytes");
  if (!source) return fail(source.error());
  auto material = contents_of_pkcs12(*source, identity.passphrase);
  if (!material) return fail(material.error());
  if (material->key == nullptr) return refuse(source->name, "holds no private key");
  if (material->certificate == nullptr) {
    return refuse(source->name, "holds no certificate of its key");
  }
  if (identity.passphrase.reveal().empty()) material->warning = source->warning;
  return material;
}

Result<Authorities> read_authorities(const TlsTrust& trust) {
  ERR_clear_error();
  Authorities found;
  const auto add = [&](const KeySource& source) -> Result<void> {
    auto more = certificates_in(source);
    if (!more) return fail(more.error());
    move_to(found.certificates, *std::move(more));
    return {};
  };
  if (!trust.ca_file.empty()) {
    const auto source = read_file(trust.ca_file, "CA file");
    if (!source) return fail(source.error());
    if (auto done = add(*source); !done) return fail(done.error());
  }
  if (!trust.ca_pem.empty()) {
    if (auto done = add({Secret(trust.ca_pem), "ca_pem"}); !done) return fail(done.error());
  }
  if (!trust.pkcs12_file.empty()) {
    const auto source = read_file(trust.pkcs12_file, "trust store");
    if (!source) return fail(source.error());
    auto contents = contents_of_pkcs12(*source, trust.passphrase);
    if (!contents) return fail(contents.error());
    if (contents->certificate != nullptr) {
      found.certificates.push_back(std::move(contents->certificate));
    }
    move_to(found.certificates, std::move(contents->issuers));
    if (found.certificates.empty()) return refuse(source->name, "holds no certificate");
  }
  if (!trust.crl_file.empty()) {
    if (auto done = read_revoked(trust.crl_file, found.revoked); !done) return fail(done.error());
  }
  return found;
}

}  // namespace dohle::net
