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

/// How `produce` cuts its input into records: fields, each ended by the literal text after it.
///   %k key  %v value  (%v{hex}, %v{base64})  %p partition  %d timestamp (milliseconds)
class InputFormat {
 public:
  /// Errors: configuration, naming what is wrong with the format.
  static Result<InputFormat> parse(std::string_view format);
  /// One JSON object a line, as record_from_json reads it; empty lines are skipped.
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

/// Cuts bytes that come in pieces of any size into records.
class RecordInput {
 public:
  /// A record of more bytes than that is refused.
  static constexpr std::size_t max_record_bytes = std::size_t{100} << 20;

  explicit RecordInput(InputFormat format) : format_(std::move(format)) {}

  void feed(std::string_view bytes);
  /// Nothing more comes: the last record may lack what ends it.
  void end() { is_ended_ = true; }
  /// The next record; nothing when it needs more bytes or, after end(), when there is none.
  /// Errors: codec_failed, too_large, naming the number of the record; there is no going on.
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
  /// How far the end of a record's first field was looked for in vain, so that a long one that
  /// comes in small pieces is not searched again and again.
  std::size_t searched_ = 0;
  std::uint64_t number_ = 0;
  bool is_ended_ = false;
};

}  // namespace dohle::tools
