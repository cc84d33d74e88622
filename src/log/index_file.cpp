#include "log/index_file.hpp"

#include <array>
#include <utility>

#include "wire/big_endian.hpp"

namespace dohle::log {

namespace {

void encode(const OffsetEntry& entry, std::byte* to) {
  wire::store_big_endian(to, entry.relative_offset);
  wire::store_big_endian(to + 4, entry.position);
}

void encode(const TimeEntry& entry, std::byte* to) {
  wire::store_big_endian(to, entry.timestamp);
  wire::store_big_endian(to + 8, entry.relative_offset);
}

void decode(const std::byte* from, OffsetEntry& entry) {
  entry = {wire::load_big_endian<std::int32_t>(from),
           wire::load_big_endian<std::int32_t>(from + 4)};
}

void decode(const std::byte* from, TimeEntry& entry) {
  entry = {wire::load_big_endian<std::int64_t>(from),
           wire::load_big_endian<std::int32_t>(from + 8)};
}

}  // namespace

template <class Entry>
Result<void> IndexFile<Entry>::clear() {
  begin();
  return {};
}

template <class Entry>
void IndexFile<Entry>::begin() {
  pending_.clear();
  written_ = 0;
  is_stale_ = true;
}

template <class Entry>
void IndexFile<Entry>::replace_by(IndexFile& made) {
  begin();
  pending_ = std::exchange(made.pending_, {});
}

template <class Entry>
Result<std::size_t> IndexFile<Entry>::written() {
  if (written_ != unknown) return written_;
  auto file = file_.get();
  if (!file) {
    if (!file.error().is(Errc::not_found)) return fail(file.error());
    written_ = 0;
    return written_;
  }
  if ((*file)->size() % Entry::bytes != 0) {
    return fail(Error::storage(Errc::damaged, path() + " does not consist of whole entries"));
  }
  written_ = (*file)->size() / Entry::bytes;
  return written_;
}

template <class Entry>
Result<void> IndexFile<Entry>::write_pending() {
  auto count = written();
  if (!count) return fail(count.error());
  if (pending_.empty() && *count > 0) return {};
  auto file = file_.get(OpenMode::create);
  if (!file) return fail(file.error());
  is_made_ |= *count == 0;
  // Old entries are written over, and only their rest is cut: where the file system discards freed
  // blocks, emptying a file takes a millisecond.
  const std::uint64_t end = (*count + pending_.size()) * Entry::bytes;
  if (is_stale_ && (*file)->size() > end) {
    if (auto cut = (*file)->truncate(end); !cut) return cut;
  }
  is_stale_ = false;
  if (pending_.empty()) return {};
  std::vector<std::byte> bytes(pending_.size() * Entry::bytes);
  for (std::size_t i = 0; i < pending_.size(); ++i) {
    encode(pending_[i], bytes.data() + i * Entry::bytes);
  }
  const Bytes piece(bytes);
  if (auto wrote = (*file)->write(*count * Entry::bytes, {&piece, 1}); !wrote) {
    // Cuts a partial write; otherwise the next write overwrites it.
    (void)(*file)->truncate(*count * Entry::bytes);
    return wrote;
  }
  written_ += pending_.size();
  // The entries of a whole segment take much memory: release it.
  if (pending_.size() > 2 * max_pending) pending_ = std::vector<Entry>();
  pending_.clear();
  return {};
}

template <class Entry>
Result<std::shared_ptr<File>> IndexFile<Entry>::file() {
  auto file = file_.get();
  if (!file && file.error().is(Errc::not_found)) return nullptr;
  return file;
}

template <class Entry>
Result<Entry> IndexFile<Entry>::read(std::size_t index) {
  auto file = file_.get();
  if (!file) return fail(file.error());
  std::array<std::byte, Entry::bytes> bytes;
  auto got = (*file)->read(index * Entry::bytes, bytes);
  if (!got) return fail(got.error());
  if (*got < bytes.size())
    return fail(Error::storage(Errc::damaged, path() + " has become shorter"));
  Entry entry{};
  decode(bytes.data(), entry);
  return entry;
}

template <class Entry>
Result<std::size_t> IndexFile<Entry>::count() {
  auto count = written();
  if (!count) return count;
  return *count + pending_.size();
}

template <class Entry>
Result<std::optional<Entry>> IndexFile<Entry>::last() {
  if (!pending_.empty()) return pending_.back();
  auto count = written();
  if (!count) return fail(count.error());
  if (*count == 0) return std::nullopt;
  auto entry = read(*count - 1);
  if (!entry) return fail(entry.error());
  return *entry;
}

template class IndexFile<OffsetEntry>;
template class IndexFile<TimeEntry>;

}  // namespace dohle::log
