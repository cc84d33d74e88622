#pragma once

#include <cstddef>
#include <utility>
#include <vector>

#include "base/assert.hpp"

namespace dohle::messaging {

/// A queue in one block of memory, which doubles when it is full and stays when the queue empties.
/// References end with the next push.
template <class Item>
class Ring {
 public:
  [[nodiscard]] bool empty() const { return size_ == 0; }
  [[nodiscard]] std::size_t size() const { return size_; }
  [[nodiscard]] Item& operator[](std::size_t index) { return items_[place(index)]; }
  [[nodiscard]] const Item& operator[](std::size_t index) const { return items_[place(index)]; }
  [[nodiscard]] Item& front() { return (*this)[0]; }
  [[nodiscard]] const Item& front() const { return (*this)[0]; }
  [[nodiscard]] const Item& back() const { return (*this)[size_ - 1]; }

  void push_back(Item item) {
    if (size_ == items_.size()) grow();
    items_[place(size_)] = std::move(item);
    ++size_;
  }
  void pop_front() {
    DOHLE_ASSERT_COSTLY(size_ > 0, "an item is taken from an empty queue");
    items_[first_] = Item();
    first_ = place(1);
    --size_;
  }
  /// The front, which leaves the queue.
  [[nodiscard]] Item take_front() {
    DOHLE_ASSERT_COSTLY(size_ > 0, "an item is taken from an empty queue");
    Item item = std::exchange(items_[first_], Item());
    first_ = place(1);
    --size_;
    return item;
  }
  void clear() {
    while (!empty()) pop_front();
  }
  /// Removes the items for which `predicate` is true.
  template <class Predicate>
  void remove_if(Predicate predicate) {
    std::size_t kept = 0;
    for (std::size_t index = 0; index < size_; ++index) {
      if (predicate((*this)[index])) continue;
      if (kept != index) (*this)[kept] = std::move((*this)[index]);
      ++kept;
    }
    for (std::size_t index = kept; index < size_; ++index) (*this)[index] = Item();
    size_ = kept;
  }

 private:
  static constexpr std::size_t first_capacity = 16;

  /// The capacity is a power of two.
  [[nodiscard]] std::size_t place(std::size_t index) const {
    return (first_ + index) & (items_.size() - 1);
  }
  void grow() {
    std::vector<Item> larger(items_.empty() ? first_capacity : 2 * items_.size());
    for (std::size_t index = 0; index < size_; ++index) larger[index] = std::move((*this)[index]);
    items_ = std::move(larger);
    first_ = 0;
  }

  std::vector<Item> items_;
  std::size_t first_ = 0;
  std::size_t size_ = 0;
};

}  // namespace dohle::messaging
