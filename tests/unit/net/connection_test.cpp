// The promises of base/connection.hpp, over TCP and through pipes.

#include <unistd.h>

#include <filesystem>
#include <numeric>

#include "base/disk.hpp"
#include "disk/file_disk.hpp"
#include "disk/memory_disk.hpp"
#include "sides.hpp"

namespace dohle::net {
namespace {

using namespace std::chrono_literals;

class ConnectionTest : public testing::TestWithParam<Kind> {
 protected:
  Sides sides{GetParam()};
  Side& client = sides.client;
  Side& server = sides.server;
};

INSTANTIATE_TEST_SUITE_P(Over, ConnectionTest, testing::Values(Kind::tcp, Kind::pipes),
                         [](const auto& kind) {
                           return kind.param == Kind::tcp ? "tcp" : "pipes";
                         });

TEST_P(ConnectionTest, frames_arrive_whole_and_in_order_both_ways) {
  sides.connect();
  std::vector<std::string> bodies;
  for (std::size_t size : {0u, 1u, 100u, 32'768u, 32'769u, 40'000u, 3'000'000u, 5u, 0u, 700'000u}) {
    bodies.emplace_back(size, static_cast<char>('a' + bodies.size()));
  }
  const auto send_all = [&](Connection& connection) {
    for (const auto& body : bodies) EXPECT_TRUE(connection.send(Chain(framed(body))));
  };
  sides.client_sends(send_all);
  sides.server_sends(send_all);
  for (Side* side : {&client, &server}) {
    ASSERT_TRUE(sides.eventually([&] { return side->frames.size() == bodies.size(); }));
    EXPECT_TRUE(side->frames == bodies);
    EXPECT_EQ(side->lengths.size(), bodies.size());
  }
}

TEST_P(ConnectionTest, many_small_frames_keep_their_order) {
  constexpr int count = 20'000;
  sides.connect();
  int next = 0;
  server.on_frame_do = [&] {
    server.connection->send(Chain(framed(server.last_frame.text())));
    server.frames.clear();
  };
  for (int batch = 0; batch < 20; ++batch) {
    sides.client_sends([&](Connection& connection) {
      for (int i = 0; i < count / 20; ++i, ++next) {
        connection.send(Chain(framed(std::to_string(next))));
      }
    });
  }
  ASSERT_TRUE(sides.eventually([&] { return client.frames.size() == std::size_t{count}; }));
  for (int i = 0; i < count; ++i) {
    ASSERT_EQ(client.frames[static_cast<std::size_t>(i)], std::to_string(i));
  }
}

TEST_P(ConnectionTest, a_stream_may_be_sent_in_pieces_of_any_size) {
  sides.connect();
  const std::string stream = std::string(framed("first").text()) + std::string(framed("").text()) +
                             std::string(framed(std::string(300, 'x')).text());
  std::size_t expected = 0;
  for (std::size_t cut = 1; cut < stream.size(); ++cut, expected += 3) {
    sides.client_sends([&](Connection& connection) {
      connection.send(Chain(Slice::copy_of(stream.substr(0, cut))));
      connection.flush();
    });
    sides.client_sends([&](Connection& connection) {
      connection.send(Chain(Slice::copy_of(stream.substr(cut))));
    });
  }
  ASSERT_TRUE(sides.eventually([&] { return server.frames.size() == expected; }));
  for (std::size_t i = 0; i < expected; i += 3) {
    ASSERT_EQ(server.frames[i], "first");
    ASSERT_EQ(server.frames[i + 1], "");
    ASSERT_EQ(server.frames[i + 2], std::string(300, 'x'));
  }
}

TEST_P(ConnectionTest, file_ranges_are_sent_from_file_and_from_memory) {
  sides.connect();
  std::string content(1'000'000, ' ');
  std::iota(content.begin(), content.end(), 'a');
  const auto directory =
      std::filesystem::temp_directory_path() / ("dohle-net-test-" + std::to_string(::getpid()));
  disk::FileDisk files(sides.client_loop);
  disk::MemoryDisk memory(sides.client_loop);
  for (Disk* disk : std::initializer_list<Disk*>{&files, &memory}) {
    sides.client_sends([&](Connection& connection) {
      ASSERT_TRUE(disk->make_directories(directory).has_value());
      auto file = disk->open(directory / "range", OpenMode::truncate);
      ASSERT_TRUE(file.has_value()) << file.error().to_string();
      const Bytes bytes = as_bytes(content);
      ASSERT_TRUE((*file)->write(0, {&bytes, 1}).has_value());
      Chain chain(framed(std::string(901'206, ' ')).sub(0, 4));
      chain.append(Slice::copy_of("begin"));
      chain.append(FileRange{*file, 1000, 400'000});
      chain.append(FileRange{*file, 0, 500'000});
      chain.append(FileRange{*file, 77, 200});
      chain.append(FileRange{*file, 999'000, 1'000});
      chain.append(Slice::copy_of("."));
      connection.send(std::move(chain));
    });
    ASSERT_TRUE(sides.eventually([&] { return !server.frames.empty(); }));
    EXPECT_TRUE(server.frames.front() == "begin" + content.substr(1000, 400'000) +
                                             content.substr(0, 500'000) + content.substr(77, 200) +
                                             content.substr(999'000, 1'000) + ".");
    sides.on(sides.server_loop, [&] { server.frames.clear(); });
    EXPECT_TRUE(disk->remove_all(directory).has_value());
  }
}

TEST_P(ConnectionTest, a_range_beyond_the_end_of_its_file_closes_the_connection) {
  sides.connect();
  const auto path =
      std::filesystem::temp_directory_path() / ("dohle-net-short-" + std::to_string(::getpid()));
  disk::FileDisk files(sides.client_loop);
  sides.client_sends([&](Connection& connection) {
    auto file = files.open(path, OpenMode::truncate);
    ASSERT_TRUE(file.has_value()) << file.error().to_string();
    Chain chain(framed(std::string(10, ' ')).sub(0, 4));
    chain.append(FileRange{*file, 0, 10});
    connection.send(std::move(chain));
  });
  ASSERT_TRUE(sides.eventually([&] { return client.closed.size() == 1; }));
  EXPECT_TRUE(client.closed.front().is(Errc::damaged)) << client.closed.front().to_string();
  EXPECT_NE(client.closed.front().message().find(path.string()), std::string_view::npos);
  EXPECT_TRUE(files.remove(path).has_value());
}

TEST_P(ConnectionTest, a_held_frame_comes_after_reading_resumes) {
  server.admission = Admission::hold;
  sides.connect();
  for (const std::size_t size : {4u, 100'000u}) {
    sides.client_sends([&](Connection& connection) {
      connection.send(Chain(framed(std::string(size, 'h'))));
      connection.send(Chain(framed("next")));
    });
    ASSERT_TRUE(sides.eventually([&] { return server.lengths == std::vector{size}; }));
    sides.on(sides.server_loop, [&] {
      EXPECT_TRUE(server.frames.empty());
      server.admission = Admission::accept;
      server.connection->resume_reading();
    });
    ASSERT_TRUE(sides.eventually([&] { return server.frames.size() == 2; }));
    EXPECT_EQ(server.lengths, (std::vector<std::size_t>{size, size, 4}));
    sides.on(sides.server_loop, [&] {
      server.frames.clear();
      server.lengths.clear();
      server.admission = Admission::hold;
    });
  }
}

TEST_P(ConnectionTest, a_paused_connection_delivers_no_frame) {
  server.on_frame_do = [&] { server.connection->pause_reading(); };
  sides.connect();
  sides.client_sends([&](Connection& connection) {
    for (int i = 0; i < 5; ++i) connection.send(Chain(framed(std::to_string(i))));
  });
  for (std::size_t frames = 1; frames <= 5; ++frames) {
    ASSERT_TRUE(sides.eventually([&] { return server.frames.size() == frames; }));
    sides.on(sides.server_loop, [&] { EXPECT_EQ(server.frames.size(), frames); });
    sides.on(sides.server_loop, [&] { server.connection->resume_reading(); });
  }
  EXPECT_EQ(server.frames, (std::vector<std::string>{"0", "1", "2", "3", "4"}));
}

TEST_P(ConnectionTest, a_frame_waits_until_there_is_room_for_it) {
  server.room = Admission::hold;
  sides.connect();
  const std::string large(300'000, 'x');
  sides.client_sends([&](Connection& connection) { connection.send(Chain(framed(large))); });
  for (int asked = 1; asked <= 3; ++asked) {
    ASSERT_TRUE(sides.eventually([&] { return server.rooms_asked == asked; }));
    sides.on(sides.server_loop, [&] {
      EXPECT_TRUE(server.frames.empty());
      if (asked == 3) server.room = Admission::accept;
      server.connection->resume_reading();
    });
  }
  ASSERT_TRUE(sides.eventually([&] { return server.frames.size() == 1; }));
  EXPECT_EQ(server.frames.front(), large);
  EXPECT_EQ(server.room_bytes, large.size());
}

TEST_P(ConnectionTest, a_frame_that_memory_can_never_hold_closes_the_connection) {
  server.room = Admission::refuse;
  sides.connect();
  sides.client_sends(
      [&](Connection& connection) { connection.send(Chain(framed(std::string(300'000, 'x')))); });
  ASSERT_TRUE(sides.eventually([&] { return server.closed.size() == 1; }));
  EXPECT_TRUE(server.closed.front().is(Errc::too_large));
}

TEST_P(ConnectionTest, a_refused_frame_closes_the_connection) {
  server.admission = Admission::refuse;
  sides.connect();
  sides.client_sends([&](Connection& connection) { connection.send(Chain(framed("refused"))); });
  ASSERT_TRUE(
      sides.eventually([&] { return server.closed.size() == 1 && client.closed.size() == 1; }));
  EXPECT_TRUE(server.closed.front().is(Errc::too_large));
  EXPECT_TRUE(client.closed.front().is(Errc::connection_lost));
  EXPECT_TRUE(server.frames.empty());
}

TEST_P(ConnectionTest, invalid_lengths_close_the_connection) {
  sides.connect({}, {.max_frame_bytes = 1000});
  sides.client_sends([&](Connection& connection) {
    connection.send(Chain(framed(std::string(1000, 'x'))));
    connection.send(Chain(framed(std::string(1001, 'x'))));
  });
  ASSERT_TRUE(sides.eventually([&] { return server.closed.size() == 1; }));
  EXPECT_EQ(server.frames.size(), 1u);
  EXPECT_EQ(server.lengths.size(), 1u);
  EXPECT_TRUE(server.closed.front().is(Errc::too_large));
  EXPECT_NE(server.closed.front().message().find("1000"), std::string_view::npos);
}

TEST_P(ConnectionTest, a_negative_length_closes_the_connection) {
  sides.connect();
  sides.client_sends([&](Connection& connection) {
    connection.send(Chain(Slice::copy_of(std::string("\xff\xff\xff\xff", 4))));
  });
  ASSERT_TRUE(sides.eventually([&] { return server.closed.size() == 1; }));
  EXPECT_TRUE(server.closed.front().is(Errc::malformed));
  EXPECT_TRUE(server.lengths.empty());
}

TEST_P(ConnectionTest, a_full_write_queue_is_reported_and_so_is_its_draining) {
  server.admission = Admission::hold;
  // With fixed buffer sizes: the system would otherwise grow both buffers until the frame fits, and
  // the queue would drain without a reader.
  sides.connect({.limits = {.max_write_queue_bytes = 1 << 20, .send_buffer_bytes = 128 * 1024}},
                {.receive_buffer_bytes = 128 * 1024});
  const Slice frame = framed(std::string(std::size_t{8} << 20, 'x'));
  for (int round = 1; round <= 3; ++round) {
    sides.client_sends(
        [&](Connection& connection) { EXPECT_FALSE(connection.send(Chain(frame))); });
    ASSERT_TRUE(sides.eventually([&] { return !server.lengths.empty(); }));
    sides.client_sends([&](Connection& connection) {
      EXPECT_EQ(client.drained, round - 1);
      EXPECT_GT(connection.queued_bytes(), 0u);
      EXPECT_FALSE(connection.send(Chain(framed("more"))));
    });
    sides.on(sides.server_loop, [&] {
      server.admission = Admission::accept;
      server.connection->resume_reading();
    });
    ASSERT_TRUE(sides.eventually([&] { return server.frames.size() == 2; }));
    ASSERT_TRUE(sides.eventually([&] { return client.drained == round; }));
    sides.on(sides.server_loop, [&] {
      server.frames.clear();
      server.lengths.clear();
      server.admission = Admission::hold;
    });
  }
  sides.client_sends([&](Connection& connection) { EXPECT_EQ(connection.queued_bytes(), 0u); });
}

TEST_P(ConnectionTest, a_sender_that_waits_for_room_sends_everything) {
  sides.connect({.limits = {.max_write_queue_bytes = 300'000}});
  const Slice frame = framed(std::string(100'000, 'x'));
  int left = 300;
  const auto fill = [&] {
    while (left > 0) {
      --left;
      if (!client.connection->send(Chain(frame))) return;
    }
  };
  client.on_drained_do = fill;
  sides.on(sides.client_loop, fill);
  ASSERT_TRUE(sides.eventually([&] { return server.frames.size() == 300; }));
  sides.on(sides.client_loop, [&] {
    EXPECT_GT(client.drained, 0);
    client.on_drained_do = nullptr;
  });
}

TEST_P(ConnectionTest, queued_bytes_are_written_before_a_gentle_close) {
  sides.connect();
  sides.client_sends([&](Connection& connection) {
    connection.send(Chain(framed(std::string(5'000'000, 'x'))));
    connection.close_after_writes();
  });
  ASSERT_TRUE(sides.eventually([&] { return server.closed.size() == 1; }));
  ASSERT_EQ(server.frames.size(), 1u);
  EXPECT_EQ(server.frames.front().size(), 5'000'000u);
  sides.on(sides.client_loop, [&] { EXPECT_TRUE(client.closed.empty()); });
}

TEST_P(ConnectionTest, a_gentle_close_before_it_is_open_writes_first) {
  sides.listen();
  sides.on(sides.client_loop, [&] {
    client.connection = sides.dialer->dial(sides.at, {}, client);
    client.connection->send(Chain(framed("last words")));
    client.connection->close_after_writes();
  });
  ASSERT_TRUE(sides.eventually([&] { return server.closed.size() == 1; }));
  EXPECT_EQ(server.frames, std::vector<std::string>{"last words"});
  EXPECT_EQ(client.opened, 0);
}

TEST_P(ConnectionTest, closing_one_side_is_reported_once_to_the_other) {
  sides.connect();
  sides.client_sends([&](Connection& connection) {
    connection.close();
    EXPECT_TRUE(connection.send(Chain(framed("nobody gets it"))));
    connection.close();
  });
  ASSERT_TRUE(sides.eventually([&] { return server.closed.size() == 1; }));
  EXPECT_TRUE(server.closed.front().is(Errc::connection_lost));
  EXPECT_NE(server.closed.front().message().find(server.connection->peer()),
            std::string_view::npos);
  sides.on(sides.server_loop, [&] { server.connection->send(Chain(framed("nor this"))); });
  sides.on(sides.client_loop, [] {});
  EXPECT_EQ(server.closed.size(), 1u);
  EXPECT_TRUE(client.closed.empty());
}

TEST_P(ConnectionTest, may_be_destroyed_in_on_open) {
  client.on_open_do = [&] { client.connection.reset(); };
  sides.listen();
  sides.dial();
  ASSERT_TRUE(sides.eventually([&] { return server.closed.size() == 1; }));
  EXPECT_TRUE(client.closed.empty());
}

TEST_P(ConnectionTest, may_be_destroyed_in_on_frame) {
  server.on_frame_do = [&] { server.connection.reset(); };
  sides.connect();
  sides.client_sends([&](Connection& connection) {
    connection.send(Chain(framed("one")));
    connection.send(Chain(framed("two")));
  });
  ASSERT_TRUE(sides.eventually([&] { return client.closed.size() == 1; }));
  EXPECT_EQ(server.frames.size(), 1u);
  EXPECT_TRUE(server.closed.empty());
}

TEST_P(ConnectionTest, may_be_destroyed_in_on_closed) {
  server.on_closed_do = [&] { server.connection.reset(); };
  sides.connect();
  sides.client_sends([&](Connection& connection) { connection.close(); });
  ASSERT_TRUE(sides.eventually([&] { return server.closed.size() == 1; }));
}

TEST_P(ConnectionTest, may_be_destroyed_in_on_drained) {
  client.on_drained_do = [&] { client.connection.reset(); };
  sides.connect({.limits = {.max_write_queue_bytes = 1000}});
  sides.client_sends([&](Connection& connection) {
    EXPECT_FALSE(connection.send(Chain(framed(std::string(1001, 'x')))));
  });
  ASSERT_TRUE(sides.eventually([&] { return server.closed.size() == 1; }));
  EXPECT_EQ(client.drained, 1);
}

TEST_P(ConnectionTest, an_idle_connection_is_closed) {
  sides.connect({}, {.idle_timeout = 20ms});
  ASSERT_TRUE(
      sides.eventually([&] { return server.closed.size() == 1 && client.closed.size() == 1; }));
  EXPECT_NE(server.closed.front().message().find("idle for 20 ms"), std::string_view::npos);
}

TEST_P(ConnectionTest, a_busy_connection_is_not_idle) {
  sides.connect({}, {.idle_timeout = 1s});
  int left = 20;
  std::function<void()> send_now_and_then = [&] {
    client.connection->send(Chain(framed("still here")));
    if (--left > 0) {
      sides.client_loop.arm(sides.client_loop.tick().mono + 70ms, [&] { send_now_and_then(); });
    }
  };
  sides.on(sides.client_loop, send_now_and_then);
  ASSERT_TRUE(
      sides.eventually([&] { return server.frames.size() == 20 || !server.closed.empty(); }));
  EXPECT_EQ(server.frames.size(), 20u);
  sides.on(sides.client_loop, [&] { client.connection.reset(); });
}

TEST_P(ConnectionTest, a_refused_dial_names_the_address) {
  sides.listen();
  sides.on(sides.server_loop, [&] { sides.listener.reset(); });
  sides.dial();
  ASSERT_TRUE(sides.eventually([&] { return client.closed.size() == 1; }));
  EXPECT_TRUE(client.closed.front().is(Errc::connection_failed));
  EXPECT_NE(client.closed.front().message().find(sides.at.to_string()), std::string_view::npos);
  EXPECT_EQ(client.opened, 0);
}

TEST_P(ConnectionTest, a_dial_may_be_given_up) {
  sides.listen();
  sides.on(sides.client_loop, [&] {
    client.connection = sides.dialer->dial(sides.at, {}, client);
    client.connection.reset();
    client.connection = sides.dialer->dial(sides.at, {}, client);
  });
  ASSERT_TRUE(sides.eventually([&] { return client.opened == 1; }));
  EXPECT_TRUE(client.closed.empty());
}

TEST_P(ConnectionTest, an_acceptor_may_refuse_a_connection) {
  sides.accepts = false;
  sides.listen();
  sides.dial();
  ASSERT_TRUE(sides.eventually([&] { return client.closed.size() == 1; }));
  EXPECT_EQ(server.opened, 0);
}

TEST_P(ConnectionTest, a_paused_listener_accepts_later) {
  sides.listen();
  sides.on(sides.server_loop, [&] { sides.listener->pause(); });
  sides.dial();
  sides.on(sides.server_loop, [&] { EXPECT_EQ(server.opened, 0); });
  sides.on(sides.server_loop, [&] { sides.listener->resume(); });
  ASSERT_TRUE(sides.eventually([&] { return client.opened == 1 && server.opened == 1; }));
}

TEST_P(ConnectionTest, listening_twice_on_one_address_is_an_error) {
  sides.listen();
  sides.on(sides.server_loop, [&] {
    const auto second = sides.listen_at(sides.at);
    ASSERT_FALSE(second.has_value());
    EXPECT_NE(second.error().message().find(sides.at.to_string()), std::string_view::npos);
  });
}

TEST_P(ConnectionTest, a_connection_that_is_not_read_does_not_stop_another) {
  sides.connect();
  sides.on(sides.server_loop, [&] { server.connection->pause_reading(); });
  sides.client_sends([&](Connection& connection) {
    connection.send(Chain(framed(std::string(10'000'000, 'x'))));
  });
  Side second_client(sides.watched);
  Side second_server(sides.watched);
  auto first = std::unique_ptr<Connection>();
  sides.on(sides.server_loop, [&] {
    first = std::move(server.connection);
    server.opened = 0;
  });
  sides.on(sides.client_loop, [&] {
    second_client.connection = sides.dialer->dial(sides.at, {}, second_client);
    second_client.connection->send(Chain(framed("past it")));
  });
  ASSERT_TRUE(sides.eventually([&] { return server.frames.size() == 1; }));
  EXPECT_EQ(server.frames.front(), "past it");
  sides.on(sides.client_loop, [&] { second_client.connection.reset(); });
  sides.on(sides.server_loop, [&] { first.reset(); });
}

TEST_P(ConnectionTest, sides_may_outlive_their_loops_threads) {
  sides.connect();
  sides.client_sends(
      [&](Connection& connection) { connection.send(Chain(framed(std::string(5'000'000, 'x')))); });
  sides.server_loop.stop();
  sides.server_loop.join();
  server.connection.reset();
  sides.listener.reset();
  ASSERT_TRUE(sides.eventually([&] { return client.closed.size() == 1; }));
}

}  // namespace
}  // namespace dohle::net
