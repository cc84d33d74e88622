#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "dohle/error.hpp"
#include "tools/records/owned_record.hpp"
#include "tools/records/record_format.hpp"

namespace dohle::tools {

/// How `produce` splits its input into records: fields, each terminated by the literal text after
/// it.
///   %k key  %v value  (%v{hex}, %v{base64})  %p partition  %d timestamp (milliseconds)
class InputFormat {
 public:
  /// Errors: configuration, with the fault in the format.
  static Result<InputFormat> parse(std::string_view format);
  /// One JSON object per line, as record_from_json parses it; empty lines are skipped.
  static InputFormat json();

 private:
  friend class RecordInput;
  struct Field {
    char letter = 'v';
    ByteStyle style = ByteStyle::plain;
    std::string ended_by = {};
  };
  std::vector<Field> fields_;
  bool is_json_ = false;
};

/// Splits bytes that arrive in pieces of any size into records.
class RecordInput {
 public:
  /// A record with more bytes is refused.
  static constexpr std::size_t max_record_bytes = std::size_t{100} << 20;

  explicit RecordInput(InputFormat format) : format_(std::move(format)) {}

  void feed(std::string_view bytes);
  /// Marks the end of the input: the last record may lack its terminator.
  void end() { is_ended_ = true; }
  /// The next record. Absent if it needs more bytes, or after end() if there is none. Errors:
  /// codec_failed, too_large, with the number of the record; the input cannot be read further.
  Result<std::optional<OwnedRecord>> next();

 private:
  std::optional<std::size_t> find_end(const InputFormat::Field& field, std::size_t from,
                                      bool is_last);
  Result<std::optional<std::vector<std::string_view>>> cut();
  Result<OwnedRecord> record_of(const std::vector<std::string_view>& contents) const;
  Error refused(Errc code, std::string_view why) const;

  InputFormat format_;
  std::string buffer_;
  std::size_t at_ = 0;
  /// The end of the bytes already searched for the end of a record's first field, so that a long
  /// field that arrives in small pieces is searched only once.
  std::size_t searched_ = 0;
  std::uint64_t number_ = 0;
  bool is_ended_ = false;
};

}  // namespace dohle::tools
