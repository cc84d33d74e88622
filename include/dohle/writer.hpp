#pragma once

#include <chrono>
#include <cstddef>
#include <memory>
#include <optional>
#include <string_view>

#include "dohle/error.hpp"
#include "dohle/export.hpp"
#include "dohle/producer.hpp"
#include "dohle/sasl.hpp"
#include "dohle/tls.hpp"
#include "dohle/writer_config.hpp"

namespace dohle::messaging {
class WriterRuntime;
}  // namespace dohle::messaging

namespace dohle {
inline namespace v0 {
namespace kafka {

/// Makes producers by a WriterConfig, without a Broker. Producers of equal addresses, login and TLS
/// share one Client: its connections and its thread.
///
/// Lifetime: move-only; its producers answer Errc::closed once it has ended. Thread safety: any
/// thread, but not while it is being moved. In a forked child its calls answer Errc::forked.
class DOHLE_API Writer {
 public:
  /// The most producers of a Writer.
  static constexpr std::size_t max_producers = 1'000;
  /// The most Clients of a Writer.
  static constexpr std::size_t max_clients = 100;

  /// Whether `producer` gives each topic a producer of its own.
  explicit Writer(bool enable_one_topic_one_writer);
  Writer(Writer&&) noexcept;
  /// First closes what it held, as the destructor does.
  Writer& operator=(Writer&&) noexcept;
  /// As close() with 5 s.
  ~Writer();

  /// Makes a producer for the servers of `config` (default: 127.0.0.1:9092; `embedded:` as for a
  /// Broker), and connects in the background. The producer may send to any topic. Errors:
  /// configuration, with the field of BrokerOptions, its value and the allowed values, for `async`
  /// false, and for a logger that the Client of these servers does not have; limit_reached; closed;
  /// forked; the errors of Node::start for an embedded node.
  Result<Producer> create_producer(WriterConfig config, std::optional<SaslOptions> sasl = {},
                                   std::optional<TlsOptions> tls = {});

  /// The topic's own producer, which the first call makes as the latest create_producer says; those
  /// of one create_producer share one memory limit. Without one_topic_one_writer: the producer of
  /// the latest create_producer. Each call returns a handle on the same producer. Errors:
  /// invalid_argument before create_producer; limit_reached; closed; forked.
  Result<Producer> producer(std::string_view topic);

  /// Delivers or fails all records within `timeout`, and closes the producers and their Clients.
  /// Returns how many records failed since the producers' last flush. Later calls of the Writer and
  /// of its producers answer Errc::closed; a second close does nothing. Errors: timed_out;
  /// would_deadlock on a Client's thread.
  Result<FlushReport> close(std::chrono::milliseconds timeout = std::chrono::seconds(30));

  /// As the constructor was told; false if it was moved from.
  [[nodiscard]] bool enable_one_topic_one_writer() const;

 private:
  std::shared_ptr<messaging::WriterRuntime> inside_;
};

}  // namespace kafka
}  // namespace v0
}  // namespace dohle
