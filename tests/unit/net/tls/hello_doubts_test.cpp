#include "net/tls/hello_doubts.hpp"

#include <gmock/gmock.h>

#include <string>

#include "tls_pair.hpp"

namespace dohle::net {
namespace {

using namespace std::chrono_literals;
using testing::HasSubstr;

constexpr TimePoint start{1h};

class HelloDoubtsTest : public testing::Test {
 protected:
  Error end(HelloDoubts::Hello hello, TimePoint now = start) {
    return doubts.on_unanswered("one:1", Error::client(Errc::connection_failed, "closed"), hello,
                                now);
  }
  HelloDoubts doubts;
};

TEST_F(HelloDoubtsTest, an_unanswered_connection_makes_the_next_one_to_its_address_wait) {
  EXPECT_EQ(doubts.pause_of("one:1"), Duration::zero());
  const Error why = end({.was_held = false, .sent_at = start});
  EXPECT_TRUE(why.is(Errc::connection_failed)) << "the first one may have other reasons";
  EXPECT_EQ(doubts.pause_of("one:1"), HelloDoubts::pause);
  EXPECT_EQ(doubts.pause_of("one:2"), Duration::zero());
  doubts.on_answered("one:1");
  EXPECT_EQ(doubts.pause_of("one:1"), Duration::zero());
}

TEST_F(HelloDoubtsTest, an_end_at_the_held_bytes_is_reported_as_a_plain_listener) {
  const Error why = end({.was_held = true, .sent_at = start}, start + 100ms);
  EXPECT_TRUE(why.is(Errc::handshake_failed));
  EXPECT_FALSE(why.is_retriable());
  EXPECT_THAT(std::string(why.message()), HasSubstr("the server speaks no TLS"));
  EXPECT_EQ(doubts.pause_of("one:1"), Duration::zero());
}

TEST_F(HelloDoubtsTest, an_end_before_the_held_bytes_or_long_after_them_is_not_reported_as_one) {
  EXPECT_TRUE(end({.was_held = true}).is(Errc::connection_failed));
  EXPECT_TRUE(end({.was_held = true, .sent_at = start}, start + 3s).is(Errc::connection_failed));
}

TEST_F(HelloDoubtsTest, addresses_are_bounded) {
  const Error why = Error::client(Errc::connection_failed, "closed");
  for (std::size_t i = 0; i <= HelloDoubts::max_addresses; ++i) {
    (void)doubts.on_unanswered(std::to_string(i), why, {}, start);
  }
  EXPECT_EQ(doubts.pause_of("0"), Duration::zero());
  EXPECT_EQ(doubts.pause_of(std::to_string(HelloDoubts::max_addresses)), HelloDoubts::pause);
}

/// Connections of one client to a server that closes each of them.
class HeldHello : public testing::Test {
 protected:
  struct Attempt {
    Way in, out;
    TlsSide side;
  };
  std::unique_ptr<Attempt> connect() {
    auto made = std::make_unique<Attempt>();
    made->side.begin({.loop = loop}, TlsSession::client(context, "localhost"), made->in, made->out);
    made->side.tls->set_doubts(doubts, "localhost:1");
    made->side.tls->on_open(false);
    turn();
    return made;
  }
  void close(Attempt& attempt) {
    attempt.in.has_ended = true;
    attempt.side.tls->on_news({.may_read = true});
    turn();
  }
  void pass(Duration time) {
    loop.pass(time);
    turn();
  }
  void turn() {
    while (loop.turn()) {
    }
  }

  frames::HandLoop loop;
  TlsContext context = *TlsContext::client({});
  std::shared_ptr<HelloDoubts> doubts = std::make_shared<HelloDoubts>();
};

TEST_F(HeldHello, is_not_held_at_first) {
  const auto first = connect();
  EXPECT_FALSE(first->out.bytes.empty());
  close(*first);
  EXPECT_TRUE(first->side.lost->is(Errc::connection_failed)) << first->side.why();
}

TEST_F(HeldHello, finds_a_listener_that_waits_for_bytes_and_closes_at_them) {
  close(*connect());
  const auto second = connect();
  EXPECT_TRUE(second->out.bytes.empty());
  pass(HelloDoubts::pause + 1ms);
  EXPECT_FALSE(second->out.bytes.empty());
  close(*second);
  EXPECT_TRUE(second->side.lost->is(Errc::handshake_failed)) << second->side.why();
}

TEST_F(HeldHello, blames_no_tls_for_a_server_that_closes_without_bytes) {
  for (int i = 0; i < 5; ++i) {
    const auto attempt = connect();
    close(*attempt);
    EXPECT_TRUE(attempt->side.lost->is(Errc::connection_failed)) << attempt->side.why();
  }
}

TEST_F(HeldHello, is_sent_at_once_again_after_an_answer) {
  close(*connect());
  const auto second = connect();
  pass(HelloDoubts::pause + 1ms);
  second->in.bytes = std::string("\x15\x03\x01\0\x02\x02\x46", 7);
  close(*second);
  EXPECT_THAT(second->side.why(), HasSubstr("no common TLS version"));
  EXPECT_FALSE(connect()->out.bytes.empty());
}

TEST_F(HeldHello, may_be_destroyed_while_it_is_held) {
  close(*connect());
  connect().reset();
  pass(HelloDoubts::pause + 1ms);
}

}  // namespace
}  // namespace dohle::net
