#pragma once

#include <string>

namespace dohle {

/// The identity that sends a request. Every handler of the node receives one; without
/// authentication it is `anonymous()`.
struct Principal {
  std::string type = "User";
  std::string name;

  static Principal anonymous() { return {"User", "ANONYMOUS"}; }
  [[nodiscard]] std::string to_string() const { return type + ":" + name; }
  friend bool operator==(const Principal&, const Principal&) = default;
};

}  // namespace dohle
