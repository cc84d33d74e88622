#include "auth/scram.hpp"

#include <algorithm>
#include <array>
#include <charconv>
#include <utility>

#include "base/assert.hpp"
#include "base/base64.hpp"
#include "base/printable.hpp"

namespace dohle::auth {

namespace {

// "n,,": no channel binding, and no other authorization id.
constexpr std::string_view client_gs2_header = "n,,";

Error malformed(std::string_view what) {
  return Error::client(Errc::malformed, "SCRAM: " + std::string(what));
}

Result<void> check_size(std::string_view message) {
  if (message.size() <= max_scram_message_bytes) return {};
  return fail(malformed("a message of " + std::to_string(message.size()) + " bytes; at most " +
                        std::to_string(max_scram_message_bytes) + " are allowed"));
}

/// Reads a message's attributes in their order: `name=value`, with ',' between them.
class Attributes {
 public:
  explicit Attributes(std::string_view rest) : rest_(rest) {}

  /// If absent, the next attribute has another name.
  std::optional<std::string_view> take(char name) {
    if (rest_.size() < 2 || rest_[0] != name || rest_[1] != '=') return std::nullopt;
    rest_.remove_prefix(2);
    const std::size_t end = std::min(rest_.find(','), rest_.size());
    const std::string_view value = rest_.substr(0, end);
    rest_.remove_prefix(std::min(end + 1, rest_.size()));
    return value;
  }
  [[nodiscard]] bool has(char name) const { return rest_.starts_with(name); }

 private:
  std::string_view rest_;
};

bool is_nonce(std::string_view text) {
  return !text.empty() && std::ranges::all_of(text, [](char character) {
    return character > ' ' && character <= '~' && character != ',';
  });
}

std::string escaped(std::string_view name) {
  std::string text;
  for (const char character : name) {
    if (character == '=') {
      text += "=3D";
    } else if (character == ',') {
      text += "=2C";
    } else {
      text += character;
    }
  }
  return text;
}

std::optional<std::string> unescaped(std::string_view text) {
  std::string name;
  while (!text.empty()) {
    if (text.starts_with("=2C") || text.starts_with("=3D")) {
      name += text[1] == '2' ? ',' : '=';
      text.remove_prefix(3);
    } else if (text.front() == '=') {
      return std::nullopt;
    } else {
      name += text.front();
      text.remove_prefix(1);
    }
  }
  return name;
}

bool is_ascii_name(std::string_view name) {
  return !name.empty() && std::ranges::all_of(name, [](char character) {
    return static_cast<unsigned char>(character) < 0x80 && character != '\0';
  });
}

std::optional<std::uint32_t> number_in(std::string_view text) {
  std::uint32_t number = 0;
  const auto [end, fault] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (fault != std::errc() || end != text.data() + text.size()) return std::nullopt;
  return number;
}

std::string xor_of(std::string_view one, std::string_view other) {
  DOHLE_ASSERT(one.size() == other.size(), "both sides of a proof have the digest's size");
  std::string out(one.size(), '\0');
  for (std::size_t i = 0; i < one.size(); ++i) out[i] = static_cast<char>(one[i] ^ other[i]);
  return out;
}

constexpr std::string_view base36 = "0123456789abcdefghijklmnopqrstuvwxyz";

// As ScramFormatter of Apache Kafka: new BigInteger(130, random).toString(36).
std::string java_salt_of(std::string_view octets) {
  std::array<unsigned char, 17> number{};
  std::copy_n(octets.begin(), number.size(), number.begin());
  number[0] &= 3;
  std::string text;
  while (std::ranges::any_of(number, [](unsigned char each) { return each != 0; })) {
    unsigned rest = 0;
    for (unsigned char& each : number) {
      const unsigned value = rest << 8 | each;
      each = static_cast<unsigned char>(value / base36.size());
      rest = static_cast<unsigned>(value % base36.size());
    }
    text.insert(text.begin(), base36[rest]);
  }
  return text;
}

// The server's reason for a failed login (RFC 5802, server-error).
Error refused_by_server(std::string_view why) {
  return Error::client(Errc::malformed, "SCRAM: the server says " + printable(why));
}

}  // namespace

ScramKeys derive_keys(Digest digest, std::string_view password, std::string_view salt,
                      std::uint32_t iterations) {
  return keys_of_salted(digest, stretch(digest, password, salt, iterations).reveal());
}

ScramKeys keys_of_salted(Digest digest, std::string_view salted_password) {
  return {derive(digest, salted_password, "Client Key"),
          derive(digest, salted_password, "Server Key")};
}

ScramVerifier make_verifier(Digest digest, const ScramKeys& keys, std::string salt,
                            std::uint32_t iterations) {
  return {std::move(salt), hash(digest, keys.client_key.reveal()),
          std::string(keys.server_key.reveal()), iterations};
}

SaltForm form_of_salt(std::string_view salt) {
  // Shorter ones of Java are rarer than one in a billion.
  constexpr std::size_t shortest = 20, longest = 26;
  const bool is_java = salt.size() >= shortest && salt.size() <= longest &&
                       std::ranges::all_of(salt, [](char c) { return base36.contains(c); });
  return {is_java ? 0 : salt.size()};
}

ScramVerifier make_decoy(const VerifierForm& form, std::string_view key, std::string_view name) {
  const auto draw = [&](const std::string& what) {
    return hmac(form.digest, key, what + " " + std::string(name));
  };
  std::string salt = draw("salt");
  if (form.salt.octets == 0) {
    salt = java_salt_of(salt);
  } else {
    for (std::size_t i = 1; salt.size() < form.salt.octets; ++i) {
      salt += draw("salt" + std::to_string(i));
    }
    salt.resize(form.salt.octets);
  }
  return {std::move(salt), draw("stored-key"), draw("server-key"), form.iterations};
}

// --- the client

Result<void> ScramClient::check_name(std::string_view name) {
  if (name.empty()) return fail(Error::configuration("SCRAM: the user's name is empty"));
  if (!is_printable(name)) {
    return fail(
        Error::configuration("SCRAM: the user's name is not UTF-8, or holds control characters"));
  }
  return {};
}

ScramClient::ScramClient(Digest digest, std::string_view name, std::string nonce)
    : digest_(digest),
      first_bare_("n=" + escaped(name) + ",r=" + nonce),
      client_nonce_(std::move(nonce)) {
  DOHLE_ASSERT(is_nonce(client_nonce_), "the nonce is printable and has no comma");
}

std::string ScramClient::first_message() const {
  return std::string(client_gs2_header) + first_bare_;
}

Result<ScramClient::Challenge> ScramClient::on_server_first(std::string_view message) {
  if (auto fits = check_size(message); !fits) return fail(fits.error());
  Attributes attributes(message);
  if (const auto why = attributes.take('e')) return fail(refused_by_server(*why));
  if (attributes.has('m')) return fail(malformed("the server needs an extension"));
  const auto nonce = attributes.take('r');
  const auto salt = nonce ? attributes.take('s') : std::nullopt;
  const auto iterations = salt ? attributes.take('i') : std::nullopt;
  if (!iterations) return fail(malformed("this is no server's first message"));
  const bool continues_ours =
      nonce->starts_with(client_nonce_) && nonce->size() > client_nonce_.size() && is_nonce(*nonce);
  if (!continues_ours) return fail(malformed("the server's nonce does not begin with ours"));
  auto salt_octets = from_base64(*salt);
  if (!salt_octets || salt_octets->empty()) return fail(malformed("the salt is not base64"));
  const auto number = number_in(*iterations);
  if (!number || *number < min_scram_iterations || *number > max_client_iterations) {
    return fail(malformed("the server asks for " + printable(*iterations) + " iterations; " +
                          std::to_string(min_scram_iterations) + " to " +
                          std::to_string(max_client_iterations) + " are allowed"));
  }
  nonce_ = *nonce;
  server_first_ = message;
  return Challenge{*std::move(salt_octets), *number};
}

std::string ScramClient::final_message(const ScramKeys& keys) {
  DOHLE_ASSERT(!nonce_.empty(), "the server's first message came before");
  const std::string without_proof = "c=" + to_base64(client_gs2_header) + ",r=" + nonce_;
  const std::string login = first_bare_ + "," + server_first_ + "," + without_proof;
  const std::string_view client_key = keys.client_key.reveal();
  std::string stored_key = hash(digest_, client_key);
  const std::string signature = hmac(digest_, stored_key, login);
  cleanse(stored_key);
  server_signature_ = hmac(digest_, keys.server_key.reveal(), login);
  return without_proof + ",p=" + to_base64(xor_of(client_key, signature));
}

Result<void> ScramClient::on_server_final(std::string_view message) const {
  DOHLE_ASSERT(!server_signature_.empty(), "the final message was made before");
  if (auto fits = check_size(message); !fits) return fits;
  Attributes attributes(message);
  if (const auto why = attributes.take('e')) return fail(refused_by_server(*why));
  const auto verifier = attributes.take('v');
  const auto signature = verifier ? from_base64(*verifier) : std::nullopt;
  if (!signature) return fail(malformed("this is no server's final message"));
  if (!is_equal(*signature, server_signature_)) {
    return fail(
        malformed("the server does not know the user's keys: it is not the one that this "
                  "password belongs to"));
  }
  return {};
}

// --- the server

Result<std::string> ScramServer::on_client_first(std::string_view message) {
  if (auto fits = check_size(message); !fits) return fail(fits.error());
  if (message.starts_with("p=")) return fail(malformed("there is no channel binding"));
  if (!message.starts_with("n,") && !message.starts_with("y,")) {
    return fail(malformed("this is no client's first message"));
  }
  const std::size_t end_of_header = message.find(',', 2);
  if (end_of_header == std::string_view::npos) {
    return fail(malformed("this is no client's first message"));
  }
  const std::string_view authorization = message.substr(2, end_of_header - 2);
  gs2_header_ = message.substr(0, end_of_header + 1);
  first_bare_ = message.substr(end_of_header + 1);
  Attributes attributes(first_bare_);
  if (attributes.has('m')) return fail(malformed("the client needs an extension"));
  const auto escaped_name = attributes.take('n');
  const auto nonce = escaped_name ? attributes.take('r') : std::nullopt;
  if (!nonce) return fail(malformed("this is no client's first message"));
  if (!is_nonce(*nonce)) return fail(malformed("the client's nonce is not printable"));
  auto name = unescaped(*escaped_name);
  if (!name || !is_ascii_name(*name)) {
    return fail(
        malformed("the user's name is empty, is not ASCII, or has a '=' that is not "
                  "escaped"));
  }
  const bool is_own = authorization.empty() || authorization == "a=" + std::string(*escaped_name);
  if (!is_own) return fail(malformed("a user may not act for another one"));
  nonce_ = std::string(*nonce) + nonce_;
  return *std::move(name);
}

std::string ScramServer::first_message(ScramVerifier verifier) {
  DOHLE_ASSERT(!first_bare_.empty(), "the client's first message came before");
  verifier_ = std::move(verifier);
  server_first_ = "r=" + nonce_ + ",s=" + to_base64(verifier_.salt) +
                  ",i=" + std::to_string(verifier_.iterations);
  return server_first_;
}

Result<std::optional<std::string>> ScramServer::on_client_final(std::string_view message) const {
  DOHLE_ASSERT(!server_first_.empty(), "the server's first message was made before");
  if (auto fits = check_size(message); !fits) return fail(fits.error());
  const std::size_t end = message.rfind(",p=");
  Attributes attributes(message.substr(0, std::min(end, message.size())));
  const auto binding = attributes.take('c');
  const auto nonce = binding ? attributes.take('r') : std::nullopt;
  if (!nonce || end == std::string_view::npos) {
    return fail(malformed("this is no client's final message"));
  }
  if (*binding != to_base64(gs2_header_)) {
    return fail(malformed("the channel binding is not that of the first message"));
  }
  if (*nonce != nonce_) {
    // https://github.com/confluentinc/librdkafka/pull/4895
    const bool is_doubled = nonce->ends_with(nonce_);
    return fail(malformed(is_doubled ? "the nonce is not that of this login: librdkafka before "
                                       "2.6.1 sends its own part twice; update the client"
                                     : "the nonce is not that of this login"));
  }
  const auto proof = from_base64(message.substr(end + 3));
  if (!proof || proof->size() != size_of(digest_)) return fail(malformed("the proof is no proof"));
  const std::string login =
      first_bare_ + "," + server_first_ + "," + std::string(message.substr(0, end));
  std::string client_key = xor_of(*proof, hmac(digest_, verifier_.stored_key, login));
  const bool is_right = is_equal(hash(digest_, client_key), verifier_.stored_key);
  cleanse(client_key);
  if (!is_right) return std::nullopt;
  return "v=" + to_base64(hmac(digest_, verifier_.server_key, login));
}

}  // namespace dohle::auth
