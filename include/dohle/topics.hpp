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

/// The topics whose names match an expression; made by `kafka::pattern`.
struct TopicPattern {
  /// The most bytes of `expression`; subscribe refuses a longer one.
  static constexpr std::size_t max_expression_bytes = 4'096;
  /// The most memory that RE2 may use for the expression and for matching; subscribe refuses an
  /// expression that needs more.
  static constexpr std::size_t max_memory_bytes = std::size_t{1} << 20;

  /// In RE2's syntax, without look-ahead and back references. It has to match the whole name.
  std::string expression;
  /// Default: false, the pattern never matches internal topics of the servers, names that begin
  /// with "__", retry topics (names with ".retry.") and topics for dead letters (names that end in
  /// ".dlt"). If true, it does, but for the retry topics and dead letters of its own subscription.
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

/// What a subscription reads: one topic, several, or those that match a pattern. Made implicitly of
/// a name, of several names, or of a pattern:
///
///     broker.subscribe("orders", handler);
///     broker.subscribe({"orders", "payments"}, handler);
///     broker.subscribe(kafka::pattern("orders\\..*"), handler);
///
/// A name that is given several times counts once. subscribe checks the names. Thread safety: as a
/// std::vector.
class DOHLE_API Topics {
 public:
  /// The most topics that one subscription reads. subscribe refuses more names. Of the topics that
  /// a pattern matches, those above this number are not read, and the error handler hears of it.
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
  /// The topics that match.
  Topics(TopicPattern pattern) : pattern_(std::move(pattern)) {}

  /// The names in the order in which they were given, each once; empty for a pattern.
  [[nodiscard]] const std::vector<std::string>& names() const { return names_; }
  /// Absent unless this is a pattern.
  [[nodiscard]] const std::optional<TopicPattern>& pattern() const { return pattern_; }
  /// True if this is one name.
  [[nodiscard]] bool is_one() const { return names_.size() == 1; }
  /// The text that stands for all of them in errors, metrics and traces: the names, separated by
  /// commas (after some 200 bytes the number of the others), or the pattern's expression.
  [[nodiscard]] std::string to_string() const;
  friend bool operator==(const Topics&, const Topics&) = default;

 private:
  std::vector<std::string> names_;
  std::optional<TopicPattern> pattern_;
};

}  // namespace v0
}  // namespace dohle
