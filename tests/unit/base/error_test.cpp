#include "dohle/error.hpp"

#include <gtest/gtest.h>

#include <array>

namespace dohle {
namespace {

TEST(Error, of_a_broker_keeps_its_wire_number_and_the_servers_message) {
  const Error error = Error::broker(6, "produce to orders-3", "go elsewhere");
  EXPECT_EQ(error.category(), ErrorCategory::broker);
  EXPECT_EQ(error.code(), 6);
  EXPECT_TRUE(error.is_broker(6));
  EXPECT_EQ(error.server_message(), "go elsewhere");
  EXPECT_TRUE(error.message().starts_with("produce to orders-3: "));
}

TEST(Error, of_a_broker_does_not_repeat_a_message_that_equals_its_own) {
  const std::string plain(Error::broker(36, "create topic a").message());
  EXPECT_EQ(plain, "create topic a: a topic of that name exists");
  EXPECT_EQ(Error::broker(36, "create topic a", "topic a: a topic of that name exists").message(),
            plain);
  EXPECT_EQ(Error::broker(36, "create topic a", "since Monday").message(),
            plain + " (the server said: since Monday)");
}

TEST(Error, a_brokers_code_is_never_an_errc_of_the_same_number) {
  EXPECT_FALSE(Error::broker(1).is(Errc::timed_out));
  EXPECT_TRUE(Error::client(Errc::timed_out, "x").is(Errc::timed_out));
  EXPECT_FALSE(Error::client(Errc::timed_out, "x").is_broker(1));
}

TEST(Error, within_puts_the_place_first_and_keeps_the_rest) {
  const Error inner = Error::storage(Errc::disk_full, "no space").with_stored(Stored::possibly);
  const Error outer = inner.within("orders-3");
  EXPECT_EQ(outer.message(), "orders-3: no space");
  EXPECT_TRUE(outer.is(Errc::disk_full));
  EXPECT_TRUE(outer.is_retriable());
  EXPECT_EQ(outer.stored(), Stored::possibly);
  EXPECT_EQ(inner.message(), "no space");
}

TEST(Error, properties_are_set_on_a_copy) {
  const Error error = Error::client(Errc::closed, "closed");
  EXPECT_FALSE(error.is_retriable());
  EXPECT_TRUE(error.with_retriable(true).is_retriable());
  EXPECT_TRUE(error.with_fatal().is_fatal());
  EXPECT_FALSE(error.is_fatal());
}

TEST(Error, assignment_and_moves_keep_the_message) {
  Error a = Error::client(Errc::closed, "a");
  Error b = Error::client(Errc::closed, "b");
  b = a;
  EXPECT_EQ(b.message(), "a");
  const Error c = std::move(a);
  EXPECT_EQ(c.message(), "a");
  EXPECT_EQ(b.message(), "a");
}

TEST(Error, is_about_authentication_whichever_side_refused) {
  const Error own = Error::auth(Errc::handshake_failed, "h:9093: the certificate has expired");
  EXPECT_EQ(own.category(), ErrorCategory::auth);
  EXPECT_EQ(own.name(), "handshake_failed");
  EXPECT_FALSE(own.is_retriable());
  EXPECT_TRUE(own.is_auth());
  constexpr std::array<std::int16_t, 3> codes = {33, 34, 58};
  for (const std::int16_t code : codes) EXPECT_TRUE(Error::broker(code).is_auth()) << code;
  EXPECT_FALSE(Error::broker(29).is_auth()) << "an authorization is none";
  EXPECT_FALSE(Error::client(Errc::timed_out, "late").is_auth());
}

}  // namespace
}  // namespace dohle
