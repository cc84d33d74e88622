#include "wire/messages/list_offsets.hpp"

#include <array>
#include <memory>
#include <optional>
#include <utility>

#include "node/serve/handlers/handlers.hpp"
#include "node/serve/handlers/named_partitions.hpp"
#include "node/serve/handlers/topic_walk.hpp"

namespace dohle::node {

namespace {

using ListOffsetsPartition = wire::ListOffsetsRequest::ListOffsetsPartition;
using ListOffsetsPartitionResponse = wire::ListOffsetsResponse::ListOffsetsPartitionResponse;
using OffsetAndTime = log::OffsetAndTime;

// Timestamps that stand for positions (KIP-79, KIP-734, KIP-405, KIP-1005, KIP-1023), and the
// version that added each.
constexpr Timestamp latest{-1}, earliest{-2}, of_max_timestamp{-3}, earliest_local{-4},
    latest_tiered{-5}, earliest_pending_upload{-6};
constexpr std::int16_t first_version_with_epoch = 4;
constexpr std::array<std::int16_t, 7> since_version{0, 0, 0, 7, 8, 9, 11};

bool is_known(Timestamp at, std::int16_t version) {
  if (at.value >= 0) return true;
  return at >= earliest_pending_upload &&
         version >= since_version[static_cast<std::size_t>(-at.value)];
}

using Needed = Parts<Dispatcher, TimeSearches>;

/// One request until it is answered: one partition in each slice. A search by time runs on a disk
/// thread, and the request waits for it.
class Listing : public std::enable_shared_from_this<Listing> {
 public:
  Listing(const Needed& node, const Call& call, wire::ListOffsetsRequest request)
      : dispatcher_(node.get<Dispatcher>()),
        time_searches_(node.get<TimeSearches>()),
        access_(call.access),
        responder_(call.responder),
        request_(std::move(request)) {}

  Progress go_on() {
    if (!named_.is_complete()) {
      note_names();
      return Progress::more;
    }
    bool is_waiting = false;
    const auto visit = [&](const FoundTopic& topic, const auto&, std::size_t) {
      auto found = search_ == nullptr ? look(topic) : look_at_search();
      is_waiting = !found;
      if (found) add(*found);
      return !is_waiting;
    };
    const auto enter = [this](const auto& topic, bool is_new) { return begin(topic.name, is_new); };
    if (walk_.go_on(request_.topics, 1, enter, visit)) {
      return is_waiting ? Progress::waits : Progress::more;
    }
    answer();
    return Progress::answered;
  }

 private:
  void note_names() {
    using Topic = wire::ListOffsetsRequest::ListOffsetsTopic;
    named_.note_some(
        request_.topics,
        [](const Topic& topic) { return NamedPartitions::TopicKey(topic.name, TopicId()); },
        [](const ListOffsetsPartition& wanted) { return wanted.partition_index; });
  }

  FoundTopic begin(const std::string& topic, bool is_new) {
    if (is_new) {
      response_.topics.emplace_back().name = topic;
      ++items_;
    }
    return access_.topic(topic, Operation::describe);
  }

  void answer() {
    if (items_ > limits::max_encoded_at_once) {
      drop_beside(dispatcher_, std::move(named_));  // views of the request
      drop_beside(dispatcher_, std::move(request_));
    }
    answer_beside(dispatcher_, responder_, std::move(response_), items_);
  }

  [[nodiscard]] const ListOffsetsPartition& wanted() const {
    return request_.topics[walk_.topic()].partitions[walk_.partition()];
  }

  void add(const ListOffsetsPartitionResponse& found) {
    response_.topics.back().partitions.push_back(found);
    ++items_;
  }

  [[nodiscard]] ListOffsetsPartitionResponse failed(std::int16_t code) const {
    ListOffsetsPartitionResponse found;
    found.partition_index = wanted().partition_index;
    found.error_code = code;
    return found;
  }

  [[nodiscard]] ListOffsetsPartitionResponse found_at(
      const std::optional<OffsetAndTime>& position) const {
    ListOffsetsPartitionResponse found;
    found.partition_index = wanted().partition_index;
    if (!position) return found;
    found.offset = position->offset;
    found.timestamp = position->timestamp;
    if (responder_.version() >= first_version_with_epoch) {
      found.leader_epoch = position->leader_epoch;
    }
    return found;
  }

  /// None while a search runs.
  std::optional<ListOffsetsPartitionResponse> look(const FoundTopic& topic) {
    const std::string& name = request_.topics[walk_.topic()].name;
    if (named_.is_repeated({name, TopicId()}, wanted().partition_index)) {
      return failed(broker_error::invalid_request);
    }
    if (!topic) return failed(topic.code);
    const PartitionRef* found = topic.partition(wanted().partition_index);
    const std::int16_t fault = fault_of(found, wanted().current_leader_epoch);
    if (fault != broker_error::none) return failed(fault);
    const Timestamp at = wanted().timestamp;
    if (!is_known(at, responder_.version())) return failed(broker_error::unsupported_version);
    const log::PartitionLog& log = *(*found)->log();
    if (at == latest)
      return found_at(OffsetAndTime{log.high_watermark(), Timestamp{}, leader_epoch});
    if (at == earliest || at == earliest_local) {
      return found_at(OffsetAndTime{log.log_start(), Timestamp{}, leader_epoch});
    }
    // The node has no tiered storage.
    if (at == latest_tiered || at == earliest_pending_upload) return found_at(std::nullopt);
    searched_ = *found;
    return search();
  }

  std::optional<ListOffsetsPartitionResponse> search() {
    const Timestamp at = wanted().timestamp;
    if (const Error* fault = searched_->fault()) return failed(wire_code(*fault));
    const bool wants_largest = at == of_max_timestamp;
    auto begun = searched_->log()->search(wants_largest ? std::nullopt : std::optional(at));
    if (!begun) return failed(wire_code(begun.error()));
    search_ = *std::move(begun);
    time_searches_.run(search_, dispatcher_.waker(responder_.session()));
    return std::nullopt;
  }

  /// None if the search has to run again.
  std::optional<ListOffsetsPartitionResponse> look_at_search() {
    const auto search = std::exchange(search_, nullptr);
    if (const Error* fault = searched_->fault()) return failed(wire_code(*fault));
    const log::PartitionLog& log = *searched_->log();
    const auto& position = search->found();
    const bool is_moved = log.log_start() != search->log_start();
    if (!position && position.error().is(Errc::not_found) && is_moved) return this->search();
    if (!position) return failed(wire_code(position.error()));
    // Consumers cannot see records above the high watermark.
    const bool is_visible = *position && (*position)->offset < log.high_watermark();
    return found_at(is_visible ? *position : std::nullopt);
  }

  Dispatcher& dispatcher_;
  TimeSearches& time_searches_;
  const Access access_;
  const Responder responder_;
  wire::ListOffsetsRequest request_;
  wire::ListOffsetsResponse response_;
  NamedPartitions named_;
  TopicWalk walk_;
  /// Topics and partitions in the answer.
  std::size_t items_ = 0;
  PartitionRef searched_;
  std::shared_ptr<log::TimeSearch> search_;
};

}  // namespace

void handle(Call& call, wire::ListOffsetsRequest request) {
  const Needed node = call.node;
  serve_in_slices(node.get<Dispatcher>(), call.responder,
                  std::make_shared<Listing>(node, call, std::move(request)));
}

}  // namespace dohle::node
