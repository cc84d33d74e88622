#pragma once

#include <array>
#include <atomic>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "base/connection.hpp"
#include "net/idle_watch.hpp"
#include "net/loop.hpp"
#include "net/pipe_frames.hpp"
#include "net/stream_connection.hpp"

namespace dohle::net {

class PipeEnd;

/// What the two ends of a pipe share: for each end, what the other one sent and it has not fetched.
/// Thread safety: any thread. An executor is only used under the lock and while its end is open, so
/// that it may go once the end is closed.
class Pipe {
 public:
  enum class Side : std::uint8_t { dialing, accepting };

  /// From now on `end` is told, on `loop`.
  void attach(Side side, Executor& loop, std::weak_ptr<PipeEnd> end);
  /// No use of the end's loop follows; what waits for it is dropped. The other side is told.
  void detach(Side side);

  /// Gives slices to the other side; `unread` counts them until they are taken.
  void deliver(Side from, std::vector<Slice>& slices, std::size_t bytes);
  /// Whether the end is open; one that was never attached is not.
  [[nodiscard]] bool is_attached(Side side);
  /// The accepting side took the connection.
  void tell_opened();
  /// Nobody takes the connection.
  void refuse();

  struct News {
    std::vector<Slice> slices;
    bool is_open = false;
    bool is_other_closed = false;
    bool is_room = false;
  };
  [[nodiscard]] News fetch(Side side);

  /// Bytes that `from` delivered and the other side has not taken.
  [[nodiscard]] std::size_t unread_from(Side from) const { return way(from).unread.load(); }
  /// The receiver took bytes; a sender that waits for that is told.
  void took(Side receiver, std::size_t bytes);
  /// The sender wants to be told when no more than `max_unread` bytes are unread. False: there is
  /// room already.
  [[nodiscard]] bool wait_for_room(Side sender, std::size_t max_unread);

 private:
  struct Way {  // from one side to the other
    std::atomic<std::size_t> unread{0};
    static constexpr std::size_t nobody_waits = SIZE_MAX;
    std::atomic<std::size_t> max_wanted_unread{nobody_waits};
  };
  struct Place {  // of one side
    Executor* loop = nullptr;
    std::weak_ptr<PipeEnd> end;
    bool is_told = false;  // a fetch is under way
    News news;
  };

  static Side other(Side side) { return side == Side::dialing ? Side::accepting : Side::dialing; }
  [[nodiscard]] Place& place(Side side) { return places_[static_cast<std::size_t>(side)]; }
  [[nodiscard]] Way& way(Side from) { return ways_[static_cast<std::size_t>(from)]; }
  [[nodiscard]] const Way& way(Side from) const { return ways_[static_cast<std::size_t>(from)]; }
  void tell(Place& place);  // under the lock

  std::mutex mutex_;
  std::array<Place, 2> places_;  // guarded by mutex_
  std::array<Way, 2> ways_;
};

/// One end of a pipe, on its own loop. Kept alive by its PipeConnection and by the work under way.
class PipeEnd final : public std::enable_shared_from_this<PipeEnd> {
 public:
  PipeEnd(Executor& loop, const ConnectionLimits& limits, std::shared_ptr<Pipe> pipe,
          Pipe::Side side);
  ~PipeEnd();
  PipeEnd(const PipeEnd&) = delete;
  PipeEnd& operator=(const PipeEnd&) = delete;

  /// For a dialing end: on_closed follows unless it opens in time.
  void begin_dial(const Endpoint& to, std::chrono::milliseconds timeout);
  void set_events(ConnectionEvents* events) { events_ = events; }
  [[nodiscard]] ConnectionEvents& events() { return *events_; }

  void opened();
  void failed(const Error& why);
  void dial_failed(std::string_view why);
  /// Something waits in the pipe.
  void fetch();

  bool send(Chain bytes);
  [[nodiscard]] std::size_t queued_bytes() const { return out_.size() + pipe_->unread_from(side_); }
  /// What a file's range stands for is read when it goes into the pipe.
  [[nodiscard]] std::size_t queued_memory_bytes() const { return queued_bytes(); }
  void flush();
  void pause_reading() { is_paused_ = true; }
  void resume_reading();
  void close();
  void close_after_writes();

  [[nodiscard]] const std::string& peer() const { return peer_; }
  [[nodiscard]] bool is_closed() const { return is_closed_; }
  [[nodiscard]] bool is_stopped() const {
    return is_closed_ || is_paused_ || in_.size() < stop_below_;
  }

 private:
  void end(Error why);
  void fetch_later();
  void hand_out();
  void schedule_flush();
  void tell_drained();
  [[nodiscard]] TimePoint now() const { return loop_.tick().mono; }

  Executor& loop_;
  Loop* const turning_;  // the same, where it has turns that end
  const ConnectionLimits limits_;
  const std::shared_ptr<Pipe> pipe_;
  const Pipe::Side side_;
  const std::string peer_ = "pipe";
  Endpoint dialed_;
  ConnectionEvents* events_ = nullptr;
  PipeFrames in_;
  Chain out_;
  std::vector<Slice> slices_;   // keeps its capacity
  std::size_t stop_below_ = 0;  // bytes left in in_ for the next turn
  bool is_open_ = false;
  bool is_closed_ = false;
  bool is_closing_ = false;  // after what is queued is fetched
  bool is_other_closed_ = false;
  bool is_paused_ = false;
  bool is_fetch_scheduled_ = false;
  bool is_flush_scheduled_ = false;
  bool was_full_ = false;
  IdleWatch idle_;
  TimerId dial_timer_ = 0;
};

using PipeConnection = StreamConnection<PipeEnd>;

}  // namespace dohle::net
