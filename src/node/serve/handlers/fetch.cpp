#include "wire/messages/fetch.hpp"

#include <algorithm>

#include "node/serve/handlers/handlers.hpp"

namespace dohle::node {

namespace {

using PartitionData = wire::FetchResponse::PartitionData;

constexpr std::int16_t first_version_with_ids = 13;
constexpr std::int8_t read_committed = 1;
// A client that asks for longer asks again.
constexpr auto max_wait = std::chrono::minutes(5);

/// One fetch request until it is answered: it may look several times.
class Fetching {
 public:
  Fetching(NodeEngine& engine, FetchSessions::Begun begun, const wire::FetchRequest& request)
      : engine_(engine),
        begun_(std::move(begun)),
        min_bytes_(static_cast<std::size_t>(std::max(0, request.min_bytes))),
        max_bytes_(static_cast<std::size_t>(std::max(0, request.max_bytes))),
        is_committed_(request.isolation_level == read_committed) {}

  /// Looks at all partitions. Returns the bytes that are still missing; 0: `answer` is due.
  std::size_t look() {
    found_.clear();
    bytes_ = 0;
    is_due_ = false;
    auto& entries = begun_.session->entries();
    for (auto entry = entries.begin(); entry != entries.end(); ++entry) {
      if (begun_.is_incremental && has_nothing_new(*entry)) continue;
      found_.push_back({entry, read(*entry)});
    }
    const bool is_enough = is_due_ || entries.empty() || bytes_ >= min_bytes_;
    return is_enough ? 0 : min_bytes_ - bytes_;
  }

  wire::FetchResponse answer() {
    wire::FetchResponse response;
    response.session_id = begun_.session_id;
    for (Found& found : found_) {
      if (begun_.is_incremental && !is_news(found)) continue;
      note_told(found);
      add(*found.entry, std::move(found.data), response);
    }
    for (const Found& found : found_) {
      if (found.has_records) begun_.session->move_to_end(found.entry);
    }
    return response;
  }

  /// What was found is looked for again: it is not kept while the fetch waits.
  void forget_found() { found_ = {}; }

  [[nodiscard]] std::vector<PartitionRef> partitions() const {
    std::vector<PartitionRef> refs;
    refs.reserve(begun_.session->entries().size());
    for (const FetchEntry& entry : begun_.session->entries()) {
      if (entry.found != nullptr) refs.push_back(entry.found);
    }
    return refs;
  }

 private:
  struct Found {
    ServedFetchSession::Entries::iterator entry;
    PartitionData data;
    bool has_records = false;
  };

  /// Most partitions of a session most of the time: reading one would find and tell nothing.
  [[nodiscard]] bool has_nothing_new(const FetchEntry& entry) const {
    if (entry.found == nullptr || entry.found->is_closed()) return false;
    if (fault_of(&entry.found, entry.current_leader_epoch) != broker_error::none) return false;
    const log::PartitionLog& log = *entry.found->log();
    const Offset visible = is_committed_ ? log.last_stable() : log.high_watermark();
    return entry.fetch_offset == visible && is_told(entry, log.high_watermark(), log.log_start());
  }

  PartitionData read(FetchEntry& entry) {
    PartitionData data;
    data.partition_index = entry.partition;
    data.records = Chain();
    if (!is_committed_) data.aborted_transactions.reset();
    if (entry.found == nullptr || entry.found->is_closed()) {
      const std::int16_t error = resolve(entry);
      if (error != broker_error::none) return failed(std::move(data), error);
    }
    const std::int16_t fault = fault_of(&entry.found, entry.current_leader_epoch);
    if (fault != broker_error::none) return failed(std::move(data), fault);
    const log::PartitionLog& log = *entry.found->log();
    data.high_watermark = log.high_watermark();
    data.last_stable_offset = log.last_stable();
    data.log_start_offset = log.log_start();
    // The request's limit yields to the first batch of the first partition that has one: otherwise
    // a large batch could never be read.
    const std::size_t left = max_bytes_ - std::min(max_bytes_, bytes_);
    if (left == 0 && bytes_ > 0) {
      is_due_ = true;
      return data;
    }
    const Offset visible = is_committed_ ? data.last_stable_offset : data.high_watermark;
    auto fetched =
        log.fetch(entry.fetch_offset, visible, std::min(left, entry.max_bytes), bytes_ == 0);
    if (!fetched) return failed(std::move(data), wire_code(fetched.error()));
    bytes_ += fetched->bytes.size();
    // A range ends at the end of its segment: more is there already, and nothing to wait for.
    // While a segment is checked there is nothing yet, and the end of the check is waited for.
    if (!fetched->bytes.empty() && fetched->next < visible) is_due_ = true;
    data.records = std::move(fetched->bytes);
    return data;
  }

  std::int16_t resolve(FetchEntry& entry) const {
    entry.found.reset();
    const bool by_id = begun_.session->by_id();
    const Topic* topic =
        by_id ? engine_.topics().find(entry.topic_id) : engine_.topics().find(entry.topic);
    if (topic == nullptr) {
      return by_id ? broker_error::unknown_topic_id : broker_error::unknown_topic_or_partition;
    }
    const PartitionRef* partition = topic->partition(entry.partition);
    if (partition == nullptr) return broker_error::unknown_topic_or_partition;
    entry.found = *partition;
    return broker_error::none;
  }

  PartitionData failed(PartitionData data, std::int16_t code) {
    is_due_ = true;
    data.high_watermark = data.last_stable_offset = data.log_start_offset = Offset{};
    data.error_code = code;
    return data;
  }

  [[nodiscard]] static bool is_news(const Found& found) {
    return !found.data.records->empty() || found.data.error_code != broker_error::none ||
           !is_told(*found.entry, found.data.high_watermark, found.data.log_start_offset);
  }

  static bool is_told(const FetchEntry& entry, Offset high_watermark, Offset log_start) {
    return entry.told_high_watermark == high_watermark && entry.told_log_start == log_start;
  }

  static void note_told(Found& found) {
    found.has_records = !found.data.records->empty();
    found.entry->told_high_watermark = found.data.high_watermark;
    found.entry->told_log_start = found.data.log_start_offset;
  }

  static void add(const FetchEntry& entry, PartitionData data, wire::FetchResponse& response) {
    const bool is_same = !response.responses.empty() &&
                         response.responses.back().topic == entry.topic &&
                         response.responses.back().topic_id == entry.topic_id;
    if (!is_same) {
      auto& topic = response.responses.emplace_back();
      topic.topic = entry.topic;
      topic.topic_id = entry.topic_id;
    }
    response.responses.back().partitions.push_back(std::move(data));
  }

  NodeEngine& engine_;
  FetchSessions::Begun begun_;
  std::size_t min_bytes_;
  std::size_t max_bytes_;
  bool is_committed_;
  std::vector<Found> found_;
  std::size_t bytes_ = 0;
  /// Waiting would not help: there is an error to tell, or more to read than one answer takes.
  bool is_due_ = false;
};

}  // namespace

void handle(Call& call, wire::FetchRequest request) {
  NodeEngine& engine = call.engine;
  const bool by_id = call.version >= first_version_with_ids;
  auto begun = engine.fetch_sessions().begin(request, by_id, call.now.mono);
  if (begun.error != broker_error::none) {
    wire::FetchResponse response;
    response.error_code = begun.error;
    return call.responder.answer(response);
  }
  auto fetching = std::make_unique<Fetching>(engine, std::move(begun), request);
  const std::size_t missing = fetching->look();
  if (missing == 0 || request.max_wait_ms <= 0 || engine.fetch_waits().is_full()) {
    return call.responder.answer(fetching->answer());
  }
  const auto wait = std::min<Duration>(std::chrono::milliseconds(request.max_wait_ms), max_wait);
  auto partitions = fetching->partitions();
  fetching->forget_found();
  engine.fetch_waits().add(
      call.responder.session(), std::move(partitions), missing, call.now.mono + wait,
      [responder = call.responder, fetching = std::move(fetching)](bool is_last) -> std::size_t {
        const std::size_t still_missing = fetching->look();
        if (still_missing > 0 && !is_last) {
          fetching->forget_found();
          return still_missing;
        }
        responder.answer(fetching->answer());
        return 0;
      });
}

}  // namespace dohle::node
