#include "simulation/sending.hpp"

#include <algorithm>
#include <utility>

#include "base/thread.hpp"

namespace dohle::simulation {

using namespace std::chrono_literals;

Sending::Sending(Stage& stage, Ledger& ledger, std::int32_t partitions)
    : application_(stage, "sending"), ledger_(ledger), partitions_(partitions) {
  options_.delivery_timeout = application_.one_in(2) ? 120s : 6s;
  options_.request_timeout = application_.one_in(2) ? 30s : 2s;
  options_.delivery_timeout = std::max(options_.delivery_timeout, options_.request_timeout + 1s);
  // The small buffer fills while the node is away, so that send waits for space.
  options_.batch_bytes = 16 << 10;
  options_.buffer_bytes = application_.one_in(2) ? 64 << 10 : 32 << 20;
  options_.max_block = application_.one_in(2) ? 2s : 20s;
}

void Sending::run() {
  auto client = client::make_client({.bootstrap_servers = {"node:9092"}, .client_id = "sending"},
                                    application_.environment());
  while (!application_.within("Client::connect", 5s, [&] { return client->connect(5s); })) continue;
  producer_ = *client->producer(options_);
  while (!topic_) {
    auto found = application_.within("Producer::topic", options_.max_block,
                                     [&] { return producer_->topic("orders"); });
    if (found) topic_ = std::move(*found);
  }
  Thread other("other", [this] { send_all(2); });
  send_all(1);
  other.join();
  const auto timeout = application_.one_in(2) ? 1s : 15s;
  application_.note("closes");
  const auto closed =
      application_.within("Producer::close", timeout, [&] { return producer_->close(timeout); });
  take_outcomes();
  for (const auto& [record, sent] : sent_) {
    if (sent.is_open())
      application_.accuse("close returned before record " + std::to_string(record) +
                          " had an outcome");
  }
  if (closed) application_.stage().effects.add(effect::producer_closed);
  (void)application_.within("Client::close", 5s, [&] { return client->close(5s); });
  producer_.reset();
}

void Sending::send_all(int thread) {
  for (int left = records_per_thread; left > 0;) {
    const int burst = std::min(left, 1 + static_cast<int>(application_.draw(8)));
    for (int i = 0; i < burst; ++i) send_one(thread);
    left -= burst;
    take_outcomes();
    if (application_.one_in(4)) wait_for_one();
    if (application_.one_in(5)) flush();
    application_.pass_time(application_.up_to(application_.one_in(4) ? 2ms : 2'500ms));
  }
}

void Sending::told(std::size_t record, Result<Receipt> outcome) {
  if (!outcome) application_.stage().effects.add(effect::record_failed);
  application_.note(std::to_string(record) +
                    (outcome ? " is stored at " + std::to_string(outcome->offset.value)
                             : " fails: " + outcome.error().to_string()));
  sent_[record].settled = application_.now();
  ledger_.told(record, std::move(outcome), application_.now());
}

void Sending::send_one(int thread) {
  const PartitionId partition{
      static_cast<std::int32_t>(application_.draw(static_cast<std::uint64_t>(partitions_)))};
  const std::size_t record = ledger_.sent(thread, partition);
  std::string value = std::to_string(record);
  value.append(application_.draw(2'000), ' ');
  const Record bytes{.value = as_bytes(value), .partition = partition};
  application_.note("sends " + std::to_string(record));
  sent_[record] = {};
  if (application_.one_in(2)) {
    auto sent = application_.within("Producer::send", options_.max_block + 200ms, [&] {
      return producer_->send(*topic_, bytes, [this, record](Result<Receipt> outcome) {
        told(record, std::move(outcome));
      });
    });
    if (!sent) return told(record, fail(sent.error()));
    sent_[record].accepted = application_.now();
    return;
  }
  auto sent = application_.within("Producer::send", options_.max_block + 200ms,
                                  [&] { return producer_->send(*topic_, bytes); });
  if (!sent) return told(record, fail(sent.error()));
  sent_[record].accepted = application_.now();
  sent_[record].delivery = std::move(*sent);
}

void Sending::wait_for_one() {
  const auto open = std::ranges::find_if(
      sent_, [](const auto& each) { return each.second.is_open() && each.second.delivery; });
  if (open == sent_.end()) return;
  constexpr std::chrono::milliseconds timeouts[] = {0ms, 3ms, 300ms, 3s};
  const auto timeout = timeouts[application_.draw(std::size(timeouts))];
  // The other thread reads outcomes and leaves the Delivery in place.
  (void)application_.within("Delivery::wait", timeout,
                            [&] { return open->second.delivery->wait(timeout); });
}

void Sending::flush() {
  std::vector<std::size_t> covered;
  for (const auto& [record, sent] : sent_) {
    if (sent.is_open()) covered.push_back(record);
  }
  constexpr std::chrono::milliseconds timeouts[] = {20ms, 1s, 20s};
  const auto timeout = timeouts[application_.draw(std::size(timeouts))];
  const TimePoint began = application_.now();
  const Duration stood = application_.stood_still();
  application_.note("flushes");
  const auto flushed =
      application_.within("Producer::flush", timeout, [&] { return producer_->flush(timeout); });
  if (!flushed) return;
  application_.stage().effects.add(effect::flushed);
  TimePoint last = began;
  bool is_known = stood == application_.stood_still();
  for (const std::size_t record : covered) {
    const Sent& sent = sent_.at(record);
    if (sent.is_open()) {
      application_.accuse("flush returned before record " + std::to_string(record) +
                          ", accepted before it, had an outcome");
    }
    is_known = is_known && !sent.delivery;
    last = std::max(last, sent.settled.value_or(last));
  }
  // The loop begins the flush a moment later, which then covers records of the other thread from in
  // between.
  is_known = is_known && std::ranges::none_of(sent_, [&](const auto& each) {
               return each.second.accepted && *each.second.accepted >= began &&
                      *each.second.accepted < began + 1ms;
             });
  if (is_known && application_.now() > last + 5ms) {
    application_.accuse("flush returned " + application_.in_ms(application_.now() - last) +
                        " after the last record that it covers had its outcome");
  }
}

void Sending::take_outcomes() {
  for (auto& [record, sent] : sent_) {
    if (sent.settled || !sent.delivery || !sent.delivery->is_done()) continue;
    told(record, sent.delivery->wait(0ms));
  }
}

}  // namespace dohle::simulation
