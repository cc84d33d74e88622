#pragma once

#include <charconv>
#include <cstddef>
#include <optional>
#include <string_view>

namespace birdstrikes {

/// The header that carries a row's number, as decimal text: equal rows are told apart by it.
inline constexpr const char* row_header = "row";

/// The number that the header holds; 0 if it holds none.
[[nodiscard]] inline std::size_t row_number(std::optional<std::string_view> header) {
  std::size_t row = 0;
  if (header) std::from_chars(header->data(), header->data() + header->size(), row);
  return row;
}

}  // namespace birdstrikes
