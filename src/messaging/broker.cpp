#include "dohle/broker.hpp"

#include <exception>
#include <utility>

#include "messaging/broker_runtime.hpp"

namespace dohle {
inline namespace v0 {

Broker::Broker(std::shared_ptr<messaging::BrokerRuntime> core) : core_(std::move(core)) {}
Broker::Broker(Broker&&) noexcept = default;

Broker& Broker::operator=(Broker&& other) noexcept {
  if (this == &other) return *this;
  const Broker ended(std::move(*this));
  core_ = std::move(other.core_);
  return *this;
}

Broker::~Broker() {
  if (!core_) return;
  auto ended = core_->disconnect(std::chrono::seconds(5));
  if (!ended) core_->log_end(ended.error());
}

std::string_view Broker::name() const {
  return "kafka";
}
const kafka::BrokerOptions& Broker::options() const {
  return core_->options();
}

std::string Broker::address() const {
  std::string joined;
  for (const std::string& address : core_->options().addresses) {
    if (!joined.empty()) joined += ",";
    joined += address;
  }
  return joined;
}

Result<void> Broker::apply(std::vector<BrokerOption> options) {
  return core_->apply(options);
}
Result<void> Broker::connect(std::chrono::milliseconds timeout) {
  return core_->connect(timeout);
}

Result<Delivery> Broker::publish(std::string_view topic, Message message, PublishOptions options) {
  return core_->publish(topic, std::move(message), options);
}

Result<Delivery> Broker::publish(std::string_view topic, std::string_view body,
                                 PublishOptions options) {
  return core_->publish(topic, body, options);
}

Result<Delivery> Broker::publish_encoded(std::string_view topic, messaging::EncodeInto encode,
                                         const void* value, PublishOptions options) {
  // Taken, not borrowed: a codec or a middleware may publish too.
  thread_local std::string kept;
  std::string body = std::exchange(kept, {});
  body.clear();
  if (auto encoded = encode(value, {.topic = topic}, body); !encoded) return fail(encoded.error());
  auto published = core_->publish(topic, std::string_view(body), options);
  kept = std::move(body);
  return published;
}

Result<Subscriber> Broker::subscribe_raw(std::string topic, SubscribeHandler handler,
                                         SubscribeOptions options) {
  auto started = core_->subscribe(std::move(topic), std::move(handler), std::move(options));
  if (!started) return fail(started.error());
  return Subscriber(std::move(*started));
}

Result<FlushReport> Broker::flush(std::chrono::milliseconds timeout) {
  return core_->flush(timeout);
}
Result<FlushReport> Broker::disconnect(std::chrono::milliseconds timeout) {
  return core_->disconnect(timeout);
}

}  // namespace v0
}  // namespace dohle
