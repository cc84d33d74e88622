#pragma once

#include <string_view>

#include "dohle/error.hpp"

namespace dohle::telemetry {

/// The text without blanks and tabs at its ends.
[[nodiscard]] inline std::string_view without_blanks(std::string_view text) {
  const auto is_blank = [](char c) { return c == ' ' || c == '\t'; };
  while (!text.empty() && is_blank(text.front())) text.remove_prefix(1);
  while (!text.empty() && is_blank(text.back())) text.remove_suffix(1);
  return text;
}

/// Calls `take` with each member of a comma-separated list, without blanks around it. Empty members
/// are left out. Ends at the first error of `take`, and returns it.
template <class Take>
[[nodiscard]] Result<void> for_each_member(std::string_view text, Take take) {
  for (;;) {
    const auto comma = text.find(',');
    const std::string_view member = without_blanks(text.substr(0, comma));
    if (!member.empty()) {
      if (auto taken = take(member); !taken) return taken;
    }
    if (comma == std::string_view::npos) return {};
    text.remove_prefix(comma + 1);
  }
}

}  // namespace dohle::telemetry
