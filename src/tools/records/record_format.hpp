#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "dohle/consumer.hpp"
#include "dohle/error.hpp"

namespace dohle::tools {

/// How bytes are written as text.
enum class ByteStyle : std::uint8_t { plain, hex, base64 };

/// One piece of a format: the letter of a field, or 0 for literal text.
struct FormatPiece {
  char field = 0;
  /// The text in braces after the field.
  std::string modifier = {};
  std::string literal = {};
};

/// Splits a format: `%x` is a field, `%x{…}` a field with a modifier (braces nest), `%%` a percent
/// sign; \n \t \r \0 \\ and \xHH are bytes. Errors: configuration, naming the place.
Result<std::vector<FormatPiece>> split_format(std::string_view format);

/// "" (plain), "hex" or "base64". Errors: configuration.
Result<ByteStyle> parse_byte_style(std::string_view modifier);

/// The text format of a record in `consume`.
///   %t topic  %p partition  %o offset  %e leader epoch  %d timestamp (milliseconds; %d{iso})
///   %k key    %v value      (%k{hex}, %k{base64})       %K %V their sizes, -1 for null
///   %h{…} the text in braces for each header, with %k and %v its name and value; %H their number
class RecordFormat {
 public:
  static Result<RecordFormat> parse(std::string_view format);

  void append(const ConsumerRecord& record, std::string& out) const;

 private:
  struct Piece {
    char field = 0;
    ByteStyle style = ByteStyle::plain;
    bool is_iso = false;
    std::string literal = {};
    std::vector<Piece> each_header = {};
  };
  static Result<std::vector<Piece>> pieces_of(std::string_view format, std::string_view fields);
  static Result<Piece> piece_of(FormatPiece from, std::string_view fields);
  static void append_header(const std::vector<Piece>& pieces, const HeaderView& header,
                            std::string& out);

  std::vector<Piece> pieces_;
};

}  // namespace dohle::tools
