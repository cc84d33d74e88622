#include "wire/messages/fetch.hpp"

#include <algorithm>
#include <memory>
#include <optional>
#include <utility>
#include <vector>

#include "node/serve/handlers/handlers.hpp"
#include "node/turn.hpp"

namespace dohle::node {

namespace {

using PartitionData = wire::FetchResponse::PartitionData;
using FetchableTopicResponse = wire::FetchResponse::FetchableTopicResponse;

constexpr std::int16_t first_version_with_ids = 13;
constexpr std::int8_t read_committed = 1;
// A longer wait ends here; the client then fetches again.
constexpr auto max_wait = std::chrono::minutes(5);
constexpr std::size_t partitions_of_slice = 64;
/// Topics and partitions that a slice enters into the session.
constexpr std::size_t names_of_slice = 1'000;

/// A list of so many partitions gets its final capacity at once. Growing it further would move all
/// of them in one event.
constexpr std::size_t grown_partitions = 4'096;

/// One fetch request until it is answered. It may look at its partitions several times.
class Fetching final : public WaitingFetch {
 public:
  Fetching(const Executor& loop, Dispatcher& dispatcher, const Storage& storage, Access access,
           const Responder& responder, FetchSessions::Begun begun,
           const wire::FetchRequest& request)
      : loop_(loop),
        dispatcher_(dispatcher),
        storage_(storage),
        access_(std::move(access)),
        responder_(responder),
        begun_(std::move(begun)),
        min_bytes_(static_cast<std::size_t>(std::max(0, request.min_bytes))),
        max_bytes_(static_cast<std::size_t>(std::max(0, request.max_bytes))),
        is_committed_(request.isolation_level == read_committed) {}

  std::optional<std::size_t> attempt(bool is_last) override {
    if (!std::exchange(is_looking_, true)) begin_look();
    while (look_at_some()) {
      if (is_turn_over(loop_)) return std::nullopt;
    }
    is_looking_ = false;
    return end_look(is_last);
  }

  void begin_look() {
    clear();
    bytes_ = 0;
    is_due_ = false;
    next_ = 0;
    looked_at_ = {};
  }

  /// Reads some more partitions, as long as the turn has time: this may open files of each. Returns
  /// whether there are more.
  bool look_at_some() {
    ServedFetchSession& session = *begun_.session;
    const std::size_t end = std::min(session.size(), next_ + partitions_of_slice);
    bool is_over = false;
    for (; next_ < end && !is_over; ++next_) {
      const std::uint32_t place = session.place(next_);
      const FetchEntry& entry = session.entry(place);
      if (begun_.is_incremental && has_nothing_new(place)) {
        count(entry, looked_at_);
        continue;
      }
      PartitionData data = read(session.entry(place));
      count(entry, looked_at_);
      is_over = is_turn_over(loop_);
      if (begun_.is_incremental && !is_news(place, data)) continue;
      add(session.topic(entry), std::move(data));
      places_.push_back(place);
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
    // Data is not kept while the fetch waits; the next attempt reads it again.
    clear();
    return missing;
  }

  [[nodiscard]] Seen seen() const override {
    Seen seen;
    const ServedFetchSession& session = *begun_.session;
    for (std::size_t i = 0; i < session.size(); ++i) count(session.entry(session.place(i)), seen);
    return seen;
  }
  /// As `seen`, but each partition as of when it was read, which may have been in an earlier turn.
  [[nodiscard]] const Seen& looked_at() const { return looked_at_; }

  /// Also computes the sums that `seen` returns.
  [[nodiscard]] std::vector<PartitionRef> partitions(Seen& seen) const {
    std::vector<PartitionRef> refs;
    const ServedFetchSession& session = *begun_.session;
    refs.reserve(session.size());
    for (std::size_t i = 0; i < session.size(); ++i) {
      const FetchEntry& entry = session.entry(session.place(i));
      if (entry.found != nullptr) refs.push_back(entry.found);
      count(entry, seen);
    }
    return refs;
  }

 private:
  using Told = ServedFetchSession::Told;

  static void count(const FetchEntry& entry, Seen& seen) {
    if (entry.found == nullptr) return;
    seen.visible_bytes += entry.found->visible_bytes;
    seen.changes += entry.found->changes;
  }

  void clear() {
    if (places_.size() > limits::max_encoded_at_once) drop_beside(dispatcher_, std::move(topics_));
    topics_ = std::vector<FetchableTopicResponse>();  // `{}` would keep the capacity
    places_ = std::vector<std::uint32_t>();
  }

  void answer() {
    wire::FetchResponse response;
    response.session_id = begun_.session_id;
    if (begun_.session->is_lasting()) note_told();
    response.responses = std::move(topics_);
    answer_whenever(dispatcher_, responder_, std::move(response), places_.size());
  }

  void note_told() {
    ServedFetchSession& session = *begun_.session;
    std::vector<std::uint32_t> served;
    auto place = places_.begin();
    for (const FetchableTopicResponse& topic : topics_) {
      for (const PartitionData& data : topic.partitions) {
        session.told(*place) = told_by(data);
        if (!data.records->empty()) served.push_back(*place);
        ++place;
      }
    }
    session.move_to_end(served);
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
    auto fetched = storage_.fetch(*entry.found, entry.fetch_offset, visible,
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
    const ServedFetchSession::Topic& named = begun_.session->topic(entry);
    const FoundTopic topic =
        access_.topic({begun_.session->by_id(), named.name, named.id}, Operation::read);
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

  [[nodiscard]] bool is_news(std::uint32_t place, const PartitionData& data) const {
    return !data.records->empty() || data.error_code != broker_error::none ||
           begun_.session->told(place) != told_by(data);
  }

  static Told told_by(const PartitionData& data) {
    return {data.high_watermark, data.log_start_offset};
  }

  void add(const ServedFetchSession::Topic& of, PartitionData data) {
    const bool is_same =
        !topics_.empty() && topics_.back().topic == of.name && topics_.back().topic_id == of.id;
    if (!is_same) {
      auto& topic = topics_.emplace_back();
      topic.topic = of.name;
      topic.topic_id = of.id;
    }
    auto& partitions = topics_.back().partitions;
    if (partitions.size() == grown_partitions) {
      partitions.reserve(grown_partitions + begun_.session->size() - next_);
    }
    partitions.push_back(std::move(data));
  }

  const Executor& loop_;
  Dispatcher& dispatcher_;
  const Storage& storage_;
  const Access access_;
  const Responder responder_;
  FetchSessions::Begun begun_;
  std::size_t min_bytes_;
  std::size_t max_bytes_;
  bool is_committed_;
  /// The answer's data, and the place of each of its partitions in the session.
  std::vector<FetchableTopicResponse> topics_;
  std::vector<std::uint32_t> places_;
  std::size_t next_ = 0;
  std::size_t bytes_ = 0;
  Seen looked_at_;
  /// Waiting would not help: there is an error, or more data than one answer takes.
  bool is_due_ = false;
  /// An attempt goes on in a later turn.
  bool is_looking_ = false;
};

using Needed = Parts<Dispatcher, Executor, FetchSessions, FetchWaits, Storage>;

/// One request until it is answered or waits.
class Beginning {
 public:
  Beginning(const Needed& node, const Call& call, wire::FetchRequest request)
      : loop_(node.get<Executor>()),
        dispatcher_(node.get<Dispatcher>()),
        fetch_waits_(node.get<FetchWaits>()),
        fetch_sessions_(node.get<FetchSessions>()),
        storage_(node.get<Storage>()),
        access_(call.access),
        responder_(call.responder),
        now_(call.now.mono),
        request_(std::move(request)),
        begun_(node.get<FetchSessions>().open(request_, call.version >= first_version_with_ids)) {}

  Progress go_on() {
    if (fetching_ == nullptr && !enter_some()) return Progress::more;
    if (begun_.begun.error != broker_error::none) {
      refuse();
      return Progress::answered;
    }
    if (fetching_->look_at_some()) return Progress::more;
    FetchWaits& waits = fetch_waits_;
    const bool may_wait = request_.max_wait_ms > 0 && !waits.is_full();
    const std::size_t missing = fetching_->end_look(!may_wait);
    if (missing > 0) {
      WaitingFetch::Seen seen;
      auto partitions = fetching_->partitions(seen);
      const bool is_outdated = seen != fetching_->looked_at();
      const auto wait =
          std::min<Duration>(std::chrono::milliseconds(request_.max_wait_ms), max_wait);
      waits.add(responder_.session(), std::move(partitions), missing, now_ + wait,
                std::move(fetching_), is_outdated);
    }
    return Progress::answered;
  }

 private:
  /// Enters some partitions into the session. Returns whether these were the last ones.
  bool enter_some() {
    FetchSessions& sessions = fetch_sessions_;
    if (sessions.enter_some(begun_, request_, names_of_slice, now_)) return false;
    if (begun_.begun.error != broker_error::none) return true;
    fetching_ = std::make_unique<Fetching>(loop_, dispatcher_, storage_, access_, responder_,
                                           std::move(begun_.begun), request_);
    fetching_->begin_look();
    return true;
  }

  void refuse() const {
    wire::FetchResponse response;
    response.error_code = begun_.begun.error;
    responder_.answer(response);
  }

  const Executor& loop_;
  Dispatcher& dispatcher_;
  FetchWaits& fetch_waits_;
  FetchSessions& fetch_sessions_;
  const Storage& storage_;
  const Access access_;
  const Responder responder_;
  const TimePoint now_;
  wire::FetchRequest request_;
  FetchSessions::Beginning begun_;
  std::unique_ptr<Fetching> fetching_;
};

}  // namespace

void handle(Call& call, wire::FetchRequest request) {
  const Needed node = call.node;
  serve_in_slices(node.get<Dispatcher>(), call.responder,
                  std::make_unique<Beginning>(node, call, std::move(request)));
}

}  // namespace dohle::node
