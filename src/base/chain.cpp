#include "base/chain.hpp"

#include "base/assert.hpp"
#include "base/disk.hpp"

namespace dohle {

namespace {

Result<void> read_range(const FileRange& range, std::span<std::byte> into) {
  auto got = range.file->read(range.offset, into);
  if (!got) return fail(got.error());
  if (*got == into.size()) return {};
  return fail(Error::storage(Errc::damaged, range.file->path() + " ends before byte " +
                                                std::to_string(range.offset + range.size)));
}

}  // namespace

Result<Slice> Chain::flatten() const {
  if (pieces_.empty()) return Slice{};
  if (pieces_.size() == 1) {
    if (const auto* slice = std::get_if<Slice>(&pieces_.front())) return *slice;
  }
  Result<void> outcome;
  Slice whole = Slice::made(size_, [&](std::span<std::byte> to) {
    for (const Piece& piece : pieces_) {
      if (const auto* slice = std::get_if<Slice>(&piece)) {
        std::memcpy(to.data(), slice->data(), slice->size());
        to = to.subspan(slice->size());
      } else {
        const auto& range = std::get<FileRange>(piece);
        outcome = read_range(range, to.first(range.size));
        if (!outcome) return;
        to = to.subspan(range.size);
      }
    }
    DOHLE_ASSERT(to.empty(), "a chain is longer than its pieces");
  });
  if (!outcome) return fail(outcome.error());
  return whole;
}

}  // namespace dohle
