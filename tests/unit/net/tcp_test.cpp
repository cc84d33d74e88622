#include "net/tcp.hpp"

#include <unistd.h>

#include <condition_variable>
#include <filesystem>
#include <functional>
#include <mutex>
#include <thread>
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "base/disk.hpp"
#include "disk/file_disk.hpp"
#include "disk/memory_disk.hpp"

namespace dohle::net {
namespace {

using namespace std::chrono_literals;

Slice framed(std::string_view body) {
  const auto size = static_cast<std::uint32_t>(body.size());
  return Slice::made(body.size() + 4, [&](std::span<std::byte> to) {
    for (std::size_t i = 0; i < 4; ++i) to[i] = static_cast<std::byte>(size >> (24 - 8 * i));
    if (!body.empty()) std::memcpy(to.data() + 4, body.data(), body.size());
  });
}

/// What one side of a connection saw. All of it happens on the loop's thread.
struct Side : ConnectionEvents {
  void on_open() override {
    ++opened;
    changed();
  }
  Admission on_frame_length(std::size_t bytes) override {
    lengths.push_back(bytes);
    changed();
    return admission;
  }
  void on_frame(Slice frame) override {
    frames.emplace_back(frame.text());
    if (on_frame_do) on_frame_do();
    changed();
  }
  void on_drained() override {
    ++drained;
    changed();
  }
  void on_closed(Error why) override {
    closed.push_back(why);
    changed();
  }

  std::function<void()> changed = [] {};
  std::function<void()> on_frame_do;
  Admission admission = Admission::accept;
  int opened = 0;
  int drained = 0;
  std::vector<std::size_t> lengths;
  std::vector<std::string> frames;
  std::vector<Error> closed;
  std::unique_ptr<Connection> connection;
};

class TcpTest : public testing::Test, public Acceptor {
 protected:
  TcpTest() {
    client.changed = server.changed = [this] { wake.notify_all(); };
    loop.start("test");
  }
  ~TcpTest() override {
    on_loop([&] {
      client.connection.reset();
      server.connection.reset();
      listener.reset();
    });
    loop.stop();
    loop.join();
  }

  ConnectionEvents* on_accept(std::unique_ptr<Connection> connection) override {
    server.connection = std::move(connection);
    return &server;
  }

  void on_loop(std::function<void()> work) {
    bool done = false;
    loop.post([&] {
      const std::lock_guard guard(mutex);
      work();
      done = true;
      wake.notify_all();
    });
    std::unique_lock lock(mutex);
    ASSERT_TRUE(wake.wait_for(lock, 10s, [&] { return done; }));
  }

  /// Runs `holds` on the loop until it is true.
  [[nodiscard]] bool eventually(std::function<bool()> holds) {
    const auto deadline = std::chrono::steady_clock::now() + 10s;
    for (bool is_true = false; std::chrono::steady_clock::now() < deadline;) {
      on_loop([&] { is_true = holds(); });
      if (is_true) return true;
      std::this_thread::yield();
    }
    return false;
  }

  void connect(DialOptions options = {}) {
    on_loop([&] {
      auto made = listening.listen({"127.0.0.1", 0}, server_limits, *this);
      ASSERT_TRUE(made.has_value()) << made.error().to_string();
      listener = *std::move(made);
      EXPECT_NE(listener->local().port, 0);
      client.connection = dialer.dial(listener->local(), options, client);
    });
    ASSERT_TRUE(eventually([&] { return client.opened == 1 && server.opened == 1; }));
  }

  std::mutex mutex;
  std::condition_variable wake;
  Loop loop;
  TcpDialer dialer{loop};
  TcpListening listening{loop};
  ConnectionLimits server_limits;
  std::unique_ptr<Listener> listener;
  Side client;
  Side server;
};

TEST_F(TcpTest, frames_arrive_whole_and_in_order) {
  connect();
  std::vector<std::string> bodies;
  for (const std::size_t size : {0u, 1u, 100u, 40'000u, 3'000'000u, 5u}) bodies.emplace_back(size, 'x');
  on_loop([&] {
    for (const auto& body : bodies) client.connection->send(Chain(framed(body)));
  });
  ASSERT_TRUE(eventually([&] { return server.frames.size() == bodies.size(); }));
  EXPECT_EQ(server.frames, bodies);
  on_loop([&] { server.connection->send(Chain(framed("answer"))); });
  ASSERT_TRUE(eventually([&] { return client.frames.size() == 1; }));
  EXPECT_EQ(client.frames.front(), "answer");
}

TEST_F(TcpTest, file_ranges_are_sent_from_file_and_from_memory) {
  connect();
  const std::string content(1'000'000, 'f');
  const auto directory =
      std::filesystem::temp_directory_path() / ("dohle-net-test-" + std::to_string(::getpid()));
  disk::FileDisk files(loop);
  disk::MemoryDisk memory(loop);
  for (Disk* disk : std::initializer_list<Disk*>{&files, &memory}) {
    on_loop([&] {
      ASSERT_TRUE(disk->make_directories(directory).has_value());
      auto file = disk->open(directory / "range", OpenMode::truncate);
      ASSERT_TRUE(file.has_value()) << file.error().to_string();
      const Bytes bytes = as_bytes(content);
      ASSERT_TRUE((*file)->write(0, {&bytes, 1}).has_value());
      Chain chain(Slice::copy_of(framed(std::string(500'006, ' ')).text().substr(0, 4)));
      chain.append(Slice::copy_of("begin"));
      chain.append(FileRange{*file, 1000, 500'000});
      chain.append(Slice::copy_of("."));
      client.connection->send(std::move(chain));
    });
    ASSERT_TRUE(eventually([&] { return !server.frames.empty(); }));
    EXPECT_EQ(server.frames.front(), "begin" + content.substr(0, 500'000) + ".");
    on_loop([&] {
      server.frames.clear();
      EXPECT_TRUE(disk->remove_all(directory).has_value());
    });
  }
}

TEST_F(TcpTest, a_held_frame_comes_after_reading_resumes) {
  server.admission = Admission::hold;
  connect();
  on_loop([&] { client.connection->send(Chain(framed("held"))); });
  ASSERT_TRUE(eventually([&] { return server.lengths.size() == 1; }));
  EXPECT_TRUE(server.frames.empty());
  on_loop([&] {
    server.admission = Admission::accept;
    server.connection->resume_reading();
  });
  ASSERT_TRUE(eventually([&] { return server.frames.size() == 1; }));
  EXPECT_EQ(server.lengths, (std::vector<std::size_t>{4, 4}));
}

TEST_F(TcpTest, a_refused_or_nonsensical_frame_closes_the_connection) {
  server.admission = Admission::refuse;
  connect();
  on_loop([&] { client.connection->send(Chain(framed("refused"))); });
  ASSERT_TRUE(eventually([&] { return server.closed.size() == 1 && client.closed.size() == 1; }));
  EXPECT_TRUE(server.closed.front().is(Errc::too_large));
  EXPECT_TRUE(client.closed.front().is(Errc::connection_lost));
}

TEST_F(TcpTest, a_full_write_queue_is_reported_and_so_is_its_draining) {
  server.admission = Admission::hold;
  connect({.limits = {.write_queue_bytes_max = 1 << 20}});
  const Slice frame = framed(std::string(std::size_t{16} << 20, 'x'));
  on_loop([&] { EXPECT_FALSE(client.connection->send(Chain(frame))); });
  ASSERT_TRUE(eventually([&] { return server.lengths.size() == 1; }));
  on_loop([&] {
    EXPECT_EQ(client.drained, 0);
    EXPECT_GT(client.connection->queued_bytes(), 0u);
    server.admission = Admission::accept;
    server.connection->resume_reading();
  });
  ASSERT_TRUE(eventually([&] { return server.frames.size() == 1 && client.drained == 1; }));
  EXPECT_EQ(client.connection->queued_bytes(), 0u);
}

TEST_F(TcpTest, what_is_queued_is_written_before_a_gentle_close) {
  connect();
  on_loop([&] {
    client.connection->send(Chain(framed(std::string(5'000'000, 'x'))));
    client.connection->close_after_writes();
  });
  ASSERT_TRUE(eventually([&] { return server.closed.size() == 1; }));
  ASSERT_EQ(server.frames.size(), 1u);
  EXPECT_TRUE(client.closed.empty());
}

TEST_F(TcpTest, a_connection_may_be_destroyed_in_its_own_callback) {
  server.on_frame_do = [&] { server.connection.reset(); };
  connect();
  on_loop([&] {
    client.connection->send(Chain(framed("one")));
    client.connection->send(Chain(framed("two")));
  });
  ASSERT_TRUE(eventually([&] { return client.closed.size() == 1; }));
  EXPECT_EQ(server.frames.size(), 1u);
  EXPECT_TRUE(server.closed.empty());
}

TEST_F(TcpTest, an_idle_connection_is_closed) {
  server_limits.idle_timeout = 20ms;
  connect();
  ASSERT_TRUE(eventually([&] { return server.closed.size() == 1; }));
  EXPECT_NE(server.closed.front().message().find("idle"), std::string_view::npos);
}

TEST_F(TcpTest, a_refused_dial_names_the_address) {
  Endpoint nobody;
  on_loop([&] {
    auto made = listening.listen({"127.0.0.1", 0}, {}, *this);
    nobody = (*made)->local();
  });
  on_loop([&] { client.connection = dialer.dial(nobody, {}, client); });
  ASSERT_TRUE(eventually([&] { return client.closed.size() == 1; }));
  EXPECT_TRUE(client.closed.front().is(Errc::connection_failed));
  EXPECT_NE(client.closed.front().message().find(nobody.to_string()), std::string_view::npos);
}

TEST_F(TcpTest, listening_twice_on_one_port_is_an_error) {
  connect();
  on_loop([&] {
    const auto second = listening.listen(listener->local(), {}, *this);
    ASSERT_FALSE(second.has_value());
    EXPECT_NE(second.error().message().find(listener->local().to_string()), std::string_view::npos);
  });
}

}  // namespace
}  // namespace dohle::net
