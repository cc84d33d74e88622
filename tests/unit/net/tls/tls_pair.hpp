#pragma once

#include <algorithm>
#include <functional>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include "framed_play.hpp"
#include "made_certificates.hpp"
#include "net/tls/tls_stream.hpp"

namespace dohle::net {

/// One direction of a wire in memory.
struct Way {
  std::string bytes;
  bool has_ended = false;
  std::size_t window = SIZE_MAX;     // unread bytes
  std::size_t max_piece = SIZE_MAX;  // bytes of one read or write
  std::size_t moved = 0;
  std::size_t passed = 0;          // bytes written so far
  std::size_t cut_at = SIZE_MAX;   // the wire breaks before this byte
  std::size_t flip_at = SIZE_MAX;  // this byte is changed
  bool is_blocked = false;
};

/// One end of the wire.
class WireEnd final : public ByteStream {
 public:
  WireEnd(Way& in, Way& out) : in_(in), out_(out) {}
  Result<Moved> read(const ReadRoom& into) override {
    const std::size_t part = std::min({into.pieces[0].iov_len, in_.bytes.size(), in_.max_piece});
    std::memcpy(into.pieces[0].iov_base, in_.bytes.data(), part);
    in_.bytes.erase(0, part);
    in_.moved += part;
    if (part > 0) return Moved{part, StreamState::ready};
    return Moved{0, in_.has_ended ? StreamState::ended : StreamState::blocked};
  }
  Result<Moved> read_slices(SliceQueue& /*into*/, std::size_t /*max*/) override { return Moved{}; }
  Result<Moved> write(WriteQueue& from) override {
    const std::size_t room =
        std::min(out_.window - std::min(out_.window, out_.bytes.size()), out_.max_piece);
    if (room == 0) {
      out_.is_blocked = true;
      return Moved{0, StreamState::blocked};
    }
    std::vector<Slice> slices;
    const auto taken = from.take_slices(room, slices);
    if (!taken) return fail(taken.error());
    for (const Slice& slice : slices) {
      for (char c : slice.text()) {
        if (out_.passed == out_.flip_at) c = static_cast<char>(c ^ 1);
        if (out_.passed >= out_.cut_at) out_.has_ended = true;
        if (!out_.has_ended) out_.bytes += c;
        ++out_.passed;
      }
    }
    out_.moved += *taken;
    return Moved{*taken, StreamState::ready};
  }
  void end_writes() override { out_.has_ended = true; }
  void close() override { out_.has_ended = true; }

 private:
  Way& in_;
  Way& out_;
};

/// Workers whose jobs the test's loop runs.
class LaterWorkers final : public Workers {
 public:
  void run(Task job, Executor& back, Task done) override {
    ++jobs;
    back.post([job = std::move(job), &back, done = std::move(done)]() mutable {
      job();
      back.post(std::move(done));
    });
  }
  int jobs = 0;
};

/// Workers with a thread for each job, which the test's loop joins before it runs `done`.
class ThreadPerJob final : public Workers {
 public:
  void run(Task job, Executor& back, Task done) override {
    back.post([thread = std::jthread(std::move(job)), done = std::move(done)]() mutable {
      thread.join();
      done();
    });
  }
};

/// The owner of one side.
class TlsSide final : public StreamEvents {
 public:
  void begin(const TlsPlace& place, std::shared_ptr<TlsSession> session, Way& in, Way& out) {
    tls = std::make_unique<TlsStream>(place, *this, std::move(session));
    tls->set_stream(std::make_unique<WireEnd>(in, out));
  }
  void on_open(bool may_read) override {
    is_open = can_write = true;
    can_read = may_read;
  }
  void on_news(StreamNews news) override {
    can_read = can_read || news.may_read;
    can_write = can_write || news.may_write;
  }
  void on_lost(const Error& why) override { lose(why); }

  void send(std::string_view text) { out.append(Chain(Slice::copy_of(text))); }

  /// Moves as many bytes as it can.
  void work() {
    while (is_open && !lost && can_write && !out.empty()) {
      const auto done = tls->write(out);
      if (!done) return lose(done.error());
      can_write = done->state == StreamState::ready;
    }
    while (is_open && !lost && can_read && !is_paused) {
      std::array<std::byte, 3000> memory;
      ReadRoom room;
      room.add(memory.data(), 1000);
      room.add(memory.data() + 1000, 2000);
      const auto done = tls->read(room);
      if (!done) return lose(done.error());
      got.append(reinterpret_cast<const char*>(memory.data()), done->bytes);
      can_read = done->state == StreamState::ready;
      has_ended = has_ended || done->state == StreamState::ended;
    }
  }
  void lose(const Error& why) {
    if (!lost) lost = why;
    tls->close();
  }
  [[nodiscard]] std::string why() const { return lost ? std::string(lost->message()) : ""; }

  std::unique_ptr<TlsStream> tls;
  WriteQueue out;
  std::string got;
  bool is_open = false, can_read = false, can_write = false, has_ended = false, is_paused = false;
  std::optional<Error> lost;
};

/// A client and a server on one loop, with a wire between them.
struct TlsPair {
  void begin(const TlsContext& client_context, const TlsContext& server_context,
             std::string_view host = "localhost") {
    client.begin({loop, workers}, TlsSession::client(client_context, host), to_client, to_server);
    server.begin({loop, workers}, TlsSession::server(server_context), to_server, to_client);
    client.tls->on_open(false);
    server.tls->on_open(false);
    run();
  }
  void run() {
    for (std::size_t before = SIZE_MAX; before != progress();) {
      before = progress();
      while (loop.turn()) {
      }
      tell(client, to_client, to_server);
      tell(server, to_server, to_client);
      client.work();
      server.work();
    }
  }
  static void tell(TlsSide& side, Way& in, Way& out) {
    if (side.lost) return;
    StreamNews news;
    news.may_read = !in.bytes.empty() || in.has_ended;
    news.may_write = out.is_blocked && out.bytes.size() < out.window;
    if (news.may_write) out.is_blocked = false;
    if (news.may_read || news.may_write) side.tls->on_news(news);
  }
  [[nodiscard]] std::size_t progress() const {
    return to_client.moved + to_server.moved + client.got.size() + server.got.size() +
           (client.lost ? 1u : 0u) + (server.lost ? 1u : 0u) + (client.has_ended ? 1u : 0u) +
           (server.has_ended ? 1u : 0u);
  }

  frames::HandLoop loop;
  Workers* workers = nullptr;
  Way to_client, to_server;
  TlsSide client, server;
};

}  // namespace dohle::net
