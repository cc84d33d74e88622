#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <unordered_map>
#include <utility>

#include "base/assert.hpp"
#include "node/door/session.hpp"

namespace dohle::node {

/// The open connections, by the numbers of their sessions.
class Sessions {
 public:
  using ById = std::unordered_map<std::uint64_t, std::unique_ptr<Session>>;

  /// Null if it is closed.
  [[nodiscard]] Session* find(std::uint64_t id) const {
    const auto found = by_id_.find(id);
    return found == by_id_.end() ? nullptr : found->second.get();
  }
  [[nodiscard]] const ById& all() const { return by_id_; }
  [[nodiscard]] std::size_t size() const { return by_id_.size(); }

  Session& add(std::unique_ptr<Session> session) {
    Session& added = *session;
    const bool is_new = by_id_.emplace(added.id(), std::move(session)).second;
    DOHLE_ASSERT(is_new, "two connections have one number");
    return added;
  }
  void erase(std::uint64_t id) { by_id_.erase(id); }
  /// Takes all sessions out of the map before it destroys them, because a session that frees its
  /// room may look up others.
  void clear() { const auto gone = std::exchange(by_id_, {}); }

 private:
  ById by_id_;
};

}  // namespace dohle::node
