#include <fcntl.h>
#include <unistd.h>

#include <cerrno>
#include <chrono>

#include "base/assert.hpp"
#include "net/poller.hpp"
#include "net/socket.hpp"
#include "net/stream_stack.hpp"
#include "net/tcp.hpp"
#include "net/tls_listening.hpp"

namespace dohle::net {

namespace {

constexpr int accepts_per_turn = 64;
constexpr int backlog = 1024;
constexpr auto retry_after = std::chrono::milliseconds(100);
// Minimum time between two log lines about rejected clients.
constexpr auto quiet = std::chrono::seconds(10);

Descriptor spare_descriptor() {
  return Descriptor(::open("/dev/null", O_RDONLY | O_CLOEXEC));
}

bool is_without_descriptors(int code) {
  return code == EMFILE || code == ENFILE;
}

// Kept alive while it accepts, so that the acceptor may destroy the listener.
class Accepting final : public std::enable_shared_from_this<Accepting>, public Watcher {
 public:
  Accepting(Loop& loop, const ConnectionLimits& limits, std::shared_ptr<StreamAcceptor> acceptor,
            std::shared_ptr<Logger> logger, std::shared_ptr<const TlsServing> tls)
      : loop_(loop),
        limits_(limits),
        acceptor_(std::move(acceptor)),
        logger_(std::move(logger)),
        tls_(std::move(tls)),
        spare_(spare_descriptor()) {}
  ~Accepting() { close(); }
  Accepting(const Accepting&) = delete;
  Accepting& operator=(const Accepting&) = delete;

  // Returns false, with errno set, if the system refuses.
  bool open(const SocketAddress& at) {
    socket_ = tcp_socket(at.family(), limits_);
    const int on = 1;
    if (!socket_.is_open() ||
        ::setsockopt(socket_.number(), SOL_SOCKET, SO_REUSEADDR, &on, sizeof on) != 0 ||
        ::bind(socket_.number(), at.get(), at.size) != 0 ||
        ::listen(socket_.number(), backlog) != 0) {
      return false;
    }
    watch_ = loop_.poller().watch(socket_.number(), *this);
    return watch_ != 0;
  }
  [[nodiscard]] Endpoint local() const {
    SocketAddress address;
    ::getsockname(socket_.number(), address.get(), &address.size);
    return address.endpoint();
  }

  void pause() { is_paused_ = true; }
  void resume() {
    is_paused_ = false;
    accept_later();
  }
  void close() {
    loop_.poller().remove(std::exchange(watch_, 0));
    loop_.cancel(std::exchange(retry_, 0));
    socket_.close();
  }

 private:
  void on_ready(std::uint32_t /*events*/) override { accept_some(); }

  void accept_later() {
    loop_.post([self = shared_from_this()] { self->accept_some(); });
  }

  // The watch is edge-triggered: it does not report a connection twice.
  void accept_some() {
    const auto self = shared_from_this();
    for (int i = 0; i < accepts_per_turn; ++i) {
      if (is_paused_ || !socket_.is_open()) return;
      SocketAddress peer;
      Descriptor socket(
          ::accept4(socket_.number(), peer.get(), &peer.size, SOCK_NONBLOCK | SOCK_CLOEXEC));
      if (socket.is_open()) {
        take(std::move(socket), peer);
      } else if (errno == EAGAIN || errno == EWOULDBLOCK) {
        return;
      } else if (is_without_descriptors(errno)) {
        if (!turn_one_away()) return retry_later();
      } else if (errno == ENOBUFS || errno == ENOMEM) {
        return retry_later();
      }
      // Any other error belongs to a connection that ended while it waited.
    }
    accept_later();
  }

  void retry_later() {
    if (retry_ != 0) return;
    retry_ = loop_.arm(loop_.tick().mono + retry_after, [weak = weak_from_this()] {
      const auto self = weak.lock();
      if (self == nullptr) return;
      self->retry_ = 0;
      self->accept_some();
    });
  }

  // Without a descriptor the connection would wait in the backlog for ever. The spare one serves to
  // accept and close it, so that the client sees the refusal.
  bool turn_one_away() {
    if (loop_.tick().mono >= quiet_until_) {
      quiet_until_ = loop_.tick().mono + quiet;
      logger_->log(LogLevel::error, "listener",
                   "the process has no file descriptor left: connections are refused");
    }
    spare_.close();
    const bool is_away =
        Descriptor(::accept4(socket_.number(), nullptr, nullptr, SOCK_CLOEXEC)).is_open();
    spare_ = spare_descriptor();
    return is_away;
  }

  void take(Descriptor socket, const SocketAddress& peer) {
    DOHLE_ASSERT(!is_paused_ && socket_.is_open(), "a listener that does not accept accepts");
    std::shared_ptr<StreamEvents> kept;
    TcpStream* opening = nullptr;
    const auto make = [&](const std::shared_ptr<StreamEvents>& owner) {
      kept = owner;
      TcpStack stack = stack_for(*owner);
      opening = &stack.bottom;
      return std::move(stack.stream);
    };
    const bool is_taken = acceptor_->on_accept(peer.endpoint().to_string(), make);
    if (is_taken) opening->opened(std::move(socket), 0);
  }

  TcpStack stack_for(StreamEvents& events) {
    if (tls_ == nullptr) return plain_stack(loop_, events);
    return tls_stack(loop_, events, {.loop = loop_, .turns = &tls_->turns},
                     TlsSession::server(tls_->context));
  }

  Loop& loop_;
  const ConnectionLimits limits_;
  const std::shared_ptr<StreamAcceptor> acceptor_;
  std::shared_ptr<Logger> logger_;
  const std::shared_ptr<const TlsServing> tls_;  // null for plain TCP
  Descriptor socket_;
  Descriptor spare_;
  WatchId watch_ = 0;
  TimerId retry_ = 0;
  bool is_paused_ = false;
  TimePoint quiet_until_{};
};

class TcpListener final : public Listener {
 public:
  explicit TcpListener(std::shared_ptr<Accepting> accepting)
      : accepting_(std::move(accepting)), local_(accepting_->local()) {}
  TcpListener(const TcpListener&) = delete;
  TcpListener& operator=(const TcpListener&) = delete;
  ~TcpListener() override { accepting_->close(); }
  const Endpoint& local() const override { return local_; }
  void pause() override { accepting_->pause(); }
  void resume() override { accepting_->resume(); }

 private:
  std::shared_ptr<Accepting> accepting_;
  Endpoint local_;
};

Result<std::unique_ptr<Listener>> listen_at(Loop& loop, const Endpoint& at,
                                            const ConnectionLimits& limits,
                                            std::shared_ptr<StreamAcceptor> acceptor,
                                            const std::shared_ptr<Logger>& logger,
                                            std::shared_ptr<const TlsServing> tls) {
  const Endpoint numeric{at.host == "localhost" ? "127.0.0.1" : at.host, at.port};
  const auto addresses = addresses_of(numeric, Lookup::numeric);
  if (!addresses) {
    return fail(Error::configuration("cannot listen on " + at.to_string() +
                                     ": the host has to be a numeric address or localhost"));
  }
  auto accepting =
      std::make_shared<Accepting>(loop, limits, std::move(acceptor), logger, std::move(tls));
  if (!accepting->open(addresses->front())) {
    const std::string why = text_of_errno(errno);
    return fail(
        Error::client(Errc::connection_failed, "cannot listen on " + at.to_string() + ": " + why));
  }
  return std::make_unique<TcpListener>(std::move(accepting));
}

}  // namespace

Result<std::unique_ptr<Listener>> TcpListening::listen(const Endpoint& at,
                                                       const ConnectionLimits& limits,
                                                       std::shared_ptr<StreamAcceptor> acceptor) {
  return listen_at(*loop_, at, limits, std::move(acceptor), logger_, nullptr);
}

TlsListening::TlsListening(Loop& loop, HandshakeTurns& turns, TlsContext context,
                           std::shared_ptr<Logger> logger)
    : loop_(&loop),
      logger_(std::move(logger)),
      serving_(std::make_shared<TlsServing>(std::move(context), turns)) {}

Result<std::unique_ptr<Listener>> TlsListening::listen(const Endpoint& at,
                                                       const ConnectionLimits& limits,
                                                       std::shared_ptr<StreamAcceptor> acceptor) {
  return listen_at(*loop_, at, limits, std::move(acceptor), logger_, serving_);
}

}  // namespace dohle::net
