// Memory that held a password or a derived key is overwritten before it is freed: this program's
// operator delete inspects the memory that it frees.
#include <gtest/gtest.h>
#include <malloc.h>

#include <cstdlib>
#include <new>
#include <string>
#include <string_view>
#include <vector>

#include "auth/plain.hpp"
#include "auth/sasl_client.hpp"
#include "auth/scram.hpp"

namespace {

/// Texts that must not be in freed memory. Memory is not checked if there are none.
std::vector<std::string_view> forbidden;
int leaks = 0;

}  // namespace

void* operator new(std::size_t bytes) {
  if (void* memory = std::malloc(bytes == 0 ? 1 : bytes)) return memory;
  throw std::bad_alloc();
}
void operator delete(void* memory) noexcept {
  if (memory == nullptr) return;
  const std::string_view freed(static_cast<const char*>(memory), ::malloc_usable_size(memory));
  for (const std::string_view each : forbidden) leaks += freed.contains(each) ? 1 : 0;
  std::free(memory);
}
void operator delete(void* memory, std::size_t) noexcept {
  ::operator delete(memory);
}
void* operator new[](std::size_t bytes) {
  return ::operator new(bytes);
}
void operator delete[](void* memory) noexcept {
  ::operator delete(memory);
}
void operator delete[](void* memory, std::size_t) noexcept {
  ::operator delete(memory);
}

namespace dohle::auth {
namespace {

constexpr std::string_view password = "A password that is not short", salt = "salt";
constexpr std::uint32_t iterations = 4'096;

class Cleansing : public testing::TestWithParam<Digest> {
 protected:
  Cleansing()
      : salted_(stretch(GetParam(), password, salt, iterations)),
        keys_(keys_of_salted(GetParam(), salted_.reveal())) {
    leaks = 0;
  }
  ~Cleansing() override { forbidden.clear(); }
  void forbid_keys() {
    forbidden = {salted_.reveal(), keys_.client_key.reveal(), keys_.server_key.reveal()};
  }

  Secret salted_;
  ScramKeys keys_;
};

TEST_P(Cleansing, ThatIsMissingIsDetectedByThisTest) {
  forbid_keys();
  {
    const std::string copy(keys_.client_key.reveal());
  }
  EXPECT_EQ(leaks, 1);
}

TEST_P(Cleansing, LeavesNoKeysOfAClient) {
  const SaslMechanism mechanism = mechanism_of(GetParam());
  ScramServer server(GetParam(), "servernonce");
  const ScramVerifier verifier = make_verifier(GetParam(), keys_, std::string(salt), iterations);
  forbid_keys();
  {
    SaslClient client({mechanism, "alice", Secret(password)}, "clientnonce");
    ASSERT_TRUE(server.on_client_first(client.first_message()).has_value());
    ASSERT_TRUE(client.on_message(server.first_message(verifier)).has_value());
    ScramKeys keys = derive_keys(GetParam(), password, salt, iterations);
    keys = derive_keys(GetParam(), password, salt, iterations);
    ASSERT_FALSE(client.on_keys(keys).empty());
  }
  EXPECT_EQ(leaks, 0);
}

TEST_P(Cleansing, LeavesNoClientKeyOfALoginAtAServer) {
  const ScramVerifier verifier = make_verifier(GetParam(), keys_, std::string(salt), iterations);
  ScramServer server(GetParam(), "servernonce");
  ScramClient client(GetParam(), "alice", "clientnonce");
  ASSERT_TRUE(server.on_client_first(client.first_message()).has_value());
  ASSERT_TRUE(client.on_server_first(server.first_message(verifier)).has_value());
  const std::string final = client.final_message(keys_);
  forbidden = {keys_.client_key.reveal()};
  EXPECT_TRUE(server.on_client_final(final).value().has_value());
  EXPECT_EQ(leaks, 0);
}

INSTANTIATE_TEST_SUITE_P(BothDigests, Cleansing, testing::Values(Digest::sha256, Digest::sha512));

TEST(CleansingOfPlain, LeavesNoPassword) {
  leaks = 0;
  Secret message = *plain_message("alice", password);
  forbidden = {password};
  EXPECT_EQ(read_plain_message(message.reveal()).value().name, "alice");
  message = {};
  message = *plain_message("alice", password);
  message = {};
  forbidden.clear();
  EXPECT_EQ(leaks, 0);
}

}  // namespace
}  // namespace dohle::auth
