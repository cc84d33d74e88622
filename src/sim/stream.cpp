#include "sim/stream.hpp"

#include <algorithm>
#include <utility>

#include "base/disk.hpp"
#include "sim/machine.hpp"
#include "sim/world.hpp"

namespace dohle::sim {

namespace {

constexpr std::size_t packet_bytes = 60;  ///< of a packet without content
constexpr std::size_t max_segment_bytes = 64 * 1024;
constexpr std::size_t flush_bytes = 256 * 1024;
constexpr Duration retry_first = std::chrono::milliseconds(200);
constexpr Duration retry_longest = std::chrono::seconds(5);
constexpr Duration syn_retry = std::chrono::seconds(1);

constexpr const char* other_reset = "reset by the other side";

std::string milliseconds_text(Duration span) {
  const auto count = std::chrono::duration_cast<std::chrono::milliseconds>(span).count();
  return std::to_string(count) + " ms";
}

}  // namespace

Stream::Stream(Network& network, std::uint64_t id, ProcessLoop& dialer, Endpoint to,
               const DialOptions& options, ConnectionEvents& events)
    : network_(network),
      id_(id),
      dialer_(dialer.name()),
      to_(std::move(to)),
      connect_timeout_(options.connect_timeout) {
  End& end = at(Side::dialer);
  end.state = State::connecting;
  end.machine = &dialer.machine();
  end.loop = &dialer;
  end.events = &events;
  end.limits = options.limits;
  end.peer = to_.to_string();
}

bool Stream::is_live(const End& end) {
  return end.state == State::connecting || end.state == State::backlog ||
         end.state == State::open || end.state == State::draining;
}

bool Stream::is_open() const {
  return is_live(ends_[0]) || is_live(ends_[1]);
}

bool Stream::is_over() const {
  return !is_open() && ends_[0].on_way.empty() && ends_[1].on_way.empty();
}

bool Stream::connects(const Machine* a, const Machine* b) {
  const Machine* const from = at(Side::dialer).machine;
  const Machine* const to = at(Side::acceptor).machine;
  return (from == a && to == b) || (from == b && to == a);
}

World& Stream::world() const {
  return network_.world_;
}

bool Stream::is_stopped(Side from) {
  End& end = at(from);
  if (!end.is_held_back) {
    return network_.is_stopped(end.machine->index(), at(other(from)).machine->index());
  }
  if (!std::exchange(end.holding_has_bitten, true)) {
    world().bitten(Fault::held_back, "network", "a connection's bytes wait");
  }
  return true;
}

void Stream::hold_back(const Machine& from) {
  End& end = at(at(Side::dialer).machine == &from ? Side::dialer : Side::acceptor);
  end.is_held_back = true;
  end.holding_has_bitten = false;
}

void Stream::let_go() {
  for (const Side from : {Side::dialer, Side::acceptor}) {
    if (!std::exchange(at(from).is_held_back, false)) continue;
    at(from).retry_is_due = false;
    deliver(from);
  }
}

Duration Stream::travel_time(Side from, std::size_t bytes) {
  return network_.transfer_time(at(from).machine->index(), at(other(from)).machine->index(), bytes);
}

void Stream::later(Duration delay, void (Stream::*what)()) {
  world().after(delay, [self = shared_from_this(), what] { (*self.*what)(); });
}

void Stream::note(std::string_view line) const {
  if (!world().is_traced()) return;
  world().trace(dialer_ + " > " + at(Side::dialer).peer + " (" + std::to_string(id_) + ")", line);
}

// Setting up.

void Stream::connect() {
  End& end = at(Side::dialer);
  at(Side::acceptor).machine = network_.resolve(to_.host, *end.loop);
  if (at(Side::acceptor).machine == nullptr) {
    return lost(Side::dialer, Errc::name_not_resolved, "no machine is called " + to_.host);
  }
  later(connect_timeout_, &Stream::connect_timed_out);
  send_syn();
}

void Stream::connect_timed_out() {
  if (at(Side::dialer).state != State::connecting) return;
  lost(Side::dialer, Errc::connection_failed,
       "no answer within " + milliseconds_text(connect_timeout_));
}

void Stream::send_syn() {
  if (at(Side::dialer).state != State::connecting) return;
  ++syns_;
  later(travel_time(Side::dialer, packet_bytes), &Stream::syn_arrives);
}

void Stream::retry_syn() {
  later(syn_retry * (std::int64_t{1} << std::min(syns_ - 1, 5u)), &Stream::send_syn);
}

void Stream::syn_arrives() {
  End& there = at(Side::acceptor);
  if (at(Side::dialer).state != State::connecting) return;
  if (is_stopped(Side::dialer) || !there.machine->is_up()) return retry_syn();
  const auto port = network_.port_for(*there.machine, to_.port);
  if (port == nullptr) {
    return later(travel_time(Side::acceptor, packet_bytes), &Stream::refusal_arrives);
  }
  if (!port->has_room()) return retry_syn();
  there.state = State::backlog;
  there.loop = &port->loop();
  there.limits = port->limits();
  there.peer = at(Side::dialer).machine->name() + ":" + std::to_string(network_.next_port());
  port_ = port;
  later(travel_time(Side::acceptor, packet_bytes), &Stream::answer_arrives);
}

void Stream::refusal_arrives() {
  if (is_stopped(Side::acceptor)) return retry_syn();
  lost(Side::dialer, Errc::connection_failed, "refused");
}

void Stream::answer_arrives() {
  if (is_stopped(Side::acceptor)) return later(syn_retry, &Stream::answer_arrives);
  if (at(Side::dialer).state == State::connecting) {
    opened(Side::dialer);
    later(travel_time(Side::dialer, packet_bytes), &Stream::handshake_ends);
  } else if (at(Side::dialer).machine->is_up()) {
    send_reset(Side::dialer);
  }
}

void Stream::handshake_ends() {
  if (at(Side::acceptor).state != State::backlog) return;
  if (is_stopped(Side::dialer)) return later(syn_retry, &Stream::handshake_ends);
  if (const auto port = port_.lock(); port != nullptr && port->is_open()) {
    return port->offer(shared_from_this());
  }
  send_reset(Side::acceptor);
  close_end(Side::acceptor);
}

void Stream::opened(Side side) {
  End& end = at(side);
  end.state = State::open;
  end.last_byte = world().now();
  note("open");
  end.loop->post([self = shared_from_this(), side] {
    End& mine = self->at(side);
    if (mine.state == State::open && !mine.is_released) mine.events->on_open();
  });
  watch_idle(side);
  if (!end.queue.empty()) flush(side);
  schedule_read(side);
}

void Stream::accept(Acceptor& acceptor) {
  End& end = at(Side::acceptor);
  if (end.state != State::backlog) return;
  end.state = State::open;
  end.last_byte = world().now();
  end.events =
      acceptor.on_accept(std::make_unique<SimulatedConnection>(shared_from_this(), Side::acceptor));
  if (end.events == nullptr) return release(Side::acceptor, false);
  if (end.state != State::open || end.is_released) return;
  end.events->on_open();
  if (end.state != State::open) return;
  watch_idle(Side::acceptor);
  schedule_read(Side::acceptor);
}

void Stream::watch_idle(Side side) {
  const Duration limit = at(side).limits.idle_timeout;
  if (limit == Duration::zero()) return;
  world().schedule(at(side).last_byte + limit, [self = shared_from_this(), side] {
    const End& end = self->at(side);
    if (end.state != State::open) return;
    const Duration allowed = end.limits.idle_timeout;
    if (self->world().now() - end.last_byte < allowed) return self->watch_idle(side);
    self->send_end(side);
    self->lost(side, Errc::connection_lost, "idle for " + milliseconds_text(allowed));
  });
}

// Bytes.

bool Stream::queue_piece(Side side, const Chain::Piece& piece) {
  End& end = at(side);
  if (const auto* slice = std::get_if<Slice>(&piece)) {
    end.queue.push_back(*slice);
    return true;
  }
  Chain range;
  range.append(std::get<FileRange>(piece));
  auto bytes = range.flatten();
  if (!bytes) {
    send_reset(side);
    lost(side, Errc::connection_lost, std::string(bytes.error().message()));
    return false;
  }
  end.queue.push_back(std::move(*bytes));
  return true;
}

bool Stream::send(Side side, Chain bytes) {
  End& end = at(side);
  if ((end.state != State::open && end.state != State::connecting) || end.is_released) return true;
  for (const Chain::Piece& piece : bytes.pieces()) {
    if (!queue_piece(side, piece)) return true;
  }
  end.queued_bytes += bytes.size();
  end.unflushed_bytes += bytes.size();
  if (end.state == State::open && end.unflushed_bytes > flush_bytes) {
    flush(side);
  } else if (!end.flush_is_due) {
    end.flush_is_due = true;
    end.loop->at_turn_end([self = shared_from_this(), side] {
      self->at(side).flush_is_due = false;
      self->flush(side);
    });
  }
  end.reported_full |= end.queued_bytes > end.limits.max_write_queue_bytes;
  return !end.reported_full;
}

void Stream::flush(Side side) {
  End& end = at(side);
  end.unflushed_bytes = 0;
  if (end.state != State::open && end.state != State::draining) return;
  if (end.was_reset) return lost(side, Errc::connection_lost, other_reset);
  fill_segments(side);
}

void Stream::fill_segments(Side side) {
  End& end = at(side);
  const std::size_t window = network_.options_.window_bytes;
  while (!end.queue.empty() && end.outstanding_bytes < window) {
    std::size_t most = std::min(window - end.outstanding_bytes, max_segment_bytes);
    if (network_.random_.below(8) == 0) most = 1 + network_.random_.below(most);
    put_on_way(side, next_segment(end, most));
  }
  if (end.state == State::draining && end.queue.empty()) {
    send_end(side);
    return close_end(side);
  }
  report_drained(side);
}

Stream::Segment Stream::next_segment(End& end, std::size_t max_bytes) {
  Segment segment;
  while (!end.queue.empty() && segment.bytes < max_bytes) {
    Slice& front = end.queue.front();
    const std::size_t part = std::min(front.size(), max_bytes - segment.bytes);
    // As into a kernel: the sender has its memory back, however long the bytes are on the way.
    segment.pieces.push_back(Slice::copy_of(front.bytes().subspan(0, part)));
    segment.bytes += part;
    if (part == front.size()) {
      end.queue.pop_front();
    } else {
      front = front.sub(part);
    }
  }
  end.queued_bytes -= segment.bytes;
  end.outstanding_bytes += segment.bytes;
  return segment;
}

void Stream::put_on_way(Side from, Segment segment) {
  End& end = at(from);
  end.last_byte = world().now();
  const Duration travel = travel_time(from, segment.bytes + packet_bytes);
  end.last_arrival = std::max(end.last_arrival, world().now() + travel);
  segment.arrives = end.last_arrival;
  end.on_way.push_back(std::move(segment));
  world().schedule(end.last_arrival, [self = shared_from_this(), from] { self->deliver(from); });
}

void Stream::deliver(Side from) {
  End& end = at(from);
  if (end.retry_is_due) return;
  const End& to = at(other(from));
  while (!end.on_way.empty() && end.on_way.front().arrives <= world().now()) {
    const bool is_dark = to.state == State::vanished && !to.machine->is_up();
    if (is_dark || is_stopped(from)) return stall(from);
    Segment segment = std::move(end.on_way.front());
    end.on_way.pop_front();
    end.stalled_since.reset();
    arrive(from, std::move(segment));
  }
}

void Stream::stall(Side from) {
  End& end = at(from);
  if (!end.stalled_since) {
    end.stalled_since = world().now();
    end.backoff = retry_first;
  } else {
    end.backoff = std::min(end.backoff * 2, retry_longest);
  }
  end.retry_is_due = true;
  world().after(end.backoff, [self = shared_from_this(), from] { self->retry(from); });
}

void Stream::retry(Side from) {
  End& end = at(from);
  end.retry_is_due = false;
  if (end.on_way.empty()) return end.stalled_since.reset();
  const Duration limit = network_.options_.retransmit_timeout;
  if (!end.stalled_since || world().now() - *end.stalled_since < limit) return deliver(from);
  end.on_way.clear();
  end.stalled_since.reset();
  lost(from, Errc::connection_lost, "nothing acknowledged for " + milliseconds_text(limit));
}

void Stream::arrive(Side from, Segment segment) {
  const Side side = other(from);
  End& to = at(side);
  world().mark(id_ * 2 + static_cast<std::uint64_t>(side), segment.bytes);
  switch (to.state) {
    case State::closed:
      if (!segment.is_end) send_reset(side);
      return;
    case State::vanished:
      return send_reset(side);
    case State::absent:
    case State::draining:
      return;
    case State::connecting:
    case State::backlog:
    case State::open:
      break;
  }
  to.other_ended |= segment.is_end;
  to.arrived_bytes += segment.bytes;
  for (Slice& piece : segment.pieces) to.arrived.push_back(std::move(piece));
  schedule_read(side);
}

void Stream::window_opens(Side from) {
  if (is_stopped(other(from))) {
    world().after(retry_first, [self = shared_from_this(), from] { self->window_opens(from); });
    return;
  }
  const State state = at(from).state;
  if (state == State::open || state == State::draining) fill_segments(from);
}

void Stream::report_drained(Side side) {
  End& end = at(side);
  if (!end.reported_full || end.queued_bytes > end.limits.max_write_queue_bytes / 2) return;
  end.reported_full = false;
  end.loop->post([self = shared_from_this(), side] {
    End& mine = self->at(side);
    if (mine.state == State::open && !mine.is_released) mine.events->on_drained();
  });
}

// Reading.

void Stream::resume(Side side) {
  End& end = at(side);
  end.is_paused = end.is_held = false;
  schedule_read(side);
}

void Stream::schedule_read(Side side) {
  End& end = at(side);
  if (end.state != State::open || end.is_paused || end.is_held || end.read_is_due) return;
  end.read_is_due = true;
  end.loop->post([self = shared_from_this(), side] { self->read(side); });
}

void Stream::read(Side side) {
  End& end = at(side);
  end.read_is_due = false;
  const auto may_read = [&end] {
    return end.state == State::open && !end.is_released && !end.is_paused && !end.is_held;
  };
  if (!may_read()) return;
  take_arrived(side);
  while (may_read() && read_step(side)) {
  }
  if (!may_read()) return;
  if (end.other_ended) {
    lost(side, Errc::connection_lost, "closed by the other side");
  } else if (end.was_reset) {
    lost(side, Errc::connection_lost, other_reset);
  }
}

void Stream::take_arrived(Side side) {
  End& end = at(side);
  if (end.arrived.empty()) return;
  end.last_byte = world().now();
  for (Slice& piece : end.arrived) end.reader.add(std::move(piece));
  End& sender = at(other(side));
  sender.outstanding_bytes -= std::min(sender.outstanding_bytes, end.arrived_bytes);
  end.arrived.clear();
  end.arrived_bytes = 0;
  if (sender.queue.empty()) return;
  world().after(travel_time(side, packet_bytes),
                [self = shared_from_this(), side] { self->window_opens(other(side)); });
}

bool Stream::read_step(Side side) {
  End& end = at(side);
  if (!end.body_bytes) {
    const auto length = end.reader.peek_length();
    if (!length || !ask_admission(side, *length)) return false;
    end.reader.drop_length();
    end.body_bytes = static_cast<std::size_t>(*length);
  }
  if (end.is_paused || end.reader.size() < *end.body_bytes) return false;
  const std::size_t size = *std::exchange(end.body_bytes, std::nullopt);
  Slice frame = end.reader.take(size);
  world().frame_read({id_, dialer_, at(Side::dialer).peer, side == Side::dialer, frame});
  end.events->on_frame(std::move(frame));
  return true;
}

bool Stream::ask_admission(Side side, std::int32_t length) {
  End& end = at(side);
  const std::string text = "a frame of " + std::to_string(length) + " bytes";
  const auto refuse = [&](Errc code, const std::string& why) {
    send_reset(side);
    lost(side, code, why);
    return false;
  };
  if (length < 0) return refuse(Errc::malformed, "a frame with a negative length");
  const auto bytes = static_cast<std::size_t>(length);
  if (bytes > end.limits.max_frame_bytes) {
    return refuse(Errc::too_large,
                  text + ", the limit is " + std::to_string(end.limits.max_frame_bytes));
  }
  Admission verdict = end.events->on_frame_length(bytes);
  if (verdict == Admission::accept) verdict = end.events->on_frame_room(bytes);
  if (end.state != State::open || end.is_released) return false;
  if (verdict == Admission::refuse) return refuse(Errc::too_large, text + " was refused");
  end.is_held = verdict == Admission::hold;
  return !end.is_held;
}

// Ending.

void Stream::release(Side side, bool after_writes) {
  End& end = at(side);
  end.is_released = true;
  if (!is_live(end)) return;
  if (after_writes && end.state == State::open && !end.was_reset) {
    // What the window takes is the kernel's from here on; the rest goes while the Connection lives.
    end.state = State::draining;
    return fill_segments(side);
  }
  if (after_writes && end.state == State::draining) return;
  note("closed by " + end.loop->name());
  if (end.arrived_bytes > 0) {
    send_reset(side);
  } else if (end.state != State::connecting) {
    send_end(side);
  }
  close_end(side);
}

void Stream::send_end(Side side) {
  Segment end;
  end.is_end = true;
  put_on_way(side, std::move(end));
}

void Stream::send_reset(Side side) {
  End& end = at(side);
  end.last_arrival = std::max(end.last_arrival, world().now() + travel_time(side, packet_bytes));
  world().schedule(end.last_arrival, [self = shared_from_this(), side] {
    if (!self->is_stopped(side)) self->reset_arrives(other(side));
  });
}

void Stream::reset_arrives(Side side) {
  End& end = at(side);
  if (end.state == State::backlog || end.state == State::draining) return close_end(side);
  if (end.state == State::connecting) return lost(side, Errc::connection_failed, "reset");
  if (end.state != State::open) return;
  end.was_reset = true;
  if (end.is_paused || end.is_held) return lost(side, Errc::connection_lost, other_reset);
  schedule_read(side);
}

void Stream::close_end(Side side) {
  End& end = at(side);
  end.state = State::closed;
  end.queue.clear();
  end.queued_bytes = end.unflushed_bytes = 0;
  end.arrived.clear();
  end.arrived_bytes = 0;
  end.reader.clear();
}

void Stream::lost(Side side, Errc code, std::string why) {
  End& end = at(side);
  if (!is_live(end)) return;
  note("lost by " + end.loop->name() + ": " + why);
  const bool is_told = !end.is_released && end.events != nullptr;
  close_end(side);
  if (!is_told) return;
  const bool was_dialing = code == Errc::connection_failed || code == Errc::name_not_resolved;
  const char* const what = was_dialing ? "connecting to " : "connection to ";
  Error error = Error::client(code, what + end.peer + ": " + why)
                    .with_retriable(code != Errc::name_not_resolved);
  end.loop->post([self = shared_from_this(), side, error = std::move(error)] {
    End& mine = self->at(side);
    if (!std::exchange(mine.is_released, true)) mine.events->on_closed(error);
  });
}

void Stream::reset() {
  for (const Side from : {Side::dialer, Side::acceptor}) {
    End& end = at(from);
    std::size_t bytes = 0;
    for (const Segment& segment : end.on_way) bytes += segment.bytes;
    std::size_t kept = network_.random_.below(bytes + 1);
    for (Segment& segment : std::exchange(end.on_way, {})) {
      for (const Slice& piece : segment.pieces) {
        const std::size_t part = std::min(kept, piece.size());
        kept -= part;
        if (part > 0) at(other(from)).arrived.push_back(piece.sub(0, part));
        at(other(from)).arrived_bytes += part;
      }
    }
  }
  note("reset on its way");
  reset_arrives(Side::dialer);
  reset_arrives(Side::acceptor);
}

void Stream::process_ended(Side side, bool is_told) {
  End& end = at(side);
  if (!is_live(end)) return;
  end.is_released = true;
  const State was = end.state;
  const bool has_unread = end.arrived_bytes > 0;
  close_end(side);
  if (!is_told) {
    end.state = State::vanished;
  } else if (was == State::backlog || has_unread) {
    send_reset(side);
  } else if (was != State::connecting) {
    send_end(side);
  }
}

// Listening.

bool ListenerPort::has_room() const {
  return waiting_.size() < network_.options_.backlog;
}

void ListenerPort::offer(std::shared_ptr<Stream> stream) {
  waiting_.push_back(std::move(stream));
  schedule();
}

void ListenerPort::resume() {
  is_paused_ = false;
  schedule();
}

void ListenerPort::schedule() {
  if (is_due_ || is_paused_ || waiting_.empty()) return;
  is_due_ = true;
  loop_.post([self = shared_from_this()] { self->accept_waiting(); });
}

void ListenerPort::accept_waiting() {
  is_due_ = false;
  while (is_open_ && !is_paused_ && !waiting_.empty()) {
    const std::shared_ptr<Stream> stream = std::move(waiting_.front());
    waiting_.pop_front();
    stream->accept(acceptor_);
  }
}

void ListenerPort::close() {
  is_open_ = false;
  for (const auto& stream : std::exchange(waiting_, {})) {
    stream->process_ended(Side::acceptor, true);
  }
}

}  // namespace dohle::sim
