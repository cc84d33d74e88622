#include "auth/digest.hpp"

#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>

#include <array>
#include <utility>

#include "base/assert.hpp"

namespace dohle::auth {

namespace {

constexpr std::string_view alphabet =
    "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
constexpr std::size_t octets_in_group = 3, characters_in_group = 4, bits_in_character = 6;

const EVP_MD* function_of(Digest digest) {
  return digest == Digest::sha256 ? EVP_sha256() : EVP_sha512();
}

const unsigned char* octets_of(std::string_view text) {
  return reinterpret_cast<const unsigned char*>(text.data());
}
unsigned char* octets_of(std::string& text) {
  return reinterpret_cast<unsigned char*>(text.data());
}

constexpr std::array<std::int16_t, 256> values_of_characters() {
  std::array<std::int16_t, 256> values{};
  values.fill(-1);
  for (std::size_t i = 0; i < alphabet.size(); ++i) {
    values[static_cast<unsigned char>(alphabet[i])] = static_cast<std::int16_t>(i);
  }
  return values;
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

std::string to_base64(std::string_view octets) {
  std::string text;
  text.reserve((octets.size() + octets_in_group - 1) / octets_in_group * characters_in_group);
  for (std::size_t i = 0; i < octets.size(); i += octets_in_group) {
    const std::string_view group = octets.substr(i, octets_in_group);
    std::uint32_t bits = 0;
    for (std::size_t j = 0; j < octets_in_group; ++j) {
      bits = bits << 8 | (j < group.size() ? static_cast<unsigned char>(group[j]) : 0u);
    }
    for (std::size_t j = 0; j < characters_in_group; ++j) {
      const std::size_t value = bits >> ((characters_in_group - 1 - j) * bits_in_character) & 0x3f;
      text += j <= group.size() ? alphabet[value] : '=';
    }
  }
  return text;
}

std::optional<std::string> from_base64(std::string_view text) {
  static constexpr auto values = values_of_characters();
  if (text.size() % characters_in_group != 0) return std::nullopt;
  std::size_t padding = 0;
  while (padding < 2 && padding < text.size() && text[text.size() - 1 - padding] == '=') ++padding;
  std::string octets;
  octets.reserve(text.size() / characters_in_group * octets_in_group);
  std::uint32_t bits = 0;
  std::size_t held = 0;
  for (const char character : text.substr(0, text.size() - padding)) {
    const int value = values[static_cast<unsigned char>(character)];
    if (value < 0) return std::nullopt;
    bits = bits << bits_in_character | static_cast<std::uint32_t>(value);
    held += bits_in_character;
    if (held < 8) continue;
    held -= 8;
    octets += static_cast<char>(bits >> held & 0xff);
  }
  const bool has_rest = (bits & ((1u << held) - 1)) != 0;
  if (has_rest) return std::nullopt;
  return octets;
}

}  // namespace dohle::auth
