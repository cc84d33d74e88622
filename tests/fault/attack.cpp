#include "fault/attack.hpp"

#include <arpa/inet.h>
#include <fcntl.h>
#include <gtest/gtest.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <optional>

#include "fault/measured.hpp"
#include "fault/pace.hpp"
#include "fault/wire_connection.hpp"

namespace dohle::fault {

namespace {

using SteadyClock = std::chrono::steady_clock;

int connect_to(std::uint16_t port) {
  const int socket = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  sockaddr_in to{};
  to.sin_family = AF_INET;
  to.sin_port = htons(port);
  to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  if (::connect(socket, reinterpret_cast<const sockaddr*>(&to), sizeof to) != 0) {
    ::close(socket);
    return -1;
  }
  ::fcntl(socket, F_SETFL, O_NONBLOCK);
  return socket;
}

bool would_block() {
  return errno == EAGAIN || errno == EWOULDBLOCK || errno == EINTR;
}

constexpr std::chrono::milliseconds probe_interval(20);

std::chrono::seconds window_length() {
  const char* seconds = std::getenv("DOHLE_PROBE_SECONDS");
  return std::chrono::seconds(seconds == nullptr ? 2 : std::max(1, std::atoi(seconds)));
}

Waits probe_once(WireConnection& connection, const std::string& topic) {
  Waits waits;
  Pace pace(probe_interval);
  for (auto left = window_length() / probe_interval; left > 0; --left, pace.wait()) {
    const auto begin = SteadyClock::now();
    const auto offset = produce(connection, topic, 0, "probe");
    EXPECT_TRUE(offset.has_value()) << offset.error().to_string();
    if (!offset) break;
    waits.each.push_back(
        std::chrono::duration_cast<std::chrono::microseconds>(SteadyClock::now() - begin));
  }
  return waits;
}

}  // namespace

Attack::Attack(std::uint16_t port, Plan plan) : plan_(std::move(plan)) {
  for (std::size_t i = 0; i < plan_.connections; ++i) {
    const int socket = connect_to(port);
    EXPECT_GE(socket, 0) << "connection " << i << ": " << errno;
    if (socket >= 0) lines_.push_back({socket});
  }
  open_ = lines_.size();
  thread_ = std::thread([this] { run(); });
}

Attack::~Attack() {
  is_over_ = true;
  thread_.join();
  for (const Line& line : lines_) ::close(line.socket);
}

void Attack::run() {
  std::vector<pollfd> polled;
  while (!is_over_) {
    polled.clear();
    for (const Line& line : lines_) {
      const bool is_sending = wants_to_send(line);
      const int events = (plan_.reads ? POLLIN : 0) | (is_sending ? POLLOUT : 0);
      polled.push_back({line.socket, static_cast<short>(events), 0});
    }
    if (::poll(polled.data(), polled.size(), 10) < 0) continue;
    std::size_t kept = 0;
    for (std::size_t i = 0; i < polled.size(); ++i) {
      Line line = lines_[i];
      const int events = polled[i].revents;
      bool is_open = (events & (POLLERR | POLLHUP)) == 0;
      if (is_open && (events & POLLIN) != 0) is_open = read_some(line);
      if (is_open && (events & POLLOUT) != 0) is_open = send_some(line);
      if (is_open) {
        lines_[kept++] = line;
      } else {
        ::close(line.socket);
      }
    }
    lines_.resize(kept, Line{-1});
    open_ = kept;
  }
}

bool Attack::wants_to_send(const Line& line) const {
  if (plan_.rounds == 0 || line.rounds < plan_.rounds) return true;
  return plan_.drip.count() > 0 && SteadyClock::now() >= line.next_drip;
}

bool Attack::send_some(Line& line) {
  const bool is_done = plan_.rounds > 0 && line.rounds == plan_.rounds;
  const std::string_view rest =
      is_done ? std::string_view("\0", 1) : std::string_view(plan_.bytes).substr(line.at);
  const ssize_t sent = ::send(line.socket, rest.data(), rest.size(), MSG_NOSIGNAL);
  if (sent < 0) return would_block();
  sent_bytes_ += static_cast<std::uint64_t>(sent);
  line.next_drip = SteadyClock::now() + plan_.drip;
  if (is_done) return true;
  line.at += static_cast<std::size_t>(sent);
  if (line.at < plan_.bytes.size()) return true;
  line.at = 0;
  ++line.rounds;
  return true;
}

bool Attack::read_some(const Line& line) {
  static thread_local std::vector<char> into(1 << 18);
  const ssize_t got = ::recv(line.socket, into.data(), into.size(), 0);
  if (got < 0) return would_block();
  read_bytes_ += static_cast<std::uint64_t>(got);
  return got > 0;
}

double Waits::longest_ms() const {
  return each.empty() ? 0 : static_cast<double>(std::ranges::max(each).count()) / 1e3;
}

double Waits::percentile_ms(int percent) const {
  if (each.empty()) return 0;
  auto sorted = each;
  std::ranges::sort(sorted);
  const std::size_t at = sorted.size() * static_cast<std::size_t>(percent) / 100;
  return static_cast<double>(sorted[std::min(at, sorted.size() - 1)].count()) / 1e3;
}

std::string repeated(const std::string& bytes, std::size_t count) {
  std::string all;
  for (std::size_t i = 0; i < count; ++i) all += bytes;
  return all;
}

wire::MetadataRequest metadata_of(const std::string& prefix, int count) {
  wire::MetadataRequest request;
  request.topics.emplace();
  for (int i = 0; i < count; ++i) request.topics->emplace_back().name = prefix + std::to_string(i);
  return request;
}

Waits probe(std::uint16_t port, const std::string& topic, int windows) {
  WireConnection connection(port);
  return probe(connection, topic, windows);
}

Waits probe(WireConnection& connection, const std::string& topic, int windows) {
  std::optional<Waits> best;
  // With sanitizers only a failed request is a fault.
  for (int i = 0; i < (is_measured ? windows : 1); ++i) {
    Waits waits = probe_once(connection, topic);
    if (!best || waits.percentile_ms(99) < best->percentile_ms(99)) best = std::move(waits);
  }
  return *best;
}

Waits probe_with(std::uint16_t port, const wire::ProduceRequest& request, int count) {
  WireConnection connection(port);
  Waits waits;
  for (int i = 0; i < count; ++i) {
    const auto begin = SteadyClock::now();
    const auto answer = connection.ask(request, 12);
    EXPECT_TRUE(answer.has_value() && answer->responses[0].partition_responses[0].error_code == 0);
    waits.each.push_back(
        std::chrono::duration_cast<std::chrono::microseconds>(SteadyClock::now() - begin));
  }
  return waits;
}

void print(const std::string& attack, const Waits& waits) {
  std::printf("%s: %zu records, p50 %.1f ms, p99 %.1f ms, longest %.1f ms\n", attack.c_str(),
              waits.each.size(), waits.percentile_ms(50), waits.percentile_ms(99),
              waits.longest_ms());
}

}  // namespace dohle::fault
