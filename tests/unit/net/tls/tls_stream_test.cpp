// TLS over a wire in memory: handshakes, data, and the errors of failures.

#include <gmock/gmock.h>

#include <numeric>

#include "tls_pair.hpp"

namespace dohle::net {
namespace {

using testing::HasSubstr;

struct Authority {
  Made root = make({.name = "Test CA", .is_authority = true});
  [[nodiscard]] Made issue(Wanted wanted = {}) const {
    wanted.issuer = &root;
    return make(wanted);
  }
};

TlsServerOptions serving(const Made& made) {
  return {
      .identity = {.certificate_pem = made.certificate_pem(), .key_pem = Secret(made.key_pem())}};
}
TlsOptions trusting(const Made& root) {
  return {.trust = {.ca_pem = root.certificate_pem()}};
}
TlsContext client_of(const TlsOptions& options) {
  auto made = TlsContext::client(options);
  EXPECT_TRUE(made.has_value()) << made.error().to_string();
  return *std::move(made);
}
TlsContext server_of(const TlsServerOptions& options) {
  auto made = TlsContext::server(options);
  EXPECT_TRUE(made.has_value()) << made.error().to_string();
  return *std::move(made);
}

class TlsStreamTest : public testing::TestWithParam<TlsVersion> {
 protected:
  void connect(TlsOptions client_options, TlsServerOptions server_options,
               std::string_view host = "localhost") {
    for (TlsParameters* each : {&client_options.parameters, &server_options.parameters}) {
      each->min_version = each->max_version = GetParam();
    }
    pair.begin(client_of(client_options), server_of(server_options), host);
  }
  void connect() { connect(trusting(authority.root), serving(authority.issue())); }
  /// Requires the client's handshake to have failed and to say so.
  void expect_refused(const std::string& words) {
    ASSERT_TRUE(client.lost.has_value());
    EXPECT_THAT(client.why(), HasSubstr("TLS handshake failed: "));
    EXPECT_THAT(client.why(), HasSubstr(words));
    EXPECT_TRUE(client.got.empty());
    EXPECT_TRUE(server.got.empty());
  }

  /// Connects and sends the pieces. Returns the bytes of data in each record on the wire.
  std::vector<std::size_t> data_of_records(const std::vector<std::size_t>& pieces) {
    connect();
    server.is_paused = true;
    for (const std::size_t piece : pieces) client.send(std::string(piece, 'x'));
    client.work();
    // Ciphers with a tag of 16 bytes; TLS 1.2 adds a nonce, TLS 1.3 the type of the data.
    const std::size_t overhead = GetParam() == TlsVersion::tls_1_2 ? 24 : 17;
    std::vector<std::size_t> sizes;
    for (std::size_t at = 0; at < pair.to_server.bytes.size();) {
      const auto octet = [&](std::size_t i) {
        return static_cast<std::size_t>(
            static_cast<unsigned char>(pair.to_server.bytes.at(at + i)));
      };
      const std::size_t length = octet(3) << 8 | octet(4);
      sizes.push_back(length - overhead);
      at += 5 + length;
    }
    return sizes;
  }

  Authority authority;
  TlsPair pair;
  TlsSide& client = pair.client;
  TlsSide& server = pair.server;
};

INSTANTIATE_TEST_SUITE_P(Of, TlsStreamTest,
                         testing::Values(TlsVersion::tls_1_2, TlsVersion::tls_1_3),
                         [](const auto& version) {
                           return version.param == TlsVersion::tls_1_2 ? "tls_1_2" : "tls_1_3";
                         });

std::string text_of_size(std::size_t size) {
  std::string text(size, '\0');
  std::iota(text.begin(), text.end(), 'a');
  return text;
}

TEST_P(TlsStreamTest, data_arrives_in_both_directions) {
  connect();
  ASSERT_TRUE(client.is_open && server.is_open) << client.why() << server.why();
  EXPECT_EQ(client.tls->session().version(),
            GetParam() == TlsVersion::tls_1_2 ? "TLSv1.2" : "TLSv1.3");
  EXPECT_FALSE(client.tls->session().cipher().empty());
  client.send("question");
  server.send("answer");
  pair.run();
  EXPECT_EQ(server.got, "question");
  EXPECT_EQ(client.got, "answer");
}

TEST_P(TlsStreamTest, nothing_of_the_data_is_readable_on_the_wire) {
  connect();
  server.is_paused = true;
  pair.to_server.bytes.clear();
  client.send("a password in clear");
  client.work();
  EXPECT_GT(pair.to_server.bytes.size(), 19u);
  EXPECT_EQ(pair.to_server.bytes.find("password"), std::string::npos);
}

TEST_P(TlsStreamTest, handshake_and_data_pass_byte_by_byte) {
  pair.to_client.max_piece = pair.to_server.max_piece = 1;
  connect();
  ASSERT_TRUE(client.is_open && server.is_open) << client.why() << server.why();
  const std::string text = text_of_size(40'000);
  client.send(text);
  server.send(text);
  pair.run();
  EXPECT_TRUE(server.got == text);
  EXPECT_TRUE(client.got == text);
}

TEST_P(TlsStreamTest, many_short_pieces_arrive_in_order) {
  connect();
  std::string all;
  for (std::size_t size = 1; size < 400; ++size) {
    all += text_of_size(size * 7);
    client.send(text_of_size(size * 7));
  }
  pair.run();
  EXPECT_TRUE(server.got == all);
}

TEST_P(TlsStreamTest, a_long_piece_is_a_record_of_its_own) {
  EXPECT_THAT(data_of_records({60, 16'384, 16'384, 100, 200, 40'000}),
              testing::ElementsAre(60, 16'384, 16'384, 300, 16'384, 16'384, 7'232));
}

TEST_P(TlsStreamTest, short_pieces_fill_records) {
  const std::vector<std::size_t> pieces(200, 100);
  EXPECT_THAT(data_of_records(pieces), testing::ElementsAre(16'384, 3'616));
}

TEST_P(TlsStreamTest, a_paused_reader_pauses_the_writer) {
  connect();
  pair.to_server.window = 10'000;
  server.is_paused = true;
  const std::string text = text_of_size(3'000'000);
  client.send(text);
  pair.run();
  // 64 KiB are encrypted at most, and stay in the queue until they have passed.
  EXPECT_GE(client.out.size(), text.size() - 64 * 1024);
  server.is_paused = false;
  pair.run();
  EXPECT_TRUE(server.got == text);
  EXPECT_TRUE(client.out.empty());
}

TEST_P(TlsStreamTest, the_end_of_writes_follows_all_data) {
  connect();
  client.send("last words");
  client.work();
  client.tls->end_writes();
  pair.run();
  EXPECT_EQ(server.got, "last words");
  EXPECT_TRUE(server.has_ended);
  EXPECT_FALSE(server.lost.has_value()) << server.why();
}

TEST_P(TlsStreamTest, an_end_without_close_notify_is_an_error) {
  connect();
  client.send("cut");
  client.work();
  client.tls->close();
  pair.run();
  EXPECT_EQ(server.got, "cut");
  EXPECT_FALSE(server.has_ended);
  EXPECT_THAT(server.why(), HasSubstr("without the end that TLS has"));
}

TEST_P(TlsStreamTest, a_wire_that_breaks_at_any_byte_of_the_handshake_is_an_error_on_both_sides) {
  connect();
  ASSERT_TRUE(client.is_open && server.is_open);
  const std::size_t from_client = pair.to_server.passed, from_server = pair.to_client.passed;
  const TlsContext client_context = client_of(trusting(authority.root));
  const TlsContext server_context = server_of(serving(authority.issue()));
  // Signatures differ in length from handshake to handshake.
  constexpr std::size_t most_shorter = 16;
  ASSERT_GT(from_server, most_shorter);
  for (std::size_t cut = 0; cut < from_server - most_shorter; cut += 7) {
    TlsPair broken;
    broken.to_client.cut_at = cut;
    broken.begin(client_context, server_context);
    broken.client.send("question");
    broken.run();
    ASSERT_TRUE(broken.client.lost.has_value()) << cut;
    ASSERT_THAT(broken.client.why(), HasSubstr("closed by the other side")) << cut;
    ASSERT_TRUE(broken.client.got.empty());
  }
  for (std::size_t cut = 0; cut < from_client; cut += 3) {
    TlsPair broken;
    broken.to_server.cut_at = cut;
    broken.begin(client_context, server_context);
    ASSERT_TRUE(broken.server.lost.has_value()) << cut;
    ASSERT_TRUE(broken.server.got.empty());
  }
}

TEST_P(TlsStreamTest, a_changed_byte_is_never_data) {
  const TlsContext client_context = client_of(trusting(authority.root));
  const TlsContext server_context = server_of(serving(authority.issue()));
  TlsPair clean;
  clean.begin(client_context, server_context);
  clean.client.send("question");
  clean.run();
  ASSERT_EQ(clean.server.got, "question");
  for (std::size_t at = 0; at < clean.to_server.passed - 40; at += 5) {
    TlsPair changed;
    changed.to_server.flip_at = at;
    changed.begin(client_context, server_context);
    changed.client.send("question");
    changed.run();
    ASSERT_TRUE(changed.server.got.empty() || changed.server.got == "question") << at;
    ASSERT_TRUE(changed.server.lost || changed.server.got == "question" || !changed.server.is_open)
        << at;
  }
}

TEST_P(TlsStreamTest, a_changed_record_ends_the_connection_with_an_error_that_says_so) {
  connect();
  pair.to_server.flip_at = pair.to_server.passed + 12;
  client.send("question");
  pair.run();
  EXPECT_TRUE(server.got.empty());
  EXPECT_THAT(server.why(), HasSubstr("a received record is damaged or was changed on its way"));
}

TEST_P(TlsStreamTest, a_certificate_for_another_host_is_refused_with_the_names_that_it_has) {
  connect(trusting(authority.root),
          serving(authority.issue({.alternatives = "DNS:one.example,DNS:two.example,IP:10.0.0.1"})),
          "three.example");
  expect_refused(
      "the server's certificate is not for 'three.example'; it is for one.example, two.example, "
      "10.0.0.1");
  EXPECT_FALSE(client.lost->is_retriable());
}

TEST_P(TlsStreamTest, an_address_is_verified_as_an_address) {
  connect(trusting(authority.root), serving(authority.issue()), "127.0.0.1");
  EXPECT_TRUE(client.is_open) << client.why();
}

TEST_P(TlsStreamTest, an_address_that_is_named_as_a_host_is_refused) {
  connect(trusting(authority.root), serving(authority.issue({.alternatives = "DNS:127.0.0.1"})),
          "127.0.0.1");
  expect_refused("the server's certificate is not for '127.0.0.1'; it is for 127.0.0.1");
}

TEST_P(TlsStreamTest, the_name_of_the_options_is_verified_instead_of_the_host) {
  TlsOptions options = trusting(authority.root);
  options.server_name = "localhost";
  connect(options, serving(authority.issue()), "10.1.2.3");
  EXPECT_TRUE(client.is_open) << client.why();
}

TEST_P(TlsStreamTest, a_host_is_not_verified_if_the_options_say_so) {
  TlsOptions options = trusting(authority.root);
  options.verify_hostname = false;
  connect(options, serving(authority.issue()), "other.example");
  EXPECT_TRUE(client.is_open) << client.why();
}

TEST_P(TlsStreamTest, a_certificate_of_an_unknown_issuer_is_refused) {
  connect(trusting(make({.name = "Other CA", .is_authority = true})), serving(authority.issue()));
  expect_refused(
      "comes from an unknown issuer: 'CN=Test CA,O=Dohle' is not one of the trusted CAs");
  EXPECT_THAT(server.why(), HasSubstr("the client does not trust the issuer of the node's"));
}

TEST_P(TlsStreamTest, a_self_signed_certificate_is_refused) {
  connect(trusting(authority.root), serving(make({})));
  expect_refused("(CN=localhost,O=Dohle) is self-signed, and is not one of the trusted");
}

TEST_P(TlsStreamTest, a_self_signed_certificate_that_is_trusted_is_accepted) {
  const Made own = make({});
  connect(trusting(own), serving(own));
  EXPECT_TRUE(client.is_open) << client.why();
}

TEST_P(TlsStreamTest, a_trusted_certificate_needs_no_trusted_issuer) {
  const Made own = authority.issue();
  connect(trusting(own), serving(own));
  EXPECT_TRUE(client.is_open) << client.why();
}

TEST_P(TlsStreamTest, any_certificate_is_accepted_if_the_options_say_so) {
  connect({.verify_certificate = false}, serving(make({})), "other.example");
  EXPECT_TRUE(client.is_open) << client.why();
  EXPECT_EQ(client.tls->session().peer_principal(), std::nullopt);
}

TEST_P(TlsStreamTest, an_expired_certificate_is_refused_with_its_date) {
  connect(trusting(authority.root),
          serving(authority.issue({.begins_in = -86'400 * 3, .ends_in = -86'400})));
  expect_refused("the server's certificate (CN=localhost,O=Dohle) has expired on 20");
  EXPECT_THAT(client.why(), HasSubstr(" UTC"));
}

TEST_P(TlsStreamTest, a_certificate_of_the_future_is_refused_with_its_date) {
  connect(trusting(authority.root), serving(authority.issue({.begins_in = 86'400})));
  expect_refused("the server's certificate (CN=localhost,O=Dohle) is not valid before 20");
}

TlsServerOptions asking(const Authority& authority, ClientCertificates which) {
  TlsServerOptions options = serving(authority.issue());
  options.client_certificates = which;
  options.trust.ca_pem = authority.root.certificate_pem();
  return options;
}
TlsOptions identified(const Authority& authority, const Made& own) {
  TlsOptions options = trusting(authority.root);
  options.identity.certificate_pem = own.certificate_pem();
  options.identity.key_pem = Secret(own.key_pem());
  return options;
}

TEST_P(TlsStreamTest, a_missing_client_certificate_is_a_failed_handshake) {
  connect(trusting(authority.root), asking(authority, ClientCertificates::required));
  client.send("question");
  pair.run();
  expect_refused("the server requires a client certificate, and none is set");
  EXPECT_THAT(server.why(), HasSubstr("the client sent no certificate, and one is required"));
}

TEST_P(TlsStreamTest, a_wanted_client_certificate_may_be_absent) {
  connect(trusting(authority.root), asking(authority, ClientCertificates::wanted));
  EXPECT_TRUE(client.is_open && server.is_open) << client.why() << server.why();
  EXPECT_EQ(server.tls->session().peer_principal(), std::nullopt);
}

TEST_P(TlsStreamTest, a_client_certificate_gives_its_principal_as_java_writes_it) {
  connect(identified(authority, authority.issue({.name = "Ada, \"the first\""})),
          asking(authority, ClientCertificates::required));
  ASSERT_TRUE(client.is_open && server.is_open) << client.why() << server.why();
  EXPECT_EQ(server.tls->session().peer_principal(), "CN=Ada\\, \\\"the first\\\",O=Dohle");
  EXPECT_EQ(client.tls->session().peer_principal(), "CN=localhost,O=Dohle");
}

TEST_P(TlsStreamTest, a_client_certificate_of_an_unknown_issuer_is_refused_on_both_sides) {
  const Authority other;
  connect(identified(authority, make({.name = "stranger"})),
          asking(authority, ClientCertificates::wanted));
  client.send("question");
  pair.run();
  expect_refused("the server does not trust the issuer of the client's certificate");
  EXPECT_THAT(server.why(), HasSubstr("the client's certificate (CN=stranger,O=Dohle)"));
}

TEST_P(TlsStreamTest, sides_without_a_common_cipher_say_so) {
  TlsOptions options = trusting(authority.root);
  TlsServerOptions server_options = serving(authority.issue());
  options.parameters.ciphers = "ECDHE-ECDSA-AES128-GCM-SHA256";
  options.parameters.ciphersuites = "TLS_AES_128_GCM_SHA256";
  server_options.parameters.ciphers = "ECDHE-ECDSA-AES256-GCM-SHA384";
  server_options.parameters.ciphersuites = "TLS_AES_256_GCM_SHA384";
  connect(options, server_options);
  expect_refused("the server found no common cipher");
  EXPECT_THAT(server.why(), HasSubstr("no common cipher with the client"));
}

TEST_P(TlsStreamTest, sides_without_a_common_group_say_so) {
  TlsOptions options = trusting(authority.root);
  TlsServerOptions server_options = serving(authority.issue());
  options.parameters.groups = "P-256";
  server_options.parameters.groups = "P-384";
  connect(options, server_options);
  expect_refused("no common cipher");
}

TEST_P(TlsStreamTest, steps_of_the_handshake_run_on_workers) {
  LaterWorkers workers;
  pair.workers = &workers;
  connect();
  ASSERT_TRUE(client.is_open && server.is_open) << client.why() << server.why();
  EXPECT_GE(workers.jobs, 4);
  client.send("question");
  pair.run();
  EXPECT_EQ(server.got, "question");
}

TEST_P(TlsStreamTest, the_loop_does_not_use_the_session_while_a_worker_does) {
  const TlsContext client_context = client_of(trusting(authority.root));
  const TlsContext server_context = server_of(serving(authority.issue()));
  ThreadPerJob workers;
  for (int round = 0; round < 20; ++round) {
    frames::HandLoop loop;
    Way to_client, to_server;
    TlsSide one, other;
    one.begin({loop, &workers}, TlsSession::client(client_context, "localhost"), to_client,
              to_server);
    other.begin({loop, &workers}, TlsSession::server(server_context), to_server, to_client);
    one.tls->on_open(true);
    other.tls->on_open(true);
    for (int turn = 0; turn < 40; ++turn) {
      // News come in while a thread makes its step.
      one.tls->on_news({.may_read = true, .may_write = true});
      other.tls->on_news({.may_read = true, .may_write = true});
      if (turn == round) one.tls->close();
      (void)loop.turn();
    }
    EXPECT_TRUE(other.is_open || other.lost.has_value()) << round;
  }
}

TEST_P(TlsStreamTest, a_stream_may_be_destroyed_while_a_worker_has_its_session) {
  LaterWorkers workers;
  frames::HandLoop loop;
  Way in, out;
  TlsSide side;
  side.begin({loop, &workers}, TlsSession::client(client_of(trusting(authority.root)), "localhost"),
             in, out);
  side.tls->on_open(false);
  EXPECT_EQ(workers.jobs, 1);
  side.tls.reset();
  while (loop.turn()) {
  }
  EXPECT_FALSE(side.is_open || side.lost.has_value());
}

TEST_P(TlsStreamTest, a_new_context_applies_to_new_connections_only) {
  TlsContext current = server_of(serving(authority.issue({.name = "old"})));
  const TlsContext client_context = client_of(trusting(authority.root));
  pair.begin(client_context, current);
  current = server_of(serving(authority.issue({.name = "new"})));
  client.send("question");
  pair.run();
  EXPECT_EQ(server.got, "question");
  EXPECT_EQ(client.tls->session().peer_principal(), "CN=old,O=Dohle");
  TlsPair second;
  second.begin(client_context, current);
  EXPECT_EQ(second.client.tls->session().peer_principal(), "CN=new,O=Dohle");
}

TEST(TlsVersions, sides_without_a_common_version_say_so) {
  const Authority authority;
  TlsOptions options = trusting(authority.root);
  TlsServerOptions server_options = serving(authority.issue());
  options.parameters.max_version = TlsVersion::tls_1_2;
  server_options.parameters.min_version = TlsVersion::tls_1_3;
  TlsPair pair;
  pair.begin(client_of(options), server_of(server_options));
  EXPECT_THAT(pair.client.why(), HasSubstr("TLS handshake failed: no common TLS version"));
  EXPECT_THAT(pair.server.why(), HasSubstr("TLS handshake failed: no common TLS version"));
}

TEST(TlsTimeout, a_stalled_handshake_ends_with_an_error_that_names_its_timeout) {
  const Authority authority;
  frames::HandLoop loop;
  Way in, out;
  TlsSide side;
  side.begin({.loop = loop}, TlsSession::client(client_of(trusting(authority.root)), "localhost"),
             in, out);
  side.tls->on_open(false);
  loop.pass(std::chrono::seconds(11));
  while (loop.turn()) {
  }
  EXPECT_THAT(side.why(), HasSubstr("TLS handshake failed: it was not done within 10000 ms"));
}

/// A side whose other side writes plain bytes.
std::string words_for_plain(bool is_server, std::string_view bytes) {
  const Authority authority;
  frames::HandLoop loop;
  Way in, out;
  TlsSide side;
  side.begin({.loop = loop},
             is_server ? TlsSession::server(server_of(serving(authority.issue())))
                       : TlsSession::client(client_of(trusting(authority.root)), "localhost"),
             in, out);
  side.tls->on_open(false);
  in.bytes = bytes;
  in.has_ended = true;
  side.tls->on_news({.may_read = true});
  return side.why();
}

TEST(TlsWithoutTls, a_plain_server_is_named_as_one) {
  EXPECT_THAT(words_for_plain(false, std::string_view("\0\0\0\x10plain answer", 16)),
              HasSubstr("the server speaks no TLS; it may be a plain listener (first bytes: 00"));
  EXPECT_THAT(words_for_plain(false, "HTTP/1.1 400 Bad Request\r\n"),
              HasSubstr("the server speaks no TLS but HTTP"));
  EXPECT_THAT(words_for_plain(false, ""),
              HasSubstr("closed by the other side before its first byte; it may be a plain"));
}

TEST(TlsWithoutTls, plain_bytes_at_a_tls_listener_are_named) {
  EXPECT_THAT(
      words_for_plain(true, std::string_view("\0\0\0\x21\0\x12\0\4\0\0\0\0\0\7console", 21)),
      HasSubstr("a plain Kafka request came to a TLS listener"));
  EXPECT_THAT(words_for_plain(true, "GET /metrics HTTP/1.1\r\n\r\n"),
              HasSubstr("an HTTP request came to a TLS listener"));
  EXPECT_THAT(words_for_plain(true, "SSH-2.0-OpenSSH_9.2\r\n"),
              HasSubstr("plain bytes came to a TLS listener (first bytes: 53 53 48"));
}

}  // namespace
}  // namespace dohle::net
