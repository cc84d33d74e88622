// Frames of a connection that has not logged in, or has: none of them logs a client in without its
// password, or makes another user of one that has.
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "auth/plain.hpp"
#include "base/secure_random.hpp"
#include "disk/memory_disk.hpp"
#include "node/door/authentication.hpp"
#include "wire/messages/sasl_authenticate.hpp"
#include "wire/messages/sasl_handshake.hpp"

namespace {

using namespace dohle;
using node::Authentication;

void require(bool holds) {
  if (!holds) std::abort();
}

class NoLoop final : public Executor {
 public:
  void post(Task) override {}
  [[nodiscard]] bool is_loop_thread() const override { return true; }
  TimerId arm(TimePoint, Task) override { return 1; }
  void cancel(TimerId) override {}
  [[nodiscard]] Now tick() const override { return {}; }
};

class NoLog final : public Logger {
 public:
  [[nodiscard]] LogLevel level() const noexcept override { return LogLevel::error; }
  void log(LogLevel, std::string_view, std::string_view) noexcept override {}
};

/// Users that are not there: each login meets a decoy.
struct NoUsers {
  NoUsers() {
    const auto opened = users.open({});
    require(opened.has_value());
  }
  NoLoop loop;
  NoLog log;
  node::Lines lines{loop, log};
  SeededSecureRandom random{1};
  disk::MemoryDisk disk{loop, {}};
  node::Users users{disk, random, lines, {.directory = "/", .are_needed = true}};
};

const Authentication::Options options{
    {SaslMechanism::plain, SaslMechanism::scram_sha_256, SaslMechanism::scram_sha_512},
    std::chrono::minutes(1)};

template <class M>
Slice frame_of(const M& message, std::int16_t version) {
  const auto bytes = wire::encode_request(7, "fuzz", message, version);
  return bytes->flatten()->sub(4);
}

Slice handshake_for(std::uint8_t choice) {
  wire::SaslHandshakeRequest request;
  request.mechanism = to_string(options.mechanisms[choice % 3]);
  return frame_of(request, choice / 3 % 2);
}

/// The next piece of the input: its first byte is its length.
std::string_view next_piece(std::string_view& rest) {
  const auto size = static_cast<std::uint8_t>(rest.front());
  const std::string_view piece = rest.substr(1, size);
  rest.remove_prefix(1 + piece.size());
  return piece;
}

/// False once the connection closes.
bool play(Authentication& login, const Slice& frame, TimePoint now) {
  auto action = login.on_frame(frame, now);
  if (std::holds_alternative<Authentication::Check>(action)) action = login.on_checked(false, now);
  return !std::holds_alternative<Authentication::Refuse>(action) &&
         !std::holds_alternative<Authentication::Close>(action);
}

/// Frames as they are, or the pieces as messages of a login with the mechanism of the first byte.
void play_all(Authentication& login, std::string_view input) {
  TimePoint now{};
  if (input.empty()) return;
  const auto choice = static_cast<std::uint8_t>(input.front());
  input.remove_prefix(1);
  const bool is_login = choice % 2 == 0;
  const bool is_raw = is_login && choice / 2 / 3 % 2 == 0;
  if (is_login && !play(login, handshake_for(choice / 2), now)) return;
  while (!input.empty()) {
    now += std::chrono::milliseconds(300);
    const std::string_view piece = next_piece(input);
    Slice frame = Slice::copy_of(piece);
    if (is_login && !is_raw) {
      wire::SaslAuthenticateRequest request;
      request.auth_bytes = frame;
      frame = frame_of(request, choice % 3);
    }
    if (!play(login, frame, now)) return;
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  static NoUsers none;
  const std::string_view input(reinterpret_cast<const char*>(data), size);
  SeededSecureRandom random(2);
  Authentication stranger(options, none.users, random);
  play_all(stranger, input);
  require(!stranger.is_authenticated());

  Authentication alice(options, none.users, random);
  wire::SaslAuthenticateRequest request;
  request.auth_bytes = Slice::copy_of(auth::plain_message("alice", "password")->reveal());
  require(play(alice, handshake_for(3), TimePoint{}));
  const auto checking = alice.on_frame(frame_of(request, 2), TimePoint{});
  require(std::holds_alternative<Authentication::Check>(checking));
  (void)alice.on_checked(true, TimePoint{});
  play_all(alice, input);
  require(alice.is_authenticated() && alice.principal() == Principal{"User", "alice"});
  return 0;
}
