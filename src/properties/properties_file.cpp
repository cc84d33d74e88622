#include "properties/properties_file.hpp"

#include <string.h>  // explicit_bzero

#include <algorithm>
#include <charconv>
#include <optional>

#include <fmt/format.h>

#include "base/utf8.hpp"

namespace dohle::properties {

namespace {

std::unexpected<Error> refuse(std::size_t line, std::string_view why) {
  return fail(Error::configuration(fmt::format("line {}: {}", line, why)));
}

constexpr bool is_blank(char c) {
  return c == ' ' || c == '\t' || c == '\f';
}
constexpr bool is_line_end(char c) {
  return c == '\n' || c == '\r';
}

constexpr std::uint32_t first_high = 0xd800, first_low = 0xdc00, last_low = 0xdfff;

class FileReader {
 public:
  explicit FileReader(std::string_view text) : text_(text) { value_.reserve(text.size()); }
  FileReader(const FileReader&) = delete;
  FileReader& operator=(const FileReader&) = delete;
  ~FileReader() { wipe(); }

  Result<std::vector<FileProperty>> read() {
    std::vector<FileProperty> all;
    while (true) {
      skip_to_next_property();
      if (is_at_end()) return all;
      FileProperty property;
      property.line = line_;
      if (auto read = read_name(property.name); !read) return fail(read.error());
      if (property.name.empty()) return refuse(property.line, "a property without a name");
      if (auto read = read_value(property.value); !read) return fail(read.error());
      all.push_back(std::move(property));
    }
  }

 private:
  [[nodiscard]] bool is_at_end() const { return at_ == text_.size(); }
  [[nodiscard]] bool is_at_line_end() const { return is_at_end() || is_line_end(text_[at_]); }

  void wipe() {
    ::explicit_bzero(value_.data(), value_.size());
    value_.clear();
  }
  void take_line_end() {
    if (is_at_end()) return;
    if (text_[at_] == '\r' && at_ + 1 < text_.size() && text_[at_ + 1] == '\n') ++at_;
    ++at_;
    ++line_;
  }
  void skip_blanks() {
    while (!is_at_end() && is_blank(text_[at_])) ++at_;
  }
  // A comment ends with its line, even after a backslash. It may begin after a continued empty
  // line, as in Java.
  void skip_to_next_property() {
    while (!is_at_end()) {
      skip_blanks();
      if (is_at_line_end()) {
        take_line_end();
      } else if (text_[at_] == '#' || text_[at_] == '!') {
        while (!is_at_line_end()) ++at_;
      } else if (!skip_continuation()) {
        return;
      }
    }
  }
  /// A backslash at the end of a line, and the blanks that begin the next one.
  bool skip_continuation() {
    const bool is_one = text_[at_] == '\\' && at_ + 1 < text_.size() && is_line_end(text_[at_ + 1]);
    if (!is_one) return false;
    ++at_;
    take_line_end();
    skip_blanks();
    return true;
  }

  Result<void> read_name(std::string& name) {
    while (true) {
      if (is_at_line_end()) break;
      if (skip_continuation()) continue;
      const char c = text_[at_];
      if (is_blank(c) || c == '=' || c == ':') break;
      if (auto read = read_character(name); !read) return read;
    }
    skip_separator_blanks();
    if (!is_at_end() && (text_[at_] == '=' || text_[at_] == ':')) {
      ++at_;
      skip_separator_blanks();
    }
    return {};
  }
  void skip_separator_blanks() {
    do {
      skip_blanks();
    } while (!is_at_end() && skip_continuation());
  }

  Result<void> read_value(Secret& value) {
    wipe();
    while (!is_at_line_end()) {
      if (skip_continuation()) continue;
      if (auto read = read_character(value_); !read) return read;
    }
    value = Secret(value_);
    return {};
  }

  Result<void> read_character(std::string& into) {
    const char c = text_[at_];
    if (static_cast<unsigned char>(c) >= 0x80) {
      return refuse(line_,
                    "a character outside ASCII, which Java and librdkafka read differently; write "
                    "it as \\uXXXX");
    }
    ++at_;
    if (c != '\\') {
      into += c;
      return {};
    }
    if (is_at_end()) return {};  // Java drops a backslash at the end of the file
    const char escaped = text_[at_++];
    constexpr std::string_view names = "tnrf", values = "\t\n\r\f";
    if (escaped == 'u') return read_code_point(into);
    if (static_cast<unsigned char>(escaped) >= 0x80) {
      --at_;
      return read_character(into);
    }
    const auto found = names.find(escaped);
    into += found == std::string_view::npos ? escaped : values[found];
    return {};
  }
  Result<void> read_code_point(std::string& into) {
    auto unit = read_unit();
    if (!unit) return refuse(line_, "\\u without four hexadecimal digits");
    std::uint32_t code_point = *unit;
    if (code_point >= first_high && code_point <= last_low) {
      const bool has_low = code_point < first_low && text_.substr(at_).starts_with("\\u");
      if (has_low) {
        at_ += 2;
        unit = read_unit();
      }
      if (!has_low || !unit || *unit < first_low || *unit > last_low) {
        return refuse(line_, "\\u with half of a surrogate pair");
      }
      code_point = 0x10000 + ((code_point - first_high) << 10) + (*unit - first_low);
    }
    append_utf8(into, code_point);
    return {};
  }
  std::optional<std::uint32_t> read_unit() {
    constexpr std::size_t digits = 4;
    if (text_.size() - at_ < digits) return std::nullopt;
    const char* const begin = text_.data() + at_;
    std::uint32_t value = 0;
    const auto [end, code] = std::from_chars(begin, begin + digits, value, 16);
    if (code != std::errc{} || end != begin + digits) return std::nullopt;
    at_ += digits;
    return value;
  }

  std::string_view text_;
  std::size_t at_ = 0;
  std::size_t line_ = 1;
  std::string value_;
};

}  // namespace

Result<std::vector<FileProperty>> read_properties_file(std::string_view text) {
  if (text.size() > max_properties_file_bytes) {
    return fail(Error::configuration(
        fmt::format("{} bytes; at most {} are allowed (max_properties_file_bytes)", text.size(),
                    max_properties_file_bytes)));
  }
  return FileReader(text).read();
}

}  // namespace dohle::properties
