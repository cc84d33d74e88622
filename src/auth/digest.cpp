#include "auth/digest.hpp"

#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>

#include <utility>

#include "base/assert.hpp"

namespace dohle::auth {

namespace {

const EVP_MD* function_of(Digest digest) {
  return digest == Digest::sha256 ? EVP_sha256() : EVP_sha512();
}

const unsigned char* octets_of(std::string_view text) {
  return reinterpret_cast<const unsigned char*>(text.data());
}
unsigned char* octets_of(std::string& text) {
  return reinterpret_cast<unsigned char*>(text.data());
}

Secret secret_of(std::string octets) {
  Secret secret(octets);
  cleanse(octets);
  return secret;
}

}  // namespace

std::size_t size_of(Digest digest) {
  return digest == Digest::sha256 ? 32 : 64;
}

std::string hash(Digest digest, std::string_view octets) {
  std::string out(size_of(digest), '\0');
  const int done = EVP_Digest(octets.data(), octets.size(), octets_of(out), nullptr,
                              function_of(digest), nullptr);
  DOHLE_ASSERT(done == 1, "the library hashes any octets");
  return out;
}

std::string hmac(Digest digest, std::string_view key, std::string_view message) {
  std::string out(size_of(digest), '\0');
  const auto* done = HMAC(function_of(digest), key.data(), static_cast<int>(key.size()),
                          octets_of(message), message.size(), octets_of(out), nullptr);
  DOHLE_ASSERT(done != nullptr, "the library authenticates any octets");
  return out;
}

Secret derive(Digest digest, std::string_view key, std::string_view message) {
  return secret_of(hmac(digest, key, message));
}

Secret stretch(Digest digest, std::string_view password, std::string_view salt,
               std::uint32_t iterations) {
  DOHLE_ASSERT(iterations >= 1, "PBKDF2 has at least one iteration");
  std::string out(size_of(digest), '\0');
  const int done =
      PKCS5_PBKDF2_HMAC(password.data(), static_cast<int>(password.size()), octets_of(salt),
                        static_cast<int>(salt.size()), static_cast<int>(iterations),
                        function_of(digest), static_cast<int>(out.size()), octets_of(out));
  DOHLE_ASSERT(done == 1, "the library stretches any password");
  return secret_of(std::move(out));
}

void cleanse(std::string& octets) {
  OPENSSL_cleanse(octets.data(), octets.size());
}

bool is_equal(std::string_view one, std::string_view other) {
  return one.size() == other.size() && CRYPTO_memcmp(one.data(), other.data(), one.size()) == 0;
}

}  // namespace dohle::auth
