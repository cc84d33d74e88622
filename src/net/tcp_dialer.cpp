#include <netinet/in.h>

#include <array>
#include <cerrno>
#include <cstring>
#include <string>
#include <utility>
#include <vector>

#include "base/assert.hpp"
#include "net/address_share.hpp"
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

constexpr std::size_t max_name_threads = 4;
constexpr std::size_t max_user_threads = 16;

// Finds the addresses of a host and tries them, all within one timeout, in one or two rows: in
// each one address after the other, of one family in each if there are two (RFC 6555). An address
// gets a share of the row's time. Owned by the stream that it opens.
class Dial final : public std::enable_shared_from_this<Dial> {
 public:
  Dial(Loop& loop, Endpoint to, const DialOptions& options,
       std::shared_ptr<const ConnectSettings> settings, TcpStream& stream)
      : loop_(loop),
        to_(std::move(to)),
        options_(options),
        settings_(std::move(settings)),
        stream_(stream) {}
  ~Dial() {
    for (AddressRow& row : rows_) end_attempt(row);
    loop_.cancel(timer_);
    loop_.cancel(fallback_timer_);
    if (query_ != nullptr) query_->give_up();
  }
  Dial(const Dial&) = delete;
  Dial& operator=(const Dial&) = delete;

  void begin(Resolver& resolver) {
    deadline_ = loop_.tick().mono + options_.connect_timeout;
    timer_ = loop_.arm(deadline_, [weak = weak_from_this()] {
      if (const auto self = weak.lock()) self->time_out();
    });
    if (settings_->asks_user()) {
      return ask(resolver, [settings = settings_, to = to_, timeout = options_.connect_timeout] {
        return ask_user(*settings, to, timeout);
      });
    }
    if (auto numeric = addresses_of(to_, Lookup::numeric)) {
      loop_.post([weak = weak_from_this(), addresses = *std::move(numeric)]() mutable {
        if (const auto self = weak.lock()) self->try_addresses(std::move(addresses));
      });
      return;
    }
    ask(resolver, [to = to_]() -> NameQuery::Answer {
      auto addresses = addresses_of(to, Lookup::names);
      if (!addresses) return dohle::fail(addresses.error());
      return NameQuery::Found{.addresses = *std::move(addresses)};
    });
  }

 private:
  // Tries its addresses one after the other.
  struct AddressRow final : Watcher {
    Dial* dial = nullptr;
    std::vector<SocketAddress> addresses;
    std::size_t next = 0;
    bool has_begun = false;
    Descriptor socket;
    WatchId watch = 0;
    /// Ends an attempt that another address follows.
    TimerId share_timer = 0;

    void on_ready(std::uint32_t /*events*/) override { dial->on_ready(*this); }
    [[nodiscard]] bool has_ended() const {
      return next == addresses.size() && (has_begun || addresses.empty()) && watch == 0;
    }
  };

  void ask(Resolver& resolver, NameQuery::Look look) {
    query_ = resolver.ask(std::move(look), loop_, [this](NameQuery::Answer answer) {
      const auto self = shared_from_this();
      if (!answer) return fail(answer.error());
      if (answer->socket.is_open()) return open(std::move(answer->socket), 0);
      try_addresses(std::move(answer->addresses));
    });
  }

  void try_addresses(std::vector<SocketAddress> addresses) {
    if (const auto& local = settings_->local_address) {
      std::erase_if(addresses, [&](const auto& each) { return each.family() != local->family(); });
      if (addresses.empty()) {
        return fail(Error::client(
            Errc::connection_failed,
            to_.host + " has no address of the family of local_address " + local->endpoint().host));
      }
    }
    DOHLE_ASSERT(!addresses.empty(), "a host without an address is dialled");
    for (AddressRow& row : rows_) row.dial = this;
    const int family = addresses.front().family();
    for (const SocketAddress& address : addresses) {
      const bool is_first = !settings_->fallback_delay || address.family() == family;
      rows_[is_first ? 0 : 1].addresses.push_back(address);
    }
    if (!rows_[1].addresses.empty()) {
      const TimePoint at = loop_.tick().mono + *settings_->fallback_delay;
      fallback_timer_ = loop_.arm(at, [weak = weak_from_this()] {
        if (const auto self = weak.lock()) self->begin_fallback();
      });
    }
    connect_next(rows_[0]);
  }

  void begin_fallback() {
    loop_.cancel(std::exchange(fallback_timer_, 0));
    if (!rows_[1].has_begun) connect_next(rows_[1]);
  }

  void connect_next(AddressRow& row) {
    row.has_begun = true;
    while (row.next < row.addresses.size()) {
      if (connect(row, row.addresses[row.next++])) return arm_share(row);
      last_errno_ = errno;
      end_attempt(row);
    }
    if (!rows_[1].has_begun && !rows_[1].addresses.empty()) return begin_fallback();
    if (!rows_[0].has_ended() || !rows_[1].has_ended()) return;
    fail(Error::client(Errc::connection_failed, text_of_errno(last_errno_)));
  }

  // An address that answers nothing leaves time for those after it.
  void arm_share(AddressRow& row) {
    const std::size_t after = row.addresses.size() - row.next;
    if (after == 0) return;
    const TimePoint now = loop_.tick().mono;
    const Duration left = deadline_ - now;
    const Duration share = address_share(left, after + 1);
    if (share >= left) return;
    row.share_timer = loop_.arm(now + share, [weak = weak_from_this(), &row] {
      if (const auto self = weak.lock()) self->end_share(row);
    });
  }

  void end_share(AddressRow& row) {
    row.share_timer = 0;
    last_errno_ = ETIMEDOUT;
    end_attempt(row);
    connect_next(row);
  }

  // Returns false, with errno set, if the attempt failed at once. Otherwise an event brings the
  // outcome.
  bool connect(AddressRow& row, const SocketAddress& address) {
    DOHLE_ASSERT(row.watch == 0, "two addresses of a row are tried at once");
    row.socket = tcp_socket(address.family(), options_.limits);
    const int number = row.socket.number();
    if (!row.socket.is_open() || !bind(number)) return false;
    if (::connect(number, address.get(), address.size) != 0 && errno != EINPROGRESS) return false;
    row.watch = loop_.poller().watch(number, row);
    return row.watch != 0;
  }

  bool bind(int socket) {
    const auto& local = settings_->local_address;
    if (!local) return true;
    // Ports are shared between connections to different servers, as without a local address.
    const int on = 1;
    ::setsockopt(socket, IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, &on, sizeof on);
    return ::bind(socket, local->get(), local->size) == 0;
  }

  void on_ready(AddressRow& row) {
    const auto self = shared_from_this();
    int code = 0;
    socklen_t size = sizeof code;
    ::getsockopt(row.socket.number(), SOL_SOCKET, SO_ERROR, &code, &size);
    if (code == 0 && is_connected_to_itself(row.socket.number())) code = ECONNREFUSED;
    if (code == 0) return open(std::move(row.socket), std::exchange(row.watch, 0));
    last_errno_ = code;
    end_attempt(row);
    connect_next(row);
  }

  // The stream drops the dial, and with it the attempts of the other row.
  void open(Descriptor socket, WatchId watch) {
    stream_.opened(std::move(socket), watch, settings_->keep_alive);
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

  void end_attempt(AddressRow& row) {
    loop_.cancel(std::exchange(row.share_timer, 0));
    loop_.poller().remove(std::exchange(row.watch, 0));
    row.socket.close();
  }

  Loop& loop_;
  const Endpoint to_;
  const DialOptions options_;
  const std::shared_ptr<const ConnectSettings> settings_;
  TcpStream& stream_;
  std::shared_ptr<NameQuery> query_;
  std::array<AddressRow, 2> rows_;
  int last_errno_ = 0;
  TimePoint deadline_{};
  TimerId timer_ = 0;
  TimerId fallback_timer_ = 0;
};

}  // namespace

TcpDialer::TcpDialer(Loop& loop, std::optional<DialedTls> tls, ConnectSettings settings)
    : loop_(&loop),
      tls_(std::move(tls)),
      settings_(std::make_shared<const ConnectSettings>(std::move(settings))),
      doubts_(tls_ ? std::make_shared<HelloDoubts>() : nullptr),
      resolver_(std::make_unique<Resolver>(settings_->asks_user() ? max_user_threads
                                                                  : max_name_threads)) {}

TcpDialer::~TcpDialer() = default;

void TcpDialer::dial(const Endpoint& to, const DialOptions& options,
                     const std::shared_ptr<StreamOwner>& owner) {
  const auto begin = [loop = loop_, resolver = resolver_.get(), settings = settings_, to, options](
                         StreamOwner& of, TcpStack stack) {
    const auto dial = std::make_shared<Dial>(*loop, to, options, settings, stack.bottom);
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
