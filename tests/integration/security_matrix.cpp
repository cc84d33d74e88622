#include "security_matrix.hpp"

#include <algorithm>
#include <array>
#include <atomic>
#include <chrono>
#include <cstddef>
#include <map>
#include <set>
#include <utility>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "auth/plain.hpp"
#include "auth/scram.hpp"
#include "dohle/admin.hpp"
#include "dohle/client.hpp"
#include "dohle/producer.hpp"
#include "fault/wire_connection.hpp"
#include "relay.hpp"
#include "unit/node/tls_wire.hpp"
#include "wire/messages/api_versions.hpp"
#include "wire/messages/metadata.hpp"
#include "wire/messages/sasl_authenticate.hpp"
#include "wire/messages/sasl_handshake.hpp"

namespace dohle {

const std::vector<MatrixListener>& matrix_listeners() {
  using enum SecurityProtocol;
  constexpr auto plain = SaslMechanism::plain;
  constexpr auto sha256 = SaslMechanism::scram_sha_256, sha512 = SaslMechanism::scram_sha_512;
  static const std::vector<SaslMechanism> all = {plain, sha256, sha512};
  static const std::vector<MatrixListener> listeners = {
      {.name = "open"},
      {.name = "login", .protocol = sasl_plaintext, .mechanisms = all},
      {.name = "tls", .protocol = ssl},
      {.name = "tlslogin", .protocol = sasl_ssl, .mechanisms = all},
      {.name = "expired", .protocol = ssl, .is_expired = true},
      {.name = "expiredlogin", .protocol = sasl_ssl, .mechanisms = all, .is_expired = true},
      {.name = "newest", .protocol = ssl, .has_only_tls_1_3 = true},
      {.name = "newestlogin", .protocol = sasl_ssl, .mechanisms = all, .has_only_tls_1_3 = true},
      {.name = "mutual", .protocol = ssl, .requires_certificates = true},
      {.name = "mutuallogin",
       .protocol = sasl_ssl,
       .mechanisms = all,
       .requires_certificates = true},
      {.name = "weak", .protocol = sasl_plaintext, .mechanisms = {plain, sha256}},
      {.name = "tlsweak", .protocol = sasl_ssl, .mechanisms = {plain, sha256}},
      {.name = "strong", .protocol = sasl_plaintext, .mechanisms = {sha512}},
      {.name = "tlsstrong", .protocol = sasl_ssl, .mechanisms = {sha512}},
  };
  return listeners;
}

std::string matrix_title_of(std::optional<SaslMechanism> mechanism) {
  if (!mechanism) return "none";
  switch (*mechanism) {
    case SaslMechanism::plain:
      return "plain";
    case SaslMechanism::scram_sha_256:
      return "scram_sha_256";
    case SaslMechanism::scram_sha_512:
      return "scram_sha_512";
  }
  return "?";
}

namespace {

using namespace std::chrono_literals;
using testing::AnyOf;
using testing::HasSubstr;
using testing::Not;

constexpr auto limit = 2s;
const std::string guarded = "guarded";

class Server final : public testing::Environment {
 public:
  void SetUp() override {
    made_.emplace();
    server_ = start_matrix_server(*made_);
    ASSERT_NE(server_, nullptr);
  }
  void TearDown() override {
    checkers_.clear();
    server_.reset();
  }

  static const MatrixServer& get() { return *server_; }
  static const MatrixCertificates& certificates() { return *made_; }
  /// A client at the plaintext listener of the server that has this one.
  static Admin checker(std::string_view listener) {
    const std::uint16_t port = server_->open_port(listener);
    if (const auto known = checkers_.find(port); known != checkers_.end()) {
      return known->second.admin();
    }
    ClientOptions options;
    options.bootstrap_servers = {"127.0.0.1:" + std::to_string(port)};
    Client client = Client::create(options).value();
    EXPECT_TRUE(client.admin().create_topics({{.name = guarded, .partitions = 1}}));
    return checkers_.emplace(port, std::move(client)).first->second.admin();
  }

 private:
  static inline std::optional<MatrixCertificates> made_;
  static inline std::unique_ptr<MatrixServer> server_;
  static inline std::map<std::uint16_t, Client> checkers_;
};
[[maybe_unused]] const testing::Environment* const the_server =
    testing::AddGlobalTestEnvironment(new Server);

/// The state of the server, as its plaintext listener shows it.
struct Held {
  std::set<std::string> topics;
  std::int64_t end = -1;
  friend bool operator==(const Held&, const Held&) = default;
};
void PrintTo(const Held& held, std::ostream* to) {
  *to << testing::PrintToString(held.topics) << " and " << held.end << " guarded records";
}
Held held_by(std::string_view listener) {
  Admin admin = Server::checker(listener);
  Held held;
  const auto topics = admin.list_topics();
  EXPECT_TRUE(topics) << topics.error().to_string();
  if (!topics) return held;
  for (const TopicListing& topic : *topics) held.topics.insert(topic.name);
  const auto ends = admin.list_offsets({{{guarded, PartitionId{0}}, OffsetSpec::latest()}});
  EXPECT_TRUE(ends && ends->at(0).result);
  if (ends && ends->at(0).result) held.end = ends->at(0).result->offset.value;
  return held;
}

// --- this client

enum class Fault : std::uint8_t {
  none,
  wrong_password,
  unknown_user,
  mechanism_not_offered,
  login_not_taken,
  login_missing,
  certificate_expired,
  wrong_host,
  unknown_issuer,
  tls_below_the_minimum,
  client_certificate_shown,
  client_certificate_missing,
  client_certificate_expired,
  client_certificate_of_a_stranger,
  no_tls_at_a_listener_with_it,
  tls_at_a_listener_without_it,
};

/// Which cells of a fault exist.
enum class Exists : std::uint8_t { always, with_login, without_login, with_tls, without_tls };

struct Expected {
  Fault fault;
  std::string_view name;
  Exists exists;
  /// Of the connection's attempts before the client gives up: one, unless an end without words has
  /// to be seen again.
  std::size_t connections = 1;
  /// A part of the error.
  std::string_view words = {};
  /// The broker's code, or 0 for an error of the client.
  std::int16_t code = 0;
  Errc errc = Errc::handshake_failed;
};

constexpr std::array expectations = {
    Expected{Fault::none, "right", Exists::always},
    Expected{Fault::wrong_password, "wrong_password", Exists::with_login, 1, "log in as alice", 58},
    Expected{Fault::unknown_user, "unknown_user", Exists::with_login, 1, "log in as mallory", 58},
    Expected{Fault::mechanism_not_offered, "mechanism_not_offered", Exists::with_login, 1,
             "the server offers ", 33},
    Expected{Fault::login_not_taken, "login_not_taken", Exists::with_login, 1,
             "this listener of the server takes no login", 34},
    Expected{Fault::login_missing, "login_missing", Exists::without_login, 3,
             "it may require a login", 0, Errc::login_failed},
    Expected{Fault::certificate_expired, "certificate_expired", Exists::with_tls, 1,
             "has expired on"},
    Expected{Fault::wrong_host, "wrong_host", Exists::with_tls, 1,
             "the server's certificate is not for '127.0.0.1'; it is for localhost"},
    Expected{Fault::unknown_issuer, "unknown_issuer", Exists::with_tls, 1, "unknown issuer"},
    Expected{Fault::tls_below_the_minimum, "tls_below_the_minimum", Exists::with_tls, 1,
             "no common TLS version"},
    Expected{Fault::client_certificate_shown, "client_certificate_shown", Exists::with_tls},
    Expected{Fault::client_certificate_missing, "client_certificate_missing", Exists::with_tls, 1,
             "the server requires a client certificate, and none is set"},
    Expected{Fault::client_certificate_expired, "client_certificate_expired", Exists::with_tls, 1,
             "client's certificate"},
    Expected{Fault::client_certificate_of_a_stranger, "client_certificate_of_a_stranger",
             Exists::with_tls, 1, "client's certificate"},
    Expected{Fault::no_tls_at_a_listener_with_it, "no_tls_at_a_listener_with_it",
             Exists::without_tls, 1, "the other side speaks TLS, and this client does not"},
    Expected{Fault::tls_at_a_listener_without_it, "tls_at_a_listener_without_it", Exists::with_tls,
             2, "it may be a plain listener"},
};

struct Cell {
  std::optional<SaslMechanism> mechanism;
  bool is_over_tls = false;
  const Expected* expected = nullptr;

  [[nodiscard]] Fault fault() const { return expected->fault; }
  [[nodiscard]] bool is_right() const {
    return fault() == Fault::none || fault() == Fault::client_certificate_shown;
  }
  [[nodiscard]] std::string name() const {
    return matrix_title_of(mechanism) + (is_over_tls ? "_over_tls_" : "_") +
           std::string(expected->name);
  }
};
void PrintTo(const Cell& cell, std::ostream* to) {
  *to << cell.name();
}

bool exists(const Cell& cell) {
  switch (cell.expected->exists) {
    case Exists::always:
      return true;
    case Exists::with_login:
      return cell.mechanism.has_value();
    case Exists::without_login:
      return !cell.mechanism.has_value();
    case Exists::with_tls:
      return cell.is_over_tls;
    case Exists::without_tls:
      return !cell.is_over_tls;
  }
  return false;
}

std::vector<Cell> cells() {
  std::vector<Cell> made;
  for (const Expected& expected : expectations) {
    for (const bool is_over_tls : {false, true}) {
      for (const std::optional<SaslMechanism> mechanism :
           {std::optional<SaslMechanism>(), std::optional(SaslMechanism::plain),
            std::optional(SaslMechanism::scram_sha_256),
            std::optional(SaslMechanism::scram_sha_512)}) {
        const Cell cell{mechanism, is_over_tls, &expected};
        if (exists(cell)) made.push_back(cell);
      }
    }
  }
  return made;
}

// 4 mechanisms, with none among them, and each with and without TLS.
TEST(SecurityCells, CoverEveryFaultWithEachLoginAndTls) {
  std::map<Fault, std::size_t> count;
  std::set<std::string> names;
  for (const Cell& cell : cells()) {
    ++count[cell.fault()];
    EXPECT_TRUE(names.insert(cell.name()).second) << cell.name();
  }
  EXPECT_EQ(count.size(), expectations.size());
  for (const Expected& expected : expectations) {
    const std::size_t wanted = expected.exists == Exists::always          ? 8
                               : expected.exists == Exists::with_login    ? 6
                               : expected.exists == Exists::without_login ? 2
                                                                          : 4;
    EXPECT_EQ(count[expected.fault], wanted) << expected.name;
  }
  EXPECT_EQ(names.size(), 74u);
}

std::string listener_of(const Cell& cell) {
  const bool has_login = cell.mechanism.has_value();
  const std::string tls = cell.is_over_tls ? "tls" : "", login = has_login ? "login" : "";
  switch (cell.fault()) {
    case Fault::mechanism_not_offered:
      return tls + (cell.mechanism == SaslMechanism::scram_sha_512 ? "weak" : "strong");
    case Fault::login_not_taken:
      return cell.is_over_tls ? "tls" : "open";
    case Fault::login_missing:
      return tls + "login";
    case Fault::certificate_expired:
      return "expired" + login;
    case Fault::tls_below_the_minimum:
      return "newest" + login;
    case Fault::client_certificate_shown:
    case Fault::client_certificate_missing:
    case Fault::client_certificate_expired:
    case Fault::client_certificate_of_a_stranger:
      return "mutual" + login;
    case Fault::no_tls_at_a_listener_with_it:
      return "tls" + login;
    case Fault::tls_at_a_listener_without_it:
      return has_login ? "login" : "open";
    default:
      return cell.is_over_tls || has_login ? tls + login : "open";
  }
}

TlsIdentity identity_of(net::Wanted wanted) {
  wanted.name = "client";
  const net::Made made = net::make(wanted);
  return {.certificate_pem = made.certificate_pem(), .key_pem = Secret(made.key_pem())};
}

TlsOptions tls_options(Fault fault) {
  const MatrixCertificates& made = Server::certificates();
  TlsOptions tls{.trust = {.ca_pem = made.authority.certificate_pem()}};
  if (fault == Fault::unknown_issuer) tls.trust.ca_pem = made.stranger.certificate_pem();
  if (fault == Fault::tls_below_the_minimum) tls.parameters.max_version = TlsVersion::tls_1_2;
  if (fault == Fault::client_certificate_shown) {
    tls.identity = identity_of({.issuer = &made.authority});
  }
  if (fault == Fault::client_certificate_expired) {
    tls.identity = identity_of({.issuer = &made.authority, .begins_in = -86'400, .ends_in = -3600});
  }
  if (fault == Fault::client_certificate_of_a_stranger) {
    tls.identity = identity_of({.issuer = &made.stranger});
  }
  return tls;
}

ClientOptions options_of(const Cell& cell, std::uint16_t port) {
  ClientOptions options;
  const std::string host = cell.fault() == Fault::wrong_host ? "127.0.0.1:" : "localhost:";
  options.bootstrap_servers = {host + std::to_string(port)};
  options.logger = silent_logger();
  options.default_api_timeout = limit;
  if (cell.is_over_tls) options.tls = tls_options(cell.fault());
  if (cell.mechanism) {
    const bool is_unknown = cell.fault() == Fault::unknown_user;
    const bool is_wrong = cell.fault() == Fault::wrong_password;
    options.sasl = SaslOptions{*cell.mechanism, is_unknown ? "mallory" : std::string(matrix_user),
                               Secret(is_wrong ? "another" : matrix_password)};
  }
  return options;
}

class SecurityMatrix : public testing::TestWithParam<Cell> {
 protected:
  /// Requires an error within 2 s, and returns it.
  template <class Call>
  static Error refused(std::string_view what, Call call) {
    const auto begin = std::chrono::steady_clock::now();
    const auto result = call();
    EXPECT_LT(std::chrono::steady_clock::now() - begin, limit) << what;
    EXPECT_FALSE(result) << what << " succeeds";
    return result ? Error::client(Errc::already_exists, what) : result.error();
  }
};

void expect_words(const Cell& cell, const Error& why) {
  const Expected& expected = *cell.expected;
  EXPECT_FALSE(why.is_retriable()) << why.to_string();
  EXPECT_TRUE(why.is_auth()) << why.to_string();
  EXPECT_TRUE(expected.code != 0 ? why.is_broker(expected.code) : why.is(expected.errc))
      << why.to_string();
  EXPECT_THAT(std::string(why.message()), HasSubstr(expected.words));
  EXPECT_THAT(why.to_string(), Not(HasSubstr(matrix_password)));
}

// No connection is weaker than the options say.
void expect_no_fallback(const Cell& cell, const std::vector<Relay::Seen>& seen) {
  for (const Relay::Seen& each : seen) {
    const std::string& sent = each.to_server;
    if (sent.empty()) continue;  // it was closed while it held back its first bytes
    const std::string begin = cell.is_over_tls ? std::string("\x16\x03", 2) : std::string(2, '\0');
    EXPECT_EQ(sent.substr(0, 2), begin);
    for (const auto other :
         {SaslMechanism::plain, SaslMechanism::scram_sha_256, SaslMechanism::scram_sha_512}) {
      if (cell.mechanism == other) continue;
      EXPECT_THAT(sent, Not(HasSubstr(to_string(other))));
    }
    if (cell.mechanism == SaslMechanism::plain && !cell.is_over_tls) continue;
    EXPECT_THAT(sent, Not(HasSubstr(matrix_password)));
  }
}

void expect_served(Client& client, const std::string& listener, const std::string& topic) {
  const Held before = held_by(listener);
  const auto connected = client.connect(10s);
  ASSERT_TRUE(connected) << connected.error().to_string();
  const auto created = client.admin().create_topics({{.name = topic, .partitions = 1}});
  ASSERT_TRUE(created && created->at(0).result);
  auto producer = client.producer().value();
  ASSERT_TRUE(producer.send(guarded, {.value = as_bytes("a record")}));
  const auto flushed = producer.flush(10s);
  ASSERT_TRUE(flushed && flushed->failed == 0);
  const Held after = held_by(listener);
  EXPECT_TRUE(after.topics.contains(topic));
  EXPECT_EQ(after.end, before.end + 1);
}

TEST_P(SecurityMatrix, ServesRightClientsAndRefusesOthersWithTheExpectedError) {
  const Cell& cell = GetParam();
  const std::string listener = listener_of(cell);
  const Relay relay(Server::get().port(listener));
  auto client = Client::create(options_of(cell, relay.port())).value();
  const std::string topic = "by_" + cell.name();
  if (cell.is_right()) {
    expect_served(client, listener, topic);
    return expect_no_fallback(cell, relay.seen());
  }
  const Held before = held_by(listener);
  expect_words(cell, refused("connect", [&] { return client.connect(10s); }));
  EXPECT_EQ(relay.seen().size(), cell.expected->connections);
  (void)refused("create_topics", [&]() -> Result<CreatedTopic> {
    auto created = client.admin().create_topics({{.name = topic, .partitions = 1}});
    if (!created) return fail(created.error());
    return created->at(0).result;
  });
  auto producer = client.producer().value();
  (void)refused("send", [&] { return producer.send(guarded, {.value = as_bytes("a record")}); });
  expect_no_fallback(cell, relay.seen());
  EXPECT_EQ(held_by(listener), before);
}

INSTANTIATE_TEST_SUITE_P(Cell, SecurityMatrix, testing::ValuesIn(cells()),
                         [](const auto& cell) { return cell.param.name(); });

// --- this client, and an attacker between it and the server

struct Tampering {
  std::string_view name;
  bool is_to_client;
  /// The byte behind this text is changed, or the text to `instead`.
  std::string_view text, instead = {};
  /// A part of the error that the client finds. Empty if the server refuses the login.
  std::string_view words = {};
};

constexpr std::array tamperings = {
    Tampering{"nonce_of_the_server", true, "r=", {}, "nonce"},
    Tampering{"salt", true, ",s="},
    Tampering{"fewer_iterations", true, ",i=4096", ",i=1024", "iterations"},
    Tampering{"signature_of_the_server", true, "v=", {}, "does not know"},
    Tampering{"name_of_the_user", false, "n,,n="},
    Tampering{"channel_binding", false, "c=biws", "c=eSws"},
    Tampering{"nonce_of_the_client", false, "c=biws,r="},
    Tampering{"proof", false, ",p="},
};

class TamperedLogin : public testing::TestWithParam<std::tuple<SaslMechanism, const Tampering*>> {};

TEST_P(TamperedLogin, IsRefused) {
  const auto [mechanism, tampering] = GetParam();
  std::atomic<int> changed = 0;
  const Relay relay(Server::get().port("login"), [&](std::string& bytes, bool is_to_client) {
    const auto at = bytes.find(tampering->text);
    if (is_to_client != tampering->is_to_client || at == std::string::npos) return;
    const std::size_t behind = at + tampering->text.size();
    ++changed;
    if (!tampering->instead.empty()) {
      bytes.replace(at, tampering->text.size(), tampering->instead);
    } else {
      bytes[behind] = bytes[behind] == 'A' ? 'B' : 'A';
    }
  });
  Cell cell{mechanism, false, &expectations[0]};
  auto client = Client::create(options_of(cell, relay.port())).value();
  const Held before = held_by("login");
  const auto begin = std::chrono::steady_clock::now();
  const auto connected = client.connect(10s);
  EXPECT_LT(std::chrono::steady_clock::now() - begin, limit);
  ASSERT_FALSE(connected);
  EXPECT_EQ(changed, 1);
  const Error& why = connected.error();
  if (tampering->words.empty()) {
    EXPECT_TRUE(why.is_broker(58)) << why.to_string();
  } else {
    EXPECT_TRUE(why.is(Errc::login_failed)) << why.to_string();
    EXPECT_THAT(std::string(why.message()), HasSubstr(tampering->words));
  }
  EXPECT_EQ(relay.seen().size(), 1u);
  EXPECT_EQ(held_by("login"), before);
}

std::vector<const Tampering*> all_tamperings() {
  std::vector<const Tampering*> all;
  for (const Tampering& each : tamperings) all.push_back(&each);
  return all;
}

INSTANTIATE_TEST_SUITE_P(By, TamperedLogin,
                         testing::Combine(testing::Values(SaslMechanism::scram_sha_256,
                                                          SaslMechanism::scram_sha_512),
                                          testing::ValuesIn(all_tamperings())),
                         [](const auto& of) {
                           return matrix_title_of(std::get<0>(of.param)) + "_" +
                                  std::string(std::get<1>(of.param)->name);
                         });

// --- a raw client

/// A connection of a raw client, with or without TLS, and the messages of a login.
class RawLogin {
 public:
  RawLogin(SaslMechanism mechanism, bool is_over_tls)
      : RawLogin(mechanism, is_over_tls ? "tlslogin" : "login", is_over_tls) {}
  RawLogin(SaslMechanism mechanism, std::string_view listener, bool is_over_tls)
      : mechanism_(mechanism) {
    const std::uint16_t port = Server::get().port(listener);
    if (!is_over_tls) {
      plain_.emplace(port);
      return;
    }
    tls_.emplace(port);
    const auto done = tls_->shake_hands(*net::TlsContext::client(tls_options(Fault::none)));
    EXPECT_TRUE(done) << done.error().to_string();
  }

  template <class Request>
  Result<typename Request::Response> ask(const Request& request, std::int16_t version) {
    return plain_ ? plain_->ask(request, version) : tls_->ask(request, version);
  }
  Result<wire::SaslHandshakeResponse> shake_hands() {
    wire::SaslHandshakeRequest request;
    request.mechanism = to_string(mechanism_);
    return ask(request, 1);
  }
  void choose() {
    const auto answer = shake_hands();
    ASSERT_TRUE(answer) << answer.error().to_string();
    EXPECT_EQ(answer->error_code, 0);
  }
  Result<wire::SaslAuthenticateResponse> authenticate(std::string_view message) {
    wire::SaslAuthenticateRequest request;
    request.auth_bytes = Slice::copy_of(message);
    return ask(request, 2);
  }
  /// The server's message; absent if it refuses this one, by an answer or by the end of the
  /// connection.
  std::optional<std::string> say(std::string_view message) {
    const auto answer = authenticate(message);
    if (!answer || answer->error_code != 0) return std::nullopt;
    return std::string(answer->auth_bytes.text());
  }
  /// Whether another request is answered.
  bool is_served() { return ask(wire::MetadataRequest{}, 12).has_value(); }

 private:
  SaslMechanism mechanism_;
  std::optional<fault::WireConnection> plain_;
  std::optional<TlsWire> tls_;
};

/// The two messages of a SCRAM client, made for a server's first message.
struct Messages {
  explicit Messages(SaslMechanism mechanism)
      : digest(auth::digest_of(mechanism)), scram(digest, matrix_user, "clientnonce") {}
  [[nodiscard]] std::string first() const { return scram.first_message(); }
  std::string final_for(const std::string& server_first) {
    const auto challenge = scram.on_server_first(server_first);
    EXPECT_TRUE(challenge) << server_first;
    if (!challenge) return {};
    return scram.final_message(
        auth::derive_keys(digest, matrix_password, challenge->salt, challenge->iterations));
  }
  auth::Digest digest;
  auth::ScramClient scram;
};

struct Attack {
  std::string_view name;
  /// Tries to log in. Returns whether the server let it.
  bool (*try_it)(SaslMechanism mechanism, RawLogin& login, bool is_over_tls);
};

bool with_first(RawLogin& login, std::string_view first) {
  login.choose();
  return login.say(first).has_value();
}
/// Changes the final message of a right login.
template <class Change>
bool with_final(SaslMechanism mechanism, RawLogin& login, Change change) {
  Messages messages(mechanism);
  login.choose();
  const auto challenge = login.say(messages.first());
  EXPECT_TRUE(challenge.has_value());
  if (!challenge) return false;
  std::string final = messages.final_for(*challenge);
  change(final);
  return login.say(final).has_value();
}
void replace(std::string& text, std::string_view part, std::string_view with) {
  const auto at = text.find(part);
  ASSERT_NE(at, std::string::npos) << text;
  text.replace(at, part.size(), with);
}
void change_byte_behind(std::string& text, std::string_view part, std::size_t more = 0) {
  const auto at = text.find(part);
  ASSERT_NE(at, std::string::npos) << text;
  char& byte = text.at(at + part.size() + more);
  byte = byte == 'A' ? 'B' : 'A';
}

constexpr std::array attacks = {
    Attack{"channel_binding_is_demanded",
           [](SaslMechanism, RawLogin& login, bool) {
             return with_first(login, "p=tls-unique,,n=alice,r=clientnonce");
           }},
    Attack{"another_user_is_asked_for",
           [](SaslMechanism, RawLogin& login, bool) {
             return with_first(login, "n,a=bob,n=alice,r=clientnonce");
           }},
    Attack{"the_first_message_is_cut",
           [](SaslMechanism, RawLogin& login, bool) { return with_first(login, "n,,n=alice"); }},
    Attack{"the_first_message_is_empty",
           [](SaslMechanism, RawLogin& login, bool) { return with_first(login, ""); }},
    Attack{"the_channel_binding_is_another",
           [](SaslMechanism mechanism, RawLogin& login, bool) {
             return with_final(mechanism, login,
                               [](std::string& final) { replace(final, "c=biws", "c=eSws"); });
           }},
    Attack{"the_nonce_is_another",
           [](SaslMechanism mechanism, RawLogin& login, bool) {
             return with_final(mechanism, login,
                               [](std::string& final) { change_byte_behind(final, "r=client"); });
           }},
    Attack{"the_part_of_the_nonce_of_the_server_is_another",
           [](SaslMechanism mechanism, RawLogin& login, bool) {
             return with_final(mechanism, login, [](std::string& final) {
               change_byte_behind(final, "r=clientnonce", 2);
             });
           }},
    Attack{"the_proof_is_another",
           [](SaslMechanism mechanism, RawLogin& login, bool) {
             return with_final(mechanism, login,
                               [](std::string& final) { change_byte_behind(final, ",p=", 3); });
           }},
    Attack{"the_proof_is_missing",
           [](SaslMechanism mechanism, RawLogin& login, bool) {
             return with_final(mechanism, login,
                               [](std::string& final) { final.resize(final.find(",p=")); });
           }},
    Attack{"the_proof_is_cut",
           [](SaslMechanism mechanism, RawLogin& login, bool) {
             return with_final(mechanism, login,
                               [](std::string& final) { final.resize(final.find(",p=") + 7); });
           }},
    Attack{"the_first_message_comes_twice",
           [](SaslMechanism mechanism, RawLogin& login, bool) {
             Messages messages(mechanism);
             return with_final(mechanism, login,
                               [&](std::string& final) { final = messages.first(); });
           }},
    Attack{"a_login_is_replayed",
           [](SaslMechanism mechanism, RawLogin& login, bool is_over_tls) {
             Messages messages(mechanism);
             RawLogin former(mechanism, is_over_tls);
             former.choose();
             const auto challenge = former.say(messages.first());
             EXPECT_TRUE(challenge.has_value());
             const std::string final = messages.final_for(challenge.value_or(""));
             EXPECT_TRUE(former.say(final).has_value());
             EXPECT_TRUE(former.is_served());
             login.choose();
             EXPECT_TRUE(login.say(messages.first()).has_value());
             return login.say(final).has_value();
           }},
    Attack{"a_final_message_is_replayed_at_once",
           [](SaslMechanism mechanism, RawLogin& login, bool is_over_tls) {
             Messages messages(mechanism);
             RawLogin former(mechanism, is_over_tls);
             former.choose();
             const std::string final =
                 messages.final_for(former.say(messages.first()).value_or(""));
             EXPECT_TRUE(former.say(final).has_value());
             login.choose();
             return login.say(final).has_value();
           }},
};

class AttackedLogin
    : public testing::TestWithParam<std::tuple<SaslMechanism, bool, const Attack*>> {};

TEST_P(AttackedLogin, IsRefused) {
  const auto [mechanism, is_over_tls, attack] = GetParam();
  const Held before = held_by("login");
  RawLogin login(mechanism, is_over_tls);
  const auto begin = std::chrono::steady_clock::now();
  EXPECT_FALSE(attack->try_it(mechanism, login, is_over_tls));
  EXPECT_FALSE(login.is_served());
  EXPECT_LT(std::chrono::steady_clock::now() - begin, limit);
  EXPECT_EQ(held_by("login"), before);
}

std::vector<const Attack*> all_attacks() {
  std::vector<const Attack*> all;
  for (const Attack& each : attacks) all.push_back(&each);
  return all;
}

INSTANTIATE_TEST_SUITE_P(By, AttackedLogin,
                         testing::Combine(testing::Values(SaslMechanism::scram_sha_256,
                                                          SaslMechanism::scram_sha_512),
                                          testing::Bool(), testing::ValuesIn(all_attacks())),
                         [](const auto& of) {
                           return matrix_title_of(std::get<0>(of.param)) +
                                  (std::get<1>(of.param) ? "_over_tls_" : "_") +
                                  std::string(std::get<2>(of.param)->name);
                         });

// --- a raw client with a right or a wrong login

struct Credentials {
  std::string_view name, user, password;
  std::int16_t code = 0;
};

constexpr std::array all_credentials = {
    Credentials{"right", matrix_user, matrix_password},
    Credentials{"wrong_password", matrix_user, "another", 58},
    Credentials{"unknown_user", "mallory", matrix_password, 58},
};
void PrintTo(const Credentials& credentials, std::ostream* to) {
  *to << credentials.name;
}

/// The server's last answer: an unknown user may be refused at its first message or at its last.
Result<wire::SaslAuthenticateResponse> log_in(SaslMechanism mechanism, RawLogin& login,
                                              const Credentials& as) {
  login.choose();
  if (mechanism == SaslMechanism::plain) {
    return login.authenticate(auth::plain_message(as.user, as.password).value().reveal());
  }
  const auth::Digest digest = auth::digest_of(mechanism);
  auth::ScramClient scram(digest, as.user, "clientnonce");
  auto first = login.authenticate(scram.first_message());
  if (!first || first->error_code != 0) return first;
  const auto challenge = scram.on_server_first(first->auth_bytes.text());
  if (!challenge) return fail(challenge.error());
  return login.authenticate(scram.final_message(
      auth::derive_keys(digest, as.password, challenge->salt, challenge->iterations)));
}

class RawLogins : public testing::TestWithParam<std::tuple<SaslMechanism, bool, Credentials>> {};

TEST_P(RawLogins, AreAcceptedOrRefusedWithTheErrorCodeOfALogin) {
  const auto [mechanism, is_over_tls, as] = GetParam();
  const Held before = held_by("login");
  RawLogin login(mechanism, is_over_tls);
  const auto begin = std::chrono::steady_clock::now();
  const auto last = log_in(mechanism, login, as);
  ASSERT_TRUE(last) << last.error().to_string();
  EXPECT_EQ(last->error_code, as.code);
  const std::string words = last->error_message.value_or("");
  EXPECT_THAT(words, HasSubstr(as.code == 0 ? "" : "Authentication failed"));
  EXPECT_THAT(words, Not(HasSubstr(as.password)));
  EXPECT_EQ(login.is_served(), as.code == 0);
  EXPECT_LT(std::chrono::steady_clock::now() - begin, limit);
  EXPECT_EQ(held_by("login"), before);
}

INSTANTIATE_TEST_SUITE_P(By, RawLogins,
                         testing::Combine(testing::Values(SaslMechanism::plain,
                                                          SaslMechanism::scram_sha_256,
                                                          SaslMechanism::scram_sha_512),
                                          testing::Bool(), testing::ValuesIn(all_credentials)),
                         [](const auto& of) {
                           return matrix_title_of(std::get<0>(of.param)) +
                                  (std::get<1>(of.param) ? "_over_tls_" : "_") +
                                  std::string(std::get<2>(of.param).name);
                         });

class RawHandshake : public testing::TestWithParam<bool> {};

TEST_P(RawHandshake, ForAnUnknownMechanismIsAnsweredWithTheOfferedOnes) {
  const bool is_over_tls = GetParam();
  const std::string tls = is_over_tls ? "tls" : "";
  const auto refused = [&](SaslMechanism mechanism, const std::string& listener) {
    const auto begin = std::chrono::steady_clock::now();
    RawLogin login(mechanism, listener, is_over_tls);
    const auto answer = login.shake_hands();
    EXPECT_TRUE(answer) << answer.error().to_string();
    if (!answer) return std::vector<std::string>();
    EXPECT_EQ(answer->error_code, 33);
    EXPECT_FALSE(login.is_served());
    EXPECT_LT(std::chrono::steady_clock::now() - begin, limit);
    return answer->mechanisms;
  };
  const Held before = held_by("weak");
  using enum SaslMechanism;
  EXPECT_THAT(refused(scram_sha_512, tls + "weak"),
              testing::UnorderedElementsAre("PLAIN", "SCRAM-SHA-256"));
  for (const SaslMechanism each : {plain, scram_sha_256}) {
    EXPECT_THAT(refused(each, tls + "strong"), testing::ElementsAre("SCRAM-SHA-512"));
  }
  EXPECT_EQ(held_by("weak"), before);
}

INSTANTIATE_TEST_SUITE_P(Of, RawHandshake, testing::Bool(), [](const auto& is_over_tls) {
  return std::string(is_over_tls.param ? "over_tls" : "plain");
});

// --- a raw client that is asked for a certificate

class RawCertificates
    : public testing::TestWithParam<std::tuple<Fault, std::string_view, TlsVersion>> {};

TEST_P(RawCertificates, AreAcceptedOrRefusedBeforeTheFirstRequest) {
  const auto [fault, listener, version] = GetParam();
  const Held before = held_by(listener);
  TlsOptions options = tls_options(fault);
  options.parameters.max_version = version;
  const auto begin = std::chrono::steady_clock::now();
  TlsWire wire(Server::get().port(listener));
  const auto done = wire.shake_hands(*net::TlsContext::client(options));
  if (fault == Fault::client_certificate_shown) {
    ASSERT_TRUE(done) << done.error().to_string();
    wire::ApiVersionsRequest request;
    request.client_software_name = "raw";
    request.client_software_version = "1";
    EXPECT_TRUE(wire.ask(request, 3));
    return;
  }
  // In TLS 1.3 the refusal comes after the client is done (RFC 8446, 2).
  EXPECT_EQ(done.has_value(), version == TlsVersion::tls_1_3);
  const auto more = done ? wire.read(1) : Result<std::string>(fail(done.error()));
  ASSERT_FALSE(more);
  EXPECT_THAT(std::string(more.error().message()), HasSubstr("TLS handshake failed: "));
  if (version == TlsVersion::tls_1_3) {
    const auto expected = std::ranges::find(expectations, fault, &Expected::fault);
    EXPECT_THAT(std::string(more.error().message()), HasSubstr(expected->words));
  }
  EXPECT_LT(std::chrono::steady_clock::now() - begin, limit);
  EXPECT_EQ(held_by(listener), before);
}

INSTANTIATE_TEST_SUITE_P(
    Of, RawCertificates,
    testing::Combine(testing::Values(Fault::client_certificate_shown,
                                     Fault::client_certificate_missing,
                                     Fault::client_certificate_expired,
                                     Fault::client_certificate_of_a_stranger),
                     testing::Values("mutual", "mutuallogin"),
                     testing::Values(TlsVersion::tls_1_2, TlsVersion::tls_1_3)),
    [](const auto& of) {
      const auto expected =
          std::ranges::find(expectations, std::get<0>(of.param), &Expected::fault);
      return std::string(expected->name) + "_at_" + std::string(std::get<1>(of.param)) +
             (std::get<2>(of.param) == TlsVersion::tls_1_2 ? "_by_tls_1_2" : "_by_tls_1_3");
    });

// --- a raw client with an old TLS

std::string big_endian(std::size_t value, std::size_t bytes) {
  std::string text;
  for (std::size_t i = bytes; i-- > 0;) text += static_cast<char>(value >> (8 * i) & 0xff);
  return text;
}

/// The first bytes of a client whose newest version is this one.
std::string old_hello(std::uint16_t version) {
  const std::string ciphers("\xc0\x13\xc0\x14\x00\x2f\x00\x35", 8);
  const std::string groups("\x00\x0a\x00\x06\x00\x04\x00\x1d\x00\x17", 10);
  const std::string formats("\x00\x0b\x00\x02\x01\x00", 6);
  std::string body = big_endian(version, 2) + std::string(32, 'r') + std::string(1, '\0') +
                     big_endian(ciphers.size(), 2) + ciphers + std::string("\x01\x00", 2) +
                     big_endian(groups.size() + formats.size(), 2) + groups + formats;
  body = "\x01" + big_endian(body.size(), 3) + body;
  return std::string("\x16\x03\x01", 3) + big_endian(body.size(), 2) + body;
}

class OldTls : public testing::TestWithParam<std::tuple<std::uint16_t, std::string_view>> {};

TEST_P(OldTls, IsRefusedWithAnAlert) {
  const auto [version, listener] = GetParam();
  const Held before = held_by(listener);
  const std::string answer = answer_until_closed(Server::get().port(listener), old_hello(version));
  ASSERT_EQ(answer.size(), 7u) << testing::PrintToString(answer);
  EXPECT_EQ(answer.substr(0, 2), "\x15\x03");
  constexpr char fatal = 2, protocol_version = 70, handshake_failure = 40;
  EXPECT_EQ(answer[5], fatal);
  EXPECT_THAT(answer[6],
              AnyOf(protocol_version, version == 0x0300 ? handshake_failure : protocol_version));
  EXPECT_EQ(held_by(listener), before);
}

INSTANTIATE_TEST_SUITE_P(Of, OldTls,
                         testing::Combine(testing::Values(0x0300, 0x0301, 0x0302),
                                          testing::Values("tls", "tlslogin", "mutual", "newest")),
                         [](const auto& of) {
                           const auto version = std::get<0>(of.param);
                           return std::string(version == 0x0300   ? "ssl_3_at_"
                                              : version == 0x0301 ? "tls_1_0_at_"
                                                                  : "tls_1_1_at_") +
                                  std::string(std::get<1>(of.param));
                         });

}  // namespace
}  // namespace dohle
