#include "node/security/principal_rules.hpp"

#include <algorithm>
#include <array>
#include <utility>

#include <re2/re2.h>

namespace dohle::node {

namespace {

constexpr std::string_view default_word = "DEFAULT", rule_word = "RULE:";
constexpr std::size_t max_groups = 9, max_shown_bytes = 100;
// Matches of a pattern in one name. Each may take time linear in the name.
constexpr std::size_t max_matches = 256;
// Memory of one compiled pattern, and of its matching.
constexpr std::int64_t max_pattern_memory_bytes = std::int64_t{1} << 20;

enum class Letters : std::uint8_t { as_they_are, lower, upper };

bool is_space(char c) {
  return c == ' ' || c == '\t' || c == '\n' || c == '\r';
}

std::string_view without_spaces(std::string_view text) {
  while (!text.empty() && is_space(text.front())) text.remove_prefix(1);
  return text;
}

std::unexpected<Error> refuse(std::string_view rule, const std::string& why) {
  const std::string shown =
      std::string(rule.substr(0, max_shown_bytes)) + (rule.size() > max_shown_bytes ? "..." : "");
  return fail(Error::configuration("the rule at \"" + shown + "\" " + why));
}

// The text up to the next '/' that no backslash precedes, which is taken off too.
std::optional<std::string_view> part_of(std::string_view& text) {
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (text[i] == '\\') {
      ++i;
    } else if (text[i] == '/') {
      const std::string_view part = text.substr(0, i);
      text.remove_prefix(i + 1);
      return part;
    }
  }
  return std::nullopt;
}

char changed(char c, Letters to) {
  if (to == Letters::lower && c >= 'A' && c <= 'Z') return static_cast<char>(c - 'A' + 'a');
  if (to == Letters::upper && c >= 'a' && c <= 'z') return static_cast<char>(c - 'a' + 'A');
  return c;
}

// The place behind the character of UTF-8 that begins at `at`.
std::size_t next_character(std::string_view text, std::size_t at) {
  do ++at;
  while (at < text.size() && (static_cast<unsigned char>(text[at]) & 0xc0) == 0x80);
  return at;
}

// A part of a replacement: text, or the number of a group.
struct Piece {
  std::string text;
  std::size_t group = 0;
};

}  // namespace

struct PrincipalRules::Rule {
  std::unique_ptr<RE2> pattern;  // null: DEFAULT
  std::vector<Piece> replacement;
  Letters letters = Letters::as_they_are;

  [[nodiscard]] std::optional<std::string> name_of(std::string_view name) const;

 private:
  using Groups = std::array<re2::StringPiece, max_groups + 1>;
  void append_replacement(const Groups& groups, std::string& made) const;
};

void PrincipalRules::Rule::append_replacement(const Groups& groups, std::string& made) const {
  for (const Piece& piece : replacement) {
    const re2::StringPiece& group = groups[piece.group];
    made.append(piece.text);
    if (piece.group > 0) made.append(group.data(), group.size());
  }
}

// As Apache Kafka: if the pattern fits the whole name, each of its matches in it is replaced. A
// pattern without '^' and '$' may match shorter parts then, and ".*" the empty end once more.
std::optional<std::string> PrincipalRules::Rule::name_of(std::string_view name) const {
  if (pattern == nullptr) return std::string(name);
  const re2::StringPiece whole(name.data(), name.size());
  const int count = pattern->NumberOfCapturingGroups() + 1;
  if (!pattern->Match(whole, 0, name.size(), RE2::ANCHOR_BOTH, nullptr, 0)) return std::nullopt;
  std::string made;
  Groups groups;
  std::size_t copied = 0;  // bytes of the name that are replaced or copied
  for (std::size_t from = 0, matches = 0; from <= name.size(); ++matches) {
    if (!pattern->Match(whole, from, name.size(), RE2::UNANCHORED, groups.data(), count)) break;
    const auto begin = static_cast<std::size_t>(groups[0].data() - whole.data());
    made.append(name.substr(copied, begin - copied));
    append_replacement(groups, made);
    if (made.size() > max_name_bytes || matches == max_matches) return std::nullopt;
    copied = begin + groups[0].size();
    from = groups[0].empty() ? next_character(name, copied) : copied;
  }
  made.append(name.substr(copied));
  if (made.empty() || made.size() > max_name_bytes) return std::nullopt;
  std::ranges::transform(made, made.begin(), [this](char c) { return changed(c, letters); });
  return made;
}

namespace {

// As Java's replacements: "$1" is a group, and a backslash makes the next character plain.
Result<std::vector<Piece>> pieces_of(std::string_view text, std::size_t groups) {
  std::vector<Piece> pieces(1);
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (text[i] == '\\' && i + 1 < text.size()) {
      pieces.back().text += text[++i];
    } else if (text[i] != '$') {
      pieces.back().text += text[i];
    } else {
      const char digit = i + 1 < text.size() ? text[++i] : ' ';
      if (digit < '1' || digit > '9' || static_cast<std::size_t>(digit - '0') > groups) {
        return fail(
            Error::configuration("refers to a group that its pattern does not have: $ is "
                                 "followed by the number of one of " +
                                 std::to_string(groups) + " groups, or written \\$"));
      }
      pieces.back().group = static_cast<std::size_t>(digit - '0');
      pieces.emplace_back();
    }
  }
  return pieces;
}

}  // namespace

// Takes one rule off the front of the text.
Result<PrincipalRules::Rule> PrincipalRules::parse_rule(std::string_view& text) {
  const std::string_view begin = text;
  Rule rule;
  if (text.starts_with(default_word)) {
    text.remove_prefix(default_word.size());
    return rule;
  }
  if (!text.starts_with(rule_word)) {
    return refuse(begin, "is neither RULE:PATTERN/REPLACEMENT/ nor DEFAULT");
  }
  text.remove_prefix(rule_word.size());
  const auto pattern = part_of(text);
  const auto replacement = pattern ? part_of(text) : std::nullopt;
  if (!replacement) return refuse(begin, "has no end: RULE:PATTERN/REPLACEMENT/ is needed");
  RE2::Options options;
  options.set_log_errors(false);
  options.set_max_mem(max_pattern_memory_bytes);
  rule.pattern = std::make_unique<RE2>(re2::StringPiece(pattern->data(), pattern->size()), options);
  if (!rule.pattern->ok()) {
    return refuse(begin, "has a pattern that RE2 does not take: " + rule.pattern->error());
  }
  const auto groups = static_cast<std::size_t>(rule.pattern->NumberOfCapturingGroups());
  if (groups > max_groups) {
    return refuse(begin, "has a pattern with more than " + std::to_string(max_groups) + " groups");
  }
  auto pieces = pieces_of(*replacement, groups);
  if (!pieces) return refuse(begin, std::string(pieces.error().message()));
  rule.replacement = *std::move(pieces);
  if (text.starts_with('L') || text.starts_with('U')) {
    rule.letters = text.front() == 'L' ? Letters::lower : Letters::upper;
    text.remove_prefix(1);
  }
  return rule;
}

Result<PrincipalRules> PrincipalRules::parse(std::string_view text) {
  if (text.size() > max_text_bytes) {
    return fail(Error::configuration("the rules have more than " + std::to_string(max_text_bytes) +
                                     " bytes"));
  }
  auto rules = std::make_shared<Rules>();
  for (text = without_spaces(text); !text.empty(); text = without_spaces(text)) {
    const std::string_view begin = text;
    auto rule = parse_rule(text);
    if (!rule) return fail(rule.error());
    text = without_spaces(text);
    if (!text.empty() && text.front() != ',') {
      return refuse(begin, "is not followed by a comma");
    }
    if (!text.empty()) text.remove_prefix(1);
    rules->push_back(*std::move(rule));
    if (rules->size() > max_rules) {
      return fail(
          Error::configuration("there are more than " + std::to_string(max_rules) + " rules"));
    }
  }
  if (rules->empty()) return fail(Error::configuration("there is no rule; DEFAULT is one"));
  return PrincipalRules(std::move(rules));
}

std::optional<std::string> PrincipalRules::name_of(std::string_view certificate_name) const {
  if (certificate_name.size() > max_name_bytes) return std::nullopt;
  for (const Rule& rule : *rules_) {
    if (auto name = rule.name_of(certificate_name)) return name;
  }
  return std::nullopt;
}

}  // namespace dohle::node
