// The exporter without a collector. With one it is tested in tests/interop.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <atomic>
#include <chrono>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

#include "dohle/otlp.hpp"

namespace dohle {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;
using testing::HasSubstr;
using testing::Not;

FinishedSpan span() {
  FinishedSpan made;
  made.name = "a";
  made.resource = std::make_shared<const Resource>();
  return made;
}

/// A port of the loopback that takes connections and answers nothing, or takes none.
class Port {
 public:
  explicit Port(bool is_open) : socket_(::socket(AF_INET, SOCK_STREAM, 0)) {
    sockaddr_in at{};
    at.sin_family = AF_INET;
    at.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    socklen_t size = sizeof at;
    EXPECT_EQ(::bind(socket_, reinterpret_cast<sockaddr*>(&at), size), 0);
    if (is_open) {
      EXPECT_EQ(::listen(socket_, 16), 0);
    }
    EXPECT_EQ(::getsockname(socket_, reinterpret_cast<sockaddr*>(&at), &size), 0);
    endpoint = "http://127.0.0.1:" + std::to_string(ntohs(at.sin_port)) + "/v1/traces";
  }
  ~Port() { ::close(socket_); }
  Port(const Port&) = delete;
  Port& operator=(const Port&) = delete;

  std::string endpoint;

 private:
  const int socket_;
};

std::shared_ptr<OtlpExporter> made(OtlpOptions options) {
  options.logger = silent_logger();
  auto exporter = OtlpExporter::create(std::move(options));
  EXPECT_TRUE(exporter) << exporter.error().to_string();
  return *exporter;
}

TEST(OtlpExporter, drops_spans_once_time_runs_out_and_counts_them) {
  const Port closed(false);
  const auto exporter =
      made({.endpoint = closed.endpoint, .retry_backoff = milliseconds(1), .give_up_after = {}});
  for (int i = 0; i < 3; ++i) exporter->take(span());
  EXPECT_TRUE(exporter->flush(seconds(30)));
  EXPECT_EQ(exporter->counts().exported, 0u);
  EXPECT_EQ(exporter->counts().dropped, 3u);
  EXPECT_EQ(exporter->counts().failed_requests, 1u);
  EXPECT_EQ(exporter->counts().queued, 0u);
}

TEST(OtlpExporter, flush_waits_for_no_later_span) {
  const Port closed(false);
  const auto exporter = made({.endpoint = closed.endpoint, .give_up_after = {}});
  std::atomic<bool> is_over = false;
  exporter->take(span());
  std::thread other([&] {
    while (!is_over) exporter->take(span());
  });
  EXPECT_TRUE(exporter->flush(seconds(20)));
  is_over = true;
  other.join();
}

TEST(OtlpExporter, returns_the_reason_of_a_failed_flush) {
  const Port closed(false);
  const auto exporter = made({.endpoint = closed.endpoint});
  exporter->take(span());
  const auto flushed = exporter->flush(milliseconds(500));
  ASSERT_FALSE(flushed);
  EXPECT_TRUE(flushed.error().is(Errc::timed_out));
  EXPECT_THAT(std::string(flushed.error().message()), HasSubstr("1 spans were not sent"));
}

TEST(OtlpExporter, does_not_wait_for_a_silent_collector_when_spans_are_taken) {
  const Port silent(true);
  const auto exporter = made({.endpoint = silent.endpoint, .max_queue = 10, .max_batch = 1});
  for (int i = 0; i < 100; ++i) exporter->take(span());
  const OtlpCounts counts = exporter->counts();
  EXPECT_EQ(counts.queued, 10u);
  EXPECT_EQ(counts.dropped, 90u);
}

TEST(OtlpExporter, close_ends_within_its_time_and_later_spans_are_counted) {
  const Port silent(true);
  const auto exporter = made({.endpoint = silent.endpoint, .batch_delay = milliseconds(0)});
  exporter->take(span());
  const auto before = std::chrono::steady_clock::now();
  const auto closed = exporter->close(milliseconds(100));
  EXPECT_LT(std::chrono::steady_clock::now() - before, seconds(8));
  ASSERT_FALSE(closed);
  EXPECT_TRUE(closed.error().is(Errc::timed_out));
  exporter->take(span());
  EXPECT_EQ(exporter->counts().dropped, 2u);
  EXPECT_TRUE(exporter->close(milliseconds(0)));
  EXPECT_TRUE(exporter->flush(milliseconds(0)).error().is(Errc::closed));
}

TEST(OtlpExporter, waits_between_its_attempts_during_close) {
  const Port closed(false);
  const auto exporter = made({.endpoint = closed.endpoint});
  exporter->take(span());
  EXPECT_TRUE(exporter->close(milliseconds(500)).error().is(Errc::timed_out));
  EXPECT_GE(exporter->counts().failed_requests, 1u);
  EXPECT_LE(exporter->counts().failed_requests, 7u);
  EXPECT_EQ(exporter->counts().dropped, 1u);
}

TEST(OtlpExporter, does_nothing_in_a_child) {
  const Port closed(false);
  auto exporter = made({.endpoint = closed.endpoint});
  const pid_t child = fork();
  if (child == 0) {
    exporter->take(span());
    const bool is_forked = exporter->flush(seconds(1)).error().is(Errc::forked) &&
                           exporter->close(seconds(1)).error().is(Errc::forked) &&
                           exporter->counts().queued == 0;
    exporter.reset();
    _exit(is_forked ? 0 : 1);
  }
  int status = -1;
  EXPECT_EQ(waitpid(child, &status, 0), child);
  EXPECT_EQ(status, 0);
}

TEST(OtlpExporter, shows_no_password_of_its_endpoint) {
  const Port closed(false);
  std::string endpoint = closed.endpoint;
  endpoint.insert(std::string_view("http://").size(), "user:secret@");
  std::vector<std::string> lines;
  const auto exporter = OtlpExporter::create(
      {.endpoint = endpoint + "?key=secret",
       .retry_backoff = milliseconds(1),
       .give_up_after = {},
       .logger = function_logger(
           LogLevel::warning,
           [&](LogLevel, std::string_view, std::string_view line) { lines.emplace_back(line); })});
  ASSERT_TRUE(exporter) << exporter.error().to_string();
  (*exporter)->take(span());
  EXPECT_TRUE((*exporter)->flush(seconds(30)));
  EXPECT_TRUE((*exporter)->close(seconds(30)));
  ASSERT_EQ(lines.size(), 1u);
  EXPECT_THAT(lines[0], HasSubstr("sent to " + closed.endpoint + ":"));
  EXPECT_THAT(lines[0], Not(HasSubstr("secret")));
}

TEST(OtlpExporter, refuses_options_by_their_names) {
  const auto refused = [](OtlpOptions options) {
    const auto exporter = OtlpExporter::create(std::move(options));
    EXPECT_FALSE(exporter);
    return exporter ? std::string() : std::string(exporter.error().message());
  };
  EXPECT_THAT(refused({.endpoint = "ftp://localhost"}), HasSubstr("endpoint"));
  EXPECT_THAT(refused({.headers = {{"a:b", "c"}}}), HasSubstr("headers"));
  EXPECT_THAT(refused({.headers = {{"a", "b\r\nc: d"}}}), HasSubstr("headers"));
  EXPECT_THAT(refused({.headers = std::vector<OtlpHeader>(65, {"a", "b"})}), HasSubstr("headers"));
  EXPECT_THAT(refused({.max_queue = 0}), HasSubstr("max_queue"));
  EXPECT_THAT(refused({.max_queue = 10, .max_batch = 11}), HasSubstr("max_batch"));
  EXPECT_THAT(refused({.batch_delay = milliseconds(-1)}), HasSubstr("batch_delay"));
  EXPECT_THAT(refused({.timeout = milliseconds(0)}), HasSubstr("timeout"));
  EXPECT_THAT(refused({.retry_backoff = milliseconds(0)}), HasSubstr("retry_backoff"));
  EXPECT_THAT(refused({.give_up_after = std::chrono::hours(2)}), HasSubstr("give_up_after"));
}

}  // namespace
}  // namespace dohle
