#pragma once

#include <memory>
#include <utility>

#include "base/connection.hpp"

namespace dohle::net {

/// What its owner holds of a stream: passes calls on, and closes the stream when it is destroyed.
/// The stream itself lives on while work of its own is under way.
template <class Stream>
class StreamConnection final : public Connection {
 public:
  explicit StreamConnection(std::shared_ptr<Stream> stream) : stream_(std::move(stream)) {}
  StreamConnection(const StreamConnection&) = delete;
  StreamConnection& operator=(const StreamConnection&) = delete;
  ~StreamConnection() override { stream_->close(); }

  bool send(Chain bytes) override { return stream_->send(std::move(bytes)); }
  std::size_t queued_bytes() const override { return stream_->queued_bytes(); }
  std::size_t queued_memory_bytes() const override { return stream_->queued_memory_bytes(); }
  void flush() override { stream_->flush(); }
  void pause_reading() override { stream_->pause_reading(); }
  void resume_reading() override { stream_->resume_reading(); }
  void close() override { stream_->close(); }
  void close_after_writes() override { stream_->close_after_writes(); }
  const std::string& peer() const override { return stream_->peer(); }

 private:
  std::shared_ptr<Stream> stream_;
};

}  // namespace dohle::net
