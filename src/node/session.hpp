#pragma once

#include <deque>
#include <memory>
#include <optional>
#include <string>

#include "base/connection.hpp"
#include "base/principal.hpp"

namespace dohle::node {

class Engine;

/// One client's connection: whole frames go to the engine, answers leave in the order of requests.
class Session final : public ConnectionEvents {
 public:
  enum class State : std::uint8_t {
    authenticating,  ///< passed at once while there is no authentication
    serving,
    closing,
  };

  Session(Engine& engine, std::uint64_t id, std::unique_ptr<Connection> connection);

  void on_open() override;
  Admission on_frame_length(std::size_t bytes) override;
  void on_frame(Slice frame) override;
  void on_drained() override;
  void on_closed(Error why) override;

  [[nodiscard]] std::uint64_t id() const { return id_; }
  [[nodiscard]] const std::string& peer() const { return connection_->peer(); }
  [[nodiscard]] const Principal& principal() const { return principal_; }

  /// A place in the order of answers. Returns its number.
  std::uint64_t reserve_answer();
  /// Fills it; what is complete at the front is sent. An empty chain stands for "no answer".
  void answer(std::uint64_t number, Chain bytes);
  /// Closes for a fault of the client's, after the answers before it.
  void close();
  /// Reads on after a held frame.
  void resume() { connection_->resume_reading(); }

 private:
  Engine& engine_;
  std::uint64_t id_;
  std::unique_ptr<Connection> connection_;
  Principal principal_ = Principal::anonymous();
  State state_ = State::authenticating;
  std::deque<std::optional<Chain>> answers_;
  std::uint64_t first_answer_ = 0;
  std::size_t reserved_bytes_ = 0;
};

}  // namespace dohle::node
