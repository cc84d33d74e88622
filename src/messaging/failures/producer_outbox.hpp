#pragma once

#include "dohle/client.hpp"
#include "dohle/producer.hpp"
#include "messaging/failures/outbox.hpp"

namespace dohle::messaging {

/// Stores messages through a producer of its own, so that neither the program's balancer,
/// middlewares and completion nor a full memory of its publishes concern them.
class ProducerOutbox final : public Outbox {
 public:
  /// The producer has acks all.
  explicit ProducerOutbox(Producer producer) : producer_(std::move(producer)) {}
  void send(const std::string& topic, const Record& record, Done done) override;
  void close(std::chrono::milliseconds timeout) override;

 private:
  Producer producer_;
};

/// The options of an outbox's producer, from those of the broker's publishes: acks all, idempotent,
/// compressed, without linger, and with an outcome within the time of one request and 10 s more.
[[nodiscard]] ProducerOptions outbox_options(ProducerOptions publishes);

/// Makes room for any message that could be fetched, whatever publishes are limited to. It is
/// compressed, since it may be within the server's limit only because of that.
void fit_fetched_messages(ProducerOptions& options);

}  // namespace dohle::messaging
