#pragma once

#include <atomic>
#include <chrono>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/call_deadline.hpp"
#include "base/fork_watch.hpp"
#include "base/time.hpp"
#include "client/produce/producer_group.hpp"
#include "dohle/broker_options.hpp"
#include "dohle/client.hpp"
#include "dohle/writer.hpp"
#include "messaging/embedded/embedded_node.hpp"

namespace dohle::messaging {

/// The state of a Writer. Any thread.
class WriterRuntime {
 public:
  explicit WriterRuntime(bool one_topic_one_writer)
      : enable_one_topic_one_writer(one_topic_one_writer) {}

  const bool enable_one_topic_one_writer;

  Result<Producer> create_producer(kafka::BrokerOptions options);
  Result<Producer> producer(std::string_view topic);
  Result<FlushReport> close(std::chrono::milliseconds timeout);
  /// Check it before taking any lock.
  [[nodiscard]] bool is_forked() const { return made_in_.is_forked(); }

 private:
  /// A client with its producers.
  struct Link {
    /// The servers in the form of distinct_servers.
    std::vector<std::string> servers;
    std::optional<SaslOptions> sasl;
    std::optional<TlsOptions> tls;
    std::shared_ptr<Logger> given_logger;
    std::shared_ptr<Logger> given_error_logger;
    /// The client has it for all requests that are no producer's own.
    std::chrono::milliseconds read_timeout{0};
    std::shared_ptr<Logger> logger;
    /// Null unless the address is an embedded one. Outlives the client.
    std::unique_ptr<EmbeddedNode> node;
    std::optional<Client> client;
    std::vector<Producer> producers;
  };
  /// The options of the latest create_producer.
  struct Latest {
    kafka::BrokerOptions options;
    Link* link;
    std::shared_ptr<client::ProducerGroup> group;
    Producer made;
    /// The producers by topic.
    std::map<std::string, Producer, std::less<>> own;
  };

  Result<Link*> find_or_open(const kafka::BrokerOptions& options);
  Result<Link*> open(const kafka::BrokerOptions& options, std::vector<std::string> servers);
  /// Whether a producer with these options can send by the client of `link`.
  static Result<void> check_shared(const Link& link, const kafka::BrokerOptions& options);
  Result<Producer> make(const kafka::BrokerOptions& options, Link& link,
                        const std::shared_ptr<client::ProducerGroup>& group);
  static Result<FlushReport> close_link(Link& link, const CallDeadline& deadline);

  std::mutex mutex_;
  std::vector<std::unique_ptr<Link>> links_;
  std::optional<Latest> latest_;
  std::size_t producers_ = 0;
  bool is_closed_ = false;
  const ForkMark made_in_;
};

}  // namespace dohle::messaging
