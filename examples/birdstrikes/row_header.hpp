#pragma once

#include <charconv>
#include <cstddef>
#include <optional>
#include <string_view>

namespace birdstrikes {

/// The header with a row's number as decimal text, which distinguishes equal rows.
inline constexpr const char* row_header = "row";

/// The number in the header; 0 if there is none.
[[nodiscard]] inline std::size_t row_number(std::optional<std::string_view> header) {
  std::size_t row = 0;
  if (header) std::from_chars(header->data(), header->data() + header->size(), row);
  return row;
}

}  // namespace birdstrikes
