#include "messaging/publish/pipelines.hpp"

#include <algorithm>
#include <array>
#include <utility>

#include "base/name_slot.hpp"
#include "client/produce/producer_group.hpp"
#include "client/produce/record_sender.hpp"
#include "client/produce/send_with.hpp"

namespace dohle::messaging {

namespace {

/// Maximum numbers of pipelines that one visit of the client's thread looks at, and forgets.
constexpr std::size_t looked_at_once = 64;
constexpr std::size_t forgotten_at_once = 8;

std::string name_of(Acks acks) {
  switch (acks) {
    case Acks::none:
      return "none";
    case Acks::leader:
      return "leader";
    case Acks::all:
      break;
  }
  return "all";
}

std::uint64_t next_serial() {
  static std::atomic<std::uint64_t> last{0};
  return last.fetch_add(1, std::memory_order_relaxed) + 1;
}

}  // namespace

std::string PipelineKey::to_string() const {
  std::string text = "acks " + name_of(acks);
  if (max_attempts) text += ", max_attempts " + std::to_string(*max_attempts);
  if (timeout) text += ", timeout " + std::to_string(timeout->count()) + " ms";
  return text;
}

// Pipeline.

Result<const ProducerTopic*> Pipeline::resolved(std::optional<CallDeadline>& deadline) {
  if (const ProducerTopic* known = known_topic()) return known;
  if (!deadline) deadline = client::max_block_from_now(producer);
  auto found = client::topic_until(*deadline, producer, topic);
  if (!found) return fail(found.error());
  const std::lock_guard lock(mutex_);
  if (!resolved_topic_) resolved_topic_.emplace(std::move(*found));
  resolved_.store(&*resolved_topic_, std::memory_order_release);
  return &*resolved_topic_;
}

std::optional<FlushReport> Pipeline::close_if_idle() {
  const std::lock_guard lock(mutex_);
  auto report = client::close_if_idle(producer);
  if (report) is_forgotten_.store(true, std::memory_order_release);
  return report;
}

bool Pipeline::was_refused_in_passing() {
  const std::lock_guard lock(mutex_);
  return is_forgotten() || !client::sender_of(producer)->is_closed.load();
}

// Pipelines.

Pipelines::Pipelines(std::size_t most) : most_(most), serial_(next_serial()) {}

void Pipelines::admit_always(const PipelineKey& key) {
  const std::lock_guard lock(mutex_);
  if (std::ranges::find(combinations_, key) == combinations_.end()) combinations_.push_back(key);
}

Pipelines::Handle Pipelines::find(const PipelineKey& key, std::string_view topic) {
  struct Known {
    std::uint64_t serial = 0;
    PipelineKey key;
    std::string topic;
    std::weak_ptr<Pipeline> pipeline;
  };
  thread_local std::array<Known, 16> known;
  Known& slot = known[name_slot(topic, known.size())];
  if (slot.serial == serial_ && slot.topic == topic && slot.key == key) {
    // Others may still hold one that was forgotten.
    if (auto found = slot.pipeline.lock(); found && !found->is_forgotten()) return found;
  }
  const std::lock_guard lock(mutex_);
  Handle found = look_up(key, topic);
  if (found) slot = {serial_, key, std::string(topic), found};
  return found;
}

Pipelines::Handle Pipelines::look_up(const PipelineKey& key, std::string_view topic) const {
  const auto of_topic = by_topic_.find(topic);
  if (of_topic == by_topic_.end()) return nullptr;
  for (const Handle& each : of_topic->second) {
    if (each->key == key) return each;
  }
  return nullptr;
}

Result<Pipelines::Handle> Pipelines::find_or_make(const PipelineKey& key, std::string_view topic,
                                                  const Means& means) {
  for (std::size_t looked_at = 0;;) {
    std::vector<Handle> candidates;
    {
      const std::lock_guard lock(mutex_);
      if (Handle found = look_up(key, topic)) return found;
      if (is_closed_) return fail(Error::client(Errc::closed, "the broker has disconnected"));
      if (auto admitted = admit(key); !admitted) return fail(admitted.error());
      if (count_ < most_) return make(key, topic, means);
      if (looked_at >= count_) break;
      candidates = next_to_forget();
    }
    looked_at += candidates.size();
    means.on_clients_thread([&] { forget_idle(candidates); });
  }
  return fail(Error::client(Errc::limit_reached,
                            "each of the broker's " + std::to_string(most_) +
                                " producers holds messages, and topic " + std::string(topic) +
                                " has none yet; publish again later, or switch "
                                "enable_one_topic_one_writer off")
                  .with_retriable(true));
}

Result<void> Pipelines::admit(const PipelineKey& key) const {
  if (std::ranges::find(combinations_, key) != combinations_.end()) return {};
  if (combinations_.size() < max_combinations) return {};
  std::string used;
  for (const PipelineKey& each : combinations_) used += "; " + each.to_string();
  return fail(Error::client(
      Errc::limit_reached, "a publish asks for " + key.to_string() + ", and a broker has at most " +
                               std::to_string(max_combinations) +
                               " combinations of acks, attempts and timeout; it has" +
                               used.substr(1)));
}

Result<Pipelines::Handle> Pipelines::make(const PipelineKey& key, std::string_view topic,
                                          const Means& means) {
  auto made = means.make(key);
  if (!made) return fail(made.error());
  auto pipeline = std::make_shared<Pipeline>(key, topic, std::move(*made));
  by_topic_[std::string(topic)].push_back(pipeline);
  ++count_;
  if (std::ranges::find(combinations_, key) == combinations_.end()) combinations_.push_back(key);
  return pipeline;
}

std::vector<Pipelines::Handle> Pipelines::next_to_forget() {
  std::vector<Handle> next;
  auto at = by_topic_.upper_bound(hand_);
  for (std::size_t topics = 0; topics < by_topic_.size(); ++topics) {
    if (next.size() >= looked_at_once) break;
    if (at == by_topic_.end()) at = by_topic_.begin();
    next.insert(next.end(), at->second.begin(), at->second.end());
    hand_ = at->first;
    ++at;
  }
  return next;
}

void Pipelines::forget_idle(const std::vector<Handle>& candidates) {
  std::size_t forgotten = 0;
  for (const Handle& each : candidates) {
    const auto report = each->close_if_idle();
    if (!report) continue;
    forget(each, *report);
    if (++forgotten == forgotten_at_once) return;
  }
}

void Pipelines::forget(const Handle& pipeline, const FlushReport& report) {
  const std::lock_guard lock(mutex_);
  const auto of_topic = by_topic_.find(pipeline->topic);
  if (of_topic == by_topic_.end() || std::erase(of_topic->second, pipeline) == 0) return;
  if (of_topic->second.empty()) by_topic_.erase(of_topic);
  --count_;
  client::add(report, report_);
}

std::vector<Pipelines::Handle> Pipelines::all() const {
  const std::lock_guard lock(mutex_);
  std::vector<Handle> pipelines;
  for (const auto& [topic, of_topic] : by_topic_) {
    pipelines.insert(pipelines.end(), of_topic.begin(), of_topic.end());
  }
  return pipelines;
}

std::vector<Pipelines::Handle> Pipelines::close() {
  {
    const std::lock_guard lock(mutex_);
    is_closed_ = true;
  }
  return all();
}

FlushReport Pipelines::take_report() {
  const std::lock_guard lock(mutex_);
  return {std::exchange(report_.failed, 0), std::exchange(report_.first_error, std::nullopt)};
}

void Pipelines::keep_report(const FlushReport& report) {
  const std::lock_guard lock(mutex_);
  client::add(report, report_);
}

}  // namespace dohle::messaging
