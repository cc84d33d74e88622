#include "log/recovery_plan.hpp"

#include <algorithm>
#include <array>
#include <cstdio>
#include <sstream>

#include "wire/crc32c.hpp"

namespace dohle::log {

namespace {

constexpr std::size_t sector_bytes = 512;
constexpr std::size_t min_zeros = 8;

std::string number(Offset offset) {
  return std::to_string(offset.value);
}

Decision refuse(const LogFault& fault, std::string why) {
  return {Decision::Kind::refuse, fault.what + "; " + std::move(why), fault.offset};
}

Decision refuse_below(const LogFault& fault, Offset recovery_point) {
  return refuse(fault, "it lies below the recovery point " + number(recovery_point) +
                           ", so acknowledged records are affected");
}

bool may_be_a_lost_write(LogFault::Kind kind) {
  return kind == LogFault::Kind::short_file || kind == LogFault::Kind::zeros ||
         kind == LogFault::Kind::gap;
}

bool is_zero(std::byte byte) {
  return byte == std::byte{0};
}

std::string sealed(std::string line) {
  std::array<char, 16> crc;
  std::snprintf(crc.data(), crc.size(), " %08x\n", wire::crc32c(0, as_bytes(line)));
  return line + crc.data();
}

}  // namespace

Offset acknowledged_end(const LastLife& life, Offset recovery_point) {
  Offset end = recovery_point;
  if (life.noted_end) end = std::max(end, *life.noted_end);
  if (life.marked) end = std::max(end, life.marked->end);
  return end;
}

Decision decide(const std::optional<LogFault>& fault, Offset end, Offset recovery_point,
                const LastLife& life) {
  const Offset acknowledged = acknowledged_end(life, recovery_point);
  if (!fault) {
    if (end >= acknowledged) return {};
    LogFault ended;
    ended.offset = end;
    ended.what = "the log ends at offset " + number(end);
    if (end < recovery_point) return refuse_below(ended, recovery_point);
    return refuse(ended, "records up to offset " + number(acknowledged) + " were acknowledged");
  }
  if (fault->kind == LogFault::Kind::missing_start) {
    return refuse(*fault, "its first segment is missing");
  }
  if (fault->offset < recovery_point || fault->is_below_point) {
    return refuse_below(*fault, recovery_point);
  }
  if (life.marked) return refuse(*fault, "the last stop was clean and left it otherwise");
  if (fault->offset < acknowledged) {
    return refuse(*fault, "records up to offset " + number(acknowledged) + " were acknowledged");
  }
  if (life.end == LastLife::End::killed) return {Decision::Kind::cut, {}, {}};
  if (may_be_a_lost_write(fault->kind)) return {Decision::Kind::cut, life.may_be_missing, {}};
  return refuse(*fault,
                "neither the end of a process nor a power failure leaves such bytes, so that "
                "acknowledged records may be affected");
}

std::optional<std::size_t> first_difference(const std::vector<FoundSegment>& found,
                                            const MarkedLog& marked) {
  const std::size_t both = std::min(found.size(), marked.segments.size());
  for (std::size_t i = 0; i < both; ++i) {
    const MarkedSegment& segment = marked.segments[i];
    if (found[i] != FoundSegment(segment.base, segment.bytes)) return i;
  }
  return found.size() == marked.segments.size() ? std::nullopt : std::optional(both);
}

// The first bytes of every batch are zeros, those of its base offset. A sector that holds only them
// proves nothing.
bool looks_unwritten(Bytes bytes, std::uint64_t position) {
  const std::size_t in_first = sector_bytes - position % sector_bytes;
  if (in_first < min_zeros) {
    bytes = bytes.subspan(std::min(bytes.size(), in_first));
    position += in_first;
  }
  while (!bytes.empty()) {
    const auto in_sector =
        bytes.first(std::min<std::size_t>(bytes.size(), sector_bytes - position % sector_bytes));
    const auto zeros = static_cast<std::size_t>(
        std::ranges::find_if_not(in_sector.rbegin(), in_sector.rend(), is_zero) -
        in_sector.rbegin());
    if (zeros >= std::min(min_zeros, in_sector.size())) return true;
    bytes = bytes.subspan(in_sector.size());
    position += in_sector.size();
  }
  return false;
}

bool looks_unwritten(Offset found, Offset due, std::uint64_t position) {
  const std::size_t in_first = sector_bytes - position % sector_bytes;
  if (in_first > sizeof(due.value)) return false;
  const bool is_all_in_first = in_first == sizeof(due.value);
  const std::uint64_t in_second = is_all_in_first ? 0 : ~std::uint64_t{0} >> (8 * in_first);
  return static_cast<std::uint64_t>(found.value) ==
         (static_cast<std::uint64_t>(due.value) & in_second);
}

Offset AcceptedGaps::behind(Offset end) const {
  const auto found = std::ranges::find_if(gaps_, [&](const auto& gap) { return gap.first == end; });
  return found == gaps_.end() ? end : found->second;
}

std::string AcceptedGaps::text() const {
  std::string text;
  for (const auto& [from, to] : gaps_) text += sealed("gap " + number(from) + " " + number(to));
  return text;
}

std::optional<AcceptedGaps> AcceptedGaps::parse(std::string_view text) {
  AcceptedGaps gaps;
  std::istringstream lines{std::string(text)};
  for (std::string line; std::getline(lines, line);) {
    std::istringstream words(line);
    std::string kind;
    Offset from, to;
    words >> kind >> from.value >> to.value;
    if (line + "\n" != sealed("gap " + number(from) + " " + number(to))) return std::nullopt;
    gaps.add(from, to);
  }
  return gaps;
}

}  // namespace dohle::log
