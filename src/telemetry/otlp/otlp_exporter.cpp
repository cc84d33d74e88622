#include "dohle/otlp.hpp"

#include <curl/curl.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <condition_variable>
#include <mutex>
#include <string_view>
#include <system_error>
#include <thread>
#include <utility>

#include "base/fork_watch.hpp"
#include "base/option_checks.hpp"
#include "base/printable.hpp"
#include "base/random.hpp"
#include "base/repeats.hpp"
#include "base/system_secure_random.hpp"
#include "telemetry/export_queue.hpp"
#include "telemetry/otlp_spans.hpp"

namespace dohle::telemetry {

namespace {

/// The most bytes of a request.
constexpr std::size_t max_request_bytes = std::size_t{16} << 20;
/// The most bytes of an answer; the rest fails the request.
constexpr std::size_t max_answer_bytes = std::size_t{64} << 10;
constexpr std::chrono::minutes quiet{1};
/// The most time between two attempts during close, unless the server says Retry-After.
constexpr std::chrono::milliseconds closing_backoff{100};

TimePoint now_mono() {
  return TimePoint(std::chrono::steady_clock::now().time_since_epoch());
}

/// An endpoint as logs show it: without a user and password, and without a query, which may hold a
/// key.
std::string shown(std::string_view endpoint) {
  const auto scheme = endpoint.find("://");
  const auto begin = scheme == std::string_view::npos ? 0 : scheme + 3;
  const auto path = endpoint.find_first_of("/?#", begin);
  const auto login = endpoint.substr(begin, path - begin).rfind('@');
  std::string text(endpoint.substr(0, begin));
  const auto host = login == std::string_view::npos ? begin : begin + login + 1;
  text += endpoint.substr(host, endpoint.find_first_of("?#", host) - host);
  return printable(text.substr(0, 200));
}

/// The result of one request.
struct Outcome {
  ExportQueue::Answer answer = ExportQueue::Answer::try_again;
  std::optional<Duration> retry_after = {};
  /// Empty for an accepted one.
  std::string why = {};
};

/// One connection to the collector, kept for the next request. One thread at a time.
class Poster {
 public:
  /// `abort_at`: nanoseconds of the monotonic time at which a request is given up.
  Poster(const OtlpOptions& options, const std::atomic<std::int64_t>& abort_at)
      : abort_at_(abort_at), curl_(curl_easy_init()) {
    list_ = curl_slist_append(list_, "Content-Type: application/x-protobuf");
    // A large body is sent without asking first.
    list_ = curl_slist_append(list_, "Expect:");
    for (const OtlpHeader& header : options.headers) {
      list_ = curl_slist_append(list_, (header.name + ": " + header.value).c_str());
    }
    set(CURLOPT_URL, options.endpoint.c_str());
    set(CURLOPT_HTTPHEADER, list_);
    set(CURLOPT_NOSIGNAL, 1L);
    set(CURLOPT_FOLLOWLOCATION, 0L);
    set(CURLOPT_PROTOCOLS_STR, "http,https");
    set(CURLOPT_USERAGENT, "dohle");
    set(CURLOPT_ERRORBUFFER, reason_.data());
    set(CURLOPT_WRITEFUNCTION, &Poster::on_bytes);
    set(CURLOPT_WRITEDATA, this);
    set(CURLOPT_NOPROGRESS, 0L);
    set(CURLOPT_XFERINFOFUNCTION, &Poster::on_progress);
    set(CURLOPT_XFERINFODATA, this);
    if (!options.ca_file.empty()) set(CURLOPT_CAINFO, options.ca_file.c_str());
  }
  ~Poster() {
    curl_easy_cleanup(curl_);
    curl_slist_free_all(list_);
  }
  Poster(const Poster&) = delete;
  Poster& operator=(const Poster&) = delete;

  Outcome post(const std::string& body, std::chrono::milliseconds timeout) {
    if (curl_ == nullptr) return {.why = "libcurl has no memory"};
    received_ = 0;
    reason_[0] = '\0';
    set(CURLOPT_POSTFIELDS, body.data());
    set(CURLOPT_POSTFIELDSIZE_LARGE, static_cast<curl_off_t>(body.size()));
    set(CURLOPT_TIMEOUT_MS, static_cast<long>(std::max<std::int64_t>(1, timeout.count())));
    const CURLcode code = curl_easy_perform(curl_);
    if (code != CURLE_OK) {
      return {.why = reason_[0] != '\0' ? reason_.data() : curl_easy_strerror(code)};
    }
    return outcome();
  }

 private:
  template <class Value>
  void set(CURLoption option, Value value) {
    curl_easy_setopt(curl_, option, value);
  }

  static std::size_t on_bytes(const char* /*data*/, std::size_t one, std::size_t count,
                              void* self) {
    auto& poster = *static_cast<Poster*>(self);
    poster.received_ += one * count;
    return poster.received_ > max_answer_bytes ? 0 : one * count;
  }

  /// libcurl calls it at least once a second.
  static int on_progress(void* self, curl_off_t /*download*/, curl_off_t /*downloaded*/,
                         curl_off_t /*upload*/, curl_off_t /*uploaded*/) {
    const auto& poster = *static_cast<const Poster*>(self);
    return now_mono().time_since_epoch().count() >= poster.abort_at_.load() ? 1 : 0;
  }

  Outcome outcome() {
    long status = 0;
    curl_off_t seconds = 0;
    curl_easy_getinfo(curl_, CURLINFO_RESPONSE_CODE, &status);
    curl_easy_getinfo(curl_, CURLINFO_RETRY_AFTER, &seconds);
    if (status >= 200 && status < 300) return {.answer = ExportQueue::Answer::accepted};
    Outcome failed{.why = "HTTP status " + std::to_string(status)};
    const bool may_pass = status == 429 || status == 502 || status == 503 || status == 504;
    if (!may_pass) failed.answer = ExportQueue::Answer::refused;
    if (seconds > 0)
      failed.retry_after = std::chrono::seconds(std::min<curl_off_t>(seconds, 3'600));
    return failed;
  }

  const std::atomic<std::int64_t>& abort_at_;
  /// libcurl may write into it until the handle ends.
  std::array<char, CURL_ERROR_SIZE> reason_{};
  CURL* const curl_;
  curl_slist* list_ = nullptr;
  std::size_t received_ = 0;
};

ExportQueue::Options queue_options(const OtlpOptions& options) {
  ExportQueue::Options made;
  made.max_queue = options.max_queue;
  made.max_batch = options.max_batch;
  made.batch_delay = options.batch_delay;
  made.retry_backoff = options.retry_backoff;
  made.max_retry_backoff = std::max<Duration>(made.max_retry_backoff, options.retry_backoff);
  made.give_up_after = options.give_up_after;
  return made;
}

}  // namespace

/// The queue and the thread that sends from it.
class OtlpSender {
 public:
  explicit OtlpSender(OtlpOptions options)
      : options_(std::move(options)),
        logger_(options_.logger ? options_.logger : stderr_logger()),
        jitter_(SystemSecureRandom().next()),
        queue_(queue_options(options_)),
        thread_([this] { run(); }) {}

  [[nodiscard]] bool is_forked() const { return made_in_.is_forked(); }

  void take(FinishedSpan span) {
    bool is_news = false;
    {
      const std::lock_guard lock(mutex_);
      if (is_ended_) {
        ++late_;
        return;
      }
      const TimePoint before = queue_.next_at();
      queue_.add(std::move(span), now_mono());
      is_news = queue_.next_at() < before;
    }
    if (is_news) changed_.notify_all();
  }

  Result<void> flush(std::chrono::milliseconds timeout) {
    std::unique_lock lock(mutex_);
    if (is_ended_) return fail(Error::client(Errc::closed, "the OTLP exporter is closed"));
    return drain(lock, timeout);
  }

  Result<void> close(std::chrono::milliseconds timeout) {
    Result<void> drained;
    {
      std::unique_lock lock(mutex_);
      if (!is_ended_) {
        stop_by_ = now_mono() + call_timeout(timeout);
        abort_at_.store(stop_by_->time_since_epoch().count());
        drained = drain(lock, timeout);
        is_ended_ = true;
      }
    }
    changed_.notify_all();
    const std::lock_guard once(joining_);
    if (thread_.joinable()) thread_.join();
    // The thread has ended first, since it reads the spans of a request without the lock.
    {
      const std::lock_guard lock(mutex_);
      queue_.drop_all();
    }
    changed_.notify_all();
    return drained;
  }

  void log_end(const Error& why) {
    if (logger_->level() > LogLevel::warning) return;
    logger_->log(LogLevel::warning, "otlp", why.message());
  }

  [[nodiscard]] OtlpCounts counts() const {
    const std::lock_guard lock(mutex_);
    return {queue_.exported(), queue_.dropped() + late_, queue_.failures(), queue_.size()};
  }

 private:
  using Lock = std::unique_lock<std::mutex>;

  /// Waits until the spans that wait now were sent or dropped.
  Result<void> drain(Lock& lock, std::chrono::milliseconds timeout) {
    queue_.hurry();
    changed_.notify_all();
    const auto deadline = std::chrono::steady_clock::now() + call_timeout(timeout);
    const std::uint64_t last = queue_.taken();
    const bool is_done =
        changed_.wait_until(lock, deadline, [&] { return queue_.settled() >= last; });
    if (is_done) return {};
    return fail(Error::client(Errc::timed_out,
                              "OTLP: " + std::to_string(last - queue_.settled()) +
                                  " spans were not sent within " + std::to_string(timeout.count()) +
                                  " ms" + (last_why_.empty() ? "" : "; last: " + last_why_)));
  }

  void run() {
    Poster poster(options_, abort_at_);
    Lock lock(mutex_);
    while (!is_ended_) {
      const auto spans = queue_.next(now_mono());
      if (!spans.empty()) {
        send(lock, poster, spans);
        continue;
      }
      const TimePoint at = queue_.next_at();
      if (at == never) {
        changed_.wait(lock);
      } else {
        changed_.wait_until(lock, std::chrono::steady_clock::time_point(at.time_since_epoch()));
      }
    }
  }

  /// The queue keeps `spans` until the answer.
  void send(Lock& lock, Poster& poster, std::span<const FinishedSpan> spans) {
    const std::optional<TimePoint> stop_by = stop_by_;
    std::chrono::milliseconds timeout = options_.timeout;
    if (stop_by) {
      timeout = std::min(timeout, std::chrono::ceil<std::chrono::milliseconds>(
                                      std::max(Duration(), *stop_by - now_mono())));
    }
    lock.unlock();
    const auto body = encode_spans(spans, max_request_bytes);
    const Outcome outcome =
        body ? poster.post(*body, timeout)
             : Outcome{.answer = ExportQueue::Answer::refused,
                       .why = "the spans of a request have more than 16 MiB; set max_batch"};
    lock.lock();
    queue_.on_answer(outcome.answer, outcome.retry_after, jitter_.unit(), now_mono());
    // The caller of flush gets this reason.
    if (!outcome.why.empty()) last_why_ = outcome.why;
    if (stop_by_ && !outcome.retry_after) queue_.retry_by(now_mono() + closing_backoff);
    changed_.notify_all();
    if (!outcome.why.empty()) warn(lock, outcome.why);
  }

  void warn(Lock& lock, const std::string& why) {
    const auto earlier = repeats_.admit(now_mono());
    if (!earlier) return;
    const std::uint64_t dropped = queue_.dropped();
    lock.unlock();
    if (logger_->level() <= LogLevel::warning) {
      logger_->log(LogLevel::warning, "otlp",
                   "spans cannot be sent to " + shown(options_.endpoint) + ": " + printable(why) +
                       "; dropped so far: " + std::to_string(dropped) + more_since(*earlier));
    }
    lock.lock();
  }

  const OtlpOptions options_;
  const std::shared_ptr<Logger> logger_;
  const ForkMark made_in_;
  mutable std::mutex mutex_;
  std::condition_variable changed_;
  SeededRandom jitter_;
  ExportQueue queue_;
  Repeats repeats_{quiet};
  std::string last_why_;
  /// Set by close.
  std::optional<TimePoint> stop_by_;
  std::atomic<std::int64_t> abort_at_{INT64_MAX};
  std::uint64_t late_ = 0;
  bool is_ended_ = false;
  std::mutex joining_;
  /// The last member: it uses the others.
  std::thread thread_;
};

namespace {

Result<void> check(const OtlpOptions& options) {
  const bool is_http =
      options.endpoint.starts_with("http://") || options.endpoint.starts_with("https://");
  if (!is_http || options.endpoint.size() > 2'048) {
    return fail(Error::configuration("endpoint is " + shown(options.endpoint) +
                                     "; allowed are http:// and https://, up to 2048 bytes"));
  }
  for (const OtlpHeader& header : options.headers) {
    const auto breaks = [](std::string_view text) {
      return text.find_first_of(std::string_view("\r\n\0", 3)) != std::string_view::npos;
    };
    const bool is_name = !header.name.empty() && !header.name.contains(':');
    if (!is_name || breaks(header.name) || breaks(header.value)) {
      return fail(Error::configuration("headers holds " + printable(header.name.substr(0, 80)) +
                                       "; allowed are names without a colon, and no line breaks"));
    }
  }
  return check_options({
      {"headers (their number)", as_value(options.headers.size()), 0, 64},
      {"max_queue", as_value(options.max_queue), 1, 1'000'000},
      {"max_batch", as_value(options.max_batch), 1, as_value(options.max_queue)},
      {"batch_delay", options.batch_delay.count(), 0, 60'000, "ms"},
      {"timeout", options.timeout.count(), 1, 600'000, "ms"},
      {"retry_backoff", options.retry_backoff.count(), 1, 60'000, "ms"},
      {"give_up_after", options.give_up_after.count(), 0, 3'600'000, "ms"},
  });
}

/// Starts libcurl once in a process. It is never ended.
bool start_curl() {
  static const bool is_started = curl_global_init(CURL_GLOBAL_DEFAULT) == CURLE_OK;
  return is_started;
}

}  // namespace

}  // namespace dohle::telemetry

namespace dohle {
inline namespace v0 {

OtlpExporter::OtlpExporter(std::shared_ptr<telemetry::OtlpSender> sender)
    : sender_(std::move(sender)) {}

Result<std::shared_ptr<OtlpExporter>> OtlpExporter::create(OtlpOptions options) {
  if (auto checked = telemetry::check(options); !checked) return fail(checked.error());
  if (!telemetry::start_curl()) {
    return fail(Error::client(Errc::limit_reached, "libcurl cannot be initialized"));
  }
  try {
    return std::shared_ptr<OtlpExporter>(
        new OtlpExporter(std::make_shared<telemetry::OtlpSender>(std::move(options))));
  } catch (const std::system_error& error) {
    return fail(Error::client(
        Errc::limit_reached,
        std::string("the system could not start the exporter's thread: ") + error.what()));
  }
}

OtlpExporter::~OtlpExporter() {
  if (sender_->is_forked()) {
    keep_for_ever(std::move(sender_));
    return;
  }
  const auto closed = sender_->close(std::chrono::seconds(1));
  if (!closed) sender_->log_end(closed.error());
}

void OtlpExporter::take(FinishedSpan span) {
  if (!sender_->is_forked()) sender_->take(std::move(span));
}

Result<void> OtlpExporter::flush(std::chrono::milliseconds timeout) {
  if (sender_->is_forked()) {
    return fail(Error::client(Errc::forked, "an OTLP exporter cannot be used after fork()"));
  }
  return sender_->flush(timeout);
}

Result<void> OtlpExporter::close(std::chrono::milliseconds timeout) {
  if (sender_->is_forked()) {
    return fail(Error::client(Errc::forked, "an OTLP exporter cannot be used after fork()"));
  }
  return sender_->close(timeout);
}

OtlpCounts OtlpExporter::counts() const {
  return sender_->is_forked() ? OtlpCounts() : sender_->counts();
}

}  // namespace v0
}  // namespace dohle
