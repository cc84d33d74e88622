#include "auth/digest.hpp"

#include <gtest/gtest.h>

namespace dohle::auth {
namespace {

std::string hex(std::string_view octets) {
  std::string text;
  for (const char octet : octets) {
    constexpr std::string_view digits = "0123456789abcdef";
    text += digits[static_cast<unsigned char>(octet) >> 4];
    text += digits[static_cast<unsigned char>(octet) & 15];
  }
  return text;
}

TEST(Digest, HashesAsFips180Says) {
  EXPECT_EQ(hex(hash(Digest::sha256, "abc")),
            "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
  EXPECT_EQ(hex(hash(Digest::sha512, "abc")),
            "ddaf35a193617abacc417349ae20413112e6fa4e89a97ea20a9eeee64b55d39a"
            "2192992a274fc1a836ba3c23a3feebbd454d4423643ce80e2a9ac94fa54ca49f");
}

TEST(Digest, AuthenticatesAsRfc4231Says) {
  EXPECT_EQ(hex(hmac(Digest::sha256, "Jefe", "what do ya want for nothing?")),
            "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843");
  EXPECT_EQ(hex(hmac(Digest::sha512, "Jefe", "what do ya want for nothing?")),
            "164b7a7bfcf819e2e395fbe73b56e0a387bd64222e831fd610270cd7ea250554"
            "9758bf75c05a994a6d034f65f8f0e6fdcaeab1a34d4a6b4b636e070a38bce737");
}

TEST(Digest, DerivesKeysAsRfc7914Says) {
  EXPECT_EQ(hex(stretch(Digest::sha256, "passwd", "salt", 1).reveal()),
            "55ac046e56e3089fec1691c22544b605f94185216dde0465e68b9d57c20dacbc");
}

TEST(Digest, ComparesBytesAndLengths) {
  EXPECT_TRUE(is_equal("", ""));
  EXPECT_TRUE(is_equal("ab", "ab"));
  EXPECT_FALSE(is_equal("ab", "abc"));
  EXPECT_FALSE(is_equal("ab", "ac"));
}

}  // namespace
}  // namespace dohle::auth
