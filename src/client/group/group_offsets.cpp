#include "client/group/group_offsets.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cstdint>
#include <map>
#include <string_view>
#include <utility>

#include "base/assert.hpp"
#include "base/broker_errors.hpp"
#include "base/topic_name.hpp"
#include "client/group/coordinator.hpp"

namespace dohle::client {

namespace {

Error no_coordinator(const std::string& group_id) {
  return Error::client(Errc::timed_out,
                       fmt::format("no coordinator of group {} was found in time", group_id))
      .with_retriable(true);
}

bool is_worth_retrying(const Error& why) {
  return why.is_retriable() || is_coordinator_lost(why);
}

/// Whether the error is that of the member or its coordinator, and not of the partition for which
/// it was answered. A topic that was deleted is the partition's alone: repeated, as the Java
/// consumer does in commitSync, it would hold back all later commits until the deadline.
bool concerns_all(const Error& why) {
  using namespace broker_error;
  switch (why.code()) {
    case unknown_topic_or_partition:
    case unknown_topic_id:
      return false;
    case illegal_generation:
    case unknown_member_id:
    case rebalance_in_progress:
    case fenced_instance_id:
    case stale_member_epoch:
    case invalid_group_id:
    case group_id_not_found:
    case group_authorization_failed:
      return true;
    default:
      return is_worth_retrying(why);
  }
}

wire::OffsetCommitRequest commit_request(const GroupMembership& by,
                                         const std::vector<PartitionOffset>& offsets,
                                         GroupOffsets::Retention retention) {
  wire::OffsetCommitRequest request;
  if (retention) request.retention_time_ms = retention->count();
  request.group_id = by.group_id;
  request.generation_id_or_member_epoch = by.generation;
  request.member_id = by.generation.is_none() ? std::string() : by.member_id;
  if (!by.generation.is_none()) request.group_instance_id = by.instance_id;
  for (const PartitionOffset& each : offsets) {
    if (request.topics.empty() || request.topics.back().name != each.partition.topic) {
      request.topics.emplace_back();
      request.topics.back().name = each.partition.topic;
    }
    request.topics.back().partitions.push_back({each.partition.partition, each.committed.offset,
                                                each.committed.leader_epoch,
                                                each.committed.metadata});
  }
  return request;
}

wire::OffsetFetchRequest fetch_request(const std::string& group_id,
                                       const std::vector<TopicPartition>& partitions) {
  wire::OffsetFetchRequest request;
  request.group_id = group_id;
  request.topics.emplace();
  wire::OffsetFetchRequest::OffsetFetchRequestGroup group;
  group.group_id = group_id;
  group.topics.emplace();
  for (const TopicPartition& each : partitions) {
    if (request.topics->empty() || request.topics->back().name != each.topic) {
      request.topics->push_back({each.topic, {}});
      group.topics->push_back({each.topic, {}, {}});
    }
    request.topics->back().partition_indexes.push_back(each.partition);
    group.topics->back().partition_indexes.push_back(each.partition);
  }
  request.groups.push_back(std::move(group));
  return request;
}

/// The code of each partition in the answer, which must outlive the result. If a partition is
/// there twice, an error takes precedence.
std::map<std::pair<std::string_view, PartitionId>, std::int16_t> codes_of(
    const wire::OffsetCommitResponse& answer) {
  std::map<std::pair<std::string_view, PartitionId>, std::int16_t> codes;
  for (const auto& topic : answer.topics) {
    for (const auto& each : topic.partitions) {
      std::int16_t& code = codes[{topic.name, each.partition_index}];
      if (code == broker_error::none) code = each.error_code;
    }
  }
  return codes;
}

/// Nothing says that the offset is committed.
Error not_answered() {
  return Error::client(Errc::malformed, "the answer has no entry for the partition");
}

template <class Topics>
Result<void> collect(const Topics& topics, std::vector<PartitionOffset>& into) {
  for (const auto& topic : topics) {
    for (const auto& each : topic.partitions) {
      const TopicPartition where{topic.name, each.partition_index};
      if (each.error_code != broker_error::none) {
        return fail(
            Error::broker(each.error_code,
                          "committed offset of " + partition_name(where.topic, where.partition)));
      }
      if (each.committed_offset.value < 0) continue;
      into.push_back({where,
                      {each.committed_offset, each.committed_leader_epoch,
                       each.metadata.value_or(std::string())}});
    }
  }
  return {};
}

Result<std::vector<PartitionOffset>> offsets_of(const wire::OffsetFetchResponse& answer) {
  std::int16_t code = answer.error_code;
  for (const auto& group : answer.groups) {
    if (code == broker_error::none) code = group.error_code;
  }
  if (code != broker_error::none) return fail(Error::broker(code, "fetch committed offsets"));
  std::vector<PartitionOffset> found;
  if (auto taken = collect(answer.topics, found); !taken) return fail(taken.error());
  for (const auto& group : answer.groups) {
    if (auto taken = collect(group.topics, found); !taken) return fail(taken.error());
  }
  return found;
}

}  // namespace

void GroupOffsets::close(const Error& why) {
  closed_ = why;
  cluster_.environment().loop.cancel(std::exchange(timer_, 0));
  auto commits = std::exchange(commits_, {});
  for (Commit& each : commits) {
    if (each.then) each.then(outcome_of(each, fail(why)));
  }
}

void GroupOffsets::watch(TimePoint deadline) {
  if (deadline >= timer_at_) return;
  cluster_.environment().loop.cancel(timer_);
  timer_at_ = deadline;
  timer_ = cluster_.environment().loop.arm(deadline, [weak = weak_from_this()] {
    if (const auto self = weak.lock()) self->on_time();
  });
}

void GroupOffsets::stop_timer() {
  cluster_.environment().loop.cancel(std::exchange(timer_, 0));
  timer_at_ = never;
}

void GroupOffsets::on_time() {
  stop_timer();
  if (closed_) return;
  const TimePoint now = cluster_.now();
  const Error why = late("commit");
  std::vector<std::pair<CommitDone, CommitOutcome>> told;
  for (Commit& each : commits_) {
    if (!each.then || each.time->deadline() > now) continue;
    told.emplace_back(std::exchange(each.then, nullptr), outcome_of(each, fail(why)));
  }
  // The first commit may still get its answer; the later ones were never sent.
  for (auto each = commits_.begin(); each != commits_.end();) {
    const bool is_under_way = each == commits_.begin() && is_committing_;
    each = each->then || is_under_way ? each + 1 : commits_.erase(each);
  }
  TimePoint next = never;
  for (const Commit& each : commits_) {
    if (each.then) next = std::min(next, each.time->deadline());
  }
  watch(next);
  for (auto& [then, outcome] : told) then(std::move(outcome));
}

Error GroupOffsets::late(std::string_view what) {
  const GroupMembership by = group_.membership();
  const std::string trouble = by.coordinator.is_none()
                                  ? "no coordinator was found" + cluster_.troubles()
                                  : cluster_.trouble_with(by.coordinator, lane_);
  return Error::client(Errc::timed_out,
                       fmt::format("{} offsets of group {}: no answer in time{}{}", what,
                                   by.group_id, trouble.empty() ? "" : ": ", trouble))
      .with_retriable(true);
}

void GroupOffsets::commit(std::vector<PartitionOffset> offsets, SharedCallTime time,
                          CommitDone then) {
  const std::size_t count = offsets.size();
  if (closed_) return then({.others = fail(*closed_), .offsets = count});
  watch(time->deadline());
  const Generation generation = offsets.empty() ? Generation{} : group_.membership().generation;
  time->on_end([weak = weak_from_this()] {
    if (const auto self = weak.lock()) self->on_time();
  });
  commits_.push_back({.offsets = std::move(offsets),
                      .generation = generation,
                      .time = std::move(time),
                      .backoff = cluster_.retry_backoff(),
                      .then = std::move(then),
                      .count = count});
  pump();
}

CommitOutcome GroupOffsets::outcome_of(Commit& commit, const Result<void>& rest) {
  const std::size_t open = commit.refused.size() + commit.offsets.size();
  CommitOutcome outcome{
      .refused = std::move(commit.refused), .others = {}, .offsets = commit.count};
  const bool are_some_committed = commit.count > open;
  if (rest || !are_some_committed) {
    outcome.others = rest;
    return outcome;
  }
  for (const PartitionOffset& each : commit.offsets) {
    outcome.refused.push_back({each.partition, rest.error()});
  }
  return outcome;
}

Result<void> GroupOffsets::take_answer(Commit& commit, const wire::OffsetCommitResponse& answer) {
  const auto codes = codes_of(answer);
  std::optional<Error> first;
  std::vector<PartitionOffset> rest;
  for (PartitionOffset& each : commit.offsets) {
    const auto code = codes.find({each.partition.topic, each.partition.partition});
    if (code == codes.end()) {
      commit.refused.push_back({std::move(each.partition), not_answered()});
      continue;
    }
    if (code->second == broker_error::none) continue;
    const Error why = Error::broker(
        code->second, "commit " + partition_name(each.partition.topic, each.partition.partition));
    if (!concerns_all(why)) {
      commit.refused.push_back({std::move(each.partition), why});
      continue;
    }
    // An error that a retry cannot cure takes precedence.
    if (!first || (is_worth_retrying(*first) && !is_worth_retrying(why))) first = why;
    rest.push_back(std::move(each));
  }
  commit.offsets = std::move(rest);
  if (first) return fail(*first);
  return {};
}

void GroupOffsets::end_commit(const Result<void>& rest) {
  DOHLE_ASSERT(!commits_.empty() && !is_committing_, "a commit ends that is under way, or is gone");
  CommitOutcome outcome = outcome_of(commits_.front(), rest);
  CommitDone then = std::move(commits_.front().then);
  commits_.pop_front();
  if (then) then(std::move(outcome));
  pump();
}

void GroupOffsets::pump() {
  // Not recursive: a commit that ends at once calls pump again, and many of them would overflow the
  // stack.
  if (is_pumping_) return;
  is_pumping_ = true;
  while (!is_committing_ && !commits_.empty() && !closed_) begin_commit();
  is_pumping_ = false;
}

void GroupOffsets::begin_commit() {
  DOHLE_ASSERT(!is_committing_, "a commit overtakes the one before it");
  Commit& head = commits_.front();
  if (head.offsets.empty()) return end_commit({});
  is_committing_ = true;
  const GroupMembership by = group_.membership();
  // The server would accept it under a later generation, although another member may have continued
  // from the offset committed before.
  if (by.generation != head.generation) {
    is_committing_ = false;
    return end_commit(fail(Error::broker(broker_error::illegal_generation,
                                         "commit: the group has rebalanced since the call")));
  }
  if (by.coordinator.is_none()) return retry_commit(no_coordinator(by.group_id));
  cluster_.ask<wire::OffsetCommitRequest>(
      by.coordinator, lane_, commit_request(by, head.offsets, retention_),
      [self = shared_from_this(), by](Result<wire::OffsetCommitResponse> answer) {
        self->on_committed(by, std::move(answer));
      });
}

void GroupOffsets::on_committed(const GroupMembership& by,
                                Result<wire::OffsetCommitResponse> answer) {
  if (closed_) return;
  DOHLE_ASSERT(is_committing_ && !commits_.empty(), "an answer to a commit that was not sent");
  const Result<void> rest =
      answer ? take_answer(commits_.front(), *answer) : Result<void>(fail(answer.error()));
  if (!rest) group_.on_offsets_error(by.coordinator, by.generation, rest.error());
  if (!rest && is_worth_retrying(rest.error())) return retry_commit(rest.error());
  is_committing_ = false;
  end_commit(rest);
}

void GroupOffsets::retry_commit(const Error& why) {
  Commit& head = commits_.front();
  const TimePoint at = cluster_.now() + head.backoff.next(cluster_.environment().random);
  if (at >= head.time->deadline() || !head.then) {
    is_committing_ = false;
    return end_commit(fail(why));
  }
  cluster_.environment().loop.arm(at, [weak = weak_from_this()] {
    const auto self = weak.lock();
    if (!self || self->closed_) return;
    self->is_committing_ = false;
    self->pump();
  });
}

void GroupOffsets::fetch(std::vector<TopicPartition> partitions, SharedCallTime time,
                         OffsetsFetched then) {
  auto fetch = std::make_shared<Fetch>(
      Fetch{std::move(partitions), time, cluster_.retry_backoff(), std::move(then)});
  const auto end = [self = weak_from_this(), waiting = std::weak_ptr(fetch)] {
    const auto alive = self.lock();
    const auto late = waiting.lock();
    if (alive && late) alive->end_fetch(*late, fail(alive->late("fetch")));
  };
  if (time->deadline() != never) cluster_.environment().loop.arm(time->deadline(), end);
  time->on_end(end);
  ask(std::move(fetch));
}

void GroupOffsets::end_fetch(Fetch& fetch, Result<std::vector<PartitionOffset>> outcome) {
  OffsetsFetched then = std::exchange(fetch.then, nullptr);
  if (then) then(std::move(outcome));
}

void GroupOffsets::ask(std::shared_ptr<Fetch> fetch) {
  if (closed_) return end_fetch(*fetch, fail(*closed_));
  const GroupMembership by = group_.membership();
  if (by.coordinator.is_none()) return retry(std::move(fetch), no_coordinator(by.group_id));
  auto request = fetch_request(by.group_id, fetch->partitions);
  cluster_.ask<wire::OffsetFetchRequest>(
      by.coordinator, lane_, std::move(request),
      [self = shared_from_this(), by,
       fetch = std::move(fetch)](Result<wire::OffsetFetchResponse> answer) mutable {
        self->on_fetched(std::move(fetch), by, std::move(answer));
      });
}

void GroupOffsets::on_fetched(std::shared_ptr<Fetch> fetch, const GroupMembership& by,
                              Result<wire::OffsetFetchResponse> answer) {
  if (closed_) return end_fetch(*fetch, fail(*closed_));
  auto found =
      answer ? offsets_of(*answer) : Result<std::vector<PartitionOffset>>(fail(answer.error()));
  if (!found) group_.on_offsets_error(by.coordinator, by.generation, found.error());
  if (!found && is_worth_retrying(found.error())) return retry(std::move(fetch), found.error());
  end_fetch(*fetch, std::move(found));
}

void GroupOffsets::retry(std::shared_ptr<Fetch> fetch, const Error& why) {
  const TimePoint at = cluster_.now() + fetch->backoff.next(cluster_.environment().random);
  if (!fetch->then) return;
  if (at >= fetch->time->deadline()) return end_fetch(*fetch, fail(why));
  cluster_.environment().loop.arm(at,
                                  [self = shared_from_this(), fetch = std::move(fetch)]() mutable {
                                    self->ask(std::move(fetch));
                                  });
}

}  // namespace dohle::client
