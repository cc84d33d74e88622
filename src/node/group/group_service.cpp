#include "node/group/group_service.hpp"

#include <algorithm>

#include "base/assert.hpp"
#include "base/broker_errors.hpp"
#include "node/turn.hpp"

namespace dohle::node {

namespace {

/// Groups and offsets that a walk visits between two checks of the turn's time. Each may be a
/// record.
constexpr std::size_t walked_at_once = 64;

std::int16_t code_of(const Error& error) {
  // The client then looks for the coordinator and tries again.
  return error.is(Errc::too_large) ? broker_error::invalid_request
                                   : broker_error::coordinator_not_available;
}

}  // namespace

GroupService::GroupService(Storage& storage, Lines& lines, Executor& loop, Disk& disk,
                           SecureRandom& random, GroupCoordinator::Options options)
    : storage_(storage),
      lines_(lines),
      loop_(loop),
      coordinator_(options, random),
      journal_(loop, disk, storage,
               {.topic = std::string(offsets_topic),
                .warn = [&lines](std::string_view line) { lines.warn_now_and_then(line); }}) {}

GroupService::~GroupService() {
  loop_.cancel(timer_);
  loop_.cancel(walk_timer_);
  loop_.cancel(late_answers_timer_);
}

bool GroupService::has_room_for(std::size_t growth, std::string_view what, std::string_view group) {
  if (coordinator_.has_room_for(growth)) return true;
  lines_.complain(std::string(what) + " of group " + shortened(group) +
                  " are refused: all groups together take " +
                  std::to_string(coordinator_.state_bytes()) + " bytes of memory, " +
                  std::to_string(growth) + " more are needed, and at most " +
                  std::to_string(coordinator_.max_state_bytes()) +
                  " are allowed (max_group_state_bytes); deleting groups makes room");
  return false;
}

std::int16_t GroupService::refusal() const {
  if (is_loading()) return broker_error::coordinator_load_in_progress;
  return is_available() ? broker_error::none : broker_error::coordinator_not_available;
}

std::optional<std::string> GroupService::why_unavailable() const {
  const Error* why = is_loading() ? nullptr : journal_.fault();
  if (why == nullptr) return std::nullopt;
  return "all groups wait for the node's partition " + std::string(offsets_topic) +
         "-0, which is offline (the node's log says what to do): " + std::string(why->message());
}

void GroupService::warn(std::string_view what, const Error& why) {
  lines_.warn_now_and_then(std::string(what) + ": " + std::string(why.message()));
}

// --- loading

void GroupService::load() {
  loading_since_ = loop_.mono_now();
  const Topic* topic = storage_.topics().find(offsets_topic);
  if (topic != nullptr) {
    return journal_.open(
        topic->partitions.front(), [this](const JournalRecord& record) { return take(record); },
        [this](const Result<void>& outcome) { loaded(outcome); });
  }
  // Groups must not start empty while a directory holds their offsets.
  const auto refused = storage_.topics().refused_by_strays(offsets_topic);
  if (refused) journal_.refuse(*refused);
  loaded(refused ? Result<void>(fail(*refused)) : Result<void>());
}

Result<Taken> GroupService::take(const JournalRecord& record) {
  auto stored = read_group_record(record.key, record.value);
  if (!stored) return fail(stored.error());
  if (std::holds_alternative<StoredUnknown>(*stored)) return Taken::unknown_kind;
  const auto* offset = std::get_if<StoredOffset>(&*stored);
  // A crash may have come between the deletion of a topic and that of its offsets. They would
  // otherwise belong to the next topic of that name.
  if (offset != nullptr && storage_.topics().find(offset->topic) == nullptr) {
    missing_topics_.insert(offset->topic);
  }
  coordinator_.restore(*std::move(stored), loop_.tick());
  return Taken::taken;
}

void GroupService::loaded(const Result<void>& outcome) {
  if (!outcome) {
    lines_.report_error("groups are unavailable: " + std::string(outcome.error().message()));
  }
  const TimePoint now = loop_.mono_now();
  // Sessions began when their records were read. The time that loading took does not count.
  expire_from_ = now + (now - loading_since_);
  for (const std::string& topic : missing_topics_) {
    coordinator_.forget(topic);
    if (storage_.topics().hold_name(topic)) held_names_.push_back(topic);
  }
  forgetting_.is_under_way = !missing_topics_.empty();
  missing_topics_.clear();
  journal_.when_prepared([this] {
    arm();
    walk();
  });
}

// --- records

Result<void> GroupService::store(const std::vector<GroupRecord>& records) {
  auto outcome = store_without_rewrite(records);
  if (outcome && !records.empty()) begin_rewrite_if_due();
  return outcome;
}

Result<void> GroupService::store_without_rewrite(const std::vector<GroupRecord>& records) {
  if (records.empty()) return {};
  DOHLE_ASSERT(journal_.is_open() || journal_.fault() != nullptr || not_made_,
               "what leads to a record begins with when_ready");
  if (!journal_.is_open() && not_made_) return fail(*not_made_);
  return journal_.append(records);
}

// A deletion in memory must not be undone by the next start.
Result<void> GroupService::store_deletions(std::vector<GroupRecord> records) {
  auto outcome = journal_.append_or_owe(std::move(records));
  if (outcome) begin_rewrite_if_due();
  return outcome;
}

Result<void> GroupService::store_owed() {
  return journal_.append_owed();
}

// --- walks

void GroupService::begin_rewrite_if_due() {
  if (!journal_.begin_rewrite_if_due(coordinator_.live_records())) return;
  rewriting_ = {{}, true};
  walk();
}

void GroupService::rewrite_some() {
  rewriting_.is_under_way = journal_.rewrite_some([this](std::vector<JournalRecord>& records) {
    return coordinator_.snapshot_some(rewriting_.place, walked_at_once, records);
  });
  if (!rewriting_.is_under_way) rewriting_ = {};
}

void GroupService::forget_topic(const std::string& topic, Task done) {
  when_forgotten_.push_back(std::move(done));
  if (is_loading()) return void(missing_topics_.insert(topic));
  coordinator_.forget(topic);
  forgetting_.is_under_way = true;
  walk();
}

void GroupService::forget_some() {
  std::vector<GroupRecord> records;
  forgetting_.is_under_way = coordinator_.forget_some(forgetting_.place, walked_at_once, records);
  if (auto stored = store_deletions(std::move(records)); !stored) {
    warn("offsets of deleted topics stay on disk for now", stored.error());
  }
  if (!forgetting_.is_under_way) end_forgetting();
}

void GroupService::end_forgetting() {
  for (Task& done : std::exchange(when_forgotten_, {})) done();
  // Offsets that return after a crash would belong to the next topic of that name.
  storage_.when_durable([this, names = std::exchange(held_names_, {})] {
    for (const std::string& name : names) storage_.topics().release_name(name);
  });
}

void GroupService::bury_some() {
  std::vector<GroupRecord> records;
  (void)coordinator_.bury_some(walked_at_once, records);
  if (auto stored = store_deletions(std::move(records)); !stored) {
    warn("offsets of deleted groups stay on disk for now", stored.error());
  }
}

void GroupService::expire(Now now) {
  if (!is_ready()) return;  // the next maintenance calls it again
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
  return forgetting_.is_under_way || coordinator_.is_burying() || expiring_.is_under_way ||
         rewriting_.is_under_way;
}

bool GroupService::walk_some() {
  if (forgetting_.is_under_way) {
    forget_some();
  } else if (coordinator_.is_burying()) {
    bury_some();
  } else if (expiring_.is_under_way) {
    expire_some();
  } else if (rewriting_.is_under_way) {
    rewrite_some();
  }
  return has_walk();
}

void GroupService::walk() {
  if (!is_ready()) return;  // continues once ready
  // The records of a piece may begin the next rewrite, which calls this function.
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

// All calls that may store a record begin with this. The topic is created when it is first needed,
// and an existing log is prepared before it is appended to.
void GroupService::when_ready(Task then) {
  if (is_loading() || journal_.fault() != nullptr) return then();
  if (journal_.is_open()) return journal_.when_prepared(std::move(then));
  storage_.topics().offsets([this, then = std::move(then)](Result<Topic*> topic) mutable {
    if (topic) {
      journal_.open_new((*topic)->partitions.front());
    } else {
      not_made_ = topic.error();
    }
    then();
  });
}

void GroupService::when_prepared(Task then) {
  if (is_loading()) return then();
  journal_.when_prepared(std::move(then));
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
    actions.push_back(refused_join(to, {}, refusal()));
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
    // Clients treat code 14 as fatal here. As in Apache Kafka they have to join again.
    actions.push_back(refused_sync(to, is_loading() ? broker_error::rebalance_in_progress
                                                    : broker_error::coordinator_not_available));
  }
  perform(std::move(actions), now);
}

std::int16_t GroupService::heartbeat(const std::string& group, std::string_view member_id,
                                     const std::optional<std::string>& instance_id,
                                     Generation generation, Now now) {
  if (is_loading()) return broker_error::none;  // as in Apache Kafka: nothing is known yet
  if (!is_available()) return broker_error::coordinator_not_available;
  return coordinator_.heartbeat(group, member_id, instance_id, generation, now);
}

void GroupService::leave(const std::string& group, std::vector<GroupCoordinator::Leaver> leavers,
                         LeaveDone done) {
  when_prepared([this, group, leavers = std::move(leavers), done = std::move(done)]() mutable {
    leave_now(group, leavers, std::move(done));
  });
}

void GroupService::leave_now(const std::string& group,
                             const std::vector<GroupCoordinator::Leaver>& leavers, LeaveDone done) {
  if (const std::int16_t refused = refusal()) {
    return done(std::vector<std::int16_t>(leavers.size(), broker_error::none), refused);
  }
  const Now now = loop_.tick();
  ClassicGroupActions actions;
  std::int16_t error = broker_error::none;
  auto errors = coordinator_.leave(group, leavers, now, error, actions);
  perform(std::move(actions), now);
  storage_.when_durable([done = std::move(done), errors = std::move(errors), error]() mutable {
    done(errors, error);
  });
}

std::int16_t GroupService::check_commit(const std::string& group, std::string_view member_id,
                                        const std::optional<std::string>& instance_id,
                                        Generation generation, Now now) {
  if (const std::int16_t refused = refusal()) return refused;
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
  // An offset becomes visible only once a crash cannot remove it.
  journal_.when_durable([this, group, commits = std::move(commits),
                         done = std::move(done)](const Result<void>& durable) mutable {
    settle(group, commits, durable.has_value());
    done(durable ? broker_error::none : broker_error::coordinator_not_available);
  });
}

void GroupService::settle(const std::string& group, std::vector<Commit>& commits, bool is_durable) {
  for (Commit& commit : commits) {
    coordinator_.settle(group, commit.topic, commit.partition, std::move(commit.committed),
                        is_durable);
  }
}

std::int16_t GroupService::remove(const std::string& group) {
  if (const std::int16_t refused = refusal()) return refused;
  std::vector<GroupRecord> records;
  const std::int16_t error = coordinator_.remove(group, records);
  auto stored = store_deletions(std::move(records));
  if (coordinator_.is_burying()) walk();
  return stored || error != broker_error::none ? error : code_of(stored.error());
}

void GroupService::answer_all() {
  journal_.stop_replay(Error::client(Errc::closed, "the node stops"));
  while (forgetting_.is_under_way) forget_some();
  while (coordinator_.is_burying()) bury_some();
  // The next start removes the offsets, since their topics do not exist.
  for (Task& done : std::exchange(when_forgotten_, {})) done();
  for (LateAnswers& late : std::exchange(late_answers_, {})) {
    for (; late.next < late.actions.size(); ++late.next) {
      answer(std::move(late.actions[late.next]), late.error);
    }
  }
  loop_.cancel(std::exchange(late_answers_timer_, 0));
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
  ClassicGroupActions answers;
  ClassicGroupActions stored_answers;
  bool has_stored = false;
  std::int16_t error = broker_error::none;
  ClassicGroupActions after_failure;
  for (ClassicGroupAction& action : actions) {
    if (const auto* to_store = std::get_if<StoreGroup>(&action)) {
      answer_in_turn(std::exchange(answers, {}), error);
      has_stored = true;
      if (store_group(to_store->group_id)) continue;
      error = broker_error::coordinator_not_available;
      coordinator_.store_failed(to_store->group_id, now, after_failure);
    } else if (error == broker_error::none &&
               (has_stored || std::holds_alternative<AnswerSync>(action))) {
      // The assignment of a later SyncGroup may not be durable yet. If a crash lost it, its
      // generation would be used again.
      stored_answers.push_back(std::move(action));
    } else {
      answers.push_back(std::move(action));
    }
  }
  answer_in_turn(std::move(answers), error);
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
  journal_.when_durable([this, answers = std::move(answers)](const Result<void>& durable) mutable {
    const std::int16_t error =
        durable ? broker_error::none : broker_error::coordinator_not_available;
    answer_in_turn(std::move(answers), error);
  });
}

// A group may have thousands of members, which a rebalance answers together.
void GroupService::answer_in_turn(ClassicGroupActions actions, std::int16_t error) {
  if (actions.empty()) return;
  const bool is_first = late_answers_.empty();
  late_answers_.push_back({std::move(actions), error});
  if (is_first && !is_answering_ && !is_turn_over(loop_)) answer_some();
  arm_late_answers();
}

void GroupService::answer_some() {
  is_answering_ = true;
  do {
    LateAnswers& late = late_answers_.front();
    // An answer may have others follow, so it leaves the queue first.
    ClassicGroupAction action = std::move(late.actions[late.next]);
    const std::int16_t error = late.error;
    if (++late.next == late.actions.size()) late_answers_.pop_front();
    answer(std::move(action), error);
  } while (!late_answers_.empty() && !is_turn_over(loop_));
  is_answering_ = false;
}

void GroupService::arm_late_answers() {
  if (late_answers_.empty() || late_answers_timer_ != 0 || is_answering_) return;
  late_answers_timer_ = loop_.arm(loop_.tick().mono, [this] {
    late_answers_timer_ = 0;
    answer_some();
    arm_late_answers();
  });
}

void GroupService::answer(ClassicGroupAction action, std::int16_t error) {
  // No request waits any more once the node has begun to stop.
  const auto take = [&](ReplyTo to) { return waiting_.extract(to); };
  if (auto* join = std::get_if<AnswerJoin>(&action)) {
    auto waiting = take(join->to);
    if (!waiting) return;
    DOHLE_ASSERT(std::holds_alternative<JoinDone>(waiting.mapped()),
                 "a member that syncs is answered as one that joins");
    auto& done = std::get<JoinDone>(waiting.mapped());
    done(error == broker_error::none ? std::move(*join) : refused_join(0, join->member_id, error));
  } else if (const auto* sync = std::get_if<AnswerSync>(&action)) {
    auto waiting = take(sync->to);
    if (!waiting) return;
    DOHLE_ASSERT(std::holds_alternative<SyncDone>(waiting.mapped()),
                 "a member that joins is answered as one that syncs");
    auto& done = std::get<SyncDone>(waiting.mapped());
    done(error == broker_error::none ? *sync : refused_sync(0, error));
  }
}

void GroupService::arm() {
  if (!is_ready()) return;  // called again once ready
  const TimePoint next = std::max(coordinator_.next_deadline(), expire_from_);
  if (next >= timer_at_) return;  // a timer may fire too early
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
