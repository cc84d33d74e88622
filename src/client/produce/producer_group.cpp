#include "client/produce/producer_group.hpp"

#include <ranges>
#include <set>
#include <utility>

#include "client/cluster/handle_access.hpp"
#include "client/cluster/waiter.hpp"
#include "client/produce/record_sender.hpp"

namespace dohle::client {

namespace {

/// Sums the reports of calls that run at the same time. If one call fails, the reports of the
/// others go back to their producers.
class Sum {
 public:
  Sum(std::size_t calls, Promise<FlushReport> then) : left_(calls), then_(std::move(then)) {}
  void take(const std::weak_ptr<RecordSender>& from, const Result<FlushReport>& one) {
    if (one) {
      reports_.emplace_back(from, *one);
    } else if (!first_) {
      first_ = one.error();
    }
    if (--left_ == 0) finish();
  }
  void finish() {
    if (first_) {
      for (const auto& [from, report] : reports_) {
        if (const auto producer = from.lock()) producer->give_back(report);
      }
      return then_(fail(*first_));
    }
    FlushReport all;
    for (const auto& [from, report] : reports_) add(report, all);
    then_(std::move(all));
  }

 private:
  std::size_t left_;
  Promise<FlushReport> then_;
  std::vector<std::pair<std::weak_ptr<RecordSender>, FlushReport>> reports_;
  std::optional<Error> first_;
};

std::vector<std::shared_ptr<RecordSender>> senders_of(std::span<Producer* const> producers) {
  std::vector<std::shared_ptr<RecordSender>> senders;
  senders.reserve(producers.size());
  for (Producer* producer : producers) senders.push_back(sender_of(*producer));
  return senders;
}

/// A flush of several producers. Loop thread, but for its construction.
class FlushTogether {
 public:
  explicit FlushTogether(std::vector<std::shared_ptr<RecordSender>> senders)
      : senders_(std::move(senders)) {}

  void begin(TimePoint deadline, Promise<FlushReport> then) {
    const auto sum = std::make_shared<Sum>(senders_.size(), std::move(then));
    if (senders_.empty()) return sum->finish();
    for (const auto& sender : senders_) {
      ids_.push_back(sender->flush(
          deadline, [sum, from = std::weak_ptr(sender)](const Result<FlushReport>& one) {
            sum->take(from, one);
          }));
    }
  }
  void end(const Error& why) {
    for (std::size_t i = 0; i < ids_.size(); ++i) senders_[i]->end_flush(ids_[i], why);
  }

 private:
  const std::vector<std::shared_ptr<RecordSender>> senders_;
  /// In the order of the senders.
  std::vector<RecordSender::FlushId> ids_;
};

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
                                   const CallDeadline& deadline, const std::stop_token& stop) {
  if (auto usable = client.check_usable(); !usable) return fail(usable.error());
  const auto flush = std::make_shared<FlushTogether>(senders_of(producers));
  return wait_for<FlushReport>(
      client.loop(), deadline, stop,
      [flush, at = deadline.for_loop()](auto then) { flush->begin(at, std::move(then)); },
      [flush](CallEnd how) { flush->end(flush_ended(how)); });
}

Result<FlushReport> close_together(Client::Shared& client, std::span<Producer* const> producers,
                                   const CallDeadline& deadline) {
  if (client.is_forked()) return fail(forked());
  const auto time = std::make_shared<CallTime>(deadline, deadline.left());
  return wait_for<FlushReport>(
      client.loop(), deadline, {},
      [senders = senders_of(producers), time](auto promise) {
        const auto sum = std::make_shared<Sum>(senders.size(), std::move(promise));
        if (senders.empty()) return sum->finish();
        for (const auto& sender : senders) {
          sender->close(time, [sum, from = std::weak_ptr(sender)](const Result<FlushReport>& one) {
            sum->take(from, one);
          });
        }
      },
      [time](CallEnd) { time->end(); });
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
