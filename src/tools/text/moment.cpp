#include "tools/text/moment.hpp"

#include <charconv>
#include <chrono>
#include <optional>

#include <fmt/format.h>

#include "tools/text/values.hpp"

namespace dohle::tools {

namespace {

using std::chrono::milliseconds;

/// Takes fixed pieces from the front of a text. After a missing piece it stays failed.
class Pieces {
 public:
  explicit Pieces(std::string_view text) : left_(text) {}

  [[nodiscard]] bool is_good() const { return is_good_; }
  [[nodiscard]] bool at_end() const { return left_.empty(); }
  [[nodiscard]] bool next_is(char c) const { return left_.starts_with(c); }

  bool take(char c) {
    if (!next_is(c)) return false;
    left_.remove_prefix(1);
    return true;
  }
  void expect(char c) {
    if (!take(c)) is_good_ = false;
  }
  /// Exactly `digits` digits.
  int number(std::size_t digits) {
    int value = 0;
    const char* const end = left_.data() + digits;
    if (left_.size() < digits || left_.starts_with('-') ||
        std::from_chars(left_.data(), end, value).ptr != end) {
      is_good_ = false;
      return 0;
    }
    left_.remove_prefix(digits);
    return value;
  }
  /// Up to nine digits after a point, as milliseconds, rounded down.
  int fraction_ms() {
    int value = 0;
    std::size_t digits = 0;
    for (; digits < left_.size() && left_[digits] >= '0' && left_[digits] <= '9'; ++digits) {
      if (digits < 3) value = value * 10 + (left_[digits] - '0');
    }
    if (digits == 0 || digits > 9) is_good_ = false;
    for (std::size_t i = digits; i < 3; ++i) value *= 10;
    left_.remove_prefix(digits);
    return value;
  }

 private:
  std::string_view left_;
  bool is_good_ = true;
};

std::optional<milliseconds> take_date(Pieces& pieces) {
  const int year = pieces.number(4);
  pieces.expect('-');
  const int month = pieces.number(2);
  pieces.expect('-');
  const int day = pieces.number(2);
  const std::chrono::year_month_day date{std::chrono::year{year},
                                         std::chrono::month{static_cast<unsigned>(month)},
                                         std::chrono::day{static_cast<unsigned>(day)}};
  if (!pieces.is_good() || !date.ok()) return std::nullopt;
  return std::chrono::sys_days(date).time_since_epoch();
}

std::optional<milliseconds> take_time_of_day(Pieces& pieces) {
  const int hour = pieces.number(2);
  pieces.expect(':');
  const int minute = pieces.number(2);
  const int second = pieces.take(':') ? pieces.number(2) : 0;
  const int ms = pieces.take('.') ? pieces.fraction_ms() : 0;
  if (!pieces.is_good() || hour > 23 || minute > 59 || second > 59) return std::nullopt;
  return std::chrono::hours(hour) + std::chrono::minutes(minute) + std::chrono::seconds(second) +
         milliseconds(ms);
}

/// The offset from UTC, positive to the east.
std::optional<milliseconds> take_zone(Pieces& pieces) {
  if (pieces.at_end() || pieces.take('Z')) return milliseconds(0);
  const bool is_west = pieces.next_is('-');
  if (!is_west && !pieces.next_is('+')) return std::nullopt;
  pieces.take(is_west ? '-' : '+');
  const int hours = pieces.number(2);
  pieces.expect(':');
  const int minutes = pieces.number(2);
  if (!pieces.is_good() || hours > 18 || minutes > 59) return std::nullopt;
  const milliseconds east = std::chrono::hours(hours) + std::chrono::minutes(minutes);
  return is_west ? -east : east;
}

std::optional<Timestamp> parse_iso(std::string_view text) {
  Pieces pieces(text);
  const auto date = take_date(pieces);
  if (!date) return std::nullopt;
  if (pieces.at_end()) return Timestamp{date->count()};
  pieces.expect('T');
  const auto time = take_time_of_day(pieces);
  if (!time) return std::nullopt;
  const auto zone = take_zone(pieces);
  if (!zone || !pieces.at_end()) return std::nullopt;
  return Timestamp{(*date + *time - *zone).count()};
}

std::optional<Timestamp> parse_epoch(std::string_view text) {
  std::int64_t number = 0;
  const char* const end = text.data() + text.size();
  const auto [rest, code] = std::from_chars(text.data(), end, number);
  if (text.empty() || text.starts_with('-') || code != std::errc{} || rest != end) {
    return std::nullopt;
  }
  // 11 digits of seconds reach to the year 5138; 12 of milliseconds begin in 1973.
  constexpr std::size_t max_digits_of_seconds = 11;
  return Timestamp{text.size() <= max_digits_of_seconds ? number * 1000 : number};
}

}  // namespace

Result<Timestamp> parse_moment(std::string_view text, Timestamp now) {
  if (text.starts_with('-')) {
    if (const auto ago = parse_duration(text.substr(1))) {
      return Timestamp{now.value - std::chrono::duration_cast<milliseconds>(*ago).count()};
    }
  }
  if (const auto epoch = parse_epoch(text)) return *epoch;
  if (const auto iso = parse_iso(text)) return *iso;
  return fail(Error::configuration(
      fmt::format("\"{}\" is not a time: -1h, 2026-11-24, 2026-11-24T10:30:05Z, or digits (up to "
                  "11 are seconds since 1970, more are milliseconds)",
                  text)));
}

std::string to_iso(Timestamp time) {
  if (time.is_none()) return "-";
  const auto point = to_time_point(time);
  const auto day = std::chrono::floor<std::chrono::days>(point);
  const std::chrono::year_month_day date(day);
  const auto ms = std::chrono::duration_cast<milliseconds>(point - day).count();
  return fmt::format("{:04}-{:02}-{:02}T{:02}:{:02}:{:02}.{:03}Z", static_cast<int>(date.year()),
                     static_cast<unsigned>(date.month()), static_cast<unsigned>(date.day()),
                     ms / 3'600'000, ms / 60'000 % 60, ms / 1000 % 60, ms % 1000);
}

}  // namespace dohle::tools
