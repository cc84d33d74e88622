#include <fcntl.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>

#include <boost/asio/ip/tcp.hpp>

#include "net/tcp.hpp"
#include "net/tcp_connection.hpp"

namespace dohle::net {

using boost::asio::ip::tcp;

namespace {

constexpr int accepts_per_turn = 64;
constexpr int backlog = 1024;

Endpoint endpoint_of(const tcp::endpoint& at) {
  return {at.address().to_string(), at.port()};
}

int spare_descriptor() {
  return ::open("/dev/null", O_RDONLY | O_CLOEXEC);
}

// Lives on while an accept is being handled, so that a listener may be destroyed by its acceptor.
class Accepting : public std::enable_shared_from_this<Accepting> {
 public:
  Accepting(Loop& loop, ConnectionLimits limits, Acceptor& acceptor, std::shared_ptr<Logger> logger)
      : loop_(loop),
        limits_(limits),
        acceptor_(&acceptor),
        logger_(std::move(logger)),
        socket_(loop.context()),
        spare_(spare_descriptor()) {}
  Accepting(const Accepting&) = delete;
  Accepting& operator=(const Accepting&) = delete;
  ~Accepting() {
    if (spare_ >= 0) ::close(spare_);
  }

  boost::system::error_code open(const tcp::endpoint& at) {
    boost::system::error_code code;
    if (socket_.open(at.protocol(), code)) return code;
    if (socket_.set_option(tcp::acceptor::reuse_address(true), code)) return code;
    if (socket_.bind(at, code)) return code;
    if (socket_.listen(backlog, code)) return code;
    return socket_.non_blocking(true, code);
  }
  [[nodiscard]] tcp::endpoint local() const {
    boost::system::error_code ignored;
    return socket_.local_endpoint(ignored);
  }

  void wait() {
    if (is_waiting_ || is_paused_ || !socket_.is_open()) return;
    is_waiting_ = true;
    socket_.async_wait(tcp::acceptor::wait_read,
                       [self = shared_from_this()](const boost::system::error_code& code) {
                         self->loop_.begin_turn();
                         self->is_waiting_ = false;
                         if (code == boost::system::error_code()) self->accept_some();
                       });
  }
  void pause() { is_paused_ = true; }
  void resume() {
    is_paused_ = false;
    wait();
  }
  void close() {
    boost::system::error_code ignored;
    socket_.close(ignored);
  }

 private:
  void accept_some() {
    for (int i = 0; i < accepts_per_turn && socket_.is_open() && !is_paused_; ++i) {
      tcp::endpoint peer;
      boost::system::error_code code;
      tcp::socket accepted = socket_.accept(peer, code);
      if (code == boost::asio::error::would_block) break;
      if (code.value() == EMFILE || code.value() == ENFILE) {
        if (!turn_one_away()) break;
        continue;
      }
      if (code == boost::system::error_code()) take(std::move(accepted), peer);
    }
    wait();
  }

  // Without a descriptor the connection would wait in the backlog for ever; the spare one lets the
  // client hear that it is not welcome.
  bool turn_one_away() {
    if (!was_full_) {
      logger_->log(LogLevel::error, "listener",
                   "the process has no file descriptor left: connections are turned away");
      was_full_ = true;
    }
    if (spare_ >= 0) ::close(std::exchange(spare_, -1));
    const int one = ::accept4(socket_.native_handle(), nullptr, nullptr, SOCK_CLOEXEC);
    if (one >= 0) ::close(one);
    spare_ = spare_descriptor();
    return one >= 0;
  }

  void take(tcp::socket socket, const tcp::endpoint& peer) {
    was_full_ = false;
    auto stream = std::make_shared<TcpStream>(loop_, limits_, endpoint_of(peer).to_string());
    stream->socket() = std::move(socket);
    ConnectionEvents* events = acceptor_->on_accept(std::make_unique<TcpConnection>(stream));
    if (events == nullptr || stream->is_closed()) return stream->close();
    stream->set_events(events);
    stream->opened();
  }

  Loop& loop_;
  ConnectionLimits limits_;
  Acceptor* acceptor_;
  std::shared_ptr<Logger> logger_;
  tcp::acceptor socket_;
  int spare_;
  bool is_paused_ = false;
  bool is_waiting_ = false;
  bool was_full_ = false;
};

class TcpListener final : public Listener {
 public:
  TcpListener(std::shared_ptr<Accepting> accepting, Endpoint local)
      : accepting_(std::move(accepting)), local_(std::move(local)) {}
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

}  // namespace

Result<std::unique_ptr<Listener>> TcpListening::listen(const Endpoint& at,
                                                       const ConnectionLimits& limits,
                                                       Acceptor& acceptor) {
  boost::system::error_code code;
  const auto address =
      boost::asio::ip::make_address(at.host == "localhost" ? "127.0.0.1" : at.host, code);
  if (code) {
    return fail(Error::configuration("cannot listen on " + at.to_string() +
                                     ": the host has to be a numeric address or localhost"));
  }
  auto accepting = std::make_shared<Accepting>(*loop_, limits, acceptor, logger_);
  code = accepting->open(tcp::endpoint(address, at.port));
  if (code) {
    return fail(Error::client(Errc::connection_failed,
                              "cannot listen on " + at.to_string() + ": " + code.message()));
  }
  accepting->wait();
  const Endpoint local = endpoint_of(accepting->local());
  return std::make_unique<TcpListener>(std::move(accepting), local);
}

}  // namespace dohle::net
