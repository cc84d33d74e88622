#pragma once

#include <cstddef>
#include <initializer_list>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "dohle/export.hpp"

namespace dohle {
inline namespace v0 {

/// The topics whose names match an expression. `kafka::pattern` makes it.
struct TopicPattern {
  /// The most bytes of `expression`; subscribe refuses a longer one.
  static constexpr std::size_t max_expression_bytes = 4'096;
  /// The most memory that RE2 may use for the expression and for matching; subscribe refuses an
  /// expression that needs more.
  static constexpr std::size_t max_memory_bytes = std::size_t{1} << 20;

  /// The expression, in RE2's syntax, which has no look-ahead and no back references. It has to
  /// match the whole name of a topic.
  std::string expression;
  /// Default: false, the pattern never matches internal topics of the servers, names that begin
  /// with "__", retry topics (names with ".retry.") and topics for dead letters (names that end in
  /// ".dlt"). If true, it may match them, except the retry topics and dead letters of its own
  /// subscription.
  bool include_internal = false;
  friend bool operator==(const TopicPattern&, const TopicPattern&) = default;
};

namespace kafka {

/// The options of `pattern`.
struct PatternOptions {
  /// As `TopicPattern::include_internal`. Default: false.
  bool include_internal = false;
};

/// Subscribes to all topics whose whole names match `expression`, also to those that are created
/// later: `broker.subscribe(kafka::pattern("sensor\\..*"), handler)`. subscribe checks the
/// expression. Thread safety: any thread.
[[nodiscard]] DOHLE_API TopicPattern pattern(std::string expression, PatternOptions options = {});

}  // namespace kafka

/// The topics that a subscription reads: one topic, several, or the topics that match a pattern.
/// Converts implicitly from a name, from several names, or from a pattern:
///
///     broker.subscribe("orders", handler);
///     broker.subscribe({"orders", "payments"}, handler);
///     broker.subscribe(kafka::pattern("orders\\..*"), handler);
///
/// A name that is given several times counts once. subscribe checks the names. Thread safety: as a
/// std::vector.
class DOHLE_API Topics {
 public:
  /// The most topics that one subscription reads. subscribe refuses more names. If a pattern
  /// matches more topics, the further ones are not read, and this is reported to the error handler.
  static constexpr std::size_t max_topics = 10'000;

  /// One topic.
  Topics(const char* name) : Topics(std::string(name)) {}
  /// One topic.
  Topics(std::string_view name) : Topics(std::string(name)) {}
  /// One topic.
  Topics(std::string name);
  /// Several topics.
  Topics(std::initializer_list<std::string> names) : Topics(std::vector<std::string>(names)) {}
  /// Several topics.
  Topics(std::vector<std::string> names);
  /// The topics that match `pattern`.
  Topics(TopicPattern pattern) : pattern_(std::move(pattern)) {}

  /// The names in the order in which they were given, each once; empty for a pattern.
  [[nodiscard]] const std::vector<std::string>& names() const { return names_; }
  /// The pattern. Absent if this was made from names.
  [[nodiscard]] const std::optional<TopicPattern>& pattern() const { return pattern_; }
  /// True if this is one name.
  [[nodiscard]] bool is_one() const { return names_.size() == 1; }
  /// The text for all topics in errors, metrics and traces: the names, separated by commas, or the
  /// pattern's expression. After about 200 bytes of names, the number of further names follows.
  [[nodiscard]] std::string to_string() const;
  friend bool operator==(const Topics&, const Topics&) = default;

 private:
  std::vector<std::string> names_;
  std::optional<TopicPattern> pattern_;
};

}  // namespace v0
}  // namespace dohle
