#include "wire/decoding.hpp"
#include "wire/encoding.hpp"
#include "wire/varint.hpp"

// Parts of encoding and decoding that do not depend on a message: lengths, tags and texts of
// errors.

namespace dohle::wire::field {

namespace {

std::string named(std::string_view message, std::int16_t version) {
  return std::string(message) + " version " + std::to_string(version);
}

}  // namespace

Error unknown_version(std::string_view message, std::int16_t version, VersionRange known) {
  return Error::client(Errc::unsupported_version, named(message, version) + " is not known, only " +
                                                      std::to_string(known.min) + " to " +
                                                      std::to_string(known.max));
}

Error encode_error(std::string_view message, std::int16_t version, const EncodeFault& fault) {
  return Error::client(fault.code,
                       named(message, version) + ", field " + fault.field + ": " + fault.what);
}

Error too_large(std::string_view message, std::size_t bytes) {
  return Error::client(Errc::too_large, std::string(message) + " of " + std::to_string(bytes) +
                                            " bytes, a frame holds at most 2147483647");
}

Error decode_error(std::string_view message, std::int16_t version, const WireReader& reader) {
  const bool is_large = reader.has_too_many_elements();
  std::string text = (is_large ? "" : "malformed ") + named(message, version) + " at byte " +
                     std::to_string(reader.position());
  if (!reader.path().empty()) text.append(", field ").append(reader.path());
  return Error::client(is_large ? Errc::too_large : Errc::malformed,
                       text.append(": ").append(reader.what()));
}

void WireReader::refuse(std::string what) {
  if (failed_) return;
  failed_ = true;
  what_ = std::move(what);
}

void WireReader::leave(const char* name) {
  path_ = path_.empty() ? std::string(name) : std::string(name) + "." + path_;
}

void WireReader::refuse_short(std::size_t wanted) {
  refuse(std::to_string(wanted) + " bytes wanted, " + std::to_string(left()) + " are left");
}

void WireReader::refuse_null() {
  refuse("null where null is not allowed");
}

void WireReader::refuse_elements() {
  refuse("all arrays together have more than " + std::to_string(max_elements_) + " elements");
  has_too_many_elements_ = true;
}

std::uint32_t WireReader::varint() {
  if (at_ == end_) {
    refuse_short(1);
    return 0;
  }
  std::uint32_t value = 0;
  const std::byte* after = read_unsigned_varint(at_, end_, value);
  if (after == nullptr) {
    refuse("variable-length number that is cut off or above 32 bits");
    return 0;
  }
  at_ = after;
  return value;
}

void WireReader::sixteen(Uuid& into) {
  if (left() < into.size()) return refuse_short(into.size());
  std::copy_n(reinterpret_cast<const std::uint8_t*>(at_), into.size(), into.begin());
  at_ += into.size();
}

std::int64_t WireReader::checked_length(std::int64_t length) {
  if (length < -1) refuse("negative length " + std::to_string(length));
#ifndef DOHLE_PLANTED_TRUST_LENGTHS  // defined only for the fuzz target that has to fail
  if (length > static_cast<std::int64_t>(left())) {
    refuse("length " + std::to_string(length) + ", " + std::to_string(left()) + " bytes are left");
  }
#endif
  return failed_ ? 0 : length;
}

std::int64_t WireReader::array_count() {
  const std::int64_t count =
      flexible_ ? std::int64_t{varint()} - 1 : std::int64_t{integer<std::int32_t>()};
  if (count > static_cast<std::int64_t>(max_array_elements)) {
    refuse(std::to_string(count) + " elements, at most 1000000 are allowed");
  }
  return checked_length(count);
}

std::int64_t WireReader::string_length() {
  if (!flexible_) return checked_length(integer<std::int16_t>());
  const std::int64_t length = std::int64_t{varint()} - 1;
  if (length > static_cast<std::int64_t>(max_string_bytes)) {
    refuse("string of " + std::to_string(length) + " bytes, at most 32767 are allowed");
  }
  return checked_length(length);
}

std::int64_t WireReader::bytes_length() {
  return checked_length(flexible_ ? std::int64_t{varint()} - 1
                                  : std::int64_t{integer<std::int32_t>()});
}

void WireReader::leave_tagged(const std::byte* outer_end) {
  if (failed_) return;
  if (at_ != end_) return refuse("the tagged field is shorter than its length says");
  end_ = outer_end;
}

void WireReader::refuse_rest() {
  if (!failed_ && left() != 0) refuse(std::to_string(left()) + " bytes too many");
}

TagCursor::TagCursor(WireReader& reader) : reader_(reader), left_(reader.varint()) {
  if (left_ > max_tagged_fields || left_ > reader.left()) {
    reader.refuse(std::to_string(left_) + " tagged fields");
  }
}

bool TagCursor::next() {
  if (left_ == 0 || reader_.failed()) return false;
  --left_;
  tag_ = reader_.varint();
  size_ = reader_.varint();
  if (tag_ <= previous_) reader_.refuse("tag " + std::to_string(tag_) + " out of order");
  if (size_ > reader_.left()) {
    reader_.refuse("tagged field of " + std::to_string(size_) + " bytes, " +
                   std::to_string(reader_.left()) + " are left");
  }
  previous_ = tag_;
  return !reader_.failed();
}

}  // namespace dohle::wire::field
