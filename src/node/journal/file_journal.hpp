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
#include "node/journal/journal.hpp"
#include "node/journal/journal_line.hpp"

namespace dohle::node {

/// Durable state of the node in one file, as a sequence of lines (journal_line.hpp). The owner
/// replays all lines at the start, appends changes, and rewrites the file once most lines are
/// history. See journal.hpp for the rules of all journals.
///
/// Lines are written and synced in rounds on a disk thread. Lines that are appended during a round
/// share the next one. Before `work_beside` all work runs on the calling thread.
///
/// 16 KiB of space are reserved ahead. Lines with Reserve::is_kept may not use them, so a full disk
/// refuses such lines first.
///
/// After a failed sync, or a failed write that cannot be cut off, everything fails until the file
/// is opened again. Owner's thread only.
class FileJournal {
 public:
  using Take = std::function<Taken(const JournalLine&)>;
  using Done = std::move_only_function<void(Result<void>)>;
  /// Returns fewer lines (kinds and words) that describe the same state. Runs on a disk thread,
  /// before `work_beside` on the calling one.
  using Compact = std::function<std::vector<std::string>(const std::vector<JournalLine>&)>;

  struct Options {
    std::string directory;
    std::string name;
    KnownSizes sizes = {};
    /// The action to take after damage; ends each such error.
    std::string remedy;
    /// Called with a size that the file has at least from now on. KnownSizes::noted of the next run
    /// comes from it.
    std::function<void(std::uint64_t)> note = [](std::uint64_t) {};
  };
  /// Reads the file, or creates it. Blocks. Errors: damaged; unsupported_version (a line of a later
  /// version); storage.
  static Result<std::unique_ptr<FileJournal>> open(Disk& disk, Options options, const Take& take);
  ~FileJournal() { *is_alive_ = false; }
  FileJournal(const FileJournal&) = delete;
  FileJournal& operator=(const FileJournal&) = delete;

  /// From now on rounds run on disk threads, and callbacks run in later turns.
  void work_beside() { is_beside_ = true; }

  /// Whether a line may use the space that is reserved ahead.
  enum class Reserve : std::uint8_t { is_kept, may_be_used };
  /// Appends one line; `body` is its kind and words. Calls `done` once the line is on disk or
  /// refused. A refused line was not appended, unless the journal is broken. Errors: storage.
  void append(std::string body, Reserve reserve, Done done);
  /// Replaces the file by one with the lines that `compact` returns for its lines. If that fails,
  /// for instance on a full disk, the old file stays in use. One rewrite at a time. Errors: damaged
  /// (the file differs from the written lines), storage.
  void rewrite(Compact compact, Done done);
  /// Rewrites the file with `compact` if most of its lines are history, where `live` lines describe
  /// the present state. After a failure the next attempt waits for more lines; `warn` is called
  /// with a log line, unless the disk was full.
  void rewrite_if_due(std::uint64_t live, Compact compact,
                      std::move_only_function<void(const std::string&)> warn);
  /// Calls `idle` once all appended lines have an outcome.
  void when_idle(Task idle);

  /// Asserts the conditions that hold between two calls.
  void check_invariants() const;
  [[nodiscard]] const std::string& path() const { return path_; }
  /// The size of the file after the last round.
  [[nodiscard]] std::uint64_t size() const { return at_.size; }
  [[nodiscard]] std::uint64_t lines() const { return at_.lines; }
  /// True if a refused line may be in the file.
  [[nodiscard]] bool is_broken() const { return broken_.has_value(); }
  /// The error of each further line if the journal is broken, else null.
  [[nodiscard]] const Error* fault() const { return broken_ ? &*broken_ : nullptr; }
  /// Bytes of a torn write that `open` dropped.
  [[nodiscard]] std::uint64_t dropped_bytes() const { return dropped_bytes_; }
  /// Whether the file holds lines of 0.1.0.
  [[nodiscard]] bool has_unnumbered_lines() const { return has_unnumbered_lines_; }

 private:
  struct Line {
    std::string body;
    Reserve reserve;
    Done done;
  };
  /// The file and its written and durable extent.
  struct At {
    std::shared_ptr<File> file;
    std::uint64_t size = 0;
    std::uint64_t lines = 0;
    std::uint64_t durable = 0;
  };
  struct Round;
  struct Rewriting;

  FileJournal(Disk& disk, Options options);
  Result<void> load(const Take& take);
  Result<void> take_lines(const JournalText& text, const Take& take);
  Result<void> make_durable(std::string_view text);
  [[nodiscard]] Error damaged(const std::string& what) const;
  void run(Task job, Task done);
  void start_next();
  void start_round();
  void end_round(Round& round);
  void start_rewriting();
  void put_in_place(const std::shared_ptr<Rewriting>& rewriting);
  void end_rewriting(Rewriting& rewriting);

  Disk* disk_;
  Options options_;
  std::string path_;
  At at_;
  std::uint64_t dropped_bytes_ = 0;
  bool has_unnumbered_lines_ = false;
  std::optional<Error> broken_;
  bool is_beside_ = false;
  bool is_running_ = false;
  std::vector<Line> waiting_;
  std::shared_ptr<Rewriting> rewriting_;
  bool is_due_rewrite_running_ = false;
  /// After a failed rewrite: the number of lines at which the next one is tried.
  std::uint64_t rewrite_from_lines_ = 0;
  std::vector<Task> when_idle_;
  std::shared_ptr<bool> is_alive_ = std::make_shared<bool>(true);
};

}  // namespace dohle::node
