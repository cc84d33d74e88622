#include "node/door/newcomers.hpp"

#include <algorithm>
#include <utility>

#include "base/assert.hpp"

namespace dohle::node {

void Newcomers::add(std::uint64_t id, std::string origin, TimePoint until) {
  DOHLE_ASSERT(by_id_.empty() || by_id_.rbegin()->first < id,
               "a connection is added after one with a higher number");
  by_origin_[origin].insert(id);
  by_id_.emplace(id, Newcomer{until, std::move(origin)});
}

void Newcomers::remove(std::uint64_t id) {
  const auto found = by_id_.find(id);
  if (found == by_id_.end()) return;
  const auto of_origin = by_origin_.find(found->second.origin);
  of_origin->second.erase(id);
  if (of_origin->second.empty()) by_origin_.erase(of_origin);
  by_id_.erase(found);
}

void Newcomers::clear() {
  by_id_.clear();
  by_origin_.clear();
}

Newcomers::Excess Newcomers::excess() const {
  DOHLE_ASSERT(!by_id_.empty(), "the oldest connection is asked for and there is none");
  const auto most = std::ranges::max_element(by_origin_, [](const auto& one, const auto& other) {
    const auto &ids = one.second, &others = other.second;
    if (ids.size() != others.size()) return ids.size() < others.size();
    return *ids.begin() > *others.begin();
  });
  return {*most->second.begin(), most->second.size()};
}

void Newcomers::check_invariants() const {
  std::size_t total = 0;
  for (const auto& [origin, ids] : by_origin_) {
    DOHLE_ASSERT(!ids.empty(), "an origin without connections is kept");
    total += ids.size();
  }
  DOHLE_ASSERT(total == by_id_.size(),
               "the connections of all origins differ from all connections");
}

}  // namespace dohle::node
