#include "dohle/redrive.hpp"

#include <algorithm>
#include <optional>
#include <utility>
#include <vector>

#include "base/call_deadline.hpp"
#include "base/option_checks.hpp"
#include "base/time.hpp"
#include "base/topic_name.hpp"
#include "dohle/admin.hpp"
#include "dohle/client.hpp"
#include "dohle/consumer.hpp"
#include "dohle/producer.hpp"
#include "messaging/events/received_message.hpp"
#include "messaging/failures/producer_outbox.hpp"
#include "messaging/failures/redirect_headers.hpp"
#include "messaging/reports/reports.hpp"
#include "messaging/reports/thrown_by.hpp"

namespace dohle {

namespace messaging {

namespace {

using std::chrono::milliseconds;

constexpr milliseconds max_poll{500};

/// One call of redrive.
class Redrive {
 public:
  Redrive(std::string from, std::string to, kafka::RedriveFilter filter,
          kafka::RedriveOptions options)
      : from_(std::move(from)),
        to_(std::move(to)),
        filter_(std::move(filter)),
        options_(options),
        deadline_(call_timeout(options.timeout)) {}

  Result<kafka::RedriveReport> run(Client& client);

 private:
  struct Part {
    TopicPartition name;
    Offset end;
    Offset next;
  };

  [[nodiscard]] milliseconds left() const { return deadline_.left(); }
  Result<void> find_parts(Admin& admin);
  Result<void> find_ends(Admin& admin);
  Result<void> start(Consumer& consumer);
  Result<void> step(Consumer& consumer);
  Result<void> take(const ConsumerRecord& record);
  Result<bool> is_taken(const ConsumerRecord& record) const;
  Result<void> publish(const ConsumerRecord& record);
  [[nodiscard]] PartitionId place_of(const ConsumerRecord& record) const;
  [[nodiscard]] Timestamp time_of(const ConsumerRecord& record) const;
  Result<void> await_stored();
  Result<void> commit(Consumer& consumer);
  [[nodiscard]] Part* part_of(const ConsumerRecord& record);
  [[nodiscard]] bool is_done() const;

  const std::string from_, to_;
  const kafka::RedriveFilter filter_;
  const kafka::RedriveOptions options_;
  const CallDeadline deadline_;
  std::vector<Part> parts_;
  std::optional<Producer> producer_;
  std::optional<ProducerTopic> target_;
  std::vector<Delivery> under_way_;
  kafka::RedriveReport report_;
};

Result<kafka::RedriveReport> Redrive::run(Client& client) {
  Admin admin = client.admin();
  if (auto found = find_parts(admin); !found) return fail(found.error());
  if (auto found = find_ends(admin); !found) return fail(found.error());
  ProducerOptions options{.allow_auto_create_topics = false};
  fit_fetched_messages(options);
  auto producer = client.producer(options);
  if (!producer) return fail(producer.error());
  producer_.emplace(*std::move(producer));
  auto target = producer_->topic(to_);
  if (!target) return fail(target.error().within("redrive to " + to_));
  target_.emplace(*std::move(target));
  auto consumer = client.consumer({.group_id = from_ + ".redrive",
                                   .offset_reset = OffsetReset::earliest,
                                   .auto_commit = false});
  if (!consumer) return fail(consumer.error());
  if (auto started = start(*consumer); !started) return fail(started.error());
  while (!is_done()) {
    if (auto stepped = step(*consumer); !stepped) return fail(stepped.error());
  }
  if (auto closed = consumer->close(left()); !closed) return fail(closed.error());
  return report_;
}

Result<void> Redrive::find_parts(Admin& admin) {
  auto described = admin.describe_topics({from_}, {.timeout = left()});
  if (!described) return fail(described.error());
  for (const Named<TopicDescription>& topic : *described) {
    if (!topic.result) return fail(topic.result.error().within("redrive of " + from_));
    for (const PartitionDescription& each : topic.result->partitions) {
      parts_.push_back({.name = {from_, each.partition}, .end = {}, .next = {}});
    }
  }
  return {};
}

Result<void> Redrive::find_ends(Admin& admin) {
  std::vector<OffsetQuery> queries;
  for (const Part& part : parts_) queries.push_back({part.name, OffsetSpec::earliest()});
  for (const Part& part : parts_) queries.push_back({part.name, OffsetSpec::latest()});
  auto answers = admin.list_offsets(std::move(queries), {.timeout = left()});
  if (!answers) return fail(answers.error());
  for (std::size_t at = 0; at < answers->size(); ++at) {
    const OffsetAnswer& answer = (*answers)[at];
    if (!answer.result) return fail(answer.result.error().within("redrive of " + from_));
    Part& part = parts_[at % parts_.size()];
    (at < parts_.size() ? part.next : part.end) = answer.result->offset;
  }
  return {};
}

Result<void> Redrive::start(Consumer& consumer) {
  std::vector<TopicPartition> names;
  for (const Part& part : parts_) names.push_back(part.name);
  if (auto assigned = consumer.assign(names); !assigned) return assigned;
  if (!options_.from_first) {
    auto committed = consumer.committed(names);
    if (!committed) return fail(committed.error().within("redrive of " + from_));
    for (const PartitionOffset& offset : *committed) {
      const auto part = std::ranges::find(parts_, offset.partition, &Part::name);
      if (part != parts_.end()) part->next = std::max(part->next, offset.committed.offset);
    }
  }
  for (const Part& part : parts_) {
    if (auto sought = consumer.seek(part.name, part.next); !sought) return sought;
  }
  return {};
}

bool Redrive::is_done() const {
  return std::ranges::all_of(parts_, [](const Part& part) { return part.next >= part.end; });
}

Redrive::Part* Redrive::part_of(const ConsumerRecord& record) {
  const auto found = std::ranges::find_if(
      parts_, [&](const Part& part) { return part.name.partition == record.partition; });
  return found == parts_.end() ? nullptr : &*found;
}

Result<void> Redrive::step(Consumer& consumer) {
  if (left() == milliseconds(0)) {
    return fail(Error::client(Errc::timed_out, "redrive of " + from_ + " is not done after " +
                                                   std::to_string(options_.timeout.count()) +
                                                   " ms; " + std::to_string(report_.redriven) +
                                                   " messages were put back, and the next call "
                                                   "continues after them"));
  }
  auto records = consumer.poll(std::min(left(), max_poll));
  if (!records) return fail(records.error().within("redrive of " + from_));
  for (const ConsumerRecord& record : *records) {
    if (auto taken = take(record); !taken) return taken;
  }
  if (const Error* const damage = records->error()) return fail(*damage);
  for (Part& part : parts_) {
    // The position may be past control batches and gaps.
    const auto position = consumer.position(part.name, milliseconds(0));
    if (position && !position->is_none()) part.next = std::max(part.next, *position);
  }
  if (auto stored = await_stored(); !stored) return stored;
  return options_.dry_run ? Result<void>{} : commit(consumer);
}

Result<void> Redrive::take(const ConsumerRecord& record) {
  Part* const part = part_of(record);
  if (part == nullptr || record.offset >= part->end) return {};
  ++report_.read;
  const auto taken = is_taken(record);
  if (!taken) return fail(taken.error());
  if (!*taken) {
    ++report_.refused;
    return {};
  }
  ++report_.redriven;
  return options_.dry_run ? Result<void>{} : publish(record);
}

Result<bool> Redrive::is_taken(const ConsumerRecord& record) const {
  if (!filter_) return true;
  const Message message = message_of(record);
  try {
    return filter_(message);
  } catch (...) {
    return fail(thrown_by("the filter of redrive"));
  }
}

PartitionId Redrive::place_of(const ConsumerRecord& record) const {
  const auto topic = record.headers.first(header::original_topic);
  if (!topic || as_text(*topic) != to_) return {};
  const auto number = number_in<std::int32_t>(record.headers.first(header::original_partition));
  if (!number || *number < 0 || *number >= target_->partition_count()) return {};
  return PartitionId{*number};
}

Timestamp Redrive::time_of(const ConsumerRecord& record) const {
  if (options_.new_timestamps) return {};
  const auto time = number_in<std::int64_t>(record.headers.first(header::original_timestamp));
  return time && *time >= 0 ? Timestamp{*time} : Timestamp{};
}

Result<void> Redrive::publish(const ConsumerRecord& record) {
  std::vector<HeaderView> headers;
  for (const HeaderView& each : record.headers) {
    if (!is_redirect_header(each.name)) headers.push_back(each);
  }
  auto sent = producer_->send(*target_, {.key = record.key,
                                         .value = record.value,
                                         .headers = headers,
                                         .timestamp = time_of(record),
                                         .partition = place_of(record)});
  if (!sent) return fail(sent.error().within("redrive to " + to_));
  under_way_.push_back(*std::move(sent));
  return {};
}

Result<void> Redrive::await_stored() {
  for (const Delivery& each : std::exchange(under_way_, {})) {
    if (auto stored = each.wait(left()); !stored) {
      return fail(stored.error().within("redrive to " + to_));
    }
  }
  return {};
}

Result<void> Redrive::commit(Consumer& consumer) {
  std::vector<PartitionOffset> offsets;
  for (const Part& part : parts_) {
    offsets.push_back({part.name, {.offset = std::min(part.next, part.end)}});
  }
  auto committed = consumer.commit_sync(std::move(offsets), left());
  return committed ? committed : fail(committed.error().within("redrive of " + from_));
}

}  // namespace

}  // namespace messaging

inline namespace v0 {
namespace kafka {

Result<RedriveReport> redrive(Broker& broker, std::string dead_letters, std::string source,
                              RedriveFilter filter, RedriveOptions options) {
  for (const std::string* const topic : {&dead_letters, &source}) {
    if (auto named = check_topic_name(*topic); !named) {
      return fail(Error::configuration("redrive: " + std::string(named.error().message())));
    }
  }
  if (dead_letters == source) {
    return fail(Error::configuration("redrive from " + source + " to itself would not end"));
  }
  if (auto checked =
          check_options({{"redrive (timeout)", options.timeout.count(), 0, INT64_MAX, "ms"}});
      !checked) {
    return fail(checked.error());
  }
  auto client = broker.client();
  if (!client) return fail(client.error());
  return messaging::Redrive(std::move(dead_letters), std::move(source), std::move(filter), options)
      .run(*client);
}

}  // namespace kafka
}  // namespace v0
}  // namespace dohle
