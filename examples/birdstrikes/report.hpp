#pragma once

#include <cstddef>
#include <map>
#include <string>

#include "proof.hpp"
#include "summary.hpp"

namespace birdstrikes {

/// What the demo found.
struct Findings {
  std::map<std::string, AirportFigures> airports;
  Summary::Totals summary;
  std::size_t redelivered_to_forwarder = 0;
  Verdict strikes, noteworthy;

  [[nodiscard]] bool holds() const;
};

/// The table of airports and the proof, for a terminal of that many columns (at least 40; less
/// room, fewer columns).
[[nodiscard]] std::string report(const Findings& findings, std::size_t width);

}  // namespace birdstrikes
