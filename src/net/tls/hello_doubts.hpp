#pragma once

#include <chrono>
#include <optional>
#include <set>
#include <string>

#include "base/time.hpp"
#include "dohle/error.hpp"

namespace dohle::net {

/// Finds out whether a server that closes its connections unanswered speaks no TLS. A plain
/// listener of Kafka does that: it takes the first bytes of TLS for the length of a frame. A server
/// that has no room, and a proxy whose server is down, close their connections too, but do not wait
/// for bytes. So the next connection to such an address sends its first bytes after a pause. If it
/// is open until then, and is closed again at these bytes, the listener is plain.
///
/// For the connections of one client. Reads no clock. Not thread safe.
class HelloDoubts {
 public:
  static constexpr Duration pause = std::chrono::milliseconds(200);
  /// Time between the first bytes and the end that is put down to them.
  static constexpr Duration prompt = std::chrono::seconds(1);
  /// The most addresses that are kept.
  static constexpr std::size_t max_addresses = 1'000;

  /// How long a new connection to the address waits before it sends its first bytes. 0 without a
  /// doubt.
  [[nodiscard]] Duration pause_of(const std::string& address) const;

  struct Hello {
    bool was_held = false;
    /// Absent if the first bytes were not sent.
    std::optional<TimePoint> sent_at = {};
  };
  /// A connection ended before a byte of the server came. Returns the failure to report: `why`, or
  /// Errc::handshake_failed for a plain listener.
  [[nodiscard]] Error on_unanswered(const std::string& address, const Error& why, Hello hello,
                                    TimePoint now);
  /// A byte of the server came.
  void on_answered(const std::string& address);

 private:
  std::set<std::string> doubted_;
};

}  // namespace dohle::net
