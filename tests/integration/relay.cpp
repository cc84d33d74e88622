#include "relay.hpp"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>

#include <gtest/gtest.h>

namespace dohle {

namespace {

constexpr std::size_t max_kept_bytes = 64 * 1024;
constexpr timeval two_seconds{.tv_sec = 2, .tv_usec = 0};

sockaddr_in loopback(std::uint16_t port) {
  sockaddr_in at{};
  at.sin_family = AF_INET;
  at.sin_port = htons(port);
  at.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  return at;
}

int connected_to(std::uint16_t port) {
  const int socket = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  const sockaddr_in at = loopback(port);
  // A refusal shows at the first byte.
  (void)::connect(socket, reinterpret_cast<const sockaddr*>(&at), sizeof at);
  return socket;
}

// Returns the socket, and its port in `port`.
int bound(std::uint16_t& port) {
  const int socket = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  sockaddr_in at = loopback(0);
  socklen_t size = sizeof at;
  EXPECT_EQ(::bind(socket, reinterpret_cast<const sockaddr*>(&at), size), 0);
  EXPECT_EQ(::getsockname(socket, reinterpret_cast<sockaddr*>(&at), &size), 0);
  port = ntohs(at.sin_port);
  return socket;
}

int listening(std::uint16_t& port) {
  const int socket = bound(port);
  EXPECT_EQ(::listen(socket, 16), 0);
  return socket;
}

void tell(int event) {
  const std::uint64_t one = 1;
  EXPECT_EQ(::write(event, &one, sizeof one), static_cast<ssize_t>(sizeof one));
}

void keep(std::string& kept, const std::string& bytes) {
  kept += bytes.substr(0, max_kept_bytes - std::min(max_kept_bytes, kept.size()));
}

}  // namespace

Relay::Relay(std::uint16_t server, Change change)
    : server_(server),
      change_(std::move(change)),
      stop_(::eventfd(0, EFD_CLOEXEC)),
      cut_(::eventfd(0, EFD_CLOEXEC)) {
  listener_ = listening(port_);
  thread_ = std::jthread([this] { run(); });
}

Relay::~Relay() {
  tell(stop_);
  thread_.join();
  close_all();
  ::close(listener_);
  ::close(stop_);
  ::close(cut_);
}

void Relay::close_all() {
  for (const Pair& pair : pairs_) {
    ::close(pair.client);
    ::close(pair.server);
  }
  pairs_.clear();
}

void Relay::cut() {
  tell(cut_);
}

std::vector<Relay::Seen> Relay::seen() const {
  const std::lock_guard guard(mutex_);
  return seen_;
}

bool Relay::wait_until(const std::function<bool(const std::vector<Seen>& seen)>& is_so,
                       std::chrono::milliseconds timeout) const {
  std::unique_lock lock(mutex_);
  return grown_.wait_for(lock, timeout, [&] { return is_so(seen_); });
}

void Relay::mute(Mute when) {
  const std::lock_guard guard(mutex_);
  mute_ = std::move(when);
}

void Relay::run() {
  for (;;) {
    std::vector<pollfd> watched = {{stop_, POLLIN, 0}, {listener_, POLLIN, 0}, {cut_, POLLIN, 0}};
    for (const Pair& pair : pairs_) {
      watched.push_back({pair.client, POLLIN, 0});
      watched.push_back({pair.server, POLLIN, 0});
    }
    if (::poll(watched.data(), watched.size(), -1) < 0 && errno != EINTR) return;
    if (watched[0].revents != 0) return;
    if (watched[2].revents != 0) {
      std::uint64_t count = 0;
      EXPECT_EQ(::read(cut_, &count, sizeof count), static_cast<ssize_t>(sizeof count));
      close_all();
      continue;
    }
    std::vector<Pair> open;
    for (std::size_t i = 0; i < pairs_.size(); ++i) {
      const bool has_client = watched[3 + 2 * i].revents != 0;
      const bool has_server = watched[4 + 2 * i].revents != 0;
      const bool is_open =
          (!has_client || pass(pairs_[i], false)) && (!has_server || pass(pairs_[i], true));
      if (is_open) {
        open.push_back(pairs_[i]);
        continue;
      }
      ::close(pairs_[i].client);
      ::close(pairs_[i].server);
    }
    pairs_ = std::move(open);
    if (watched[1].revents != 0) accept();
  }
}

void Relay::accept() {
  const int client = ::accept4(listener_, nullptr, nullptr, SOCK_CLOEXEC);
  if (client < 0) return;
  const std::lock_guard guard(mutex_);
  pairs_.push_back({client, connected_to(server_), seen_.size()});
  seen_.emplace_back();
  grown_.notify_all();
}

bool Relay::pass(const Pair& pair, bool is_to_client) {
  const int from = is_to_client ? pair.server : pair.client;
  const int to = is_to_client ? pair.client : pair.server;
  std::array<char, 16 * 1024> memory;
  const ssize_t got = ::recv(from, memory.data(), memory.size(), 0);
  if (got <= 0) return false;
  std::string bytes(memory.data(), static_cast<std::size_t>(got));
  if (change_) change_(bytes, is_to_client);
  {
    const std::lock_guard guard(mutex_);
    Seen& seen = seen_[pair.number];
    if (is_to_client && mute_ && mute_(seen.to_server)) return true;
    keep(is_to_client ? seen.to_client : seen.to_server, bytes);
    grown_.notify_all();
  }
  return ::send(to, bytes.data(), bytes.size(), MSG_NOSIGNAL) == got;
}

AnsweringServer::AnsweringServer(std::string answer)
    : answer_(std::move(answer)), stop_(::eventfd(0, EFD_CLOEXEC)) {
  listener_ = listening(port_);
  thread_ = std::jthread([this] { run(); });
}

AnsweringServer::~AnsweringServer() {
  tell(stop_);
  thread_.join();
  for (const int each : connections_) ::close(each);
  ::close(listener_);
  ::close(stop_);
}

std::vector<std::string> AnsweringServer::received() const {
  const std::lock_guard guard(mutex_);
  return received_;
}

void AnsweringServer::run() {
  for (;;) {
    std::array<pollfd, 2> watched = {pollfd{stop_, POLLIN, 0}, pollfd{listener_, POLLIN, 0}};
    if (::poll(watched.data(), watched.size(), -1) < 0 && errno != EINTR) return;
    if (watched[0].revents != 0) return;
    if (watched[1].revents == 0) continue;
    const int client = ::accept4(listener_, nullptr, nullptr, SOCK_CLOEXEC);
    ::setsockopt(client, SOL_SOCKET, SO_RCVTIMEO, &two_seconds, sizeof two_seconds);
    std::array<char, 4096> memory;
    const ssize_t got = ::recv(client, memory.data(), memory.size(), 0);
    {
      const std::lock_guard guard(mutex_);
      received_.emplace_back(memory.data(), static_cast<std::size_t>(std::max<ssize_t>(got, 0)));
    }
    (void)::send(client, answer_.data(), answer_.size(), MSG_NOSIGNAL);
    connections_.push_back(client);
  }
}

RefusingPort::RefusingPort() : socket_(bound(port_)) {}

RefusingPort::~RefusingPort() {
  ::close(socket_);
}

std::string answer_until_closed(std::uint16_t port, const std::string& bytes) {
  const int socket = connected_to(port);
  ::setsockopt(socket, SOL_SOCKET, SO_RCVTIMEO, &two_seconds, sizeof two_seconds);
  EXPECT_EQ(::send(socket, bytes.data(), bytes.size(), MSG_NOSIGNAL), std::ssize(bytes));
  std::string answer;
  std::array<char, 4096> memory;
  ssize_t got = 0;
  while ((got = ::recv(socket, memory.data(), memory.size(), 0)) > 0) {
    answer.append(memory.data(), static_cast<std::size_t>(got));
  }
  EXPECT_FALSE(got < 0 && (errno == EAGAIN || errno == EWOULDBLOCK)) << "not closed within 2 s";
  ::close(socket);
  return answer;
}

}  // namespace dohle
