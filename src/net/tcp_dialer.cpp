#include <cerrno>
#include <cstring>
#include <string>
#include <utility>
#include <vector>

#include "base/assert.hpp"
#include "net/poller.hpp"
#include "net/resolver.hpp"
#include "net/socket.hpp"
#include "net/stream_stack.hpp"
#include "net/tcp.hpp"
#include "net/tls/followed_context.hpp"

namespace dohle::net {

namespace {

// A dial to a port of this machine without a listener may, by chance, connect the socket to itself.
bool is_connected_to_itself(int socket) {
  SocketAddress here;
  SocketAddress there;
  ::getsockname(socket, here.get(), &here.size);
  ::getpeername(socket, there.get(), &there.size);
  return here.size == there.size && std::memcmp(here.get(), there.get(), here.size) == 0;
}

// Resolves a name and tries its addresses one after the other, all within one timeout. Owned by the
// stream that it opens.
class Dial final : public std::enable_shared_from_this<Dial>, public Watcher {
 public:
  Dial(Loop& loop, Endpoint to, const DialOptions& options, TcpStream& stream)
      : loop_(loop), to_(std::move(to)), options_(options), stream_(stream) {}
  ~Dial() {
    end_attempt();
    loop_.cancel(timer_);
    if (query_ != nullptr) query_->give_up();
  }
  Dial(const Dial&) = delete;
  Dial& operator=(const Dial&) = delete;

  void begin(Resolver& resolver) {
    timer_ = loop_.arm(loop_.tick().mono + options_.connect_timeout, [weak = weak_from_this()] {
      if (const auto self = weak.lock()) self->time_out();
    });
    if (auto numeric = addresses_of(to_, Lookup::numeric)) {
      addresses_ = *std::move(numeric);
      loop_.post([weak = weak_from_this()] {
        if (const auto self = weak.lock()) self->connect_next();
      });
      return;
    }
    query_ = resolver.resolve(to_, loop_, [this](NameQuery::Answer answer) {
      const auto self = shared_from_this();
      if (!answer) return fail(answer.error());
      addresses_ = *std::move(answer);
      connect_next();
    });
  }

 private:
  void connect_next() {
    while (next_ < addresses_.size()) {
      if (connect(addresses_[next_++])) return;
      last_errno_ = errno;
    }
    fail(Error::client(Errc::connection_failed, text_of_errno(last_errno_)));
  }

  // Returns false, with errno set, if the attempt failed at once. Otherwise an event brings the
  // outcome.
  bool connect(const SocketAddress& address) {
    DOHLE_ASSERT(watch_ == 0, "two addresses are tried at once");
    socket_ = tcp_socket(address.family(), options_.limits);
    if (!socket_.is_open()) return false;
    if (::connect(socket_.number(), address.get(), address.size) != 0 && errno != EINPROGRESS) {
      return false;
    }
    watch_ = loop_.poller().watch(socket_.number(), *this);
    return watch_ != 0;
  }

  void on_ready(std::uint32_t /*events*/) override {
    const auto self = shared_from_this();
    int code = 0;
    socklen_t size = sizeof code;
    ::getsockopt(socket_.number(), SOL_SOCKET, SO_ERROR, &code, &size);
    if (code == 0 && is_connected_to_itself(socket_.number())) code = ECONNREFUSED;
    if (code == 0) return stream_.opened(std::move(socket_), std::exchange(watch_, 0));
    last_errno_ = code;
    end_attempt();
    connect_next();
  }

  void time_out() {
    timer_ = 0;
    const std::string limit = std::to_string(options_.connect_timeout.count());
    fail(Error::client(Errc::connection_failed, "no answer within " + limit + " ms"));
  }

  void fail(const Error& why) {
    const auto self = shared_from_this();
    stream_.failed(why);
  }

  void end_attempt() {
    loop_.poller().remove(std::exchange(watch_, 0));
    socket_.close();
  }

  Loop& loop_;
  const Endpoint to_;
  const DialOptions options_;
  TcpStream& stream_;
  std::shared_ptr<NameQuery> query_;
  std::vector<SocketAddress> addresses_;
  std::size_t next_ = 0;
  Descriptor socket_;
  WatchId watch_ = 0;
  int last_errno_ = 0;
  TimerId timer_ = 0;
};

}  // namespace

TcpDialer::TcpDialer(Loop& loop, std::optional<DialedTls> tls)
    : loop_(&loop),
      tls_(std::move(tls)),
      doubts_(tls_ ? std::make_shared<HelloDoubts>() : nullptr),
      resolver_(std::make_unique<Resolver>()) {}

TcpDialer::~TcpDialer() = default;

void TcpDialer::dial(const Endpoint& to, const DialOptions& options,
                     const std::shared_ptr<StreamOwner>& owner) {
  const auto begin = [loop = loop_, resolver = resolver_.get(), to, options](StreamOwner& of,
                                                                             TcpStack stack) {
    const auto dial = std::make_shared<Dial>(*loop, to, options, stack.bottom);
    stack.bottom.set_dial(dial);
    of.set_stream(std::move(stack.stream));
    dial->begin(*resolver);
  };
  if (!tls_) return begin(*owner, plain_stack(*loop_, *owner));
  const TlsPlace place{
      .loop = *loop_, .workers = &tls_->workers, .handshake_timeout = options.connect_timeout};
  // The context outlives neither this dialer nor its resolver.
  tls_->context.next(*loop_, tls_->workers,
                     [weak = std::weak_ptr(owner), loop = loop_, place, begin, doubts = doubts_,
                      to](const TlsContext& context) {
                       const auto held = weak.lock();
                       if (held == nullptr || held->is_closed()) return;
                       begin(*held,
                             tls_stack(*loop, *held, place, TlsSession::client(context, to.host),
                                       doubts, to.to_string()));
                     });
}

}  // namespace dohle::net
