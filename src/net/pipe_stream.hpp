#pragma once

#include <array>
#include <atomic>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "base/byte_stream.hpp"
#include "base/connection.hpp"
#include "base/executor.hpp"

namespace dohle::net {

class PipeStream;

/// The shared state of the two ends of a pipe: for each end, the news from the other one that it
/// has not fetched. Thread safety: any thread. An executor is used only under the lock and while
/// its end is open, so it may be destroyed once the end is closed.
class Pipe {
 public:
  enum class Side : std::uint8_t { dialing, accepting };

  /// Opens a side. From now on `end` is told of news, on `loop`.
  void attach(Side side, Executor& loop, std::weak_ptr<PipeStream> end);
  /// Closes a side. Its loop is not used any more, and its unfetched news are dropped. The other
  /// side is told.
  void detach(Side side);

  /// Passes slices to the other side. They count as unread until that side takes them.
  void deliver(Side from, std::vector<Slice>& slices, std::size_t bytes);
  /// True if the end is open; false if it was never attached.
  [[nodiscard]] bool is_attached(Side side);
  /// The accepting side took the connection.
  void tell_opened();
  /// The connection is refused.
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
  /// The receiver took bytes. A sender that waits for room is told once there is enough.
  void took(Side receiver, std::size_t bytes);
  /// Asks to tell the sender once at most `max_unread` bytes are unread. Returns false if there is
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
    std::weak_ptr<PipeStream> end;
    bool is_told = false;  // a fetch is posted
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

/// One end of a pipe, on its own loop. It hands over the Slices that were written to the other end
/// without a copy. Up to `window_bytes` may be unread at the other side; a write then waits for
/// room. Loop thread only.
class PipeStream final : public ByteStream {
 public:
  /// `events` owns the stream.
  PipeStream(Executor& loop, StreamEvents& events, std::shared_ptr<Pipe> pipe, Pipe::Side side,
             std::size_t window_bytes);
  ~PipeStream() override { close(); }
  PipeStream(const PipeStream&) = delete;
  PipeStream& operator=(const PipeStream&) = delete;

  /// `self` keeps the stream's owner alive during an event.
  void attach(std::weak_ptr<PipeStream> self);
  /// Begins the dial of a dialing end. The dial fails unless it opens within `timeout`.
  void begin_dial(std::chrono::milliseconds timeout);
  void opened();
  void dial_failed(std::string_view why);
  /// Fetches the news from the pipe and reports them.
  void fetch();

  Result<Moved> read(const ReadRoom& into) override;
  [[nodiscard]] bool hands_over_slices() const override { return true; }
  Result<Moved> read_slices(SliceQueue& into, std::size_t max_bytes) override;
  Result<Moved> write(WriteQueue& from) override;
  [[nodiscard]] std::size_t unread_bytes() const override { return pipe_->unread_from(side_); }
  void end_writes() override {}  // written bytes stay readable after close()
  void close() override;

 private:
  [[nodiscard]] Moved took(std::size_t bytes);
  [[nodiscard]] std::size_t room() const;

  Executor& loop_;
  StreamEvents& events_;
  const std::shared_ptr<Pipe> pipe_;
  const Pipe::Side side_;
  const std::size_t window_bytes_;
  std::weak_ptr<PipeStream> self_;
  SliceQueue arrived_;
  std::vector<Slice> slices_;  // keeps its capacity
  bool is_open_ = false;
  bool is_closed_ = false;
  bool is_other_closed_ = false;
  TimerId dial_timer_ = 0;
};

}  // namespace dohle::net
