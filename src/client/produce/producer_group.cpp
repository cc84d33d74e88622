#include "client/produce/producer_group.hpp"

#include <ranges>
#include <set>
#include <utility>

#include "client/cluster/handle_access.hpp"
#include "client/cluster/waiter.hpp"
#include "client/produce/record_sender.hpp"

namespace dohle::client {

namespace {

/// Sums the reports of calls that run at the same time.
class Sum {
 public:
  Sum(std::size_t calls, Promise<FlushReport> then) : left_(calls), then_(std::move(then)) {}
  void take(const Result<FlushReport>& one) {
    if (one) {
      add(*one, all_);
    } else if (!first_) {
      first_ = one.error();
    }
    if (--left_ == 0) finish();
  }
  void finish() {
    if (first_) return then_(fail(*first_));
    then_(std::move(all_));
  }

 private:
  std::size_t left_;
  Promise<FlushReport> then_;
  FlushReport all_;
  std::optional<Error> first_;
};

using Call = void (RecordSender::*)(TimePoint, RecordSender::Flushed);

Result<FlushReport> call_together(Client::Shared& client, std::span<Producer* const> producers,
                                  std::chrono::milliseconds timeout, Call call) {
  std::vector<std::shared_ptr<RecordSender>> senders;
  senders.reserve(producers.size());
  for (Producer* producer : producers) senders.push_back(sender_of(*producer));
  return wait_for<FlushReport>(
      client.loop(), [&client, senders = std::move(senders), timeout, call](auto promise) {
        const auto sum = std::make_shared<Sum>(senders.size(), std::move(promise));
        if (senders.empty()) return sum->finish();
        const TimePoint deadline = client.cluster().now() + call_timeout(timeout);
        for (const auto& sender : senders) {
          ((*sender).*call)(deadline, [sum](const Result<FlushReport>& one) { sum->take(one); });
        }
      });
}

}  // namespace

void ProducerGroup::join(std::weak_ptr<RecordSender> member) {
  std::erase_if(members_, [](const auto& each) { return each.expired(); });
  members_.push_back(std::move(member));
}

void ProducerGroup::hurry_others(const RecordSender& waiting) {
  if (2 * waiting.budget.used() >= memory.used()) return;
  for (const auto& each : std::vector(members_)) {
    const auto member = each.lock();
    if (member && member.get() != &waiting) member->hurry_own();
  }
}

Result<FlushReport> flush_together(Client::Shared& client, std::span<Producer* const> producers,
                                   std::chrono::milliseconds timeout) {
  if (auto usable = client.check_usable(); !usable) return fail(usable.error());
  return call_together(client, producers, timeout, &RecordSender::flush);
}

Result<FlushReport> close_together(Client::Shared& client, std::span<Producer* const> producers,
                                   std::chrono::milliseconds timeout) {
  if (client.is_forked()) return fail(forked());
  return call_together(client, producers, timeout, &RecordSender::close);
}

void hurry_together(std::span<const Result<Delivery>> deliveries) {
  // To make one batch of a partition due makes all its earlier ones due.
  std::set<std::pair<std::uint64_t, PartitionId>> hurried;
  for (const auto& each : deliveries | std::views::reverse) {
    const Outcome* outcome = each ? HandleAccess::outcome(*each) : nullptr;
    if (outcome == nullptr || outcome->is_settled()) continue;
    if (!hurried.emplace(outcome->topic_serial, outcome->partition).second) continue;
    if (const auto owner = outcome->owner.lock()) {
      owner->hurry(outcome->partition, outcome->topic_serial);
    }
  }
}

std::optional<FlushReport> close_if_idle(Producer& producer) {
  return sender_of(producer)->close_if_idle();
}

void add(const FlushReport& one, FlushReport& all) {
  all.failed += one.failed;
  if (!all.first_error) all.first_error = one.first_error;
}

}  // namespace dohle::client
