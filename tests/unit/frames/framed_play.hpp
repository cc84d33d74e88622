#pragma once

#include <algorithm>
#include <cstring>
#include <deque>
#include <map>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "base/random.hpp"
#include "frames/framed_connection.hpp"

namespace dohle::frames {

/// A loop whose turns the test runs.
class HandLoop final : public Executor {
 public:
  void post(Task task) override { posted_.push_back(std::move(task)); }
  [[nodiscard]] bool is_loop_thread() const override { return true; }
  TimerId arm(TimePoint at, Task task) override {
    timers_.emplace(++last_timer_, Timer{at, std::move(task)});
    return last_timer_;
  }
  void cancel(TimerId id) override { timers_.erase(id); }
  void at_turn_end(Task task) override { at_end_.push_back(std::move(task)); }
  [[nodiscard]] Now tick() const override { return now_; }
  [[nodiscard]] TimePoint turn_end() const override { return has_short_turns ? now_.mono : never; }

  /// Runs posted tasks, due timers, and the end of the turn. False if there were none.
  bool turn() {
    std::vector<Task> tasks = std::exchange(posted_, {});
    for (auto at = timers_.begin(); at != timers_.end();) {
      if (at->second.at > now_.mono) {
        ++at;
        continue;
      }
      tasks.push_back(std::move(at->second.task));
      at = timers_.erase(at);
    }
    for (Task& task : tasks) task();
    std::vector<Task> ends = std::exchange(at_end_, {});
    for (Task& task : ends) task();
    return !tasks.empty() || !ends.empty();
  }
  void pass(Duration span) { now_.mono += span; }
  [[nodiscard]] bool has_timers() const { return !timers_.empty(); }

  /// Work that can continue in a later turn always has to.
  bool has_short_turns = false;

 private:
  struct Timer {
    TimePoint at;
    Task task;
  };
  std::vector<Task> posted_, at_end_;
  std::map<TimerId, Timer> timers_;
  TimerId last_timer_ = 0;
  Now now_{TimePoint(std::chrono::seconds(1)), {}};
};

/// A stream whose other side is the test, which sets the bytes to read and the room for writes.
class ScriptedStream final : public ByteStream {
 public:
  struct Script {
    SliceQueue arrived;               ///< and was not read
    bool has_ended = false;           ///< behind `arrived`
    std::size_t max_read = SIZE_MAX;  ///< bytes of one call
    std::size_t max_written = SIZE_MAX;
    std::size_t room = SIZE_MAX;  ///< bytes that writes may take before they are blocked
    std::string written;
    bool has_ended_writes = false;
    bool is_closed = false;
    bool fails_writes = false;
    bool hands_over = false;
  };
  explicit ScriptedStream(Script& script) : script_(script) {}
  ~ScriptedStream() override { script_.is_closed = true; }
  ScriptedStream(const ScriptedStream&) = delete;
  ScriptedStream& operator=(const ScriptedStream&) = delete;

  Result<Moved> read(const ReadRoom& into) override {
    std::size_t left = std::min({into.bytes, script_.max_read, script_.arrived.size()});
    const std::size_t bytes = left;
    for (std::size_t i = 0; i < into.count; ++i) {
      const std::size_t part = std::min(into.pieces[i].iov_len, left);
      script_.arrived.copy_to({static_cast<std::byte*>(into.pieces[i].iov_base), part});
      left -= part;
    }
    return after_read(bytes);
  }
  [[nodiscard]] bool hands_over_slices() const override { return script_.hands_over; }
  Result<Moved> read_slices(SliceQueue& into, std::size_t max_bytes) override {
    const std::size_t bytes = std::min({max_bytes, script_.max_read, script_.arrived.size()});
    if (bytes > 0) into.add(script_.arrived.take(bytes));
    return after_read(bytes);
  }
  Result<Moved> write(WriteQueue& from) override {
    if (script_.fails_writes) return fail(Error::client(Errc::connection_lost, "broken"));
    const std::size_t most = std::min(script_.max_written, script_.room);
    if (most == 0) return Moved{0, StreamState::blocked};
    std::vector<Slice> slices;
    const auto taken = from.take_slices(most, slices);
    if (!taken) return fail(taken.error());
    for (const Slice& slice : slices) script_.written += slice.text();
    script_.room -= *taken;
    return Moved{*taken, script_.room == 0 ? StreamState::blocked : StreamState::ready};
  }
  void end_writes() override { script_.has_ended_writes = true; }
  void close() override { script_.is_closed = true; }

 private:
  [[nodiscard]] Moved after_read(std::size_t bytes) const {
    if (!script_.arrived.empty()) return {bytes, StreamState::ready};
    if (!script_.has_ended) return {bytes, StreamState::blocked};
    return {bytes, bytes > 0 ? StreamState::ready : StreamState::ended};
  }
  Script& script_;
};

inline std::string framed_text(std::string_view body) {
  std::string text;
  for (int shift = 24; shift >= 0; shift -= 8) text += static_cast<char>(body.size() >> shift);
  return text.append(body);
}

/// One connection over a scripted stream, and its events.
class Framed : public ConnectionEvents {
 public:
  explicit Framed(const ConnectionLimits& limits = {}, bool hands_over = false,
                  std::string dialed = "dialed") {
    script.hands_over = hands_over;
    connection = std::make_shared<FramedConnection>(OnLoop{loop, hands_over ? nullptr : &buffers},
                                                    limits, PeerNames{"peer", std::move(dialed)});
    connection->set_stream(std::make_unique<ScriptedStream>(script));
    connection->set_events(this);
    handle = connection->handle();
  }
  Framed(const Framed&) = delete;
  Framed& operator=(const Framed&) = delete;

  void on_open() override { events.emplace_back("open"); }
  Admission on_frame_length(std::size_t bytes) override {
    lengths.push_back(bytes);
    return admission;
  }
  Admission on_frame_room(std::size_t bytes) override {
    if (room == Admission::accept) granted += bytes;
    return room;
  }
  void on_frame_room_unused(std::size_t bytes) override { granted -= bytes; }
  void on_frame(Slice frame) override {
    frames.emplace_back(frame.text());
    if (on_frame_do) on_frame_do();
  }
  void on_drained() override { events.emplace_back("drained"); }
  void on_closed(Error why) override {
    events.emplace_back("closed");
    error = std::string(why.message());
  }

  void arrive(std::string_view bytes) {
    if (!bytes.empty()) script.arrived.add(Slice::copy_of(bytes));
    connection->on_news({.may_read = true});
  }
  void end() {
    script.has_ended = true;
    connection->on_news({.may_read = true});
  }
  void run() {
    while (loop.turn()) {
    }
  }

  HandLoop loop;
  ReadBuffers buffers;
  ScriptedStream::Script script;
  std::shared_ptr<FramedConnection> connection;
  std::unique_ptr<Connection> handle;
  Admission admission = Admission::accept;
  Admission room = Admission::accept;
  std::size_t granted = 0;
  std::vector<std::size_t> lengths;
  std::vector<std::string> frames;
  std::function<void()> on_frame_do;
  std::vector<std::string> events;
  std::string error;
};

/// Sends `stream` through a connection in pieces that `random` chooses, with reads and writes that
/// are short, frames that are held or find no room, pauses, and each frame sent back. Returns the
/// first difference from the expected frames, or an empty string.
inline std::string play(Random& random, std::string_view stream, bool hands_over) {
  ConnectionLimits limits;
  limits.max_frame_bytes = random.below(2) == 0 ? 100 + random.below(100'000) : 1 << 20;
  limits.max_write_queue_bytes = 1 + random.below(1000);
  std::vector<std::string> expected;
  bool is_broken = false;
  for (std::string_view rest = stream; rest.size() >= 4;) {
    std::size_t length = 0;
    for (int i = 0; i < 4; ++i)
      length = length << 8 | static_cast<unsigned char>(rest[static_cast<std::size_t>(i)]);
    is_broken = length > limits.max_frame_bytes;
    if (is_broken || rest.size() - 4 < length) break;
    expected.emplace_back(rest.substr(4, length));
    rest.remove_prefix(4 + length);
  }

  Framed framed(limits, hands_over);
  std::size_t sent = 0;
  framed.on_frame_do = [&] {
    framed.handle->send(Chain(Slice::copy_of(framed_text(framed.frames.back()))));
    sent += 4 + framed.frames.back().size();
    if (random.below(8) == 0) framed.handle->pause_reading();
  };
  framed.connection->on_open(false);
  const auto step = [&] {
    framed.script.max_read = 1 + random.below(random.below(2) == 0 ? 10 : 100'000);
    framed.script.max_written = 1 + random.below(random.below(2) == 0 ? 10 : 100'000);
    framed.admission = random.below(6) == 0 ? Admission::hold : Admission::accept;
    framed.room = random.below(6) == 0 ? Admission::hold : Admission::accept;
    framed.script.room = random.below(4) == 0 ? 0 : random.below(50'000);
    framed.connection->on_news({.may_write = true});
    if (random.below(3) == 0) framed.handle->resume_reading();
    framed.loop.turn();
  };
  while (!stream.empty()) {
    const std::size_t bytes =
        std::min<std::size_t>(stream.size(), 1 + random.below(random.below(2) == 0 ? 10 : 200'000));
    framed.arrive(stream.substr(0, bytes));
    stream.remove_prefix(bytes);
    step();
  }
  framed.admission = framed.room = Admission::accept;
  framed.on_frame_do = [&] {
    framed.handle->send(Chain(Slice::copy_of(framed_text(framed.frames.back()))));
    sent += 4 + framed.frames.back().size();
  };
  framed.script.room = SIZE_MAX;
  framed.handle->resume_reading();
  framed.connection->on_news({.may_read = true, .may_write = true});
  framed.run();
  if (!is_broken) {
    if (framed.script.written.size() != sent) return "not all that was sent was written";
    framed.end();
    framed.run();
  }

  std::string written;
  for (const std::string& body : framed.frames) written += framed_text(body);
  if (framed.frames != expected) {
    return std::to_string(framed.frames.size()) + " frames were handed out instead of " +
           std::to_string(expected.size()) + ", or others";
  }
  if (!written.starts_with(framed.script.written)) return "other bytes were written than sent";
  if (std::ranges::count(framed.events, "closed") != 1 || framed.events.back() != "closed") {
    return "the end was not told once";
  }
  return framed.loop.has_timers() ? "a timer is left" : "";
}

}  // namespace dohle::frames
