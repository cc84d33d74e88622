#pragma once

#include <algorithm>
#include <array>
#include <atomic>
#include <cstddef>
#include <functional>
#include <string>
#include <string_view>
#include <utility>

namespace dohle::messaging {

/// Values by topic, which are made on first use and stay. A topic is found by its hash, without a
/// lock. Thread safety: any thread.
template <class Value>
class ValuesByTopic {
 public:
  ValuesByTopic() = default;
  ~ValuesByTopic() {
    for (std::atomic<Entry*>& slot : slots_) {
      for (Entry* each = slot.load(); each != nullptr;) delete std::exchange(each, each->next);
    }
  }
  ValuesByTopic(const ValuesByTopic&) = delete;
  ValuesByTopic& operator=(const ValuesByTopic&) = delete;

  /// The value of `topic`; `make(topic)` makes it. If several threads ask for a new topic at once,
  /// each may make one.
  template <class Make>
  Value& of(std::string_view topic, const Make& make) {
    const std::size_t hash = std::hash<std::string_view>()(topic);
    std::atomic<Entry*>& slot = slots_[hash % slots_.size()];
    for (Entry* each = slot.load(std::memory_order_acquire); each != nullptr; each = each->next) {
      if (each->hash == hash && each->topic == topic) return each->value;
    }
    auto* const made = new Entry(hash, std::string(topic), make);
    made->next = slot.load();
    while (!slot.compare_exchange_weak(made->next, made)) continue;
    return made->value;
  }

  /// The largest number of values that a lookup passes.
  [[nodiscard]] std::size_t longest_lookup() const {
    std::size_t longest = 0;
    for (const std::atomic<Entry*>& slot : slots_) {
      std::size_t length = 0;
      for (const Entry* each = slot.load(); each != nullptr; each = each->next) ++length;
      longest = std::max(longest, length);
    }
    return longest;
  }

 private:
  struct Entry {
    template <class Make>
    Entry(std::size_t hash_, std::string topic_, const Make& make)
        : hash(hash_), topic(std::move(topic_)), value(make(topic)) {}
    const std::size_t hash;
    const std::string topic;
    Value value;
    Entry* next = nullptr;
  };

  /// Enough for the topics of a pattern, of which there may be 10,000.
  std::array<std::atomic<Entry*>, 1'024> slots_{};
};

}  // namespace dohle::messaging
