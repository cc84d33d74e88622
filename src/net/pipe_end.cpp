#include "net/pipe_end.hpp"

#include <utility>

#include "net/frame_delivery.hpp"

namespace dohle::net {

namespace {

constexpr std::size_t flush_above_bytes = 256 * 1024;
// One connection may take that much in one turn of the loop before the others have theirs.
constexpr std::size_t read_bytes_per_turn = std::size_t{1} << 20;

}  // namespace

void Pipe::attach(Side side, Executor& loop, std::weak_ptr<PipeEnd> end) {
  const std::lock_guard guard(mutex_);
  place(side).loop = &loop;
  place(side).end = std::move(end);
  if (place(side).news.is_other_closed) tell(place(side));
}

void Pipe::detach(Side side) {
  News dropped;
  const std::lock_guard guard(mutex_);
  if (place(side).loop == nullptr) return;
  place(side).loop = nullptr;
  dropped = std::exchange(place(side).news, {});
  place(other(side)).news.is_other_closed = true;
  tell(place(other(side)));
}

bool Pipe::is_attached(Side side) {
  const std::lock_guard guard(mutex_);
  return place(side).loop != nullptr;
}

void Pipe::tell(Place& place) {
  if (place.loop == nullptr || std::exchange(place.is_told, true)) return;
  place.loop->post([weak = place.end] {
    if (const auto end = weak.lock()) end->fetch();
  });
}

void Pipe::deliver(Side from, std::vector<Slice>& slices, std::size_t bytes) {
  const std::lock_guard guard(mutex_);
  Place& to = place(other(from));
  if (to.loop != nullptr) {
    way(from).unread += bytes;
    for (Slice& slice : slices) to.news.slices.push_back(std::move(slice));
    tell(to);
  }
  slices.clear();
}

void Pipe::tell_opened() {
  const std::lock_guard guard(mutex_);
  place(Side::dialing).news.is_open = true;
  tell(place(Side::dialing));
}

void Pipe::refuse() {
  const std::lock_guard guard(mutex_);
  place(Side::dialing).news.is_other_closed = true;
  tell(place(Side::dialing));
}

Pipe::News Pipe::fetch(Side side) {
  const std::lock_guard guard(mutex_);
  place(side).is_told = false;
  return std::exchange(place(side).news, {});
}

void Pipe::took(Side receiver, std::size_t bytes) {
  const Side sender = other(receiver);
  Way& from = way(sender);
  const std::size_t unread = from.unread.fetch_sub(bytes) - bytes;
  const std::size_t wanted = from.max_wanted_unread.load();
  if (wanted == Way::nobody_waits || unread > wanted) return;
  if (from.max_wanted_unread.exchange(Way::nobody_waits) == Way::nobody_waits) return;
  const std::lock_guard guard(mutex_);
  place(sender).news.is_room = true;
  tell(place(sender));
}

// The wish is stored before the count is read, and `took` does it the other way round: one of the
// two notices.
bool Pipe::wait_for_room(Side sender, std::size_t max_unread) {
  Way& from = way(sender);
  from.max_wanted_unread = max_unread;
  if (from.unread.load() > max_unread) return true;
  return from.max_wanted_unread.exchange(Way::nobody_waits) == Way::nobody_waits;
}

PipeEnd::PipeEnd(Executor& loop, const ConnectionLimits& limits, std::shared_ptr<Pipe> pipe,
                 Pipe::Side side)
    : loop_(loop),
      turning_(dynamic_cast<Loop*>(&loop)),
      limits_(limits),
      pipe_(std::move(pipe)),
      side_(side),
      in_(limits.max_frame_bytes),
      idle_(loop, limits.idle_timeout) {}

PipeEnd::~PipeEnd() {
  close();
}

void PipeEnd::begin_dial(const Endpoint& to, std::chrono::milliseconds timeout) {
  dialed_ = to;
  dial_timer_ = loop_.arm(now() + timeout, [weak = weak_from_this(), timeout] {
    const auto self = weak.lock();
    if (self == nullptr) return;
    self->dial_timer_ = 0;
    self->dial_failed("no answer within " + std::to_string(timeout.count()) + " ms");
  });
}

void PipeEnd::opened() {
  const auto self = shared_from_this();
  loop_.cancel(std::exchange(dial_timer_, 0));
  is_open_ = true;
  idle_.begin(weak_from_this());
  if (is_closing_) {
    flush();
    return close();
  }
  events_->on_open();
  if (!is_closed_ && !out_.empty()) schedule_flush();
}

void PipeEnd::failed(const Error& why) {
  if (!is_closed_) end(why.within("connection to pipe"));
}

void PipeEnd::dial_failed(std::string_view why) {
  if (is_closed_) return;
  end(Error::client(Errc::connection_failed,
                    "connecting to " + dialed_.to_string() + ": " + std::string(why)));
}

void PipeEnd::end(Error why) {
  const bool was_closing = is_closing_;
  close();
  if (!was_closing) events_->on_closed(std::move(why));
}

void PipeEnd::close() {
  if (is_closed_) return;
  is_closed_ = true;
  idle_.end();
  loop_.cancel(std::exchange(dial_timer_, 0));
  out_ = {};
  in_.clear();
  pipe_->detach(side_);
}

void PipeEnd::close_after_writes() {
  if (is_closed_) return;
  is_closing_ = true;
  is_paused_ = true;
  if (is_open_) flush();
  if (out_.empty()) close();
}

void PipeEnd::fetch() {
  if (is_closed_) return;
  const auto self = shared_from_this();
  Pipe::News news = pipe_->fetch(side_);
  if (news.is_open) opened();
  if (is_closed_) return;
  if (!news.slices.empty()) idle_.moved();
  for (Slice& slice : news.slices) in_.add(std::move(slice));
  is_other_closed_ = is_other_closed_ || news.is_other_closed;
  if (is_other_closed_ && !is_open_) return dial_failed("refused");
  if (news.is_room) tell_drained();
  if (!is_closed_) hand_out();
}

void PipeEnd::fetch_later() {
  if (is_fetch_scheduled_) return;
  is_fetch_scheduled_ = true;
  loop_.post([self = shared_from_this()] {
    self->is_fetch_scheduled_ = false;
    if (!self->is_closed_ && self->is_open_) self->hand_out();
  });
}

void PipeEnd::hand_out() {
  const std::size_t before = in_.size();
  stop_below_ = before > read_bytes_per_turn ? before - read_bytes_per_turn : 0;
  const Delivery delivery = hand_out_frames(in_, *this);
  stop_below_ = 0;
  if (before > in_.size()) pipe_->took(side_, before - in_.size());
  if (delivery == Delivery::stopped) {
    if (!is_stopped()) fetch_later();
  } else if (is_other_closed_) {
    failed(Error::client(Errc::connection_lost, "closed by the other side"));
  }
}

void PipeEnd::resume_reading() {
  if (!is_paused_ || is_closing_) return;
  is_paused_ = false;
  fetch_later();
}

bool PipeEnd::send(Chain bytes) {
  if (is_closed_ || is_closing_) return true;
  out_.append(std::move(bytes));
  was_full_ = was_full_ || queued_bytes() > limits_.max_write_queue_bytes;
  if (is_open_) {
    if (out_.size() > flush_above_bytes) {
      flush();
    } else {
      schedule_flush();
    }
  }
  return !was_full_;
}

void PipeEnd::schedule_flush() {
  if (std::exchange(is_flush_scheduled_, true)) return;
  auto flush_now = [self = shared_from_this()] {
    self->is_flush_scheduled_ = false;
    self->flush();
  };
  if (turning_ != nullptr) {
    turning_->at_turn_end(std::move(flush_now));
  } else {
    loop_.post(std::move(flush_now));
  }
}

void PipeEnd::flush() {
  if (!is_open_ || is_closed_ || out_.empty()) return;
  Chain bytes = std::exchange(out_, {});
  const std::size_t size = bytes.size();
  if (const auto appended = append_slices(std::move(bytes), slices_); !appended) {
    slices_.clear();
    loop_.post([self = shared_from_this(), why = appended.error()] { self->failed(why); });
    return;
  }
  idle_.moved();
  pipe_->deliver(side_, slices_, size);
  if (was_full_ && !pipe_->wait_for_room(side_, limits_.max_write_queue_bytes / 2)) {
    loop_.post([self = shared_from_this()] { self->tell_drained(); });
  }
}

void PipeEnd::tell_drained() {
  if (is_closed_ || is_closing_ || !was_full_) return;
  // More may have been sent since: then its flush waits for room again.
  if (queued_bytes() > limits_.max_write_queue_bytes / 2) {
    if (!out_.empty() || pipe_->wait_for_room(side_, limits_.max_write_queue_bytes / 2)) return;
  }
  was_full_ = false;
  events_->on_drained();
}

}  // namespace dohle::net
