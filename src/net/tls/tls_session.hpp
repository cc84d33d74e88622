#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>

#include "base/slice_queue.hpp"
#include "base/write_queue.hpp"
#include "net/tls/tls_context.hpp"

namespace dohle::net {

/// The next step that a handshake needs.
enum class HandshakeState : std::uint8_t {
  needs_bytes,  ///< bytes of the other side
  done,         ///< nothing: data may be read and written
};

/// One side of one TLS connection, over bytes in memory: encrypted ones come in through `received`
/// and go out through `to_send`. Owns no stream. Keeps its context.
///
/// Thread safety: one thread at a time, any thread, so that a costly `handshake` may run beside the
/// loop. Errors are not retriable if the same attempt would fail again; afterwards only `to_send`
/// is of use, which may hold the alert for the other side.
class TlsSession {
 public:
  /// A client's side. `host` is verified unless the options name another one.
  [[nodiscard]] static std::shared_ptr<TlsSession> client(const TlsContext& context,
                                                          std::string_view host);
  [[nodiscard]] static std::shared_ptr<TlsSession> server(const TlsContext& context);
  ~TlsSession();
  TlsSession(const TlsSession&) = delete;
  TlsSession& operator=(const TlsSession&) = delete;

  [[nodiscard]] bool is_server() const;
  /// Encrypted bytes of the other side. The session takes them off the front.
  [[nodiscard]] SliceQueue& received();
  /// Encrypted bytes for the other side. The owner takes them off the front.
  [[nodiscard]] WriteQueue& to_send();

  /// Continues the handshake with the received bytes. Costs up to milliseconds on a server (its
  /// private key) and where certificates are verified.
  [[nodiscard]] Result<HandshakeState> handshake();
  /// Decrypts received bytes. Fewer bytes than there is room for: all received ones are used.
  [[nodiscard]] Result<std::size_t> read(std::span<std::byte> into);
  /// Encrypts at least one and at most `max_bytes` bytes of the slices at the front of `from`, in
  /// records of up to 16 KiB, and takes none off. A slice of 8 KiB or more begins a record, so that
  /// it is not copied; shorter ones share records. Returns the number of bytes.
  [[nodiscard]] Result<std::size_t> write(const WriteQueue& from, std::size_t max_bytes);
  /// Gives back the memory that is kept for the next write.
  void release_idle_room();
  /// Appends close_notify to `to_send`.
  void end_writes();
  /// True once the other side's close_notify was read.
  [[nodiscard]] bool has_ended() const;
  /// True once `read` gives no more data: it has ended or failed.
  [[nodiscard]] bool is_over() const;
  /// The error for an end of the bytes below before `has_ended`.
  [[nodiscard]] Error ended_early() const;

  /// The subject of the other side's verified certificate, as Java writes it (see java_name_of).
  /// Empty if it sent none, or if it was not verified.
  [[nodiscard]] std::optional<std::string> peer_principal() const;
  /// "TLSv1.3" and "TLS_AES_256_GCM_SHA384", for logs. Valid while the session lives.
  [[nodiscard]] std::string_view version() const;
  [[nodiscard]] std::string_view cipher() const;

 private:
  struct Parts;
  explicit TlsSession(std::unique_ptr<Parts> parts);
  static std::unique_ptr<Parts> make_parts(const TlsContext& context);
  [[nodiscard]] Error failure();

  std::unique_ptr<Parts> parts_;
};

}  // namespace dohle::net
