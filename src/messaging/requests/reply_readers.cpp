#include "messaging/requests/reply_readers.hpp"

#include <algorithm>
#include <chrono>
#include <utility>

#include "messaging/reports/reports.hpp"

namespace dohle::messaging {

using std::chrono::milliseconds;

std::optional<PartitionId> ReplyReaders::find(const std::string& topic) {
  const std::lock_guard lock(mutex_);
  const auto found = readers_.find(topic);
  if (found == readers_.end()) return std::nullopt;
  return found->second.partition;
}

void ReplyReaders::on_replaced(const std::string& topic) {
  const std::int32_t count = means_.known_partitions(topic);
  std::shared_ptr<Subscription> lost;
  {
    const std::lock_guard lock(mutex_);
    const auto found = readers_.find(topic);
    if (found == readers_.end()) return;
    if (count == 0 || found->second.partition.value < count) return;
    lost = std::move(found->second.subscription);
    readers_.erase(found);
  }
  // Requests under way have named the partition that is gone; they end at their deadlines.
  lost->request_stop(monotonic_now());
}

bool ReplyReaders::is_inside() {
  const std::lock_guard lock(mutex_);
  return std::ranges::any_of(
      readers_, [](const auto& each) { return each.second.subscription->may_not_wait(); });
}

Result<PartitionId> ReplyReaders::partition_of(const std::string& topic,
                                               const std::optional<ReplyTopicCreation>& creation,
                                               const CallDeadline& deadline, bool may_wait) {
  if (const auto partition = find(topic)) return *partition;
  if (!may_wait) {
    return fail(Error::client(Errc::would_deadlock,
                              "the first request with replies in topic " + topic +
                                  " waits until that topic is read, which this thread may not"));
  }
  const auto pass = starting_.enter_until(deadline.at());
  if (!pass) {
    return fail(Error::client(Errc::timed_out, "another request still waits until topic " + topic +
                                                   " of its reply is read"));
  }
  if (const auto partition = find(topic)) return *partition;
  auto reader = start(topic, creation, deadline);
  if (!reader) return fail(reader.error().within("to read replies from topic " + topic));
  const PartitionId partition = reader->partition;
  const auto was_replaced = reader->was_replaced;
  {
    const std::lock_guard lock(mutex_);
    readers_.emplace(topic, *std::move(reader));
  }
  // An earlier call of on_replaced did not find the reader.
  if (*was_replaced) on_replaced(topic);
  return partition;
}

Result<ReplyReaders::Reader> ReplyReaders::start(const std::string& topic,
                                                 const std::optional<ReplyTopicCreation>& creation,
                                                 const CallDeadline& deadline) {
  {
    const std::lock_guard lock(mutex_);
    if (readers_.size() >= max_topics) {
      return fail(Error::client(Errc::limit_reached, "the replies of this broker come from " +
                                                         std::to_string(max_topics) +
                                                         " topics already; more are not allowed"));
    }
  }
  auto partition = means_.choose_partition(topic, creation, deadline);
  if (!partition) return fail(partition.error());
  const auto was_replaced = std::make_shared<std::atomic<bool>>(false);
  auto subscription =
      means_.subscribe(topic, *partition, [readers = weak_from_this(), topic, was_replaced] {
        *was_replaced = true;
        if (const auto alive = readers.lock()) alive->on_replaced(topic);
      });
  if (!subscription) return fail(subscription.error());
  auto ready = (*subscription)->wait_ready(deadline.left());
  if (ready) return Reader{*partition, *std::move(subscription), was_replaced};
  // The next request starts anew.
  (*subscription)->request_stop(monotonic_now());
  return fail(ready.error());
}

}  // namespace dohle::messaging
