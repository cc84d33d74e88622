#include "messaging/pipelines.hpp"

#include <utility>

namespace dohle::messaging {

namespace {

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

}  // namespace

std::string PipelineKey::to_string() const {
  std::string text = "acks " + name_of(acks);
  if (max_attempts) text += ", max_attempts " + std::to_string(*max_attempts);
  if (timeout) text += ", timeout " + std::to_string(timeout->count()) + " ms";
  return text;
}

Producer* Pipelines::find(const PipelineKey& key) const {
  const std::size_t count = count_.load(std::memory_order_acquire);
  for (std::size_t i = 0; i < count; ++i) {
    if (pipelines_[i]->key == key) return &pipelines_[i]->producer;
  }
  return nullptr;
}

Result<Producer*> Pipelines::find_or_make(const PipelineKey& key, const Make& make) {
  if (Producer* found = find(key)) return found;
  const std::size_t count = count_.load(std::memory_order_acquire);
  if (count == max_pipelines) return fail(too_many(key));
  auto made = make(key);
  if (!made) return fail(made.error());
  pipelines_[count] = std::make_unique<Pipeline>(Pipeline{key, std::move(*made)});
  count_.store(count + 1, std::memory_order_release);
  return &pipelines_[count]->producer;
}

std::vector<Producer*> Pipelines::all() const {
  std::vector<Producer*> producers;
  const std::size_t count = count_.load(std::memory_order_acquire);
  for (std::size_t i = 0; i < count; ++i) producers.push_back(&pipelines_[i]->producer);
  return producers;
}

Error Pipelines::too_many(const PipelineKey& asked) const {
  std::string used;
  for (const auto& pipeline : pipelines_) used += "; " + pipeline->key.to_string();
  return Error::client(Errc::limit_reached,
                       "a publish asks for " + asked.to_string() + ", and a broker has at most " +
                           std::to_string(max_pipelines) +
                           " combinations of acks, attempts and timeout; it has" + used.substr(1));
}

}  // namespace dohle::messaging
