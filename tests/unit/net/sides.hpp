#pragma once

#include <condition_variable>
#include <cstring>
#include <functional>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "base/connection.hpp"
#include "frames/framed_dialer.hpp"
#include "frames/framed_listening.hpp"
#include "net/loop.hpp"
#include "net/pipes.hpp"
#include "net/tcp.hpp"

namespace dohle::net {

/// Maximum time for which a test waits for an event.
inline constexpr std::chrono::seconds patience{30};

inline Slice framed(std::string_view body) {
  const auto size = static_cast<std::uint32_t>(body.size());
  return Slice::made(body.size() + 4, [&](std::span<std::byte> to) {
    for (std::size_t i = 0; i < 4; ++i) to[i] = static_cast<std::byte>(size >> (24 - 8 * i));
    if (!body.empty()) std::memcpy(to.data() + 4, body.data(), body.size());
  });
}

/// State that loops' threads pass to the test's thread.
class Watched {
 public:
  template <class Change>
  void change(Change change) {
    const std::lock_guard guard(mutex_);
    change();
    wake_.notify_all();
  }
  /// Waits until `holds` is true, which is called under the lock after each change.
  template <class Holds>
  [[nodiscard]] bool eventually(Holds holds) {
    std::unique_lock lock(mutex_);
    return wake_.wait_for(lock, patience, holds);
  }

 private:
  std::mutex mutex_;
  std::condition_variable wake_;
};

/// One side of a connection and the events that it got.
class Side : public ConnectionEvents {
 public:
  explicit Side(Watched& watched) : watched_(watched) {}

  void on_open() override {
    count(opened);
    if (on_open_do) on_open_do();
  }
  Admission on_frame_length(std::size_t bytes) override {
    watched_.change([&] { lengths.push_back(bytes); });
    return admission;
  }
  Admission on_frame_room(std::size_t bytes) override {
    watched_.change([&] {
      ++rooms_asked;
      if (room == Admission::accept) room_bytes += bytes;
    });
    return room;
  }
  void on_frame_room_unused(std::size_t bytes) override {
    watched_.change([&] { room_bytes -= bytes; });
  }
  void on_frame(Slice frame) override {
    watched_.change([&] {
      frames.emplace_back(frame.text());
      last_frame = std::move(frame);
    });
    if (on_frame_do) on_frame_do();
  }
  void on_drained() override {
    count(drained);
    if (on_drained_do) on_drained_do();
  }
  void on_closed(Error why) override {
    watched_.change([&] { closed.push_back(why); });
    if (on_closed_do) on_closed_do();
  }

  std::unique_ptr<Connection> connection;  // used on its loop
  Admission admission = Admission::accept;
  Admission room = Admission::accept;
  std::function<void()> on_open_do, on_frame_do, on_drained_do, on_closed_do;

  // Read under Watched's lock, or after the last event.
  int opened = 0;
  int drained = 0;
  std::vector<std::size_t> lengths;
  int rooms_asked = 0;
  std::size_t room_bytes = 0;  // granted and not given back yet
  std::vector<std::string> frames;
  Slice last_frame;
  std::vector<Error> closed;

 private:
  void count(int& events) {
    watched_.change([&] { ++events; });
  }
  Watched& watched_;
};

enum class Kind : std::uint8_t { tcp, pipes };

/// Two sides, each on its own loop, over TCP or through pipes.
class Sides : public Acceptor {
 public:
  explicit Sides(Kind kind) : kind_(kind) {
    if (kind == Kind::tcp) {
      streams = std::make_unique<TcpListening>(server_loop);
      dialer = std::make_unique<frames::FramedDialer>(std::make_unique<TcpDialer>(client_loop),
                                                      with_buffers(client_loop));
    } else {
      streams = pipes_.listening(server_loop);
      dialer = std::make_unique<frames::FramedDialer>(pipes_.dialer(client_loop),
                                                      frames::OnLoop{client_loop, nullptr});
    }
    server_loop.start("server");
    client_loop.start("client");
  }
  ~Sides() {
    for (Loop* loop : {&client_loop, &server_loop}) {
      loop->stop();
      loop->join();
    }
  }

  ConnectionEvents* on_accept(std::unique_ptr<Connection> connection) override {
    server.connection = std::move(connection);
    return accepts ? &server : nullptr;
  }

  /// Runs `work` on the loop and waits for it.
  void on(Loop& loop, const std::function<void()>& work) {
    bool is_done = false;
    loop.post([&] {
      work();
      watched.change([&] { is_done = true; });
    });
    ASSERT_TRUE(watched.eventually([&] { return is_done; }));
  }
  [[nodiscard]] bool eventually(const std::function<bool()>& holds) {
    return watched.eventually(holds);
  }

  /// Listens on the server's loop.
  Result<std::unique_ptr<Listener>> listen_at(const Endpoint& where,
                                              const ConnectionLimits& limits = {}) {
    const auto on_loop =
        kind_ == Kind::tcp ? with_buffers(server_loop) : frames::OnLoop{server_loop, nullptr};
    return frames::FramedListening(*streams, on_loop).listen(where, limits, *this);
  }
  void listen(const ConnectionLimits& limits = {}) {
    on(server_loop, [&] {
      auto made = listen_at({"127.0.0.1", 0}, limits);
      ASSERT_TRUE(made.has_value()) << made.error().to_string();
      listener = *std::move(made);
      at = listener->local();
    });
    ASSERT_NE(at.port, 0);
  }
  void dial(const DialOptions& options = {}) {
    on(client_loop, [&] { client.connection = dialer->dial(at, options, client); });
  }
  void connect(const DialOptions& options = {}, const ConnectionLimits& server_limits = {}) {
    listen(server_limits);
    dial(options);
    ASSERT_TRUE(eventually([&] { return client.opened == 1 && server.opened == 1; }));
  }
  void client_sends(const std::function<void(Connection&)>& send) {
    on(client_loop, [&] { send(*client.connection); });
  }
  void server_sends(const std::function<void(Connection&)>& send) {
    on(server_loop, [&] { send(*server.connection); });
  }

  static frames::OnLoop with_buffers(Loop& loop) { return {loop, &loop.read_buffers()}; }

 private:
  const Kind kind_;
  PipeNetwork pipes_;

 public:
  Watched watched;
  Loop server_loop;
  Loop client_loop;
  std::unique_ptr<StreamListening> streams;
  std::unique_ptr<ConnectionDialer> dialer;
  std::unique_ptr<Listener> listener;
  Endpoint at;
  bool accepts = true;
  Side client{watched};
  Side server{watched};
};

}  // namespace dohle::net
