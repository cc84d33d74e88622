#include "wire/batch_builder.hpp"

#include <algorithm>
#include <cstring>
#include <utility>

#include "base/assert.hpp"
#include "wire/batch_layout.hpp"
#include "wire/big_endian.hpp"
#include "wire/crc32c.hpp"
#include "wire/varint.hpp"

namespace dohle::wire {

namespace {

// The longest length, attributes, timestamp delta, offset delta, key length, value length and
// header count.
constexpr std::size_t max_framing_bytes =
    max_varint_bytes + 1 + max_varlong_bytes + 4 * max_varint_bytes;

// The encoded length of a key or value; -1 for null.
std::int64_t length_of(const std::optional<Bytes>& bytes) {
  return bytes ? static_cast<std::int64_t>(bytes->size()) : -1;
}

std::size_t encoded_bytes(const std::optional<Bytes>& bytes) {
  return varlong_size(length_of(bytes)) + (bytes ? bytes->size() : 0);
}

std::size_t encoded_bytes(std::span<const HeaderView> headers) {
  std::size_t size = varlong_size(static_cast<std::int64_t>(headers.size()));
  for (const HeaderView& header : headers) {
    size += varlong_size(static_cast<std::int64_t>(header.name.size())) + header.name.size() +
            encoded_bytes(header.value);
  }
  return size;
}

std::byte* copy(std::byte* to, const void* from, std::size_t size) {
  if (size != 0) std::memcpy(to, from, size);
  return to + size;
}

// Output of the encoder for bytes that fit after `at`.
struct Straight {
  std::byte* at;

  void number(std::int64_t n) { at = write_varlong(at, n); }
  void byte(std::byte b) { *at++ = b; }
  void bytes(const void* from, std::size_t size) { at = copy(at, from, size); }
};

std::uint32_t crc_of(const Chain& batch) {
  std::uint32_t crc = 0;
  std::size_t skipped = batch_at::crc_begin;
  for (const auto& piece : batch.pieces()) {
    crc = crc32c(crc, std::get<Slice>(piece).bytes().subspan(std::exchange(skipped, 0)));
  }
  return crc;
}

}  // namespace

struct BatchBuilder::Shape {
  std::size_t body_bytes;
  std::int64_t timestamp_delta;
  std::int32_t offset_delta;
};

namespace {

[[gnu::always_inline]] inline void encode(auto& to, const std::optional<Bytes>& bytes) {
  to.number(length_of(bytes));
  if (bytes) to.bytes(bytes->data(), bytes->size());
}

[[gnu::always_inline]] inline void encode(auto& to, const Record& record, const auto& shape) {
  to.number(static_cast<std::int64_t>(shape.body_bytes));
  to.byte(std::byte{0});  // attributes, of which none is defined
  to.number(shape.timestamp_delta);
  to.number(shape.offset_delta);
  encode(to, record.key);
  encode(to, record.value);
  to.number(static_cast<std::int64_t>(record.headers.size()));
  for (const HeaderView& header : record.headers) {
    to.number(static_cast<std::int64_t>(header.name.size()));
    to.bytes(header.name.data(), header.name.size());
    encode(to, header.value);
  }
}

std::int64_t difference(Timestamp a, Timestamp b) {
  // Wraps around; no pair of numbers is undefined behaviour.
  return static_cast<std::int64_t>(static_cast<std::uint64_t>(a.value) -
                                   static_cast<std::uint64_t>(b.value));
}

}  // namespace

BatchBuilder::BatchBuilder(Budget& budget, std::size_t max_batch_bytes, Checksum checksum,
                           std::size_t max_lone_bytes)
    : budget_(&budget),
      max_batch_bytes_(std::min<std::size_t>(max_batch_bytes, INT32_MAX)),
      max_lone_bytes_(std::min<std::size_t>(max_lone_bytes, INT32_MAX)),
      checksum_(checksum) {}

BatchBuilder::BatchBuilder(BatchBuilder&& other) noexcept
    : budget_(other.budget_),
      max_batch_bytes_(other.max_batch_bytes_),
      max_lone_bytes_(other.max_lone_bytes_),
      checksum_(other.checksum_),
      slabs_(std::move(other.slabs_)),
      current_(other.current_),
      at_(std::exchange(other.at_, nullptr)),
      slab_end_(std::exchange(other.slab_end_, nullptr)),
      bytes_(std::exchange(other.bytes_, batch_header_bytes)),
      summed_slabs_(std::exchange(other.summed_slabs_, 0)),
      summed_crc_(std::exchange(other.summed_crc_, 0)),
      count_(std::exchange(other.count_, 0)),
      base_timestamp_(other.base_timestamp_),
      max_timestamp_(other.max_timestamp_) {
  other.slabs_.clear();
}

BatchBuilder& BatchBuilder::operator=(BatchBuilder&& other) noexcept {
  std::swap(budget_, other.budget_);
  std::swap(max_batch_bytes_, other.max_batch_bytes_);
  std::swap(max_lone_bytes_, other.max_lone_bytes_);
  std::swap(checksum_, other.checksum_);
  std::swap(slabs_, other.slabs_);
  std::swap(current_, other.current_);
  std::swap(at_, other.at_);
  std::swap(slab_end_, other.slab_end_);
  std::swap(bytes_, other.bytes_);
  std::swap(summed_slabs_, other.summed_slabs_);
  std::swap(summed_crc_, other.summed_crc_);
  std::swap(count_, other.count_);
  std::swap(base_timestamp_, other.base_timestamp_);
  std::swap(max_timestamp_, other.max_timestamp_);
  return *this;
}

BatchBuilder::~BatchBuilder() {
  for (Buffer* slab : slabs_) slab->release();
}

std::size_t BatchBuilder::max_record_bytes(const Record& record) {
  std::size_t size = max_framing_bytes;
  if (record.key) size += record.key->size();
  if (record.value) size += record.value->size();
  for (const HeaderView& header : record.headers) {
    size += 2 * max_varint_bytes + header.name.size();
    if (header.value) size += header.value->size();
  }
  return size;
}

BatchBuilder::Appended BatchBuilder::append(const Record& record, Timestamp timestamp) {
  const std::int64_t delta = count_ == 0 ? 0 : difference(timestamp, base_timestamp_);
  const Shape shape{1 + varlong_size(delta) + varint_size(count_) + encoded_bytes(record.key) +
                        encoded_bytes(record.value) + encoded_bytes(record.headers),
                    delta, count_};
  const std::size_t size =
      varlong_size(static_cast<std::int64_t>(shape.body_bytes)) + shape.body_bytes;
  if (bytes_ + size > max_batch_bytes_) {
    if (count_ != 0) return Appended::full;
    if (bytes_ + size > max_lone_bytes_) return Appended::too_large;
  }

  if (static_cast<std::size_t>(slab_end_ - at_) >= size) [[likely]] {
    Straight to{at_};
    encode(to, record, shape);
    at_ = to.at;
  } else if (!append_over_slabs(record, shape, size)) {
    return Appended::no_memory;
  }
  bytes_ += size;
  if (count_++ == 0) {
    base_timestamp_ = timestamp;
    max_timestamp_ = timestamp;
  } else {
    max_timestamp_ = std::max(max_timestamp_, timestamp);
  }
  return Appended::ok;
}

// Takes all slabs that `size` more bytes need, or none.
bool BatchBuilder::take_slabs_for(std::size_t size) {
  const std::size_t slabs_before = slabs_.size();
  const std::size_t header = slabs_before == 0 ? batch_header_bytes : 0;
  auto room = static_cast<std::size_t>(slab_end_ - at_);
  while (room < size + header) {
    Buffer* slab = budget_->take();
    if (slab == nullptr) {
      for (; slabs_.size() > slabs_before; slabs_.pop_back()) slabs_.back()->release();
      return false;
    }
    slabs_.push_back(slab);
    room += slab->size();
  }
  if (slabs_before == 0) {
    current_ = 0;
    at_ = slabs_.front()->data() + batch_header_bytes;
    slab_end_ = slabs_.front()->data() + slabs_.front()->size();
  }
  return true;
}

bool BatchBuilder::append_over_slabs(const Record& record, const Shape& shape, std::size_t size) {
  if (!take_slabs_for(size)) return false;
  struct OverSlabs {
    BatchBuilder& builder;
    void number(std::int64_t n) {
      std::byte digits[max_varlong_bytes];
      bytes(digits, static_cast<std::size_t>(write_varlong(digits, n) - digits));
    }
    void byte(std::byte b) { bytes(&b, 1); }
    void bytes(const void* from, std::size_t count) { builder.write(from, count); }
  } to{*this};
  encode(to, record, shape);
  return true;
}

void BatchBuilder::write(const void* bytes, std::size_t size) {
  const auto* from = static_cast<const std::byte*>(bytes);
  while (size > 0) {
    if (at_ == slab_end_) {
      if (checksum_ == Checksum::while_appending) sum_up(current_, slabs_[current_]->size());
      ++current_;
      DOHLE_ASSERT(current_ < slabs_.size(), "a record is longer than was computed");
      Buffer* slab = slabs_[current_];
      at_ = slab->data();
      slab_end_ = slab->data() + slab->size();
    }
    const std::size_t part = std::min(size, static_cast<std::size_t>(slab_end_ - at_));
    at_ = copy(at_, from, part);
    from += part;
    size -= part;
  }
}

// Called for the slabs in their order.
void BatchBuilder::sum_up(std::size_t slab, std::size_t used) {
  const std::size_t header = slab == 0 ? batch_header_bytes : 0;
  summed_crc_ = crc32c(summed_crc_, Bytes(slabs_[slab]->data(), used).subspan(header));
  summed_slabs_ = slab + 1;
}

std::uint32_t BatchBuilder::records_crc() {
  std::size_t begin = summed_slabs_ * slab_bytes;
  for (std::size_t slab = summed_slabs_; begin < bytes_; begin += slab_bytes, ++slab) {
    sum_up(slab, std::min(bytes_ - begin, slab_bytes));
  }
  return summed_crc_;
}

std::uint32_t BatchBuilder::whole_crc(const std::byte* header) {
  // crc32c_combined costs as much as the CRC of several KiB.
  if (summed_slabs_ == 0 && bytes_ <= slabs_.front()->size()) {
    return crc32c(0, Bytes(header, bytes_).subspan(batch_at::crc_begin));
  }
  const Bytes header_alone = Bytes(header, batch_header_bytes).subspan(batch_at::crc_begin);
  return crc32c_combined(crc32c(0, header_alone), records_crc(), bytes_ - batch_header_bytes);
}

Chain BatchBuilder::slices(std::size_t from) const {
  Chain chain;
  std::size_t left = bytes_;
  for (Buffer* slab : slabs_) {
    const std::size_t used = std::min(left, slab->size());
    if (used == 0) break;
    left -= used;
    slab->retain();
    const std::size_t skipped = std::exchange(from, std::size_t{0});
    chain.append(Slice(slab, slab->data() + skipped, used - skipped));
  }
  DOHLE_ASSERT(left == 0, "a batch is longer than its slabs");
  return chain;
}

Chain BatchBuilder::records() const {
  return count_ == 0 ? Chain() : slices(batch_header_bytes);
}

Chain BatchBuilder::seal(Seal seal) {
  DOHLE_ASSERT(count_ > 0, "a batch without records is sealed");
  DOHLE_ASSERT((seal.compression == Compression::none) == seal.compressed.empty(),
               "a batch is sealed under another compression than its records have");
  Chain batch;
  std::byte* header = nullptr;
  if (seal.compression == Compression::none) {
    header = slabs_.front()->data();
    write_header(header, bytes_, seal);
    store_big_endian(header + batch_at::crc, whole_crc(header));
    batch = slices(0);
  } else {
    // A separate buffer for the header, so that the slabs can be released at once.
    Buffer* buffer = Buffer::allocate(batch_header_bytes);
    header = buffer->data();
    batch.append(Slice(buffer, header, batch_header_bytes));
    batch.append(std::move(seal.compressed));
    write_header(header, batch.size(), seal);
    store_big_endian(header + batch_at::crc, crc_of(batch));
  }
  clear();
  return batch;
}

void BatchBuilder::write_header(std::byte* header, std::size_t size, const Seal& seal) const {
  const auto attributes = static_cast<std::int16_t>(static_cast<int>(seal.compression) |
                                                    (seal.is_transactional ? 16 : 0));
  store_big_endian(header + batch_at::base_offset, std::int64_t{0});
  store_big_endian(header + batch_at::batch_length,
                   static_cast<std::int32_t>(size - batch_log_overhead));
  store_big_endian(header + batch_at::leader_epoch, LeaderEpoch::none);
  store_big_endian(header + batch_at::magic, std::int8_t{2});
  store_big_endian(header + batch_at::attributes, attributes);
  store_big_endian(header + batch_at::last_offset_delta, count_ - 1);
  store_big_endian(header + batch_at::base_timestamp, base_timestamp_.value);
  store_big_endian(header + batch_at::max_timestamp, max_timestamp_.value);
  store_big_endian(header + batch_at::producer_id, seal.producer_id.value);
  store_big_endian(header + batch_at::producer_epoch, seal.producer_epoch.value);
  store_big_endian(header + batch_at::base_sequence, seal.base_sequence);
  store_big_endian(header + batch_at::count, count_);
}

Chain renumber_batch(const Chain& batch, ProducerId producer_id, ProducerEpoch producer_epoch,
                     std::int32_t base_sequence) {
  DOHLE_ASSERT(!batch.empty(), "a batch without bytes is renumbered");
  const auto& first = std::get<Slice>(batch.pieces().front());
  DOHLE_ASSERT(first.size() >= batch_header_bytes, "a batch's header is in two pieces");
  Buffer* buffer = Buffer::allocate(batch_header_bytes);
  std::byte* header = buffer->data();
  copy(header, first.data(), batch_header_bytes);
  store_big_endian(header + batch_at::producer_id, producer_id.value);
  store_big_endian(header + batch_at::producer_epoch, producer_epoch.value);
  store_big_endian(header + batch_at::base_sequence, base_sequence);
  Chain renumbered(Slice(buffer, header, batch_header_bytes));
  renumbered.append(first.sub(batch_header_bytes));
  for (std::size_t i = 1; i < batch.pieces().size(); ++i) {
    renumbered.append(std::get<Slice>(batch.pieces()[i]));
  }
  store_big_endian(header + batch_at::crc, crc_of(renumbered));
  return renumbered;
}

void BatchBuilder::clear() {
  for (Buffer* slab : slabs_) slab->release();
  slabs_.clear();
  at_ = slab_end_ = nullptr;
  bytes_ = batch_header_bytes;
  summed_slabs_ = 0;
  summed_crc_ = 0;
  count_ = 0;
}

}  // namespace dohle::wire
