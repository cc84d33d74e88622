#include "net/signals.hpp"

#include <csignal>

#include "sides.hpp"

namespace dohle::net {
namespace {

TEST(Signals, are_handled_on_the_loop) {
  Loop loop;
  Watched watched;
  std::vector<int> arrived;
  auto watch = on_signal(loop, {SIGUSR1, SIGUSR2}, [&](int number) {
    EXPECT_TRUE(loop.is_loop_thread());
    watched.change([&] { arrived.push_back(number); });
  });
  ASSERT_TRUE(watch.has_value()) << watch.error().to_string();
  loop.start("signals");
  for (const int number : {SIGUSR2, SIGUSR1}) {
    const std::size_t before = arrived.size();
    std::raise(number);
    ASSERT_TRUE(watched.eventually([&] { return arrived.size() == before + 1; }));
    EXPECT_EQ(arrived.back(), number);
  }
  loop.stop();
  loop.join();
}

TEST(Signals, old_dispositions_are_restored) {
  Loop loop;
  const auto before = std::signal(SIGUSR1, SIG_IGN);
  {
    const auto watch = on_signal(loop, {SIGUSR1}, [](int) { FAIL() << "nobody runs the loop"; });
    ASSERT_TRUE(watch.has_value());
    const auto second = on_signal(loop, {SIGUSR1}, [](int) {});
    ASSERT_FALSE(second.has_value());
    EXPECT_TRUE(second.error().is(Errc::already_exists));
  }
  EXPECT_EQ(std::signal(SIGUSR1, before), SIG_IGN);
}

TEST(Signals, a_watch_may_be_destroyed_by_its_handler) {
  Loop loop;
  std::unique_ptr<SignalWatch> watch;
  int calls = 0;
  auto made = on_signal(loop, {SIGUSR1, SIGUSR2}, [&](int) {
    ++calls;
    watch.reset();
    loop.stop();
  });
  ASSERT_TRUE(made.has_value());
  watch = *std::move(made);
  std::raise(SIGUSR1);
  std::raise(SIGUSR2);
  loop.run();
  EXPECT_EQ(calls, 1);
}

TEST(Signals, a_number_that_is_no_signal_is_refused) {
  Loop loop;
  const auto watch = on_signal(loop, {SIGUSR1, 4711}, [](int) {});
  ASSERT_FALSE(watch.has_value());
  EXPECT_TRUE(watch.error().is(Errc::invalid_argument));
  EXPECT_TRUE(on_signal(loop, {SIGUSR1}, [](int) {}).has_value());
}

}  // namespace
}  // namespace dohle::net
