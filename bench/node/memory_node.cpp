// Measures the time until an in-memory node inside a program accepts connections.
//   memory_node [STARTS]
#include <algorithm>
#include <chrono>
#include <cstdlib>
#include <vector>

#include <fmt/format.h>

#include "dohle/node.hpp"

int main(int argc, char** argv) {
  const std::size_t starts = argc > 1 ? std::strtoull(argv[1], nullptr, 10) : 200;
  std::vector<double> milliseconds;
  for (std::size_t i = 0; i < starts; ++i) {
    const auto began = std::chrono::steady_clock::now();
    auto node =
        dohle::Node::start({.data_dir = ":memory:", .listeners = {{.address = "127.0.0.1:0"}}});
    if (!node) {
      fmt::print(stderr, "{}\n", node.error().to_string());
      return 1;
    }
    const std::chrono::duration<double, std::milli> took = std::chrono::steady_clock::now() - began;
    milliseconds.push_back(took.count());
  }
  if (milliseconds.empty()) return 2;
  std::ranges::sort(milliseconds);
  fmt::print("{{\"starts\":{},\"p50\":{:.4f},\"p99\":{:.4f}}}\n", starts, milliseconds[starts / 2],
             milliseconds[starts * 99 / 100]);
}
