#pragma once

#include <memory>
#include <string>
#include <string_view>

#include "dohle/error.hpp"
#include "dohle/topics.hpp"

namespace dohle::messaging {

/// A compiled pattern of topics. Copies are cheap. Thread safety: any thread.
class TopicMatcher {
 public:
  /// Errors: configuration, with the bound or with the words of RE2.
  [[nodiscard]] static Result<TopicMatcher> compile(const TopicPattern& pattern);

  /// Whether the pattern reads a topic of that name. `is_internal`: the server says that the topic
  /// is its own.
  [[nodiscard]] bool matches(std::string_view topic, bool is_internal) const;
  [[nodiscard]] const std::string& expression() const;

 private:
  struct Compiled;
  explicit TopicMatcher(std::shared_ptr<const Compiled> compiled);

  std::shared_ptr<const Compiled> compiled_;
};

/// True for a name that a pattern leaves out by default: of the servers' own topics, of retry
/// topics and of topics for dead letters.
[[nodiscard]] bool is_internal_name(std::string_view topic);

}  // namespace dohle::messaging
