#include "client/consume/fetch_planner.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <limits>
#include <set>
#include <tuple>
#include <utility>

#include "base/assert.hpp"
#include "base/broker_errors.hpp"
#include "base/topic_name.hpp"
#include "wire/compression.hpp"

namespace dohle::client {

namespace {

/// A smaller fetch waits for room, unless there are no fetches in flight and no queued records.
constexpr std::size_t fetch_worth_sending_bytes = 64 * 1024;
/// Minimum decompressed size that one poll may take even if the account has less room. It is small
/// beside the single batch that may exceed the bound.
constexpr std::size_t min_expansion_bytes = std::size_t{8} << 20;
/// Minimum delay before a staying error is returned again, for any retry_backoff.
constexpr Duration min_error_wait = std::chrono::milliseconds(10);

std::string name_of(const TopicPartition& where) {
  return partition_name(where.topic, where.partition);
}

Error not_assigned(const TopicPartition& where) {
  return Error::client(Errc::invalid_argument,
                       fmt::format("{} is not assigned to this consumer", name_of(where)));
}

std::int32_t as_int32(std::size_t size) {
  constexpr auto most = static_cast<std::size_t>(std::numeric_limits<std::int32_t>::max());
  return static_cast<std::int32_t>(std::min(size, most));
}

std::int32_t milliseconds_of(Duration span) {
  return static_cast<std::int32_t>(
      std::chrono::duration_cast<std::chrono::milliseconds>(span).count());
}

/// Whether new metadata may cure the error.
bool is_about_leader(std::int16_t code) {
  using namespace broker_error;
  return code == not_leader_or_follower || code == leader_not_available ||
         code == replica_not_available || code == kafka_storage_error ||
         code == fenced_leader_epoch || code == unknown_topic_or_partition ||
         code == unknown_topic_id || code == inconsistent_topic_id || code == listener_not_found;
}

}  // namespace

FetchPlanner::FetchPlanner(Options options, std::shared_ptr<BufferAccount> account, Random& random)
    : options_(std::move(options)), account_(std::move(account)), random_(random) {}

FetchPlanner::Partition* FetchPlanner::find(const TopicPartition& where) {
  const auto found = partitions_.find(where);
  return found == partitions_.end() ? nullptr : found->second.get();
}

const FetchPlanner::Partition* FetchPlanner::find(const TopicPartition& where) const {
  const auto found = partitions_.find(where);
  return found == partitions_.end() ? nullptr : found->second.get();
}

void FetchPlanner::check_invariants(const Partition& partition) const {
  std::size_t bytes = 0;
  for (const Queued& queued : partition.queue) {
    DOHLE_ASSERT(queued.at < queued.batches.size(), "records that were taken are queued");
    DOHLE_ASSERT(queued.at == 0 || &queued == &partition.queue.front(),
                 "records are taken before earlier ones");
    bytes += queued.batches.size() - queued.at;
  }
  DOHLE_ASSERT(bytes == partition.queued_bytes, "the bytes that are queued are miscounted");
  DOHLE_ASSERT(partition.serial <= last_serial_,
               "a partition's serial is above the last assigned one");
  DOHLE_ASSERT(partition.is_ready == (!partition.is_paused && !partition.queue.empty()),
               "a partition is offered that is paused or has no records, or is not offered");
  DOHLE_ASSERT(!partition.is_stopped || partition.queue.empty(),
               "records are queued of a partition that is given up");
  DOHLE_ASSERT(partition.wanted.has_value() == partition.consumed.is_none(),
               "a position is looked for that is known, or is not looked for");
  DOHLE_ASSERT(!partition.wanted || (partition.queue.empty() && partition.next_fetch.is_none()),
               "a partition without a position is read");
  DOHLE_ASSERT(!partition.is_looked_up || partition.wanted, "a known position is looked up");
  DOHLE_ASSERT(partition.consumed <= partition.next_fetch, "records are taken that did not come");
  DOHLE_ASSERT(partition.settled <= partition.consumed, "records are settled that were not taken");
}

void FetchPlanner::check_invariants() const {
  std::size_t ready = 0;
  std::size_t asked = 0;
  for (const auto& [where, partition] : partitions_) {
    DOHLE_ASSERT(where == *partition->where, "a partition is stored under another one's name");
    check_invariants(*partition);
    ready += partition->is_ready ? 1 : 0;
    asked += partition->is_asked ? 1 : 0;
  }
  DOHLE_ASSERT(ready == ready_.size(), "a partition is offered twice, or is not");
  for (const Partition* partition : ready_) {
    DOHLE_ASSERT(find(*partition->where) == partition, "a partition is offered that is gone");
  }
  for (const auto& [node, server] : servers_) {
    DOHLE_ASSERT(server.is_asked == (server.reserved.bytes() > 0),
                 "a fetch is under way without room for its answer, or keeps it");
    DOHLE_ASSERT(server.is_asked || server.sent.empty(), "a fetch that ended has partitions");
    for (const Sent& sent : server.sent) {
      DOHLE_ASSERT(sent.partition->is_asked, "a partition is fetched and not known to be");
      asked -= find(*sent.partition->where) == sent.partition.get() ? 1 : 0;
    }
  }
  DOHLE_ASSERT(asked == 0, "a partition counts as fetched and is in no fetch, or in two");
}

// The assignment.

void FetchPlanner::assign(const std::vector<TopicPartition>& partitions, bool held) {
  const std::set<TopicPartition> kept(partitions.begin(), partitions.end());
  std::vector<TopicPartition> dropped;
  for (const auto& [where, partition] : partitions_) {
    if (!kept.contains(where)) dropped.push_back(where);
  }
  remove(dropped);
  for (const TopicPartition& where : partitions) {
    auto& partition = partitions_[where];
    if (partition) {
      partition->is_stopped = false;
      continue;
    }
    partition =
        std::make_shared<Partition>(std::make_shared<const TopicPartition>(where), options_);
    partition->is_held = held;
    if (options_.has_group) {
      want(*partition, {StartingPoint::Kind::committed});
    } else {
      reset(*partition, "there is no group with a committed offset");
    }
  }
}

void FetchPlanner::release() {
  for (auto& [where, partition] : partitions_) partition->is_held = false;
}

void FetchPlanner::stop(const std::vector<TopicPartition>& partitions) {
  for (const TopicPartition& where : partitions) {
    Partition* partition = find(where);
    if (partition == nullptr) continue;
    drop_queue(*partition);
    partition->next_fetch = partition->consumed;
    partition->is_at_end = false;
    // Its answer is passed over, and the partition may be assigned again.
    partition->is_looked_up = false;
    partition->is_stopped = true;
    partition->serial = ++last_serial_;
  }
}

void FetchPlanner::remove(const std::vector<TopicPartition>& partitions) {
  for (const TopicPartition& where : partitions) {
    const auto found = partitions_.find(where);
    if (found == partitions_.end()) continue;
    drop_queue(*found->second);
    // A fetch of it may be in flight.
    found->second->serial = ++last_serial_;
    partitions_.erase(found);
    untaken_replaced_.erase(where);
  }
}

std::vector<TopicPartition> FetchPlanner::assignment() const {
  std::vector<TopicPartition> all;
  for (const auto& [where, partition] : partitions_) all.push_back(where);
  return all;
}

std::vector<TopicPartition> FetchPlanner::paused() const {
  std::vector<TopicPartition> all;
  for (const auto& [where, partition] : partitions_) {
    if (partition->is_paused) all.push_back(where);
  }
  return all;
}

// Positions.

void FetchPlanner::want(Partition& partition, StartingPoint from) {
  drop_queue(partition);
  partition.serial = ++last_serial_;
  partition.wanted = from;
  partition.is_looked_up = false;
  partition.not_before = TimePoint{};
  partition.consumed = partition.next_fetch = partition.settled = Offset{};
  partition.error.reset();
  partition.error_wait = Duration{};
  partition.is_at_end = false;
}

void FetchPlanner::start_at(Partition& partition, Offset offset, LeaderEpoch epoch) {
  want(partition, {});
  partition.wanted.reset();
  partition.consumed = partition.next_fetch = partition.settled = offset;
  partition.consumed_epoch = partition.settled_epoch = epoch;
  partition.backoff.reset();
}

bool FetchPlanner::is_read_from_first(const std::string& topic) const {
  return options_.is_read_from_first && options_.is_read_from_first(topic, is_made_again(topic));
}

OffsetReset FetchPlanner::reset_of(const std::string& topic) const {
  return is_read_from_first(topic) ? OffsetReset::earliest : options_.reset;
}

std::string_view FetchPlanner::reset_name(const std::string& topic) const {
  switch (reset_of(topic)) {
    case OffsetReset::earliest:
      return "earliest";
    case OffsetReset::latest:
      return "latest";
    case OffsetReset::fail:
      break;
  }
  return "fail";
}

void FetchPlanner::reset(Partition& partition, std::string_view why) {
  switch (reset_of(partition.where->topic)) {
    case OffsetReset::earliest:
      return want(partition, {StartingPoint::Kind::earliest});
    case OffsetReset::latest:
      return want(partition, {StartingPoint::Kind::latest});
    case OffsetReset::fail:
      break;
  }
  want(partition, {});
  set_error(partition,
            Error::client(Errc::no_offset, fmt::format("{} has no offset to begin at: {}, and "
                                                       "offset_reset is fail",
                                                       name_of(*partition.where), why)),
            true);
}

Result<void> FetchPlanner::seek(const TopicPartition& where, Offset offset) {
  Partition* partition = find(where);
  if (partition == nullptr) return fail(not_assigned(where));
  if (offset.value < 0) {
    return fail(Error::client(Errc::invalid_argument,
                              fmt::format("seek in {}: the offset is {}; allowed are 0 and above",
                                          name_of(where), offset.value)));
  }
  start_at(*partition, offset, {});
  return {};
}

Result<void> FetchPlanner::seek(const TopicPartition& where, StartingPoint to) {
  Partition* partition = find(where);
  if (partition == nullptr) return fail(not_assigned(where));
  want(*partition, to);
  return {};
}

Result<void> FetchPlanner::pause(const TopicPartition& where, bool paused) {
  Partition* partition = find(where);
  if (partition == nullptr) return fail(not_assigned(where));
  partition->is_paused = paused;
  if (!paused) make_ready(*partition);
  if (!paused && partition->error) may_have_error_ = true;
  if (paused && partition->is_ready) {
    std::erase(ready_, partition);
    partition->is_ready = false;
  }
  return {};
}

Result<Offset> FetchPlanner::position(const TopicPartition& where) const {
  const Partition* partition = find(where);
  if (partition == nullptr) return fail(not_assigned(where));
  if (partition->error && partition->consumed.is_none()) return fail(*partition->error);
  return partition->consumed;
}

std::optional<std::int64_t> FetchPlanner::lag(const TopicPartition& where) const {
  const Partition* partition = find(where);
  if (partition == nullptr || partition->consumed.is_none()) return std::nullopt;
  if (partition->high_watermark.is_none()) return std::nullopt;
  return std::max<std::int64_t>(0, partition->high_watermark - partition->consumed);
}

std::vector<PartitionOffset> FetchPlanner::taken() const {
  std::vector<PartitionOffset> all;
  for (const auto& [where, partition] : partitions_) {
    if (partition->consumed.is_none()) continue;
    all.push_back({where, {partition->consumed, partition->consumed_epoch}});
  }
  return all;
}

std::vector<PartitionOffset> FetchPlanner::settled() const {
  std::vector<PartitionOffset> all;
  for (const auto& [where, partition] : partitions_) {
    if (partition->settled.is_none()) continue;
    all.push_back({where, {partition->settled, partition->settled_epoch}});
  }
  return all;
}

void FetchPlanner::settle() {
  for (auto& [where, partition] : partitions_) {
    partition->settled = partition->consumed;
    partition->settled_epoch = partition->consumed_epoch;
  }
}

void FetchPlanner::let_go_of_moved(const ClusterView& view) {
  const auto leader_of = [&](const TopicPartition& where) {
    const TopicView* topic = view.topic(where.topic);
    const auto index = static_cast<std::size_t>(where.partition.value);
    const bool is_known = topic != nullptr && index < topic->partitions.size();
    return is_known ? topic->partitions[index].node : NodeId{};
  };
  for (auto& [node, server] : servers_) {
    std::erase_if(server.sent, [&, asked = node](const Sent& sent) {
      const NodeId leader = leader_of(*sent.partition->where);
      const bool has_moved = !leader.is_none() && leader != asked;
      if (has_moved) sent.partition->is_asked = false;
      return has_moved;
    });
  }
  for (auto& [where, partition] : partitions_) {
    if (!partition->is_looked_up || partition->looked_up_at.is_none()) continue;
    const NodeId leader = leader_of(where);
    // `want` assigns a new serial, so that a late answer is ignored.
    if (!leader.is_none() && leader != partition->looked_up_at)
      want(*partition, *partition->wanted);
  }
}

void FetchPlanner::remember_topics(const std::set<std::string>& topics) {
  std::erase_if(remembered_, [&](const auto& entry) { return !topics.contains(entry.first); });
  for (const std::string& topic : topics) remembered_.try_emplace(topic);
}

bool FetchPlanner::is_made_again(std::string_view topic) const {
  const auto found = remembered_.find(topic);
  return found != remembered_.end() && found->second.is_made_again;
}

std::vector<TopicPartition> FetchPlanner::take_replaced() {
  std::vector<TopicPartition> taken(untaken_replaced_.begin(), untaken_replaced_.end());
  untaken_replaced_.clear();
  return taken;
}

void FetchPlanner::note_id(RememberedTopic& known, const TopicView* topic) {
  if (topic == nullptr || topic->id.is_none()) return;
  // The view never returns to a replaced id, so another one is newer.
  const TopicId was = std::exchange(known.id, topic->id);
  if (!was.is_none() && was != topic->id) known.is_made_again = true;
}

void FetchPlanner::note_topics(const ClusterView& view, News& out) {
  let_go_of_moved(view);
  for (auto& [name, known] : remembered_) note_id(known, view.topic(name));
  names_.clear();
  const std::string* last_told = nullptr;
  for (auto& [where, partition] : partitions_) {
    const TopicView* topic = view.topic(where.topic);
    if (topic == nullptr || topic->id.is_none()) continue;
    names_.emplace(topic->id, where.topic);
    note_id(remembered_[where.topic], topic);
    const TopicId was = std::exchange(partition->topic_id, topic->id);
    if (was.is_none() || was == topic->id) continue;
    const Offset position = partition->consumed;
    reset(*partition, "its topic was deleted and created again");
    out.replaced.push_back(where);
    untaken_replaced_.insert(where);
    if (last_told != nullptr && *last_told == where.topic) continue;
    last_told = &where.topic;
    out.lines.push_back(fmt::format(
        "topic {} was deleted and created again (id {}, before that {}): its partitions are read "
        "{}; the position in partition {} was {}",
        where.topic, topic->id.to_string(), was.to_string(),
        is_read_from_first(where.topic)
            ? std::string("from their first record")
            : fmt::format("by offset_reset, {}", reset_name(where.topic)),
        where.partition.value,
        position.is_none() ? std::string("not known") : std::to_string(position.value)));
  }
}

void FetchPlanner::lookups(TimePoint now, std::vector<Lookup>& out) {
  next_at_ = never;
  for (auto& [where, partition] : partitions_) {
    const bool asks = partition->wanted && !partition->is_looked_up && !partition->error &&
                      !partition->is_held && !partition->is_stopped;
    if (!asks) continue;
    if (now < partition->not_before) {
      wake_at(partition->not_before);
      continue;
    }
    partition->is_looked_up = true;
    partition->looked_up_at = NodeId{};
    out.push_back({where, partition->serial, *partition->wanted});
  }
}

void FetchPlanner::on_looked_up_at(const Lookup& lookup, NodeId node) {
  Partition* partition = find(lookup.where);
  if (partition != nullptr && partition->serial == lookup.serial) partition->looked_up_at = node;
}

void FetchPlanner::on_found(const Lookup& lookup, Offset offset, LeaderEpoch epoch, TimePoint now) {
  Partition* partition = find(lookup.where);
  if (partition == nullptr || partition->serial != lookup.serial) return;
  DOHLE_ASSERT(partition->wanted.has_value(), "a position is found after it was known");
  if (offset.value >= 0) return start_at(*partition, offset, epoch);
  if (lookup.from.kind == StartingPoint::Kind::committed) {
    return reset(*partition, "the group has committed no offset");
  }
  const bool is_answer = lookup.from.kind == StartingPoint::Kind::time;
  want(*partition, {StartingPoint::Kind::latest});
  // Every partition has a start and an end, so a missing one is retried later.
  if (!is_answer) put_off(*partition, now);
}

void FetchPlanner::on_not_found(const Lookup& lookup, const Error& why, TimePoint now) {
  Partition* partition = find(lookup.where);
  if (partition == nullptr || partition->serial != lookup.serial) return;
  partition->is_looked_up = false;
  put_off(*partition, now);
  if (!why.is_retriable()) set_error(*partition, why, false);
}

// Fetching.

void FetchPlanner::put_off(Partition& partition, TimePoint now) {
  partition.not_before = now + partition.backoff.next(random_);
  wake_at(partition.not_before);
}

bool FetchPlanner::wants_fetch(const Partition& partition) const {
  return !partition.wanted && !partition.is_paused && !partition.is_held && !partition.is_stopped &&
         !partition.is_asked && !partition.is_at_end && !partition.error;
}

void FetchPlanner::gather(TimePoint now, const ClusterView& view) {
  for (auto& [node, group] : groups_) {
    group.wishes.clear();
    group.sent.clear();
    group.is_full = false;
  }
  const std::int32_t max_bytes = as_int32(options_.max_partition_bytes);
  const std::string* topic_name = nullptr;
  const TopicView* topic = nullptr;
  for (auto& [where, partition] : partitions_) {
    if (!wants_fetch(*partition)) continue;
    if (now < partition->not_before) {
      wake_at(partition->not_before);
      continue;
    }
    if (topic_name == nullptr || *topic_name != where.topic) {
      topic_name = &where.topic;
      topic = view.topic(where.topic);
    }
    const auto index = static_cast<std::size_t>(where.partition.value);
    if (topic == nullptr || index >= topic->partitions.size()) continue;
    const PartitionLeader leader = topic->partitions[index];
    if (leader.node.is_none()) continue;
    Group& group = groups_[leader.node];
    if (partition->queued_bytes >= options_.max_partition_bytes) group.is_full = true;
    group.wishes.push_back(
        {partition->where, partition->topic_id, partition->next_fetch, leader.epoch, max_bytes});
    group.sent.push_back({partition, partition->serial});
  }
}

void FetchPlanner::plan(TimePoint now, const ClusterView& view, std::vector<Ask>& out) {
  gather(now, view);
  for (auto& [node, group] : groups_) {
    if (group.wishes.empty()) continue;
    Server& server = servers_.try_emplace(node, options_).first->second;
    if (server.is_asked || group.is_full) continue;
    if (now < server.not_before) {
      wake_at(server.not_before);
      continue;
    }
    narrow(server, group);
    if (!ask(node, group, now, out)) return;
  }
}

bool FetchPlanner::ask(NodeId node, Group& group, TimePoint now, std::vector<Ask>& out) {
  // One batch may exceed a partition's maximum; the account allows that once per answer.
  const std::size_t wanted =
      std::min(options_.max_bytes, options_.max_partition_bytes * group.wishes.size());
  const bool is_idle = !is_fetching() && ready_.empty();
  const std::size_t least = is_idle ? 1 : std::min(wanted, fetch_worth_sending_bytes);
  std::size_t room = account_->room();
  if (room < least) {
    account_->want_room();
    // Room may have been freed between the check and want_room.
    room = account_->room();
    if (room < least) return false;
  }
  const std::size_t bytes = std::min(room, wanted);
  Server& server = servers_.at(node);
  DOHLE_ASSERT(!server.is_asked, "two fetches from one server at a time");
  server.is_asked = true;
  server.asked_at = now;
  server.reserved = BufferCharge(account_, bytes);
  server.sent.swap(group.sent);
  for (const Sent& sent : server.sent) sent.partition->is_asked = true;
  Ask made{node, {}};
  made.message.max_wait_ms = server.is_narrowed() ? 0 : milliseconds_of(options_.max_wait);
  made.message.min_bytes = as_int32(options_.min_bytes);
  made.message.max_bytes = as_int32(bytes);
  server.session.plan(group.wishes, made.message);
  out.push_back(std::move(made));
  return true;
}

bool FetchPlanner::is_fetching() const {
  return std::ranges::any_of(servers_, [](const auto& each) { return each.second.is_asked; });
}

void FetchPlanner::on_answer(NodeId node, Result<wire::FetchResponse> answer, TimePoint now,
                             News& out) {
  Server& server = servers_.at(node);
  DOHLE_ASSERT(server.is_asked, "an answer to a fetch that was not sent");
  server.is_asked = false;
  server.reserved = {};
  for (const Sent& sent : server.sent) sent.partition->is_asked = false;
  if (!answer) server.session.on_failed();
  const Result<void> taken =
      answer ? server.session.on_answer(*answer) : Result<void>(fail(answer.error()));
  if (taken) {
    server.backoff.reset();
    const bool brought_something = on_partitions(server.sent, *answer, now, out);
    if (server.is_narrowed()) {
      widen(server);
    } else {
      pace(server, brought_something, now);
    }
  } else {
    on_failure(server, taken.error(), now, out);
  }
  server.sent.clear();
}

void FetchPlanner::narrow(const Server& server, Group& group) {
  const std::size_t all = group.wishes.size();
  if (all <= server.max_wishes) return;
  std::size_t first = 0;
  while (first < all && server.asked_last && *group.wishes[first].where <= *server.asked_last) {
    ++first;
  }
  if (first == all) first = 0;
  const std::size_t count = std::min(server.max_wishes, all - first);
  const auto cut = [&](auto& list) {
    list.erase(list.begin() + static_cast<std::ptrdiff_t>(first + count), list.end());
    list.erase(list.begin(), list.begin() + static_cast<std::ptrdiff_t>(first));
  };
  cut(group.wishes);
  cut(group.sent);
}

void FetchPlanner::widen(Server& server) {
  if (server.sent.empty()) return;  // all partitions have moved to other leaders
  server.asked_last = server.sent.back().partition->where;
  const bool is_all = server.max_wishes > server.sent.size();
  server.max_wishes = is_all ? std::numeric_limits<std::size_t>::max() : 2 * server.max_wishes;
}

void FetchPlanner::on_too_large(Server& server, const Error& why, TimePoint now) {
  const std::size_t count = server.sent.size();
  if (count > 1) {
    server.max_wishes = count / 2;
    return;
  }
  server.max_wishes = 1;
  for (const Sent& sent : server.sent) {
    server.asked_last = sent.partition->where;
    if (sent.partition->serial != sent.serial) continue;
    put_off(*sent.partition, now);
    set_error(*sent.partition, why.within("fetch from " + name_of(*sent.partition->where)), false);
  }
}

void FetchPlanner::on_failure(Server& server, const Error& why, TimePoint now, News& out) {
  const bool is_session =
      why.category() == ErrorCategory::broker && FetchSession::is_session_error(why.code());
  if (is_session && server.backoff.failures() == 0) {
    // The first retry is immediate, further ones wait.
    (void)server.backoff.next(random_);
    return;
  }
  if (why.is(Errc::too_large)) return on_too_large(server, why, now);
  server.not_before = now + server.backoff.next(random_);
  wake_at(server.not_before);
  out.doubt = true;
  if (why.is_retriable()) return;
  for (const Sent& sent : server.sent) set_error(*sent.partition, why, false);
}

/// A server without new records should delay its answer. One that answers at once is asked again
/// only after a backoff.
void FetchPlanner::pace(Server& server, bool brought_something, TimePoint now) {
  if (brought_something || now - server.asked_at >= options_.max_wait / 2) {
    return server.idle.reset();
  }
  const bool is_first = server.idle.failures() == 0;
  const Duration wait = server.idle.next(random_);
  if (is_first) return;
  server.not_before = now + wait;
  wake_at(server.not_before);
}

const std::string& FetchPlanner::name_in(
    const wire::FetchResponse::FetchableTopicResponse& topic) const {
  if (topic.topic_id.is_none()) return topic.topic;
  const auto found = names_.find(topic.topic_id);
  return found == names_.end() ? topic.topic : found->second;
}

bool FetchPlanner::on_partitions(const std::vector<Sent>& asked, wire::FetchResponse& answer,
                                 TimePoint now, News& out) {
  std::size_t bytes = 0;
  for (const auto& topic : answer.responses) {
    for (const auto& data : topic.partitions) bytes += data.records ? data.records->size() : 0;
  }
  const auto charge = bytes == 0 ? nullptr : std::make_shared<const BufferCharge>(account_, bytes);
  bool brought_something = false;
  for (auto& topic : answer.responses) {
    const std::string& topic_name = name_in(topic);
    for (auto& data : topic.partitions) {
      const auto name = std::tie(topic_name, data.partition_index);
      const auto sent = std::ranges::lower_bound(asked, name, {}, [](const Sent& each) {
        return std::tie(each.partition->where->topic, each.partition->where->partition);
      });
      if (sent == asked.end()) continue;
      const TopicPartition& where = *sent->partition->where;
      if (std::tie(where.topic, where.partition) != name) continue;
      brought_something = brought_something || sent->partition->serial != sent->serial;
      if (sent->partition->serial != sent->serial) continue;
      const Offset before = sent->partition->next_fetch;
      on_partition(*sent->partition, data, charge, now, out);
      brought_something = brought_something || sent->partition->next_fetch != before;
    }
  }
  return brought_something;
}

void FetchPlanner::on_partition(Partition& partition, PartitionData& data,
                                const std::shared_ptr<const BufferCharge>& charge, TimePoint now,
                                News& out) {
  if (data.error_code != broker_error::none) {
    return on_partition_error(partition, data, now, out);
  }
  partition.backoff.reset();
  partition.resets.reset();
  if (!data.high_watermark.is_none()) partition.high_watermark = data.high_watermark;
  if (!data.records || data.records->empty()) return;
  auto batches = data.records->flatten();
  if (!batches) return set_error(partition, batches.error(), false);
  enqueue(partition, std::move(*batches), charge);
}

void FetchPlanner::on_partition_error(Partition& partition, const PartitionData& data,
                                      TimePoint now, News& out) {
  const std::int16_t code = data.error_code;
  put_off(partition, now);
  if (is_about_leader(code)) {
    out.doubt = true;
    if (!data.current_leader.leader_id.is_none()) {
      out.leaders.push_back(
          {*partition.where, {data.current_leader.leader_id, data.current_leader.leader_epoch}});
      // The first retry is immediate, further ones wait.
      if (partition.backoff.failures() == 1) partition.not_before = now;
    }
  } else if (code == broker_error::offset_out_of_range) {
    // Queued records are still valid. The position is reset after they have been taken.
    if (partition.queue.empty()) on_out_of_range(partition, now, out);
  } else {
    const Error why = Error::broker(code, "fetch from " + name_of(*partition.where));
    if (!why.is_retriable()) set_error(partition, why, false);
  }
}

void FetchPlanner::on_out_of_range(Partition& partition, TimePoint now, News& out) {
  const Offset offset = partition.next_fetch;
  const Duration wait = partition.resets.next(random_);
  reset(partition, fmt::format("offset {} is out of range", offset.value));
  const std::uint32_t times = partition.resets.failures();
  if (times < 2) return;
  partition.not_before = now + wait;
  wake_at(partition.not_before);
  // Backoff counts up to 64, where each delay is max_retry_backoff.
  if (times == 2 || times == 16 || times == 63) {
    out.lines.push_back(fmt::format(
        "{}: offset {}, which offset_reset ({}) found, is out of range, too; {} in a row so far",
        name_of(*partition.where), offset.value, reset_name(partition.where->topic), times));
  }
}

void FetchPlanner::enqueue(Partition& partition, Slice batches,
                           std::shared_ptr<const BufferCharge> charge) {
  std::size_t whole = 0;
  while (batches.size() - whole >= wire::batch_header_bytes) {
    const auto header = wire::read_batch_header(batches.bytes().subspan(whole));
    if (!header) {
      // take_from reports the fault.
      partition.is_at_end = true;
      whole = batches.size();
      break;
    }
    // The last batch may be truncated.
    if (header->size() > batches.size() - whole) break;
    whole += header->size();
    partition.next_fetch = std::max(partition.next_fetch, header->next_offset());
  }
  if (whole == 0) {
    return set_error(
        partition,
        Error::client(Errc::too_large,
                      fmt::format("the batch at offset {} of {} is larger than "
                                  "max_partition_fetch_bytes, and the server cut it short",
                                  partition.next_fetch.value, name_of(*partition.where))),
        true);
  }
  partition.queued_bytes += whole;
  partition.queue.push_back({batches.sub(0, whole), 0, nullptr, std::move(charge)});
  make_ready(partition);
}

// Taking.

void FetchPlanner::make_ready(Partition& partition) {
  if (partition.is_ready || partition.is_paused || partition.queue.empty()) return;
  partition.is_ready = true;
  ready_.push_back(&partition);
}

void FetchPlanner::drop_queue(Partition& partition) {
  partition.queue.clear();
  partition.queued_bytes = 0;
  if (partition.is_ready) std::erase(ready_, &partition);
  partition.is_ready = false;
}

void FetchPlanner::set_error(Partition& partition, Error why, bool stays) {
  partition.error = std::move(why);
  partition.error_stays = stays;
  partition.error_wait = Duration{};
  partition.error_at = TimePoint{};
  may_have_error_ = true;
}

std::optional<Error> FetchPlanner::take_error(TimePoint now, bool& is_again) {
  if (!may_have_error_ && now < next_error_at_) return std::nullopt;
  may_have_error_ = false;
  next_error_at_ = never;
  std::optional<Error> first;
  for (auto& [where, partition] : partitions_) {
    if (!partition->error || partition->is_paused || partition->is_stopped) continue;
    const bool is_due = partition->error_wait == Duration{} || now >= partition->error_at;
    if (is_due && first) {
      may_have_error_ = true;
      continue;
    }
    if (is_due) {
      first = partition->error;
      is_again = partition->error_wait != Duration{};
      if (!partition->error_stays) {
        partition->error.reset();
        continue;
      }
      // The wait has no jitter, since random_ belongs to the loop's thread.
      partition->error_wait =
          std::min(is_again ? 2 * partition->error_wait
                            : std::max<Duration>(options_.retry_backoff, min_error_wait),
                   std::max<Duration>(options_.max_retry_backoff, min_error_wait));
      partition->error_at = now + partition->error_wait;
    }
    next_error_at_ = std::min(next_error_at_, partition->error_at);
  }
  return first;
}

void FetchPlanner::on_damage(const TopicPartition& where, std::uint64_t serial, Offset next,
                             const Error& why) {
  Partition* partition = find(where);
  if (partition == nullptr || partition->serial != serial) return;
  drop_queue(*partition);
  partition->consumed = next;
  partition->settled = std::min(partition->settled, next);
  set_error(*partition, why, true);
}

std::size_t FetchPlanner::take(std::size_t max_records, std::vector<RecordsRun>& out, bool& freed) {
  std::size_t count = 0;
  freed = false;
  Expansion expansion{std::max(account_->room(), min_expansion_bytes)};
  while (count < max_records && !expansion.is_spent && !ready_.empty()) {
    Partition& partition = *ready_.front();
    const bool was_full = partition.queued_bytes >= options_.max_partition_bytes;
    count += take_from(partition, max_records - count, expansion, out);
    // A fetch in flight is followed by the next one anyway.
    freed = freed || (was_full && partition.queued_bytes < options_.max_partition_bytes) ||
            (partition.queue.empty() && !is_fetching());
    // The next poll begins with another partition.
    if (!ready_.empty() && ready_.front() == &partition) ready_.pop_front();
    partition.is_ready = false;
    make_ready(partition);
  }
  return count;
}

bool FetchPlanner::Expansion::admit(const wire::BatchHeader& header, Bytes batch) {
  const std::size_t bytes =
      wire::max_decompressed_bytes(header.compression(), batch.subspan(wire::batch_header_bytes));
  if (bytes == 0) return true;
  is_spent = std::exchange(has_batch, true) && bytes > left;
  left -= std::min(left, bytes);
  return !is_spent;
}

std::size_t FetchPlanner::take_from(Partition& partition, std::size_t max_records,
                                    Expansion& expansion, std::vector<RecordsRun>& out) {
  std::size_t count = 0;
  while (count < max_records && !expansion.is_spent && !partition.queue.empty()) {
    Queued& queued = partition.queue.front();
    RecordsRun run{partition.where, partition.serial, {}, partition.consumed, {}, {}, {}, {}, 0};
    const std::size_t at = queued.at;
    const std::size_t taken = take_from(partition, queued, max_records - count, expansion, run);
    count += taken;
    DOHLE_ASSERT(queued.at - at <= partition.queued_bytes, "more is taken than is queued");
    partition.queued_bytes -= queued.at - at;
    if (taken > 0) {
      run.to = partition.consumed;
      run.charge = queued.charge;
      run.records = taken;
      out.push_back(std::move(run));
    }
    if (partition.error) {
      drop_queue(partition);
    } else if (queued.at == queued.batches.size()) {
      partition.queue.pop_front();
    }
  }
  return count;
}

std::size_t FetchPlanner::take_from(Partition& partition, Queued& queued, std::size_t max_records,
                                    Expansion& expansion, RecordsRun& run) {
  const std::size_t begin = queued.at;
  std::size_t count = 0;
  run.before = queued.taken_until;
  while (queued.at < queued.batches.size() && count < max_records) {
    const auto header = wire::read_batch_header(queued.batches.bytes().subspan(queued.at));
    if (!header) {
      set_error(partition, header.error().within(name_of(*partition.where)), true);
      break;
    }
    // A batch that an earlier poll began is decompressed already.
    const bool goes_on = queued.at == begin && run.before != nullptr;
    const Bytes batch = queued.batches.bytes().subspan(queued.at, header->size());
    if (!goes_on && !header->is_control() && !expansion.admit(*header, batch)) break;
    const Offset first = std::max(partition.consumed, header->base_offset);
    const std::int64_t span =
        header->is_control() ? 0
                             : std::min<std::int64_t>(header->next_offset() - first, header->count);
    const auto records = static_cast<std::size_t>(std::max<std::int64_t>(span, 0));
    if (records > max_records - count) {
      // A batch has at least as many offsets as records.
      partition.consumed = first + static_cast<std::int64_t>(max_records - count);
      partition.consumed_epoch = header->leader_epoch;
      run.after = queued.taken_until = std::make_shared<PartEnd>();
      run.batches = queued.batches.sub(begin, queued.at + header->size() - begin);
      return max_records;
    }
    count += records;
    partition.consumed = std::max(partition.consumed, header->next_offset());
    partition.consumed_epoch = header->leader_epoch;
    queued.at += header->size();
    queued.taken_until = nullptr;
  }
  run.batches = queued.batches.sub(begin, queued.at - begin);
  return count;
}

}  // namespace dohle::client
