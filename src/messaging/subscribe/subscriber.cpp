// The calls of a program for its subscription.
#include <chrono>
#include <stop_token>
#include <string>
#include <utility>
#include <vector>

#include "messaging/subscribe/subscription.hpp"

namespace dohle {
inline namespace v0 {

Subscriber::Subscriber(std::shared_ptr<messaging::Subscription> subscription)
    : subscription_(std::move(subscription)) {}
Subscriber::Subscriber(Subscriber&&) noexcept = default;

Result<bool> Subscriber::next_event(std::chrono::milliseconds timeout,
                                    messaging::PullReceiver& receiver,
                                    const std::stop_token& stop) {
  if (!subscription_) {
    return fail(Error::client(Errc::closed, "the Subscriber was moved from"));
  }
  return subscription_->next(timeout, receiver, stop);
}

Subscriber& Subscriber::operator=(Subscriber&& other) noexcept {
  if (this == &other) return *this;
  const Subscriber ended(std::move(*this));
  subscription_ = std::move(other.subscription_);
  return *this;
}

Subscriber::~Subscriber() {
  if (!subscription_) return;
  if (subscription_->is_forked()) {
    keep_for_ever(std::move(subscription_));
    return;
  }
  if (subscription_->is_given_up()) return;
  if (auto ended = subscription_->unsubscribe(std::chrono::seconds(5)); !ended) {
    subscription_->log_end(ended.error());
  }
}

namespace {

Result<void> check(const messaging::Subscription* subscription) {
  if (subscription == nullptr) {
    return fail(Error::client(Errc::closed, "the Subscriber was moved from"));
  }
  return subscription->check_usable();
}

}  // namespace

const std::string& Subscriber::topic() const {
  static const std::string none;
  return subscription_ ? subscription_->topic() : none;
}
const SubscribeOptions& Subscriber::options() const {
  static const SubscribeOptions none;
  return subscription_ ? subscription_->options() : none;
}
Result<void> Subscriber::wait_ready(std::chrono::milliseconds timeout) {
  if (auto usable = check(subscription_.get()); !usable) return usable;
  return subscription_->wait_ready(timeout);
}
Result<void> Subscriber::wait_ready(std::chrono::milliseconds timeout,
                                    const std::stop_token& stop) {
  if (auto usable = check(subscription_.get()); !usable) return usable;
  return subscription_->wait_ready(timeout, stop);
}
std::vector<HeldMessage> Subscriber::held() const {
  const bool is_usable = subscription_ && !subscription_->is_forked();
  return is_usable ? subscription_->held() : std::vector<HeldMessage>();
}
ReadLag Subscriber::lag() const {
  const bool is_usable = subscription_ && !subscription_->is_forked();
  return is_usable ? subscription_->lag() : ReadLag();
}
std::vector<TopicPartition> Subscriber::assignment() const {
  const bool is_usable = subscription_ && !subscription_->is_forked();
  return is_usable ? subscription_->assignment() : std::vector<TopicPartition>();
}
Result<Offset> Subscriber::position(const TopicPartition& partition) const {
  if (auto usable = check(subscription_.get()); !usable) return fail(usable.error());
  return subscription_->position(partition);
}
Result<Offset> Subscriber::committed(const TopicPartition& partition) const {
  if (auto usable = check(subscription_.get()); !usable) return fail(usable.error());
  return subscription_->committed(partition);
}
Result<void> Subscriber::pause() {
  if (auto usable = check(subscription_.get()); !usable) return usable;
  return subscription_->pause_all(true);
}
Result<void> Subscriber::resume() {
  if (auto usable = check(subscription_.get()); !usable) return usable;
  return subscription_->pause_all(false);
}
Result<void> Subscriber::pause(const TopicPartition& partition) {
  if (auto usable = check(subscription_.get()); !usable) return usable;
  return subscription_->pause(partition, true);
}
Result<void> Subscriber::resume(const TopicPartition& partition) {
  if (auto usable = check(subscription_.get()); !usable) return usable;
  return subscription_->pause(partition, false);
}
Result<void> Subscriber::seek(const TopicPartition& partition, Offset offset) {
  if (auto usable = check(subscription_.get()); !usable) return usable;
  return subscription_->seek(partition, offset);
}

Result<TopicPartition> Subscriber::of_only_topic(PartitionId partition,
                                                 std::string_view call) const {
  if (auto usable = check(subscription_.get()); !usable) return fail(usable.error());
  return subscription_->of_only_topic(partition, call);
}
Result<Offset> Subscriber::position(PartitionId partition) const {
  const auto name = of_only_topic(partition, "position");
  return name ? position(*name) : Result<Offset>(fail(name.error()));
}
Result<Offset> Subscriber::committed(PartitionId partition) const {
  const auto name = of_only_topic(partition, "committed");
  return name ? committed(*name) : Result<Offset>(fail(name.error()));
}
Result<void> Subscriber::pause(PartitionId partition) {
  const auto name = of_only_topic(partition, "pause");
  return name ? pause(*name) : Result<void>(fail(name.error()));
}
Result<void> Subscriber::resume(PartitionId partition) {
  const auto name = of_only_topic(partition, "resume");
  return name ? resume(*name) : Result<void>(fail(name.error()));
}
Result<void> Subscriber::seek(PartitionId partition, Offset offset) {
  const auto name = of_only_topic(partition, "seek");
  return name ? seek(*name, offset) : Result<void>(fail(name.error()));
}

Result<void> Subscriber::unsubscribe(std::chrono::milliseconds timeout) {
  if (auto usable = check(subscription_.get()); !usable) return usable;
  return subscription_->unsubscribe(timeout);
}

}  // namespace v0
}  // namespace dohle
