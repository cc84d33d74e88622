#pragma once

#include <cstddef>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "dohle/error.hpp"

namespace dohle::node {

/// How the name in a client's certificate becomes the name of its principal: Apache Kafka's
/// ssl.principal.mapping.rules. Rules are separated by commas; the first one that fits counts.
///
///     RULE:PATTERN/REPLACEMENT/[L|U]   if PATTERN matches the whole name; $1 to $9 are its groups;
///                                      L and U change ASCII letters to lower and upper case
///     DEFAULT                          the name as it is
///
/// Apache Kafka replaces each match of the pattern in a name that it matches as a whole, and so do
/// these rules: "(.*)" has two, the name and its empty end. Patterns from '^' to '$' have one.
///
/// A '/' in a pattern or replacement is written "\/". Patterns are RE2's, which match in time
/// linear in the name: no look-ahead and no references to groups within the pattern.
///
/// Copies are cheap. Thread safety: any thread.
class PrincipalRules {
 public:
  /// Bounds. A longer name fits no rule, and a rule that makes a longer name or has more than 256
  /// matches in it does not fit.
  static constexpr std::size_t max_text_bytes = std::size_t{64} << 10;
  static constexpr std::size_t max_rules = 100;
  static constexpr std::size_t max_name_bytes = 4'096;

  /// Errors: configuration, with the rule and the reason.
  [[nodiscard]] static Result<PrincipalRules> parse(std::string_view text);

  /// Absent if no rule fits.
  [[nodiscard]] std::optional<std::string> name_of(std::string_view certificate_name) const;

 private:
  struct Rule;
  using Rules = std::vector<Rule>;
  explicit PrincipalRules(std::shared_ptr<const Rules> rules) : rules_(std::move(rules)) {}
  static Result<Rule> parse_rule(std::string_view& text);

  std::shared_ptr<const Rules> rules_;
};

}  // namespace dohle::node
