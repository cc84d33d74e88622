#include "tools/records/record_format.hpp"

#include <charconv>
#include <iterator>

#include <fmt/format.h>

#include "base/base64.hpp"
#include "tools/text/moment.hpp"

namespace dohle::tools {

namespace {

constexpr std::string_view record_fields = "tpoedkvKVhH";
constexpr std::string_view header_fields = "kvKV";

std::unexpected<Error> refuse(std::string_view format, std::string_view why) {
  return fail(Error::configuration(fmt::format("the format \"{}\" {}", format, why)));
}

/// Reads the byte of the escape sequence at `at` and moves `at` past it.
Result<char> take_escape(std::string_view format, std::size_t& at) {
  const char kind = at + 1 < format.size() ? format[at + 1] : '\0';
  at += 2;
  if (kind == 'n') return '\n';
  if (kind == 't') return '\t';
  if (kind == 'r') return '\r';
  if (kind == '0') return '\0';
  if (kind == '\\') return '\\';
  unsigned byte = 0;
  if (kind == 'x' && at + 2 <= format.size()) {
    const char* const end = format.data() + at + 2;
    const char* const read = std::from_chars(format.data() + at, end, byte, 16).ptr;
    at += 2;
    if (read == end) return static_cast<char>(byte);
  }
  return refuse(format, "has a backslash that is not followed by n, t, r, 0, \\ or xHH");
}

/// Reads a field's modifier if there is one at `at`, and moves `at` past it.
Result<std::string> take_modifier(std::string_view format, std::size_t& at) {
  if (at >= format.size() || format[at] != '{') return std::string();
  std::size_t depth = 0;
  for (std::size_t i = at; i < format.size(); ++i) {
    if (format[i] == '{') ++depth;
    if (format[i] == '}' && --depth == 0) {
      const auto modifier = format.substr(at + 1, i - at - 1);
      at = i + 1;
      return std::string(modifier);
    }
  }
  return refuse(format, "has a brace that is not closed");
}

void append_bytes(const std::optional<Bytes>& bytes, ByteStyle style, std::string& out) {
  if (!bytes) return;
  if (style == ByteStyle::plain) {
    out += as_text(*bytes);
  } else if (style == ByteStyle::base64) {
    out += to_base64(as_text(*bytes));
  } else {
    for (const std::byte byte : *bytes) {
      fmt::format_to(std::back_inserter(out), "{:02x}", std::to_integer<unsigned>(byte));
    }
  }
}

std::int64_t size_of(const std::optional<Bytes>& bytes) {
  return bytes ? static_cast<std::int64_t>(bytes->size()) : -1;
}

void append_number(std::int64_t number, std::string& out) {
  fmt::format_to(std::back_inserter(out), "{}", number);
}

}  // namespace

Result<std::vector<FormatPiece>> split_format(std::string_view format) {
  std::vector<FormatPiece> pieces;
  const auto literal = [&](char c) {
    if (pieces.empty() || pieces.back().field != 0) pieces.emplace_back();
    pieces.back().literal += c;
  };
  for (std::size_t at = 0; at < format.size();) {
    if (format[at] == '\\') {
      const auto byte = take_escape(format, at);
      if (!byte) return fail(byte.error());
      literal(*byte);
    } else if (format[at] != '%') {
      literal(format[at++]);
    } else if (at + 1 == format.size()) {
      return refuse(format, "ends in a single %; %% is a percent sign");
    } else if (format[at + 1] == '%') {
      literal('%');
      at += 2;
    } else {
      FormatPiece piece{.field = format[at + 1]};
      at += 2;
      auto modifier = take_modifier(format, at);
      if (!modifier) return fail(modifier.error());
      piece.modifier = *std::move(modifier);
      pieces.push_back(std::move(piece));
    }
  }
  return pieces;
}

Result<ByteStyle> parse_byte_style(std::string_view modifier) {
  if (modifier.empty()) return ByteStyle::plain;
  if (modifier == "hex") return ByteStyle::hex;
  if (modifier == "base64") return ByteStyle::base64;
  return fail(
      Error::configuration(fmt::format("{{{}}} is neither {{hex}} nor {{base64}}", modifier)));
}

Result<RecordFormat::Piece> RecordFormat::piece_of(FormatPiece from, std::string_view fields) {
  Piece piece{.field = from.field, .literal = std::move(from.literal)};
  if (from.field == 0) return piece;
  if (fields.find(from.field) == std::string_view::npos) {
    return fail(Error::configuration(fmt::format("the format has no field %{}; its fields are %{}",
                                                 from.field, fmt::join(fields, " %"))));
  }
  if (from.field == 'h') {
    auto each = pieces_of(from.modifier, header_fields);
    if (!each) return fail(each.error());
    piece.each_header = *std::move(each);
  } else if (from.field == 'd' && from.modifier == "iso") {
    piece.is_iso = true;
  } else if (from.field == 'k' || from.field == 'v') {
    const auto style = parse_byte_style(from.modifier);
    if (!style) return fail(style.error());
    piece.style = *style;
  } else if (!from.modifier.empty()) {
    return fail(Error::configuration(
        fmt::format("field %{} of the format has no modifier {{{}}}", from.field, from.modifier)));
  }
  return piece;
}

Result<std::vector<RecordFormat::Piece>> RecordFormat::pieces_of(std::string_view format,
                                                                 std::string_view fields) {
  auto split = split_format(format);
  if (!split) return fail(split.error());
  std::vector<Piece> pieces;
  for (FormatPiece& from : *split) {
    auto piece = piece_of(std::move(from), fields);
    if (!piece) return fail(piece.error());
    pieces.push_back(*std::move(piece));
  }
  return pieces;
}

Result<RecordFormat> RecordFormat::parse(std::string_view format) {
  auto pieces = pieces_of(format, record_fields);
  if (!pieces) return fail(pieces.error());
  RecordFormat made;
  made.pieces_ = *std::move(pieces);
  return made;
}

void RecordFormat::append_header(const std::vector<Piece>& pieces, const HeaderView& header,
                                 std::string& out) {
  for (const Piece& piece : pieces) {
    switch (piece.field) {
      case 'k':
        append_bytes(as_bytes(header.name), piece.style, out);
        break;
      case 'v':
        append_bytes(header.value, piece.style, out);
        break;
      case 'K':
        append_number(static_cast<std::int64_t>(header.name.size()), out);
        break;
      case 'V':
        append_number(size_of(header.value), out);
        break;
      default:
        out += piece.literal;
    }
  }
}

void RecordFormat::append(const ConsumerRecord& record, std::string& out) const {
  for (const Piece& piece : pieces_) {
    switch (piece.field) {
      case 't':
        out += record.topic;
        break;
      case 'p':
        append_number(record.partition.value, out);
        break;
      case 'o':
        append_number(record.offset.value, out);
        break;
      case 'e':
        append_number(record.leader_epoch.value, out);
        break;
      case 'd':
        if (piece.is_iso) {
          out += to_iso(record.timestamp);
        } else {
          append_number(record.timestamp.value, out);
        }
        break;
      case 'k':
        append_bytes(record.key, piece.style, out);
        break;
      case 'v':
        append_bytes(record.value, piece.style, out);
        break;
      case 'K':
        append_number(size_of(record.key), out);
        break;
      case 'V':
        append_number(size_of(record.value), out);
        break;
      case 'H':
        append_number(static_cast<std::int64_t>(record.headers.size()), out);
        break;
      case 'h':
        for (const HeaderView& header : record.headers) {
          append_header(piece.each_header, header, out);
        }
        break;
      default:
        out += piece.literal;
    }
  }
}

}  // namespace dohle::tools
