#include "tools/records/record_input.hpp"

#include <algorithm>
#include <charconv>
#include <limits>

#include <fmt/format.h>

#include "base/base64.hpp"
#include "tools/records/record_json.hpp"

namespace dohle::tools {

namespace {

std::optional<std::string> from_hex(std::string_view text) {
  if (text.size() % 2 != 0) return std::nullopt;
  std::string bytes;
  for (std::size_t at = 0; at < text.size(); at += 2) {
    unsigned byte = 0;
    const char* const end = text.data() + at + 2;
    if (std::from_chars(text.data() + at, end, byte, 16).ptr != end) return std::nullopt;
    bytes += static_cast<char>(byte);
  }
  return bytes;
}

std::optional<std::string> bytes_from(std::string_view text, ByteStyle style) {
  if (style == ByteStyle::hex) return from_hex(text);
  if (style == ByteStyle::base64) return from_base64(text);
  return std::string(text);
}

std::string cut_short(char field) {
  return fmt::format("the record ends before the end of %{}", field);
}

template <class Id>
bool number_into(std::string_view text, Id& into) {
  const char* const end = text.data() + text.size();
  const auto [rest, code] = std::from_chars(text.data(), end, into.value);
  return code == std::errc{} && rest == end && into.value >= -1;
}

}  // namespace

Result<InputFormat> InputFormat::parse(std::string_view format) {
  auto pieces = split_format(format);
  if (!pieces) return fail(pieces.error());
  const auto refuse = [&](std::string_view why) {
    return fail(Error::configuration(fmt::format("the format \"{}\" {}", format, why)));
  };
  InputFormat made;
  for (FormatPiece& piece : *pieces) {
    if (piece.field == 0) {
      if (made.fields_.empty()) return refuse("starts with text; it must start with a field");
      made.fields_.back().ended_by = std::move(piece.literal);
      continue;
    }
    if (std::string_view("kvpd").find(piece.field) == std::string_view::npos) {
      return refuse("names a field that input does not have; its fields are %k %v %p %d");
    }
    if (!made.fields_.empty() && made.fields_.back().ended_by.empty()) {
      return refuse("has two fields without text between them");
    }
    const auto style = parse_byte_style(piece.modifier);
    if (!style) return fail(style.error());
    made.fields_.push_back({.letter = piece.field, .style = *style});
  }
  if (made.fields_.empty() || made.fields_.back().ended_by.empty()) {
    return refuse("must end with text that ends a record, as \\n");
  }
  return made;
}

InputFormat InputFormat::json() {
  InputFormat made;
  made.fields_.push_back({.letter = 'v', .ended_by = "\n"});
  made.is_json_ = true;
  return made;
}

Error RecordInput::refused(Errc code, std::string_view why) const {
  return Error::client(code, fmt::format("record {} of the input: {}", number_ + 1, why));
}

void RecordInput::feed(std::string_view bytes) {
  if (at_ > buffer_.size() / 2) {
    buffer_.erase(0, at_);
    searched_ -= std::min(searched_, at_);
    at_ = 0;
  }
  buffer_ += bytes;
}

/// The end of the field that starts at `from`. The end of the input may end the last field.
std::optional<std::size_t> RecordInput::find_end(const InputFormat::Field& field, std::size_t from,
                                                 bool is_last) {
  const std::size_t start = from == at_ ? std::max(from, searched_) : from;
  const std::size_t found = buffer_.find(field.ended_by, start);
  if (found != std::string::npos) return found;
  if (from == at_) {
    searched_ = std::max(from, buffer_.size() - std::min(buffer_.size(), field.ended_by.size()));
  }
  if (is_ended_ && is_last) return buffer_.size();
  return std::nullopt;
}

/// The contents of the next record's fields; moves `at_` past it. Absent if the record is not
/// complete yet.
Result<std::optional<std::vector<std::string_view>>> RecordInput::cut() {
  std::vector<std::string_view> contents;
  std::size_t at = at_;
  const std::string& record_end = format_.fields_.back().ended_by;
  for (const auto& field : format_.fields_) {
    const bool is_last = &field == &format_.fields_.back();
    const auto end = find_end(field, at, is_last);
    if (!end) {
      if (buffer_.size() - at_ > max_record_bytes) {
        return fail(refused(Errc::too_large, fmt::format("more than {} bytes", max_record_bytes)));
      }
      const bool is_cut = !is_last && buffer_.find(record_end, at) != std::string::npos;
      if (is_cut) return fail(refused(Errc::codec_failed, cut_short(field.letter)));
      if (is_ended_) {
        return fail(refused(Errc::codec_failed, fmt::format("%{} has no end", field.letter)));
      }
      return std::nullopt;
    }
    const auto content = std::string_view(buffer_).substr(at, *end - at);
    if (!is_last && content.find(record_end) != std::string_view::npos) {
      return fail(refused(Errc::codec_failed, cut_short(field.letter)));
    }
    contents.push_back(content);
    at = std::min(buffer_.size(), *end + field.ended_by.size());
  }
  at_ = at;
  return contents;
}

Result<OwnedRecord> RecordInput::record_of(const std::vector<std::string_view>& contents) const {
  if (format_.is_json_) {
    auto record = record_from_json(contents.front());
    if (!record) return fail(refused(Errc::codec_failed, record.error().message()));
    return record;
  }
  OwnedRecord record;
  for (std::size_t i = 0; i < contents.size(); ++i) {
    const auto& field = format_.fields_[i];
    bool is_good = true;
    if (field.letter == 'p') {
      is_good = number_into(contents[i], record.partition);
    } else if (field.letter == 'd') {
      is_good = number_into(contents[i], record.timestamp);
    } else {
      auto& into = field.letter == 'k' ? record.key : record.value;
      into = bytes_from(contents[i], field.style);
      is_good = into.has_value();
    }
    if (!is_good) {
      return fail(refused(Errc::codec_failed,
                          fmt::format("\"{}\" is not a valid %{}", contents[i], field.letter)));
    }
  }
  return record;
}

Result<std::optional<OwnedRecord>> RecordInput::next() {
  while (at_ < buffer_.size()) {
    auto contents = cut();
    if (!contents) return fail(contents.error());
    if (!*contents) return std::nullopt;
    const bool is_blank = format_.is_json_ &&
                          (*contents)->front().find_first_not_of(" \t\r") == std::string_view::npos;
    if (is_blank) {
      ++number_;
      continue;
    }
    auto record = record_of(**contents);
    if (!record) return fail(record.error());
    ++number_;
    return std::optional(*std::move(record));
  }
  return std::nullopt;
}

}  // namespace dohle::tools
