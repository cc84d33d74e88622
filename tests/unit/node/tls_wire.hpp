#pragma once

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

#include "net/tls/tls_session.hpp"
#include "wire/header.hpp"

namespace dohle {

/// A blocking socket to a node on 127.0.0.1, with TLS once `shake_hands` was called. Errors:
/// connection_lost; a silence of 20 s counts as one.
class TlsWire {
 public:
  explicit TlsWire(std::uint16_t port) {
    socket_ = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    sockaddr_in at{};
    at.sin_family = AF_INET;
    at.sin_port = htons(port);
    at.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    const timeval silence{.tv_sec = 20, .tv_usec = 0};
    ::setsockopt(socket_, SOL_SOCKET, SO_RCVTIMEO, &silence, sizeof silence);
    is_connected_ = ::connect(socket_, reinterpret_cast<const sockaddr*>(&at), sizeof at) == 0;
  }
  ~TlsWire() { ::close(socket_); }
  TlsWire(const TlsWire&) = delete;
  TlsWire& operator=(const TlsWire&) = delete;

  [[nodiscard]] bool is_connected() const { return is_connected_; }

  /// The bytes that a client sends first.
  static std::string first_bytes(const net::TlsContext& context) {
    const auto session = net::TlsSession::client(context, "localhost");
    (void)session->handshake();
    return taken(*session);
  }

  Result<void> shake_hands(const net::TlsContext& context) {
    if (auto begun = begin(context); !begun) return begun;
    return finish();
  }
  /// Sends the first bytes of a handshake.
  Result<void> begin(const net::TlsContext& context) {
    session_ = net::TlsSession::client(context, "localhost");
    (void)session_->handshake();
    return flush();
  }
  Result<void> finish() {
    for (;;) {
      auto state = session_->handshake();
      if (auto sent = flush(); !sent) return sent;
      if (!state) return fail(state.error());
      if (*state == net::HandshakeState::done) return {};
      if (auto got = receive(); !got) return fail(session_->ended_early());
    }
  }

  template <class Request>
  Result<typename Request::Response> ask(const Request& request,
                                         std::int16_t version = Request::api.versions.max) {
    auto bytes = wire::encode_request(++sent_, "test", request, version);
    if (!bytes) return fail(bytes.error());
    WriteQueue queue;
    queue.append(Chain(*bytes->flatten()));
    while (!queue.empty()) {
      auto written = session_->write(queue, queue.size());
      if (!written) return fail(written.error());
      queue.consume(*written);
    }
    if (auto done = flush(); !done) return fail(done.error());
    auto length = read(4);
    if (!length) return fail(length.error());
    std::size_t size = 0;
    for (const char c : *length) size = size << 8 | static_cast<unsigned char>(c);
    auto body = read(size);
    if (!body) return fail(body.error());
    auto split = wire::decode_response_header(Slice::copy_of(*body), Request::api, version);
    if (!split) return fail(split.error());
    return wire::decode<typename Request::Response>(split->body, version);
  }

  /// So many decrypted bytes. Errors: also the alert with which the node ends the connection.
  Result<std::string> read(std::size_t size) {
    std::string bytes(size, '\0');
    for (std::size_t have = 0; have < size;) {
      auto got = session_->read(std::as_writable_bytes(std::span(bytes).subspan(have)));
      if (!got) return fail(got.error());
      have += *got;
      if (*got > 0) continue;
      if (auto more = receive(); !more) return fail(session_->ended_early());
    }
    return bytes;
  }

  void send_bytes(std::string_view bytes) const {
    (void)::send(socket_, bytes.data(), bytes.size(), MSG_NOSIGNAL);
  }
  /// Everything up to the end of the stream, or up to 20 s of silence.
  [[nodiscard]] std::string rest() const {
    std::string all;
    std::array<char, 4096> bytes;
    ssize_t got = 0;
    while ((got = ::recv(socket_, bytes.data(), bytes.size(), 0)) > 0) {
      all.append(bytes.data(), static_cast<std::size_t>(got));
    }
    return all;
  }
  /// Waits for the end of the stream. False after 20 s of silence.
  [[nodiscard]] bool is_closed_by_the_node() const {
    std::array<char, 4096> bytes;
    ssize_t got = 0;
    while ((got = ::recv(socket_, bytes.data(), bytes.size(), 0)) > 0) {
    }
    return got == 0 || (errno != EAGAIN && errno != EWOULDBLOCK);
  }
  [[nodiscard]] const net::TlsSession& session() const { return *session_; }

 private:
  static std::string taken(net::TlsSession& session) {
    WriteQueue& queue = session.to_send();
    std::string bytes;
    std::vector<Slice> slices;
    if (!queue.empty()) (void)queue.take_slices(queue.size(), slices);
    for (const Slice& slice : slices) bytes += slice.text();
    return bytes;
  }
  Result<void> flush() {
    std::string bytes = taken(*session_);
    for (std::string_view rest = bytes; !rest.empty();) {
      const ssize_t sent = ::send(socket_, rest.data(), rest.size(), MSG_NOSIGNAL);
      if (sent <= 0) return fail(Error::client(Errc::connection_lost, "sending"));
      rest.remove_prefix(static_cast<std::size_t>(sent));
    }
    return {};
  }
  Result<void> receive() {
    std::array<char, 16 * 1024> bytes;
    const ssize_t got = ::recv(socket_, bytes.data(), bytes.size(), 0);
    if (got <= 0) return fail(Error::client(Errc::connection_lost, "receiving"));
    session_->received().add(
        Slice::copy_of(std::string_view(bytes.data(), static_cast<std::size_t>(got))));
    return {};
  }

  int socket_ = -1;
  bool is_connected_ = false;
  std::shared_ptr<net::TlsSession> session_;
  std::int32_t sent_ = 0;
};

}  // namespace dohle
