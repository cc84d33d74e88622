#include "base/printable.hpp"

#include <fmt/format.h>

#include <cstddef>
#include <utility>

#include "base/utf8.hpp"

namespace dohle {

namespace {

unsigned byte_at(std::string_view text, std::size_t at) {
  return static_cast<unsigned char>(text[at]);
}

/// Number of bytes of the printable character that begins at `at`; 0 if there is none.
std::size_t character_at(std::string_view text, std::size_t at) {
  const std::size_t bytes = character_bytes(text.substr(at));
  const unsigned first = byte_at(text, at);
  if (bytes == 1) return first >= 0x20 && first != 0x7F ? 1 : 0;
  const bool is_c1 = bytes == 2 && first == 0xC2 && byte_at(text, at + 1) < 0xA0;
  return is_c1 ? 0 : bytes;
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
