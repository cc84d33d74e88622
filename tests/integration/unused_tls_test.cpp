// What OpenSSL costs a program that asks for no TLS.
#include <gtest/gtest.h>
#include <openssl/crypto.h>

#include <atomic>
#include <chrono>
#include <cstddef>
#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <sstream>
#include <string>

#include "dohle/admin.hpp"
#include "dohle/client.hpp"
#include "dohle/node.hpp"
#include "dohle/producer.hpp"

namespace dohle {
namespace {

using namespace std::chrono_literals;

std::atomic<std::size_t> allocations = 0;

void* allocate(std::size_t bytes, const char* /*file*/, int /*line*/) {
  ++allocations;
  return std::malloc(bytes);
}
void* allocate_again(void* memory, std::size_t bytes, const char* /*file*/, int /*line*/) {
  ++allocations;
  return std::realloc(memory, bytes);
}
void release(void* memory, const char* /*file*/, int /*line*/) {
  std::free(memory);
}

/// The memory of OpenSSL's two libraries in this process.
struct Mapped {
  std::size_t own_kib = 0;  ///< of this process alone
  std::size_t all_kib = 0;  ///< with the pages of their files, which other processes share
};
Mapped mapped_openssl() {
  Mapped found;
  std::ifstream mappings("/proc/self/smaps");
  bool is_openssl = false;
  for (std::string line; std::getline(mappings, line);) {
    // A mapping's first line begins with its two addresses.
    if (line.find('-') < line.find(' ')) {
      is_openssl = line.contains("/libssl.") || line.contains("/libcrypto.");
      continue;
    }
    if (!is_openssl) continue;
    std::istringstream words(line);
    std::string name;
    std::size_t kib = 0;
    words >> name >> kib;
    if (name == "Private_Dirty:") found.own_kib += kib;
    if (name == "Rss:") found.all_kib += kib;
  }
  return found;
}

ClientOptions options_for(const std::string& address) {
  ClientOptions options;
  options.bootstrap_servers = {address};
  options.logger = silent_logger();
  return options;
}

void store_a_record_at_a_node() {
  NodeOptions options;
  options.listeners = {{.name = "tcp", .address = "127.0.0.1:0"}};
  options.logger = silent_logger();
  auto node = Node::start(std::move(options));
  ASSERT_TRUE(node) << node.error().to_string();
  auto client = Client::create(options_for(node->address()));
  ASSERT_TRUE(client) << client.error().to_string();
  const auto created = client->admin().create_topics({{.name = "orders", .partitions = 1}});
  ASSERT_TRUE(created && created->at(0).result);
  auto producer = client->producer();
  ASSERT_TRUE(producer) << producer.error().to_string();
  ASSERT_TRUE(producer->send("orders", {.value = as_bytes("tea")}));
  const auto flushed = producer->flush(20s);
  ASSERT_TRUE(flushed && flushed->failed == 0);
}

// An SSL_CTX is allocated, so none is made either.
TEST(UnusedTls, AllocatesNothingAndCostsAtMost2MB) {
  ASSERT_EQ(CRYPTO_set_mem_functions(allocate, allocate_again, release), 1)
      << "OpenSSL has allocated memory before the first test";
  store_a_record_at_a_node();
  EXPECT_EQ(allocations, 0u);
  const Mapped libraries = mapped_openssl();
  std::printf("libssl and libcrypto: %zu KiB of this process alone, %zu KiB in all\n",
              libraries.own_kib, libraries.all_kib);
  EXPECT_GT(libraries.all_kib, 0u) << "the libraries are not mapped";
  EXPECT_LE(libraries.own_kib, 2'000'000u / 1024);

  // The counter sees a client that asks for it.
  ClientOptions options = options_for("127.0.0.1:1");
  options.tls = TlsOptions{.verify_certificate = false};
  ASSERT_TRUE(Client::create(std::move(options)));
  EXPECT_GT(allocations, 0u);
}

}  // namespace
}  // namespace dohle
