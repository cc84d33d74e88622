#include "log/state_file.hpp"

#include <array>
#include <cstdio>
#include <span>

#include "wire/crc32c.hpp"

namespace dohle::log {

namespace {

constexpr std::uint64_t place_bytes = 4096;
constexpr std::size_t max_line_bytes = 256;

struct Line {
  std::uint64_t number = 0;
  LogState state;
};

std::string body_of(const Line& line) {
  const LogState& s = line.state;
  std::string text = "dohle-log 1 " + std::to_string(line.number);
  for (const std::int64_t value :
       {s.log_start.value, s.recovery_point.value, s.point_base.value,
        static_cast<std::int64_t>(s.point_position), s.active_base.value, s.active_since.value}) {
    text += " " + std::to_string(value);
  }
  return text;
}

std::optional<Line> parse(std::string_view text) {
  text = text.substr(0, text.find('\n'));
  const auto last_space = text.rfind(' ');
  if (last_space == std::string_view::npos) return std::nullopt;
  const std::string copy(text);
  unsigned long long number = 0;
  std::array<long long, 6> values{};
  auto& [log_start, recovery_point, point_base, point_position, active_base, active_since] = values;
  unsigned crc = 0;
  const int got = std::sscanf(copy.c_str(), "dohle-log 1 %llu %lld %lld %lld %lld %lld %lld %8x",
                              &number, &log_start, &recovery_point, &point_base, &point_position,
                              &active_base, &active_since, &crc);
  if (got != 8 || wire::crc32c(0, as_bytes(text.substr(0, last_space))) != crc) return std::nullopt;
  return Line{
      number,
      {Offset{log_start}, Offset{recovery_point}, Offset{point_base},
       static_cast<std::uint64_t>(point_position), Offset{active_base}, Timestamp{active_since}}};
}

}  // namespace

Result<std::optional<LogState>> StateFile::load() {
  auto file = file_.get();
  if (!file) {
    if (file.error().is(Errc::not_found)) return std::nullopt;
    return fail(file.error());
  }
  std::optional<Line> newest;
  for (unsigned place = 0; place < 2; ++place) {
    std::string text(max_line_bytes, '\0');
    auto got = (*file)->read(place * place_bytes, std::as_writable_bytes(std::span(text)));
    if (!got) return fail(got.error());
    const auto line = parse(std::string_view(text).substr(0, *got));
    if (!line || (newest && newest->number > line->number)) continue;
    newest = line;
    place_ = 1 - place;
  }
  if (!newest) return std::nullopt;
  number_ = newest->number;
  return newest->state;
}

Result<void> StateFile::make() {
  auto file = file_.get(OpenMode::create);
  if (!file) return fail(file.error());
  // A full disk must not keep retention from making room.
  return (*file)->reserve(place_bytes + max_line_bytes);
}

Result<std::shared_ptr<File>> StateFile::write(const LogState& state) {
  auto file = file_.get(OpenMode::create);
  if (!file) return file;
  const std::string body = body_of({number_ + 1, state});
  std::array<char, 16> crc;
  std::snprintf(crc.data(), crc.size(), " %08x\n", wire::crc32c(0, as_bytes(body)));
  const std::string line = body + crc.data();
  const Bytes piece = as_bytes(line);
  if (auto wrote = (*file)->write(place_ * place_bytes, {&piece, 1}); !wrote) {
    return fail(wrote.error());
  }
  ++number_;
  return file;
}

void StateFile::settle() {
  place_ = 1 - place_;
}

}  // namespace dohle::log
