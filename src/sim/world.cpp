#include "sim/world.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cstring>
#include <utility>

#include "sim/machine.hpp"

namespace dohle::sim {

namespace {

/// FNV-1a; the same on every machine, unlike std::hash.
std::uint64_t hash_of(std::string_view text) {
  std::uint64_t hash = 0xcbf29ce484222325u;
  for (const char c : text) hash = (hash ^ static_cast<unsigned char>(c)) * 0x100000001b3u;
  return hash;
}

}  // namespace

World::World(std::uint64_t seed, WorldOptions options)
    : seed_(seed),
      options_(std::move(options)),
      random_(stream("test")),
      hash_(seed),
      network_(*this, options_.network, stream("network")) {}

World::~World() {
  for (auto& [name, machine] : machines_) {
    for (const auto& process : machine->processes()) {
      if (process->is_running()) process->end(Process::End::power_lost);
    }
  }
  queue_.clear();
}

SeededRandom World::stream(std::string_view name) const {
  SeededRandom mixed(seed_ ^ hash_of(name));
  return SeededRandom(mixed.next());
}

Machine& World::machine(std::string_view name) {
  if (const auto at = machines_.find(name); at != machines_.end()) return *at->second;
  auto made = std::make_unique<Machine>(*this, std::string(name), machines_.size());
  return *machines_.emplace(std::string(name), std::move(made)).first->second;
}

void World::schedule(TimePoint at, Task task) {
  queue_.add(std::max(at, now_), std::move(task));
}

bool World::step() {
  const auto at = queue_.next_at();
  if (!at) return false;
  now_ = *at;
  ++events_;
  Task task = queue_.take();
  task();
  return true;
}

void World::run_for(Duration span) {
  const TimePoint end = now_ + span;
  for (auto at = queue_.next_at(); at && *at <= end; at = queue_.next_at()) step();
  now_ = end;
}

bool World::run_until(const std::function<bool()>& done, Duration at_most) {
  const TimePoint end = now_ + at_most;
  while (!done()) {
    const auto at = queue_.next_at();
    if (!at || *at > end) {
      now_ = end;
      return false;
    }
    step();
  }
  return true;
}

void World::note(std::string_view who, std::string_view line) {
  mark(hash_of(who), hash_of(line));
  if (is_traced()) trace(who, line);
}

void World::mark(std::uint64_t what, Bytes bytes) {
  mark(what, hash_of(as_text(bytes)));
}

void World::bitten(Fault fault, std::string_view who, std::string_view how) {
  faults_.add(fault);
  mark(hash_of(who), static_cast<std::uint64_t>(fault));
  if (!is_traced()) return;
  // Repetitions are traced once: a full disk, for example, refuses every write.
  std::string line = fmt::format("! {}: {}", name_of(fault), how);
  if (line == last_bitten_) return;
  trace(who, line);
  last_bitten_ = std::move(line);
}

void World::trace(std::string_view who, std::string_view line) const {
  if (!options_.trace) return;
  const auto micros =
      std::chrono::duration_cast<std::chrono::microseconds>(now_.time_since_epoch()).count();
  options_.trace(
      fmt::format("[{:4}.{:06}] {}: {}", micros / 1'000'000, micros % 1'000'000, who, line));
}

}  // namespace dohle::sim
