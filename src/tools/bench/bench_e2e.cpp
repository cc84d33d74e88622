#include <atomic>
#include <cstring>
#include <optional>
#include <thread>

#include <fmt/format.h>

#include "dohle/consumer.hpp"
#include "tools/bench/bench.hpp"
#include "tools/commands/terminal.hpp"

namespace dohle::tools {

namespace {

constexpr std::chrono::milliseconds poll_time{200};
constexpr std::chrono::milliseconds mark_interval{50};
constexpr std::chrono::seconds max_idle{30};
constexpr std::chrono::seconds flush_time{60};
/// Warm-up time for connections, caches and a server's JIT compiler: its records are sent but not
/// measured.
constexpr std::chrono::seconds settling_time{2};
/// Special values in place of a record's send time.
constexpr std::int64_t mark = 0, settling = -1;

/// The partitions whose mark was received: the consumer waits at them from then on.
class Marks {
 public:
  explicit Marks(std::int32_t partitions) : seen_(static_cast<std::size_t>(partitions)) {}
  void set(PartitionId partition) {
    const auto at = static_cast<std::size_t>(partition.value);
    if (at < seen_.size()) seen_[at].store(true);
  }
  [[nodiscard]] bool has(std::size_t partition) const { return seen_[partition].load(); }
  [[nodiscard]] std::size_t size() const { return seen_.size(); }

 private:
  std::vector<std::atomic<bool>> seen_;
};

/// Sends records at a steady rate. Each starts with its send time; marks and the records of the
/// warm-up have none.
class Sender {
 public:
  Sender(const BenchArguments& arguments, Producer& producer, const ProducerTopic& topic,
         const Marks& marks)
      : arguments_(arguments), producer_(producer), topic_(topic), marks_(marks) {
    const Payloads payloads(arguments.size_bytes);
    const Bytes random = payloads.at(0);
    value_.assign(random.begin(), random.end());
  }

  /// Runs on a thread of its own until all records are sent, `stop` is called, or a send fails.
  void run() {
    error_ = send_all();
    is_done_.store(true);
  }
  void stop() { is_stopped_.store(true); }
  [[nodiscard]] bool is_done() const { return is_done_.load(); }
  /// Valid after is_done().
  [[nodiscard]] const std::optional<Error>& error() const { return error_; }

 private:
  [[nodiscard]] bool is_stopped() const { return is_stopped_.load() || Interrupt::is_set(); }

  std::optional<Error> send_all() {
    for (std::size_t partition = 0; partition < marks_.size(); ++partition) {
      while (!marks_.has(partition) && !is_stopped()) {
        if (auto sent = send(partition, mark); !sent) return sent.error();
        std::this_thread::sleep_for(mark_interval);
      }
    }
    const auto interval = std::chrono::nanoseconds(1'000'000'000 / arguments_.rate);
    auto next = std::chrono::steady_clock::now();
    const std::uint64_t unmeasured =
        static_cast<std::uint64_t>(settling_time.count()) * arguments_.rate;
    for (std::uint64_t i = 0; i < unmeasured + arguments_.records && !is_stopped(); ++i) {
      next += interval;
      if (!Interrupt::sleep_until(next)) return std::nullopt;
      const std::int64_t stamp = i < unmeasured ? settling : steady_ns();
      if (auto sent = send(i % marks_.size(), stamp); !sent) return sent.error();
    }
    return flush();
  }

  /// Flushes in short steps, so that `stop` ends it.
  std::optional<Error> flush() {
    const auto until = std::chrono::steady_clock::now() + flush_time;
    while (!is_stopped()) {
      const auto flushed = producer_.flush(poll_time);
      if (flushed) return flushed->first_error;
      if (!flushed.error().is(Errc::timed_out) || std::chrono::steady_clock::now() >= until) {
        return flushed.error();
      }
    }
    return std::nullopt;
  }

  Result<Delivery> send(std::size_t partition, std::int64_t stamp) {
    std::memcpy(value_.data(), &stamp, sizeof stamp);
    return producer_.send(
        topic_, {.value = value_, .partition = PartitionId{static_cast<std::int32_t>(partition)}});
  }

  const BenchArguments& arguments_;
  Producer& producer_;
  const ProducerTopic& topic_;
  const Marks& marks_;
  std::vector<std::byte> value_;
  std::atomic<bool> is_stopped_ = false;
  std::atomic<bool> is_done_ = false;
  std::optional<Error> error_;
};

void take(const ConsumerRecord& record, Marks& marks, Measurement& measured) {
  std::int64_t sent_ns = 0;
  if (!record.value || record.value->size() < sizeof sent_ns) return;
  std::memcpy(&sent_ns, record.value->data(), sizeof sent_ns);
  if (sent_ns == mark) return marks.set(record.partition);
  if (sent_ns == settling) return;
  measured.latency.add(steady_ns() - sent_ns);
  measured.bytes += record.value->size();
  ++measured.records;
}

Result<void> receive(const BenchArguments& arguments, Consumer& consumer, const Sender& sender,
                     Marks& marks, Measurement& measured) {
  std::optional<Stopwatch> watch;
  auto last = std::chrono::steady_clock::now();
  while (measured.records < arguments.records && !Interrupt::is_set()) {
    auto records = consumer.poll(poll_time);
    if (!records) return fail(records.error());
    for (const ConsumerRecord& record : *records) take(record, marks, measured);
    if (const Error* error = records->error()) return fail(*error);
    if (!watch && measured.records > 0) watch.emplace();
    const auto now = std::chrono::steady_clock::now();
    if (!records->empty()) last = now;
    if (sender.is_done() && sender.error()) return fail(*sender.error());
    if (now - last > max_idle) {
      return fail(Error::client(
          Errc::timed_out, fmt::format("only {} of {} records arrived; none for {} s",
                                       measured.records, arguments.records, max_idle.count())));
    }
  }
  if (watch) watch->into(measured);
  return {};
}

}  // namespace

Result<Measurement> bench_e2e(const BenchArguments& arguments, Client& client) {
  const auto options = bench_producer_options(arguments);
  if (!options) return fail(options.error());
  auto producer = client.producer(*options);
  if (!producer) return fail(producer.error());
  const auto topic = producer->topic(arguments.topic);
  if (!topic) return fail(topic.error());
  auto consumer = client.consumer(bench_consumer_options(arguments, OffsetReset::latest));
  if (!consumer) return fail(consumer.error());
  if (auto subscribed = consumer->subscribe({arguments.topic}); !subscribed) {
    return fail(subscribed.error());
  }
  Marks marks(topic->partition_count());
  Sender sender(arguments, *producer, *topic, marks);
  Measurement measured;
  std::thread sending([&] { sender.run(); });
  auto received = receive(arguments, *consumer, sender, marks, measured);
  sender.stop();
  sending.join();
  const auto closed = consumer->close(std::chrono::seconds(5));
  if (received && sender.error()) received = fail(*sender.error());
  if (received && !closed) received = closed;
  if (!received) return fail(received.error());
  return measured;
}

}  // namespace dohle::tools
