// TLS with a side that has OpenSSL's own settings, and the extensions in a client's first bytes.

#include <gmock/gmock.h>
#include <openssl/err.h>

#include <array>
#include <cstddef>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/slice.hpp"
#include "made_certificates.hpp"
#include "net/tls/tls_context.hpp"
#include "net/tls/tls_session.hpp"

namespace dohle::net {
namespace {

using testing::Contains;
using testing::HasSubstr;
using testing::Not;

/// One side by OpenSSL alone: it gives, asks for and keeps tickets, and renegotiates.
class OpensslSide {
 public:
  static OpensslSide client(TlsVersion version) { return {TLS_client_method(), version}; }
  static OpensslSide server(TlsVersion version, const Made& own) {
    OpensslSide made(TLS_server_method(), version);
    SSL* ssl = made.ssl_.get();
    EXPECT_EQ(SSL_use_certificate(ssl, own.certificate.get()), 1);
    EXPECT_EQ(SSL_use_PrivateKey(ssl, own.key.get()), 1);
    SSL_set_accept_state(ssl);
    return made;
  }

  void put(const std::string& bytes) {
    if (bytes.empty()) return;
    EXPECT_EQ(BIO_write(in_, bytes.data(), static_cast<int>(bytes.size())),
              static_cast<int>(bytes.size()));
  }
  std::string taken() {
    std::string bytes(BIO_ctrl_pending(out_), '\0');
    if (!bytes.empty()) {
      EXPECT_EQ(BIO_read(out_, bytes.data(), static_cast<int>(bytes.size())),
                static_cast<int>(bytes.size()));
    }
    return bytes;
  }
  /// Makes the next steps of a handshake, and reads.
  void work() {
    std::array<char, 1024> bytes{};
    if (failure_ != 0) return;
    ERR_clear_error();
    const int got = SSL_read(ssl_.get(), bytes.data(), static_cast<int>(bytes.size()));
    EXPECT_LE(got, 0) << "no test sends data to it";
    if (SSL_get_error(ssl_.get(), got) == SSL_ERROR_WANT_READ) return;
    failure_ = ERR_GET_REASON(ERR_peek_last_error());
  }

  /// The next `work` begins another handshake.
  void renegotiate() { EXPECT_EQ(SSL_renegotiate(ssl_.get()), 1); }
  [[nodiscard]] bool is_open() const {
    return failure_ == 0 && SSL_is_init_finished(ssl_.get()) == 1;
  }
  [[nodiscard]] long renegotiations() const { return SSL_num_renegotiations(ssl_.get()); }
  /// Whether it has something with which a later connection could resume this one.
  [[nodiscard]] bool may_resume() const {
    return SSL_SESSION_is_resumable(SSL_get_session(ssl_.get())) == 1;
  }
  /// The reason of OpenSSL for the end of the connection; 0 before.
  [[nodiscard]] int failure() const { return failure_; }

 private:
  OpensslSide(const SSL_METHOD* method, TlsVersion version) : context_(SSL_CTX_new(method)) {
    SSL_CTX* context = context_.get();
    const int number = version == TlsVersion::tls_1_3 ? TLS1_3_VERSION : TLS1_2_VERSION;
    EXPECT_EQ(SSL_CTX_set_min_proto_version(context, number), 1);
    EXPECT_EQ(SSL_CTX_set_max_proto_version(context, number), 1);
    // A server of OpenSSL 3 takes only its own renegotiations by default.
    SSL_CTX_set_options(context, SSL_OP_ALLOW_CLIENT_RENEGOTIATION);
    ssl_.reset(SSL_new(context));
    SSL_set_bio(ssl_.get(), in_, out_);
    SSL_set_connect_state(ssl_.get());
  }

  ContextHandle context_;
  // Owned by ssl_.
  BIO* in_ = BIO_new(BIO_s_mem());
  BIO* out_ = BIO_new(BIO_s_mem());
  SslHandle ssl_;
  int failure_ = 0;
};

/// One side by the session under test.
class OwnSide {
 public:
  static OwnSide client(TlsVersion version) {
    auto context =
        TlsContext::client({.verify_certificate = false,
                            .parameters = {.min_version = version, .max_version = version}});
    EXPECT_TRUE(context) << context.error().to_string();
    return OwnSide(TlsSession::client(*context, "localhost"));
  }
  static OwnSide server(TlsVersion version, const Made& own) {
    auto context = TlsContext::server(
        {.identity = {.certificate_pem = own.certificate_pem(), .key_pem = Secret(own.key_pem())},
         .parameters = {.min_version = version, .max_version = version}});
    EXPECT_TRUE(context) << context.error().to_string();
    return OwnSide(TlsSession::server(*context));
  }

  void put(const std::string& bytes) {
    if (!bytes.empty()) session_->received().add(Slice::copy_of(bytes));
  }
  std::string taken() {
    std::string bytes;
    std::vector<Slice> slices;
    WriteQueue& queue = session_->to_send();
    if (!queue.empty()) (void)queue.take_slices(queue.size(), slices);
    for (const Slice& slice : slices) bytes += slice.text();
    return bytes;
  }
  void work() {
    if (!is_open_) {
      const auto state = session_->handshake();
      is_open_ = state && *state == HandshakeState::done;
      return;
    }
    std::array<std::byte, 1024> bytes{};
    // Fails once the other side has given up.
    EXPECT_EQ(session_->read(bytes).value_or(0), 0u) << "no test sends data to it";
  }
  [[nodiscard]] bool is_open() const { return is_open_; }

 private:
  explicit OwnSide(std::shared_ptr<TlsSession> session) : session_(std::move(session)) {}

  std::shared_ptr<TlsSession> session_;
  bool is_open_ = false;
};

template <class Client, class Server>
void pass_bytes(Client& client, Server& server) {
  // Two quiet rounds: OpenSSL begins what the other side has asked for at its next read.
  for (int quiet = 0; quiet < 2;) {
    client.work();
    server.work();
    const std::string to_server = client.taken(), to_client = server.taken();
    quiet = to_server.empty() && to_client.empty() ? quiet + 1 : 0;
    server.put(to_server);
    client.put(to_client);
  }
}

template <class Client, class Server>
void connect(Client& client, Server& server) {
  pass_bytes(client, server);
  ASSERT_TRUE(client.is_open() && server.is_open());
}

class TlsTickets : public testing::TestWithParam<TlsVersion> {};

INSTANTIATE_TEST_SUITE_P(Of, TlsTickets, testing::Values(TlsVersion::tls_1_2, TlsVersion::tls_1_3),
                         [](const auto& version) {
                           return version.param == TlsVersion::tls_1_2 ? "tls_1_2" : "tls_1_3";
                         });

TEST_P(TlsTickets, are_not_given_by_a_server) {
  auto client = OpensslSide::client(GetParam());
  auto server = OwnSide::server(GetParam(), make({}));
  connect(client, server);
  EXPECT_FALSE(client.may_resume());
}

TEST_P(TlsTickets, are_kept_by_the_client_of_this_test_if_a_server_sends_them) {
  auto client = OpensslSide::client(GetParam());
  auto server = OpensslSide::server(GetParam(), make({}));
  connect(client, server);
  EXPECT_TRUE(client.may_resume());
}

TEST(TlsRenegotiation, is_refused_by_a_server) {
  auto client = OpensslSide::client(TlsVersion::tls_1_2);
  auto server = OwnSide::server(TlsVersion::tls_1_2, make({}));
  connect(client, server);
  client.renegotiate();
  pass_bytes(client, server);
  EXPECT_EQ(client.failure(), SSL_R_NO_RENEGOTIATION);
}

TEST(TlsRenegotiation, is_refused_by_a_client) {
  auto client = OwnSide::client(TlsVersion::tls_1_2);
  auto server = OpensslSide::server(TlsVersion::tls_1_2, make({}));
  connect(client, server);
  server.renegotiate();
  pass_bytes(client, server);
  EXPECT_EQ(server.failure(), SSL_R_NO_RENEGOTIATION);
}

TEST(TlsRenegotiation, is_possible_between_two_sides_of_openssl) {
  for (const bool is_asked_by_server : {false, true}) {
    auto client = OpensslSide::client(TlsVersion::tls_1_2);
    auto server = OpensslSide::server(TlsVersion::tls_1_2, make({}));
    connect(client, server);
    (is_asked_by_server ? server : client).renegotiate();
    pass_bytes(client, server);
    EXPECT_TRUE(client.is_open() && server.is_open()) << is_asked_by_server;
    EXPECT_EQ(client.renegotiations(), 1) << is_asked_by_server;
  }
}

// --- a client's first bytes

std::string hello_to(std::string_view host, std::string server_name = {}) {
  const auto context =
      TlsContext::client({.verify_certificate = false, .server_name = std::move(server_name)});
  EXPECT_TRUE(context) << context.error().to_string();
  const auto session = TlsSession::client(*context, host);
  EXPECT_TRUE(session->handshake());
  std::string bytes;
  std::vector<Slice> slices;
  (void)session->to_send().take_slices(session->to_send().size(), slices);
  for (const Slice& slice : slices) bytes += slice.text();
  return bytes;
}

/// The numbers of the extensions of a ClientHello (RFC 8446, 4.1.2) that is one record.
std::vector<std::size_t> extensions_of(const std::string& hello) {
  std::size_t at = 0;
  const auto number = [&](int octets) {
    std::size_t value = 0;
    while (octets-- > 0) value = value << 8 | static_cast<unsigned char>(hello.at(at++));
    return value;
  };
  at = 5 + 4 + 2 + 32;  // headers of the record and of the message, version, random
  for (const int octets_of_size : {1, 2, 1}) {  // session id, cipher suites, compression
    const std::size_t size = number(octets_of_size);
    at += size;
  }
  std::vector<std::size_t> found;
  const std::size_t all = number(2);
  for (const std::size_t end = at + all; at < end;) {
    found.push_back(number(2));
    const std::size_t size = number(2);
    at += size;
  }
  EXPECT_EQ(at, hello.size());
  return found;
}

TEST(TlsHello, contains_its_host_as_the_server_name) {
  for (const std::string& hello : {hello_to("kafka.example"), hello_to("kafka.example."),
                                   hello_to("10.1.2.3", "kafka.example")}) {
    EXPECT_THAT(extensions_of(hello), Contains(std::size_t{TLSEXT_TYPE_server_name}));
    EXPECT_THAT(hello, HasSubstr("kafka.example"));
  }
}

TEST(TlsHello, contains_no_server_name_for_an_address) {
  for (const std::string& address : {std::string("10.1.2.3"), std::string("2001:db8::7")}) {
    for (const std::string& hello : {hello_to(address), hello_to("kafka.example", address)}) {
      EXPECT_THAT(extensions_of(hello), Not(Contains(std::size_t{TLSEXT_TYPE_server_name})));
      EXPECT_THAT(hello, Not(HasSubstr(address)));
      EXPECT_THAT(hello, Not(HasSubstr("kafka.example")));
    }
  }
}

TEST(TlsHello, asks_for_no_ticket_and_resumes_nothing) {
  const auto extensions = extensions_of(hello_to("kafka.example"));
  EXPECT_THAT(extensions, Not(Contains(std::size_t{TLSEXT_TYPE_session_ticket})));
  EXPECT_THAT(extensions, Not(Contains(std::size_t{TLSEXT_TYPE_psk})));
  EXPECT_THAT(extensions, Contains(std::size_t{TLSEXT_TYPE_supported_versions}));
}

}  // namespace
}  // namespace dohle::net
