#include "base/write_queue.hpp"

#include <algorithm>

#include "base/assert.hpp"
#include "base/disk.hpp"

namespace dohle {

namespace {

// Shorter ranges are read into memory: a copy costs less than the two extra calls that it takes to
// send a range between slices.
constexpr std::size_t min_sent_from_file_bytes = 16 * 1024;

std::size_t size_of(const Chain::Piece& piece) {
  return std::visit(
      [](const auto& part) {
        if constexpr (requires { part.size(); }) {
          return part.size();
        } else {
          return part.size;
        }
      },
      piece);
}

std::size_t memory_of(const Chain::Piece& piece) {
  const auto* slice = std::get_if<Slice>(&piece);
  return slice != nullptr ? slice->size() : 0;
}

}  // namespace

// A range that cannot be read stays a range; sending it returns the error.
void WriteQueue::read_if_short(Chain::Piece& piece) {
  const auto* range = std::get_if<FileRange>(&piece);
  if (range == nullptr || range->size >= min_sent_from_file_bytes) return;
  if (range->file->descriptor() < 0) return;
  Chain unread;
  unread.append(*range);
  if (auto read = unread.flatten()) piece = *std::move(read);
}

void WriteQueue::append(Chain bytes) {
  size_ += bytes.size();
  for (Chain::Piece& piece : bytes.pieces()) {
    read_if_short(piece);
    memory_size_ += memory_of(piece);
    pieces_.push_back(std::move(piece));
  }
}

const FileRange* WriteQueue::front_range() const {
  if (pieces_.empty()) return nullptr;
  return std::get_if<FileRange>(&pieces_.front());
}

std::size_t WriteQueue::gather(std::span<iovec> into) const {
  std::size_t count = 0;
  for (const Chain::Piece& piece : pieces_) {
    const auto* slice = std::get_if<Slice>(&piece);
    if (slice == nullptr || count == into.size()) break;
    into[count++] = {const_cast<std::byte*>(slice->data()), slice->size()};
  }
  return count;
}

void WriteQueue::consume(std::size_t bytes) {
  DOHLE_ASSERT(bytes <= size_, "more bytes are written than were queued");
  size_ -= bytes;
  while (bytes > 0) {
    Chain::Piece& front = pieces_.front();
    const std::size_t size = size_of(front);
    if (bytes >= size) {
      bytes -= size;
      memory_size_ -= memory_of(front);
      pieces_.pop_front();
      continue;
    }
    if (auto* slice = std::get_if<Slice>(&front)) {
      *slice = slice->sub(bytes);
      memory_size_ -= bytes;
    } else {
      auto& range = std::get<FileRange>(front);
      range.offset += bytes;
      range.size -= bytes;
    }
    return;
  }
}

Result<void> WriteQueue::read_front_range(std::size_t max_bytes) {
  auto* range = pieces_.empty() ? nullptr : std::get_if<FileRange>(&pieces_.front());
  DOHLE_ASSERT(range != nullptr && max_bytes > 0, "no range of a file is at the front");
  const FileRange part{range->file, range->offset, std::min(range->size, max_bytes)};
  Chain bytes;
  if (!part.file->view(part.offset, part.size, bytes)) {
    Chain unread;
    unread.append(part);
    auto read = unread.flatten();
    if (!read) return fail(read.error());
    bytes = Chain(*std::move(read));
  }
  DOHLE_ASSERT(bytes.size() == part.size, "a range is not as long as the bytes it stands for");
  if (part.size == range->size) {
    pieces_.pop_front();
  } else {
    range->offset += part.size;
    range->size -= part.size;
  }
  auto& slices = bytes.pieces();
  for (const Chain::Piece& piece : slices) memory_size_ += memory_of(piece);
  pieces_.insert(pieces_.begin(), std::make_move_iterator(slices.begin()),
                 std::make_move_iterator(slices.end()));
  return {};
}

Result<std::size_t> WriteQueue::take_slices(std::size_t max_bytes, std::vector<Slice>& into) {
  std::size_t taken = 0;
  while (taken < max_bytes && !empty()) {
    if (front_range() != nullptr) {
      if (auto read = read_front_range(max_bytes - taken); !read) return fail(read.error());
    }
    const Slice& front = std::get<Slice>(pieces_.front());
    const std::size_t part = std::min(front.size(), max_bytes - taken);
    into.push_back(front.sub(0, part));
    taken += part;
    consume(part);
  }
  return taken;
}

void WriteQueue::clear() {
  pieces_.clear();
  size_ = memory_size_ = 0;
}

}  // namespace dohle
