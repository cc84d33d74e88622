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

/// Durable state of the node in one file, as lines that are appended (journal_line.hpp). Its owner
/// takes each line at the start, appends changes, and rewrites the file when most of it is history.
/// See journal.hpp for what journals share.
///
/// Lines are written and synced in rounds on a disk thread: what is appended while one runs goes
/// into the next one together. Until `work_beside` everything is done in the calling thread.
///
/// Space for some hundred more lines is reserved ahead, which lines with Reserve::is_kept may not
/// use, so that a full disk refuses them first.
///
/// Once a sync has failed, or a write in a way that leaves the file unknown, everything fails until
/// the file is opened anew. Owner's thread only.
class FileJournal {
 public:
  using Take = std::function<Taken(const JournalLine&)>;
  using Done = std::move_only_function<void(Result<void>)>;
  /// Says in few lines what many say, as kinds and words. Called on a disk thread.
  using Compact = std::function<std::vector<std::string>(const std::vector<JournalLine>&)>;

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
  /// Reads the file, or begins one. Blocks. Errors: damaged; unsupported_version (a line of a later
  /// version); storage.
  static Result<std::unique_ptr<FileJournal>> open(Disk& disk, Options options, const Take& take);
  ~FileJournal() { *is_alive_ = false; }
  FileJournal(const FileJournal&) = delete;
  FileJournal& operator=(const FileJournal&) = delete;

  /// From now on rounds run on disk threads, and what they end with is told in later turns.
  void work_beside() { is_beside_ = true; }

  /// Who may use the space that is reserved ahead.
  enum class Reserve : std::uint8_t { is_kept, may_be_used };
  /// Appends one line; `body` is its kind and words. `done` is called once it is on disk, or
  /// refused: then nothing was appended, unless the journal is broken. Errors: storage.
  void append(std::string body, Reserve reserve, Done done);
  /// Replaces the file by one with the lines that `compact` makes of its lines. On a full disk the
  /// old one goes on. One at a time. Errors: damaged (the file is not what was written), storage.
  void rewrite(Compact compact, Done done);
  /// Calls `idle` once all that was appended has an outcome.
  void when_idle(Task idle);

  /// Asserts the conditions that hold between two calls.
  void check_invariants() const;
  [[nodiscard]] const std::string& path() const { return path_; }
  /// As of the last round.
  [[nodiscard]] std::uint64_t size() const { return at_.size; }
  [[nodiscard]] std::uint64_t lines() const { return at_.lines; }
  /// Whether a line that was refused may be in the file all the same.
  [[nodiscard]] bool is_broken() const { return broken_.has_value(); }
  /// Bytes of a torn write that the start dropped.
  [[nodiscard]] std::uint64_t dropped_bytes() const { return dropped_bytes_; }
  /// The file holds lines of 0.1.0.
  [[nodiscard]] bool has_unnumbered_lines() const { return has_unnumbered_lines_; }

 private:
  struct Line {
    std::string body;
    Reserve reserve;
    Done done;
  };
  /// The file and how far it is written.
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
  std::vector<Task> when_idle_;
  std::shared_ptr<bool> is_alive_ = std::make_shared<bool>(true);
};

}  // namespace dohle::node
