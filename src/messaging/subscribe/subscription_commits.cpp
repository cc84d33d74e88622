// The commits of a subscription, and the partitions whose offsets the coordinator refuses.
#include <algorithm>
#include <map>
#include <string>
#include <utility>

#include "base/assert.hpp"
#include "base/topic_name.hpp"
#include "messaging/subscribe/subscription_state.hpp"

namespace dohle::messaging {

namespace {

/// Commits that follow one another at once would cost more than the messages between them.
constexpr std::chrono::milliseconds least_commit_interval{1};
/// Time between two reports of a partition whose offset is refused.
constexpr std::chrono::minutes refused_period{1};

}  // namespace

bool SubscriptionState::is_commit_due(TimePoint now) const {
  if (!settings_.commits || due_ == 0 || is_committing_ || now < commit_not_before()) return false;
  return due_ > refused_ || now >= next_refused();
}

TimePoint SubscriptionState::commit_not_before() const {
  if (last_commit_ == TimePoint::min()) return commit_not_before_;
  const auto interval = std::max(settings_.commit_interval, least_commit_interval);
  return std::max(last_commit_ + interval, commit_not_before_);
}

TimePoint SubscriptionState::next_refused() const {
  TimePoint next = never;
  for (const auto& [_, partition] : partitions_) {
    if (partition.is_due && partition.refusal) next = std::min(next, partition.refusal->not_before);
  }
  return next;
}

TimePoint SubscriptionState::next_commit_at() const {
  const TimePoint at = commit_not_before();
  const bool are_all_refused = refused_ > 0 && refused_ == due_;
  return are_all_refused ? std::max(at, next_refused()) : at;
}

void SubscriptionState::on_replaced(std::span<const TopicPartition> partitions,
                                    std::vector<ConsumerRecord>& fetched) {
  for (const TopicPartition& partition : partitions) {
    const auto found = partitions_.find(partition);
    if (found == partitions_.end() || found->second.is_closing) continue;
    const auto is_its = [&](const ConsumerRecord& record) {
      return record.partition == partition.partition && record.topic == partition.topic;
    };
    // They were taken at one time, and those of the new topic begin at its first record.
    const auto first = std::ranges::find_if(fetched, is_its);
    const Offset position = found->second.ledger.position();
    const bool continues =
        position > Offset{0} && first != fetched.end() && first->offset >= position;
    if (continues) std::erase_if(fetched, is_its);
    begin_again(*found);
    found->second.ledger.on_position(Offset{0});
    count_due(found->second);
  }
}

std::vector<PartitionOffset> SubscriptionState::start_commit(TimePoint now) {
  if (!is_commit_due(now)) return {};
  DOHLE_ASSERT(!is_committing_, "a commit starts while another is under way");
  is_committing_ = true;
  last_commit_ = now;
  std::vector<PartitionOffset> offsets;
  offsets.reserve(due_);
  for (const auto& [name, partition] : partitions_) {
    const bool waits = partition.refusal && now < partition.refusal->not_before;
    if (partition.is_due && !waits) offsets.push_back(offset_of(name, partition));
  }
  return offsets;
}

PartitionOffset SubscriptionState::offset_of(const TopicPartition& name,
                                             const Partition& partition) {
  const auto due = partition.ledger.due();
  DOHLE_ASSERT(due.has_value(), "a partition is committed that has nothing to commit");
  return {name, {.offset = due->offset, .leader_epoch = due->leader_epoch}};
}

std::vector<PartitionOffset> SubscriptionState::final_commit(
    std::span<const TopicPartition> partitions) const {
  std::vector<PartitionOffset> offsets;
  if (!settings_.commits) return offsets;
  for (const TopicPartition& partition : partitions) {
    const auto found = partitions_.find(partition);
    if (found == partitions_.end() || !found->second.is_due) continue;
    offsets.push_back(offset_of(partition, found->second));
  }
  return offsets;
}

std::vector<Report> SubscriptionState::on_commit_done(const std::vector<PartitionOffset>& offsets,
                                                      const client::CommitOutcome& outcome,
                                                      TimePoint now) {
  is_committing_ = false;
  if (outcome.others) {
    commit_backoff_ = std::chrono::milliseconds(0);
  } else {
    commit_backoff_ = longer_wait(commit_backoff_, settings_.min_backoff, settings_.max_backoff);
    commit_not_before_ = now + commit_backoff_;
  }
  return on_committed(offsets, outcome, now);
}

std::vector<Report> SubscriptionState::on_committed(const std::vector<PartitionOffset>& offsets,
                                                    const client::CommitOutcome& outcome,
                                                    TimePoint now) {
  std::map<TopicPartition, const Error*> refused;
  for (const auto& each : outcome.refused) refused.emplace(each.partition, &each.why);
  std::vector<Report> reports;
  for (const PartitionOffset& offset : offsets) {
    const auto found = partitions_.find(offset.partition);
    if (found == partitions_.end()) continue;
    if (const auto at = refused.find(offset.partition); at != refused.end()) {
      auto report = refuse(*found, offset.committed.offset, *at->second, now);
      if (report) reports.push_back(*std::move(report));
    } else if (outcome.others) {
      end_refusal(found->second);
      found->second.ledger.on_committed(offset.committed.offset);
      count_due(found->second);
    }
  }
  return reports;
}

std::optional<Report> SubscriptionState::refuse(Partitions::value_type& entry, Offset offset,
                                                const Error& why, TimePoint now) {
  auto& [name, partition] = entry;
  if (!partition.refusal) {
    partition.refusal.emplace();
    if (partition.is_due) ++refused_;
  }
  CommitRefusal& refusal = *partition.refusal;
  refusal.backoff = longer_wait(refusal.backoff, settings_.min_backoff, settings_.max_backoff);
  refusal.not_before = now + refusal.backoff;
  if (now < refusal.next_told) {
    ++refusal.untold;
    return std::nullopt;
  }
  refusal.next_told = now + refused_period;
  std::string text = "offset " + std::to_string(offset.value) + " of " +
                     partition_name(name.topic, name.partition) +
                     " is not committed and is tried again; other partitions do not wait for it";
  const std::uint64_t untold = std::exchange(refusal.untold, 0);
  if (untold > 0) {
    text += "; refused " + std::to_string(untold) + " more times since the last report";
  }
  return Report{.kind = Failure::Kind::subscription,
                .error = why.within(text),
                .event = nullptr,
                .partition = name,
                .offset = offset};
}

void SubscriptionState::end_refusal(Partition& partition) {
  if (partition.refusal && partition.is_due) --refused_;
  partition.refusal.reset();
}

}  // namespace dohle::messaging
