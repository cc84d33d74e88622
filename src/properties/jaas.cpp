#include "properties/jaas.hpp"

#include <string.h>  // explicit_bzero

#include <algorithm>
#include <array>
#include <optional>
#include <set>

#include <fmt/format.h>

#include "base/utf8.hpp"

namespace dohle::properties {

namespace {

std::unexpected<Error> refuse(std::size_t at, std::string_view why) {
  return fail(Error::configuration(fmt::format("at byte {}: {}", at, why)));
}

/// A buffer whose bytes are overwritten when it is destroyed. It does not grow beyond its reserved
/// size.
class WipedWord {
 public:
  explicit WipedWord(std::size_t max_bytes) { text_.reserve(max_bytes); }
  WipedWord(const WipedWord&) = delete;
  WipedWord& operator=(const WipedWord&) = delete;
  ~WipedWord() { clear(); }

  void clear() {
    ::explicit_bzero(text_.data(), text_.size());
    text_.clear();
  }
  std::string& text() { return text_; }
  [[nodiscard]] std::string_view view() const { return text_; }

 private:
  std::string text_;
};

enum class TokenKind : std::uint8_t {
  end,
  word,    ///< a bare word or a quoted text
  number,  ///< Java reads a bare word that begins like a number as one, which is no value
  sign,    ///< any other character
};

struct Token {
  TokenKind kind = TokenKind::end;
  char sign = '\0';
  std::size_t at = 0;
};

constexpr bool is_digit(char c) {
  return c >= '0' && c <= '9';
}

/// Words as java.io.StreamTokenizer makes them with its defaults, '-', '_' and '$' as letters, and
/// both kinds of comments.
class Tokens {
 public:
  explicit Tokens(std::string_view text) : text_(text), word_(2 * text.size()) {}

  /// Valid until the next token.
  [[nodiscard]] std::string_view word() const { return word_.view(); }

  Result<Token> next() {
    word_.clear();
    skip_blanks_and_comments();
    const std::size_t start = at_;
    if (at_ == text_.size()) return Token{TokenKind::end, '\0', start};
    const char c = text_[at_];
    if (is_digit(c) || c == '.' || (c == '-' && begins_number(at_ + 1))) {
      skip_number();
      return Token{TokenKind::number, '\0', start};
    }
    if (c == '-') return sign();  // as in Java, although '-' may be within a word
    if (c == '"' || c == '\'') return quoted(c);
    if (!is_letter()) return sign();
    while (at_ < text_.size() && (is_letter() || is_digit(text_[at_]) || text_[at_] == '.')) {
      const std::size_t bytes = letter_bytes();
      word_.text().append(text_.substr(at_, bytes));
      at_ += bytes;
    }
    return Token{TokenKind::word, '\0', start};
  }

 private:
  [[nodiscard]] bool begins_number(std::size_t at) const {
    return at < text_.size() && (is_digit(text_[at]) || text_[at] == '.');
  }
  [[nodiscard]] std::size_t letter_bytes() const {
    return std::max<std::size_t>(sequence_bytes(text_[at_]), 1);
  }
  // Java's letters: those of ASCII, the three named above, and everything from U+00A0 on.
  [[nodiscard]] bool is_letter() const {
    const char c = text_[at_];
    const auto byte = static_cast<unsigned char>(c);
    if (byte < 0x80) {
      return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '-' || c == '_' || c == '$';
    }
    return byte != 0xc2 || static_cast<unsigned char>(text_[at_ + 1]) >= 0xa0;
  }
  Token sign() {
    const Token token{TokenKind::sign, text_[at_], at_};
    at_ += letter_bytes();
    return token;
  }
  void skip_number() {
    if (text_[at_] == '-') ++at_;
    bool has_point = false;
    for (; at_ < text_.size(); ++at_) {
      if (text_[at_] == '.' && !has_point) {
        has_point = true;
      } else if (!is_digit(text_[at_])) {
        return;
      }
    }
  }
  void skip_blanks_and_comments() {
    while (at_ < text_.size()) {
      if (static_cast<unsigned char>(text_[at_]) <= ' ') {
        ++at_;
      } else if (text_[at_] != '/') {
        return;
      } else if (at_ + 1 < text_.size() && text_[at_ + 1] == '*') {
        const auto end = text_.find("*/", at_ + 2);
        at_ = end == std::string_view::npos ? text_.size() : end + 2;
      } else {
        // One slash begins a comment, too.
        at_ = std::min(text_.find_first_of("\r\n", at_), text_.size());
      }
    }
  }

  Result<Token> quoted(char quote) {
    const std::size_t start = at_++;
    while (at_ < text_.size() && text_[at_] != '\n' && text_[at_] != '\r') {
      const char c = text_[at_++];
      if (c == quote) return Token{TokenKind::word, '\0', start};
      if (c != '\\') {
        word_.text() += c;
      } else if (at_ < text_.size()) {
        escape();
      }
    }
    return refuse(start, "the quote is not closed on its line");
  }
  void escape() {
    const char c = text_[at_];
    if (c >= '0' && c <= '7') return octal();
    ++at_;
    constexpr std::string_view names = "abfnrtv", values = "\a\b\f\n\r\t\v";
    const auto found = names.find(c);
    word_.text() += found == std::string_view::npos ? c : values[found];
  }
  // Up to three digits if the first one is at most 3, else up to two.
  void octal() {
    const std::size_t max_digits = text_[at_] <= '3' ? 3 : 2;
    std::uint32_t value = 0;
    for (std::size_t i = 0; i < max_digits && at_ < text_.size(); ++i, ++at_) {
      if (text_[at_] < '0' || text_[at_] > '7') break;
      value = value * 8 + static_cast<std::uint32_t>(text_[at_] - '0');
    }
    append_utf8(word_.text(), value);
  }

  std::string_view text_;
  std::size_t at_ = 0;
  WipedWord word_;
};

constexpr std::array control_flags = {"required", "requisite", "sufficient", "optional"};

bool is_equal_but_case(std::string_view one, std::string_view other) {
  const auto lower = [](char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c; };
  return std::ranges::equal(one, other, {}, lower, lower);
}

bool is_sign(const Token& token, char sign) {
  return token.kind == TokenKind::sign && token.sign == sign;
}

class Entries {
 public:
  explicit Entries(std::string_view text) : tokens_(text) {}

  Result<std::vector<JaasEntry>> read() {
    std::vector<JaasEntry> entries;
    while (true) {
      if (auto moved = advance(); !moved) return fail(moved.error());
      if (token_.kind == TokenKind::end) break;
      auto entry = read_entry();
      if (!entry) return fail(entry.error());
      entries.push_back(*std::move(entry));
    }
    if (entries.empty()) return refuse(token_.at, "a login module's class is expected");
    return entries;
  }

 private:
  Result<void> advance() {
    auto token = tokens_.next();
    if (!token) return fail(token.error());
    token_ = *token;
    return {};
  }

  Result<JaasEntry> read_entry() {
    JaasEntry entry;
    if (token_.kind != TokenKind::word) {
      return refuse(token_.at, "a login module's class is expected");
    }
    entry.module = tokens_.word();
    if (auto moved = advance(); !moved) return fail(moved.error());
    const bool is_flag = token_.kind == TokenKind::word &&
                         std::ranges::any_of(control_flags, [&](std::string_view flag) {
                           return is_equal_but_case(tokens_.word(), flag);
                         });
    if (!is_flag) {
      return refuse(token_.at, "one of required, requisite, sufficient, optional is expected");
    }
    entry.control_flag = tokens_.word();
    std::set<std::string, std::less<>> names;
    while (true) {
      if (auto moved = advance(); !moved) return fail(moved.error());
      if (is_sign(token_, ';')) return entry;
      if (token_.kind == TokenKind::end) {
        return refuse(token_.at, "the entry does not end with a semicolon");
      }
      if (auto read = read_option(entry); !read) return fail(read.error());
      if (!names.insert(entry.options.back().first).second) {
        return refuse(token_.at, "an option is given twice");
      }
    }
  }

  Result<void> read_option(JaasEntry& into) {
    if (token_.kind != TokenKind::word) {
      return refuse(token_.at, "an option's name or the semicolon is expected");
    }
    std::string name(tokens_.word());
    if (auto moved = advance(); !moved) return moved;
    if (!is_sign(token_, '=')) return refuse(token_.at, "'=' is expected after an option's name");
    if (auto moved = advance(); !moved) return moved;
    if (token_.kind != TokenKind::word) {
      return refuse(token_.at,
                    "an option's value is expected; one that begins with a digit, a point or a "
                    "special character has to be quoted");
    }
    into.options.emplace_back(std::move(name), Secret(tokens_.word()));
    return {};
  }

  Tokens tokens_;
  Token token_;
};

constexpr std::string_view plain_module = "org.apache.kafka.common.security.plain.PlainLoginModule";
constexpr std::string_view scram_module = "org.apache.kafka.common.security.scram.ScramLoginModule";

/// Modules that are named in errors; any other text may be a misplaced password.
constexpr std::array<std::string_view, 5> foreign_modules = {
    "org.apache.kafka.common.security.oauthbearer.OAuthBearerLoginModule",
    "com.sun.security.auth.module.Krb5LoginModule", "com.ibm.security.auth.module.Krb5LoginModule",
    "software.amazon.msk.auth.iam.IAMLoginModule", "com.sun.security.auth.module.JndiLoginModule"};

Result<LoginModule> module_of(std::string_view name) {
  if (name == plain_module) return LoginModule::plain;
  if (name == scram_module) return LoginModule::scram;
  const bool is_known = std::ranges::find(foreign_modules, name) != foreign_modules.end();
  return fail(Error::configuration(fmt::format("{} is not supported; supported are {} and {}",
                                               is_known ? name : "the login module", plain_module,
                                               scram_module)));
}

}  // namespace

Result<std::vector<JaasEntry>> read_jaas(std::string_view text) {
  if (text.size() > max_jaas_bytes) {
    return fail(Error::configuration(fmt::format(
        "{} bytes; at most {} are allowed (max_jaas_bytes)", text.size(), max_jaas_bytes)));
  }
  if (!is_utf8(text)) return fail(Error::configuration("the text is not UTF-8"));
  return Entries(text).read();
}

Result<JaasLogin> read_jaas_login(std::string_view text) {
  auto entries = read_jaas(text);
  if (!entries) return fail(entries.error());
  if (entries->size() != 1) {
    return fail(
        Error::configuration(fmt::format("one login module is expected, not {}", entries->size())));
  }
  JaasEntry& entry = entries->front();
  const auto module = module_of(entry.module);
  if (!module) return fail(module.error());
  JaasLogin login{*module, {}, {}};
  bool has_name = false;
  for (std::size_t i = 0; i < entry.options.size(); ++i) {
    auto& [name, value] = entry.options[i];
    if (name == "username") {
      login.username = value.reveal();
      has_name = true;
    } else if (name == "password") {
      login.password = std::move(value);
    } else if (name == "tokenauth") {
      return fail(Error::configuration("delegation tokens (tokenauth) are not supported"));
    } else if (!name.starts_with("user_") || *module != LoginModule::plain) {
      return fail(
          Error::configuration(fmt::format("option {} is neither username nor password", i + 1)));
    }
  }
  if (!has_name) return fail(Error::configuration("the option username is missing"));
  if (!login.password.is_set()) return fail(Error::configuration("the option password is missing"));
  return login;
}

}  // namespace dohle::properties
