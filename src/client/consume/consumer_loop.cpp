#include "client/consume/consumer_loop.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <functional>
#include <utility>

#include "base/assert.hpp"
#include "base/broker_errors.hpp"
#include "base/repeats.hpp"
#include "base/topic_name.hpp"
#include "client/cluster/handle_access.hpp"

namespace dohle::client {

using namespace client::group_action;
using client::ConnectionLane;
using client::FetchPlanner;
using client::GroupActions;
using client::GroupMember;
using client::PollTable;
using client::StartingPoint;

namespace {

/// Time after which a new topic is known to all servers; a server in this process knows it at once.
Duration topic_patience(const Cluster::Options& options) {
  return options.max_unknown_answers == 1 ? Duration(0) : std::chrono::seconds(5);
}

Error closed() {
  return Error::client(Errc::closed, "the consumer is closed");
}

std::int64_t special_time(const StartingPoint& from) {
  switch (from.kind) {
    case StartingPoint::Kind::earliest:
      return -2;
    case StartingPoint::Kind::time:
      return from.time.value;
    default:
      return -1;
  }
}

/// The partitions that are revoked or lost.
std::vector<TopicPartition> released_by(const client::ConsumerNews& news) {
  if (const auto* revoke = std::get_if<Revoke>(&news)) return revoke->partitions;
  if (const auto* lose = std::get_if<Lose>(&news)) return lose->partitions;
  return {};
}

wire::ListOffsetsRequest request_for(const client::ClusterView& view,
                                     const std::vector<FetchPlanner::Lookup>& lookups) {
  wire::ListOffsetsRequest request;
  for (const auto& each : lookups) {
    if (request.topics.empty() || request.topics.back().name != each.where.topic) {
      request.topics.emplace_back();
      request.topics.back().name = each.where.topic;
    }
    const auto index = static_cast<std::size_t>(each.where.partition.value);
    const client::TopicView* topic = view.topic(each.where.topic);
    DOHLE_ASSERT(topic != nullptr && index < topic->partitions.size(),
                 "an offset is asked for at the leader of a partition that is not known");
    request.topics.back().partitions.push_back(
        {each.where.partition, topic->partitions[index].epoch, Timestamp{special_time(each.from)}});
  }
  return request;
}

}  // namespace

ConsumerLoop::ConsumerLoop(std::shared_ptr<Client::Shared> client, ConsumerOptions options_,
                           IsReadFromFirst is_read_from_first)
    : options(std::move(options_)),
      client_(std::move(client)),
      self_slot_(std::make_shared<std::weak_ptr<ConsumerLoop>>()),
      account_(make_account()),
      desk_(make_planner(std::move(is_read_from_first))) {}

std::shared_ptr<client::BufferAccount> ConsumerLoop::make_account() {
  // Charges may outlive the consumer. There are none before `start`.
  return std::make_shared<client::BufferAccount>(options.buffer_bytes, [self_slot = self_slot_] {
    if (const auto self = self_slot->lock()) self->kick();
  });
}

FetchPlanner ConsumerLoop::make_planner(IsReadFromFirst is_read_from_first) {
  FetchPlanner::Options made;
  made.min_bytes = options.min_fetch_bytes;
  const std::size_t most =
      FetchPlanner::max_record_share(client_->cluster().options().link.limits.max_frame_bytes);
  made.max_bytes = std::min(options.max_fetch_bytes, most);
  made.max_partition_bytes = std::min(options.max_partition_fetch_bytes, most);
  made.max_wait = options.max_fetch_wait;
  made.reset = options.offset_reset;
  made.is_read_from_first = std::move(is_read_from_first);
  made.has_group = !options.group_id.empty();
  return {std::move(made), account_, client_->environment().random};
}

GroupMember::Options ConsumerLoop::group_options() {
  GroupMember::Options made;
  made.group_id = options.group_id;
  made.group_instance_id = options.group_instance_id;
  made.session_timeout = options.session_timeout;
  made.heartbeat_interval = options.heartbeat_interval;
  made.max_poll_interval = options.max_poll_interval;
  made.request_timeout = options.request_timeout;
  made.retry_backoff = cluster().options().retry_backoff;
  made.max_retry_backoff = cluster().options().max_retry_backoff;
  return made;
}

template <class F>
auto ConsumerLoop::while_open(F f) {
  return [weak = weak_from_this(), f = std::move(f)](auto&&... heard) mutable {
    const auto self = weak.lock();
    if (self && !self->is_closed_) f(*self, std::forward<decltype(heard)>(heard)...);
  };
}

template <class Event, class... What>
void ConsumerLoop::tell_group(Event event, What&&... what) {
  DOHLE_ASSERT(group_.has_value(), "a consumer without a group is told of one");
  GroupActions actions;
  std::invoke(event, *group_, std::forward<What>(what)..., now(), actions);
  DOHLE_CHECK_INVARIANTS(*group_);
  apply(std::move(actions));
}

template <class F>
void ConsumerLoop::post(F f) {
  client_->loop().post(while_open(std::move(f)));
}

template <class F>
void ConsumerLoop::arm(TimerId ConsumerLoop::* timer, TimePoint at, F f) {
  this->*timer = client_->loop().arm(at, while_open([timer, f = std::move(f)](ConsumerLoop& self) {
                                       self.*timer = 0;
                                       f(self);
                                     }));
}

void ConsumerLoop::start() {
  *self_slot_ = weak_from_this();
  fetch_lane_ = cluster().new_lane(options.max_fetch_wait);
  join_lane_ = cluster().new_lane(client::Cluster::for_ever);
  coordinator_lane_ = cluster().new_lane();
  if (!options.group_id.empty()) group_.emplace(group_options(), cluster().environment().random);
  offsets_ = std::make_shared<client::GroupOffsets>(cluster(), coordinator_lane_, *this,
                                                    options.offset_retention);
  observer_ = cluster().observe(while_open([](ConsumerLoop& self) { self.on_cluster(); }));
  client_->environment().metrics->registry.attach(weak_from_this());
  arm_auto_commit();
}

// Calls of the consumer.

void ConsumerLoop::subscribe(std::vector<std::string> topics) {
  if (is_closing_) return;
  topics_ = std::move(topics);
  hold_topics();
  remember_topics();
  tell_group(&GroupMember::subscribe, topics_);
  pump();
}

void ConsumerLoop::unsubscribe() {
  topics_.clear();
  tell_group(&GroupMember::unsubscribe);
  hold_topics();
}

void ConsumerLoop::hold_topics() {
  if (is_closed_) return;
  std::set<std::string> wanted(topics_.begin(), topics_.end());
  if (group_ && group_->is_leader()) wanted.insert(led_topics_.begin(), led_topics_.end());
  for (const auto& each : desk_.with([](PollTable& table) { return table.fetch.assignment(); })) {
    wanted.insert(each.topic);
  }
  const std::set<std::string> before = std::exchange(held_topics_, wanted);
  for (const std::string& topic : wanted) {
    if (!before.contains(topic)) cluster().hold(topic);
  }
  for (const std::string& topic : before) {
    if (wanted.contains(topic)) continue;
    cluster().release(topic);
    if (topic_troubles_.erase(topic) == 0) continue;
    desk_.with([&](PollTable& table) { table.topic_errors.erase(topic); });
  }
}

void ConsumerLoop::assign(std::vector<TopicPartition> partitions) {
  desk_.with([&](PollTable& table) { table.fetch.assign(partitions, false); });
  hold_topics();
  remember_topics();
  pump();
}

void ConsumerLoop::remember_topics() {
  desk_.with([&](PollTable& table) { table.fetch.remember_topics(held_topics_); });
  topics_changed_ = true;
}

void ConsumerLoop::on_told_assigned() {
  desk_.with([](PollTable& table) { table.fetch.release(); });
  pump();
}

void ConsumerLoop::on_told_released(const std::vector<TopicPartition>& partitions) {
  desk_.with([&](PollTable& table) { table.fetch.remove(partitions); });
  for (const TopicPartition& each : partitions) last_committed_.erase(each);
  hold_topics();
  if (group_) tell_group(&GroupMember::on_released);
}

// Fetching.

void ConsumerLoop::kick() {
  // In a forked child the parent's records are destroyed too.
  if (client_->is_forked()) return;
  if (is_kicked_.exchange(true)) return;
  post([](ConsumerLoop& self) {
    self.is_kicked_.store(false);
    self.pump();
  });
}

void ConsumerLoop::pump() {
  pump_again_ = true;
  // Requests that fail at once call pump from within.
  if (is_pumping_) return;
  is_pumping_ = true;
  while (std::exchange(pump_again_, false) && !is_closed_) pump_once();
  is_pumping_ = false;
}

void ConsumerLoop::note_topics() {
  FetchPlanner::News news;
  desk_.with([&](PollTable& table) { table.fetch.note_topics(cluster().view(), news); });
  topics_changed_ = false;
  take_news(news);
}

void ConsumerLoop::pump_once() {
  Lookups lookups;
  std::vector<FetchPlanner::Ask> asks;
  if (topics_changed_) note_topics();
  const TimePoint next = desk_.with([&](PollTable& table) {
    table.fetch.lookups(now(), lookups);
    table.fetch.plan(now(), cluster().view(), asks);
    return table.fetch.next_at();
  });
  for (auto& each : asks) send(std::move(each));
  if (!lookups.empty()) look_up(std::move(lookups));
  client_->loop().cancel(std::exchange(fetch_timer_, 0));
  if (next == never) return;
  arm(&ConsumerLoop::fetch_timer_, next, [](ConsumerLoop& self) { self.pump(); });
}

void ConsumerLoop::send(FetchPlanner::Ask ask) {
  const Duration timeout =
      options.fetch_timeout.value_or(options.request_timeout) + options.max_fetch_wait;
  cluster().ask<wire::FetchRequest>(
      ask.node, fetch_lane_, std::move(ask.message),
      while_open([node = ask.node](ConsumerLoop& self, Result<wire::FetchResponse> answer) {
        self.on_fetched(node, std::move(answer));
      }),
      timeout);
}

void ConsumerLoop::on_fetched(NodeId node, Result<wire::FetchResponse> answer) {
  if (answer) count(*answer);
  FetchPlanner::News news;
  desk_.with(
      [&](PollTable& table) { table.fetch.on_answer(node, std::move(answer), now(), news); });
  desk_.hand_over(client_->environment().clock);
  take_news(news);
  pump();
}

void ConsumerLoop::count(const wire::FetchResponse& answer) const {
  std::size_t bytes = 0;
  for (const auto& topic : answer.responses) {
    for (const auto& data : topic.partitions) bytes += data.records ? data.records->size() : 0;
  }
  ClientMetrics& metrics = *client_->environment().metrics;
  metrics.fetches.add();
  metrics.fetched_bytes.add(bytes);
}

void ConsumerLoop::take_news(const FetchPlanner::News& news) {
  for (const auto& [where, leader] : news.leaders) {
    (void)cluster().on_leader(where.topic, where.partition, leader);
  }
  for (const TopicPartition& each : news.replaced) last_committed_.erase(each);
  for (const std::string& line : news.lines) warn(line);
  if (news.doubt) cluster().doubt();
}

void ConsumerLoop::on_damage(const TopicPartition& where, std::uint64_t serial, Offset next,
                             const Error& why) {
  if (client_->is_forked()) return;
  desk_.with([&](PollTable& table) { table.fetch.on_damage(where, serial, next, why); });
}

// Positions.

void ConsumerLoop::not_found(const FetchPlanner::Lookup& lookup, const Error& why) {
  desk_.with([&](PollTable& table) { table.fetch.on_not_found(lookup, why, now()); });
}

void ConsumerLoop::look_up(Lookups lookups) {
  Lookups committed;
  std::map<NodeId, Lookups> by_leader;
  for (auto& each : lookups) {
    if (each.from.kind == StartingPoint::Kind::committed) {
      committed.push_back(std::move(each));
      continue;
    }
    const client::TopicView* topic = cluster().view().topic(each.where.topic);
    const auto index = static_cast<std::size_t>(each.where.partition.value);
    const bool is_known = topic != nullptr && index < topic->partitions.size() &&
                          !topic->partitions[index].node.is_none();
    if (is_known) {
      by_leader[topic->partitions[index].node].push_back(std::move(each));
      continue;
    }
    not_found(each, Error::client(Errc::not_connected, "the partition has no known leader")
                        .with_retriable(true));
    pump_again_ = true;
  }
  if (!committed.empty()) look_up_committed(std::move(committed));
  for (auto& [node, each] : by_leader) {
    desk_.with([&](PollTable& table) {
      for (const auto& lookup : each) table.fetch.on_looked_up_at(lookup, node);
    });
    list_offsets(node, std::move(each));
  }
}

void ConsumerLoop::look_up_committed(Lookups lookups) {
  std::vector<TopicPartition> partitions;
  for (const auto& each : lookups) partitions.push_back(each.where);
  committed(std::move(partitions),
            while_open([lookups = std::move(lookups)](
                           ConsumerLoop& self, const Result<std::vector<PartitionOffset>>& found) {
              self.on_committed_found(lookups, found);
            }));
}

void ConsumerLoop::on_committed_found(const Lookups& lookups,
                                      const Result<std::vector<PartitionOffset>>& found) {
  std::map<TopicPartition, OffsetAndMetadata> known;
  if (found) {
    for (const PartitionOffset& each : *found) known.emplace(each.partition, each.committed);
  }
  for (const auto& lookup : lookups) {
    if (!found) {
      not_found(lookup, found.error());
      continue;
    }
    const OffsetAndMetadata& at = known[lookup.where];
    desk_.with(
        [&](PollTable& table) { table.fetch.on_found(lookup, at.offset, at.leader_epoch, now()); });
  }
  desk_.notify();
  pump();
}

void ConsumerLoop::list_offsets(NodeId node, Lookups lookups) {
  auto request = request_for(cluster().view(), lookups);
  cluster().ask<wire::ListOffsetsRequest>(
      node, ConnectionLane::general, std::move(request),
      while_open([lookups = std::move(lookups)](ConsumerLoop& self,
                                                Result<wire::ListOffsetsResponse> answer) {
        self.on_listed(lookups, std::move(answer));
      }),
      options.request_timeout);
}

void ConsumerLoop::on_listed(const Lookups& lookups, Result<wire::ListOffsetsResponse> answer) {
  std::map<TopicPartition, wire::ListOffsetsResponse::ListOffsetsPartitionResponse> found;
  if (answer) {
    for (auto& topic : answer->topics) {
      for (auto& each : topic.partitions) found[{topic.name, each.partition_index}] = each;
    }
  }
  for (const auto& lookup : lookups) {
    const auto at = found.find(lookup.where);
    if (!answer) {
      not_found(lookup, answer.error());
    } else if (at == found.end()) {
      not_found(lookup,
                Error::client(Errc::malformed, "the answer has no entry for the partition"));
    } else if (at->second.error_code != broker_error::none) {
      const auto where =
          "find an offset in " + partition_name(lookup.where.topic, lookup.where.partition);
      const Error why = Error::broker(at->second.error_code, where);
      if (why.is_retriable()) cluster().doubt();
      not_found(lookup, why);
    } else {
      desk_.with([&](PollTable& table) {
        table.fetch.on_found(lookup, at->second.offset, at->second.leader_epoch, now());
      });
    }
  }
  desk_.notify();
  pump();
}

// Commits.

bool ConsumerLoop::is_subscribed() const {
  return group_ && (!topics_.empty() || group_->state() != GroupMember::State::off);
}

void ConsumerLoop::commit(std::vector<PartitionOffset> offsets, Done then, SharedCallTime time) {
  commit_each(
      std::move(offsets),
      [then = std::move(then)](const CommitOutcome& outcome) mutable { then(outcome.as_one()); },
      std::move(time));
}

void ConsumerLoop::commit_each(std::vector<PartitionOffset> offsets, CommitDone then,
                               SharedCallTime time) {
  const auto refuse = [&](const Error& why) {
    then({.others = fail(why), .offsets = offsets.size()});
  };
  if (is_closed_) return refuse(closed());
  // Without a generation the server would accept the commit while the group is empty, although
  // other members may have committed later offsets meanwhile.
  if (is_subscribed() && group_->generation().is_none() && !offsets.empty()) {
    return refuse(Error::client(Errc::not_owner,
                                fmt::format("commit {}: this consumer is no member of group {} at "
                                            "present; it joins again with its next poll",
                                            partition_name(offsets.front().partition.topic,
                                                           offsets.front().partition.partition),
                                            options.group_id)));
  }
  std::ranges::sort(offsets, {}, &PartitionOffset::partition);
  offsets_->commit(std::move(offsets), time ? std::move(time) : usual_time(), std::move(then));
}

void ConsumerLoop::committed(std::vector<TopicPartition> partitions,
                             client::GroupOffsets::OffsetsFetched then, SharedCallTime time) {
  if (is_closed_) return then(fail(closed()));
  std::ranges::sort(partitions);
  offsets_->fetch(std::move(partitions), time ? std::move(time) : usual_time(), std::move(then));
}

SharedCallTime ConsumerLoop::usual_time() {
  return CallTime::from(now(), options.default_api_timeout);
}

std::vector<PartitionOffset> ConsumerLoop::uncommitted() {
  auto offsets = desk_.with([](PollTable& table) { return table.fetch.settled(); });
  if (overtaken_in_ == group_->generation()) return offsets;
  std::erase_if(offsets, [&](const PartitionOffset& each) {
    const auto last = last_committed_.find(each.partition);
    return last != last_committed_.end() && last->second == each.committed.offset;
  });
  return offsets;
}

void ConsumerLoop::commit_settled(SharedCallTime time, Done then) {
  const bool may = group_ && options.auto_commit && !is_closed_ &&
                   (!is_subscribed() || !group_->generation().is_none());
  // An empty commit still ends after the caller's own commits.
  auto offsets = may ? uncommitted() : std::vector<PartitionOffset>{};
  std::map<TopicPartition, Offset> sent;
  for (const auto& each : offsets) sent.emplace(each.partition, each.committed.offset);
  offsets_->commit(std::move(offsets), std::move(time),
                   [weak = weak_from_this(), sent = std::move(sent),
                    then = std::move(then)](const CommitOutcome& outcome) mutable {
                     for (const auto& each : outcome.refused) sent.erase(each.partition);
                     const auto self = weak.lock();
                     if (self && outcome.others) {
                       for (auto& [where, offset] : sent) self->last_committed_[where] = offset;
                     }
                     then(outcome.as_one());
                   });
}

void ConsumerLoop::arm_auto_commit() {
  if (!options.auto_commit || !group_ || is_closing_) return;
  arm(&ConsumerLoop::commit_timer_, now() + options.auto_commit_interval,
      [](ConsumerLoop& self) { self.auto_commit(); });
}

void ConsumerLoop::auto_commit() {
  commit_settled(CallTime::from(now(), options.auto_commit_interval),
                 while_open([](ConsumerLoop& self, const Result<void>& outcome) {
                   if (!outcome) self.warn("auto-commit", outcome.error());
                   self.arm_auto_commit();
                 }));
}

void ConsumerLoop::warn(std::string_view what, const Error& why) {
  warn(fmt::format("{}: {}", what, why.to_string()));
}

void ConsumerLoop::warn(std::string_view line) {
  Logger& log = client_->environment().logger;
  if (log.level() <= LogLevel::warning) log.log(LogLevel::warning, "consumer", line);
}

void ConsumerLoop::say_threw(std::string_view who) {
  thrown_.say(who, client_->environment().logger, client_->environment().clock.mono());
}

// Polls.

void ConsumerLoop::begin_poll() {
  last_poll_.store(client_->environment().clock.mono().time_since_epoch().count());
  is_in_poll_.store(true);
  if (!awaits_poll_.load()) return;
  post([](ConsumerLoop& self) { self.note_polls(); });
}

void ConsumerLoop::end_poll() {
  is_in_poll_.store(false);
}

std::chrono::milliseconds ConsumerLoop::until_error(std::chrono::milliseconds timeout) {
  const TimePoint at = desk_.with([](const PollTable& table) { return table.fetch.error_at(); });
  if (at == never) return timeout;
  const TimePoint moment = client_->environment().clock.mono();
  if (at <= moment) return std::chrono::milliseconds(0);
  return std::min(timeout, std::chrono::ceil<std::chrono::milliseconds>(at - moment));
}

Result<Records> ConsumerLoop::take() {
  std::vector<client::RecordsRun> runs;
  std::size_t taken = 0;
  bool freed = false;
  /// Set if a line is to be logged: the number of lines suppressed before it.
  std::optional<std::uint64_t> repeated;
  auto error = desk_.with([&](PollTable& table) -> std::optional<Error> {
    if (table.is_closed) return closed();
    if (std::exchange(table.is_woken, false)) {
      return Error::client(Errc::cancelled, "poll was woken up");
    }
    const bool may_fail = table.fetch.has_error() || table.fetch.error_at() != never;
    if (may_fail) {
      const TimePoint moment = client_->environment().clock.mono();
      bool is_again = false;
      if (auto why = table.fetch.take_error(moment, is_again)) {
        if (is_again) repeated = table.told_again.admit(moment);
        return why;
      }
    }
    taken = table.fetch.take(options.max_poll_records, runs, freed);
    count(table, runs);
    const bool is_stuck = taken == 0 && !table.fetch.is_fetching() && account_->room() == 0;
    if (is_stuck) {
      return Error::client(
                 Errc::limit_reached,
                 fmt::format("buffer_bytes ({}) are in use by Records; destroy some to read on",
                             options.buffer_bytes))
          .with_retriable(true);
    }
    return std::nullopt;
  });
  if (freed) kick();
  if (repeated) {
    warn(fmt::format("the partition is not read until a seek: {}{}", error->to_string(),
                     more_since(*repeated)));
  }
  if (error) return fail(std::move(*error));
  if (runs.empty()) return Records();
  return HandleAccess::make<Records>(std::make_unique<RecordsWalk>(
      std::move(runs), taken,
      RecordsWalk::Options{options.check_crcs, account_, weak_from_this()}));
}

void ConsumerLoop::count(PollTable& table, const std::vector<RecordsRun>& runs) const {
  for (const RecordsRun& run : runs) {
    const std::string& topic = run.where->topic;
    auto found = table.consumed.find(topic);
    if (found == table.consumed.end()) {
      found = table.consumed.emplace(topic, &client_->environment().metrics->consumed(topic)).first;
    }
    found->second->add(run.records);
  }
}

void ConsumerLoop::collect(telemetry::Collection& into) {
  std::vector<std::pair<TopicPartition, std::int64_t>> lags;
  desk_.with([&](const PollTable& table) {
    for (TopicPartition& each : table.fetch.assignment()) {
      if (const auto lag = table.fetch.lag(each)) lags.emplace_back(std::move(each), *lag);
    }
  });
  for (const auto& [where, lag] : lags) {
    telemetry::MetricLabels labels{{"topic", where.topic},
                                   {"partition", std::to_string(where.partition.value)}};
    if (!options.group_id.empty()) labels.push_back({"group", options.group_id});
    into.add(ClientMetrics::lag_records, MetricKind::gauge, std::move(labels),
             static_cast<double>(lag));
  }
}

// Closing.

void ConsumerLoop::close_by(SharedCallTime time, Done done) {
  if (is_closed_) return done(close_outcome_);
  closing_.push_back(std::move(done));
  if (std::exchange(is_closing_, true)) return;
  // The timer, or the waiting thread, keeps this alive until it is closed if the last handle was
  // destroyed on the loop's thread.
  const auto on_late = [self = shared_from_this()] {
    if (self->is_closed_) return;
    self->close_outcome_ =
        fail(Error::client(Errc::timed_out, "the consumer's close did not end in time"));
    self->finish_close();
  };
  if (time->deadline() != never) close_timer_ = client_->loop().arm(time->deadline(), on_late);
  time->on_end(on_late);
  commit_settled(std::move(time), while_open([](ConsumerLoop& self, const Result<void>& outcome) {
                   if (!outcome) self.close_outcome_ = outcome;
                   if (self.group_ && self.group_->state() != GroupMember::State::off) {
                     self.unsubscribe();
                   } else {
                     self.finish_close();
                   }
                 }));
}

void ConsumerLoop::finish_close() {
  if (std::exchange(is_closed_, true)) return;
  // The timers may hold the last reference.
  const auto alive = shared_from_this();
  for (TimerId* timer : {&fetch_timer_, &group_timer_, &commit_timer_, &close_timer_}) {
    client_->loop().cancel(std::exchange(*timer, 0));
  }
  cluster().forget(observer_);
  for (const std::string& topic : std::exchange(held_topics_, {})) cluster().release(topic);
  offsets_->close(closed());
  for (const ConnectionLane lane : {fetch_lane_, join_lane_, coordinator_lane_}) {
    cluster().close_lane(lane, closed());
  }
  const auto more = desk_.with([](PollTable& table) {
    table.is_closed = true;
    table.fetch.assign({}, false);
    return table.told_again.take_held_back();
  });
  desk_.notify();
  if (more > 0) {
    warn(fmt::format("partitions were not read until a seek: {} more errors since the last line",
                     more));
  }
  thrown_.say_left_out(client_->environment().logger);
  for (Done& done : std::exchange(closing_, {})) done(close_outcome_);
}

// The group: its actions.

client::GroupMembership ConsumerLoop::membership() {
  client::GroupMembership by{options.group_id, group_->coordinator(), group_->generation(),
                             group_->member_id(), group_->group_instance_id()};
  if (by.coordinator.is_none()) tell_group(&GroupMember::need_coordinator);
  return by;
}

void ConsumerLoop::on_offsets_error(NodeId coordinator, Generation generation, const Error& why) {
  if (why.category() == ErrorCategory::client) overtaken_in_ = generation;
  tell_group(&GroupMember::on_offsets_error, coordinator, generation, why);
}

void ConsumerLoop::apply(GroupActions actions) {
  for (auto& action : actions) {
    if (is_closed_) return;
    std::visit([this](auto& each) { apply_one(each); }, action);
  }
  if (is_closed_ || !group_) return;
  awaits_poll_.store(group_->awaits_poll());
  desk_.with([&](PollTable& table) {
    table.member_id = group_->member_id();
    table.generation = group_->generation();
  });
  // A poll that began before this decision has not called note_polls.
  if (group_->awaits_poll() && is_in_poll_.load() &&
      group_->state() == GroupMember::State::unjoined) {
    post([](ConsumerLoop& self) {
      if (self.group_->awaits_poll()) self.note_polls();
    });
  }
  watch_group();
}

void ConsumerLoop::note_polls() {
  const std::int64_t last = last_poll_.load();
  if (!group_ || last < 0) return;
  tell_group(&GroupMember::polled, is_in_poll_.load() ? now() : TimePoint(Duration(last)));
}

void ConsumerLoop::watch_group() {
  client_->loop().cancel(std::exchange(group_timer_, 0));
  const TimePoint at = group_->deadline();
  if (at == never) return;
  arm(&ConsumerLoop::group_timer_, at, [](ConsumerLoop& self) { self.on_group_time(); });
}

void ConsumerLoop::on_group_time() {
  if (!group_->awaits_poll()) note_polls();
  tell_group(&GroupMember::on_time);
}

/// The callback for the answer to a group's request.
template <class M, class On>
client::Cluster::Then<M> ConsumerLoop::answered(client::GroupTicket ticket, On on) {
  using Answer = Result<typename M::Response>;
  return while_open([ticket, on](ConsumerLoop& asking, Answer answer) {
    // Requests may fail at once, while other actions are still to be done.
    asking.post([ticket, on, answer = std::move(answer)](ConsumerLoop& self) mutable {
      self.tell_group(on, ticket, std::move(answer));
    });
  });
}

template <class M, class Ticketed, class On>
void ConsumerLoop::ask_group(client::ConnectionLane lane, Ticketed& action, Duration timeout,
                             On on) {
  cluster().ask<M>(action.coordinator, lane, std::move(action.message),
                   answered<M>(action.ticket, on), timeout);
}

void ConsumerLoop::apply_one(FindCoordinator& action) {
  using Message = wire::FindCoordinatorRequest;
  cluster().ask_any<Message>(std::move(action.message),
                             answered<Message>(action.ticket, &GroupMember::on_coordinator),
                             options.request_timeout);
}

void ConsumerLoop::apply_one(Probe& action) {
  ask_group<wire::FindCoordinatorRequest>(coordinator_lane_, action, options.request_timeout,
                                          &GroupMember::on_probed);
}
void ConsumerLoop::apply_one(TakeBack& action) {
  cluster().take_back(action.coordinator, join_lane_);
  cluster().take_back(action.coordinator, coordinator_lane_);
}
void ConsumerLoop::apply_one(Join& action) {
  ask_group<wire::JoinGroupRequest>(join_lane_, action, action.timeout, &GroupMember::on_joined);
}
void ConsumerLoop::apply_one(Sync& action) {
  ask_group<wire::SyncGroupRequest>(join_lane_, action, action.timeout, &GroupMember::on_synced);
}
void ConsumerLoop::apply_one(Heartbeat& action) {
  ask_group<wire::HeartbeatRequest>(coordinator_lane_, action, options.request_timeout,
                                    &GroupMember::on_heartbeat);
}
void ConsumerLoop::apply_one(Leave& action) {
  ask_group<wire::LeaveGroupRequest>(coordinator_lane_, action, options.request_timeout,
                                     &GroupMember::on_left);
}
void ConsumerLoop::apply_one(MakeAssignments& action) {
  make_assignments(action.ticket, action.members);
}

void ConsumerLoop::apply_one(Assigned& action) {
  desk_.with([&](PollTable& table) { table.fetch.assign(action.partitions, true); });
  hold_topics();
  topics_changed_ = true;
  tell(std::move(action));
}

void ConsumerLoop::apply_one(Revoke& action) {
  desk_.with([&](PollTable& table) { table.fetch.stop(action.partitions); });
  is_committing_revoked_ = true;
  commit_settled(usual_time(),
                 while_open([action](ConsumerLoop& self, const Result<void>& outcome) {
                   self.is_committing_revoked_ = false;
                   if (!outcome) {
                     self.hand_out(Failed{outcome.error().within("commit before a rebalance")});
                   }
                   self.hand_out(action);
                   auto delayed = std::exchange(self.delayed_news_, {});
                   for (News& news : delayed) self.hand_out(std::move(news));
                 }));
}

void ConsumerLoop::apply_one(Lose& action) {
  desk_.with([&](PollTable& table) { table.fetch.stop(action.partitions); });
  tell(std::move(action));
}
void ConsumerLoop::apply_one(Failed& action) {
  tell(std::move(action));
}
void ConsumerLoop::apply_one(Left& action) {
  tell(action);
}
void ConsumerLoop::apply_one(Refused& action) {
  warn(fmt::format("refused by the server, {} times in a row so far; retrying: {}", action.times,
                   action.why.to_string()));
}

void ConsumerLoop::tell(News news) {
  if (is_committing_revoked_) return delayed_news_.push_back(std::move(news));
  hand_out(std::move(news));
}

void ConsumerLoop::hand_out(News news) {
  if (is_closed_) return;
  if (!is_closing_) {
    desk_.with([&](PollTable& table) { table.news.push_back(std::move(news)); });
    return desk_.notify();
  }
  // No poll takes news any more.
  if (std::holds_alternative<Left>(news)) return finish_close();
  if (std::holds_alternative<Failed>(news)) {
    if (close_outcome_) close_outcome_ = fail(std::get<Failed>(news).why);
    return;
  }
  post([released = released_by(news)](ConsumerLoop& self) { self.on_told_released(released); });
}

// The group: the leader's assignments.

client::PartitionCounts ConsumerLoop::counts_of(const std::set<std::string>& topics) {
  client::PartitionCounts counts;
  for (const std::string& topic : topics) {
    const client::TopicView* view = cluster().view().topic(topic);
    if (view == nullptr || view->partitions.empty()) continue;
    counts[topic] = static_cast<std::int32_t>(view->partitions.size());
  }
  return counts;
}

void ConsumerLoop::make_assignments(client::GroupTicket ticket,
                                    const std::vector<client::SubscribedMember>& members) {
  std::set<std::string> topics;
  for (const auto& member : members) topics.insert(member.topics.begin(), member.topics.end());
  led_topics_ = topics;
  hold_topics();
  auto left = std::make_shared<std::size_t>(topics.size() + 1);
  auto one_known = while_open([ticket, members, topics, left](ConsumerLoop& asking) {
    if (--*left != 0) return;
    asking.post([ticket, members, topics](ConsumerLoop& self) {
      client::PartitionCounts counts = self.counts_of(topics);
      auto assignments = client::assign_range(members, counts);
      // Later assignments may have begun while these waited for a topic.
      if (topics == self.led_topics_) self.led_counts_ = std::move(counts);
      self.tell_group(&GroupMember::on_assignments, ticket, std::move(assignments));
    });
  });
  // Topics that stay unknown are left out; once they appear, the leader rejoins.
  const TimePoint deadline = now() + options.session_timeout / 2;
  for (const std::string& topic : topics) {
    cluster().when_held_topic(topic, deadline, [one_known](Result<void>) mutable { one_known(); });
  }
  one_known();
}

void ConsumerLoop::on_cluster() {
  report_topic_errors();
  // Before the group gives partitions up, for which offsets of deleted topics may not be committed.
  note_topics();
  const bool coordinator_in_doubt =
      group_ && !group_->coordinator().is_none() && cluster().is_in_doubt(group_->coordinator());
  if (group_) tell_group(&GroupMember::doubt_coordinator, coordinator_in_doubt);
  const std::uint64_t reached = cluster().times_reached();
  if (std::exchange(times_reached_, reached) != reached && group_) {
    tell_group(&GroupMember::on_reached);
  }
  if (is_closed_) return;
  const bool leads = options.follow_new_partitions && group_ && group_->is_leader() &&
                     group_->state() == GroupMember::State::stable;
  if (leads && counts_of(led_topics_) != led_counts_) {
    tell_group(&GroupMember::rejoin, "the partitions of a subscribed topic changed");
  }
  pump();
}

void ConsumerLoop::report_topic_errors() {
  std::set<std::string> topics(topics_.begin(), topics_.end());
  for (const auto& each : desk_.with([](PollTable& table) { return table.fetch.assignment(); })) {
    topics.insert(each.topic);
  }
  for (const std::string& topic : topics) {
    const std::int16_t code = cluster().view().topic_error(topic);
    TopicTrouble& trouble = topic_troubles_[topic];
    const Error why = Error::broker(code, "look for topic " + topic);
    if (trouble.code != code) {
      trouble = {code, now()};
      desk_.with([&](PollTable& table) {
        table.topic_errors.erase(topic);
        if (code != broker_error::none) table.topic_errors.emplace(topic, why);
      });
    }
    if (code == broker_error::none || trouble.is_told) continue;
    const bool is_early = now() < trouble.since + topic_patience(cluster().options());
    if (why.is_retriable() && is_early) continue;
    trouble.is_told = true;
    if (why.is_retriable()) {
      warn("still waiting", why);
    } else {
      tell(Failed{why});
    }
  }
}

}  // namespace dohle::client
