#include <atomic>
#include <condition_variable>
#include <mutex>
#include <random>
#include <thread>

#include <unistd.h>

#include <fmt/format.h>

#include "tools/bench/bench.hpp"
#include "tools/commands/settling.hpp"
#include "tools/commands/terminal.hpp"

namespace dohle::tools {

namespace {

// The latency of one in this many records is measured; of each record with a rate or with
// is_one_by_one.
constexpr std::uint64_t sampled_one_in = 128;
constexpr std::uint64_t warming_records = 100;
constexpr std::uint64_t looked_around_every = 16;
// Room in a request for the framing of a record and a batch, beside a value of --size.
constexpr std::uint64_t frame_bytes = 1024;

/// The sampled latencies; callbacks run one at a time, on the client's thread only.
struct Samples {
  LatencyHistogram latency;
};

/// A signal that one thread waits for repeatedly. (A semaphore would spin before it sleeps, on the
/// cores that the answer needs.)
class Told {
 public:
  void tell() {
    const std::lock_guard guard(mutex_);
    is_told_ = true;
    told_.notify_one();
  }
  /// Waits for the signal, or until the user interrupts.
  void wait() {
    std::unique_lock lock(mutex_);
    while (!told_.wait_for(lock, look_time, [this] { return is_told_; })) {
      if (Interrupt::is_set()) return;
    }
    is_told_ = false;
  }

 private:
  static constexpr std::chrono::milliseconds look_time{100};
  std::mutex mutex_;
  std::condition_variable told_;
  bool is_told_ = false;
};

class Sending {
 public:
  Sending(const BenchArguments& arguments, Producer& producer, ProducerTopic topic)
      : arguments_(arguments),
        producer_(producer),
        topic_(std::move(topic)),
        payloads_(arguments.size_bytes),
        sample_every_(arguments.rate > 0 || arguments.is_one_by_one ? 1 : sampled_one_in) {}

  Result<Measurement> run() {
    if (auto warmed = warm(); !warmed) return fail(warmed.error());
    const std::uint64_t threads = arguments_.threads;
    const std::uint64_t each = arguments_.records / threads;
    for (std::uint64_t i = 0; i < threads; ++i) answers_.push_back(std::make_unique<Told>());
    const Stopwatch watch;
    std::vector<std::thread> others;
    for (std::uint64_t i = 1; i < threads; ++i) {
      others.emplace_back([this, each, i] { send_many(each, *answers_[i]); });
    }
    send_many(arguments_.records - each * (threads - 1), *answers_.front());
    for (std::thread& other : others) other.join();
    const auto flushed = settle(producer_, std::chrono::minutes(3));
    Measurement measured;
    watch.into(measured);
    if (!flushed) return fail(flushed.error());
    if (refused_count_ > 0 && flushed->failed == 0) return fail(*first_refusal_);
    measured.failed = flushed->failed + refused_count_;
    measured.records = sent_count_ - flushed->failed;
    measured.bytes = measured.records * arguments_.size_bytes;
    measured.latency = samples_->latency;
    if (flushed->first_error) {
      fmt::print(stderr, "dohle bench produce: {}\n", flushed->first_error->message());
    }
    return measured;
  }

 private:
  /// Connects, requests a producer id and resolves partitions, which the measurement excludes.
  Result<void> warm() {
    for (std::uint64_t i = 0; i < warming_records; ++i) {
      auto sent = producer_.send(topic_, {.value = payloads_.at(i)});
      if (!sent) return fail(sent.error());
    }
    auto flushed = settle(producer_, std::chrono::seconds(60));
    if (!flushed) return fail(flushed.error());
    if (flushed->first_error) return fail(*flushed->first_error);
    return {};
  }

  void send_many(std::uint64_t count, Told& answer) {
    const auto interval = std::chrono::nanoseconds(
        arguments_.rate > 0 ? 1'000'000'000 * arguments_.threads / arguments_.rate : 0);
    const std::uint64_t look_every = arguments_.is_one_by_one ? 1 : looked_around_every;
    auto next = std::chrono::steady_clock::now();
    std::uint64_t i = 0;
    for (; i < count; ++i) {
      next += interval;
      if (arguments_.rate > 0 && !Interrupt::sleep_until(next)) break;
      if (i % look_every == 0 && Interrupt::is_set()) break;
      const Record record{.value = payloads_.at(i)};
      const bool is_sampled = i % sample_every_ == 0;
      if (!(arguments_.is_one_by_one ? send_and_wait(record, answer)
            : is_sampled             ? send_sampled(record)
                                     : send_plain(record))) {
        break;
      }
    }
    sent_count_ += i;
  }

  bool send_plain(const Record& record) {
    const auto sent = producer_.send(topic_, record);
    if (!sent) refuse(sent.error());
    return sent.has_value();
  }

  bool send_sampled(const Record& record) {
    const auto sent = producer_.send(
        topic_, record, [samples = samples_.get(), began = steady_ns()](Result<Receipt> receipt) {
          if (receipt) samples->latency.add(steady_ns() - began);
        });
    if (!sent) refuse(sent.error());
    return sent.has_value();
  }

  bool send_and_wait(const Record& record, Told& answer) {
    const auto sent = producer_.send(topic_, record,
                                     [this, &answer, began = steady_ns()](Result<Receipt> receipt) {
                                       if (receipt) samples_->latency.add(steady_ns() - began);
                                       answer.tell();
                                     });
    if (!sent) refuse(sent.error());
    if (sent) answer.wait();
    return sent.has_value();
  }

  void refuse(const Error& why) {
    const std::lock_guard guard(mutex_);
    if (refused_count_++ == 0) first_refusal_ = why;
  }

  const BenchArguments& arguments_;
  Producer& producer_;
  ProducerTopic topic_;
  Payloads payloads_;
  std::uint64_t sample_every_;
  std::unique_ptr<Samples> samples_ = std::make_unique<Samples>();
  /// One per thread.
  std::vector<std::unique_ptr<Told>> answers_;
  std::atomic<std::uint64_t> sent_count_ = 0;
  std::mutex mutex_;
  std::uint64_t refused_count_ = 0;
  std::optional<Error> first_refusal_;
};

}  // namespace

Payloads::Payloads(std::size_t size_bytes)
    : size_bytes_(size_bytes), bytes_(pool_bytes + size_bytes) {
  std::mt19937_64 random(1);
  for (std::byte& byte : bytes_) byte = static_cast<std::byte>(random());
}

std::string bench_group(const BenchArguments& arguments) {
  if (!arguments.group.empty()) return arguments.group;
  const auto& properties = arguments.properties.values();
  if (const auto named = properties.find("group.id"); named != properties.end()) {
    return named->second;
  }
  return fmt::format("dohle-bench-{}-{}", ::getpid(), steady_ns());
}

Result<ProducerOptions> bench_producer_options(const BenchArguments& arguments) {
  ProducerOptions options{.linger = arguments.usual_linger};
  // The server decides whether a record is too large.
  const std::uint64_t record_bytes = arguments.size_bytes + frame_bytes;
  options.max_request_bytes = std::max(options.max_request_bytes, record_bytes);
  arguments.properties.apply_to(options);
  if (arguments.acks) {
    options.acks = *arguments.acks;
    options.idempotence = options.acks == Acks::all;
  }
  if (arguments.linger) options.linger = *arguments.linger;
  if (arguments.buffer_bytes) options.buffer_bytes = *arguments.buffer_bytes;
  if (record_bytes > options.buffer_bytes) {
    return fail(Error::configuration(
        fmt::format("a value of {} bytes needs a --buffer of {} bytes, and it has {}",
                    arguments.size_bytes, record_bytes, options.buffer_bytes)));
  }
  return options;
}

ConsumerOptions bench_consumer_options(const BenchArguments& arguments, OffsetReset from) {
  ConsumerOptions options{.max_poll_records = 100'000};
  arguments.properties.apply_to(options);
  options.offset_reset = from;
  options.group_id = bench_group(arguments);
  return options;
}

Result<Measurement> bench_produce(const BenchArguments& arguments, Client& client) {
  const auto options = bench_producer_options(arguments);
  if (!options) return fail(options.error());
  auto producer = client.producer(*options);
  if (!producer) return fail(producer.error());
  auto topic = producer->topic(arguments.topic);
  if (!topic) return fail(topic.error());
  auto measured = Sending(arguments, *producer, *std::move(topic)).run();
  // Samples and answers are destroyed with Sending: closing the producer first ensures that no
  // callback runs later.
  const auto closed = producer->close(std::chrono::seconds(5));
  if (measured && !closed) return fail(closed.error());
  return measured;
}

}  // namespace dohle::tools
