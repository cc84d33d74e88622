#pragma once

#include <cstddef>
#include <map>
#include <string>

#include "proof.hpp"
#include "summary.hpp"

namespace birdstrikes {

/// The results of the demo.
struct Findings {
  std::map<std::string, AirportFigures> airports;
  Summary::Totals summary;
  std::size_t redelivered_to_forwarder = 0;
  Verdict strikes, noteworthy;

  [[nodiscard]] bool holds() const;
};

/// The table of airports and the proof, for a terminal of `width` characters, at least 40. Narrow
/// terminals get fewer columns.
[[nodiscard]] std::string report(const Findings& findings, std::size_t width);

}  // namespace birdstrikes
