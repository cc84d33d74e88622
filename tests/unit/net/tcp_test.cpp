// Behaviour of TCP only: name resolution, failures of sockets, exhausted descriptors.

#include "net/tcp.hpp"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <filesystem>

#include "disk/file_disk.hpp"
#include "net/socket.hpp"
#include "sides.hpp"

namespace dohle::net {
namespace {

using namespace std::chrono_literals;

sockaddr_in loopback(std::uint16_t port) {
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(port);
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  return address;
}

// A blocking socket for tests.
class RawPeer {
 public:
  RawPeer() : socket_(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)) {
    const timeval limit{.tv_sec = patience.count(), .tv_usec = 0};
    ::setsockopt(number(), SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit);
  }
  [[nodiscard]] int number() const { return socket_.number(); }
  void connect(const Endpoint& to) {
    const sockaddr_in address = loopback(to.port);
    ASSERT_EQ(::connect(number(), reinterpret_cast<const sockaddr*>(&address), sizeof address), 0);
  }
  void send(std::string_view bytes) {
    ASSERT_EQ(::send(number(), bytes.data(), bytes.size(), MSG_NOSIGNAL),
              static_cast<ssize_t>(bytes.size()));
  }
  /// Reads until the other side ends the stream.
  std::string read_all() {
    std::string text;
    std::array<char, 4096> some;
    for (ssize_t got = 0; (got = ::recv(number(), some.data(), some.size(), 0)) > 0;) {
      text.append(some.data(), static_cast<std::size_t>(got));
    }
    return text;
  }
  void close() { socket_.close(); }
  void reset() {
    const linger at_once{.l_onoff = 1, .l_linger = 0};
    ::setsockopt(number(), SOL_SOCKET, SO_LINGER, &at_once, sizeof at_once);
    socket_.close();
  }

 private:
  Descriptor socket_;
};

class TcpTest : public testing::Test {
 protected:
  void connect_raw() {
    sides.listen();
    raw.connect(sides.at);
    ASSERT_TRUE(sides.eventually([&] { return server.opened == 1; }));
  }
  RawPeer raw;
  Sides sides{Kind::tcp};
  Side& client = sides.client;
  Side& server = sides.server;
};

class CountingLogger final : public Logger {
 public:
  explicit CountingLogger(Watched& watched) : watched_(watched) {}
  LogLevel level() const noexcept override { return LogLevel::debug; }
  void log(LogLevel, std::string_view, std::string_view line) noexcept override {
    watched_.change([&] { lines.emplace_back(line); });
  }
  std::vector<std::string> lines;

 private:
  Watched& watched_;
};

TEST_F(TcpTest, bytes_that_arrive_one_by_one_form_frames) {
  connect_raw();
  for (const char byte : std::string(framed("slow").text())) raw.send({&byte, 1});
  ASSERT_TRUE(sides.eventually([&] { return server.frames.size() == 1; }));
  EXPECT_EQ(server.frames.front(), "slow");
}

TEST_F(TcpTest, frames_that_arrived_before_the_end_of_the_stream_are_handed_out) {
  connect_raw();
  raw.send(framed("one").text());
  raw.send(framed(std::string(200'000, 'x')).text());
  ::shutdown(raw.number(), SHUT_WR);
  ASSERT_TRUE(sides.eventually([&] { return server.closed.size() == 1; }));
  ASSERT_EQ(server.frames.size(), 2u);
  EXPECT_TRUE(server.closed.front().is(Errc::connection_lost));
}

TEST_F(TcpTest, a_large_frame_reserves_memory_as_it_arrives) {
  connect_raw();
  const std::string frame(framed(std::string(1 << 20, 'x')).text());
  raw.send(frame.substr(0, 4));
  ASSERT_TRUE(sides.eventually([&] { return server.lengths.size() == 1; }));
  sides.on(sides.server_loop, [&] { EXPECT_EQ(server.rooms_asked, 0); });
  raw.send(frame.substr(4, 100'000));
  ASSERT_TRUE(sides.eventually([&] { return server.room_bytes == 100'000; }));
  raw.send(frame.substr(100'004));
  ASSERT_TRUE(sides.eventually([&] { return server.frames.size() == 1; }));
  EXPECT_EQ(server.room_bytes, std::size_t{1} << 20);
  raw.send(framed(std::string(32 * 1024, 's')).text());
  ASSERT_TRUE(sides.eventually([&] { return server.frames.size() == 2; }));
  EXPECT_EQ(server.room_bytes, std::size_t{1} << 20) << "small frames ask for none";
}

TEST_F(TcpTest, a_stream_that_ends_while_paused_ends_when_reading_resumes) {
  server.admission = Admission::hold;
  connect_raw();
  raw.send(framed("held").text());
  ::shutdown(raw.number(), SHUT_WR);
  ASSERT_TRUE(sides.eventually([&] { return server.lengths.size() == 1; }));
  sides.on(sides.server_loop, [&] {
    EXPECT_TRUE(server.closed.empty());
    server.admission = Admission::accept;
    server.connection->resume_reading();
  });
  ASSERT_TRUE(sides.eventually([&] { return server.closed.size() == 1; }));
  EXPECT_EQ(server.frames, std::vector<std::string>{"held"});
}

TEST_F(TcpTest, a_reset_is_reported_even_while_paused) {
  server.admission = Admission::hold;
  connect_raw();
  raw.send(framed("held").text());
  ASSERT_TRUE(sides.eventually([&] { return server.lengths.size() == 1; }));
  raw.reset();
  ASSERT_TRUE(sides.eventually([&] { return server.closed.size() == 1; }));
  EXPECT_TRUE(server.closed.front().is(Errc::connection_lost));
  EXPECT_TRUE(server.frames.empty());
}

TEST_F(TcpTest, last_bytes_arrive_despite_unread_ones) {
  connect_raw();
  sides.on(sides.server_loop, [&] { server.connection->pause_reading(); });
  raw.send(framed("never read").text());
  sides.on(sides.server_loop, [&] {
    server.connection->send(Chain(framed("bye")));
    server.connection->close_after_writes();
  });
  EXPECT_EQ(raw.read_all(), framed("bye").text());
}

TEST_F(TcpTest, a_socket_that_accepts_few_bytes_at_a_time_gets_all_of_them) {
  sides.connect({.limits = {.send_buffer_bytes = 4096}}, {.receive_buffer_bytes = 4096});
  std::string body(3'000'000, ' ');
  for (std::size_t i = 0; i < body.size(); ++i) body[i] = static_cast<char>('a' + i % 23);
  sides.client_sends([&](Connection& connection) {
    Chain chain(framed(body).sub(0, 4));
    for (std::size_t at = 0; at < body.size(); at += 1000) {
      chain.append(Slice::copy_of(body.substr(at, 1000)));
    }
    connection.send(std::move(chain));
  });
  ASSERT_TRUE(sides.eventually([&] { return server.frames.size() == 1; }));
  EXPECT_TRUE(server.frames.front() == body);
}

TEST_F(TcpTest, a_peer_that_closes_amid_a_file_range_ends_only_the_connection) {
  connect_raw();
  sides.on(sides.server_loop, [&] { server.connection->pause_reading(); });
  raw.close();
  const auto path =
      std::filesystem::temp_directory_path() / ("dohle-net-gone-" + std::to_string(::getpid()));
  disk::FileDisk files(sides.server_loop);
  sides.on(sides.server_loop, [&] {
    auto file = files.open(path, OpenMode::truncate);
    ASSERT_TRUE(file.has_value()) << file.error().to_string();
    const std::string content(1'000'000, 'x');
    const Bytes bytes = as_bytes(content);
    ASSERT_TRUE((*file)->write(0, {&bytes, 1}).has_value());
    // The peer's system answers the first bytes with a reset; the file range after them raises
    // SIGPIPE.
    Chain chain(framed(content).sub(0, 4));
    chain.append(FileRange{*file, 0, content.size()});
    server.connection->send(std::move(chain));
  });
  ASSERT_TRUE(sides.eventually([&] { return server.closed.size() == 1; }));
  EXPECT_TRUE(server.closed.front().is(Errc::connection_lost));
  EXPECT_TRUE(files.remove(path).has_value());
}

TEST_F(TcpTest, a_name_is_resolved) {
  sides.listen();
  sides.at.host = "localhost";
  sides.dial();
  ASSERT_TRUE(sides.eventually([&] { return client.opened == 1 || !client.closed.empty(); }));
  EXPECT_EQ(client.opened, 1);
}

TEST_F(TcpTest, a_name_without_an_address_is_named) {
  sides.at = {"no.such.host.invalid", 9092};
  sides.dial();
  ASSERT_TRUE(sides.eventually([&] { return client.closed.size() == 1; }));
  EXPECT_TRUE(client.closed.front().is(Errc::name_not_resolved));
  EXPECT_NE(client.closed.front().message().find("no.such.host.invalid:9092"),
            std::string_view::npos);
}

TEST_F(TcpTest, a_name_that_no_host_can_have_is_not_retriable) {
  sides.at = {"no..host", 9092};
  sides.dial();
  ASSERT_TRUE(sides.eventually([&] { return client.closed.size() == 1; }));
  EXPECT_TRUE(client.closed.front().is(Errc::name_not_resolved));
  EXPECT_FALSE(client.closed.front().is_retriable()) << client.closed.front().to_string();
}

TEST_F(TcpTest, a_dial_to_a_name_may_be_given_up) {
  sides.at = {"no.such.host.invalid", 9092};
  sides.on(sides.client_loop, [&] {
    for (int i = 0; i < 10; ++i) client.connection = sides.dialer->dial(sides.at, {}, client);
    client.connection.reset();
  });
  sides.client_loop.stop();
  sides.client_loop.join();
  EXPECT_TRUE(client.closed.empty());
}

TEST_F(TcpTest, a_dial_without_an_answer_times_out) {
  // A listener with a full queue does not answer.
  Descriptor deaf(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
  sockaddr_in address = loopback(0);
  socklen_t size = sizeof address;
  ASSERT_EQ(::bind(deaf.number(), reinterpret_cast<sockaddr*>(&address), size), 0);
  ASSERT_EQ(::listen(deaf.number(), 0), 0);
  ASSERT_EQ(::getsockname(deaf.number(), reinterpret_cast<sockaddr*>(&address), &size), 0);
  sides.at = {"127.0.0.1", ntohs(address.sin_port)};
  raw.connect(sides.at);
  sides.dial({.limits = {}, .connect_timeout = 50ms});
  ASSERT_TRUE(sides.eventually([&] { return client.closed.size() == 1; }));
  EXPECT_TRUE(client.closed.front().is(Errc::connection_failed));
  EXPECT_NE(client.closed.front().message().find("50 ms"), std::string_view::npos);
}

TEST_F(TcpTest, listening_on_a_name_is_refused) {
  sides.on(sides.server_loop, [&] {
    const auto made = sides.listen_at({"example.org", 0});
    ASSERT_FALSE(made.has_value());
    EXPECT_EQ(made.error().category(), ErrorCategory::configuration);
    EXPECT_NE(made.error().message().find("example.org"), std::string_view::npos);
  });
}

TEST_F(TcpTest, ipv6_addresses_are_written_in_brackets) {
  sides.on(sides.server_loop, [&] {
    const auto made = sides.listen_at({"::1", 0});
    // A machine without IPv6 returns an error; one with IPv6 listens.
    if (made.has_value()) {
      EXPECT_TRUE((*made)->local().to_string().starts_with("[::1]:"));
    } else {
      EXPECT_NE(made.error().message().find("[::1]:0"), std::string_view::npos);
    }
  });
}

// Leaves the process without free descriptors during its lifetime.
class NoDescriptors {
 public:
  NoDescriptors() {
    ::getrlimit(RLIMIT_NOFILE, &before_);
    const Descriptor next(::dup(0));
    rlimit none = before_;
    none.rlim_cur = static_cast<rlim_t>(next.number());
    ::setrlimit(RLIMIT_NOFILE, &none);
  }
  ~NoDescriptors() { ::setrlimit(RLIMIT_NOFILE, &before_); }
  NoDescriptors(const NoDescriptors&) = delete;
  NoDescriptors& operator=(const NoDescriptors&) = delete;

 private:
  rlimit before_{};
};

TEST_F(TcpTest, clients_are_refused_while_no_descriptor_is_free) {
  const auto logger = std::make_shared<CountingLogger>(sides.watched);
  const std::shared_ptr<Logger> given = logger;
  // UBSan needs descriptors to check a type at its first virtual call, so that call is made before.
  given->log(LogLevel::debug, "test", "none is missing yet");
  sides.streams = std::make_unique<TcpListening>(sides.server_loop, given);
  sides.listen();
  RawPeer second;
  {
    const NoDescriptors none;
    raw.connect(sides.at);
    EXPECT_EQ(raw.read_all(), "");
    second.connect(sides.at);
    EXPECT_EQ(second.read_all(), "");
  }
  EXPECT_EQ(server.opened, 0);
  sides.dial();
  ASSERT_TRUE(sides.eventually([&] { return client.opened == 1 && server.opened == 1; }));
  // Clients that come and go at the limit do not fill the log file.
  RawPeer third;
  {
    const NoDescriptors none;
    third.connect(sides.at);
    EXPECT_EQ(third.read_all(), "");
  }
  ASSERT_EQ(logger->lines.size(), 2u);
  EXPECT_NE(logger->lines.back().find("descriptor"), std::string::npos);
}

}  // namespace
}  // namespace dohle::net
