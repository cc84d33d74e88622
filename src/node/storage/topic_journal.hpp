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
#include "node/storage/storage.hpp"

namespace dohle::node {

/// Durable state of the node in the single partition of an internal topic. Its records have Apache
/// Kafka's schemas, and their keys begin with a kind. Every unknown kind is optional, as in Apache
/// Kafka (KIP-915); docs/formats.md, "Internal topics". See journal.hpp for the rules of all
/// journals.
///
/// A short log is replayed within `open`. A longer one is replayed in pieces: a disk thread reads
/// and decompresses, and the owner's thread takes records until its turn is over. Owner's thread
/// only.
class TopicJournal {
 public:
  /// Takes a record and returns the result. The bytes live as long as the call. Errors: damaged,
  /// unsupported_version; the journal is then unusable.
  using Take = std::function<Result<Taken>(const JournalRecord&)>;
  using Done = std::move_only_function<void(Result<void>)>;
  /// Adds the next records of a snapshot. False if those were the last. Errors: too_large.
  using Snapshot = std::function<Result<bool>(std::vector<JournalRecord>&)>;
  struct Options {
    /// The topic's name, for log lines and errors.
    std::string topic;
    /// Default: 10,000. Minimum number of superseded records before a rewrite.
    std::uint64_t min_history = 10'000;
    /// Default: limits::max_replayed_at_start. Maximum size of a log, in bytes, that is replayed
    /// within `open`.
    std::size_t max_replayed_at_once = limits::max_replayed_at_start;
    /// Default: none. Called with a log line about an event that no caller waits for.
    std::function<void(std::string_view line)> warn = [](std::string_view) {};
  };

  /// All but the options outlive it.
  TopicJournal(Executor& loop, Disk& disk, Storage& storage, Options options);
  ~TopicJournal();
  TopicJournal(const TopicJournal&) = delete;
  TopicJournal& operator=(const TopicJournal&) = delete;

  /// Replays the records of the partition, then calls `done`, within the call or later. Errors:
  /// damaged, unsupported_version, storage; later appends then fail.
  void open(PartitionRef partition, Take take, Done done);
  /// Ends the replay without calling its `done`. Later appends fail with `why`.
  void stop_replay(Error why);
  /// Opens a topic that was just created, without a replay.
  void open_new(PartitionRef partition) { partition_ = std::move(partition); }
  /// Makes later appends fail with `why`.
  void refuse(Error why) { fault_ = std::move(why); }

  [[nodiscard]] bool is_open() const { return partition_ != nullptr; }
  [[nodiscard]] bool is_replaying() const { return replay_ != nullptr; }
  /// The reason why appends or the replay failed. Null if there is none, also during the replay.
  [[nodiscard]] const Error* fault() const;
  /// Whether an append needs no reads of the log first (PartitionLog::is_prepared). True without a
  /// usable log.
  [[nodiscard]] bool is_prepared() const;
  /// Calls `then` once the log is prepared (PartitionLog::prepare), at once if it is.
  void when_prepared(Task then);
  /// To be called after a check of the partition's log has ended, or the log went offline.
  void on_checked();

  /// Appends records, after owed ones. Errors: storage; too_large (a record).
  Result<void> append(std::span<const JournalRecord> records);
  /// Like `append`, for deletions. If it fails and the journal has no fault, the records are owed:
  /// they are appended before any others. Errors: as append.
  Result<void> append_or_owe(std::vector<JournalRecord> records);
  /// Appends the owed records. Errors: storage; the next call tries again.
  Result<void> append_owed();
  /// Calls `done` once all records appended so far are as durable as the node promises. Errors: the
  /// journal's fault.
  void when_durable(Done done);

  /// Begins a rewrite if most records are history and no rewrite runs. `live`: records that a
  /// snapshot has. If true, the caller calls `rewrite_some` until it returns false.
  bool begin_rewrite_if_due(std::uint64_t live);
  /// Appends the next piece of a snapshot. Other changes may be appended between pieces. False
  /// after the last piece; once that is durable, the log begins with the snapshot. Also false if
  /// the rewrite fails, which is logged.
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
  void prepare();
  void prepared();
  Result<void> append_now(std::span<const JournalRecord> records);
  void give_up_rewrite(const Error& why);
  void end_rewrite();
  void warn(std::string_view what, const Error& why) const;

  Executor& loop_;
  Disk& disk_;
  Storage& storage_;
  Options options_;
  PartitionRef partition_;
  std::optional<Error> fault_;
  std::unique_ptr<Replay> replay_;
  std::vector<Task> when_prepared_;
  bool is_preparing_ = false;
  std::vector<JournalRecord> owed_;
  /// Records in the log, as far as the journal knows.
  std::uint64_t records_ = 0;
  bool is_rewriting_ = false;
  /// Start of the rewritten log, and the number of records that were live then.
  Offset rewritten_from_{};
  std::uint64_t rewritten_live_ = 0;
  TimerId timer_ = 0;
  std::shared_ptr<bool> is_alive_ = std::make_shared<bool>(true);
};

}  // namespace dohle::node
