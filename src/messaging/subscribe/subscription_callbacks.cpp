// Calls of a subscription to the program about its partitions: assigned, revoked, lost, idle.
#include <algorithm>
#include <iterator>
#include <set>
#include <string_view>
#include <utility>
#include <vector>

#include "messaging/subscribe/subscription.hpp"

namespace dohle::messaging {

void Subscription::call_back(std::string_view name, const PartitionsHandler& callback,
                             std::span<const TopicPartition> partitions) {
  if (!callback || partitions.empty()) return;
  call_program(name, [&] { callback(partitions); });
}

void Subscription::tell_assigned(std::span<const TopicPartition> partitions) {
  // Each is there once.
  (void)take_told(partitions);
  std::vector<TopicPartition> own;
  {
    const std::lock_guard lock(mutex_);
    std::ranges::copy_if(partitions, std::back_inserter(own),
                         [&](const TopicPartition& each) { return state_.is_source(each.topic); });
  }
  told_.insert(told_.end(), own.begin(), own.end());
  call_back("on_assigned", setup_.options.on_assigned, own);
}

void Subscription::tell_revoked(std::span<const TopicPartition> partitions) {
  call_back("on_revoked", setup_.options.on_revoked, take_told(partitions));
}

void Subscription::tell_lost(std::span<const TopicPartition> partitions) {
  call_back("on_lost", setup_.options.on_lost, take_told(partitions));
}

std::vector<TopicPartition> Subscription::take_told(std::span<const TopicPartition> partitions) {
  std::vector<TopicPartition> taken;
  // There may be thousands of topics.
  const std::set<TopicPartition> given(partitions.begin(), partitions.end());
  std::erase_if(told_, [&](const TopicPartition& told) {
    const bool is_one = given.contains(told);
    if (is_one) taken.push_back(told);
    return is_one;
  });
  return taken;
}

void Subscription::report_idle() {
  if (!setup_.options.on_idle) return;
  {
    const std::lock_guard lock(mutex_);
    const TimePoint now = monotonic_now();
    if (state_.is_busy()) idle_.on_message(now);
    if (!idle_.take_due(now)) return;
  }
  call_program("on_idle", setup_.options.on_idle);
}

}  // namespace dohle::messaging
