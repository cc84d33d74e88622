#include "node/group/group_service.hpp"

#include <algorithm>

#include "base/assert.hpp"
#include "base/broker_errors.hpp"
#include "base/budget.hpp"
#include "base/units.hpp"
#include "node/node_engine.hpp"
#include "node/turn.hpp"
#include "wire/batch_builder.hpp"

namespace dohle::node {

namespace {

constexpr std::size_t max_batch_bytes = 1_MiB;
// A single record may be larger, by what one group's members told.
constexpr std::size_t record_bytes_limit = 60_MiB;
constexpr std::size_t read_bytes = 4_MiB;
constexpr std::size_t min_garbage_records = 10'000;
/// Groups and offsets that a walk looks at between two looks at the clock: each may be a record.
constexpr std::size_t walked_at_once = 64;

Record record_of(const GroupRecord& from) {
  Record record;
  record.key = from.key.bytes();
  if (from.value) record.value = from.value->bytes();
  return record;
}

/// Batches of at most `max_batch_bytes`, or of one record.
Result<std::size_t> fill(wire::BatchBuilder& builder, std::span<const GroupRecord> records,
                         Timestamp now) {
  std::size_t count = 0;
  while (count < records.size()) {
    const auto appended = builder.append(record_of(records[count]), now);
    if (appended == wire::BatchBuilder::Appended::no_memory) {
      return fail(Error::client(Errc::too_large, "a record of __consumer_offsets"));
    }
    if (appended != wire::BatchBuilder::Appended::ok) break;
    ++count;
  }
  return count;
}

std::int16_t code_of(const Error& error) {
  // The client's cure is to look for the coordinator and try again.
  return error.is(Errc::too_large) ? broker_error::invalid_request
                                   : broker_error::coordinator_not_available;
}

}  // namespace

GroupService::GroupService(NodeEngine& engine, Executor& loop, Random& random,
                           GroupCoordinator::Options options)
    : engine_(engine), loop_(loop), coordinator_(options, random) {}

GroupService::~GroupService() {
  loop_.cancel(timer_);
  loop_.cancel(walk_timer_);
}

bool GroupService::has_room_for(std::size_t growth, std::string_view what, std::string_view group) {
  if (coordinator_.has_room_for(growth)) return true;
  engine_.lines().complain(std::string(what) + " of group " + shortened(group) +
                           " are refused: all groups together take " +
                           std::to_string(coordinator_.state_bytes()) + " bytes of memory, " +
                           std::to_string(growth) + " more are needed, and at most " +
                           std::to_string(coordinator_.max_state_bytes()) +
                           " are allowed (max_group_state_bytes); deleting groups makes room");
  return false;
}

bool GroupService::is_offline() const {
  return partition_ != nullptr && partition_->fault() != nullptr;
}

std::optional<std::string> GroupService::why_unavailable() const {
  if (is_available()) return std::nullopt;
  const Error& why = fault_ ? *fault_ : *partition_->fault();
  return "all groups wait for the node's partition " + std::string(offsets_topic) +
         "-0, which is offline (the node's log says what to do): " + std::string(why.message());
}

void GroupService::warn(std::string_view what, const Error& why) {
  engine_.lines().warn_now_and_then(std::string(what) + ": " + std::string(why.message()));
}

// --- the log

Result<void> GroupService::restore(Now now) {
  const Topic* topic = engine_.topics().find(offsets_topic);
  if (topic == nullptr) {
    // Groups must not begin anew while their offsets are there.
    fault_ = engine_.topics().refused_by_strays(offsets_topic);
    return fault_ ? Result<void>(fail(*fault_)) : Result<void>();
  }
  partition_ = topic->partitions.front();
  auto outcome = partition_->fault() != nullptr ? Result<void>(fail(*partition_->fault()))
                                                : read_log(*partition_->log(), now);
  if (!outcome) fault_ = outcome.error();
  if (outcome) forget_missing_topics();
  arm();
  return outcome;
}

// A crash may have come between the end of a topic and that of the offsets in it, which would
// otherwise be those of the next topic of that name.
void GroupService::forget_missing_topics() {
  std::vector<GroupRecord> records;
  coordinator_.forget_topics(
      [&](const std::string& topic) { return engine_.topics().find(topic) == nullptr; }, records);
  (void)store_deletions(std::move(records));
}

Result<void> GroupService::read_log(log::PartitionLog& log, Now now) {
  for (Offset next = log.log_start(); next < log.end();) {
    auto chain = log.read(next, log.end(), read_bytes, true);
    if (!chain) return fail(chain.error());
    auto bytes = chain->flatten();
    if (!bytes) return fail(bytes.error());
    if (bytes->empty()) break;
    for (std::size_t at = 0; at < bytes->size();) {
      auto header = wire::read_batch_header(bytes->bytes().subspan(at));
      if (!header) return fail(header.error());
      auto restored = restore(bytes->sub(at, header->size()), now);
      if (!restored) return restored;
      next = header->next_offset();
      at += header->size();
    }
  }
  return {};
}

Result<void> GroupService::restore(const Slice& batch, Now now) {
  auto reader = wire::BatchReader::open(batch);
  if (!reader) return fail(reader.error());
  for (RecordView record; reader->next(record);) {
    ++stored_records_;
    if (!record.key) continue;
    auto value = record.value ? std::optional(Slice::borrowed(*record.value)) : std::nullopt;
    auto stored = read_group_record(Slice::borrowed(*record.key), value);
    if (!stored) return fail(stored.error());
    coordinator_.restore(*std::move(stored), now);
  }
  if (const Error* fault = reader->fault()) return fail(*fault);
  return {};
}

Result<void> GroupService::store(const std::vector<GroupRecord>& records) {
  auto outcome = store_without_rewrite(records);
  if (outcome && !records.empty()) begin_rewrite_if_due();
  return outcome;
}

Result<void> GroupService::store_without_rewrite(const std::vector<GroupRecord>& records) {
  if (records.empty()) return {};
  if (fault_) return fail(*fault_);
  DOHLE_ASSERT(partition_ != nullptr || not_made_, "what leads to a record begins with when_ready");
  if (partition_ == nullptr) return fail(*not_made_);
  if (auto stored = store_owed(); !stored) return stored;
  return append(records);
}

// What is deleted in memory must not come back with the next start.
Result<void> GroupService::store_deletions(std::vector<GroupRecord> records) {
  auto stored = store(records);
  const bool may_come_back = !stored && partition_ != nullptr && is_available();
  if (!may_come_back) return stored;
  owed_.insert(owed_.end(), std::make_move_iterator(records.begin()),
               std::make_move_iterator(records.end()));
  return stored;
}

Result<void> GroupService::store_owed() {
  if (owed_.empty()) return {};
  auto stored = append(owed_);
  if (stored) owed_.clear();
  return stored;
}

Result<void> GroupService::append(std::span<const GroupRecord> records) {
  if (is_offline()) return fail(*partition_->fault());
  const Now now = loop_.tick();
  while (!records.empty()) {
    Budget budget(record_bytes_limit);
    wire::BatchBuilder builder(budget, max_batch_bytes);
    auto count = fill(builder, records, now.wall);
    if (!count) return fail(count.error());
    auto batch = builder.seal({}).flatten();
    if (!batch) return fail(batch.error());
    auto header = wire::read_batch_header(batch->bytes());
    if (!header) return fail(header.error());
    auto appended = engine_.append(partition_, *batch, *header);
    if (!appended) return fail(appended.error());
    stored_records_ += *count;
    records = records.subspan(*count);
  }
  return {};
}

// --- walks

// What is live is written once more at the end, and the log then begins there. A crash in between
// leaves both, which read back to the same.
void GroupService::begin_rewrite_if_due() {
  const std::size_t live = coordinator_.live_records();
  if (is_rewriting_ || stored_records_ < min_garbage_records + 2 * live) return;
  is_rewriting_ = true;
  rewritten_from_ = partition_->log()->end();
  stored_records_ = 0;
  rewriting_ = {{}, true};
  walk();
}

void GroupService::rewrite_some() {
  if (is_offline()) return give_up_rewriting(*partition_->fault());
  std::vector<GroupRecord> records;
  auto has_more = coordinator_.snapshot_some(rewriting_.place, walked_at_once, records);
  if (!has_more) return give_up_rewriting(has_more.error());
  if (auto owed = store_owed(); !owed) return give_up_rewriting(owed.error());
  if (auto appended = append(records); !appended) return give_up_rewriting(appended.error());
  if (!*has_more) end_rewrite();
}

void GroupService::give_up_rewriting(const Error& why) {
  rewriting_ = {};
  is_rewriting_ = false;
  stored_records_ += coordinator_.live_records();
  warn("__consumer_offsets cannot be rewritten", why);
}

void GroupService::end_rewrite() {
  rewriting_ = {};
  engine_.syncing().when_synced([this, begin = rewritten_from_] {
    is_rewriting_ = false;
    if (is_offline()) return;
    auto cut = partition_->log()->set_log_start(begin);
    if (!cut) warn("__consumer_offsets keeps its old records", cut.error());
  });
}

void GroupService::forget_topic(std::string_view topic, Task done) {
  when_forgotten_.push_back(std::move(done));
  coordinator_.forget(std::string(topic));
  forgetting_.is_under_way = true;
  walk();
}

void GroupService::finish_forgetting(const std::string& topic) {
  while (coordinator_.is_forgetting(topic)) forget_some();
}

void GroupService::forget_some() {
  std::vector<GroupRecord> records;
  forgetting_.is_under_way = coordinator_.forget_some(forgetting_.place, walked_at_once, records);
  if (auto stored = store_deletions(std::move(records)); !stored) {
    warn("offsets of deleted topics stay on disk for now", stored.error());
  }
  if (forgetting_.is_under_way) return;
  for (Task& done : std::exchange(when_forgotten_, {})) done();
}

void GroupService::expire(Now now) {
  expired_at_ = now.wall;
  expiring_.is_under_way = true;
  walk();
}

void GroupService::expire_some() {
  if (!is_available()) return void(expiring_ = {});
  std::vector<GroupRecord> records;
  expiring_.is_under_way =
      coordinator_.expire_some(expired_at_, expiring_.place, walked_at_once, records);
  if (auto stored = store(records); !stored) warn("expired offsets stay", stored.error());
}

bool GroupService::has_walk() const {
  return forgetting_.is_under_way || expiring_.is_under_way || rewriting_.is_under_way;
}

bool GroupService::walk_some() {
  if (forgetting_.is_under_way) {
    forget_some();
  } else if (expiring_.is_under_way) {
    expire_some();
  } else if (rewriting_.is_under_way) {
    rewrite_some();
  }
  return has_walk();
}

void GroupService::walk() {
  // What a piece stores may begin the next rewrite.
  if (walk_timer_ != 0 || is_walking_) return;
  is_walking_ = true;
  while (walk_some() && !is_turn_over(loop_)) continue;
  is_walking_ = false;
  if (has_walk()) {
    walk_timer_ = loop_.arm(loop_.tick().mono, [this] {
      walk_timer_ = 0;
      walk();
    });
  }
}

// --- requests

ReplyTo GroupService::keep(Waiting waiting) {
  waiting_.emplace(++last_reply_, std::move(waiting));
  return last_reply_;
}

// Whatever may lead to something that is stored begins with it: the topic is made when it is first
// needed.
void GroupService::when_ready(Task then) {
  if (partition_ != nullptr || fault_) return then();
  engine_.topics().offsets([this, then = std::move(then)](Result<Topic*> topic) mutable {
    if (topic) {
      partition_ = (*topic)->partitions.front();
    } else {
      not_made_ = topic.error();
    }
    then();
  });
}

void GroupService::join(JoinRequest request, JoinDone done) {
  when_ready([this, request = std::move(request), done = std::move(done)]() mutable {
    begin_join(std::move(request), std::move(done));
  });
}

void GroupService::begin_join(JoinRequest request, JoinDone done) {
  const Now now = loop_.tick();
  ClassicGroupActions actions;
  const ReplyTo to = keep(std::move(done));
  if (is_available() &&
      !has_room_for(coordinator_.growth_by(request), "members", request.group_id)) {
    actions.push_back(
        refused_join(to, std::move(request.member_id), broker_error::group_max_size_reached));
  } else if (is_available()) {
    coordinator_.join(std::move(request), to, now, actions);
  } else {
    actions.push_back(refused_join(to, {}, broker_error::coordinator_not_available));
  }
  perform(std::move(actions), now);
}

void GroupService::sync(SyncRequest request, SyncDone done) {
  when_ready([this, request = std::move(request), done = std::move(done)]() mutable {
    begin_sync(std::move(request), std::move(done));
  });
}

void GroupService::begin_sync(SyncRequest request, SyncDone done) {
  const Now now = loop_.tick();
  ClassicGroupActions actions;
  const ReplyTo to = keep(std::move(done));
  if (is_available() &&
      !has_room_for(coordinator_.growth_by(request), "the assignments", request.group_id)) {
    actions.push_back(refused_sync(to, broker_error::invalid_request));
  } else if (is_available()) {
    coordinator_.sync(std::move(request), to, now, actions);
  } else {
    actions.push_back(refused_sync(to, broker_error::coordinator_not_available));
  }
  perform(std::move(actions), now);
}

std::int16_t GroupService::heartbeat(const std::string& group, std::string_view member_id,
                                     const std::optional<std::string>& instance_id,
                                     Generation generation, Now now) {
  if (!is_available()) return broker_error::coordinator_not_available;
  return coordinator_.heartbeat(group, member_id, instance_id, generation, now);
}

void GroupService::leave(const std::string& group,
                         const std::vector<GroupCoordinator::Leaver>& leavers, LeaveDone done,
                         Now now) {
  if (!is_available()) {
    return done(std::vector<std::int16_t>(leavers.size(), broker_error::none),
                broker_error::coordinator_not_available);
  }
  ClassicGroupActions actions;
  std::int16_t error = broker_error::none;
  auto errors = coordinator_.leave(group, leavers, now, error, actions);
  perform(std::move(actions), now);
  engine_.syncing().when_durable([done = std::move(done), errors = std::move(errors),
                                  error]() mutable { done(errors, error); });
}

std::int16_t GroupService::check_commit(const std::string& group, std::string_view member_id,
                                        const std::optional<std::string>& instance_id,
                                        Generation generation, Now now) {
  if (!is_available()) return broker_error::coordinator_not_available;
  return coordinator_.check_commit(group, member_id, instance_id, generation, now);
}

void GroupService::commit(const std::string& group, std::vector<Commit> commits, Done done) {
  when_ready([this, group, commits = std::move(commits), done = std::move(done)]() mutable {
    store_commits(group, std::move(commits), std::move(done));
  });
}

void GroupService::store_commits(const std::string& group, std::vector<Commit> commits, Done done) {
  std::size_t growth = 0;
  for (Commit& commit : commits) {
    commit.committed.round = coordinator_.round();
    growth +=
        coordinator_.growth_by_offset(group, commit.topic, commit.partition, commit.committed);
  }
  growth += coordinator_.growth_by_group(group);
  if (!has_room_for(growth, "offsets", group)) return done(broker_error::policy_violation);
  std::vector<GroupRecord> records;
  for (const Commit& commit : commits) {
    auto record = offset_record(group, commit.topic, commit.partition, commit.committed);
    if (!record) return done(broker_error::invalid_request);
    records.push_back(*std::move(record));
  }
  if (auto stored = store_without_rewrite(records); !stored) {
    warn("offsets of group " + group + " are refused", stored.error());
    return done(code_of(stored.error()));
  }
  for (const Commit& commit : commits) {
    coordinator_.stage(group, commit.topic, commit.partition, commit.committed);
  }
  begin_rewrite_if_due();
  // Nobody sees an offset that a crash could take back.
  engine_.syncing().when_durable(
      [this, group, commits = std::move(commits), done = std::move(done)]() mutable {
        const bool is_durable = is_available();
        settle(group, commits, is_durable);
        done(is_durable ? broker_error::none : broker_error::coordinator_not_available);
      });
}

void GroupService::settle(const std::string& group, std::vector<Commit>& commits, bool is_durable) {
  for (Commit& commit : commits) {
    coordinator_.settle(group, commit.topic, commit.partition, std::move(commit.committed),
                        is_durable);
  }
}

std::int16_t GroupService::remove(const std::string& group) {
  if (!is_available()) return broker_error::coordinator_not_available;
  std::vector<GroupRecord> records;
  const std::int16_t error = coordinator_.remove(group, records);
  auto stored = store_deletions(std::move(records));
  return stored || error != broker_error::none ? error : code_of(stored.error());
}

void GroupService::answer_all() {
  while (forgetting_.is_under_way) forget_some();
  for (auto& [to, waiting] : std::exchange(waiting_, {})) {
    if (auto* join = std::get_if<JoinDone>(&waiting)) {
      (*join)(refused_join(0, {}, broker_error::coordinator_not_available));
    } else {
      std::get<SyncDone>(waiting)(refused_sync(0, broker_error::coordinator_not_available));
    }
  }
}

// --- actions

void GroupService::perform(ClassicGroupActions actions, Now now) {
  ClassicGroupActions stored_answers;
  bool has_stored = false;
  std::int16_t error = broker_error::none;
  ClassicGroupActions after_failure;
  for (ClassicGroupAction& action : actions) {
    if (const auto* to_store = std::get_if<StoreGroup>(&action)) {
      has_stored = true;
      if (store_group(to_store->group_id)) continue;
      error = broker_error::coordinator_not_available;
      coordinator_.store_failed(to_store->group_id, now, after_failure);
    } else if (error == broker_error::none &&
               (has_stored || std::holds_alternative<AnswerSync>(action))) {
      // An assignment that somebody asks for later may still be on its way to the disk: lost in a
      // crash, its generation would be given out again.
      stored_answers.push_back(std::move(action));
    } else {
      answer(action, error);
    }
  }
  if (!stored_answers.empty()) answer_when_stored(std::move(stored_answers));
  if (!after_failure.empty()) perform(std::move(after_failure), now);
  arm();
}

bool GroupService::store_group(const std::string& group) {
  const ClassicGroup* found = coordinator_.find(group);
  if (found == nullptr) return true;  // deleted by the same actions
  auto record = group_record(*found);
  auto stored = record ? store({*record}) : Result<void>(fail(record.error()));
  if (!stored) warn("group " + group + " cannot be stored", stored.error());
  return stored.has_value();
}

void GroupService::answer_when_stored(ClassicGroupActions answers) {
  engine_.syncing().when_durable([this, answers = std::move(answers)] {
    const std::int16_t error =
        is_available() ? broker_error::none : broker_error::coordinator_not_available;
    for (const ClassicGroupAction& action : answers) answer(action, error);
  });
}

void GroupService::answer(const ClassicGroupAction& action, std::int16_t error) {
  // Nobody waits any more once the node has begun to stop.
  const auto take = [&](ReplyTo to) { return waiting_.extract(to); };
  if (const auto* join = std::get_if<AnswerJoin>(&action)) {
    auto waiting = take(join->to);
    if (!waiting) return;
    auto& done = std::get<JoinDone>(waiting.mapped());
    done(error == broker_error::none ? *join : refused_join(0, join->member_id, error));
  } else if (const auto* sync = std::get_if<AnswerSync>(&action)) {
    auto waiting = take(sync->to);
    if (!waiting) return;
    auto& done = std::get<SyncDone>(waiting.mapped());
    done(error == broker_error::none ? *sync : refused_sync(0, error));
  }
}

void GroupService::arm() {
  const TimePoint next = coordinator_.next_deadline();
  if (next >= timer_at_) return;  // one that fires too early finds nothing due
  loop_.cancel(timer_);
  timer_at_ = next;
  timer_ = loop_.arm(next, [this] {
    timer_ = 0;
    timer_at_ = never;
    ClassicGroupActions actions;
    const Now now = loop_.tick();
    coordinator_.on_time(now, actions);
    perform(std::move(actions), now);
  });
}

}  // namespace dohle::node
