#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/disk.hpp"
#include "base/executor.hpp"
#include "dohle/error.hpp"
#include "node/journal/journal.hpp"
#include "node/limits.hpp"
#include "node/storage/partition.hpp"
#include "node/storage/syncing.hpp"

namespace dohle::node {

/// Durable state of the node in the one partition of an internal topic: records of Apache Kafka's
/// schemas, whose keys begin with a kind. Every unknown kind is optional, as in Apache Kafka
/// (KIP-915); docs/formats.md, "Internal topics". See journal.hpp for what journals share.
///
/// A short log is replayed in the call of `open`, a longer one in pieces: a disk thread reads and
/// decompresses, the owner's thread takes records while its turn has time. Owner's thread only.
class TopicJournal {
 public:
  /// Says what a record meant. Its bytes live as long as the call. Errors: damaged,
  /// unsupported_version; the journal is then unusable.
  using Take = std::function<Result<Taken>(const JournalRecord&)>;
  using Done = std::move_only_function<void(Result<void>)>;
  /// Adds the next records of a snapshot. False: those were the last ones. Errors: too_large.
  using Snapshot = std::function<Result<bool>(std::vector<JournalRecord>&)>;
  /// Appends a batch to the partition and has it synced, as Storage::append.
  using Append = std::function<Result<log::Appended>(const PartitionRef&, const Slice& batch,
                                                     const wire::BatchHeader&)>;

  struct Options {
    /// For lines and errors.
    std::string topic;
    /// Superseded records that a rewrite is worth.
    std::uint64_t min_history = 10'000;
    /// A log of at most so many bytes is replayed in the call of `open`.
    std::size_t max_replayed_at_once = limits::max_replayed_at_start;
    /// Gets a line about what no caller waits for.
    std::function<void(std::string_view line)> warn = [](std::string_view) {};
  };

  /// `loop`, `disk` and `syncing` outlive it.
  TopicJournal(Executor& loop, Disk& disk, Syncing& syncing, Append append, Options options);
  ~TopicJournal();
  TopicJournal(const TopicJournal&) = delete;
  TopicJournal& operator=(const TopicJournal&) = delete;

  /// Replays what the partition holds, then calls `done`, within the call or later. Errors:
  /// damaged, unsupported_version, storage; nothing can be appended then.
  void open(PartitionRef partition, Take take, Done done);
  /// Gives the replay up, so that nothing can be appended; its `done` is not called.
  void stop_replay(Error why);
  /// The topic was made now: there is nothing to replay.
  void open_new(PartitionRef partition) { partition_ = std::move(partition); }
  /// Why nothing can be appended.
  void refuse(Error why) { fault_ = std::move(why); }

  [[nodiscard]] bool is_open() const { return partition_ != nullptr; }
  [[nodiscard]] bool is_replaying() const { return replay_ != nullptr; }
  /// Why nothing can be appended or was replayed; null: it can. Also while it is being replayed.
  [[nodiscard]] const Error* fault() const;
  /// Appends read nothing of what a clean stop left.
  [[nodiscard]] bool is_prepared() const;
  /// Calls `then` once appends find their log prepared (PartitionLog::prepare), or at once.
  void when_prepared(Task then);
  /// A check of the partition's log has ended, or the log is offline.
  void on_checked();

  /// Appends records, behind owed ones. Errors: storage; too_large (a record).
  Result<void> append(std::span<const JournalRecord> records);
  /// The same for deletions. What cannot be appended now is kept, and appended before anything
  /// else. Errors: as append, which say that it is owed.
  Result<void> append_or_owe(std::vector<JournalRecord> records);
  /// Errors: storage; the next call tries again.
  Result<void> append_owed();
  /// Calls `done` once what was appended so far is as durable as the node promises. Errors: the
  /// journal's fault.
  void when_durable(Done done);

  /// Begins a rewrite if most records are history and none is under way. `live`: records that a
  /// snapshot would have. True: `rewrite_some` follows until it returns false.
  bool begin_rewrite_if_due(std::uint64_t live);
  /// Appends the next piece of a snapshot. What changes meanwhile is appended beside it. False:
  /// that was the last piece, and the log begins with the snapshot once that is durable; or it is
  /// given up, with a line.
  bool rewrite_some(const Snapshot& snapshot);

 private:
  struct Piece;
  struct Replay;

  [[nodiscard]] std::string name() const { return options_.topic; }
  [[nodiscard]] const Error* offline() const;
  void read_piece();
  void take_some();
  Result<void> replay_now();
  Result<void> take(const Piece& piece, std::size_t from, std::size_t to);
  void end_replay(Result<void> outcome);
  void prepared();
  Result<void> append_now(std::span<const JournalRecord> records);
  void give_up_rewrite(const Error& why);
  void end_rewrite();
  void warn(std::string_view what, const Error& why) const;

  Executor& loop_;
  Disk& disk_;
  Syncing& syncing_;
  Append append_;
  Options options_;
  PartitionRef partition_;
  std::optional<Error> fault_;
  std::unique_ptr<Replay> replay_;
  std::vector<Task> when_prepared_;
  std::vector<JournalRecord> owed_;
  /// In the log, as far as the journal knows.
  std::uint64_t records_ = 0;
  bool is_rewriting_ = false;
  /// Where the rewritten log begins, and how many records were live then.
  Offset rewritten_from_{};
  std::uint64_t rewritten_live_ = 0;
  TimerId timer_ = 0;
  std::shared_ptr<bool> is_alive_ = std::make_shared<bool>(true);
};

}  // namespace dohle::node
