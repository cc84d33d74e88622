#pragma once

#include <gtest/gtest.h>

#include <algorithm>
#include <deque>
#include <memory>
#include <optional>
#include <string>
#include <utility>

#include "base/connection.hpp"
#include "sim/process.hpp"
#include "wire/header.hpp"

namespace dohle::node {

/// An answer; empty until it has arrived.
template <class Request>
using Awaited = std::shared_ptr<std::optional<typename Request::Response>>;

/// A connection to the node on which tests send requests of their own. Requests are sent at once,
/// and answers are taken in the order of the requests.
class WireClient final : public ConnectionEvents {
 public:
  void dial(sim::Process& process, const Endpoint& to) {
    is_closed = false;
    expected_.clear();
    connection_ = process.dialer().dial(to, {}, *this);
  }
  void close() { connection_.reset(); }
  void stop_reading() { connection_->pause_reading(); }
  void go_on_reading() { connection_->resume_reading(); }

  template <class Request>
  Awaited<Request> send(const Request& message, std::int16_t version) {
    const std::int32_t correlation_id = ++last_correlation_id_;
    auto answer = expect<Request>(correlation_id, version);
    auto bytes = wire::encode_request(correlation_id, client_id, message, version);
    EXPECT_TRUE(bytes.has_value()) << bytes.error().to_string();
    connection_->send(*std::move(bytes));
    return answer;
  }
  /// The same with a given body.
  template <class Request>
  Awaited<Request> send_body(std::string_view body, std::int16_t version) {
    const std::int32_t correlation_id = ++last_correlation_id_;
    auto answer = expect<Request>(correlation_id, version);
    const wire::RequestPrefix prefix{Request::api, version, correlation_id, client_id};
    const wire::FramePrefix frame = prefix.frame();
    connection_->send(Chain(Slice::made(frame.size + body.size(), [&](std::span<std::byte> to) {
      frame.write(frame.from, to.data(), body.size());
      std::ranges::copy(as_bytes(body), to.begin() + static_cast<std::ptrdiff_t>(frame.size));
    })));
    return answer;
  }
  /// Sends a frame without a header, which is answered by one.
  std::shared_ptr<std::optional<std::string>> send_token(std::string_view token) {
    auto answer = std::make_shared<std::optional<std::string>>();
    expected_.push_back([=](const Slice& frame) { *answer = std::string(as_text(frame.bytes())); });
    send_frame(token);
    return answer;
  }
  /// Sends a frame that is not answered.
  void send_frame(std::string_view body) {
    connection_->send(Chain(Slice::made(4 + body.size(), [&](std::span<std::byte> to) {
      for (std::size_t i = 0; i < 4; ++i) {
        to[i] = static_cast<std::byte>(body.size() >> (8 * (3 - i)) & 0xff);
      }
      std::ranges::copy(as_bytes(body), to.begin() + 4);
    })));
  }
  /// Sends a request without an answer, or bytes that are no request.
  void send_bytes(Chain bytes) { connection_->send(std::move(bytes)); }
  template <class Request>
  void send_unanswered(const Request& message, std::int16_t version) {
    send_bytes(*wire::encode_request(++last_correlation_id_, client_id, message, version));
  }

  void on_open() override { is_open = true; }
  Admission on_frame_length(std::size_t) override { return Admission::accept; }
  void on_frame(Slice frame) override {
    ASSERT_FALSE(expected_.empty()) << "an answer that nobody asked for";
    auto take = std::move(expected_.front());
    expected_.pop_front();
    take(frame);
  }
  void on_closed(Error) override { is_closed = true; }

  std::string client_id = "tester";
  bool is_open = false;
  bool is_closed = false;

 private:
  template <class Request>
  Awaited<Request> expect(std::int32_t correlation_id, std::int16_t version) {
    auto answer = std::make_shared<std::optional<typename Request::Response>>();
    expected_.push_back([=](const Slice& frame) {
      const auto split = wire::decode_response_header(frame, Request::api, version);
      ASSERT_TRUE(split.has_value());
      EXPECT_EQ(split->correlation_id, correlation_id);
      auto decoded = wire::decode<typename Request::Response>(split->body, version);
      ASSERT_TRUE(decoded.has_value()) << decoded.error().to_string();
      *answer = *std::move(decoded);
    });
    return answer;
  }

  std::unique_ptr<Connection> connection_;
  std::deque<std::move_only_function<void(const Slice&)>> expected_;
  std::int32_t last_correlation_id_ = 0;
};

}  // namespace dohle::node
