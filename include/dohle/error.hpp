#pragma once

#include <cstdint>
#include <expected>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>

#include "dohle/export.hpp"

namespace dohle {
inline namespace v0 {

/// The origin of an error.
enum class ErrorCategory : std::uint8_t {
  broker,         ///< a Kafka server answered with an error code; `code()` is its wire number
  client,         ///< this library: timeouts, lost connections, wrong calls
  storage,        ///< a file operation: full disk, damage, I/O errors
  configuration,  ///< an option, flag or address is invalid
  auth,           ///< a login or a TLS handshake failed, as this side found
};

/// The code of an error that no Kafka server reported.
enum class Errc : std::int16_t {
  timed_out = 1,        ///< a deadline passed; the message names it
  connection_failed,    ///< refused, unreachable, or not set up in time
  connection_lost,      ///< closed by the other side or by the network
  name_not_resolved,    ///< a host name has no address
  malformed,            ///< bytes that violate the protocol
  unsupported_version,  ///< both sides share no version of a request
  would_block,          ///< the call would have to wait, and may not wait
  would_deadlock,       ///< a blocking call on the thread that has to complete it
  closed,               ///< the object was closed
  cancelled,            ///< ended on request (wakeup, disconnect, a stop token)
  invalid_argument,     ///< an argument of a call is invalid
  buffer_full,          ///< a bounded buffer stayed full until the caller's wait ended
  too_large,            ///< a record, batch or frame is above its limit
  not_connected,        ///< used before connect()
  not_owner,            ///< the partition is not assigned to this member (ack, commit)
  no_offset,            ///< there is no offset to read from, or it is out of range
  no_such_topic,        ///< the topic does not exist, and may not be created
  no_such_partition,    ///< the topic has fewer partitions
  handler_failed,       ///< the user's handler returned an error or threw
  codec_failed,         ///< a body could not be encoded or decoded
  limit_reached,        ///< a documented limit is reached; the message names it
  forked,               ///< used in a child process after fork()
  disk_full,            ///< no space; stored data stays readable
  io_error,             ///< the operating system refused a file operation
  damaged,              ///< stored bytes fail their checks
  locked,               ///< another process holds the data directory
  not_found,            ///< a required file or directory does not exist
  already_exists,       ///< a file or directory of that name exists
  handshake_failed,     ///< TLS: a certificate was refused, or no version or cipher is shared
  login_failed,         ///< SASL: the server failed its proof, or does not offer the mechanism
};

/// Whether a record that could not be acknowledged may nevertheless be in the log.
enum class Stored : std::uint8_t {
  no,        ///< it is not in the log
  yes,       ///< it is in the log
  possibly,  ///< not known: the answer was lost
};

/// A failure, as a value of two words. It holds the operation and its place, the cause, the
/// server's code and message, and whether a retry may help. A copy is cheap (a reference count).
///
/// Thread safety: a const Error may be read from any thread; copies are independent.
class DOHLE_API Error {
 public:
  /// An error code that a Kafka server sent, with the server's message if it sent one. `where`
  /// names the operation, for example "produce to orders-3". It becomes part of message().
  static Error broker(std::int16_t code, std::string_view where = {},
                      std::string_view server_message = {});
  /// An error that this library found.
  static Error client(Errc code, std::string_view message);
  /// An error of a file operation.
  static Error storage(Errc code, std::string_view message);
  /// A failed login or TLS handshake that this side found. Not retriable. A server's own refusal is
  /// a broker error.
  static Error auth(Errc code, std::string_view message);
  /// An invalid option, flag or address; `message` names it and the allowed values.
  static Error configuration(std::string_view message);

  Error(const Error& other) noexcept;
  Error(Error&& other) noexcept;
  Error& operator=(const Error& other) noexcept;
  Error& operator=(Error&& other) noexcept;
  ~Error();

  /// The origin of the error.
  [[nodiscard]] ErrorCategory category() const noexcept { return category_; }
  /// The wire number if the category is broker (3 is UNKNOWN_TOPIC_OR_PARTITION), otherwise an
  /// Errc.
  [[nodiscard]] std::int16_t code() const noexcept { return code_; }
  /// True for an error of this library with that code. Always false if the category is broker.
  [[nodiscard]] bool is(Errc code) const noexcept {
    return category_ != ErrorCategory::broker && code_ == static_cast<std::int16_t>(code);
  }
  /// True for an error of category broker with that wire number.
  [[nodiscard]] bool is_broker(std::int16_t code) const noexcept {
    return category_ == ErrorCategory::broker && code_ == code;
  }
  /// True if a login or a TLS handshake failed, whichever side found that: category auth, or the
  /// broker errors UNSUPPORTED_SASL_MECHANISM, ILLEGAL_SASL_STATE and SASL_AUTHENTICATION_FAILED.
  [[nodiscard]] bool is_auth() const noexcept {
    return category_ == ErrorCategory::auth || is_broker(33) || is_broker(34) || is_broker(58);
  }
  /// The code's name, for example "UNKNOWN_TOPIC_OR_PARTITION" or "timed_out".
  [[nodiscard]] std::string_view name() const noexcept;
  /// One line without a full stop: what failed, where and why. Control characters in names and
  /// messages of other parties are escaped. Valid while the Error lives.
  [[nodiscard]] std::string_view message() const noexcept;
  /// The server's own message, unchanged. Empty if the server sent none. Valid while the Error
  /// lives.
  [[nodiscard]] std::string_view server_message() const noexcept;

  /// True if the same call may succeed later without a change.
  [[nodiscard]] bool is_retriable() const noexcept { return (flags_ & retriable_flag) != 0; }
  /// True if the object that returned it cannot be used any more.
  [[nodiscard]] bool is_fatal() const noexcept { return (flags_ & fatal_flag) != 0; }
  /// True if the transaction must be aborted; the object can be used afterwards.
  [[nodiscard]] bool is_abortable() const noexcept { return (flags_ & abortable_flag) != 0; }
  /// True if the program has to create the object anew (PRODUCER_FENCED and similar).
  [[nodiscard]] bool needs_restart() const noexcept { return (flags_ & restart_flag) != 0; }
  /// For a send: whether the record may be in the log.
  [[nodiscard]] Stored stored() const noexcept { return stored_; }

  /// A copy of the error with another property. For a layer that knows more than the code that made
  /// the error.
  [[nodiscard]] Error with_stored(Stored stored) const;
  /// See with_stored.
  [[nodiscard]] Error with_retriable(bool retriable) const;
  /// See with_stored.
  [[nodiscard]] Error with_fatal() const;
  /// A copy of the error with "`where`: " before its message.
  [[nodiscard]] Error within(std::string_view where) const;

  /// The text for logs, for example "NOT_LEADER_OR_FOLLOWER (6): produce to orders-3: …".
  [[nodiscard]] std::string to_string() const;

 private:
  struct Detail;
  static constexpr std::uint8_t retriable_flag = 1, fatal_flag = 2, abortable_flag = 4,
                                restart_flag = 8;
  Error(ErrorCategory category, std::int16_t code, std::uint8_t flags, std::string message,
        std::string server_message);

  Detail* detail_;
  std::int16_t code_;
  ErrorCategory category_;
  std::uint8_t flags_;
  Stored stored_ = Stored::no;
};
static_assert(sizeof(Error) == 2 * sizeof(void*));

/// The result of a call that can fail: a T, or an Error. It is a std::expected with two
/// differences. The compiler warns about an unused result. `value()` and `*` of a temporary return
/// the value itself and not a reference into the temporary, so that `for (auto& topic :
/// admin.list_topics().value())` is safe.
///
/// Errors: `value()` of a result that holds an Error throws std::bad_expected_access<Error>.
/// Thread safety: as its T.
template <class T>
class [[nodiscard]] Result : public std::expected<T, Error> {
  using Expected = std::expected<T, Error>;

 public:
  using Expected::Expected;
  using Expected::operator=;
  Result() = default;
  /// Converts the results of std::expected's monadic operations.
  Result(Expected&& expected) noexcept(std::is_nothrow_move_constructible_v<Expected>)
      : Expected(std::move(expected)) {}
  Result(const Expected& expected) : Expected(expected) {}

  /// The value. Throws std::bad_expected_access<Error> if there is an Error.
  [[nodiscard]] T& value() & { return Expected::value(); }
  [[nodiscard]] const T& value() const& { return Expected::value(); }
  T value() && { return std::move(static_cast<Expected&>(*this)).value(); }
  [[nodiscard]] T& operator*() & noexcept { return Expected::operator*(); }
  [[nodiscard]] const T& operator*() const& noexcept { return Expected::operator*(); }
  [[nodiscard]] T operator*() && { return std::move(Expected::operator*()); }
};

/// Success without a value, or an Error.
template <>
class [[nodiscard]] Result<void> : public std::expected<void, Error> {
  using Expected = std::expected<void, Error>;

 public:
  using Expected::Expected;
  using Expected::operator=;
  Result() = default;
  Result(Expected&& expected) noexcept : Expected(std::move(expected)) {}
  Result(const Expected& expected) : Expected(expected) {}
};

/// Makes a failed Result: `return fail(error);` in a function that returns a Result.
[[nodiscard]] inline std::unexpected<Error> fail(Error error) {
  return std::unexpected<Error>(std::move(error));
}

}  // namespace v0
}  // namespace dohle
