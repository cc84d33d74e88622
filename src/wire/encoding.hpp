#pragma once

#include <bit>
#include <cstring>
#include <string>

#include "wire/big_endian.hpp"
#include "wire/codec.hpp"
#include "wire/defaults.hpp"
#include "wire/varint.hpp"

// Definitions of encode and encoded_size. The first pass over the fields measures and checks; the
// second writes into a buffer of exactly that size. Included by messages/*.cpp only.

namespace dohle::wire::field {

/// The reason why a value cannot be written. The texts are literals.
struct EncodeFault {
  Errc code = Errc::invalid_argument;
  const char* what = nullptr;
  const char* field = nullptr;
};

class Measure {
 public:
  Measure(std::int16_t version, bool flexible) : version_(version), flexible_(flexible) {}

  [[nodiscard]] std::size_t bytes() const { return bytes_; }
  [[nodiscard]] std::size_t spliced_bytes() const { return spliced_bytes_; }
  [[nodiscard]] std::size_t splices() const { return splices_; }
  [[nodiscard]] const EncodeFault& fault() const { return fault_; }
  [[nodiscard]] std::int16_t version() const { return version_; }
  [[nodiscard]] bool flexible() const { return flexible_; }

  void refuse(Errc code, const char* what, const char* field) {
    if (fault_.what == nullptr) fault_ = {code, what, field};
  }
  void add_tag(std::uint32_t tag, std::size_t payload) {
    bytes_ += unsigned_varint_size(tag) + unsigned_varint_size(payload) + payload;
  }
  void add_varint(std::size_t value) { bytes_ += unsigned_varint_size(value); }

  template <class T>
  void value(const T& v, const FieldSpec& spec, const char* name) {
    if constexpr (is_optional<T>) {
      measure_optional(v, spec, name);
    } else if constexpr (is_fixed<T>) {
      bytes_ += fixed_bytes<T>();
    } else if constexpr (is_string<T>) {
      if (v.size() > max_string_bytes) refuse(Errc::invalid_argument, "string too long", name);
      add_length(v.size(), 2);
      bytes_ += v.size();
    } else if constexpr (is_bytes<T>) {
      add_length(v.size(), 4);
      bytes_ += v.size();
    } else if constexpr (is_records<T>) {
      add_length(v.size(), 4);
      spliced_bytes_ += v.size();
      splices_ += v.pieces().size() + 1;
    } else if constexpr (is_vector<T>) {
      add_length(v.size(), 4);
      elements(v, spec, name);
    } else {
      structure(v);
    }
  }

  template <class S>
  void structure(const S& s);

 private:
  void add_length(std::size_t length, std::size_t fixed) {
    bytes_ += flexible_ ? unsigned_varint_size(length + 1) : fixed;
  }

  template <class T>
  void measure_optional(const std::optional<T>& v, const FieldSpec& spec, const char* name) {
    if constexpr (is_struct<T>) ++bytes_;
    if (v) return value(*v, spec, name);
    if (!spec.is_nullable_in(version_)) {
      refuse(Errc::invalid_argument, "may not be null", name);
    }
    if constexpr (!is_struct<T>) add_null<T>();
  }
  template <class T>
  void add_null() {
    bytes_ += flexible_ ? 1 : is_string<T> ? 2 : 4;
  }

  template <class T>
  void elements(const std::vector<T>& v, const FieldSpec& spec, const char* name) {
    if constexpr (is_fixed<T>) {
      bytes_ += v.size() * fixed_bytes<T>();
    } else {
      for (const T& element : v) value(element, spec, name);
    }
  }

  std::int16_t version_;
  bool flexible_;
  std::size_t bytes_ = 0;
  std::size_t spliced_bytes_ = 0;
  std::size_t splices_ = 0;
  EncodeFault fault_;
};

template <class S>
class StructMeasure {
 public:
  explicit StructMeasure(Measure& measure) : measure_(measure) {}

  template <class T, class... Options>
  void operator()(const T& value, const char* name, Options... options) {
    const FieldSpec spec = make_spec(options...);
    const std::size_t place = place_++;
    if constexpr (may_be_absent<Options...>) {
      if (!spec.exists_in(measure_.version())) {
        if (!spec.is_ignorable) absent(value, name, place);
        return;
      }
    }
    if constexpr (may_be_tagged<Options...>) {
      if (spec.is_tagged_in(measure_.version())) return tagged(value, spec, name, place);
    }
    measure_.value(value, spec, name);
  }
  [[nodiscard]] std::size_t tags() const { return tags_; }

 private:
  template <class T>
  void absent(const T& value, const char* name, std::size_t place) {
    if (is_default(value, Defaults<S>::template at<T>(place))) return;
    measure_.refuse(Errc::unsupported_version, "does not exist in this version", name);
  }
  template <class T>
  void tagged(const T& value, const FieldSpec& spec, const char* name, std::size_t place) {
    if (is_default(value, Defaults<S>::template at<T>(place))) return;
    Measure payload(measure_.version(), true);
    payload.value(value, spec, name);
    if (payload.fault().what != nullptr) {
      measure_.refuse(payload.fault().code, payload.fault().what, payload.fault().field);
    }
    measure_.add_tag(spec.tag, payload.bytes());
    ++tags_;
  }

  Measure& measure_;
  std::size_t place_ = 0;
  std::size_t tags_ = 0;
};

template <class S>
void Measure::structure(const S& s) {
  StructMeasure<S> visitor(*this);
  S::fields(s, visitor);
  if (flexible_) add_varint(visitor.tags());
}

/// Writes the fields that Measure has measured. Every write is within the measured bytes.
class WireWriter {
 public:
  /// `own` is the part of the message that is not spliced.
  WireWriter(Slice own, std::byte* at, std::int16_t version, bool flexible)
      : own_(std::move(own)), at_(at), run_(own_.data()), version_(version), flexible_(flexible) {}

  [[nodiscard]] std::int16_t version() const { return version_; }
  [[nodiscard]] Chain& out() { return out_; }
  [[nodiscard]] std::size_t unwritten() const {
    return static_cast<std::size_t>(own_.data() + own_.size() - at_);
  }

  Chain finish() {
    end_run();
    return std::move(out_);
  }

  void varint(std::size_t value) { at_ = write_unsigned_varint(at_, value); }

  template <class T>
  void value(const T& v) {
    if constexpr (is_optional<T>) {
      optional(v);
    } else if constexpr (is_fixed<T>) {
      fixed(v);
    } else if constexpr (is_string<T>) {
      length<std::int16_t>(v.size());
      raw(v.data(), v.size());
    } else if constexpr (is_bytes<T>) {
      length<std::int32_t>(v.size());
      raw(v.data(), v.size());
    } else if constexpr (is_records<T>) {
      length<std::int32_t>(v.size());
      splice(v);
    } else if constexpr (is_vector<T>) {
      length<std::int32_t>(v.size());
      for (const auto& element : v) value(element);
    } else {
      structure(v);
    }
  }

  template <class S>
  void structure(const S& s);

 private:
  template <class T>
  void integer(T v) {
    store_big_endian(at_, v);
    at_ += sizeof v;
  }
  void raw(const void* from, std::size_t size) {
    if (size != 0) std::memcpy(at_, from, size);
    at_ += size;
  }
  template <class T>
  void fixed(const T& v) {
    if constexpr (is_id<T>) {
      integer(v.value);
    } else if constexpr (std::is_same_v<T, bool>) {
      integer(static_cast<std::int8_t>(v));
    } else if constexpr (std::is_same_v<T, double>) {
      integer(std::bit_cast<std::uint64_t>(v));
    } else if constexpr (std::is_same_v<T, TopicId>) {
      raw(v.bytes.data(), v.bytes.size());
    } else if constexpr (std::is_same_v<T, Uuid>) {
      raw(v.data(), v.size());
    } else {
      integer(v);
    }
  }
  template <class Fixed>
  void length(std::size_t n) {
    if (flexible_) return varint(n + 1);
    integer(static_cast<Fixed>(n));
  }
  template <class T>
  void optional(const std::optional<T>& v) {
    if constexpr (is_struct<T>) {
      integer(static_cast<std::int8_t>(v ? 1 : -1));
      if (v) structure(*v);
    } else {
      if (v) return value(*v);
      if (flexible_) return varint(0);
      if constexpr (is_string<T>) {
        integer(std::int16_t{-1});
      } else {
        integer(std::int32_t{-1});
      }
    }
  }
  void end_run() {
    out_.append(own_.sub(static_cast<std::size_t>(run_ - own_.data()),
                         static_cast<std::size_t>(at_ - run_)));
    run_ = at_;
  }
  void splice(const Chain& chain) {
    if (chain.empty()) return;
    end_run();
    for (const Chain::Piece& piece : chain.pieces()) {
      std::visit([&](const auto& bytes) { out_.append(bytes); }, piece);
    }
  }

  Slice own_;
  std::byte* at_;
  const std::byte* run_;
  Chain out_;
  std::int16_t version_;
  bool flexible_;
};

/// The tagged fields of a struct that differ from their defaults: counts them, then writes them.
template <class S>
class TagWriter {
 public:
  TagWriter(WireWriter& writer, bool writes) : writer_(writer), writes_(writes) {}

  template <class T, class... Options>
  void operator()(const T& value, const char* name, Options... options) {
    const std::size_t place = place_++;
    if constexpr (may_be_tagged<Options...>) {
      const FieldSpec spec = make_spec(options...);
      if (!spec.is_tagged_in(writer_.version())) return;
      if (is_default(value, Defaults<S>::template at<T>(place))) return;
      ++count_;
      if (writes_) write(value, spec, name);
    }
  }
  [[nodiscard]] std::size_t count() const { return count_; }

 private:
  template <class T>
  void write(const T& value, const FieldSpec& spec, const char* name) {
    Measure payload(writer_.version(), true);
    payload.value(value, spec, name);
    writer_.varint(spec.tag);
    writer_.varint(payload.bytes());
    writer_.value(value);
  }

  WireWriter& writer_;
  bool writes_;
  std::size_t place_ = 0;
  std::size_t count_ = 0;
};

class FieldWriter {
 public:
  explicit FieldWriter(WireWriter& writer) : writer_(writer) {}

  template <class T>
  void operator()(const T& value, const char*, auto... options) {
    const FieldSpec spec = make_spec(options...);
    const std::int16_t version = writer_.version();
    if (spec.exists_in(version) && !spec.is_tagged_in(version)) writer_.value(value);
  }

 private:
  WireWriter& writer_;
};

template <class S>
void WireWriter::structure(const S& s) {
  FieldWriter fields(*this);
  S::fields(s, fields);
  if (!flexible_) return;
  TagWriter<S> counting(*this, false);
  S::fields(s, counting);
  varint(counting.count());
  if (counting.count() == 0) return;
  TagWriter<S> writing(*this, true);
  S::fields(s, writing);
}

[[nodiscard]] Error encode_error(std::string_view message, std::int16_t version,
                                 const EncodeFault& fault);
[[nodiscard]] Error too_large(std::string_view message, std::size_t bytes);

template <class M>
Result<Measure> measured(const M& message, std::int16_t version, std::size_t prefix_bytes) {
  if (!M::api.versions.contains(version)) {
    return fail(unknown_version(message_name<M>(), version, M::api.versions));
  }
  Measure measure(version, M::api.is_flexible(version));
  measure.structure(message);
  if (measure.fault().what != nullptr) {
    return fail(encode_error(message_name<M>(), version, measure.fault()));
  }
  const std::size_t total = prefix_bytes + measure.bytes() + measure.spliced_bytes();
  if (total > std::size_t{0x7fffffff}) return fail(too_large(message_name<M>(), total));
  return measure;
}

}  // namespace dohle::wire::field

namespace dohle::wire {

template <class M>
Result<std::size_t> encoded_size(const M& message, std::int16_t version) {
  auto measure = field::measured(message, version, 0);
  if (!measure) return fail(std::move(measure.error()));
  return measure->bytes() + measure->spliced_bytes();
}

template <class M>
Result<Chain> encode_behind(const FramePrefix& prefix, const M& message, std::int16_t version) {
  auto measure = field::measured(message, version, prefix.size);
  if (!measure) return fail(std::move(measure.error()));
  Buffer* buffer = Buffer::allocate(prefix.size + measure->bytes());
  Slice own{buffer, buffer->data(), buffer->size()};
  if (prefix.size != 0) {
    prefix.write(prefix.from, buffer->data(), measure->bytes() + measure->spliced_bytes());
  }
  field::WireWriter writer(std::move(own), buffer->data() + prefix.size, version,
                           M::api.is_flexible(version));
  writer.out().pieces().reserve(measure->splices() + 1);
  writer.structure(message);
  return writer.finish();
}

template <class M>
Result<Chain> encode(const M& message, std::int16_t version) {
  return encode_behind(FramePrefix{}, message, version);
}

}  // namespace dohle::wire
