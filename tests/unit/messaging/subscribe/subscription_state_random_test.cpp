// Random records, results, acks, rebalances and commits for a subscription, against a model that
// tracks the records that are done.
#include <gtest/gtest.h>

#include <array>
#include <map>
#include <set>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "../random_events.hpp"
#include "messaging/subscribe/subscription_state.hpp"

namespace dohle::messaging {
namespace {

using namespace std::chrono_literals;

constexpr int partition_count = 3;
/// The sources, and their retry topics.
const std::array<std::string, 2> sources{"strikes", "gulls"};
const std::array<std::string, 2> retry_topics{"strikes.g.retry.100ms", "gulls.g.retry.100ms"};
constexpr auto retry_delay = 100ms;

Error broken() {
  return Error::client(Errc::handler_failed, "broken");
}

RedirectTopics redirects_of(std::size_t source, bool retries, bool dead_letters) {
  RedirectTopics made;
  if (retries) {
    made.retries = {{.name = retry_topics.at(source), .delay = retry_delay}};
  }
  if (dead_letters) {
    made.dead_letters = RedirectTopic{.name = sources.at(source) + ".g.dlt"};
  }
  return made;
}

bool is_of(std::string_view topic, std::size_t source) {
  return topic.starts_with(sources.at(source));
}

SubscriptionSettings some_settings(Random& random) {
  SubscriptionSettings settings;
  settings.auto_ack = random.below(2) == 0;
  settings.unordered = random.below(4) == 0;
  settings.orders_partitions = random.below(4) == 0;
  settings.max_retries = static_cast<int>(random.below(3));
  settings.failure_policy = static_cast<FailurePolicy>(random.below(3));
  settings.redirects =
      redirects_of(0, random.below(2) == 0, settings.failure_policy == FailurePolicy::dead_letter);
  settings.retry_delay = std::chrono::milliseconds(random.below(50));
  settings.ack_timeout = std::chrono::milliseconds(100 + random.below(500));
  settings.max_unacknowledged = 20;
  if (random.below(3) == 0) {
    settings.batches = BatchSettings{.lanes = 1 + random.below(3),
                                     .size = 1 + random.below(6),
                                     .interval = std::chrono::milliseconds(random.below(100))};
  }
  return settings;
}

class World {
 public:
  explicit World(Random& random)
      : random_(random), settings_(some_settings(random)), state_(settings_) {}

  void step() {
    switch (random_.below(16)) {
      case 0:
        assign();
        break;
      case 1:
        if (random_.below(4) == 0) give_up();
        break;
      case 2:
      case 3:
      case 4:
        deliver();
        break;
      case 5:
      case 6:
        take();
        break;
      case 7:
      case 8:
        end_handler();
        break;
      case 9:
        ack();
        break;
      case 10:
        commit();
        break;
      case 11:
        (void)state_.update_pauses(random_.below(8) == 0, now_);
        (void)state_.held_reports(now_);
        (void)state_.may_resume(now_);
        (void)state_.take_redirect_reports();
        break;
      case 12:
        take_redirect();
        break;
      case 13:
        end_redirect();
        break;
      case 14:
        turn_to_gulls();
        break;
      default:
        now_ += std::chrono::milliseconds(random_.below(80));
        for (const Report& report : state_.overdue_acks(now_)) keep(report.event);
    }
  }
  void check() {
    state_.check_invariants();
    for (const auto& [name, owned] : owned_) {
      const std::vector<TopicPartition> one{name};
      for (const PartitionOffset& due : state_.final_commit(one)) {
        const std::int64_t offset = due.committed.offset.value;
        EXPECT_LE(offset, owned.first_undone()) << "a commit passes a record that is not done";
      }
    }
  }

 private:
  struct Owned {
    std::int64_t first = 0;
    std::int64_t next = 0;
    std::set<std::int64_t> done = {};
    /// The records' times by offset.
    std::map<std::int64_t, std::int64_t> times = {};
    [[nodiscard]] std::int64_t first_undone() const {
      std::int64_t at = first;
      while (at < next && done.contains(at)) ++at;
      return at;
    }
  };
  [[nodiscard]] Timestamp wall() const {
    return Timestamp{now_.time_since_epoch() / std::chrono::milliseconds(1)};
  }
  [[nodiscard]] TopicPartition any() {
    const std::size_t source = random_.below(3) == 0 ? 1 : 0;
    return {random_.below(3) == 0 ? retry_topics.at(source) : sources.at(source),
            PartitionId{static_cast<std::int32_t>(random_.below(partition_count))}};
  }
  /// The second source is found, or dropped while its partitions are still assigned.
  void turn_to_gulls() {
    if (random_.below(4) == 0) {
      state_.on_dropped(sources[1]);
      has_gulls_ = false;
      return;
    }
    const auto& common = settings_.redirects;
    state_.on_redirects(sources[1],
                        redirects_of(1, !common.retries.empty(), common.dead_letters.has_value()));
    has_gulls_ = true;
  }
  void take_redirect() {
    auto redirect = state_.take_redirect(now_);
    if (!redirect) return;
    for (const std::size_t source : {0U, 1U}) {
      EXPECT_EQ(is_of(redirect->to->name, source), is_of(redirect->event->topic, source))
          << redirect->to->name << " gets a message of " << redirect->event->topic;
    }
    redirects_.push_back(std::move(*redirect));
  }
  void assign() {
    const TopicPartition name = any();
    if (owned_.contains(name) || (is_of(name.topic, 1) && !has_gulls_)) return;
    // Without retries it would be a source of its own.
    if (settings_.redirects.retries.empty() && name.topic == retry_topics[1]) return;
    const auto first = static_cast<std::int64_t>(random_.below(40));
    state_.on_assigned({&name, 1});
    owned_[name] = {first, first};
  }
  void give_up() {
    const TopicPartition name = any();
    if (random_.below(2) == 0) state_.on_revoking({&name, 1});
    check();
    state_.on_given_up({&name, 1});
    owned_.erase(name);
  }
  void deliver() {
    const auto found = owned_.find(any());
    if (found == owned_.end()) return;
    auto& [name, owned] = *found;
    // Its topic was deleted and created again, which a lower offset shows.
    if (owned.next > owned.first && random_.below(60) == 0) owned = Owned{};
    const std::string& key = *keys_.insert("key " + std::to_string(random_.below(4))).first;
    ConsumerRecord record;
    // An event keeps the view.
    record.topic = *topics_.insert(name.topic).first;
    const std::int64_t time = wall().value - static_cast<std::int64_t>(random_.below(150));
    record.timestamp = Timestamp{owned.times.emplace(owned.next, time).first->second};
    record.partition = name.partition;
    record.offset = Offset{owned.next};
    record.key = as_bytes(key);
    state_.on_records({&record, 1}, nullptr, {now_, wall()});
    ++owned.next;
    for (const auto& [rewound, offset] : state_.take_rewinds()) {
      EXPECT_TRUE(rewound.topic.ends_with(".retry.100ms")) << rewound.topic;
      owned_.at(rewound).next = offset.value;
    }
  }
  void take() {
    if (settings_.batches) return take_batch();
    if (const EventPointer event = state_.take_work(now_)) begin(event);
  }
  void take_batch() {
    const std::vector<EventPointer> batch = state_.take_batch(now_);
    if (batch.empty()) return;
    EXPECT_LE(batch.size(), settings_.batches->size);
    const std::vector<EventPointer> others = running_;
    for (const EventPointer& event : batch) {
      running_ = others;
      begin(event);
    }
    running_ = others;
    running_.insert(running_.end(), batch.begin(), batch.end());
    batches_.push_back(batch);
  }
  /// Its handler runs from now on.
  void begin(const EventPointer& event) {
    EXPECT_TRUE(event->level == 0 || event->timestamp.value + retry_delay.count() <= wall().value)
        << "a retry is handled before its delay has passed";
    for (const EventPointer& other : running_) {
      const bool is_same_key = other->key && event->key &&
                               as_text(*other->key) == as_text(*event->key) &&
                               other->partition == event->partition && other->topic == event->topic;
      EXPECT_FALSE(is_same_key) << "two workers have records of one key";
    }
    running_.push_back(event);
  }
  void end_handler() {
    if (settings_.batches) return end_batch();
    if (running_.empty()) return;
    const auto at = static_cast<std::ptrdiff_t>(random_.below(running_.size()));
    const EventPointer event = running_[static_cast<std::size_t>(at)];
    running_.erase(running_.begin() + at);
    if (random_.below(8) == 0 && event->settled != EventState::Settled::nacked) {
      state_.on_released(event);
      return keep(event);
    }
    Result<void> result;
    if (random_.below(3) == 0) result = fail(broken());
    std::optional<Report> report;
    if (!result || !state_.on_succeeded(*event)) {
      report = state_.on_handled(event, std::move(result), now_);
    }
    note(event);
    keep(event);
    if (report && report->event) note(report->event), keep(report->event);
  }
  void end_batch() {
    if (batches_.empty()) return;
    const auto at = static_cast<std::ptrdiff_t>(random_.below(batches_.size()));
    const std::vector<EventPointer> batch = batches_[static_cast<std::size_t>(at)];
    batches_.erase(batches_.begin() + at);
    BatchOutcome outcome;
    outcome.own.resize(batch.size());
    for (auto& own : outcome.own) {
      if (random_.below(8) == 0) own = Result<void>(fail(broken()));
    }
    if (random_.below(3) == 0) outcome.handled = fail(broken());
    const std::vector<FailureAction> asked(batch.size(), FailureAction::retry);
    const auto reports = state_.on_batch_handled(batch, outcome, now_, asked);
    for (const EventPointer& event : batch) {
      std::erase(running_, event);
      note(event);
      keep(event);
    }
    for (const Report& report : reports) {
      if (report.event) note(report.event), keep(report.event);
    }
  }
  void end_redirect() {
    if (redirects_.empty()) return;
    const auto at = static_cast<std::ptrdiff_t>(random_.below(redirects_.size()));
    const Redirect redirect = redirects_[static_cast<std::size_t>(at)];
    redirects_.erase(redirects_.begin() + at);
    Result<Receipt> outcome = Receipt{PartitionId{0}, Offset{0}, Timestamp{0}};
    if (random_.below(3) == 0) outcome = fail(Error::broker(29, "produce"));
    state_.on_redirected(redirect.id, outcome, now_);
    note(redirect.event);
  }
  void ack() {
    if (random_.below(4) == 0 && !running_.empty()) return settle_running();
    if (kept_.empty()) return;
    const EventPointer event = kept_[random_.below(kept_.size())];
    if (random_.below(8) == 0) {
      (void)state_.retry_after(event, 1ms, now_);
    } else if (random_.below(3) == 0) {
      std::optional<Report> report;
      (void)state_.nack(event, broken(), now_, report);
      if (report && report->event) note(report->event), keep(report->event);
    } else {
      (void)state_.ack(*event);
    }
    note(event);
  }
  /// An event is acknowledged or passed to nack inside its handler.
  void settle_running() {
    const EventPointer& event = running_[random_.below(running_.size())];
    std::optional<Report> report;
    if (random_.below(2) == 0) {
      (void)state_.ack(*event);
    } else {
      (void)state_.nack(event, broken(), now_, report);
    }
    EXPECT_FALSE(report.has_value()) << "a nack is reported while the handler runs";
    note(event);
  }
  void commit() {
    if (under_way_.empty()) {
      under_way_ = state_.start_commit(now_);
    } else {
      client::CommitOutcome outcome{.offsets = under_way_.size()};
      if (random_.below(4) == 0) outcome.others = fail(broken());
      for (const PartitionOffset& each : under_way_) {
        if (random_.below(4) == 0) outcome.refused.push_back({each.partition, broken()});
      }
      (void)state_.on_commit_done(std::exchange(under_way_, {}), outcome, now_);
    }
  }
  /// A record is done once the state reports it for an event of its current assignment.
  void note(const EventPointer& event) {
    const auto found = owned_.find({std::string(event->topic), event->partition});
    if (found == owned_.end() || event->settled != EventState::Settled::acked) return;
    found->second.done.insert(event->offset.value);
  }
  void keep(const EventPointer& event) {
    if (event) kept_.push_back(event);
    if (kept_.size() > 30) kept_.erase(kept_.begin());
  }

  Random& random_;
  const SubscriptionSettings settings_;
  SubscriptionState state_;
  TimePoint now_{1h};
  std::map<TopicPartition, Owned> owned_;
  std::set<std::string> keys_;
  std::set<std::string> topics_;
  bool has_gulls_ = false;
  std::vector<EventPointer> running_;
  std::vector<std::vector<EventPointer>> batches_;
  std::vector<EventPointer> kept_;
  std::vector<Redirect> redirects_;
  std::vector<PartitionOffset> under_way_;
};

TEST(RandomEventsOfASubscription, CommitNothingThatIsNotDone) {
  test::play_seeds(500, [](Random& random) {
    World world(random);
    for (int i = 0; i < 300 && !testing::Test::HasFailure(); ++i) {
      world.step();
      world.check();
    }
  });
}

}  // namespace
}  // namespace dohle::messaging
