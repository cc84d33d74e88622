#include "wire/batch_builder.hpp"

#include <algorithm>
#include <cstring>
#include <utility>

#include "wire/batch_layout.hpp"
#include "wire/big_endian.hpp"
#include "wire/crc32c.hpp"
#include "wire/varint.hpp"

namespace dohle::wire {

namespace {

// Length, attributes, timestamp and offset delta, key and value length, header count at their
// longest.
constexpr std::size_t framing_bytes_max =
    varint_bytes_max + 1 + varlong_bytes_max + 4 * varint_bytes_max;

std::size_t optional_bytes(const std::optional<Bytes>& bytes) {
  if (!bytes) return varint_size(-1);
  return varint_size(static_cast<std::int32_t>(bytes->size())) + bytes->size();
}

std::size_t headers_bytes(std::span<const HeaderView> headers) {
  std::size_t size = varint_size(static_cast<std::int32_t>(headers.size()));
  for (const HeaderView& header : headers) {
    size += varint_size(static_cast<std::int32_t>(header.name.size())) + header.name.size() +
            optional_bytes(header.value);
  }
  return size;
}

std::byte* copy(std::byte* to, const void* from, std::size_t size) {
  if (size != 0) std::memcpy(to, from, size);
  return to + size;
}

std::byte* write_optional(std::byte* to, const std::optional<Bytes>& bytes) {
  if (!bytes) return write_varint(to, -1);
  to = write_varint(to, static_cast<std::int32_t>(bytes->size()));
  return copy(to, bytes->data(), bytes->size());
}

struct RecordShape {
  std::size_t body_bytes;
  std::int64_t timestamp_delta;
  std::int32_t offset_delta;
};

// The record in one piece; the caller has made sure that it fits.
std::byte* encode(std::byte* to, const Record& record, const RecordShape& shape) {
  to = write_varint(to, static_cast<std::int32_t>(shape.body_bytes));
  *to++ = std::byte{0};
  to = write_varlong(to, shape.timestamp_delta);
  to = write_varint(to, shape.offset_delta);
  to = write_optional(to, record.key);
  to = write_optional(to, record.value);
  to = write_varint(to, static_cast<std::int32_t>(record.headers.size()));
  for (const HeaderView& header : record.headers) {
    to = write_varint(to, static_cast<std::int32_t>(header.name.size()));
    to = copy(to, header.name.data(), header.name.size());
    to = write_optional(to, header.value);
  }
  return to;
}

}  // namespace

BatchBuilder::BatchBuilder(Budget& budget, std::size_t batch_bytes_max)
    : budget_(&budget), batch_bytes_max_(batch_bytes_max) {}

BatchBuilder::BatchBuilder(BatchBuilder&& other) noexcept
    : budget_(other.budget_),
      batch_bytes_max_(other.batch_bytes_max_),
      slabs_(std::move(other.slabs_)),
      current_(other.current_),
      at_(std::exchange(other.at_, nullptr)),
      slab_end_(std::exchange(other.slab_end_, nullptr)),
      bytes_(std::exchange(other.bytes_, batch_header_bytes)),
      count_(std::exchange(other.count_, 0)),
      base_timestamp_(other.base_timestamp_),
      max_timestamp_(other.max_timestamp_) {
  other.slabs_.clear();
}

BatchBuilder& BatchBuilder::operator=(BatchBuilder&& other) noexcept {
  std::swap(budget_, other.budget_);
  std::swap(batch_bytes_max_, other.batch_bytes_max_);
  std::swap(slabs_, other.slabs_);
  std::swap(current_, other.current_);
  std::swap(at_, other.at_);
  std::swap(slab_end_, other.slab_end_);
  std::swap(bytes_, other.bytes_);
  std::swap(count_, other.count_);
  std::swap(base_timestamp_, other.base_timestamp_);
  std::swap(max_timestamp_, other.max_timestamp_);
  return *this;
}

BatchBuilder::~BatchBuilder() {
  for (Buffer* slab : slabs_) slab->release();
}

std::size_t BatchBuilder::record_bytes_max(const Record& record) {
  std::size_t size = framing_bytes_max;
  if (record.key) size += record.key->size();
  if (record.value) size += record.value->size();
  for (const HeaderView& header : record.headers) {
    size += 2 * varint_bytes_max + header.name.size();
    if (header.value) size += header.value->size();
  }
  return size;
}

BatchBuilder::Appended BatchBuilder::append(const Record& record, Timestamp timestamp) {
  const RecordShape shape = [&] {
    const std::int64_t delta = count_ == 0 ? 0 : timestamp.value - base_timestamp_.value;
    return RecordShape{1 + varlong_size(delta) + varint_size(count_) + optional_bytes(record.key) +
                           optional_bytes(record.value) + headers_bytes(record.headers),
                       delta, count_};
  }();
  const std::size_t size =
      varint_size(static_cast<std::int32_t>(shape.body_bytes)) + shape.body_bytes;
  if (bytes_ + size > batch_bytes_max_ && count_ != 0) return Appended::full;

  if (static_cast<std::size_t>(slab_end_ - at_) >= size) {
    at_ = encode(at_, record, shape);
  } else if (const std::size_t room = take_slabs_for(size); room == 0) {
    return Appended::no_memory;
  } else {
    append_over_slabs(record, shape.body_bytes, shape.timestamp_delta);
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

// Takes the slabs that `size` more bytes need, all or none. Returns the room there then is, 0 if
// the Budget does not cover it.
std::size_t BatchBuilder::take_slabs_for(std::size_t size) {
  const std::size_t slabs_before = slabs_.size();
  const std::size_t header = slabs_before == 0 ? batch_header_bytes : 0;
  auto room = static_cast<std::size_t>(slab_end_ - at_);
  while (room < size + header) {
    Buffer* slab = budget_->take();
    if (slab == nullptr) {
      while (slabs_.size() > slabs_before) {
        slabs_.back()->release();
        slabs_.pop_back();
      }
      return 0;
    }
    slabs_.push_back(slab);
    room += slab->size();
  }
  if (slabs_before == 0) {
    current_ = 0;
    at_ = slabs_.front()->data() + batch_header_bytes;
    slab_end_ = slabs_.front()->data() + slabs_.front()->size();
  }
  return room;
}

void BatchBuilder::append_over_slabs(const Record& record, std::size_t body_bytes,
                                     std::int64_t timestamp_delta) {
  std::byte number[varlong_bytes_max];
  const auto put_varint = [&](std::int32_t n) {
    write(number, static_cast<std::size_t>(write_varint(number, n) - number));
  };
  const auto put_optional = [&](const std::optional<Bytes>& bytes) {
    put_varint(bytes ? static_cast<std::int32_t>(bytes->size()) : -1);
    if (bytes) write(bytes->data(), bytes->size());
  };
  put_varint(static_cast<std::int32_t>(body_bytes));
  put_varint(0);  // attributes: one zero byte
  write(number, static_cast<std::size_t>(write_varlong(number, timestamp_delta) - number));
  put_varint(count_);
  put_optional(record.key);
  put_optional(record.value);
  put_varint(static_cast<std::int32_t>(record.headers.size()));
  for (const HeaderView& header : record.headers) {
    put_varint(static_cast<std::int32_t>(header.name.size()));
    write(header.name.data(), header.name.size());
    put_optional(header.value);
  }
}

void BatchBuilder::write(const void* bytes, std::size_t size) {
  const auto* from = static_cast<const std::byte*>(bytes);
  while (size > 0) {
    if (at_ == slab_end_) {
      Buffer* slab = slabs_[++current_];
      at_ = slab->data();
      slab_end_ = slab->data() + slab->size();
    }
    const std::size_t part = std::min(size, static_cast<std::size_t>(slab_end_ - at_));
    at_ = copy(at_, from, part);
    from += part;
    size -= part;
  }
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
  return chain;
}

Chain BatchBuilder::records() const {
  return count_ == 0 ? Chain() : slices(batch_header_bytes);
}

Chain BatchBuilder::seal(Seal seal) {
  std::byte* const header = slabs_.front()->data();
  Chain records = seal.compression == Compression::none ? slices(batch_header_bytes)
                                                        : std::move(seal.compressed);
  const auto attributes = static_cast<std::int16_t>(static_cast<int>(seal.compression) |
                                                    (seal.is_transactional ? 16 : 0));
  store_big_endian(header + batch_at::base_offset, std::int64_t{0});
  store_big_endian(
      header + batch_at::batch_length,
      static_cast<std::int32_t>(batch_header_bytes - batch_log_overhead + records.size()));
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
  std::uint32_t crc =
      crc32c(0, Bytes(header + batch_at::crc_begin, batch_header_bytes - batch_at::crc_begin));
  for (const auto& piece : records.pieces()) crc = crc32c(crc, std::get<Slice>(piece).bytes());
  store_big_endian(header + batch_at::crc, crc);

  slabs_.front()->retain();
  Chain batch(Slice(slabs_.front(), header, batch_header_bytes));
  batch.append(std::move(records));
  for (Buffer* slab : slabs_) slab->release();
  slabs_.clear();
  at_ = slab_end_ = nullptr;
  bytes_ = batch_header_bytes;
  count_ = 0;
  return batch;
}

}  // namespace dohle::wire
