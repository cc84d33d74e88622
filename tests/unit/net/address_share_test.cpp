#include "net/address_share.hpp"

#include <gtest/gtest.h>

#include <vector>

namespace dohle::net {
namespace {

using namespace std::chrono_literals;

/// The shares of the addresses of a host, if each is tried until its share is over.
std::vector<Duration> shares(Duration left, std::size_t addresses) {
  std::vector<Duration> all;
  for (; addresses > 0; --addresses) {
    all.push_back(address_share(left, addresses));
    left -= all.back();
  }
  return all;
}

TEST(AddressShare, IsTheWholeTimeOfTheOnlyAddress) {
  EXPECT_EQ(shares(10s, 1), (std::vector<Duration>{10s}));
  EXPECT_EQ(shares(500ms, 1), (std::vector<Duration>{500ms}));
}

TEST(AddressShare, IsEqualForAllAddresses) {
  EXPECT_EQ(shares(12s, 3), (std::vector<Duration>{4s, 4s, 4s}));
  EXPECT_EQ(shares(10s, 4), (std::vector<Duration>{2'500ms, 2'500ms, 2'500ms, 2'500ms}));
}

TEST(AddressShare, IsAtLeastTwoSecondsTakenFromTheLast) {
  EXPECT_EQ(shares(5s, 4), (std::vector<Duration>{2s, 2s, 1s, 0s}));
  EXPECT_EQ(shares(1s, 3), (std::vector<Duration>{1s, 0s, 0s}));
}

TEST(AddressShare, GrowsByTheTimeThatEarlierAddressesLeft) {
  EXPECT_EQ(address_share(9s, 3), 3s);
  EXPECT_EQ(address_share(8'900ms, 2), 4'450ms) << "the first one refused after 100 ms";
}

}  // namespace
}  // namespace dohle::net
