#include "simulation/member.hpp"

#include <algorithm>
#include <charconv>
#include <iterator>
#include <utility>

namespace dohle::simulation {

using namespace std::chrono_literals;
using namespace client::group_action;
using client::PollTable;

namespace {

/// The longest handling after the faults: the catch-up time is for delays by the client, not by an
/// application.
constexpr Duration hurried_handling = 50ms;

}  // namespace

Member::Member(sim::Process& self, std::string name, const Habits& habits,
               client::Cluster::Options engine, Readings& readings, Effects& effects,
               const bool& is_healed)
    : self_(self),
      world_(self.machine().world()),
      name_(std::move(name)),
      habits_(habits),
      readings_(readings),
      effects_(effects),
      is_healed_(is_healed),
      random_(world_.stream(name_)),
      client_(std::make_shared<client::SimulatedClient>(self, std::move(engine))) {
  join();
}

Member::~Member() {
  if (consumer_ != nullptr) effects_.add(effect::member_died);
}

void Member::after(Duration delay, Next next) {
  self_.executor().arm(self_.clock().mono() + delay, [this, next] { (this->*next)(); });
}

void Member::note(const std::string& line) {
  world_.note(name_, line);
}

Duration Member::up_to(Duration most) {
  return Duration(
      static_cast<Duration::rep>(random_.below(static_cast<std::uint64_t>(most.count()) + 1)));
}

Duration Member::max_handling() const {
  return is_healed_ ? std::min(habits_.max_handling, hurried_handling) : habits_.max_handling;
}

// Joining, polling and handling.

void Member::join() {
  note("begins to read");
  session_ = std::make_shared<char>();
  consumer_ = std::make_shared<client::ConsumerLoop>(client_, habits_.options);
  consumer_->start();
  effects_.add(effect::joined);
  if (habits_.takes_all) {
    std::vector<TopicPartition> all;
    for (std::int32_t i = 0; i < readings_.partitions(); ++i) {
      all.push_back({"orders", PartitionId{i}});
      hold(PartitionId{i}, Generation{});
    }
    consumer_->assign(std::move(all));
  } else {
    consumer_->subscribe({"orders"});
  }
  begin_poll();
}

void Member::begin_poll() {
  consumer_->desk().with([](PollTable& table) { table.fetch.settle(); });
  consumer_->begin_poll();
  after(up_to(habits_.max_poll), &Member::end_poll);
}

void Member::end_poll() {
  if (hear_news()) take();
}

bool Member::hear_news() {
  for (;;) {
    auto next = consumer_->desk().with([](PollTable& table) -> std::optional<client::ConsumerNews> {
      if (table.news.empty()) return std::nullopt;
      client::ConsumerNews first = std::move(table.news.front());
      table.news.pop_front();
      return first;
    });
    if (!next) return true;
    if (!hear(std::move(*next))) return false;
  }
}

bool Member::hear(client::ConsumerNews news) {
  if (auto* assigned = std::get_if<Assigned>(&news)) {
    hear_assigned(assigned->partitions);
  } else if (auto* revoke = std::get_if<Revoke>(&news)) {
    note("gives up its partitions");
    effects_.add(effect::revoked);
    if (!commits_by_hand() || revoke->partitions.empty()) {
      give_up(revoke->partitions);
      return true;
    }
    commit([this, partitions = std::move(revoke->partitions)] {
      give_up(partitions);
      is_leaving_ ? finish_leaving() : end_poll();
    });
    return false;
  } else if (auto* lose = std::get_if<Lose>(&news)) {
    note("lost its partitions");
    effects_.add(effect::lost);
    give_up(lose->partitions);
  } else if (auto* failed = std::get_if<Failed>(&news)) {
    note("poll fails: " + failed->why.to_string());
    if (failed->why.is_fatal()) readings_.accuse(name_ + ": " + failed->why.to_string());
  } else {
    close_consumer();
    return false;
  }
  return true;
}

void Member::hear_assigned(const std::vector<TopicPartition>& partitions) {
  effects_.add(effect::assigned);
  // If there are later news, the desk has a later generation.
  const Generation generation = consumer_->desk().with(
      [](PollTable& table) { return table.news.empty() ? table.generation : Generation{}; });
  std::string line = "has in generation " + std::to_string(generation.value) + ":";
  for (const TopicPartition& each : partitions) {
    line += " " + std::to_string(each.partition.value);
    hold(each.partition, generation);
  }
  note(line);
  self_.executor().post([consumer = consumer_] { consumer->on_told_assigned(); });
}

void Member::hold(PartitionId partition, Generation generation) {
  holds_.insert_or_assign(partition.value, readings_.held(name_, generation, partition));
}

void Member::give_up(const std::vector<TopicPartition>& partitions) {
  for (const TopicPartition& each : partitions) holds_.erase(each.partition.value);
  self_.executor().post(
      [consumer = consumer_, partitions] { consumer->on_told_released(partitions); });
}

void Member::take() {
  auto records = consumer_->take();
  consumer_->end_poll();
  if (!records) {
    note("poll fails: " + records.error().to_string());
    return go_on();
  }
  taken_ = std::move(*records);
  if (taken_.empty()) return go_on();
  after(up_to(max_handling()), &Member::handle);
}

void Member::handle() {
  std::map<std::int32_t, std::pair<std::int64_t, std::int64_t>> ranges;
  for (const ConsumerRecord& record : taken_) {
    handle(record);
    const std::int64_t offset = record.offset.value;
    ranges.try_emplace(record.partition.value, offset, offset).first->second.second = offset;
  }
  if (taken_.error() != nullptr) readings_.accuse(name_ + ": " + taken_.error()->to_string());
  taken_ = {};
  std::string line = "handled";
  for (const auto& [partition, range] : ranges) {
    line += " " + std::to_string(partition) + ":" + std::to_string(range.first) + ".." +
            std::to_string(range.second);
  }
  note(line);
  if (random_.below(habits_.seeks_one_in) == 0) seek_somewhere();
  if (!commits_by_hand() || random_.below(3) != 0) return go_on();
  if (habits_.committing == Committing::waiting) return commit([this] { go_on(); });
  commit({});
  go_on();
}

void Member::handle(const ConsumerRecord& record) {
  const auto at = holds_.find(record.partition.value);
  if (at == holds_.end()) {
    return readings_.accuse(record.partition, name_ + " reads what it does not have");
  }
  std::string_view text = as_text(record.value.value_or(Bytes()));
  text = text.substr(0, text.find(' '));
  std::size_t number = 0;
  const auto parsed = std::from_chars(text.data(), text.data() + text.size(), number);
  if (parsed.ec != std::errc() || parsed.ptr != text.data() + text.size()) {
    return readings_.accuse(record.partition, "'" + std::string(text) + "' was never sent");
  }
  readings_.handled(name_, at->second, record.partition, record.offset, number);
}

void Member::seek_somewhere() {
  if (holds_.empty()) return;
  auto at = holds_.begin();
  std::advance(at, random_.below(holds_.size()));
  auto& [partition, hold] = *at;
  if (!hold.next) return;
  if (habits_.committing == Committing::never) {
    hold.next =
        static_cast<std::int64_t>(random_.below(static_cast<std::uint64_t>(*hold.next) + 1));
  }
  note("seeks " + std::to_string(partition) + ":" + std::to_string(*hold.next));
  effects_.add(effect::sought);
  const TopicPartition where{"orders", PartitionId{partition}};
  consumer_->desk().with(
      [&](PollTable& table) { (void)table.fetch.seek(where, Offset{*hold.next}); });
  consumer_->kick();
}

void Member::go_on() {
  if (is_closing_) return leave();
  if (!is_healed_ && random_.below(habits_.leaves_one_in) == 0) return leave();
  begin_poll();
}

void Member::commit(std::move_only_function<void()> then) {
  auto offsets = consumer_->desk().with([](PollTable& table) { return table.fetch.taken(); });
  consumer_->commit(offsets, [this, offsets, alive = std::weak_ptr<char>(session_),
                              then = std::move(then)](Result<void> outcome) mutable {
    // A closed consumer fails its commits.
    if (alive.expired()) return;
    effects_.add(outcome ? effect::commit_confirmed : effect::commit_failed);
    if (!outcome) note("commit fails: " + outcome.error().to_string());
    for (const PartitionOffset& each : offsets) {
      if (outcome) readings_.committed(each.partition.partition, each.committed.offset);
    }
    // Posted, since the answer may come inside a call of the consumer.
    if (then) self_.executor().post(std::move(then));
  });
}

// Leaving.

void Member::close() {
  is_closing_ = true;
}

void Member::leave() {
  note("leaves");
  effects_.add(effect::left);
  if (!commits_by_hand()) return leave_now();
  commit([this] { leave_now(); });
}

void Member::leave_now() {
  consumer_->desk().with([](PollTable& table) { table.fetch.settle(); });
  // Closes as a destructor does, or leaves first as close does.
  if (habits_.takes_all || random_.below(2) == 0) return close_consumer();
  is_leaving_ = true;
  consumer_->unsubscribe();
  finish_leaving();
}

void Member::finish_leaving() {
  if (hear_news()) after(5ms, &Member::finish_leaving);
}

void Member::close_consumer() {
  is_leaving_ = false;
  holds_.clear();
  session_.reset();
  consumer_->close_by(client::CallTime::from(self_.clock().mono(), 5s),
                      [this](Result<void> outcome) {
                        note(outcome ? "closed" : "closed: " + outcome.error().to_string());
                        // Posted, since this runs inside the consumer.
                        self_.executor().post([this] {
                          consumer_.reset();
                          if (!is_closing_) after(up_to(5s), &Member::join);
                        });
                      });
}

}  // namespace dohle::simulation
