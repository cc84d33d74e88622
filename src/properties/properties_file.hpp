#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "dohle/error.hpp"
#include "dohle/secret.hpp"

namespace dohle::properties {

/// Bound of a properties file; longer ones are refused.
inline constexpr std::size_t max_properties_file_bytes = std::size_t{1} << 20;

struct FileProperty {
  std::string name;
  /// Any value may be a password.
  Secret value;
  /// The number of the line in the file, from 1.
  std::size_t line = 0;
};

/// Reads a file in the format of java.util.Properties: NAME=VALUE, NAME:VALUE or NAME VALUE, \n and
/// \uXXXX, lines that continue after a backslash, comments that begin with # or !. In order; a
/// name may occur again. Unlike in Java, an empty name and half of a surrogate pair are refused.
/// Bytes above 127 are refused outside comments, since Java reads them as ISO-8859-1 and librdkafka
/// as they are. Errors: configuration, with the line, never with a part of the text.
[[nodiscard]] Result<std::vector<FileProperty>> read_properties_file(std::string_view text);

}  // namespace dohle::properties
