#include "net/tls/handshake_turns.hpp"

#include <gtest/gtest.h>

#include <deque>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "framed_play.hpp"
#include "made_certificates.hpp"

namespace dohle::net {
namespace {

/// Workers whose jobs end when the test says so.
class HeldWorkers final : public Workers {
 public:
  void run(Task job, Executor& back, Task done) override {
    jobs_.push_back([job = std::move(job), &back, done = std::move(done)]() mutable {
      job();
      back.post(std::move(done));
    });
  }
  void end_one() {
    auto job = std::move(jobs_.front());
    jobs_.pop_front();
    job();
  }
  [[nodiscard]] std::size_t count() const { return jobs_.size(); }

 private:
  std::deque<Task> jobs_;
};

class HandshakeTurnsTest : public testing::Test {
 protected:
  void step(HandshakeTurns::Place place) {
    turns->step(place, TlsSession::server(context), [this, place](Result<HandshakeState> state) {
      EXPECT_TRUE(state.has_value());
      ended.push_back(place);
    });
  }
  void end_one() {
    workers.end_one();
    while (loop.turn()) {
    }
  }

  const Made made = make({});
  const TlsContext context = [this] {
    TlsServerOptions options;
    options.identity.certificate_pem = made.certificate_pem();
    options.identity.key_pem = Secret(made.key_pem());
    return *TlsContext::server(options);
  }();
  frames::HandLoop loop;
  HeldWorkers workers;
  std::optional<HandshakeTurns> turns{std::in_place, workers, loop, 2};
  std::vector<HandshakeTurns::Place> ended;
};

TEST_F(HandshakeTurnsTest, steps_with_workers_are_bounded) {
  for (int i = 0; i < 5; ++i) step(turns->new_place());
  EXPECT_EQ(workers.count(), 2u);
  EXPECT_EQ(turns->running(), 2u);
  EXPECT_EQ(turns->waiting(), 3u);
  end_one();
  EXPECT_EQ(workers.count(), 2u);
  EXPECT_EQ(turns->waiting(), 2u);
}

TEST_F(HandshakeTurnsTest, the_waiting_step_of_the_oldest_connection_is_next) {
  std::vector<HandshakeTurns::Place> places;
  for (int i = 0; i < 5; ++i) places.push_back(turns->new_place());
  for (const int each : {4, 3, 2, 1, 0}) step(places[static_cast<std::size_t>(each)]);
  while (workers.count() > 0) end_one();
  EXPECT_EQ(ended, (std::vector<HandshakeTurns::Place>{places[4], places[3], places[0], places[1],
                                                       places[2]}));
  EXPECT_EQ(turns->running(), 0u);
}

TEST_F(HandshakeTurnsTest, a_closed_connection_releases_its_place) {
  for (HandshakeTurns::Place place = 1; place <= 4; ++place) step(place);
  turns->forget(3);
  turns->forget(1);  // a worker has it
  while (workers.count() > 0) end_one();
  EXPECT_EQ(ended, (std::vector<HandshakeTurns::Place>{1, 2, 4}));
}

TEST_F(HandshakeTurnsTest, steps_with_workers_may_end_after_the_turns) {
  step(1);
  step(2);
  step(3);
  turns.reset();
  while (workers.count() > 0) end_one();
  EXPECT_TRUE(ended.empty());
}

TEST_F(HandshakeTurnsTest, at_most_64_steps_are_with_workers_by_default) {
  HandshakeTurns wide(workers, loop);
  for (int i = 0; i < 70; ++i) {
    wide.step(wide.new_place(), TlsSession::server(context), [](Result<HandshakeState>) {});
  }
  EXPECT_EQ(workers.count(), 64u);
  EXPECT_EQ(wide.waiting(), 6u);
}

}  // namespace
}  // namespace dohle::net
