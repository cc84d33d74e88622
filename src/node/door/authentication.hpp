#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "base/chain.hpp"
#include "base/principal.hpp"
#include "base/secure_random.hpp"
#include "base/time.hpp"
#include "node/door/served_login.hpp"
#include "wire/header.hpp"

namespace dohle::node {

/// The state of authentication of one connection. Decides how each frame of the connection is
/// handled.
///
/// Before the login only ApiVersions, SaslHandshake and SaslAuthenticate (KIP-43, KIP-152) are
/// accepted. After SaslHandshake version 0 only frames that hold the mechanism's messages are
/// accepted. The login may be repeated later (KIP-368), with the same user and mechanism; until
/// that has succeeded no other request is accepted. Reads no clock, and draws the nonces.
class Authentication {
 public:
  struct Options {
    std::vector<SaslMechanism> mechanisms;
    /// 0: a login lasts as long as its connection.
    std::chrono::milliseconds max_reauth{0};
  };

  /// The frame is a request for its handler.
  struct Serve {};
  struct Answer {
    Chain bytes;
  };
  /// The password has to be checked: `on_checked` takes the outcome. No frame may come before.
  struct Check {
    ServedLogin::Check what;
  };
  /// The connection closes, after a pause and after the answer, if there is one. No frame may come
  /// any more.
  struct Refuse {
    std::optional<Chain> answer;
    std::string why;
  };
  /// The connection closes at once.
  struct Close {
    std::string why;
  };
  using Action = std::variant<Serve, Answer, Check, Refuse, Close>;

  /// All arguments outlive it.
  Authentication(const Options& options, const Users& users, SecureRandom& random)
      : options_(options), users_(users), random_(random) {}

  [[nodiscard]] Action on_frame(const Slice& frame, TimePoint now);
  [[nodiscard]] Action on_checked(bool is_right, TimePoint now);

  /// Whether the client has logged in, even if it does so again at present.
  [[nodiscard]] bool is_authenticated() const { return principal_.has_value(); }
  /// Call it after the login only.
  [[nodiscard]] const Principal& principal() const { return *principal_; }

 private:
  enum class State : std::uint8_t {
    handshake,      ///< SaslHandshake is next, or ApiVersions
    authenticate,   ///< SaslAuthenticate is next
    raw_token,      ///< a frame with a message of the mechanism is next
    authenticated,  ///< any request
    refused,
  };
  /// The request that the login's next answer belongs to.
  struct Asked {
    std::int32_t correlation_id = 0;
    std::int16_t version = 0;
    bool is_raw = false;
  };

  [[nodiscard]] Action on_request(const Slice& frame, TimePoint now);
  [[nodiscard]] Action on_handshake(const wire::RequestFrame& request);
  [[nodiscard]] Action on_authenticate(const wire::RequestFrame& request, TimePoint now);
  [[nodiscard]] Action on_wrong_state(const wire::RequestFrame& request);
  [[nodiscard]] Action act(ServedLogin::Step step, TimePoint now);
  [[nodiscard]] Action accept(ServedLogin::Accepted accepted, TimePoint now);
  [[nodiscard]] Action refuse_login(const std::string& why);
  [[nodiscard]] Action refuse(std::optional<Chain> answer, std::string why);
  [[nodiscard]] Chain token_answer(std::string_view token,
                                   std::chrono::milliseconds lifetime) const;
  [[nodiscard]] bool begins_again(const Slice& frame, TimePoint now);

  const Options& options_;
  const Users& users_;
  SecureRandom& random_;
  State state_ = State::handshake;
  std::optional<ServedLogin> login_;
  Asked asked_;
  std::optional<Principal> principal_;
  /// The mechanism of the last successful login.
  SaslMechanism mechanism_ = SaslMechanism::plain;
  TimePoint expires_at_ = never;
  /// When the login was last begun again.
  std::optional<TimePoint> began_again_at_;
  /// ApiVersions requests since the connection or the login began.
  std::uint8_t asked_versions_ = 0;
};

}  // namespace dohle::node
