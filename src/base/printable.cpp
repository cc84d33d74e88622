#include "base/printable.hpp"

#include <fmt/format.h>

#include <cstddef>
#include <utility>

namespace dohle {

namespace {

unsigned byte_at(std::string_view text, std::size_t at) {
  return static_cast<unsigned char>(text[at]);
}

bool is_continuation(std::string_view text, std::size_t at) {
  return at < text.size() && (byte_at(text, at) & 0xC0u) == 0x80u;
}

/// Number of bytes of the printable character that begins at `at`; 0 if there is none. Overlong
/// forms, surrogates and code points above U+10FFFF are not printable (RFC 3629).
std::size_t character_at(std::string_view text, std::size_t at) {
  const unsigned first = byte_at(text, at);
  if (first < 0x80) return first >= 0x20 && first != 0x7F ? 1 : 0;
  if (first < 0xC2 || first > 0xF4 || !is_continuation(text, at + 1)) return 0;
  const unsigned second = byte_at(text, at + 1);
  if (first < 0xE0) return first == 0xC2 && second < 0xA0 ? 0 : 2;
  if (!is_continuation(text, at + 2)) return 0;
  if (first < 0xF0) {
    const bool is_overlong = first == 0xE0 && second < 0xA0;
    const bool is_surrogate = first == 0xED && second >= 0xA0;
    return is_overlong || is_surrogate ? 0 : 3;
  }
  const bool is_overlong = first == 0xF0 && second < 0x90;
  const bool is_beyond = first == 0xF4 && second >= 0x90;
  return is_overlong || is_beyond || !is_continuation(text, at + 3) ? 0 : 4;
}

void escape(unsigned byte, std::string& into) {
  switch (byte) {
    case '\n':
      into += "\\n";
      break;
    case '\r':
      into += "\\r";
      break;
    case '\t':
      into += "\\t";
      break;
    default:
      fmt::format_to(std::back_inserter(into), "\\x{:02x}", byte);
  }
}

class PrintingLogger final : public Logger {
 public:
  explicit PrintingLogger(std::shared_ptr<Logger> to) : to_(std::move(to)) {}
  LogLevel level() const noexcept override { return to_->level(); }
  void log(LogLevel level, std::string_view subject, std::string_view line) noexcept override {
    if (is_printable(line)) return to_->log(level, subject, line);
    to_->log(level, subject, printable(line));
  }

 private:
  std::shared_ptr<Logger> to_;
};

}  // namespace

bool is_printable(std::string_view text) {
  for (std::size_t at = 0; at < text.size();) {
    const std::size_t bytes = character_at(text, at);
    if (bytes == 0) return false;
    at += bytes;
  }
  return true;
}

std::string printable(std::string_view text) {
  std::string made;
  made.reserve(text.size());
  for (std::size_t at = 0; at < text.size();) {
    const std::size_t bytes = character_at(text, at);
    if (bytes == 0) {
      escape(byte_at(text, at), made);
      ++at;
      continue;
    }
    made += text.substr(at, bytes);
    at += bytes;
  }
  return made;
}

std::shared_ptr<Logger> printing_logger(std::shared_ptr<Logger> logger) {
  return std::make_shared<PrintingLogger>(std::move(logger));
}

}  // namespace dohle
