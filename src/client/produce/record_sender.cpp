#include "client/produce/record_sender.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <limits>
#include <utility>

#include "base/assert.hpp"
#include "base/broker_errors.hpp"
#include "base/topic_name.hpp"
#include "wire/compression.hpp"
#include "wire/messages/init_producer_id.hpp"

namespace dohle::client {

namespace {

/// Minimum size of a request that is sent while another one is in flight.
constexpr std::size_t full_request_bytes = std::size_t{256} << 10;
/// Minimum free space before a waiting caller is woken.
constexpr std::size_t room_piece_bytes = std::size_t{2} << 20;
/// Up to this many bytes in use, the buffer is sent from the CPU's cache.
std::size_t cold_from(std::size_t buffer_bytes) {
  return std::max(buffer_bytes / 4, std::size_t{8} << 20);
}
/// Maximum number of batches of one partition that are compressed at once.
constexpr std::size_t max_staged = 4;

/// Due records without an outcome for this long are logged, and again after stall_quiet.
constexpr Duration stall_patience = std::chrono::seconds(5);
constexpr Duration stall_quiet = std::chrono::minutes(1);

/// Minimum time between two searches for expired batches, since a backlog expires batch by batch.
Duration sweep_gap(const ProducerOptions& options) {
  return std::clamp<Duration>(options.delivery_timeout / 20, std::chrono::milliseconds(1),
                              std::chrono::milliseconds(500));
}

/// An answer to a producer has a few bytes per partition. One above max_response_bytes is treated
/// as broken and the request is retried.
Error broken_if_too_large(const Error& why) {
  return why.is(Errc::too_large) ? why.with_retriable(true) : why;
}

std::uint64_t next_topic_serial() {
  static std::atomic<std::uint64_t> serial{0};
  return ++serial;
}

/// Maximum bytes of a request besides its batches: header and fields without the client id; per
/// batch the fields of its topic and partition without the topic's name.
constexpr std::size_t request_framing_bytes = 64;
constexpr std::size_t batch_framing_bytes = 64;

/// The largest batch that fits into a request of its own for any topic name.
std::size_t max_lone_bytes(const ProducerOptions& options, std::size_t client_id_bytes) {
  return options.max_request_bytes - request_framing_bytes - client_id_bytes - batch_framing_bytes -
         max_topic_name_bytes;
}

client::PartitionQueue::Settings settings_of(const ProducerOptions& options,
                                             std::size_t client_id_bytes) {
  using Checksum = wire::BatchBuilder::Checksum;
  const bool compresses = options.compression != CompressionCodec::none;
  const std::size_t most = max_lone_bytes(options, client_id_bytes);
  return {std::min(options.batch_bytes, most), most, options.batch_records.value_or(0),
          std::chrono::duration_cast<Duration>(options.linger),
          compresses ? Checksum::at_seal : Checksum::while_appending};
}

wire::Compression codec_of(const ProducerOptions& options) {
  return static_cast<wire::Compression>(options.compression);
}

}  // namespace

IntakeTopic::IntakeTopic(std::string name_, std::uint64_t serial_,
                         std::shared_ptr<Partitioner::Memory> choices_,
                         const ProducedCounters& counters_)
    : name(std::move(name_)), serial(serial_), choices(std::move(choices_)), counters(counters_) {}
IntakeTopic::~IntakeTopic() = default;

IntakeTopic::Partition::Partition(RecordSender& owner_, IntakeTopic& topic_, PartitionId id_)
    : owner(owner_),
      topic(topic_),
      id(id_),
      queue(owner_.budget, owner_.queue_settings, owner_.client().environment(),
            owner_.weak_from_this(), topic_.name, topic_.serial, id_),
      sender(*this, partition_name(topic_.name, id_), owner_.options.retries),
      retries(owner_.cluster().retry_backoff()) {}

void IntakeTopic::Partition::on_outcome(const client::SealedBatch& batch,
                                        const client::Outcome::Part& outcome) {
  owner.count_outcome(*this, batch, outcome);
  owner.tell_of_batch(*this, batch, outcome);
}

void IntakeTopic::Partition::on_settled(client::SealedBatch& batch,
                                        const std::optional<Error>& why) {
  owner.on_settled(*this, batch, why);
}

void IntakeTopic::Partition::on_too_large(std::uint64_t order, Chain batch) {
  owner.split(*this, order, std::move(batch));
}

void IntakeTopic::Partition::on_thrown() {
  owner.say_threw("a delivery callback");
}

RecordSender::RecordSender(std::shared_ptr<Client::Shared> client, ProducerOptions options_,
                           std::shared_ptr<ProducerGroup> group, UntakenHandler on_untaken)
    : options(options_),
      queue_settings(
          settings_of(options_, client->cluster().options().link.protocol.client_id.size())),
      budget(group ? Budget(group->memory) : Budget(options_.buffer_bytes)),
      client_(std::move(client)),
      group_(std::move(group)),
      on_untaken_(std::move(on_untaken)),
      identity_retry_(cluster()) {
  const std::size_t whole = budget.limit();
  budget.on_room([room = room] { room->on_room(); }, std::min(room_piece_bytes, whole / 4),
                 whole - std::min(whole, cold_from(whole)) / 2);
}

RecordSender::~RecordSender() = default;

bool RecordSender::is_filling_up() const {
  return budget.used() > cold_from(budget.limit());
}

void RecordSender::start() {
  if (group_) group_->join(weak_from_this());
  observer_ = cluster().observe([weak = weak_from_this()] {
    // Settled records may end a close, and with it the last reference to the sender.
    const auto self = weak.lock();
    if (!self) return;
    self->refresh_leaders();
    self->pump_all();
    self->ask_identity_sooner();
    self->ask_another_for_identity();
  });
  client_->environment().metrics->registry.attach(weak_from_this());
  if (options.idempotence) ask_identity();
}

void RecordSender::collect(telemetry::Collection& into) {
  into.add(ClientMetrics::buffer_bytes, MetricKind::gauge, {}, static_cast<double>(budget.used()));
}

// Identity.

void RecordSender::ask_identity() {
  const bool is_under_way =
      identity_state_ == Identity::asking || identity_state_ == Identity::waiting;
  if (is_under_way || is_stopped_) return;
  identity_state_ = Identity::asking;
  ask_identity_of(cluster().any_node());
}

// The first answer counts; an unused producer id does no harm.
void RecordSender::ask_another_for_identity() {
  if (identity_state_ != Identity::asking || is_stopped_) return;
  if (!cluster().owes_answer(identity_asked_of_)) return;
  const NodeId another = cluster().any_node();
  if (!cluster().owes_answer(another)) ask_identity_of(another);
}

void RecordSender::ask_identity_later() {
  identity_timer_ = client_->loop().arm(identity_retry_.at(), [weak = weak_from_this()] {
    const auto self = weak.lock();
    if (!self) return;
    self->identity_timer_ = 0;
    self->identity_state_ = Identity::none;
    self->ask_identity();
  });
}

// A server was reached since the last attempt failed.
void RecordSender::ask_identity_sooner() {
  if (identity_timer_ == 0 || !identity_retry_.hasten(cluster())) return;
  client_->loop().cancel(identity_timer_);
  ask_identity_later();
}

void RecordSender::ask_identity_of(NodeId node) {
  identity_asked_of_ = node;
  const std::uint64_t question = ++identity_question_;
  wire::InitProducerIdRequest request;
  request.transactional_id.reset();
  // There is no transaction, but servers require a timeout.
  request.transaction_timeout_ms = INT32_MAX;
  cluster().ask<wire::InitProducerIdRequest>(
      node, client::ConnectionLane::general, std::move(request),
      [weak = weak_from_this(), question,
       server = cluster().name_of(node)](Result<wire::InitProducerIdResponse> answer) {
        const auto self = weak.lock();
        if (!self || self->identity_state_ != Identity::asking) return;
        // The request to another server is still under way.
        if (!answer && question != self->identity_question_) return;
        self->on_identity(server, std::move(answer));
      });
}

void RecordSender::on_identity(std::string_view server,
                               Result<wire::InitProducerIdResponse> answer) {
  if (is_stopped_) return;
  identity_state_ = Identity::none;
  if (answer && answer->error_code != broker_error::none) {
    answer =
        fail(Error::broker(answer->error_code, fmt::format("ask {} for a producer id", server)));
  }
  if (!answer) answer = fail(broken_if_too_large(answer.error()));
  // A new id is requested only once all epochs of the last one are used.
  if (answer && answer->producer_id == identity_.id) {
    answer = fail(Error::client(Errc::malformed, fmt::format("{} assigned producer id {} again",
                                                             server, identity_.id.value))
                      .with_retriable(true));
  }
  if (!answer) {
    identity_failure_ = answer.error();
    if (!answer.error().is_retriable()) {
      for (Partition* partition : std::vector(active_)) {
        fail_queued(*partition, answer.error(), never);
      }
      deactivate_idle();
    }
    identity_state_ = Identity::waiting;
    identity_retry_.on_failure(cluster());
    ask_identity_later();
    return;
  }
  identity_retry_.on_success();
  identity_failure_.reset();
  identity_state_ = Identity::known;
  identity_ = {answer->producer_id, answer->producer_epoch};
  for (const auto& [name, topic] : topics_) {
    for (const auto& partition : topic->partitions_) partition->sender.offer(identity_);
  }
  pump_all();
}

// Topics.

std::shared_ptr<IntakeTopic> RecordSender::known_topic(std::string_view name) {
  if (const auto found = topics_.find(name); found != topics_.end()) return found->second;
  const client::TopicView* view = cluster().view().topic(name);
  if (view == nullptr || view->partitions.empty()) return nullptr;
  return make_topic(std::string(name));
}

client::Cluster::WaitId RecordSender::find_topic(std::string_view name, TimePoint deadline,
                                                 TopicFound then) {
  if (const auto found = topics_.find(name); found != topics_.end()) {
    then(found->second);
    return 0;
  }
  return cluster().when_topic(name, options.allow_auto_create_topics, deadline,
                              [self = shared_from_this(), topic = std::string(name),
                               then = std::move(then)](Result<void> outcome) mutable {
                                if (!outcome) return then(fail(outcome.error()));
                                then(self->make_topic(topic));
                              });
}

std::shared_ptr<IntakeTopic> RecordSender::make_topic(const std::string& name) {
  std::shared_ptr<IntakeTopic>& topic = topics_[name];
  if (!topic) {
    auto choices = options.partitioner ? options.partitioner->begin_topic(
                                             name, client_->environment().random.next())
                                       : nullptr;
    topic = std::make_shared<IntakeTopic>(name, next_topic_serial(), std::move(choices),
                                          client_->environment().metrics->produced(name));
    refresh(*topic);
  }
  return topic;
}

void RecordSender::refresh(IntakeTopic& topic) {
  const client::TopicView* view = cluster().view().topic(topic.name);
  if (view == nullptr) return;
  bool changed = topic.tables_.empty();
  for (std::size_t i = topic.partitions_.size(); i < view->partitions.size(); ++i) {
    const PartitionId id{static_cast<std::int32_t>(i)};
    topic.partitions_.push_back(std::make_unique<Partition>(*this, topic, id));
    // A caller may have begun to ask for the topic before the close.
    if (is_closed.load()) topic.partitions_.back()->queue.close();
    if (identity_state_ == Identity::known) topic.partitions_.back()->sender.offer(identity_);
    changed = true;
  }
  for (std::size_t i = 0; i < view->partitions.size(); ++i) {
    NodeId& leader = topic.partitions_[i]->leader;
    const NodeId heard = view->partitions[i].node;
    if (leader == heard) continue;
    changed = changed || leader.is_none() || heard.is_none();
    leader = heard;
  }
  if (!changed) return;
  auto table = std::make_unique<IntakeTopic::Table>();
  for (const auto& partition : topic.partitions_) {
    table->all.push_back(partition.get());
    if (!partition->leader.is_none()) table->available.push_back(partition.get());
  }
  if (table->available.empty()) table->available = table->all;
  topic.table_.store(table.get(), std::memory_order_release);
  topic.tables_.push_back(std::move(table));
}

void RecordSender::refresh_leaders() {
  for (const auto& [name, topic] : topics_) refresh(*topic);
}

// Calls of callers.

void RecordSender::wake(Partition& partition) {
  client_->loop().post([self = shared_from_this(), &partition] {
    self->activate(partition);
    self->pump(partition.leader);
  });
}

void RecordSender::hurry_all() {
  client_->loop().post([self = shared_from_this()] {
    self->hurry_own();
    if (self->group_) self->group_->hurry_others(*self);
  });
}

void RecordSender::hurry_own() {
  // At nodes with requests in flight the answers will free space. Closing open batches early there
  // would only make more and smaller batches.
  for (Partition* partition : active_) {
    const auto lane = lanes_.find(partition->leader);
    const bool is_busy = lane != lanes_.end() && lane->second.in_flight > 0;
    if (!is_busy) partition->queue.hurry();
  }
  pump_all();
}

void RecordSender::hurry(PartitionId partition, std::uint64_t topic_serial) {
  client_->loop().post([self = shared_from_this(), partition, topic_serial] {
    for (const auto& [name, topic] : self->topics_) {
      if (topic->serial != topic_serial) continue;
      Partition& found = *topic->partitions_[static_cast<std::size_t>(partition.value)];
      if (found.queue.hurry()) self->pump(found.leader);
      return;
    }
  });
}

void RecordSender::report_untaken(const UntakenFailure& failure) {
  if (client_->is_forked()) return;
  if (on_untaken_ || options.on_untaken_failure) {
    try {
      return on_untaken_ ? on_untaken_(failure) : options.on_untaken_failure(failure.why);
    } catch (...) {
      say_threw("on_untaken_failure");
    }
  }
  const auto count = untaken_.fetch_add(1, std::memory_order_relaxed) + 1;
  // At most one line per second; it has the count of failures. The clock is read since published
  // time stands still while no partition is active.
  const auto since_start = client_->environment().clock.mono().time_since_epoch();
  const std::int64_t second = std::chrono::floor<std::chrono::seconds>(since_start).count();
  std::int64_t last = untaken_logged_second_.load(std::memory_order_relaxed);
  if (last == second || !untaken_logged_second_.compare_exchange_strong(last, second)) return;
  log_untaken(count, failure.why);
}

void RecordSender::say_threw(std::string_view who) {
  thrown_.say(who, client_->environment().logger, client_->environment().clock.mono());
}

void RecordSender::log_untaken(std::uint64_t count, const Error& why) {
  untaken_logged_.store(count, std::memory_order_relaxed);
  client_->environment().logger.log(
      LogLevel::error, "producer",
      fmt::format("failed batches whose outcome was not read: {}; the last: {}", count,
                  why.to_string()));
}

void RecordSender::activate(Partition& partition) {
  if (is_stopped_) return;
  client_->environment().record_time.keep_fresh(true);
  if (!std::exchange(partition.is_active, true)) active_.push_back(&partition);
  watch_time(now());
  watch_stalls(TimePoint{});
}

TimePoint RecordSender::waiting_since(const Partition& partition) const {
  const TimePoint sent = partition.sender.expires_at();
  const TimePoint since = sent == never ? never : sent - options.delivery_timeout;
  const TimePoint unsent = partition.oldest_unsent();
  // The time of linger does not count as waiting.
  return std::min(since, unsent == never ? never : unsent + queue_settings.linger);
}

void RecordSender::watch_stalls(TimePoint not_before) {
  if (stall_timer_ != 0 || is_stopped_) return;
  TimePoint oldest = never;
  for (const Partition* partition : active_) oldest = std::min(oldest, waiting_since(*partition));
  if (oldest == never) return;
  const TimePoint at = std::max(oldest + stall_patience, not_before);
  stall_timer_ = client_->loop().arm(at, [weak = weak_from_this()] {
    const auto self = weak.lock();
    if (!self) return;
    self->stall_timer_ = 0;
    self->on_stall_time();
  });
}

std::string RecordSender::why_stalled(const Partition& partition) const {
  if (const auto failure = partition.sender.last_failure()) return "last: " + failure->to_string();
  const std::string why = why_unsent(partition);
  return why.empty() ? "no answer yet" : why;
}

void RecordSender::on_stall_time() {
  const Partition* first = nullptr;
  std::size_t others = 0;
  for (const Partition* partition : active_) {
    const TimePoint since = waiting_since(*partition);
    if (since == never || since + stall_patience > now()) continue;
    const bool is_oldest = first == nullptr || since < waiting_since(*first);
    others += first == nullptr ? 0 : 1;
    if (is_oldest) first = partition;
  }
  if (first == nullptr) return watch_stalls(TimePoint{});
  const auto waited =
      std::chrono::duration_cast<std::chrono::seconds>(now() - waiting_since(*first)).count();
  Logger& log = client_->environment().logger;
  if (log.level() <= LogLevel::warning) {
    log.log(
        LogLevel::warning, "producer",
        fmt::format("records for {}{} wait {} s for their outcome: {}",
                    partition_name(first->topic.name, first->id),
                    others == 0 ? std::string() : fmt::format(" and {} more partitions", others),
                    waited, why_stalled(*first)));
  }
  watch_stalls(now() + stall_quiet);
}

/// No record expires before the armed time: it is that of the oldest record, and all have the same
/// delivery_timeout.
void RecordSender::watch_time(TimePoint not_before) {
  if (sweep_timer_ != 0 || is_stopped_) return;
  const TimePoint at = next_expiry();
  if (at == never) return;
  sweep_timer_ = client_->loop().arm(std::max(at, not_before), [weak = weak_from_this()] {
    const auto self = weak.lock();
    if (!self) return;
    self->sweep_timer_ = 0;
    self->sweep();
  });
}

TimePoint RecordSender::next_expiry() const {
  TimePoint first = never;
  for (const Partition* partition : active_) {
    first = std::min(first, partition->sender.expires_at());
    const TimePoint opened = partition->oldest_unsent();
    if (opened != never) first = std::min<TimePoint>(first, opened + options.delivery_timeout);
  }
  return first;
}

void RecordSender::deactivate_idle() {
  std::erase_if(active_, [](Partition* partition) {
    const bool is_idle =
        partition->sender.is_idle() && partition->staged.empty() && partition->queue.is_empty();
    if (is_idle) partition->is_active = false;
    return is_idle;
  });
  if (active_.empty()) client_->environment().record_time.keep_fresh(false);
}

// Sending.

void RecordSender::pump_all() {
  std::vector<NodeId> nodes;
  for (const Partition* partition : active_) {
    if (std::ranges::find(nodes, partition->leader) == nodes.end()) {
      nodes.push_back(partition->leader);
    }
  }
  for (const NodeId node : nodes) pump(node);
}

void RecordSender::pump(NodeId node) {
  if (is_stopped_ || node.is_none()) return;
  if (options.idempotence && identity_.id.is_none()) return;
  NodeRequests& lane = lanes_[node];
  while (lane.in_flight < options.max_in_flight) {
    const Offer offer = survey(node);
    if (offer.bytes == 0) break;
    if (!cluster().prepare(node, client::ConnectionLane::produce)) return;
    const TimePoint overdue =
        offer.since == never ? never : offer.since + 2 * queue_settings.linger;
    const bool goes =
        lane.in_flight == 0 || lane.may_go || offer.bytes >= full_request_bytes || overdue <= now();
    if (!goes) {
      look_at(overdue);
      break;
    }
    lane.may_go = false;
    if (!send_to(node)) break;
  }
}

RecordSender::Offer RecordSender::survey(NodeId node) {
  Offer sum;
  for (Partition* partition : active_) {
    if (partition->leader != node) continue;
    const Offer offer = offer_of(*partition, node);
    sum.bytes += offer.bytes;
    sum.since = std::min(sum.since, offer.since);
  }
  return sum;
}

RecordSender::Offer RecordSender::offer_of(Partition& partition, NodeId node) {
  using Next = client::ProducePartition::Next;
  // Compression continues while earlier batches are in flight.
  if (options.compression != CompressionCodec::none) stage(partition);
  switch (partition.sender.next(node, now())) {
    case Next::nothing:
      if (partition.sender.not_before() > now()) look_at(partition.sender.not_before());
      return {};
    case Next::new_identity:
      ask_identity();
      return {};
    case Next::resend:
      return {partition.sender.resend_bytes(), TimePoint{}};
    case Next::fresh:
      break;
  }
  if (options.compression != CompressionCodec::none) {
    if (partition.staged.empty() || !partition.staged.front().is_ready) return {};
    const auto& front = partition.staged.front();
    return {front.compressed.size() + wire::batch_header_bytes, front.batch.opened_at};
  }
  const auto due = partition.queue.due(now());
  look_at(due.next);
  return {due.bytes, due.since};
}

void RecordSender::stage(Partition& partition) {
  while (partition.staged.size() < max_staged) {
    auto taken = partition.queue.take(now());
    if (!taken) return look_at(partition.queue.due(now()).next);
    partition.staged.push_back({std::move(*taken), {}, false});
    compress(partition, partition.staged.back().batch.serial);
  }
}

void RecordSender::compress(Partition& partition, std::uint64_t serial) {
  auto result = std::make_shared<Result<Chain>>();
  client_->environment().workers.run(
      [result, input = partition.staged.back().batch.builder.records(), codec = codec_of(options),
       level = options.compression_level] { *result = wire::compress(codec, level, input); },
      client_->loop(),
      [self = shared_from_this(), &partition, serial, result] {
        const auto found = std::ranges::find(partition.staged, serial,
                                             [](const auto& each) { return each.batch.serial; });
        if (found == partition.staged.end()) return;
        if (*result) {
          found->compressed = std::move(**result);
          found->is_ready = true;
        } else {
          client::OpenBatch failed = std::move(found->batch);
          partition.staged.erase(found);
          self->fail_unsent(partition, std::move(failed), result->error());
        }
        self->pump(partition.leader);
        self->deactivate_idle();
      });
}

void RecordSender::split(Partition& partition, std::uint64_t order, Chain batch) {
  auto halves = std::make_shared<Result<client::Halves>>();
  client_->environment().workers.run(
      [halves, batch = std::move(batch), level = options.compression_level] {
        *halves = client::split_batch(batch, level);
      },
      client_->loop(),
      [self = shared_from_this(), &partition, order, halves] {
        partition.sender.on_halves(order, std::move(*halves));
        self->pump(partition.leader);
        self->deactivate_idle();
      });
}

const client::SealedBatch* RecordSender::next_batch(Partition& partition, NodeId node,
                                                    std::size_t max_bytes, bool& is_larger) {
  using Next = client::ProducePartition::Next;
  const Next next = partition.sender.next(node, now());
  if (next == Next::resend) {
    is_larger = partition.sender.resend_bytes() > max_bytes;
    if (is_larger) return nullptr;
    partition.topic.counters.retried.add();
    return &partition.sender.resend(node);
  }
  if (next != Next::fresh) return nullptr;
  if (options.compression == CompressionCodec::none) {
    auto taken = partition.queue.take(now(), max_bytes, is_larger);
    if (!taken) return nullptr;
    return &seal(partition, *std::move(taken), wire::Compression::none, {}, node);
  }
  if (partition.staged.empty() || !partition.staged.front().is_ready) return nullptr;
  is_larger = partition.staged.front().compressed.size() + wire::batch_header_bytes > max_bytes;
  if (is_larger) return nullptr;
  Partition::Staged staged = std::move(partition.staged.front());
  partition.staged.pop_front();
  return &seal(partition, std::move(staged.batch), codec_of(options), std::move(staged.compressed),
               node);
}

const client::SealedBatch& RecordSender::seal(Partition& partition, client::OpenBatch batch,
                                              wire::Compression codec, Chain compressed,
                                              NodeId node) {
  keep_records(batch);
  const client::SealedBatch& sealed = partition.sender.seal(
      std::move(batch), codec, std::move(compressed), options.delivery_timeout, node);
  const ProducedCounters& counters = partition.topic.counters;
  counters.records.add(static_cast<std::uint64_t>(sealed.count));
  counters.batches.add();
  counters.bytes.add(sealed.bytes.size());
  return sealed;
}

bool RecordSender::send_to(NodeId node) {
  Request request;
  request.transactional_id.reset();
  request.acks = static_cast<std::int16_t>(options.acks);
  request.timeout_ms =
      static_cast<std::int32_t>(options.ack_timeout.value_or(options.request_timeout).count());
  struct Chosen {
    Partition* partition;
    const client::SealedBatch* batch;
  };
  std::vector<Chosen> chosen;
  std::size_t bytes = request_framing_bytes + cluster().options().link.protocol.client_id.size();
  const std::size_t count = active_.size();
  ++rotation_;
  for (std::size_t i = 0; i < count; ++i) {
    // Begins with another partition each time, since the request may be full before the last one.
    Partition& partition = *active_[(rotation_ + i) % count];
    if (partition.leader != node) continue;
    const std::size_t framing = bytes + batch_framing_bytes + partition.topic.name.size();
    // A batch that is too large is sent alone; the server has to refuse it.
    const std::size_t room =
        chosen.empty() ? std::numeric_limits<std::size_t>::max()
                       : options.max_request_bytes - std::min(framing, options.max_request_bytes);
    bool is_larger = false;
    const client::SealedBatch* batch = next_batch(partition, node, room, is_larger);
    if (is_larger) break;
    if (batch == nullptr) continue;
    bytes = framing + batch->bytes.size();
    chosen.push_back({&partition, batch});
  }
  if (chosen.empty()) return false;
  std::ranges::sort(chosen, {}, [](const Chosen& each) {
    return std::pair(each.partition->topic.serial, each.partition->id);
  });
  std::vector<Sent> sent;
  sent.reserve(chosen.size());
  for (const auto& [partition, batch] : chosen) {
    if (sent.empty() || &sent.back().partition->topic != &partition->topic) {
      request.topic_data.push_back({partition->topic.name, {}, {}});
    }
    request.topic_data.back().partition_data.push_back({partition->id, batch->bytes});
    sent.push_back({partition, batch->order});
  }
  deliver(node, std::move(request), std::move(sent));
  return true;
}

void RecordSender::deliver(NodeId node, Request request, std::vector<Sent> sent) {
  if (options.acks == Acks::none) {
    const auto told = cluster().tell(node, client::ConnectionLane::produce, request);
    client::ProduceVerdict verdict;
    if (!told) verdict.error = told.error();
    for (const Sent& each : sent) apply(each, verdict);
    return deactivate_idle();
  }
  ++lanes_[node].in_flight;
  cluster().ask(node, client::ConnectionLane::produce, std::move(request),
                client::Cluster::Then<Request>([weak = weak_from_this(), node,
                                                sent = std::move(sent)](Result<Response> answer) {
                  if (const auto self = weak.lock()) self->on_answer(node, sent, answer);
                }),
                options.request_timeout);
}

/// Finds a partition in an answer, for any order that the server chose.
class RecordSender::AnswerIndex {
 public:
  using Heard = Response::PartitionProduceResponse;

  explicit AnswerIndex(const Response& answer) {
    for (const auto& topic : answer.responses) {
      for (const auto& heard : topic.partition_responses) {
        places_.push_back({{topic.name, heard.index}, &heard});
      }
    }
    std::ranges::sort(places_, {}, &Place::key);
  }
  [[nodiscard]] const Heard* find(std::string_view topic, PartitionId partition) const {
    const auto found = std::ranges::lower_bound(places_, Key(topic, partition), {}, &Place::key);
    return found != places_.end() && found->key == Key(topic, partition) ? found->heard : nullptr;
  }

 private:
  using Key = std::pair<std::string_view, PartitionId>;
  struct Place {
    Key key;
    const Heard* heard;
  };
  std::vector<Place> places_;
};

void RecordSender::on_answer(NodeId node, const std::vector<Sent>& sent,
                             const Result<Response>& answer) {
  NodeRequests& lane = lanes_[node];
  DOHLE_ASSERT(lane.in_flight > 0, "an answer to a request that is not in flight");
  --lane.in_flight;
  lane.may_go = true;
  if (answer) {
    const AnswerIndex index(*answer);
    for (const Sent& each : sent) apply(each, verdict_of(each, index));
  } else {
    const client::ProduceVerdict lost{.error = broken_if_too_large(answer.error()),
                                      .is_unanswered = true};
    for (const Sent& each : sent) apply(each, lost);
  }
  if (is_stopped_) return;
  pump(node);
  deactivate_idle();
}

namespace {

/// Whether the batch may be stored in spite of the error: the leader failed after the append (a
/// failed sync, late followers, a new leader meanwhile), or the code is unknown to this version.
bool leaves_open(std::int16_t code) {
  using namespace broker_error;
  return code == unknown_server_error || code == request_timed_out ||
         code == not_leader_or_follower || code == not_enough_replicas_after_append ||
         code == kafka_storage_error || find_broker_error(code) == nullptr;
}

}  // namespace

client::ProduceVerdict RecordSender::verdict_of(const Sent& sent, const AnswerIndex& answer) {
  const IntakeTopic& topic = sent.partition->topic;
  const auto* heard = answer.find(topic.name, sent.partition->id);
  if (heard != nullptr && heard->error_code == broker_error::none) {
    return {.base_offset = heard->base_offset, .append_time = heard->log_append_time_ms};
  }
  const std::string where = "produce to " + partition_name(topic.name, sent.partition->id);
  if (heard == nullptr) {
    return {.error = Error::client(Errc::malformed, where + ": the answer has no entry for it")
                         .with_retriable(true),
            .is_unanswered = true};
  }
  client::ProduceVerdict verdict;
  verdict.base_offset = heard->base_offset;
  verdict.append_time = heard->log_append_time_ms;
  verdict.error = Error::broker(heard->error_code, where, heard->error_message.value_or(""));
  verdict.is_unanswered = leaves_open(heard->error_code);
  for (const auto& record : heard->record_errors) {
    verdict.record_errors.emplace_back(
        static_cast<std::uint32_t>(record.batch_index),
        Error::broker(heard->error_code, where, record.batch_index_error_message.value_or("")));
  }
  const auto& leader = heard->current_leader;
  if (!leader.leader_id.is_none()) {
    cluster().on_leader(topic.name, heard->index, {leader.leader_id, leader.leader_epoch});
  }
  return verdict;
}

void RecordSender::apply(const Sent& sent, const client::ProduceVerdict& verdict) {
  Partition& partition = *sent.partition;
  TimePoint retry_at{};
  if (!verdict.error) {
    partition.retries.reset();
  } else {
    // Later batches failed for the same reason and are sent again after it.
    if (partition.sender.is_oldest(sent.order)) retry_at = retry_time(partition, *verdict.error);
    // The server is busy or no longer leads; newer metadata may name another leader.
    if (verdict.error->is_retriable()) cluster().doubt();
  }
  partition.sender.on_verdict(sent.order, verdict, retry_at);
  DOHLE_CHECK_INVARIANTS(partition.sender);
}

TimePoint RecordSender::retry_time(Partition& partition, const Error& why) {
  if (!why.is_retriable() && !partition.sender.is_about_numbers(why)) return {};
  const TimePoint later = now() + partition.retries.next(client_->environment().random);
  if (why.is_retriable()) return later;
  // A first failure is retried at once under a new epoch. Further ones wait for the backoff.
  if (partition.retries.failures() < 2) return {};
  warn_of_refusals(partition, why);
  return later;
}

void RecordSender::warn_of_refusals(const Partition& partition, const Error& why) {
  const std::uint32_t times = partition.retries.failures();
  // Backoff counts up to 64, where each delay is max_retry_backoff.
  if (times != 2 && times != 16 && times != 63) return;
  Logger& log = client_->environment().logger;
  if (log.level() > LogLevel::warning) return;
  log.log(LogLevel::warning, "producer",
          fmt::format("records for {} are refused again, {} times in a row so far: {}",
                      partition_name(partition.topic.name, partition.id), times, why.to_string()));
}

// Time.

void RecordSender::look_at(TimePoint at) {
  if (at >= timer_at_ || is_stopped_) return;
  client_->loop().cancel(timer_);
  timer_at_ = at;
  timer_ = client_->loop().arm(at, [self = shared_from_this()] {
    self->timer_ = 0;
    self->timer_at_ = never;
    self->pump_all();
  });
}

void RecordSender::sweep() {
  const TimePoint late = now() - options.delivery_timeout;
  for (Partition* partition : std::vector(active_)) {
    partition->sender.expire(now());
    if (partition->oldest_unsent() > late) continue;
    fail_queued(*partition, unsent_in_time(*partition), late);
  }
  deactivate_idle();
  watch_time(now() + sweep_gap(options));
}

std::string RecordSender::why_unsent(const Partition& partition) const {
  if (partition.leader.is_none()) {
    const std::int16_t code = client_->cluster().view().topic_error(partition.topic.name);
    const std::string answer =
        code == broker_error::none ? std::string() : "; last: " + Error::broker(code).to_string();
    return "it has no leader" + answer + client_->cluster().troubles();
  }
  if (identity_failure_) return "there is no producer id; last: " + identity_failure_->to_string();
  return client_->cluster().trouble_with(partition.leader, client::ConnectionLane::produce);
}

Error RecordSender::unsent_in_time(const Partition& partition) const {
  const std::string trouble = why_unsent(partition);
  return Error::client(Errc::timed_out,
                       fmt::format("produce to {}: delivery_timeout passed before it was sent{}{}",
                                   partition_name(partition.topic.name, partition.id),
                                   trouble.empty() ? "" : ": ", trouble));
}

// Endings.

void RecordSender::fail_unsent(Partition& partition, client::OpenBatch batch, const Error& why) {
  DOHLE_ASSERT(!batch.builder.empty(), "a batch without records was opened");
  client::SealedBatch failed;
  failed.count = batch.builder.count();
  failed.outcome = std::move(batch.outcome);
  failed.serial = batch.serial;
  failed.outcome->expect(static_cast<std::uint32_t>(failed.count));
  keep_records(batch);
  failed.kept = std::move(batch.kept);
  client::Outcome::Part part{0, static_cast<std::uint32_t>(failed.count), {}, {}, why, {}};
  partition.topic.counters.records.add(part.count);
  partition.on_outcome(failed, part);
  failed.outcome->settle(std::move(part));
  client::call_back(std::move(batch.calls), *failed.outcome.get(), partition);
  on_settled(partition, failed, why);
}

void RecordSender::keep_records(client::OpenBatch& batch) const {
  if (options.on_batch) batch.kept = std::make_shared<client::KeptRecords>(batch.builder);
}

void RecordSender::tell_of_batch(const Partition& partition, const client::SealedBatch& batch,
                                 const client::Outcome::Part& outcome) {
  if (!options.on_batch || !batch.kept) return;
  Slice flat;
  const auto views = batch.kept->views(outcome.first, outcome.count, outcome.base_offset, flat);
  try {
    options.on_batch({.topic = partition.topic.name,
                      .partition = partition.id,
                      .base_offset = outcome.base_offset,
                      .error = outcome.error ? &*outcome.error : nullptr,
                      .record_errors = outcome.record_errors,
                      .records = views});
  } catch (...) {
    say_threw("on_batch");
  }
}

void RecordSender::fail_queued(Partition& partition, const Error& why, TimePoint opened_before) {
  while (!partition.staged.empty() && partition.staged.front().batch.opened_at <= opened_before) {
    client::OpenBatch batch = std::move(partition.staged.front().batch);
    partition.staged.pop_front();
    fail_unsent(partition, std::move(batch), why);
  }
  while (partition.queue.oldest() <= opened_before) {
    auto taken = partition.queue.take_any();
    if (!taken) return;
    fail_unsent(partition, std::move(*taken), why);
  }
}

void RecordSender::count_outcome(const Partition& partition, const client::SealedBatch& batch,
                                 const client::Outcome::Part& outcome) {
  const ProducedCounters& counters = partition.topic.counters;
  (outcome.error ? counters.failed : counters.acknowledged).add(outcome.count);
  // A batch that was not sealed has no time.
  if (batch.expires_at == never) return;
  const TimePoint opened = batch.expires_at - options.delivery_timeout;
  client_->environment().metrics->delivery_time.add(now() - opened);
}

void RecordSender::on_settled(Partition& partition, client::SealedBatch& batch,
                              const std::optional<Error>& why) {
  if (why) {
    failed_ += static_cast<std::uint64_t>(batch.count);
    if (!first_error_) first_error_ = why;
  }
  if (batch.outcome->is_settled()) partition.settled.add(batch.serial);
  // A failure that nobody read is reported now, before a flush ends.
  batch.outcome = {};
  if (!flushes_.empty()) settle_flushes();
}

FlushReport RecordSender::take_report() {
  return {std::exchange(failed_, 0), std::exchange(first_error_, std::nullopt)};
}

void RecordSender::give_back(const FlushReport& report) {
  failed_ += report.failed;
  if (report.first_error) first_error_ = report.first_error;
}

Error flush_ended(CallEnd how) {
  if (how == CallEnd::stopped) {
    return Error::client(Errc::cancelled, "a stop was requested: a flush is not awaited any more");
  }
  return Error::client(Errc::timed_out, "records are still under way");
}

RecordSender::FlushId RecordSender::flush(TimePoint deadline, Flushed then) {
  FlushWait wait;
  for (const auto& [name, topic] : topics_) {
    for (const auto& partition : topic->partitions_) {
      const std::uint64_t opened = partition->queue.opened();
      if (partition->settled.up_to() >= opened) continue;
      partition->queue.hurry();
      activate(*partition);
      wait.targets.push_back({partition.get(), opened});
    }
  }
  if (wait.targets.empty()) {
    then(take_report());
    return 0;
  }
  const FlushId id = ++last_flush_;
  wait.then = std::move(then);
  wait.id = id;
  if (deadline != never) {
    wait.timer = client_->loop().arm(deadline, [self = shared_from_this(), id] {
      self->end_flush(id, flush_ended(CallEnd::late));
    });
  }
  flushes_.push_back(std::move(wait));
  pump_all();
  return id;
}

void RecordSender::end_flush(FlushId id, const Error& why) {
  const auto place = std::ranges::find(flushes_, id, &FlushWait::id);
  if (place == flushes_.end()) return;
  client_->loop().cancel(place->timer);
  Flushed then = std::move(place->then);
  flushes_.erase(place);
  then(fail(why));
}

void RecordSender::settle_flushes() {
  std::vector<Flushed> done;
  for (auto each = flushes_.begin(); each != flushes_.end();) {
    std::erase_if(each->targets, [](const FlushWait::Target& target) {
      return target.partition->settled.up_to() >= target.serial;
    });
    if (!each->targets.empty()) {
      ++each;
      continue;
    }
    client_->loop().cancel(each->timer);
    done.push_back(std::move(each->then));
    each = flushes_.erase(each);
  }
  for (Flushed& then : done) then(take_report());
}

void RecordSender::close(const SharedCallTime& time, Flushed then) {
  if (is_stopped_) return then(FlushReport{});
  is_closed.store(true);
  room->close();
  for (const auto& [name, topic] : topics_) {
    for (const auto& partition : topic->partitions_) partition->queue.close();
  }
  const FlushId last = flush(time->deadline(), [self = shared_from_this(), then = std::move(then)](
                                                   Result<FlushReport> flushed) mutable {
    if (flushed) {
      self->stop(Error::client(Errc::closed, "the producer is closed"));
      return then(std::move(flushed));
    }
    self->stop(
        Error::client(Errc::closed, "the producer was closed before the record was acknowledged"));
    then(self->take_report());
  });
  time->on_end(
      [self = shared_from_this(), last] { self->end_flush(last, flush_ended(CallEnd::late)); });
}

void RecordSender::close_by(SharedCallTime time, Client::Shared::Done done) {
  close(time, [done = std::move(done)](Result<FlushReport> report) mutable {
    if (!report) return done(fail(report.error()));
    if (report->first_error) return done(fail(*report->first_error));
    done({});
  });
}

std::optional<FlushReport> RecordSender::close_if_idle() {
  if (is_stopped_) return take_report();
  std::vector<client::PartitionQueue*> closed;
  for (const auto& [name, topic] : topics_) {
    for (const auto& partition : topic->partitions_) {
      if (partition->queue.close_if_settled(partition->settled.up_to())) {
        closed.push_back(&partition->queue);
        continue;
      }
      for (client::PartitionQueue* each : closed) each->reopen();
      return std::nullopt;
    }
  }
  is_closed.store(true);
  room->close();
  stop(Error::client(Errc::closed, "the producer is closed"));
  return take_report();
}

void RecordSender::stop(const Error& why) {
  if (is_stopped_) return;
  is_stopped_ = true;
  cluster().forget(observer_);
  client_->loop().cancel(std::exchange(timer_, 0));
  client_->loop().cancel(std::exchange(sweep_timer_, 0));
  client_->loop().cancel(std::exchange(stall_timer_, 0));
  client_->loop().cancel(std::exchange(identity_timer_, 0));
  for (const auto& [name, topic] : topics_) {
    for (const auto& partition : topic->partitions_) {
      partition->sender.fail_all(why);
      fail_queued(*partition, why, never);
    }
  }
  active_.clear();
  client_->environment().record_time.keep_fresh(false);
  const std::uint64_t untaken = untaken_.load(std::memory_order_relaxed);
  if (untaken > untaken_logged_.load(std::memory_order_relaxed)) {
    log_untaken(untaken, first_error_ ? *first_error_ : why);
  }
  thrown_.say_left_out(client_->environment().logger);
}

}  // namespace dohle::client
