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

/// Makes producers from a WriterConfig, without a Broker. Producers with the same servers, login
/// and TLS options share one Client: its connections and its thread. Servers are the same if their
/// hosts and ports are, in whatever order and form the addresses name them.
///
/// Lifetime: move-only; its producers return Errc::closed after it has ended. Thread safety: any
/// thread, but not while it is being moved. In a forked child its calls return Errc::forked.
class DOHLE_API Writer {
 public:
  /// The most producers of a Writer.
  static constexpr std::size_t max_producers = 1'000;
  /// The most Clients of a Writer.
  static constexpr std::size_t max_clients = 100;

  /// If `enable_one_topic_one_writer` is true, `producer` makes a producer for each topic.
  explicit Writer(bool enable_one_topic_one_writer);
  Writer(Writer&&) noexcept;
  /// First closes the Writer that it held, as the destructor does.
  Writer& operator=(Writer&&) noexcept;
  /// As close() with 5 s.
  ~Writer();

  /// Makes a producer for the servers of `config` (default: 127.0.0.1:9092; `embedded:` as for a
  /// Broker), and connects in the background. The producer may send to any topic. Errors:
  /// configuration, with the field of BrokerOptions, its value and the allowed values; also
  /// configuration if `async` is false, or if the Client for these servers, login and TLS options
  /// already has another logger or another `read_timeout`; limit_reached; closed; forked; the
  /// errors of Node::start for an embedded node.
  Result<Producer> create_producer(WriterConfig config, std::optional<SaslOptions> sasl = {},
                                   std::optional<TlsOptions> tls = {});

  /// The topic's own producer. The first call makes it with the options of the latest
  /// create_producer. The producers of one create_producer share one memory limit. If
  /// enable_one_topic_one_writer is false, returns the producer of the latest create_producer. Each
  /// call returns a handle on the same producer. Errors: invalid_argument before create_producer;
  /// limit_reached; closed; forked.
  Result<Producer> producer(std::string_view topic);

  /// Delivers or fails all records within `timeout`, and closes the producers and their Clients.
  /// Returns how many records failed since the producers' last flush. Later calls of the Writer and
  /// of its producers return Errc::closed. A second close does nothing. Errors: timed_out;
  /// would_deadlock on a Client's thread.
  Result<FlushReport> close(std::chrono::milliseconds timeout = std::chrono::seconds(30));

  /// The value that the constructor received; false if the Writer was moved from.
  [[nodiscard]] bool enable_one_topic_one_writer() const;

 private:
  std::shared_ptr<messaging::WriterRuntime> inside_;
};

}  // namespace kafka
}  // namespace v0
}  // namespace dohle
