#include "wire/messages/fetch.hpp"

#include <algorithm>

#include "node/serve/handlers/handlers.hpp"

namespace dohle::node {

namespace {

using PartitionData = wire::FetchResponse::PartitionData;

constexpr std::int16_t first_version_with_ids = 13;
constexpr std::int8_t read_committed = 1;
// A longer wait ends here; the client then fetches again.
constexpr auto max_wait = std::chrono::minutes(5);
constexpr std::size_t partitions_of_slice = 64;

/// One fetch request until it is answered. It may look at its partitions several times.
class Fetching final : public WaitingFetch {
 public:
  Fetching(const Call& call, FetchSessions::Begun begun, const wire::FetchRequest& request)
      : access_(call.access),
        responder_(call.responder),
        begun_(std::move(begun)),
        min_bytes_(static_cast<std::size_t>(std::max(0, request.min_bytes))),
        max_bytes_(static_cast<std::size_t>(std::max(0, request.max_bytes))),
        is_committed_(request.isolation_level == read_committed) {}

  std::size_t attempt(bool is_last) override {
    begin_look();
    while (look_at_some()) {
    }
    return end_look(is_last);
  }

  void begin_look() {
    found_.clear();
    bytes_ = 0;
    is_due_ = false;
    next_ = 0;
  }

  /// Reads some more partitions; this may open files of each. Returns whether there are more.
  bool look_at_some() {
    ServedFetchSession& session = *begun_.session;
    const std::size_t end = std::min(session.size(), next_ + partitions_of_slice);
    for (; next_ < end; ++next_) {
      const std::uint32_t place = session.place(next_);
      if (begun_.is_incremental && has_nothing_new(place)) continue;
      found_.push_back({place, read(session.entry(place))});
    }
    return next_ < session.size();
  }

  /// As `attempt`, for the partitions that were read.
  std::size_t end_look(bool is_last) {
    const bool is_enough = is_due_ || begun_.session->size() == 0 || bytes_ >= min_bytes_;
    const std::size_t missing = is_enough ? 0 : min_bytes_ - bytes_;
    if (missing == 0 || is_last) {
      answer();
      return 0;
    }
    // Data is not kept while the fetch waits; the next attempt reads it again. `{}` would keep the
    // capacity.
    found_ = std::vector<Found>();
    return missing;
  }

  [[nodiscard]] Seen seen() const override {
    Seen seen;
    const ServedFetchSession& session = *begun_.session;
    for (std::size_t i = 0; i < session.size(); ++i) {
      const FetchEntry& entry = session.entry(session.place(i));
      if (entry.found == nullptr) continue;
      seen.visible_bytes += entry.found->visible_bytes;
      seen.changes += entry.found->changes;
    }
    return seen;
  }

  [[nodiscard]] std::vector<PartitionRef> partitions() const {
    std::vector<PartitionRef> refs;
    const ServedFetchSession& session = *begun_.session;
    refs.reserve(session.size());
    for (std::size_t i = 0; i < session.size(); ++i) {
      const FetchEntry& entry = session.entry(session.place(i));
      if (entry.found != nullptr) refs.push_back(entry.found);
    }
    return refs;
  }

 private:
  using Told = ServedFetchSession::Told;
  struct Found {
    std::uint32_t place;
    PartitionData data;
  };

  void answer() {
    wire::FetchResponse response;
    response.session_id = begun_.session_id;
    ServedFetchSession& session = *begun_.session;
    std::vector<std::uint32_t> served;
    for (Found& found : found_) {
      if (begun_.is_incremental && !is_news(found)) continue;
      if (session.is_lasting()) {
        session.told(found.place) = told_by(found.data);
        if (!found.data.records->empty()) served.push_back(found.place);
      }
      add(session.topic(session.entry(found.place)), std::move(found.data), response);
    }
    session.move_to_end(served);
    responder_.answer(response);
  }

  /// True for most partitions of a session most of the time. Reading such a partition finds no new
  /// data.
  [[nodiscard]] bool has_nothing_new(std::uint32_t place) const {
    const FetchEntry& entry = begun_.session->entry(place);
    if (entry.found == nullptr || entry.found->is_closed()) return false;
    if (fault_of(&entry.found, entry.current_leader_epoch) != broker_error::none) return false;
    const log::PartitionLog& log = *entry.found->log();
    const Offset visible = is_committed_ ? log.last_stable() : log.high_watermark();
    const Told now{log.high_watermark(), log.log_start()};
    return entry.fetch_offset == visible && begun_.session->told(place) == now;
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
    // The first batch of the first partition that has one may exceed the request's limit: otherwise
    // a large batch could never be read.
    const std::size_t left = max_bytes_ - std::min(max_bytes_, bytes_);
    if (left == 0 && bytes_ > 0) {
      is_due_ = true;
      return data;
    }
    const Offset visible = is_committed_ ? data.last_stable_offset : data.high_watermark;
    auto fetched = log.fetch(entry.fetch_offset, visible,
                             std::min<std::size_t>(left, entry.max_bytes), bytes_ == 0);
    if (!fetched) return failed(std::move(data), wire_code(fetched.error()));
    bytes_ += fetched->bytes.size();
    // A range ends at the end of its segment: then more data exists already, and the fetch does not
    // wait. While a segment is checked there is no data yet, and the fetch waits for the check.
    if (!fetched->bytes.empty() && fetched->next < visible) is_due_ = true;
    data.records = std::move(fetched->bytes);
    return data;
  }

  std::int16_t resolve(FetchEntry& entry) const {
    entry.found.reset();
    const bool by_id = begun_.session->by_id();
    const ServedFetchSession::Topic& named = begun_.session->topic(entry);
    const FoundTopic topic = by_id ? access_.topic(named.id, Operation::read)
                                   : access_.topic(named.name, Operation::read);
    if (!topic) return topic.code;
    const PartitionRef* partition = topic.partition(entry.partition);
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

  [[nodiscard]] bool is_news(const Found& found) const {
    return !found.data.records->empty() || found.data.error_code != broker_error::none ||
           begun_.session->told(found.place) != told_by(found.data);
  }

  static Told told_by(const PartitionData& data) {
    return {data.high_watermark, data.log_start_offset};
  }

  static void add(const ServedFetchSession::Topic& of, PartitionData data,
                  wire::FetchResponse& response) {
    const bool is_same = !response.responses.empty() &&
                         response.responses.back().topic == of.name &&
                         response.responses.back().topic_id == of.id;
    if (!is_same) {
      auto& topic = response.responses.emplace_back();
      topic.topic = of.name;
      topic.topic_id = of.id;
    }
    response.responses.back().partitions.push_back(std::move(data));
  }

  const Access access_;
  const Responder responder_;
  FetchSessions::Begun begun_;
  std::size_t min_bytes_;
  std::size_t max_bytes_;
  bool is_committed_;
  std::vector<Found> found_;
  std::size_t next_ = 0;
  std::size_t bytes_ = 0;
  /// Waiting would not help: there is an error, or more data than one answer takes.
  bool is_due_ = false;
};

}  // namespace

void handle(Call& call, wire::FetchRequest request) {
  const NodeParts& node = call.node;
  const bool by_id = call.version >= first_version_with_ids;
  auto begun = node.fetch_sessions.begin(request, by_id, call.now.mono);
  if (begun.error != broker_error::none) {
    wire::FetchResponse response;
    response.error_code = begun.error;
    return call.responder.answer(response);
  }
  auto fetching = std::make_unique<Fetching>(call, std::move(begun), request);
  fetching->begin_look();
  const auto wait = std::min<Duration>(std::chrono::milliseconds(request.max_wait_ms), max_wait);
  auto go_on = [&node, connection = call.responder.session(), deadline = call.now.mono + wait,
                may_wait = request.max_wait_ms > 0, fetching = std::move(fetching)]() mutable {
    if (fetching->look_at_some()) return Dispatcher::Progress::more;
    FetchWaits& waits = node.fetch_waits;
    const std::size_t missing = fetching->end_look(!may_wait || waits.is_full());
    if (missing > 0) {
      auto partitions = fetching->partitions();
      waits.add(connection, std::move(partitions), missing, deadline, std::move(fetching));
    }
    return Dispatcher::Progress::answered;
  };
  node.dispatcher.go_on(call.responder.session(), std::move(go_on));
}

}  // namespace dohle::node
