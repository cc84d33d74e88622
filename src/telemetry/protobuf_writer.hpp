#pragma once

#include <bit>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <utility>

namespace dohle::telemetry {

/// Writes a message of Protocol Buffers. Fields with their default value are written, too: leave
/// them out before. Beyond `max_bytes` it writes nothing more, and is_too_large says so. Source:
/// protobuf.dev, "Encoding".
class ProtobufWriter {
 public:
  explicit ProtobufWriter(std::size_t max_bytes) : max_bytes_(max_bytes) {}

  /// int32, int64, uint32, uint64, bool and enumerations.
  void varint(std::uint32_t field, std::uint64_t value) {
    tag(field, 0);
    put_varint(value);
  }
  /// fixed64 and sfixed64.
  void fixed64(std::uint32_t field, std::uint64_t value) {
    tag(field, 1);
    put_little_endian(value, 8);
  }
  void number(std::uint32_t field, double value) {
    fixed64(field, std::bit_cast<std::uint64_t>(value));
  }
  void fixed32(std::uint32_t field, std::uint32_t value) {
    tag(field, 5);
    put_little_endian(value, 4);
  }
  /// string and bytes.
  void bytes(std::uint32_t field, std::string_view value) {
    tag(field, 2);
    put_varint(value.size());
    put(value);
  }
  /// An embedded message, whose fields `write` writes into this writer.
  template <class Write>
  void message(std::uint32_t field, Write write) {
    tag(field, 2);
    const std::size_t begin = bytes_.size();
    write();
    if (is_too_large_) return;
    const std::string length = varint_of(bytes_.size() - begin);
    if (bytes_.size() + length.size() > max_bytes_) {
      is_too_large_ = true;
      return;
    }
    bytes_.insert(begin, length);
  }

  [[nodiscard]] std::size_t size() const { return bytes_.size(); }
  /// The message is incomplete.
  [[nodiscard]] bool is_too_large() const { return is_too_large_; }
  [[nodiscard]] std::string take() { return std::exchange(bytes_, {}); }

 private:
  static std::string varint_of(std::uint64_t value) {
    std::string text;
    while (value >= 0x80) {
      text += static_cast<char>((value & 0x7f) | 0x80);
      value >>= 7;
    }
    text += static_cast<char>(value);
    return text;
  }
  void tag(std::uint32_t field, std::uint32_t wire_type) {
    put_varint(std::uint64_t{field} << 3 | wire_type);
  }
  void put_varint(std::uint64_t value) {
    if (value < 0x80) {
      const char byte = static_cast<char>(value);
      return put({&byte, 1});
    }
    put(varint_of(value));
  }
  void put_little_endian(std::uint64_t value, int count) {
    char raw[8];
    for (int i = 0; i < count; ++i) raw[i] = static_cast<char>(value >> (8 * i) & 0xff);
    put({raw, static_cast<std::size_t>(count)});
  }
  void put(std::string_view raw) {
    is_too_large_ = is_too_large_ || raw.size() > max_bytes_ - bytes_.size();
    if (!is_too_large_) bytes_.append(raw);
  }

  const std::size_t max_bytes_;
  std::string bytes_;
  bool is_too_large_ = false;
};

}  // namespace dohle::telemetry
