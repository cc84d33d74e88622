#include "span_sink.hpp"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <csignal>
#include <cstddef>
#include <cstdio>
#include <cstdlib>
#include <optional>
#include <string_view>

#include <fmt/format.h>

namespace {

constexpr std::string_view answer = "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n";
constexpr std::string_view end_of_head = "\r\n\r\n";
constexpr std::string_view length_header = "\r\ncontent-length:";

[[noreturn]] void fail(const char* what) {
  std::perror(what);
  std::exit(1);
}

char lower(char c) {
  return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
}

/// Bytes of the first request in `received`, once its head is there.
std::optional<std::size_t> request_bytes(std::string_view received) {
  const auto end = received.find(end_of_head);
  if (end == std::string_view::npos) return std::nullopt;
  std::string head(received.substr(0, end));
  std::ranges::transform(head, head.begin(), lower);
  std::size_t body = 0;
  if (const auto at = head.find(length_header); at != std::string::npos) {
    const auto digits = head.find_first_of("0123456789", at + length_header.size());
    if (digits != std::string::npos) {
      (void)std::from_chars(head.data() + digits, head.data() + head.size(), body);
    }
  }
  return end + end_of_head.size() + body;
}

/// Until the other side closes.
void serve(int connection) {
  std::string received;
  std::array<char, 65'536> piece;
  for (;;) {
    const ssize_t count = read(connection, piece.data(), piece.size());
    if (count <= 0) break;
    received.append(piece.data(), static_cast<std::size_t>(count));
    for (auto size = request_bytes(received); size && *size <= received.size();
         size = request_bytes(received)) {
      received.erase(0, *size);
      if (write(connection, answer.data(), answer.size()) < 0) break;
    }
  }
  close(connection);
}

[[noreturn]] void accept_for_ever(int listener) {
  prctl(PR_SET_PDEATHSIG, SIGKILL);
  for (;;) {
    const int connection = accept(listener, nullptr, nullptr);
    if (connection < 0) std::_Exit(1);
    // One connection at a time for each exporter.
    if (fork() == 0) {
      prctl(PR_SET_PDEATHSIG, SIGKILL);
      serve(connection);
      std::_Exit(0);
    }
    close(connection);
    while (waitpid(-1, nullptr, WNOHANG) > 0) continue;
  }
}

}  // namespace

SpanSink::SpanSink() {
  const int listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  socklen_t size = sizeof address;
  auto* const at = reinterpret_cast<sockaddr*>(&address);
  if (listener < 0 || bind(listener, at, size) != 0 || listen(listener, 16) != 0 ||
      getsockname(listener, at, &size) != 0) {
    fail("the sink of spans");
  }
  endpoint_ = fmt::format("http://127.0.0.1:{}/v1/traces", ntohs(address.sin_port));
  process_ = fork();
  if (process_ < 0) fail("the sink of spans");
  if (process_ == 0) accept_for_ever(listener);
  close(listener);
}

SpanSink::~SpanSink() {
  kill(process_, SIGKILL);
  waitpid(process_, nullptr, 0);
}
