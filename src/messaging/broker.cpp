#include "dohle/broker.hpp"

#include <exception>
#include <utility>

#include "base/fork_watch.hpp"
#include "messaging/broker_access.hpp"
#include "messaging/broker_runtime.hpp"
#include "messaging/publish_chain.hpp"
#include "messaging/skipped_option.hpp"

namespace dohle {
inline namespace v0 {

namespace {

/// Runs before any lock: in a forked child, a thread that does not exist there may hold it.
Result<void> check(const messaging::BrokerRuntime* runtime) {
  if (runtime == nullptr) {
    return fail(Error::client(Errc::closed, "the Broker was moved from"));
  }
  if (runtime->is_forked()) {
    return fail(
        Error::client(Errc::forked, "a broker cannot be used after fork() in the child process"));
  }
  return {};
}

}  // namespace

Broker::Broker(std::shared_ptr<messaging::BrokerRuntime> inside) : inside_(std::move(inside)) {}
Broker::Broker(Broker&&) noexcept = default;

Broker& Broker::operator=(Broker&& other) noexcept {
  if (this == &other) return *this;
  const Broker ended(std::move(*this));
  inside_ = std::move(other.inside_);
  return *this;
}

Broker::~Broker() {
  if (!inside_) return;
  if (inside_->is_forked()) {
    keep_for_ever(std::move(inside_));
    return;
  }
  auto ended = inside_->disconnect(std::chrono::seconds(5));
  if (!ended) inside_->log_end(ended.error());
}

std::string_view Broker::name() const {
  return "kafka";
}
const kafka::BrokerOptions& Broker::options() const {
  static const kafka::BrokerOptions none;
  return inside_ ? inside_->options() : none;
}

std::string Broker::address() const {
  std::string joined;
  if (!inside_) return joined;
  for (const std::string& address : options().addresses) {
    if (!joined.empty()) joined += ",";
    joined += address;
  }
  return joined;
}

Result<void> Broker::apply(std::vector<BrokerOption> options) {
  if (auto usable = check(inside_.get()); !usable) return fail(usable.error());
  return inside_->apply(options);
}
Result<void> Broker::connect(std::chrono::milliseconds timeout) {
  if (auto usable = check(inside_.get()); !usable) return fail(usable.error());
  return inside_->connect(timeout);
}

Result<Delivery> Broker::publish(std::string_view topic, Message message, PublishOptions options) {
  if (auto usable = check(inside_.get()); !usable) return fail(usable.error());
  messaging::skip_option(options);
  return inside_->publish(topic, std::move(message), options);
}

Result<Delivery> Broker::publish(std::string_view topic, std::string_view body,
                                 PublishOptions options) {
  if (auto usable = check(inside_.get()); !usable) return fail(usable.error());
  messaging::skip_option(options);
  return inside_->publish(topic, body, options);
}

std::vector<Result<Delivery>> Broker::publish(std::string_view topic,
                                              std::span<const Message> messages,
                                              PublishOptions options) {
  if (auto usable = check(inside_.get()); !usable) {
    return messaging::each_fails(messages.size(), usable.error());
  }
  messaging::skip_option(options);
  return inside_->publish(topic, messages, options);
}

Result<Delivery> Broker::publish_encoded(std::string_view topic, messaging::EncodeInto encode,
                                         const void* value, PublishOptions options) {
  if (auto usable = check(inside_.get()); !usable) return fail(usable.error());
  messaging::skip_option(options);
  // Moved out, not used in place: a codec or a middleware may publish too.
  thread_local std::string kept;
  std::string body = std::exchange(kept, {});
  body.clear();
  if (auto encoded = encode(value, {.topic = topic}, body); !encoded) return fail(encoded.error());
  auto published = inside_->publish(topic, std::string_view(body), options);
  kept = std::move(body);
  return published;
}

Result<Subscriber> Broker::subscribe_raw(std::string topic, SubscribeHandler handler,
                                         SubscribeOptions options) {
  if (auto usable = check(inside_.get()); !usable) return fail(usable.error());
  messaging::skip_option(options);
  auto started = inside_->subscribe(std::move(topic), std::move(handler), std::move(options));
  if (!started) return fail(started.error());
  return messaging::BrokerAccess::make(std::move(*started));
}

MetricsSnapshot Broker::metrics() const {
  return check(inside_.get()) ? inside_->metrics() : MetricsSnapshot();
}

Result<Client> Broker::client() {
  if (auto usable = check(inside_.get()); !usable) return fail(usable.error());
  return inside_->client();
}

Result<FlushReport> Broker::flush(std::chrono::milliseconds timeout) {
  if (auto usable = check(inside_.get()); !usable) return fail(usable.error());
  return inside_->flush(timeout);
}
Result<FlushReport> Broker::disconnect(std::chrono::milliseconds timeout) {
  if (auto usable = check(inside_.get()); !usable) return fail(usable.error());
  return inside_->disconnect(timeout);
}

}  // namespace v0
}  // namespace dohle
