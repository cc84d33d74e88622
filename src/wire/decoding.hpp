#pragma once

#include <algorithm>
#include <bit>
#include <string>

#include "wire/big_endian.hpp"
#include "wire/bounded_decode.hpp"
#include "wire/codec.hpp"
#include "wire/field_types.hpp"

// Definitions of decode. Included by messages/*.cpp only.

namespace dohle::wire::field {

/// Reads a frame. After the first fault every read returns a default value and loops end. `path`
/// grows to the names of the fields around the fault.
class WireReader {
 public:
  /// `max_elements`: of all arrays together.
  WireReader(const Slice& frame, std::int16_t version, bool flexible, std::size_t max_elements)
      : frame_(frame),
        at_(frame.data()),
        end_(frame.data() + frame.size()),
        max_elements_(max_elements),
        elements_left_(max_elements),
        version_(version),
        flexible_(flexible) {}

  [[nodiscard]] bool failed() const { return failed_; }
  /// Bytes up to the end of the message, or of the tagged field that is being read.
  [[nodiscard]] std::size_t left() const { return static_cast<std::size_t>(end_ - at_); }
  [[nodiscard]] std::size_t position() const {
    return static_cast<std::size_t>(at_ - frame_.data());
  }
  [[nodiscard]] std::int16_t version() const { return version_; }
  /// Whether the fault is that there are more elements than allowed.
  [[nodiscard]] bool has_too_many_elements() const { return has_too_many_elements_; }
  [[nodiscard]] std::string_view what() const { return what_; }
  [[nodiscard]] std::string_view path() const { return path_; }

  void refuse(std::string what);
  /// Refuses bytes after the last field.
  void refuse_rest();
  /// Adds the field around a fault to the path. Called from the innermost field outwards.
  void leave(const char* name);

  template <class T>
  T integer() {
    if (left() < sizeof(T)) {
      refuse_short(sizeof(T));
      return {};
    }
    const T value = load_big_endian<T>(at_);
    at_ += sizeof(T);
    return value;
  }
  std::uint32_t varint();

  template <class T>
  void value(T& into, const FieldSpec& spec) {
    if constexpr (is_optional<T>) {
      optional(into, spec);
    } else if constexpr (is_fixed<T>) {
      fixed(into);
    } else if constexpr (is_vector<T>) {
      if (const auto count = array_count(); count >= 0) {
        elements(into, static_cast<std::size_t>(count), spec);
      } else {
        refuse_null();
      }
    } else if constexpr (is_string<T> || is_bytes<T> || is_records<T>) {
      if (const auto length = sized<T>(); length >= 0) {
        take(into, static_cast<std::size_t>(length));
      } else {
        refuse_null();
      }
    } else {
      structure(into);
    }
  }

  template <class S>
  void structure(S& s);
  template <class S>
  void tags(S& s);
  /// Reads one tagged field of `size` bytes, exactly.
  template <class T>
  void tagged_value(T& into, const FieldSpec& spec, std::size_t size) {
    const std::byte* outer_end = end_;
    end_ = at_ + size;
    value(into, spec);
    leave_tagged(outer_end);
  }
  void skip(std::size_t size) { at_ += size; }

 private:
  void refuse_short(std::size_t wanted);
  void refuse_null();
  void refuse_elements();
  void leave_tagged(const std::byte* outer_end);

  /// -1 for null. Refuses a length above the bytes left.
  std::int64_t checked_length(std::int64_t length);
  std::int64_t array_count();
  std::int64_t string_length();
  std::int64_t bytes_length();
  template <class T>
  std::int64_t sized() {
    if constexpr (is_string<T>) {
      return string_length();
    } else {
      return bytes_length();
    }
  }

  void take(std::string& into, std::size_t size) {
    if (failed_) return;
    into.assign(reinterpret_cast<const char*>(at_), size);
    at_ += size;
  }
  void take(Slice& into, std::size_t size) {
    if (failed_) return;
    into = frame_.sub(position(), size);
    at_ += size;
  }
  void take(Chain& into, std::size_t size) {
    if (failed_) return;
    into = Chain(frame_.sub(position(), size));
    at_ += size;
  }

  template <class T>
  void fixed(T& into) {
    if constexpr (is_id<T>) {
      into = T{integer<typename T::Rep>()};
    } else if constexpr (std::is_same_v<T, bool>) {
      into = integer<std::int8_t>() != 0;
    } else if constexpr (std::is_same_v<T, double>) {
      into = std::bit_cast<double>(integer<std::uint64_t>());
    } else if constexpr (std::is_same_v<T, TopicId>) {
      sixteen(into.bytes);
    } else if constexpr (std::is_same_v<T, Uuid>) {
      sixteen(into);
    } else {
      into = integer<T>();
    }
  }
  void sixteen(Uuid& into);

  template <class T>
  void optional(std::optional<T>& into, const FieldSpec& spec) {
    bool is_null = false;
    if constexpr (is_struct<T>) {
      const auto presence = integer<std::int8_t>();
      is_null = presence < 0;
      if (!is_null && !failed_) {
        into = T{};  // not emplace(): clang takes a nested struct for not default constructible
        structure(*into);
      }
    } else if constexpr (is_vector<T>) {
      const auto count = array_count();
      is_null = count < 0;
      if (!is_null && !failed_) elements(into.emplace(), static_cast<std::size_t>(count), spec);
    } else {
      const auto length = sized<T>();
      is_null = length < 0;
      if (!is_null && !failed_) take(into.emplace(), static_cast<std::size_t>(length));
    }
    if (!is_null) return;
    if (!spec.is_nullable_in(version_)) return refuse_null();
    into.reset();
  }

  template <class T>
  void elements(std::vector<T>& into, std::size_t count, const FieldSpec& spec) {
    into.clear();
    if (failed_) return;
    if constexpr (is_fixed<T>) {
      if (count * fixed_bytes<T>() > left()) return refuse_short(count * fixed_bytes<T>());
    }
    if (count > elements_left_) return refuse_elements();
    elements_left_ -= count;
    into.reserve(std::min(count, max_first_reservation_elements));
    for (std::size_t i = 0; i < count && !failed_; ++i) {
      if constexpr (std::is_same_v<T, bool>) {
        into.push_back(integer<std::int8_t>() != 0);
      } else {
        value(into.emplace_back(), spec);
      }
    }
  }

  const Slice& frame_;
  const std::byte* at_;
  const std::byte* end_;
  std::size_t max_elements_;
  std::size_t elements_left_;
  std::int16_t version_;
  bool flexible_;
  bool failed_ = false;
  bool has_too_many_elements_ = false;
  std::string what_;
  std::string path_;
};

class FieldReader {
 public:
  explicit FieldReader(WireReader& reader) : reader_(reader) {}

  template <class T>
  void operator()(T& value, const char* name, auto... options) {
    const FieldSpec spec = make_spec(options...);
    const std::int16_t version = reader_.version();
    if (!spec.exists_in(version) || spec.is_tagged_in(version) || reader_.failed()) return;
    reader_.value(value, spec);
    if (reader_.failed()) reader_.leave(name);
  }

 private:
  WireReader& reader_;
};

/// Iterates over tagged fields. After each `next` the caller reads or skips `size` bytes.
class TagCursor {
 public:
  explicit TagCursor(WireReader& reader);
  /// False at the end and after a fault.
  bool next();
  [[nodiscard]] std::uint32_t tag() const { return tag_; }
  [[nodiscard]] std::size_t size() const { return size_; }

 private:
  WireReader& reader_;
  std::uint32_t left_ = 0;
  std::uint32_t tag_ = 0;
  std::uint32_t size_ = 0;
  std::int64_t previous_ = -1;
};

/// Reads the field with one tag, if the struct has it.
class TagReader {
 public:
  TagReader(WireReader& reader, std::uint32_t tag, std::size_t size)
      : reader_(reader), tag_(tag), size_(size) {}

  template <class T, class... Options>
  void operator()(T& value, const char* name, Options... options) {
    if constexpr (may_be_tagged<Options...>) {
      const FieldSpec spec = make_spec(options...);
      if (found_ || spec.tag != tag_ || !spec.is_tagged_in(reader_.version())) return;
      found_ = true;
      reader_.tagged_value(value, spec, size_);
      if (reader_.failed()) reader_.leave(name);
    }
  }
  [[nodiscard]] bool found() const { return found_; }

 private:
  WireReader& reader_;
  std::uint32_t tag_;
  std::size_t size_;
  bool found_ = false;
};

template <class S>
void WireReader::tags(S& s) {
  for (TagCursor cursor(*this); cursor.next();) {
    TagReader known(*this, cursor.tag(), cursor.size());
    S::fields(s, known);
    if (!known.found()) skip(cursor.size());
  }
}

template <class S>
void WireReader::structure(S& s) {
  FieldReader fields(*this);
  S::fields(s, fields);
  if (flexible_ && !failed_) tags(s);
}

/// The fault of a reader that failed.
[[nodiscard]] Error decode_error(std::string_view message, std::int16_t version,
                                 const WireReader& reader);

template <class M>
Result<M> decoded(const Slice& body, std::int16_t version, std::size_t max_elements,
                  bool may_have_more) {
  if (!M::api.versions.contains(version)) {
    return fail(unknown_version(message_name<M>(), version, M::api.versions));
  }
  Result<M> message;
  WireReader reader(body, version, M::api.is_flexible(version), max_elements);
  reader.structure(*message);
  if (!may_have_more) reader.refuse_rest();
  if (reader.failed()) return fail(decode_error(message_name<M>(), version, reader));
  return message;
}

}  // namespace dohle::wire::field

namespace dohle::wire {

template <class M>
Result<M> decode(const Slice& body, std::int16_t version) {
  return field::decoded<M>(body, version, SIZE_MAX, false);
}

template <class M>
Result<M> decode_prefix(const Slice& body, std::int16_t version) {
  return field::decoded<M>(body, version, SIZE_MAX, true);
}

template <class M>
Result<FrameBody<M>> decode_bounded(const Slice& body, std::int16_t version,
                                    std::size_t max_elements) {
  auto exact = field::decoded<M>(body, version, max_elements, false);
  if (exact) return FrameBody<M>{*std::move(exact), false};
  if (exact.error().is(Errc::too_large)) return fail(exact.error());
  auto prefix = field::decoded<M>(body, version, max_elements, true);
  if (!prefix) return fail(prefix.error());
  return FrameBody<M>{*std::move(prefix), true};
}

}  // namespace dohle::wire
