#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string_view>

#include "dohle/ids.hpp"

namespace dohle {
inline namespace v0 {

/// A view of read-only bytes.
using Bytes = std::span<const std::byte>;

/// Views text as bytes, without a copy.
[[nodiscard]] inline Bytes as_bytes(std::string_view text) {
  return {reinterpret_cast<const std::byte*>(text.data()), text.size()};
}
/// Views bytes as text, without a copy.
[[nodiscard]] inline std::string_view as_text(Bytes bytes) {
  return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
}

/// A header of a record: a name and a value that may be null (absent). Names may repeat.
struct HeaderView {
  /// The header's name; several headers of a record may have the same name.
  std::string_view name;
  /// The header's value. If absent, it is null.
  std::optional<Bytes> value;
};

/// A record to send. It refers to bytes of the caller, which `send` copies before it returns. So
/// they must be valid only during the call.
///
/// An absent key differs from an empty key, and an absent value (a tombstone) differs from an empty
/// value.
struct Record {
  /// The key. Default: absent, no key.
  std::optional<Bytes> key = std::nullopt;
  /// The value. Default: absent, a tombstone.
  std::optional<Bytes> value = std::nullopt;
  /// Default: none. The headers in the order in which they are sent.
  std::span<const HeaderView> headers = {};
  /// Default: none, the time at which it is sent.
  Timestamp timestamp = {};
  /// Default: none, the partitioner chooses it.
  PartitionId partition = {};
};

/// The headers of a received record: a forward range of HeaderView. Iterating decodes them. It
/// refers to the record's bytes, and is valid as long as they are.
class HeaderRange {
 public:
  /// A C++20 forward iterator.
  class iterator {
   public:
    using value_type = HeaderView;
    using difference_type = std::ptrdiff_t;

    iterator() = default;
    iterator(const std::byte* at, std::uint32_t left) : at_(at), left_(left) {
      if (left_ != 0) decode();
    }
    const HeaderView& operator*() const { return header_; }
    const HeaderView* operator->() const { return &header_; }
    iterator& operator++() {
      if (--left_ != 0) decode();
      return *this;
    }
    iterator operator++(int) {
      iterator before = *this;
      ++*this;
      return before;
    }
    friend bool operator==(const iterator& a, const iterator& b) { return a.left_ == b.left_; }

   private:
    std::int32_t varint() {
      std::uint32_t raw = 0;
      for (int shift = 0;; shift += 7) {
        const auto byte = std::to_integer<std::uint32_t>(*at_++);
        raw |= (byte & 0x7f) << shift;
        if ((byte & 0x80) == 0) break;
      }
      return static_cast<std::int32_t>((raw >> 1) ^ (~(raw & 1) + 1));
    }
    void decode() {
      const auto name_size = static_cast<std::size_t>(varint());
      header_.name = {reinterpret_cast<const char*>(at_), name_size};
      at_ += name_size;
      const std::int32_t value_size = varint();
      if (value_size < 0) {
        header_.value.reset();
        return;
      }
      header_.value = Bytes{at_, static_cast<std::size_t>(value_size)};
      at_ += value_size;
    }

    const std::byte* at_ = nullptr;
    std::uint32_t left_ = 0;
    HeaderView header_;
  };

  HeaderRange() = default;
  /// `encoded` holds `count` headers in the format of record batch v2. The caller has checked that
  /// they are complete.
  HeaderRange(const std::byte* encoded, std::uint32_t count) : encoded_(encoded), count_(count) {}

  /// The first header.
  [[nodiscard]] iterator begin() const { return {encoded_, count_}; }
  /// The end of the headers.
  [[nodiscard]] iterator end() const { return {}; }
  /// The number of headers.
  [[nodiscard]] std::size_t size() const { return count_; }
  /// True if there are no headers.
  [[nodiscard]] bool empty() const { return count_ == 0; }
  /// The value of the first header of that name. Absent if there is no such header or its value is
  /// null.
  [[nodiscard]] std::optional<Bytes> first(std::string_view name) const {
    for (const HeaderView& header : *this) {
      if (header.name == name) return header.value;
    }
    return std::nullopt;
  }

 private:
  const std::byte* encoded_ = nullptr;
  std::uint32_t count_ = 0;
};

/// A received record. Its members are views into a fetched buffer; the function that returns it
/// documents how long they are valid.
struct RecordView {
  /// The record's offset in the partition.
  Offset offset;
  /// The record's timestamp. none if its producer gave none.
  Timestamp timestamp;
  /// The key. If absent, the record has no key.
  std::optional<Bytes> key;
  /// The value. If absent, the record is a tombstone.
  std::optional<Bytes> value;
  /// The headers, in the order in which they were sent.
  HeaderRange headers;
};

/// Where and when a record was stored.
struct Receipt {
  /// The partition that it was stored in.
  PartitionId partition;
  /// The record's offset. none with Acks::none.
  Offset offset;
  /// The server's time if the topic has LogAppendTime, otherwise the record's own timestamp.
  Timestamp timestamp;
};

}  // namespace v0
}  // namespace dohle
