#include "strike.hpp"

#include <zlib.h>

#include <array>
#include <charconv>
#include <memory>

namespace birdstrikes {

namespace {

constexpr std::size_t columns = 14;
using Fields = std::array<std::string_view, columns>;

dohle::Error malformed(const std::string& what) {
  return dohle::Error::client(dohle::Errc::malformed, what);
}

std::optional<Fields> split(std::string_view line) {
  Fields fields;
  for (std::size_t column = 0; column < columns; ++column) {
    const auto comma = line.find(',');
    if ((comma == line.npos) != (column + 1 == columns)) return std::nullopt;
    fields[column] = line.substr(0, comma);
    line.remove_prefix(comma == line.npos ? line.size() : comma + 1);
  }
  return fields;
}

template <class Number>
bool parse_number(std::string_view text, Number& into) {
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), into);
  return error == std::errc{} && end == text.data() + text.size();
}

dohle::Result<std::string> unpack(const std::filesystem::path& path) {
  const std::unique_ptr<gzFile_s, int (*)(gzFile)> file(gzopen(path.c_str(), "rb"), &gzclose);
  const auto unreadable = [&](const char* why) {
    return dohle::fail(dohle::Error::storage(dohle::Errc::io_error, path.string() + ": " + why));
  };
  if (!file) return unreadable("cannot be opened");
  std::string text;
  std::array<char, 65'536> piece;
  for (;;) {
    const int got = gzread(file.get(), piece.data(), piece.size());
    if (got < 0) return unreadable("is damaged");
    if (got == 0) return text;
    text.append(piece.data(), static_cast<std::size_t>(got));
  }
}

}  // namespace

void to_json(nlohmann::json& json, const Strike& s) {
  json = {{"airport", s.airport},      {"aircraft", s.aircraft},
          {"damage", s.damage},        {"date", s.date},
          {"airline", s.airline},      {"state", s.state},
          {"phase", s.phase},          {"size", s.size},
          {"species", s.species},      {"timeOfDay", s.time_of_day},
          {"costOther", s.cost_other}, {"costRepair", s.cost_repair},
          {"costTotal", s.cost_total}};
  if (s.speed) json["speed"] = *s.speed;
}

void from_json(const nlohmann::json& json, Strike& s) {
  json.at("airport").get_to(s.airport);
  json.at("aircraft").get_to(s.aircraft);
  json.at("damage").get_to(s.damage);
  json.at("date").get_to(s.date);
  json.at("airline").get_to(s.airline);
  json.at("state").get_to(s.state);
  json.at("phase").get_to(s.phase);
  json.at("size").get_to(s.size);
  json.at("species").get_to(s.species);
  json.at("timeOfDay").get_to(s.time_of_day);
  json.at("costOther").get_to(s.cost_other);
  json.at("costRepair").get_to(s.cost_repair);
  json.at("costTotal").get_to(s.cost_total);
  s.speed.reset();
  if (json.contains("speed")) s.speed = json["speed"].get<int>();
}

bool is_noteworthy(const Strike& strike) {
  return strike.damage != "None";
}

dohle::Result<Strike> parse_strike(std::string_view line) {
  if (line.ends_with('\r')) line.remove_suffix(1);
  const auto fields = split(line);
  if (!fields) return dohle::fail(malformed("a row has 14 columns, this one has not"));
  const Fields& f = *fields;
  Strike s{.airport = std::string(f[0]),
           .aircraft = std::string(f[1]),
           .damage = std::string(f[2]),
           .date = std::string(f[3]),
           .airline = std::string(f[4]),
           .state = std::string(f[5]),
           .phase = std::string(f[6]),
           .size = std::string(f[7]),
           .species = std::string(f[8]),
           .time_of_day = std::string(f[9]),
           .speed = std::nullopt};
  if (s.airport.empty()) return dohle::fail(malformed("the airport is empty"));
  if (!parse_number(f[10], s.cost_other)) return dohle::fail(malformed("other cost: no number"));
  if (!parse_number(f[11], s.cost_repair)) return dohle::fail(malformed("repair cost: no number"));
  if (!parse_number(f[12], s.cost_total)) return dohle::fail(malformed("total cost: no number"));
  if (!f[13].empty() && !parse_number(f[13], s.speed.emplace())) {
    return dohle::fail(malformed("speed: no number"));
  }
  return s;
}

dohle::Result<std::vector<Strike>> read_strikes(const std::filesystem::path& file) {
  const auto text = unpack(file);
  if (!text) return dohle::fail(text.error());
  std::vector<Strike> strikes;
  std::string_view rest = *text;
  for (std::size_t line = 1; !rest.empty(); ++line) {
    const auto end = rest.find('\n');
    if (line > 1) {
      auto strike = parse_strike(rest.substr(0, end));
      if (!strike) {
        return dohle::fail(strike.error().within(file.string() + ", line " + std::to_string(line)));
      }
      strikes.push_back(std::move(*strike));
    }
    rest.remove_prefix(end == rest.npos ? rest.size() : end + 1);
  }
  if (strikes.empty()) return dohle::fail(malformed(file.string() + " holds no row"));
  return strikes;
}

}  // namespace birdstrikes
