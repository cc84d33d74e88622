#include "log/state_file.hpp"

#include <algorithm>
#include <array>
#include <cstdio>
#include <span>
#include <sstream>

#include "wire/crc32c.hpp"

namespace dohle::log {

namespace {

constexpr std::uint64_t place_bytes = 4096;
constexpr std::size_t max_line_bytes = 256;

struct Line {
  std::uint64_t number = 0;
  LogState state;
  std::optional<LogIdentity> identity;
};

// Version 1 is used by 0.1.0, and for logs without an identity.
std::string body_of(const Line& line) {
  const LogState& s = line.state;
  std::string text = line.identity ? "dohle-log 2 " : "dohle-log 1 ";
  text += std::to_string(line.number);
  for (const std::int64_t value :
       {s.log_start.value, s.recovery_point.value, s.point_base.value,
        static_cast<std::int64_t>(s.point_position), s.active_base.value, s.active_since.value}) {
    text += " " + std::to_string(value);
  }
  if (line.identity) {
    text += " " + line.identity->topic.to_string() + " " +
            std::to_string(line.identity->partition.value);
  }
  return text;
}

std::string sealed(const Line& line) {
  const std::string body = body_of(line);
  std::array<char, 16> crc;
  std::snprintf(crc.data(), crc.size(), " %08x\n", wire::crc32c(0, as_bytes(body)));
  return body + crc.data();
}

std::optional<Line> parse(std::string_view text) {
  const auto newline = text.find('\n');
  if (newline == std::string_view::npos) return std::nullopt;
  std::istringstream words{std::string(text.substr(0, newline))};
  std::string name, version, topic;
  Line line;
  LogState& s = line.state;
  words >> name >> version >> line.number >> s.log_start.value >> s.recovery_point.value >>
      s.point_base.value >> s.point_position >> s.active_base.value >> s.active_since.value;
  if (version == "2") {
    LogIdentity identity;
    words >> topic >> identity.partition.value;
    const auto id = TopicId::parse(topic);
    if (!id) return std::nullopt;
    identity.topic = *id;
    line.identity = identity;
  }
  // The parsed line must serialize to the same text, including the CRC.
  if (!words || sealed(line) != text.substr(0, newline + 1)) return std::nullopt;
  return line;
}

}  // namespace

Result<std::optional<LogState>> StateFile::load() {
  auto file = file_.get();
  if (!file) {
    if (file.error().is(Errc::not_found)) return std::nullopt;
    return fail(file.error());
  }
  // One read, since a start makes it for every partition.
  std::string text(std::min<std::uint64_t>((*file)->size(), place_bytes + max_line_bytes), '\0');
  auto got = (*file)->read(0, std::as_writable_bytes(std::span(text)));
  if (!got) return fail(got.error());
  text.resize(*got);
  std::optional<Line> newest;
  for (unsigned place = 0; place < 2; ++place) {
    const std::size_t begin = std::min<std::size_t>(place * place_bytes, text.size());
    const auto line = parse(std::string_view(text).substr(begin, max_line_bytes));
    if (!line || (newest && newest->number > line->number)) continue;
    newest = line;
    place_ = 1 - place;
  }
  if (!newest) return std::nullopt;
  number_ = newest->number;
  loaded_identity_ = newest->identity;
  return newest->state;
}

Result<void> StateFile::make() {
  auto file = file_.get(OpenMode::create);
  if (!file) return fail(file.error());
  // Reserves space, so that retention can write the state on a full disk.
  return (*file)->reserve(place_bytes + max_line_bytes);
}

Result<std::shared_ptr<File>> StateFile::write(const LogState& state) {
  auto file = file_.get(OpenMode::create);
  if (!file) return file;
  const std::string line = sealed({number_ + 1, state, identity_});
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
