#include <optional>
#include <string>
#include <vector>

#include <boost/asio/ip/tcp.hpp>

#include "net/tcp.hpp"
#include "net/tcp_connection.hpp"

namespace dohle::net {

using boost::asio::ip::tcp;

namespace {

// Resolves a name and tries its addresses one after the other, all within one timeout.
class Dial : public std::enable_shared_from_this<Dial> {
 public:
  Dial(Loop& loop, Endpoint to, std::chrono::milliseconds timeout,
       std::shared_ptr<TcpStream> stream)
      : loop_(loop),
        to_(std::move(to)),
        timeout_(timeout),
        stream_(std::move(stream)),
        resolver_(loop.context()) {}

  void begin() {
    timer_ = loop_.arm(loop_.tick().mono + timeout_, [self = shared_from_this()] {
      self->fail("no answer within " + std::to_string(self->timeout_.count()) + " ms");
    });
    boost::system::error_code not_numeric;
    const auto address = boost::asio::ip::make_address(to_.host, not_numeric);
    if (!not_numeric) {
      addresses_ = {tcp::endpoint(address, to_.port)};
      loop_.post([self = shared_from_this()] { self->connect_next(); });
      return;
    }
    resolver_.async_resolve(to_.host, std::to_string(to_.port), tcp::resolver::numeric_service,
                            [self = shared_from_this()](const boost::system::error_code& code,
                                                        const tcp::resolver::results_type& found) {
                              self->loop_.begin_turn();
                              self->resolved(code, found);
                            });
  }

 private:
  void resolved(const boost::system::error_code& code, const tcp::resolver::results_type& found) {
    if (is_done_ || stream_->is_closed()) return end();
    if (code != boost::system::error_code()) {
      return fail("the name cannot be resolved: " + code.message(), Errc::name_not_resolved);
    }
    for (const auto& entry : found) addresses_.push_back(entry.endpoint());
    connect_next();
  }

  void connect_next() {
    if (is_done_ || stream_->is_closed()) return end();
    if (next_ == addresses_.size()) return fail(last_reason_);
    boost::system::error_code ignored;
    stream_->socket().close(ignored);
    stream_->socket().async_connect(
        addresses_[next_++], [self = shared_from_this()](const boost::system::error_code& code) {
          self->loop_.begin_turn();
          self->connected(code);
        });
  }

  void connected(const boost::system::error_code& code) {
    if (is_done_ || stream_->is_closed()) return end();
    if (code != boost::system::error_code()) {
      last_reason_ = code.message();
      return connect_next();
    }
    end();
    stream_->opened();
  }

  void fail(const std::string& why, Errc code = Errc::connection_failed) {
    if (is_done_) return;
    end();
    stream_->failed(Error::client(code, "connecting to " + to_.to_string() + ": " + why));
  }

  void end() {
    is_done_ = true;
    loop_.cancel(std::exchange(timer_, 0));
    resolver_.cancel();
  }

  Loop& loop_;
  Endpoint to_;
  std::chrono::milliseconds timeout_;
  std::shared_ptr<TcpStream> stream_;
  tcp::resolver resolver_;
  std::vector<tcp::endpoint> addresses_;
  std::size_t next_ = 0;
  std::string last_reason_ = "the name has no address";
  TimerId timer_ = 0;
  bool is_done_ = false;
};

}  // namespace

std::unique_ptr<Connection> TcpDialer::dial(const Endpoint& to, const DialOptions& options,
                                            ConnectionEvents& events) {
  auto stream = std::make_shared<TcpStream>(*loop_, options.limits, to.to_string());
  stream->set_events(&events);
  auto connection = std::make_unique<TcpConnection>(stream);
  std::make_shared<Dial>(*loop_, to, options.connect_timeout, std::move(stream))->begin();
  return connection;
}

}  // namespace dohle::net
