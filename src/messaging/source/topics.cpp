#include "dohle/topics.hpp"

#include <set>

namespace dohle {
inline namespace v0 {

namespace {

/// About the longest text of several names.
constexpr std::size_t max_text_bytes = 200;

}  // namespace

namespace kafka {

TopicPattern pattern(std::string expression, PatternOptions options) {
  return {.expression = std::move(expression), .include_internal = options.include_internal};
}

}  // namespace kafka

Topics::Topics(std::string name) {
  names_.push_back(std::move(name));
}

Topics::Topics(std::vector<std::string> names) {
  std::set<std::string> known;
  for (std::string& name : names) {
    if (known.insert(name).second) names_.push_back(std::move(name));
  }
}

std::string Topics::to_string() const {
  if (pattern_) return pattern_->expression;
  std::string all;
  for (std::size_t at = 0; at < names_.size(); ++at) {
    if (all.size() > max_text_bytes) {
      return all + " and " + std::to_string(names_.size() - at) + " others";
    }
    if (!all.empty()) all += ',';
    all += names_[at];
  }
  return all;
}

}  // namespace v0
}  // namespace dohle
