#pragma once

#include <gtest/gtest.h>

#include <chrono>
#include <optional>
#include <string>
#include <utility>

#include "dohle/kafka.hpp"

namespace dohle {

/// A broker at `address` that has connected within `most`.
template <class... Given>
std::optional<Broker> connected_within(std::chrono::milliseconds most, const std::string& address,
                                       Given&&... given) {
  auto made = kafka::new_broker(with_address(address), std::forward<Given>(given)...);
  if (!made) {
    ADD_FAILURE() << made.error().to_string();
    return std::nullopt;
  }
  if (auto reached = made->connect(most); !reached) {
    ADD_FAILURE() << reached.error().to_string();
    return std::nullopt;
  }
  return std::move(*made);
}

}  // namespace dohle
