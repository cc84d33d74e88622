#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <map>
#include <string_view>

namespace dohle::node {

/// How often a request names each of its topics. A large request is noted in several slices. It
/// keeps views of the names.
class NamedTopics {
 public:
  /// Notes some more of `topics`, the same ones in each call.
  template <class Topics>
  void note_some(const Topics& topics) {
    const std::size_t end = std::min(topics.size(), noted_ + names_of_slice);
    for (; noted_ < end; ++noted_) ++times_[topics[noted_].name];
    is_complete_ = noted_ == topics.size();
  }
  [[nodiscard]] bool is_complete() const { return is_complete_; }
  /// Whether the request has this name more than once. The name was noted.
  [[nodiscard]] bool is_repeated(std::string_view name) const { return times_.at(name) > 1; }

 private:
  /// Topics of one call.
  static constexpr std::size_t names_of_slice = 1'000;

  std::map<std::string_view, std::uint32_t> times_;
  std::size_t noted_ = 0;
  bool is_complete_ = false;
};

}  // namespace dohle::node
