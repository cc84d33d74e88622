#include "messaging/source/topic_matcher.hpp"

#include <re2/re2.h>

#include <utility>

#include "messaging/failures/retry_topics.hpp"

namespace dohle::messaging {

namespace {

Error refused(const TopicPattern& pattern, const std::string& why) {
  return Error::configuration("the pattern \"" + pattern.expression + "\" " + why);
}

RE2::Options options_of_patterns() {
  RE2::Options options;
  options.set_log_errors(false);
  options.set_max_mem(TopicPattern::max_memory_bytes);
  return options;
}

}  // namespace

struct TopicMatcher::Compiled {
  explicit Compiled(const TopicPattern& pattern)
      : expression(pattern.expression),
        compiled(expression, options_of_patterns()),
        includes_internal(pattern.include_internal) {}
  const std::string expression;
  const RE2 compiled;
  const bool includes_internal;
};

TopicMatcher::TopicMatcher(std::shared_ptr<const Compiled> compiled)
    : compiled_(std::move(compiled)) {}

Result<TopicMatcher> TopicMatcher::compile(const TopicPattern& pattern) {
  const std::size_t size = pattern.expression.size();
  if (size == 0) {
    return fail(Error::configuration("the pattern of topics is empty; no topic has an empty name"));
  }
  if (size > TopicPattern::max_expression_bytes) {
    return fail(Error::configuration(
        "the pattern of topics has " + std::to_string(size) + " bytes; allowed are 1 to " +
        std::to_string(TopicPattern::max_expression_bytes) + " (max_expression_bytes)"));
  }
  auto compiled = std::make_shared<const Compiled>(pattern);
  switch (compiled->compiled.error_code()) {
    case RE2::NoError:
      return TopicMatcher(std::move(compiled));
    case RE2::ErrorPatternTooLarge:
      return fail(refused(
          pattern, "needs more than " + std::to_string(TopicPattern::max_memory_bytes) +
                       " bytes (max_memory_bytes); RE2 says: " + compiled->compiled.error()));
    default:
      break;
  }
  return fail(refused(pattern, "is not in the syntax of RE2: " + compiled->compiled.error()));
}

bool TopicMatcher::matches(std::string_view topic, bool is_internal) const {
  if (!compiled_->includes_internal && (is_internal || is_internal_name(topic))) return false;
  return RE2::FullMatch(re2::StringPiece(topic.data(), topic.size()), compiled_->compiled);
}

const std::string& TopicMatcher::expression() const {
  return compiled_->expression;
}

bool is_internal_name(std::string_view topic) {
  return topic.starts_with("__") || is_dead_letter_name(topic) || is_retry_name(topic);
}

}  // namespace dohle::messaging
