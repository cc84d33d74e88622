#include "dohle/producer.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <utility>

#include "base/name_slot.hpp"
#include "client/cluster/handle_access.hpp"
#include "client/cluster/waiter.hpp"
#include "client/produce/make_producer.hpp"
#include "client/produce/partitioners/key_hash.hpp"
#include "client/produce/producer_options.hpp"
#include "client/produce/record_sender.hpp"
#include "client/produce/send_with.hpp"

namespace dohle::client {

namespace {

using client::PartitionQueue;
using Partition = IntakeTopic::Partition;

/// The partition and batch for the calling thread's keyless records of a topic.
struct Sticky {
  std::uint64_t topic_serial = 0;
  std::uint64_t batch_serial = 0;
  std::uint32_t turn = 0;
  Partition* partition = nullptr;
};

Sticky& sticky_of(IntakeTopic& topic) {
  // Topics that share a slot evict each other. Their batches are then smaller but correct.
  thread_local std::array<Sticky, 16> slots;
  Sticky& slot = slots[topic.serial % slots.size()];
  if (slot.topic_serial != topic.serial) {
    // Each thread begins at another partition.
    slot = {topic.serial, 0, topic.threads.fetch_add(1, std::memory_order_relaxed), nullptr};
  }
  return slot;
}

void move_on(Sticky& sticky, const IntakeTopic::Table& table) {
  sticky.partition = table.available[sticky.turn++ % table.available.size()];
  sticky.batch_serial = 0;
}

/// Maximum time for which `send` waits for other callers' turns when it needs no space itself.
constexpr Duration max_others_turns = std::chrono::milliseconds(200);

Error closed() {
  return Error::client(Errc::closed, "the producer is closed");
}

Error no_such_partition(const IntakeTopic& topic, PartitionId chosen, std::int32_t count) {
  return Error::client(Errc::no_such_partition, fmt::format("{} has partitions 0 to {}, not {}",
                                                            topic.name, count - 1, chosen.value));
}

Result<PartitionId> made_by(const Choice& choice, const IntakeTopic& topic, const Record& record,
                            std::int32_t count) {
  const auto failed = [&topic](std::string_view what) {
    return fail(
        Error::client(Errc::handler_failed,
                      fmt::format("the partitioner threw for topic {}: {}", topic.name, what)));
  };
  try {
    return choice.by.choose(topic.name, record, count, choice.memory);
  } catch (const std::exception& thrown) {
    return failed(thrown.what());
  } catch (...) {
    return failed("an exception of another type than std::exception");
  }
}

}  // namespace

/// The callers' side of a producer.
class RecordIntake {
 public:
  explicit RecordIntake(std::shared_ptr<RecordSender> produce) : produce_(std::move(produce)) {}
  ~RecordIntake() {
    if (produce_->client().is_forked()) {
      keep_for_ever(std::move(produce_));
      return;
    }
    const auto timeout = std::min<std::chrono::milliseconds>(produce_->options.delivery_timeout,
                                                             std::chrono::seconds(5));
    if (produce_->client().loop().is_loop_thread()) {
      const TimePoint now = produce_->client().cluster().now();
      produce_->close(CallTime::from(now, timeout), [](Result<FlushReport>) {});
    } else {
      // Failures from now on are logged, since no caller reads them.
      (void)close(timeout);
    }
  }

  enum class Waits : bool { no, yes };
  using Wish = PartitionQueue::Wish;

  /// `wish` by reference: a processor waits before it copies what was just written.
  Result<PartitionQueue::Place> append(IntakeTopic& topic, const Record& record, Wish&& wish,
                                       Waits waits, const SendTerms& terms);
  /// Waits for metadata until `deadline`.
  Result<std::shared_ptr<IntakeTopic>> topic(std::string_view name, const CallDeadline& deadline);
  /// When max_block is over for a call that begins now.
  [[nodiscard]] CallDeadline max_block_from_now() const {
    return {clock(), produce_->options.max_block};
  }
  Result<FlushReport> flush(std::chrono::milliseconds timeout);
  Result<FlushReport> close(std::chrono::milliseconds timeout);
  [[nodiscard]] const std::shared_ptr<RecordSender>& sender() const { return produce_; }

 private:
  /// The record's partition; none for the one that the calling thread fills.
  [[nodiscard]] Result<PartitionId> choose(const IntakeTopic& topic, const Record& record,
                                           const Choice* own) const;
  PartitionQueue::Place append_sticky(IntakeTopic& topic, const Record& record, Wish& wish);
  /// Called after a batch was begun: lets waiting callers go first, unless it is this caller's
  /// turn.
  void let_others_in(const std::optional<CallDeadline>& deadline);
  [[nodiscard]] const Clock& clock() const { return produce_->client().environment().clock; }
  template <class Attempt>
  bool wait_in_line(const CallDeadline& deadline, Attempt attempt);
  Result<PartitionQueue::Place> wait_for_room(IntakeTopic& topic, PartitionId where,
                                              const Record& record, Wish& wish, Waits waits,
                                              const std::optional<CallDeadline>& deadline);
  PartitionQueue::Place place(IntakeTopic& topic, PartitionId where, const Record& record,
                              Wish& wish);
  [[nodiscard]] static std::size_t bytes_alone(const Record& record);
  [[nodiscard]] std::size_t max_bytes_alone() const;
  [[nodiscard]] Error too_large(const Record& record) const;

  std::shared_ptr<RecordSender> produce_;
  /// A copy of the client's, since every record checks it.
  const ForkMark made_in_;
};

Result<PartitionId> RecordIntake::choose(const IntakeTopic& topic, const Record& record,
                                         const Choice* own) const {
  const auto count = static_cast<std::int32_t>(topic.table().all.size());
  PartitionId chosen = record.partition;
  if (chosen.is_none()) {
    const Partitioner* usual = produce_->options.partitioner.get();
    if (own == nullptr && usual == nullptr) {
      return record.key ? client::partition_for_key(*record.key, count) : PartitionId{};
    }
    auto made =
        made_by(own != nullptr ? *own : Choice{*usual, topic.choices.get()}, topic, record, count);
    if (!made || made->is_none()) return made;
    chosen = *made;
  }
  if (chosen.value < 0 || chosen.value >= count) {
    return fail(no_such_partition(topic, chosen, count));
  }
  return chosen;
}

PartitionQueue::Place RecordIntake::append_sticky(IntakeTopic& topic, const Record& record,
                                                  Wish& wish) {
  Sticky& sticky = sticky_of(topic);
  if (sticky.partition == nullptr) move_on(sticky, topic.table());
  for (;;) {
    wish.only_serial = sticky.batch_serial;
    PartitionQueue::Place place = sticky.partition->queue.append(record, wish);
    if (place.appended == PartitionQueue::Appended::moved_on) {
      move_on(sticky, topic.table());
      continue;
    }
    if (place.appended == PartitionQueue::Appended::ok) sticky.batch_serial = place.serial;
    if (place.wake) produce_->wake(*sticky.partition);
    return place;
  }
}

PartitionQueue::Place RecordIntake::place(IntakeTopic& topic, PartitionId where,
                                          const Record& record, Wish& wish) {
  if (where.is_none()) return append_sticky(topic, record, wish);
  Partition& partition = *topic.table().all[static_cast<std::size_t>(where.value)];
  const PartitionQueue::Place placed = partition.queue.append(record, wish);
  if (placed.wake) produce_->wake(partition);
  return placed;
}

Result<PartitionQueue::Place> RecordIntake::append(IntakeTopic& topic, const Record& record,
                                                   Wish&& wish, Waits waits,
                                                   const SendTerms& terms) {
  if (made_in_.is_forked()) [[unlikely]]
    return fail(client::forked());
  // A partitioner is asked once per record, even if the record has to wait for room.
  const auto where = choose(topic, record, terms.choice);
  if (!where) return fail(where.error());
  const PartitionQueue::Place placed = place(topic, *where, record, wish);
  if (placed.appended == PartitionQueue::Appended::ok) [[likely]] {
    if (placed.index == 0 && waits == Waits::yes) let_others_in(terms.deadline);
    return placed;
  }
  if (placed.appended == PartitionQueue::Appended::closed) return fail(closed());
  if (placed.appended == PartitionQueue::Appended::too_large) return fail(too_large(record));
  return wait_for_room(topic, *where, record, wish, waits, terms.deadline);
}

void RecordIntake::let_others_in(const std::optional<CallDeadline>& deadline) {
  if (!produce_->room->is_turn_of_others(clock())) return;
  if (!produce_->is_filling_up()) return;
  if (produce_->client().loop().is_loop_thread()) return;
  const CallDeadline own = deadline ? *deadline : max_block_from_now();
  const CallDeadline turns(clock(), max_others_turns);
  (void)wait_in_line(own.at() < turns.at() ? own : turns, [] { return true; });
}

template <class Attempt>
bool RecordIntake::wait_in_line(const CallDeadline& deadline, Attempt attempt) {
  return produce_->room->wait(clock(), deadline, std::move(attempt),
                              [this](Budget::Room room) { return produce_->budget.ask_for(room); });
}

std::size_t RecordIntake::bytes_alone(const Record& record) {
  return wire::BatchBuilder::max_record_bytes(record) + wire::batch_header_bytes;
}

std::size_t RecordIntake::max_bytes_alone() const {
  return std::min(produce_->budget.limit(), produce_->queue_settings.max_lone_bytes);
}

Error RecordIntake::too_large(const Record& record) const {
  return Error::client(Errc::too_large,
                       fmt::format("the record needs {} bytes as a batch; max_request_bytes "
                                   "({}) and buffer_bytes ({}) allow {}",
                                   bytes_alone(record), produce_->options.max_request_bytes,
                                   produce_->budget.limit(), max_bytes_alone()));
}

Result<PartitionQueue::Place> RecordIntake::wait_for_room(
    IntakeTopic& topic, PartitionId where, const Record& record, Wish& wish, Waits waits,
    const std::optional<CallDeadline>& deadline) {
  if (bytes_alone(record) > max_bytes_alone()) return fail(too_large(record));
  produce_->hurry_all();
  if (waits == Waits::no || produce_->client().loop().is_loop_thread()) {
    return fail(Error::client(Errc::would_block, "buffer_bytes are in use"));
  }
  PartitionQueue::Place placed;
  const auto attempt = [&] {
    placed = place(topic, where, record, wish);
    const bool is_spent = placed.appended == PartitionQueue::Appended::no_memory;
    // Other callers may have spent the buffer on batches that are not due yet.
    if (is_spent) produce_->hurry_all();
    return !is_spent;
  };
  const bool done = wait_in_line(deadline ? *deadline : max_block_from_now(), attempt);
  if (done && placed.appended == PartitionQueue::Appended::closed) return fail(closed());
  if (done && placed.appended == PartitionQueue::Appended::too_large) {
    return fail(too_large(record));
  }
  if (done) return placed;
  if (produce_->is_closed.load()) return fail(closed());
  return fail(
      Error::client(Errc::buffer_full,
                    fmt::format("buffer_bytes ({}) stayed in use for max_block ({} ms)",
                                produce_->budget.limit(), produce_->options.max_block.count())));
}

Result<std::shared_ptr<IntakeTopic>> RecordIntake::topic(std::string_view name,
                                                         const CallDeadline& deadline) {
  if (auto usable = produce_->client().check_usable(); !usable) return fail(usable.error());
  if (produce_->is_closed.load()) return fail(closed());
  if (produce_->client().loop().is_loop_thread()) {
    if (auto known = produce_->known_topic(name)) return known;
    return fail(
        Error::client(Errc::would_deadlock,
                      fmt::format("a call on the client's own thread would wait for itself for "
                                  "the metadata of topic {}",
                                  name)));
  }
  const auto wait = std::make_shared<Cluster::WaitId>();
  return client::wait_for<std::shared_ptr<IntakeTopic>>(
      produce_->client().loop(), deadline, {},
      [produce = produce_, wait, name = std::string(name), at = deadline.for_loop()](auto then) {
        *wait = produce->find_topic(name, at, std::move(then));
      },
      [produce = produce_, wait](CallEnd) { produce->client().cluster().expire_wait(*wait); });
}

Result<FlushReport> RecordIntake::flush(std::chrono::milliseconds timeout) {
  if (auto usable = produce_->client().check_usable(); !usable) return fail(usable.error());
  const CallDeadline deadline(clock(), call_timeout(timeout));
  const auto begun = std::make_shared<RecordSender::FlushId>();
  return client::wait_for<FlushReport>(
      produce_->client().loop(), deadline, {},
      [produce = produce_, begun, at = deadline.for_loop()](auto then) {
        *begun = produce->flush(at, std::move(then));
      },
      [produce = produce_, begun](CallEnd how) { produce->end_flush(*begun, flush_ended(how)); });
}

Result<FlushReport> RecordIntake::close(std::chrono::milliseconds timeout) {
  if (made_in_.is_forked()) return fail(client::forked());
  const CallDeadline deadline(clock(), call_timeout(timeout));
  const auto time = std::make_shared<CallTime>(deadline, call_timeout(timeout));
  return client::wait_for<FlushReport>(
      produce_->client().loop(), deadline, {},
      [produce = produce_, time](auto then) { produce->close(time, std::move(then)); },
      [produce = produce_, time](CallEnd) { time->end(); });
}

}  // namespace dohle::client

namespace dohle {
inline namespace v0 {

using client::RecordIntake;

// Delivery.

Delivery::Delivery(Delivery&& other) noexcept
    : outcome_(std::exchange(other.outcome_, nullptr)),
      index_(other.index_),
      timestamp_delta_(other.timestamp_delta_) {}

Delivery& Delivery::operator=(Delivery&& other) noexcept {
  if (this == &other) return *this;
  if (outcome_ != nullptr) outcome_->release();
  outcome_ = std::exchange(other.outcome_, nullptr);
  index_ = other.index_;
  timestamp_delta_ = other.timestamp_delta_;
  return *this;
}

Delivery::~Delivery() {
  if (outcome_ != nullptr) outcome_->release();
}

bool Delivery::is_done() const {
  return outcome_ != nullptr && outcome_->is_settled();
}

Result<Receipt> Delivery::wait(std::chrono::milliseconds timeout) const {
  if (outcome_ == nullptr) {
    return fail(Error::client(Errc::invalid_argument,
                              "the Delivery is empty: it was moved from or not returned by send"));
  }
  if (!outcome_->is_settled()) {
    if (outcome_->made_in.is_forked()) return fail(client::forked().with_stored(Stored::possibly));
    if (const auto owner = outcome_->owner.lock()) {
      if (owner->is_loop_thread()) {
        return fail(Error::client(Errc::would_deadlock,
                                  "waiting on the client's own thread would wait for itself")
                        .with_stored(Stored::possibly));
      }
      owner->hurry(outcome_->partition, outcome_->topic_serial);
    }
    if (!outcome_->wait_for(call_timeout(timeout))) {
      return fail(Error::client(Errc::timed_out, "the record is still under way")
                      .with_stored(Stored::possibly));
    }
  }
  outcome_->take();
  return outcome_->of(index_, timestamp_delta_);
}

Result<Receipt> Delivery::get() const {
  // Each record has an outcome once its delivery_timeout (at most a day) has passed.
  return wait(std::chrono::hours(25));
}

// ProducerTopic.

ProducerTopic::ProducerTopic(std::shared_ptr<client::IntakeTopic> inside)
    : inside_(std::move(inside)) {}

std::string_view ProducerTopic::name() const {
  return inside_ ? std::string_view(inside_->name) : std::string_view();
}

std::int32_t ProducerTopic::partition_count() const {
  return inside_ ? static_cast<std::int32_t>(inside_->table().all.size()) : 0;
}

// Producer.

Producer::Producer(std::shared_ptr<RecordIntake> inside) : inside_(std::move(inside)) {}
Producer::Producer(Producer&&) noexcept = default;
Producer& Producer::operator=(Producer&& other) noexcept {
  if (this == &other) return *this;
  inside_.reset();
  inside_ = std::move(other.inside_);
  return *this;
}
Producer::~Producer() = default;

Result<ProducerTopic> Producer::topic(std::string_view name) {
  if (!inside_) return fail(client::moved_from("the Producer"));
  return client::topic_until(inside_->max_block_from_now(), *this, name);
}

namespace {

Result<void> check(const RecordIntake* producer, const client::IntakeTopic* topic) {
  if (producer == nullptr) return fail(client::moved_from("the Producer"));
  if (topic == nullptr) return fail(client::moved_from("the ProducerTopic"));
  return {};
}

Result<Delivery> send_for_delivery(RecordIntake* intake, client::IntakeTopic* topic,
                                   const Record& record, RecordIntake::Waits waits,
                                   const client::SendTerms& terms = {},
                                   DeliveryCallback* observer = nullptr) {
  if (intake == nullptr || topic == nullptr) [[unlikely]]
    return fail(check(intake, topic).error());
  auto placed = intake->append(
      *topic, record, {.reference = true, .callback = observer, .is_observer = observer != nullptr},
      waits, terms);
  if (!placed) [[unlikely]]
    return fail(placed.error());
  return client::HandleAccess::make<Delivery>(placed->outcome, placed->index,
                                              placed->timestamp_delta);
}

Result<void> send_for_callback(RecordIntake* intake, client::IntakeTopic* topic,
                               const Record& record, DeliveryCallback callback,
                               const client::SendTerms& terms = {}) {
  if (auto usable = check(intake, topic); !usable) return usable;
  auto placed =
      intake->append(*topic, record, {.callback = &callback}, RecordIntake::Waits::yes, terms);
  if (!placed) return fail(placed.error());
  return {};
}

/// A topic that a call found by its name, and the terms for its record: max_block began with the
/// search.
struct NamedTopic {
  std::shared_ptr<client::IntakeTopic> topic;
  client::SendTerms terms;
};

/// The topic of that name, which the calling thread remembers.
Result<NamedTopic> topic_by_name(RecordIntake* intake, std::string_view name,
                                 const client::SendTerms& terms) {
  // A slot is found by its producer's address, which another producer may reuse later, so the topic
  // is held weakly.
  struct Known {
    const RecordIntake* producer = nullptr;
    std::string name;
    std::weak_ptr<client::IntakeTopic> topic;
  };
  thread_local std::array<Known, 16> known;
  Known& slot = known[name_slot(name, known.size())];
  if (slot.producer == intake && slot.name == name) {
    if (auto topic = slot.topic.lock()) return NamedTopic{std::move(topic), terms};
  }
  if (intake == nullptr) return fail(client::moved_from("the Producer"));
  const CallDeadline deadline = terms.deadline ? *terms.deadline : intake->max_block_from_now();
  auto found = intake->topic(name, deadline);
  if (!found) return fail(found.error());
  slot = {intake, std::string(name), *found};
  return NamedTopic{*std::move(found), {terms.choice, deadline}};
}

}  // namespace

Result<Delivery> Producer::send(const ProducerTopic& topic, const Record& record) {
  return send_for_delivery(inside_.get(), client::HandleAccess::insides(topic).get(), record,
                           RecordIntake::Waits::yes);
}

Result<Delivery> Producer::try_send(const ProducerTopic& topic, const Record& record) {
  return send_for_delivery(inside_.get(), client::HandleAccess::insides(topic).get(), record,
                           RecordIntake::Waits::no);
}

Result<void> Producer::send(const ProducerTopic& topic, const Record& record,
                            DeliveryCallback callback) {
  return send_for_callback(inside_.get(), client::HandleAccess::insides(topic).get(), record,
                           std::move(callback));
}

Result<Delivery> Producer::send(std::string_view name, const Record& record) {
  return client::send_with({}, *this, name, record);
}

Result<FlushReport> Producer::flush(std::chrono::milliseconds timeout) {
  if (!inside_) return fail(client::moved_from("the Producer"));
  return inside_->flush(timeout);
}

Result<FlushReport> Producer::close(std::chrono::milliseconds timeout) {
  if (!inside_) return fail(client::moved_from("the Producer"));
  return inside_->close(timeout);
}

}  // namespace v0

namespace client {

Result<Delivery> send_with(const SendTerms& terms, Producer& producer, std::string_view topic,
                           const Record& record) {
  RecordIntake* intake = HandleAccess::insides(producer).get();
  auto found = topic_by_name(intake, topic, terms);
  if (!found) return fail(found.error());
  return send_for_delivery(intake, found->topic.get(), record, RecordIntake::Waits::yes,
                           found->terms);
}

Result<void> send_with(const SendTerms& terms, Producer& producer, std::string_view topic,
                       const Record& record, DeliveryCallback callback) {
  RecordIntake* intake = HandleAccess::insides(producer).get();
  auto found = topic_by_name(intake, topic, terms);
  if (!found) return fail(found.error());
  return send_for_callback(intake, found->topic.get(), record, std::move(callback), found->terms);
}

Result<Delivery> send_with(const SendTerms& terms, Producer& producer, const ProducerTopic& topic,
                           const Record& record) {
  return send_for_delivery(HandleAccess::insides(producer).get(),
                           HandleAccess::insides(topic).get(), record, RecordIntake::Waits::yes,
                           terms);
}

Result<void> send_with(const SendTerms& terms, Producer& producer, const ProducerTopic& topic,
                       const Record& record, DeliveryCallback callback) {
  return send_for_callback(HandleAccess::insides(producer).get(),
                           HandleAccess::insides(topic).get(), record, std::move(callback), terms);
}

CallDeadline max_block_from_now(const Producer& producer) {
  return HandleAccess::insides(producer)->max_block_from_now();
}

Result<ProducerTopic> topic_until(const CallDeadline& deadline, Producer& producer,
                                  std::string_view name) {
  auto found = HandleAccess::insides(producer)->topic(name, deadline);
  if (!found) return fail(found.error());
  return HandleAccess::make<ProducerTopic>(std::move(*found));
}

Result<Delivery> send_observed(const SendTerms& terms, Producer& producer, std::string_view topic,
                               const Record& record, DeliveryCallback observer) {
  RecordIntake* intake = HandleAccess::insides(producer).get();
  auto found = topic_by_name(intake, topic, terms);
  if (!found) return fail(found.error());
  return send_for_delivery(intake, found->topic.get(), record, RecordIntake::Waits::yes,
                           found->terms, &observer);
}

Result<Delivery> send_observed(const SendTerms& terms, Producer& producer,
                               const ProducerTopic& topic, const Record& record,
                               DeliveryCallback observer) {
  return send_for_delivery(HandleAccess::insides(producer).get(),
                           HandleAccess::insides(topic).get(), record, RecordIntake::Waits::yes,
                           terms, &observer);
}

const std::shared_ptr<RecordSender>& sender_of(Producer& producer) {
  return HandleAccess::insides(producer)->sender();
}

Result<Producer> make_producer(std::shared_ptr<Client::Shared> client, ProducerOptions options,
                               std::shared_ptr<ProducerGroup> group, UntakenHandler on_untaken) {
  if (auto checked = check(options); !checked) return fail(checked.error());
  if (auto usable = client->check_usable(); !usable) return fail(usable.error());
  auto produce = std::make_shared<client::RecordSender>(client, options, std::move(group),
                                                        std::move(on_untaken));
  client->attach(produce);
  client->loop().post([produce] { produce->start(); });
  return client::HandleAccess::make<Producer>(
      std::make_shared<client::RecordIntake>(std::move(produce)));
}

}  // namespace client

}  // namespace dohle
