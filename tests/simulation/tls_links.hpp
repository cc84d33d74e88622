#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/connection.hpp"
#include "net/tls/tls_stream.hpp"
#include "sim/process.hpp"
#include "sim/stream_layer.hpp"
#include "unit/net/tls/made_certificates.hpp"

namespace dohle::simulation {

/// Certificates of one CA. Their sizes, and those of the signatures, do not depend on the keys, so
/// that the same seed cuts the same bytes.
class Certificates {
 public:
  /// The parts of a PEM identity with this name. Its host is "node".
  [[nodiscard]] TlsIdentity identity(const std::string& name) const {
    const net::Made made = net::make(
        {.name = name, .alternatives = "DNS:node", .issuer = &authority_, .is_ed25519 = true});
    return {.certificate_pem = made.certificate_pem(), .key_pem = Secret(made.key_pem())};
  }
  [[nodiscard]] TlsTrust trust() const { return {.ca_pem = authority_.certificate_pem()}; }

  /// The text of java_name_of for a name.
  static std::string written(const std::string& name) { return "CN=" + name + ",O=Dohle"; }

 private:
  net::Made authority_ = net::make({.name = "CA", .is_authority = true, .is_ed25519 = true});
};

/// The fault of a stream after it has delivered bytes for the `step`th time.
enum class Harm : std::uint8_t {
  reset,    ///< both ends are reset
  resets,   ///< the same, and again while the next connection holds its first bytes
  end,      ///< no more bytes come, as if the other side had ended
  silence,  ///< no more bytes come
  damage,   ///< a bit of the bytes is flipped
};
struct PlannedHarm {
  Harm harm;
  int step;
  std::function<void()> reset;
  int steps_seen = 0;
  /// When it was done.
  std::optional<TimePoint> at = {};
};

/// A socket with a planned fault.
class HarmedSocket final : public ByteStream {
 public:
  HarmedSocket(std::unique_ptr<ByteStream> below, Executor& loop,
               std::shared_ptr<PlannedHarm> planned)
      : below_(std::move(below)), loop_(loop), planned_(std::move(planned)) {}

  Result<Moved> read(const ReadRoom& into) override {
    if (is_silent_) return Moved{0, StreamState::blocked};
    if (has_ended_) return Moved{0, StreamState::ended};
    Result<Moved> moved = below_->read(into);
    if (!moved || moved->bytes == 0 || ++planned_->steps_seen != planned_->step) return moved;
    planned_->at = loop_.tick().mono;
    switch (planned_->harm) {
      case Harm::reset:
      case Harm::resets:
        planned_->reset();
        break;
      case Harm::end:
        has_ended_ = true;
        moved->state = StreamState::ready;
        break;
      case Harm::silence:
        is_silent_ = true;
        moved->state = StreamState::blocked;
        break;
      case Harm::damage:
        flip_last_bit(into, moved->bytes);
        break;
    }
    return moved;
  }
  Result<Moved> read_slices(SliceQueue& into, std::size_t max_bytes) override {
    return below_->read_slices(into, max_bytes);
  }
  Result<Moved> write(WriteQueue& from) override { return below_->write(from); }
  void end_writes() override { below_->end_writes(); }
  void close() override { below_->close(); }

 private:
  static void flip_last_bit(const ReadRoom& into, std::size_t bytes) {
    for (std::size_t i = 0; i < into.count; ++i) {
      const iovec& piece = into.pieces[i];
      if (bytes > piece.iov_len) {
        bytes -= piece.iov_len;
        continue;
      }
      static_cast<std::byte*>(piece.iov_base)[bytes - 1] ^= std::byte{1};
      return;
    }
  }

  std::unique_ptr<ByteStream> below_;
  Executor& loop_;
  std::shared_ptr<PlannedHarm> planned_;
  bool has_ended_ = false;
  bool is_silent_ = false;
};

/// The streams that ship, on simulated sockets.
class TlsLayer : public sim::StreamLayer {
 public:
  /// If null, there is no fault.
  std::shared_ptr<PlannedHarm> planned;

 protected:
  explicit TlsLayer(sim::Process& self) : self_(self) {}
  std::unique_ptr<ByteStream> stack(const MakeSocket& socket,
                                    std::unique_ptr<net::TlsStream> tls) const {
    std::unique_ptr<ByteStream> below = socket(*tls);
    if (planned != nullptr) {
      below = std::make_unique<HarmedSocket>(std::move(below), self_.executor(), planned);
    }
    tls->set_stream(std::move(below));
    return tls;
  }

  sim::Process& self_;
};

/// A client's connections with TLS. The steps of its handshakes take a worker's time.
class TlsLinkDialer final : public ConnectionDialer, public TlsLayer {
 public:
  /// A connection that was dialed.
  struct Dialed {
    TimePoint at;
    std::shared_ptr<net::TlsSession> session;
    /// Its first bytes wait, since the connection before it ended unanswered.
    bool holds_hello = false;
  };

  TlsLinkDialer(sim::Process& self, net::TlsContext context)
      : TlsLayer(self), context_(std::move(context)), sockets_(self.dialer(*this)) {}

  std::unique_ptr<Connection> dial(const Endpoint& to, const DialOptions& options,
                                   ConnectionEvents& events) override {
    timeout_ = options.connect_timeout;
    address_ = to.to_string();
    return sockets_->dial(to, options, events);
  }
  std::unique_ptr<ByteStream> put_on(const MakeSocket& socket, StreamEvents& connection,
                                     std::string_view host) override {
    auto session = net::TlsSession::client(context_, host);
    dialed.push_back(
        {self_.clock().mono(), session, doubts_->pause_of(address_) > Duration::zero()});
    const net::TlsPlace place{
        .loop = self_.executor(), .workers = &self_.workers(), .handshake_timeout = timeout_};
    auto tls = std::make_unique<net::TlsStream>(place, connection, std::move(session));
    tls->set_doubts(doubts_, address_);
    return stack(socket, std::move(tls));
  }

  std::vector<Dialed> dialed;

 private:
  net::TlsContext context_;
  const std::shared_ptr<net::HelloDoubts> doubts_ = std::make_shared<net::HelloDoubts>();
  // The timeout of the dial under way.
  std::chrono::milliseconds timeout_{};
  std::string address_;
  std::unique_ptr<ConnectionDialer> sockets_;
};

/// A node's connections with TLS. The steps of their handshakes take turns.
class TlsLinkListening final : public Listening, public TlsLayer {
 public:
  TlsLinkListening(sim::Process& self, net::TlsContext context)
      : TlsLayer(self),
        turns_(self.workers(), self.executor()),
        context_(std::move(context)),
        sockets_(self.listening(*this)) {}

  Result<std::unique_ptr<Listener>> listen(const Endpoint& at, const ConnectionLimits& limits,
                                           Acceptor& acceptor) override {
    return sockets_->listen(at, limits, acceptor);
  }
  /// As net::TlsListening::use.
  void use(net::TlsContext context) { context_ = std::move(context); }
  [[nodiscard]] int accepted() const { return accepted_; }
  /// Handshakes that take or await a turn.
  [[nodiscard]] std::size_t stepping() const { return turns_.running() + turns_.waiting(); }

  std::unique_ptr<ByteStream> put_on(const MakeSocket& socket, StreamEvents& connection,
                                     std::string_view /*host*/) override {
    ++accepted_;
    const net::TlsPlace place{.loop = self_.executor(), .turns = &turns_};
    return stack(socket, std::make_unique<net::TlsStream>(place, connection,
                                                          net::TlsSession::server(context_)));
  }

 private:
  net::HandshakeTurns turns_;
  net::TlsContext context_;
  std::unique_ptr<Listening> sockets_;
  int accepted_ = 0;
};

}  // namespace dohle::simulation
