#include "base/shell_word.hpp"

#include <algorithm>

namespace dohle {

std::string shell_word(std::string_view word) {
  const bool is_plain = !word.empty() && std::ranges::all_of(word, [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
           std::string_view("/._-+:@%,").contains(c);
  });
  if (is_plain && !word.starts_with('-')) return std::string(word);
  std::string text = word.starts_with('-') ? "./" : "";
  text += '\'';
  for (const char c : word) text += c == '\'' ? std::string("'\\''") : std::string(1, c);
  return text + "'";
}

}  // namespace dohle
