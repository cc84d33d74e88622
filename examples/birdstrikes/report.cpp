#include "report.hpp"

#include <algorithm>
#include <tuple>
#include <vector>

#include <fmt/format.h>

#include "progress.hpp"

namespace birdstrikes {

namespace {

constexpr std::size_t airports_shown = 10;

std::string number(std::size_t value) {
  return grouped(static_cast<std::int64_t>(value));
}

/// The columns that fit, and the width of the first one.
struct Layout {
  explicit Layout(std::size_t width)
      : with_cost(width >= 60), with_aircraft(width >= 78), name(with_aircraft ? 30 : 20) {}
  bool with_cost, with_aircraft;
  std::size_t name;
};

std::string line(const Layout& layout, const std::string& name, const std::string& strikes,
                 const std::string& damaged, const std::string& cost, const std::string& aircraft) {
  std::string text =
      fmt::format("{:<{}} {:>8} {:>8}", name.substr(0, layout.name), layout.name, strikes, damaged);
  if (layout.with_cost) text += fmt::format(" {:>13}", cost);
  if (layout.with_aircraft) text += fmt::format("  {}", aircraft);
  return text + "\n";
}

std::string line(const Layout& layout, const std::string& name, const AirportFigures& figures) {
  return line(layout, name, number(figures.strikes), number(figures.damaged), grouped(figures.cost),
              figures.most_hit());
}

void add(AirportFigures& sum, const AirportFigures& more) {
  sum.strikes += more.strikes;
  sum.damaged += more.damaged;
  sum.cost += more.cost;
  for (const auto& [model, count] : more.aircraft) sum.aircraft[model] += count;
}

std::string airports_table(const Findings& findings, std::size_t width) {
  const Layout layout(width);
  std::vector<std::pair<std::string, AirportFigures>> airports(findings.airports.begin(),
                                                               findings.airports.end());
  std::ranges::sort(airports, [](const auto& one, const auto& two) {
    return std::tie(two.second.strikes, one.first) < std::tie(one.second.strikes, two.first);
  });
  std::string text = line(layout, "airport", "strikes", "damaged", "cost in $", "most often hit");
  AirportFigures others, all;
  for (std::size_t i = 0; i < airports.size(); ++i) {
    if (i < airports_shown) {
      text += line(layout, airports[i].first, airports[i].second);
    } else {
      add(others, airports[i].second);
    }
    add(all, airports[i].second);
  }
  if (airports.size() > airports_shown) {
    text += line(layout, fmt::format("{} others", airports.size() - airports_shown), others);
  }
  return text + line(layout, "all", all);
}

std::string proof_table(const Findings& findings) {
  const Verdict &s = findings.strikes, &n = findings.noteworthy;
  const auto row = [](std::string_view what, std::size_t strikes, std::size_t noteworthy) {
    return fmt::format("{:<22} {:>8} {:>10}\n", what, number(strikes), number(noteworthy));
  };
  return fmt::format("{:<22} {:>8} {:>10}\n", "read back", "strikes", "noteworthy") +
         row("acknowledged", s.published, n.published) + row("stored", s.stored, n.stored) +
         row("lost", s.lost, n.lost) + row("stored twice", s.twice, n.twice) +
         row("out of order", s.out_of_order, n.out_of_order) +
         row("not where acknowledged", s.elsewhere, n.elsewhere) +
         row("altered or unknown", s.altered + s.strangers, n.altered + n.strangers) +
         row("gaps in offsets", s.gaps, n.gaps) +
         fmt::format("{:<22} {:08x} {:>10}\n", "checksum as published", s.published_checksum,
                     fmt::format("{:08x}", n.published_checksum)) +
         fmt::format("{:<22} {:08x} {:>10}\n", "checksum as stored", s.stored_checksum,
                     fmt::format("{:08x}", n.stored_checksum));
}

std::string group_lines(const Findings& findings) {
  std::string shares;
  for (const std::size_t rows : findings.summary.by_subscriber) {
    shares += (shares.empty() ? "" : " + ") + number(rows);
  }
  return fmt::format("two subscribers summed up {} rows\nredelivered, applied once: {} and {}\n",
                     shares, number(findings.summary.redelivered),
                     number(findings.redelivered_to_forwarder));
}

}  // namespace

bool Findings::holds() const {
  return strikes.holds() && noteworthy.holds() && summary.strangers == 0 &&
         summary.rows == strikes.published;
}

std::string report(const Findings& findings, std::size_t width) {
  return airports_table(findings, width) + "\n" + proof_table(findings) + "\n" +
         group_lines(findings) + "\n" +
         (findings.holds() ? "No row was lost, stored twice or out of order.\n"
                           : "THE PROOF FAILED: see the lines that should be 0.\n");
}

}  // namespace birdstrikes
