#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string_view>

#include "dohle/ids.hpp"

namespace dohle {
inline namespace v0 {

/// Read-only bytes that somebody else owns.
using Bytes = std::span<const std::byte>;

/// Views text as bytes and bytes as text; nothing is copied.
[[nodiscard]] inline Bytes as_bytes(std::string_view text) {
  return {reinterpret_cast<const std::byte*>(text.data()), text.size()};
}
/// Views bytes as text.
[[nodiscard]] inline std::string_view as_text(Bytes bytes) {
  return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
}

/// A header of a record: a name and a value that may be null (absent). Names may repeat.
struct HeaderView {
  /// Its name, which other headers of the record may have, too.
  std::string_view name;
  /// Its value. If absent, it is null.
  std::optional<Bytes> value;
};

/// A record to be sent. It only refers to bytes: `send` copies them before it returns, so they
/// need to live no longer than the call.
///
/// An absent key is not an empty key, and an absent value (a tombstone) is not an empty value.
struct Record {
  /// Default: none.
  std::optional<Bytes> key = std::nullopt;
  /// Default: none, a tombstone.
  std::optional<Bytes> value = std::nullopt;
  /// In the order in which they are sent. Default: none.
  std::span<const HeaderView> headers = {};
  /// none: the time at which it is sent.
  Timestamp timestamp = {};
  /// none: chosen by the partitioner.
  PartitionId partition = {};
};

/// The headers of a received record, decoded while they are walked. A forward range of HeaderView.
/// It refers to the bytes that the record refers to, and lives as long as they do.
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
  /// `encoded` holds `count` headers as a record batch v2 stores them, already checked to be whole.
  HeaderRange(const std::byte* encoded, std::uint32_t count) : encoded_(encoded), count_(count) {}

  /// The first header.
  [[nodiscard]] iterator begin() const { return {encoded_, count_}; }
  /// Behind the last header.
  [[nodiscard]] iterator end() const { return {}; }
  /// How many headers there are.
  [[nodiscard]] std::size_t size() const { return count_; }
  /// There are no headers.
  [[nodiscard]] bool empty() const { return count_ == 0; }
  /// The value of the first header of that name; nothing if there is none or its value is null.
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

/// A received record. Views into a fetched buffer; whoever hands it out says how long they live.
struct RecordView {
  /// Its place in the partition.
  Offset offset;
  /// The record's time; none if its producer gave none.
  Timestamp timestamp;
  /// If absent, the record has no key.
  std::optional<Bytes> key;
  /// If absent, the record is a tombstone.
  std::optional<Bytes> value;
  /// In the order in which they were sent.
  HeaderRange headers;
};

/// Where and when a record was stored.
struct Receipt {
  /// The partition that it was stored in.
  PartitionId partition;
  /// none when acks is 0.
  Offset offset;
  /// The broker's time under LogAppendTime, otherwise the record's own.
  Timestamp timestamp;
};

}  // namespace v0
}  // namespace dohle
