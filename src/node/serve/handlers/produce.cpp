#include "wire/messages/produce.hpp"

#include <algorithm>
#include <limits>
#include <memory>
#include <utility>

#include "node/door/request_faults.hpp"
#include "node/serve/handlers/handlers.hpp"
#include "node/serve/handlers/named_partitions.hpp"
#include "node/serve/handlers/topic_walk.hpp"
#include "node/turn.hpp"
#include "wire/batch.hpp"

namespace dohle::node {

namespace {

using PartitionProduceResponse = wire::ProduceResponse::PartitionProduceResponse;
using TopicProduceData = wire::ProduceRequest::TopicProduceData;

/// A slice also ends with the turn: the first append of each partition makes files.
constexpr std::size_t partitions_of_slice = 16;

constexpr std::int16_t acks_none = 0;
constexpr std::int16_t acks_leader = 1;
constexpr std::int16_t acks_all = -1;
constexpr std::int16_t first_version_with_zstd = 7;
constexpr std::int16_t first_version_with_ids = 13;

Error refused(std::int16_t code, std::string_view why) {
  return Error::broker(code, "produce", why);
}

// The broker error for a client's faulty batch.
Error as_broker_error(const Error& fault) {
  return refused(
      fault.is(Errc::damaged) ? broker_error::corrupt_message : broker_error::invalid_record,
      fault.message());
}

constexpr std::size_t max_expansion = 128;
constexpr std::size_t expansion_lowest = std::size_t{64} << 20,
                      expansion_highest = std::size_t{256} << 20;

// Apache Kafka has no limit on the decompressed size of a batch.
wire::DecompressionLimits decompression_limits(const log::LogConfig& config) {
  const std::size_t most = std::min(config.max_message_bytes, expansion_highest) * max_expansion;
  return {std::clamp(most, expansion_lowest, expansion_highest)};
}

Error wrong_time(Timestamp time, std::int64_t lowest, std::int64_t highest, Timestamp now) {
  return refused(broker_error::invalid_timestamp,
                 "Timestamp " + std::to_string(time.value) +
                     " of a record is out of range. The timestamp should be within [" +
                     std::to_string(lowest) + ", " + std::to_string(highest) +
                     "], from the node's time " + std::to_string(now.value) +
                     " (message.timestamp.before.max.ms and message.timestamp.after.max.ms)");
}

// Under LogAppendTime the producer's times are replaced.
Result<void> check_times(const log::LogConfig& config, const wire::ProducedBatch& batch,
                         Timestamp now) {
  if (config.timestamp_type == log::TimestampType::log_append_time) return {};
  if (batch.is_log_append_time()) {
    return fail(refused(broker_error::invalid_timestamp,
                        "a producer may not send a batch with LogAppendTime"));
  }
  std::int64_t lowest = 0;
  std::int64_t highest = 0;
  if (__builtin_sub_overflow(now.value, config.max_timestamp_before_ms, &lowest)) {
    lowest = std::numeric_limits<std::int64_t>::min();
  }
  if (__builtin_add_overflow(now.value, config.max_timestamp_after_ms, &highest)) {
    highest = std::numeric_limits<std::int64_t>::max();
  }
  if (batch.latest.value > highest) return fail(wrong_time(batch.latest, lowest, highest, now));
  if (!batch.earliest.is_none() && batch.earliest.value < lowest) {
    return fail(wrong_time(batch.earliest, lowest, highest, now));
  }
  return {};
}

std::size_t bytes_of(const wire::ProduceRequest::PartitionProduceData& data) {
  return data.records ? data.records->size() : 0;
}

// A client sends one batch per partition; magic 2 allows no more (KIP-98).
Result<Slice> batch_of(const std::optional<Chain>& records, const log::LogConfig& config) {
  if (!records || records->empty()) {
    return fail(refused(broker_error::invalid_record, "there is no batch"));
  }
  // Checked before any bytes are decompressed.
  if (auto fits = log::check_batch_size(records->size(), config); !fits) return fail(fits.error());
  return records->flatten();
}

using Needed =
    Parts<BatchChecks, Dispatcher, Executor, FetchWaits, Lines, RequestFaults, Sessions, Storage>;

/// One request until it is answered: some partitions in each slice.
class Producing : public std::enable_shared_from_this<Producing> {
 public:
  Producing(const Needed& node, const Call& call, wire::ProduceRequest request)
      : loop_(node.get<Executor>()),
        lines_(node.get<Lines>()),
        sessions_(node.get<Sessions>()),
        dispatcher_(node.get<Dispatcher>()),
        storage_(node.get<Storage>()),
        batch_checks_(node.get<BatchChecks>()),
        fetch_waits_(node.get<FetchWaits>()),
        faults_(node.get<RequestFaults>()),
        access_(call.access),
        responder_(call.responder),
        version_(call.version),
        acks_(request.acks),
        by_id_(call.version >= first_version_with_ids),
        request_(std::move(request)) {}

  Progress go_on() {
    if (!named_.is_complete() && !note_names()) return Progress::more;
    const auto enter = [this](const TopicProduceData& data, bool is_new) {
      if (is_new) add_topic(data);
      const FoundTopic found = access_.topic({by_id_, data.name, data.topic_id}, Operation::write);
      return faults_ == nullptr || !found ? found : unless_refused(found, is_new);
    };
    std::size_t bytes = 0;
    bool is_first = true;
    const auto visit = [&](const FoundTopic& found, const TopicProduceData& data,
                           std::size_t partition) {
      const bool may_end = !std::exchange(is_first, false);
      if (may_end && (bytes >= limits::max_appended_at_once || is_turn_over(loop_))) return false;
      bytes += bytes_of(data.partition_data[partition]);
      produce({walk_.topic(), partition, partitions_.size()}, found, data);
      return true;
    };
    if (walk_.go_on(request_.topic_data, partitions_of_slice, enter, visit)) return Progress::more;
    end_slices();
    return Progress::answered;
  }

 private:
  /// The topic, or why a test refuses its records.
  FoundTopic unless_refused(const FoundTopic& found, bool is_new) {
    if (is_new) refusal_ = faults_->refuses_records(found->name);
    return refusal_ == broker_error::none ? found : FoundTopic{nullptr, refusal_};
  }

  /// A partition's answer: the index of its topic, its own index, and its number over all topics.
  struct Place {
    std::size_t topic;
    std::size_t partition;
    std::size_t number;
  };

  void end_slices() {
    drop(std::move(named_));  // views of the request
    drop(std::move(request_));
    if (--unfinished_ == 0) return finish();
    is_held_ = true;
    if (Session* from = sessions_.find(responder_.session())) from->hold_for_checks();
  }

  /// Notes some more partitions. Returns whether these were the last ones.
  bool note_names() {
    return named_.note_some(
        request_.topic_data,
        [](const TopicProduceData& data) {
          return NamedPartitions::TopicKey(data.name, data.topic_id);
        },
        [](const wire::ProduceRequest::PartitionProduceData& wanted) { return wanted.index; });
  }

  void add_topic(const TopicProduceData& data) {
    auto& topic = response_.responses.emplace_back();
    topic.name = data.name;
    topic.topic_id = data.topic_id;
    // Growing a long list later would move all of it in one event.
    topic.partition_responses.reserve(data.partition_data.size());
  }

  /// Values of large requests take long to destroy.
  template <class Value>
  void drop(Value value) const {
    if (partitions_.size() > limits::max_encoded_at_once)
      drop_beside(dispatcher_, std::move(value));
  }

  PartitionProduceResponse& answer_at(const Place& place) {
    return response_.responses[place.topic].partition_responses[place.partition];
  }

  void produce(const Place& place, const FoundTopic& topic, const TopicProduceData& data) {
    const auto& wanted = data.partition_data[place.partition];
    response_.responses[place.topic].partition_responses.emplace_back().index = wanted.index;
    partitions_.emplace_back();
    if (acks_ < acks_all || acks_ > acks_leader) {
      answer_at(place).error_code = broker_error::invalid_required_acks;
      return;
    }
    if (named_.is_repeated({data.name, data.topic_id}, wanted.index)) {
      return failed(
          place, refused(broker_error::invalid_request, "the request names this partition twice"));
    }
    const PartitionRef* partition = topic.partition(wanted.index);
    if (partition == nullptr) return failed(place, no_such(topic, data));
    if (topic->is_internal) {
      return failed(place, refused(broker_error::invalid_topic_exception,
                                   "only the node writes to " + topic->name));
    }
    if (const Error* fault = (*partition)->fault()) return failed(place, *fault);
    const log::LogConfig& config = (*partition)->log()->config();
    auto batch = batch_of(wanted.records, config);
    if (!batch) return failed(place, batch.error());
    ++unfinished_;
    batch_checks_.check(responder_.session(), *partition, *batch, decompression_limits(config),
                        [self = shared_from_this(), place, partition = *partition,
                         batch = *batch](const Result<wire::ProducedBatch>& checked) {
                          self->checked(place, partition, batch, checked);
                        });
  }

  void checked(const Place& place, const PartitionRef& partition, const Slice& batch,
               const Result<wire::ProducedBatch>& checked) {
    const auto header = header_of(*partition, checked);
    if (!header) return appended(place, partition, fail(header.error()));
    if (batch.size() <= limits::max_written_at_once) {
      return appended(place, partition, storage_.append(partition, batch, *header));
    }
    storage_.append_beside(
        partition, batch, *header,
        [self = shared_from_this(), place, partition](const Result<log::Appended>& outcome) {
          self->appended(place, partition, outcome);
        });
  }

  void appended(const Place& place, const PartitionRef& partition,
                const Result<log::Appended>& outcome) {
    if (outcome) {
      partitions_[place.number] = partition;
      has_appended_ = true;
      PartitionProduceResponse& answer = answer_at(place);
      answer.base_offset = outcome->base_offset;
      answer.log_append_time_ms = outcome->append_time;
      answer.log_start_offset = outcome->log_start;
    } else {
      say_what_the_disk_refuses(*partition, outcome.error());
      failed(place, outcome.error());
    }
    if (--unfinished_ == 0) finish();
  }

  [[nodiscard]] Result<wire::BatchHeader> header_of(
      const Partition& partition, const Result<wire::ProducedBatch>& checked) const {
    if (!checked) return fail(as_broker_error(checked.error()));
    if (const Error* fault = partition.fault()) return fail(*fault);
    if (checked->is_transactional()) {
      return fail(refused(broker_error::invalid_txn_state, "this node has no transactions"));
    }
    if (checked->compression() == wire::Compression::zstd && version_ < first_version_with_zstd) {
      return fail(refused(broker_error::unsupported_compression_type,
                          "zstd needs version 7 of the request"));
    }
    const auto timely = check_times(partition.log()->config(), *checked, loop_.tick().wall);
    if (!timely) return fail(timely.error());
    wire::BatchHeader header = *checked;
    header.max_timestamp = checked->latest;
    return header;
  }

  void say_what_the_disk_refuses(const Partition& partition, const Error& why) const {
    // An offline partition has logged its fault already.
    if (why.category() != ErrorCategory::storage || partition.fault() != nullptr) return;
    const std::int16_t code = wire_code(why);
    lines_.warn_now_and_then("partition " + partition.name() +
                             " refuses records: " + std::string(find_broker_error(code)->name) +
                             " (" + std::to_string(code) + "): " + std::string(why.message()));
  }

  [[nodiscard]] Error no_such(const FoundTopic& topic, const TopicProduceData& data) const {
    return refused(topic ? broker_error::unknown_topic_or_partition : topic.code,
                   by_id_ && !topic ? data.topic_id.to_string() : data.name);
  }

  void failed(const Place& place, const Error& why) {
    PartitionProduceResponse& answer = answer_at(place);
    answer.error_code = wire_code(why);
    answer.error_message = text_of(why);
    if (!first_error_) first_error_ = why;
  }

  // Records that could not be made durable are not acknowledged.
  void note_faults() {
    auto partition = partitions_.begin();
    for (auto& topic : response_.responses) {
      for (PartitionProduceResponse& answer : topic.partition_responses) {
        const PartitionRef& appended = *partition++;
        const Error* fault = appended == nullptr ? nullptr : appended->fault();
        if (fault == nullptr) continue;
        answer.error_code = wire_code(*fault);
        answer.error_message = text_of(*fault);
        answer.base_offset = Offset{};
      }
    }
  }

  void finish() {
    if (is_held_) {
      if (Session* from = sessions_.find(responder_.session())) from->end_hold_for_checks();
    }
    if (acks_ == acks_none) {
      // With acks=0 the client reads no answers: closing is the only signal.
      drop(std::move(response_));
      return first_error_ ? responder_.close(*first_error_) : responder_.no_answer();
    }
    if (!has_appended_) return answer();
    auto answer = [self = shared_from_this()] {
      self->note_faults();
      self->answer();
    };
    FetchWaits& waits = fetch_waits_;
    // With the other durabilities this does not wait for the disk; it notes the answered records.
    const bool waits_for_disk = storage_.durability() == Durability::fsync;
    if (acks_ != acks_all && waits_for_disk) return waits.after_ready(std::move(answer));
    storage_.when_durable(
        [&waits, answer = std::move(answer)]() mutable { waits.after_ready(std::move(answer)); });
  }

  void answer() {
    answer_whenever(dispatcher_, responder_, std::move(response_), partitions_.size());
  }

  Executor& loop_;
  Lines& lines_;
  const Sessions& sessions_;
  Dispatcher& dispatcher_;
  Storage& storage_;
  BatchChecks& batch_checks_;
  FetchWaits& fetch_waits_;
  RequestFaults* const faults_;
  /// The error code of the topic whose partitions are served; none if it is not refused.
  std::int16_t refusal_ = broker_error::none;
  const Access access_;
  const Responder responder_;
  const std::int16_t version_;
  const std::int16_t acks_;
  const bool by_id_;
  /// Empty once all its partitions are served.
  wire::ProduceRequest request_;
  TopicWalk walk_;
  wire::ProduceResponse response_;
  NamedPartitions named_;
  /// The partitions in the order of the answers; null for those that failed.
  std::vector<PartitionRef> partitions_;
  std::size_t unfinished_ = 1;  // counts the slices
  bool is_held_ = false;
  bool has_appended_ = false;
  std::optional<Error> first_error_;
};

}  // namespace

void handle(Call& call, wire::ProduceRequest request) {
  const Needed node = call.node;
  serve_in_slices(node.get<Dispatcher>(), call.responder,
                  std::make_shared<Producing>(node, call, std::move(request)));
}

}  // namespace dohle::node
