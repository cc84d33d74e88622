#include "wire/record_stream.hpp"

#include <algorithm>
#include <cstring>

namespace dohle::wire {

/// Reads a record that does not fit into the window, with the members that `read_parts`
/// needs.
class RecordStream::Walk {
 public:
  Walk(RecordStream& stream, std::int32_t length) : stream_(&stream), left_(length) {}

  [[nodiscard]] std::ptrdiff_t left() const { return left_; }
  [[nodiscard]] bool read(std::uint32_t& n) {
    return read_by([&](auto at, auto end) { return read_unsigned(at, end, n); });
  }
  [[nodiscard]] bool read(std::int32_t& n) {
    return read_by([&](auto at, auto end) { return read_varint(at, end, n); });
  }
  [[nodiscard]] bool read(std::int64_t& n) {
    return read_by([&](auto at, auto end) { return read_varlong(at, end, n); });
  }
  [[nodiscard]] bool skip(std::int32_t size) {
    left_ -= size;
    return stream_->skip(static_cast<std::size_t>(size));
  }
  [[nodiscard]] bool skip_headers(std::int32_t count) { return walk_headers(*this, count); }
  /// The skipped bytes do not stay in the window.
  [[nodiscard]] const std::byte* at() const { return nullptr; }

 private:
  template <class Read>
  bool read_by(Read read) {
    stream_->fill(max_varlong_bytes);
    const std::byte* const behind = read(stream_->at_, stream_->end_);
    if (behind == nullptr) return false;
    left_ -= behind - stream_->at_;
    stream_->at_ = behind;
    return true;
  }

  RecordStream* stream_;
  std::ptrdiff_t left_;
};

const char* RecordStream::next(RecordParts& parts) {
  fill(max_varint_bytes);
  std::int32_t length = 0;
  const std::byte* const body = read_varint(at_, end_, length);
  if (body != nullptr && length > 0) {
    const std::size_t whole =
        static_cast<std::size_t>(body - at_) + static_cast<std::size_t>(length);
    if (whole > window_.size()) {
      at_ = body;
      const char* const fault = read_parts(Walk(*this, length), parts);
      return is_cut_ ? "its length exceeds the batch" : fault;
    }
    fill(whole);
  }
  return read_record(at_, end_, parts);
}

bool RecordStream::is_at_end() {
  fill(1);
  return available() == 0;
}

void RecordStream::read(std::size_t bytes) {
  const std::size_t kept = available();
  std::memmove(window_.data(), at_, kept);
  at_ = window_.data();
  end_ = at_ + kept;
  while (available() < bytes) {
    const auto got = source_->read(window_.subspan(available()));
    if (!got) fault_ = got.error();
    is_ended_ = !got || *got == 0;
    if (is_ended_) return;
    end_ += *got;
  }
}

bool RecordStream::skip(std::size_t bytes) {
  while (bytes > 0) {
    fill(1);
    const std::size_t here = std::min(bytes, available());
    is_cut_ = here == 0;
    if (is_cut_) return false;
    at_ += here;
    bytes -= here;
  }
  return true;
}

}  // namespace dohle::wire
