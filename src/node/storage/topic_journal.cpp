#include "node/storage/topic_journal.hpp"

#include <algorithm>
#include <utility>

#include "base/assert.hpp"
#include "base/budget.hpp"
#include "base/units.hpp"
#include "node/turn.hpp"
#include "wire/batch_builder.hpp"
#include "wire/versioned.hpp"

namespace dohle::node {

namespace {

constexpr std::size_t max_batch_bytes = 1_MiB;
// A single record may be larger: that of a group holds data of all its members.
constexpr std::size_t record_bytes_limit = 60_MiB;
constexpr std::size_t read_bytes = 1_MiB;
/// Records that are taken between two checks of the turn's time.
constexpr std::size_t taken_at_once = 64;

Record record_of(const JournalRecord& from) {
  Record record;
  record.key = from.key.bytes();
  if (from.value) record.value = from.value->bytes();
  return record;
}

/// Appends as many records as `builder` accepts, and returns their number.
Result<std::size_t> fill(wire::BatchBuilder& builder, std::span<const JournalRecord> records,
                         Timestamp now) {
  std::size_t count = 0;
  while (count < records.size()) {
    const auto appended = builder.append(record_of(records[count]), now);
    if (appended == wire::BatchBuilder::Appended::no_memory) {
      return fail(Error::client(Errc::too_large, "a record of an internal topic"));
    }
    if (appended != wire::BatchBuilder::Appended::ok) break;
    ++count;
  }
  return count;
}

}  // namespace

/// Whole batches of the log, and their records, which a disk thread reads.
struct TopicJournal::Piece {
  Chain bytes;
  /// Memory that `records` refer to.
  std::vector<Slice> kept = {};
  std::vector<JournalRecord> records = {};
  /// Offset of the first batch, and the offset after the last one.
  Offset first = {};
  Offset next = {};
  std::size_t keyless = 0;
  Result<void> outcome = {};

  void read() { outcome = read_batches(); }

 private:
  Result<void> read_batches() {
    auto flat = bytes.flatten();
    if (!flat) return fail(flat.error());
    bytes = {};
    for (std::size_t at = 0; at < flat->size();) {
      auto header = wire::read_batch_header(flat->bytes().subspan(at));
      if (!header) return fail(header.error());
      if (at == 0) first = header->base_offset;
      auto reader = wire::BatchReader::open(flat->sub(at, header->size()));
      if (!reader) return fail(reader.error());
      kept.push_back(reader->records());
      for (RecordView record; reader->next(record);) take(record);
      if (const Error* fault = reader->fault()) return fail(*fault);
      next = header->next_offset();
      at += header->size();
    }
    return {};
  }

  void take(const RecordView& record) {
    if (!record.key) return void(++keyless);
    records.push_back(
        {Slice::borrowed(*record.key),
         record.value ? std::optional(Slice::borrowed(*record.value)) : std::nullopt});
  }
};

struct TopicJournal::Replay {
  Take take;
  Done done;
  Offset next;
  Offset end;
  std::shared_ptr<Piece> piece = {};
  /// Index of the next record in the piece.
  std::size_t at = 0;
  bool waits_for_check = false;
  /// Number of records of unknown kinds, and one of those kinds.
  std::uint64_t skipped = 0;
  std::int16_t skipped_kind = 0;
};

TopicJournal::TopicJournal(Executor& loop, Disk& disk, Storage& storage, Options options)
    : loop_(loop), disk_(disk), storage_(storage), options_(std::move(options)) {}

TopicJournal::~TopicJournal() {
  *is_alive_ = false;
  loop_.cancel(timer_);
}

const Error* TopicJournal::offline() const {
  return partition_ == nullptr ? nullptr : partition_->fault();
}

const Error* TopicJournal::fault() const {
  return fault_ ? &*fault_ : offline();
}

void TopicJournal::warn(std::string_view what, const Error& why) const {
  options_.warn(name() + " " + std::string(what) + ": " + std::string(why.message()));
}

// --- replay

void TopicJournal::open(PartitionRef partition, Take take, Done done) {
  partition_ = std::move(partition);
  replay_ = std::make_unique<Replay>(Replay{std::move(take), std::move(done), {}, {}});
  if (const Error* why = offline()) return end_replay(fail(*why));
  const log::PartitionLog& log = *partition_->log();
  replay_->next = log.log_start();
  replay_->end = log.end();
  if (log.size_bytes() <= options_.max_replayed_at_once) return end_replay(replay_now());
  read_piece();
}

Result<void> TopicJournal::replay_now() {
  const log::PartitionLog& log = *partition_->log();
  while (replay_->next < replay_->end) {
    auto bytes = log.read(replay_->next, replay_->end, read_bytes, true);
    if (!bytes) return fail(bytes.error());
    if (bytes->empty()) break;
    Piece piece{*std::move(bytes)};
    piece.read();
    if (!piece.outcome) return piece.outcome;
    if (auto taken = take(piece, 0, piece.records.size()); !taken) return taken;
    records_ += piece.keyless;
    replay_->next = piece.next;
  }
  return {};
}

// Looks up the next batches, as a fetch does. A disk thread reads and decompresses them.
void TopicJournal::read_piece() {
  if (const Error* why = offline()) return end_replay(fail(*why));
  replay_->waits_for_check = false;
  while (replay_->next < replay_->end) {
    auto found = partition_->log()->fetch(replay_->next, replay_->end, read_bytes, true);
    if (!found) return end_replay(fail(found.error()));
    if (found->is_being_checked) {
      replay_->waits_for_check = true;
      return;
    }
    const bool goes_on = found->next > replay_->next;
    replay_->next = found->next;
    if (found->bytes.empty() && goes_on) continue;
    if (found->bytes.empty()) break;
    auto piece = std::make_shared<Piece>(Piece{std::move(found->bytes)});
    return disk_.run([piece] { piece->read(); },
                     [this, piece, alive = is_alive_] {
                       if (!*alive || replay_ == nullptr) return;
                       replay_->piece = piece;
                       replay_->at = 0;
                       take_some();
                     });
  }
  end_replay({});
}

void TopicJournal::on_checked() {
  if (replay_ != nullptr && replay_->waits_for_check) read_piece();
}

void TopicJournal::take_some() {
  const std::shared_ptr<Piece> piece = replay_->piece;
  if (!piece->outcome) return end_replay(piece->outcome);
  while (replay_->at < piece->records.size()) {
    const std::size_t to = std::min(replay_->at + taken_at_once, piece->records.size());
    if (auto taken = take(*piece, replay_->at, to); !taken) return end_replay(std::move(taken));
    replay_->at = to;
    if (!is_turn_over(loop_)) continue;
    timer_ = loop_.arm(loop_.tick().mono, [this] {
      timer_ = 0;
      take_some();
    });
    return;
  }
  records_ += piece->keyless;
  read_piece();
}

Result<void> TopicJournal::take(const Piece& piece, std::size_t from, std::size_t to) {
  for (std::size_t i = from; i < to; ++i) {
    auto taken = replay_->take(piece.records[i]);
    ++records_;
    if (taken && *taken == Taken::taken) continue;
    std::string where = name() + ": a record after offset " + std::to_string(piece.first.value);
    if (!taken) return fail(taken.error().within(where));
    const std::int16_t kind = wire::peek_version(piece.records[i].key).value_or(0);
    ++replay_->skipped;
    replay_->skipped_kind = kind;
    const std::string number = std::to_string(kind);
    const JournalPlace place{std::move(where), number, "", true};
    if (auto judged = judge(*taken, place, "restore it from a copy"); !judged) return judged;
  }
  return {};
}

void TopicJournal::stop_replay(Error why) {
  if (replay_ == nullptr) return;
  fault_ = std::move(why);
  loop_.cancel(std::exchange(timer_, 0));
  replay_.reset();
}

void TopicJournal::end_replay(Result<void> outcome) {
  const std::unique_ptr<Replay> ended = std::exchange(replay_, nullptr);
  if (!outcome) fault_ = outcome.error();
  if (ended->skipped > 0) {
    options_.warn(name() + ": " + std::to_string(ended->skipped) +
                  " records are skipped, of kinds " + "that Dohle " +
                  std::string(journal_version()) + " does not know (such as " +
                  std::to_string(ended->skipped_kind) + "): a later version wrote them");
  }
  ended->done(std::move(outcome));
  if (is_prepared()) return prepared();
  prepare();
}

// --- appending

bool TopicJournal::is_prepared() const {
  return partition_ == nullptr || offline() != nullptr || partition_->log()->is_prepared();
}

void TopicJournal::when_prepared(Task then) {
  if (is_prepared()) return then();
  when_prepared_.push_back(std::move(then));
  if (!is_replaying()) prepare();
}

// Called again if the last attempt failed because the disk was full.
void TopicJournal::prepare() {
  if (std::exchange(is_preparing_, true)) return;
  partition_->log()->prepare([this, alive = is_alive_] {
    if (!*alive) return;
    is_preparing_ = false;
    prepared();
  });
}

void TopicJournal::prepared() {
  for (Task& then : std::exchange(when_prepared_, {})) then();
}

Result<void> TopicJournal::append(std::span<const JournalRecord> records) {
  if (records.empty()) return {};
  DOHLE_ASSERT(!is_replaying(), "records are appended before the replay has ended");
  if (const Error* why = fault()) return fail(*why);
  if (auto owed = append_owed(); !owed) return owed;
  return append_now(records);
}

Result<void> TopicJournal::append_or_owe(std::vector<JournalRecord> records) {
  auto appended = append(records);
  const bool may_come_back = !appended && is_open() && fault() == nullptr;
  if (!may_come_back) return appended;
  owed_.insert(owed_.end(), std::make_move_iterator(records.begin()),
               std::make_move_iterator(records.end()));
  return appended;
}

Result<void> TopicJournal::append_owed() {
  if (owed_.empty()) return {};
  auto appended = append_now(owed_);
  if (appended) owed_.clear();
  return appended;
}

Result<void> TopicJournal::append_now(std::span<const JournalRecord> records) {
  DOHLE_ASSERT(partition_ != nullptr, "records are appended to a topic that is not made");
  if (const Error* why = offline()) return fail(*why);
  const Now now = loop_.tick();
  while (!records.empty()) {
    Budget budget(record_bytes_limit);
    wire::BatchBuilder builder(budget, max_batch_bytes);
    auto count = fill(builder, records, now.wall);
    if (!count) return fail(count.error().within(name()));
    auto batch = builder.seal({}).flatten();
    if (!batch) return fail(batch.error());
    auto header = wire::read_batch_header(batch->bytes());
    if (!header) return fail(header.error());
    auto appended = storage_.append(partition_, *batch, *header);
    if (!appended) return fail(appended.error());
    records_ += *count;
    records = records.subspan(*count);
  }
  return {};
}

void TopicJournal::when_durable(Done done) {
  storage_.when_durable([this, done = std::move(done)]() mutable {
    const Error* why = fault();
    done(why == nullptr ? Result<void>() : Result<void>(fail(*why)));
  });
}

// --- rewriting

// Live records are appended again, and the log then begins with them.
bool TopicJournal::begin_rewrite_if_due(std::uint64_t live) {
  if (is_rewriting_ || !is_open() || fault() != nullptr) return false;
  if (!is_mostly_history(records_, live, options_.min_history)) return false;
  is_rewriting_ = true;
  rewritten_from_ = partition_->log()->end();
  rewritten_live_ = live;
  records_ = 0;
  return true;
}

bool TopicJournal::rewrite_some(const Snapshot& snapshot) {
  std::vector<JournalRecord> records;
  auto has_more = snapshot(records);
  Result<void> appended = has_more ? append(records) : Result<void>(fail(has_more.error()));
  if (!appended) {
    give_up_rewrite(appended.error());
    return false;
  }
  if (!*has_more) end_rewrite();
  return *has_more;
}

void TopicJournal::give_up_rewrite(const Error& why) {
  is_rewriting_ = false;
  records_ += rewritten_live_;
  warn("cannot be rewritten", why);
}

void TopicJournal::end_rewrite() {
  storage_.when_synced([this, begin = rewritten_from_] {
    is_rewriting_ = false;
    if (fault() != nullptr) return;
    auto cut = partition_->log()->set_log_start(begin);
    if (!cut) warn("keeps its old records", cut.error());
  });
}

}  // namespace dohle::node
