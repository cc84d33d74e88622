#pragma once

#include <cstddef>
#include <string>

namespace dohle::simulation {

/// What a seed's checks found wrong: the first few, and how many there are.
class Complaints {
 public:
  void add(const std::string& line) {
    if (++count_ <= max_shown) text_ += "  " + line + "\n";
  }
  [[nodiscard]] std::size_t count() const { return count_; }
  [[nodiscard]] const std::string& text() const { return text_; }

 private:
  static constexpr std::size_t max_shown = 10;
  std::size_t count_ = 0;
  std::string text_;
};

}  // namespace dohle::simulation
