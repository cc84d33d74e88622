#include "net/tls/tls_session.hpp"

#include <arpa/inet.h>
#include <openssl/err.h>
#include <openssl/x509v3.h>

#include <algorithm>
#include <array>
#include <cstring>
#include <new>
#include <optional>

#include <fmt/format.h>

#include "base/assert.hpp"
#include "net/tls/distinguished_name.hpp"
#include "net/tls/openssl_handles.hpp"
#include "net/tls/tls_context_state.hpp"
#include "net/tls/tls_failures.hpp"

namespace dohle::net {

namespace {

constexpr std::size_t max_record_bytes = 16 * 1024;
// The fatal alert unexpected_message, which tells a client without TLS that it met TLS, as Java's
// does.
constexpr std::string_view plain_alert("\x15\x03\x03\x00\x02\x02\x0a", 7);
// A longer piece is not copied into a record that it shares with others.
constexpr std::size_t min_own_record_bytes = 8 * 1024;
// Size of a record beside its data; some ciphers of TLS 1.2 take more.
constexpr std::size_t record_overhead_bytes = 64;
constexpr std::size_t max_gathered = 256;

bool is_address(const std::string& host) {
  std::array<unsigned char, sizeof(in6_addr)> address{};
  return ::inet_pton(AF_INET, host.c_str(), address.data()) == 1 ||
         ::inet_pton(AF_INET6, host.c_str(), address.data()) == 1;
}

/// Cuts pieces into records of up to 16 KiB.
class RecordCutter {
 public:
  RecordCutter(std::span<const iovec> pieces, std::size_t max_bytes)
      : pieces_(pieces), left_(max_bytes) {}

  /// Valid until the next call. Empty: nothing is left.
  std::span<const std::byte> next() {
    if (pieces_.empty() || left_ == 0) return {};
    if (front_size() < min_own_record_bytes && pieces_.size() > 1) return share();
    const std::size_t size = std::min(front_size(), max_record_bytes);
    // A part of it would leave a short rest, which takes one record more each time.
    if (size > left_ && has_begun_) return {};
    return take(std::min(size, left_));
  }

 private:
  [[nodiscard]] std::size_t front_size() const { return pieces_.front().iov_len - taken_; }

  std::span<const std::byte> take(std::size_t max_bytes) {
    const std::size_t size = std::min(front_size(), max_bytes);
    const auto* data = static_cast<const std::byte*>(pieces_.front().iov_base) + taken_;
    taken_ += size;
    left_ -= size;
    has_begun_ = true;
    if (front_size() == 0) {
      pieces_ = pieces_.subspan(1);
      taken_ = 0;
    }
    return {data, size};
  }

  std::span<const std::byte> share() {
    std::size_t size = 0;
    const std::size_t room = std::min(max_record_bytes, left_);
    while (!pieces_.empty() && size < room && front_size() < min_own_record_bytes) {
      const auto part = take(room - size);
      std::ranges::copy(part, shared_.data() + size);
      size += part.size();
    }
    return std::span(shared_).first(size);
  }

  std::span<const iovec> pieces_;
  std::size_t taken_ = 0;  // of the first piece
  std::size_t left_;
  bool has_begun_ = false;
  std::array<std::byte, max_record_bytes> shared_;
};

}  // namespace

struct TlsSession::Parts {
  explicit Parts(TlsContext with) : context(std::move(with)) {}

  /// Memory for the records of this much data, so that each needs no allocation.
  void make_room(std::size_t data_bytes) {
    const std::size_t max_records = 2 * (data_bytes / min_own_record_bytes + 1);
    const std::size_t wanted = data_bytes + max_records * record_overhead_bytes;
    const bool is_free = room.buffer() != nullptr && !room.buffer()->is_shared();
    if (!is_free || room.size() < wanted) {
      room = Slice::made(wanted, [](std::span<std::byte>) {});
    }
    room_used = 0;
  }
  void send(std::span<const std::byte> bytes) {
    if (room.size() - room_used < bytes.size()) {
      to_send.append(Chain(Slice::copy_of(bytes)));
      return;
    }
    std::ranges::copy(bytes, room.buffer()->data() + room_used);
    to_send.append(Chain(room.sub(room_used, bytes.size())));
    room_used += bytes.size();
  }

  TlsContext context;
  SliceQueue received;
  WriteQueue to_send;
  Slice room;  // for the records of a write
  std::size_t room_used = 0;
  TlsFacts facts;
  std::optional<Error> failed;  // no call follows a failed one
  SslHandle ssl;                // after the queues that its BIO refers to
};

namespace {

// The BIO between OpenSSL and the two queues. Its data is the owner of the queues.
template <class Parts>
struct QueueBio {
  static Parts& parts_of(BIO* bio) { return *static_cast<Parts*>(BIO_get_data(bio)); }

  static int read(BIO* bio, char* to, int size) {
    Parts& parts = parts_of(bio);
    BIO_clear_retry_flags(bio);
    if (size <= 0) return 0;
    const std::size_t bytes = std::min(static_cast<std::size_t>(size), parts.received.size());
    if (bytes == 0) {
      BIO_set_retry_read(bio);
      return -1;
    }
    parts.received.copy_to({reinterpret_cast<std::byte*>(to), bytes});
    TlsFacts& facts = parts.facts;
    for (std::size_t i = 0; i < bytes && facts.first_count < facts.first_bytes.size(); ++i) {
      facts.first_bytes[facts.first_count++] = static_cast<unsigned char>(to[i]);
    }
    return static_cast<int>(bytes);
  }
  static int write(BIO* bio, const char* from, int size) {
    BIO_clear_retry_flags(bio);
    if (size <= 0) return 0;
    parts_of(bio).send(as_bytes(std::string_view(from, static_cast<std::size_t>(size))));
    return size;
  }
  static long control(BIO* /*bio*/, int command, long /*number*/, void* /*data*/) {
    return command == BIO_CTRL_FLUSH ? 1 : 0;
  }
  static int create(BIO* bio) {
    BIO_set_init(bio, 1);
    return 1;
  }
  // Made once per process, and never freed.
  static const BIO_METHOD* method() {
    static const BIO_METHOD* const made = [] {
      BIO_METHOD* method = BIO_meth_new(BIO_get_new_index() | BIO_TYPE_SOURCE_SINK, "queues");
      if (method == nullptr) throw std::bad_alloc();
      BIO_meth_set_read(method, read);
      BIO_meth_set_write(method, write);
      BIO_meth_set_ctrl(method, control);
      BIO_meth_set_create(method, create);
      return method;
    }();
    return made;
  }
};

}  // namespace

TlsSession::TlsSession(std::unique_ptr<Parts> parts) : parts_(std::move(parts)) {}

TlsSession::~TlsSession() = default;

std::unique_ptr<TlsSession::Parts> TlsSession::make_parts(const TlsContext& context) {
  auto parts = std::make_unique<Parts>(context);
  parts->facts.is_server = context.state().is_server;
  parts->facts.has_identity = context.state().has_identity;
  parts->ssl.reset(SSL_new(context.state().context.get()));
  BIO* bio = parts->ssl == nullptr ? nullptr : BIO_new(QueueBio<Parts>::method());
  if (bio == nullptr) throw std::bad_alloc();
  BIO_set_data(bio, parts.get());
  SSL_set_bio(parts->ssl.get(), bio, bio);
  SSL_set_app_data(parts->ssl.get(), &parts->facts);
  return parts;
}

std::shared_ptr<TlsSession> TlsSession::client(const TlsContext& context, std::string_view host) {
  DOHLE_ASSERT(!context.is_server(), "a client's side has a server's context");
  const TlsContext::State& state = context.state();
  auto parts = make_parts(context);
  std::string name(state.server_name.empty() ? host : std::string_view(state.server_name));
  if (name.ends_with('.')) name.pop_back();
  SSL* ssl = parts->ssl.get();
  SSL_set_connect_state(ssl);
  const bool is_literal = is_address(name);
  bool is_set = !name.empty() && name.find('\0') == std::string::npos;
  if (is_set && !is_literal) is_set = SSL_set_tlsext_host_name(ssl, name.c_str()) == 1;
  if (is_set && state.verifies_hostname) {
    SSL_set_hostflags(ssl, X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS);
    is_set = is_literal ? X509_VERIFY_PARAM_set1_ip_asc(SSL_get0_param(ssl), name.c_str()) == 1
                        : SSL_set1_host(ssl, name.c_str()) == 1;
  }
  if (!is_set) {
    ERR_clear_error();
    parts->failed = Error::configuration(
        fmt::format("TLS handshake failed: '{}' is not a host's name that can be verified", name));
  }
  parts->facts.host = std::move(name);
  return std::shared_ptr<TlsSession>(new TlsSession(std::move(parts)));
}

std::shared_ptr<TlsSession> TlsSession::server(const TlsContext& context) {
  DOHLE_ASSERT(context.is_server(), "a server's side has a client's context");
  auto parts = make_parts(context);
  SSL_set_accept_state(parts->ssl.get());
  return std::shared_ptr<TlsSession>(new TlsSession(std::move(parts)));
}

bool TlsSession::is_server() const {
  return parts_->facts.is_server;
}

SliceQueue& TlsSession::received() {
  return parts_->received;
}

WriteQueue& TlsSession::to_send() {
  return parts_->to_send;
}

Error TlsSession::failure() {
  parts_->failed = tls_failure(parts_->facts);
  return *parts_->failed;
}

Result<HandshakeState> TlsSession::handshake() {
  if (parts_->failed) return fail(*parts_->failed);
  SSL* ssl = parts_->ssl.get();
  ERR_clear_error();
  const int done = SSL_do_handshake(ssl);
  if (done == 1) {
    parts_->facts.is_established = true;
    return HandshakeState::done;
  }
  if (SSL_get_error(ssl, done) == SSL_ERROR_WANT_READ) return HandshakeState::needs_bytes;
  if (is_without_tls(parts_->facts)) parts_->to_send.append(Chain(Slice::copy_of(plain_alert)));
  return fail(failure());
}

Result<std::size_t> TlsSession::read(std::span<std::byte> into) {
  if (parts_->failed) return fail(*parts_->failed);
  SSL* ssl = parts_->ssl.get();
  std::size_t total = 0;
  while (total < into.size()) {
    ERR_clear_error();
    std::size_t bytes = 0;
    const int done = SSL_read_ex(ssl, into.data() + total, into.size() - total, &bytes);
    if (done == 1) {
      parts_->facts.has_read = true;
      total += bytes;
      continue;
    }
    const int why = SSL_get_error(ssl, done);
    if (why == SSL_ERROR_WANT_READ || why == SSL_ERROR_ZERO_RETURN) break;
    Error error = failure();
    if (total == 0) return fail(std::move(error));
    break;  // the next call returns it
  }
  return total;
}

Result<std::size_t> TlsSession::write(const WriteQueue& from, std::size_t max_bytes) {
  if (parts_->failed) return fail(*parts_->failed);
  std::array<iovec, max_gathered> pieces;
  const std::span<const iovec> all(pieces.data(), from.gather(pieces));
  RecordCutter cutter(all, max_bytes);
  parts_->make_room(std::min(from.size(), max_bytes));
  std::size_t total = 0;
  for (auto record = cutter.next(); !record.empty(); record = cutter.next()) {
    ERR_clear_error();
    std::size_t written = 0;
    const int done = SSL_write_ex(parts_->ssl.get(), record.data(), record.size(), &written);
    if (done != 1) return fail(failure());
    DOHLE_ASSERT(written == record.size(), "a record in memory is written in part");
    total += written;
  }
  return total;
}

void TlsSession::release_idle_room() {
  parts_->room = {};
  parts_->room_used = 0;
}

void TlsSession::end_writes() {
  if (parts_->failed || !parts_->facts.is_established) return;
  ERR_clear_error();
  // The result says whether the other side has ended, too.
  (void)SSL_shutdown(parts_->ssl.get());
  ERR_clear_error();
}

bool TlsSession::has_ended() const {
  return (SSL_get_shutdown(parts_->ssl.get()) & SSL_RECEIVED_SHUTDOWN) != 0;
}

bool TlsSession::is_over() const {
  return parts_->failed.has_value() || has_ended();
}

Error TlsSession::ended_early() const {
  return tls_ended_early(parts_->facts);
}

std::optional<std::string> TlsSession::peer_principal() const {
  const SSL* ssl = parts_->ssl.get();
  const X509* certificate = SSL_get0_peer_certificate(ssl);
  if (certificate == nullptr || SSL_get_verify_mode(ssl) == SSL_VERIFY_NONE ||
      SSL_get_verify_result(ssl) != X509_V_OK) {
    return std::nullopt;
  }
  unsigned char* der = nullptr;
  const int size = i2d_X509_NAME(X509_get_subject_name(certificate), &der);
  if (size < 0) return std::string();
  auto name =
      java_name_of({reinterpret_cast<const std::byte*>(der), static_cast<std::size_t>(size)});
  OPENSSL_free(der);
  return name ? *std::move(name) : std::string();
}

std::string_view TlsSession::version() const {
  return SSL_get_version(parts_->ssl.get());
}

std::string_view TlsSession::cipher() const {
  const char* name = SSL_get_cipher_name(parts_->ssl.get());
  return name != nullptr ? name : "";
}

}  // namespace dohle::net
