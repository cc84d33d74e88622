#pragma once

#include <gtest/gtest.h>

#include <cstdio>
#include <optional>
#include <string>
#include <vector>

#include "simulation/complaints.hpp"

namespace dohle::simulation {

/// The main of a simulation that plays cases one after the other, until one complains. With
/// `--must-find WORDS` as arguments it succeeds as soon as a case complains in these words.
template <class Case, class Play>
[[nodiscard]] int play_cases(int argc, char** argv, const std::vector<Case>& cases, Play play) {
  std::optional<std::string> must_find;
  if (argc == 3 && std::string(argv[1]) == "--must-find") must_find = argv[2];
  for (const Case& each : cases) {
    const Complaints found = play(each);
    if (found.count() == 0) continue;
    std::printf("%s", found.text().c_str());
    if (!must_find) return 1;
    if (found.name(*must_find)) return 0;
  }
  if (must_find) {
    std::printf("one case had to complain: %s\n", must_find->c_str());
    return 1;
  }
  std::printf("%zu cases pass\n", cases.size());
  return testing::UnitTest::GetInstance()->Failed() ? 1 : 0;
}

}  // namespace dohle::simulation
