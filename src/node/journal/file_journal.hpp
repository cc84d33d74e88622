#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/disk.hpp"
#include "dohle/error.hpp"
#include "node/journal/journal_line.hpp"

namespace dohle::node {

/// Durable state of the node in one file, as lines that are appended (journal_line.hpp). Its owner
/// takes each line at the start, appends changes, and rewrites the file from a snapshot when most
/// of it is history. What was appended is owed until `settle`: only then may anybody be told of it.
///
/// Space for some hundred more lines is reserved ahead, which lines with Reserve::is_kept may not
/// use, so that a full disk refuses them first.
///
/// Once a sync has failed, or a write in a way that leaves the file unknown, every call fails until
/// the file is opened anew. Owner's thread only.
class FileJournal {
 public:
  /// What a line meant to the owner.
  enum class Taken : std::uint8_t { taken, unknown_kind, senseless };
  using Take = std::function<Taken(const JournalLine&)>;

  struct Options {
    std::string directory;
    std::string name;
    KnownSizes sizes = {};
    /// What to do about damage, the end of each such error.
    std::string remedy;
    /// Told of a size that the file has from then on, for the note that KnownSizes::noted comes
    /// from.
    std::function<void(std::uint64_t)> note = [](std::uint64_t) {};
  };
  /// Reads the file, or begins one. Errors: damaged; unsupported_version (a line of a later
  /// version); storage.
  static Result<std::unique_ptr<FileJournal>> open(Disk& disk, Options options, const Take& take);

  /// Who may use the space that is reserved ahead.
  enum class Reserve : std::uint8_t { is_kept, may_be_used };
  /// Writes one line; `body` is its kind and words. Errors: storage; nothing was appended.
  Result<void> append(std::string_view body, Reserve reserve);
  /// Lines were appended that are not known to be on disk.
  [[nodiscard]] bool is_owed() const { return durable_ < lines_; }
  /// Makes everything that was appended durable, in the calling thread.
  Result<void> settle();
  /// Replaces the file by one with these lines, durably. On a full disk the old one goes on.
  Result<void> rewrite(const std::vector<std::string>& bodies);

  [[nodiscard]] const std::string& path() const { return path_; }
  [[nodiscard]] const std::shared_ptr<File>& file() const { return file_; }
  [[nodiscard]] std::uint64_t size() const { return size_; }
  [[nodiscard]] std::uint64_t lines() const { return lines_; }
  /// Bytes of a torn write that the start dropped.
  [[nodiscard]] std::uint64_t dropped_bytes() const { return dropped_bytes_; }
  /// The file holds lines of 0.1.0.
  [[nodiscard]] bool has_unnumbered_lines() const { return has_unnumbered_lines_; }

 private:
  FileJournal(Disk& disk, Options options);
  Result<void> load(const Take& take);
  Result<void> take_lines(const JournalText& text, const Take& take);
  [[nodiscard]] Result<void> check_place() const;
  Result<void> make_durable(std::string_view text);
  [[nodiscard]] Error damaged(const std::string& what) const;

  Disk* disk_;
  Options options_;
  std::string path_;
  std::shared_ptr<File> file_;
  std::uint64_t size_ = 0;
  std::uint64_t lines_ = 0;
  std::uint64_t durable_ = 0;
  std::uint64_t dropped_bytes_ = 0;
  bool has_unnumbered_lines_ = false;
  std::optional<Error> broken_;
};

}  // namespace dohle::node
