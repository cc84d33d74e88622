#include "dohle/error.hpp"

#include <atomic>
#include <utility>

#include <fmt/format.h>

#include "base/broker_errors.hpp"
#include "base/printable.hpp"

namespace dohle {
inline namespace v0 {

struct Error::Detail {
  std::atomic<std::uint32_t> references{1};
  std::string message;
  std::string server_message;
};

namespace {

std::string_view errc_name(Errc code) {
  switch (code) {
    case Errc::timed_out:
      return "timed_out";
    case Errc::connection_failed:
      return "connection_failed";
    case Errc::connection_lost:
      return "connection_lost";
    case Errc::name_not_resolved:
      return "name_not_resolved";
    case Errc::malformed:
      return "malformed";
    case Errc::unsupported_version:
      return "unsupported_version";
    case Errc::would_block:
      return "would_block";
    case Errc::would_deadlock:
      return "would_deadlock";
    case Errc::closed:
      return "closed";
    case Errc::cancelled:
      return "cancelled";
    case Errc::invalid_argument:
      return "invalid_argument";
    case Errc::buffer_full:
      return "buffer_full";
    case Errc::too_large:
      return "too_large";
    case Errc::not_connected:
      return "not_connected";
    case Errc::not_owner:
      return "not_owner";
    case Errc::no_offset:
      return "no_offset";
    case Errc::no_such_topic:
      return "no_such_topic";
    case Errc::no_such_partition:
      return "no_such_partition";
    case Errc::handler_failed:
      return "handler_failed";
    case Errc::codec_failed:
      return "codec_failed";
    case Errc::limit_reached:
      return "limit_reached";
    case Errc::forked:
      return "forked";
    case Errc::disk_full:
      return "disk_full";
    case Errc::io_error:
      return "io_error";
    case Errc::damaged:
      return "damaged";
    case Errc::locked:
      return "locked";
    case Errc::not_found:
      return "not_found";
    case Errc::already_exists:
      return "already_exists";
    case Errc::handshake_failed:
      return "handshake_failed";
    case Errc::login_failed:
      return "login_failed";
  }
  return "unknown";
}

bool is_retriable_errc(Errc code) {
  switch (code) {
    case Errc::timed_out:
    case Errc::connection_failed:
    case Errc::connection_lost:
    case Errc::name_not_resolved:
    case Errc::would_block:
    case Errc::buffer_full:
    case Errc::disk_full:
      return true;
    default:
      return false;
  }
}

bool needs_restart_code(std::int16_t code) {
  return code == broker_error::producer_fenced || code == broker_error::invalid_producer_epoch ||
         code == broker_error::fenced_instance_id;
}

}  // namespace

Error::Error(ErrorCategory category, std::int16_t code, std::uint8_t flags, std::string message,
             std::string server_message)
    : detail_(new Detail), code_(code), category_(category), flags_(flags) {
  // It may contain foreign names and messages.
  detail_->message = is_printable(message) ? std::move(message) : printable(message);
  detail_->server_message = std::move(server_message);
}

Error::Error(const Error& other) noexcept
    : detail_(other.detail_),
      code_(other.code_),
      category_(other.category_),
      flags_(other.flags_),
      stored_(other.stored_) {
  if (detail_ != nullptr) detail_->references.fetch_add(1, std::memory_order_relaxed);
}
Error::Error(Error&& other) noexcept
    : detail_(std::exchange(other.detail_, nullptr)),
      code_(other.code_),
      category_(other.category_),
      flags_(other.flags_),
      stored_(other.stored_) {}
Error& Error::operator=(const Error& other) noexcept {
  return *this = Error(other);
}
Error& Error::operator=(Error&& other) noexcept {
  std::swap(detail_, other.detail_);
  code_ = other.code_;
  category_ = other.category_;
  flags_ = other.flags_;
  stored_ = other.stored_;
  return *this;
}
Error::~Error() {
  if (detail_ != nullptr && detail_->references.fetch_sub(1, std::memory_order_acq_rel) == 1) {
    delete detail_;
  }
}

Error Error::broker(std::int16_t code, std::string_view where, std::string_view server_message) {
  const BrokerErrorInfo* info = find_broker_error(code);
  const auto sentence =
      info != nullptr ? info->sentence : "an error code that this version does not know";
  std::string message;
  if (!where.empty()) message = fmt::format("{}: ", where);
  message += sentence;
  const bool says_more = !server_message.empty() && !server_message.ends_with(sentence);
  if (says_more) message += fmt::format(" (the server said: {})", server_message);
  std::uint8_t flags = 0;
  if (info != nullptr && info->retriable) flags |= retriable_flag;
  if (needs_restart_code(code)) flags |= restart_flag | fatal_flag;
  return {ErrorCategory::broker, code, flags, std::move(message), std::string(server_message)};
}

Error Error::client(Errc code, std::string_view message) {
  const std::uint8_t flags = is_retriable_errc(code) ? retriable_flag : std::uint8_t{0};
  return {ErrorCategory::client, static_cast<std::int16_t>(code), flags, std::string(message), {}};
}
Error Error::storage(Errc code, std::string_view message) {
  const std::uint8_t flags = is_retriable_errc(code) ? retriable_flag : std::uint8_t{0};
  return {ErrorCategory::storage, static_cast<std::int16_t>(code), flags, std::string(message), {}};
}
Error Error::auth(Errc code, std::string_view message) {
  return {ErrorCategory::auth, static_cast<std::int16_t>(code), 0, std::string(message), {}};
}
Error Error::configuration(std::string_view message) {
  return {ErrorCategory::configuration,
          static_cast<std::int16_t>(Errc::invalid_argument),
          0,
          std::string(message),
          {}};
}

std::string_view Error::name() const noexcept {
  if (category_ != ErrorCategory::broker) return errc_name(static_cast<Errc>(code_));
  const BrokerErrorInfo* info = find_broker_error(code_);
  return info != nullptr ? info->name : "UNKNOWN";
}
std::string_view Error::message() const noexcept {
  return detail_ != nullptr ? std::string_view(detail_->message) : "moved-from error";
}
std::string_view Error::server_message() const noexcept {
  return detail_ != nullptr ? std::string_view(detail_->server_message) : std::string_view();
}

Error Error::with_stored(Stored stored) const {
  Error copy = *this;
  copy.stored_ = stored;
  return copy;
}
Error Error::with_retriable(bool retriable) const {
  Error copy = *this;
  copy.flags_ =
      static_cast<std::uint8_t>(retriable ? flags_ | retriable_flag : flags_ & ~retriable_flag);
  return copy;
}
Error Error::with_fatal() const {
  Error copy = *this;
  copy.flags_ |= fatal_flag;
  return copy;
}
Error Error::within(std::string_view where) const {
  Error wrapped(category_, code_, flags_, fmt::format("{}: {}", where, message()),
                std::string(server_message()));
  wrapped.stored_ = stored_;
  return wrapped;
}
std::string Error::to_string() const {
  if (category_ == ErrorCategory::broker)
    return fmt::format("{} ({}): {}", name(), code_, message());
  return fmt::format("{}: {}", name(), message());
}

}  // namespace v0
}  // namespace dohle
