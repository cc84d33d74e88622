#include "tools/records/record_json.hpp"

#include <limits>
#include <set>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "base/base64.hpp"
#include "base/utf8.hpp"

namespace dohle::tools {

namespace {

using Json = nlohmann::json;
using OrderedJson = nlohmann::ordered_json;
constexpr std::string_view base64_suffix = "_base64";

void put_bytes(OrderedJson& into, const std::string& name, const std::optional<Bytes>& bytes) {
  if (!bytes) {
    into[name] = nullptr;
  } else if (const std::string_view text = as_text(*bytes); is_utf8(text)) {
    into[name] = text;
  } else {
    into[name + std::string(base64_suffix)] = to_base64(text);
  }
}

OrderedJson to_json(const HeaderView& header) {
  OrderedJson into;
  put_bytes(into, "name", as_bytes(header.name));
  put_bytes(into, "value", header.value);
  return into;
}

std::unexpected<Error> refuse(std::string_view name, std::string_view why) {
  return fail(Error::client(Errc::codec_failed, fmt::format("\"{}\" {}", name, why)));
}

/// Text, base64 text when `is_base64`, or null.
Result<std::optional<std::string>> take_bytes(const std::string& name, const Json& from,
                                              bool is_base64) {
  if (from.is_null()) return std::nullopt;
  if (!from.is_string()) return refuse(name, "is neither a string nor null");
  if (!is_base64) return from.get<std::string>();
  auto bytes = from_base64(from.get_ref<const std::string&>());
  if (!bytes) return refuse(name, "is not base64");
  return bytes;
}

Result<std::int64_t> take_number(const std::string& name, const Json& from, std::int64_t max) {
  if (!from.is_number_integer() || from.get<std::int64_t>() < -1 ||
      from.get<std::int64_t>() > max) {
    return refuse(name, fmt::format("is not a whole number from -1 to {}", max));
  }
  return from.get<std::int64_t>();
}

/// A member's name without the suffix `_base64`, and whether it had the suffix.
std::pair<std::string, bool> split_name(const std::string& name) {
  const bool is_base64 = name.ends_with(base64_suffix);
  return {is_base64 ? name.substr(0, name.size() - base64_suffix.size()) : name, is_base64};
}

/// The field of a record that a member sets, for Dohle's and kcat's names.
std::string member_of(const std::string& name) {
  if (name == "payload") return "value";
  if (name == "ts") return "timestamp";
  return split_name(name).first;
}

Result<std::pair<std::string, std::optional<std::string>>> header_from(const Json& from) {
  if (!from.is_object()) return refuse("headers", "holds something that is not an object");
  std::optional<std::string> name;
  std::optional<std::string> value;
  std::set<std::string> members;
  for (const auto& [member, content] : from.items()) {
    const auto [plain, is_base64] = split_name(member);
    if (plain != "name" && plain != "value") return refuse(member, "is not a member of a header");
    auto bytes = take_bytes(member, content, is_base64);
    if (!bytes) return fail(bytes.error());
    if (!members.insert(plain).second) return refuse(plain, "appears twice, once as base64");
    (plain == "name" ? name : value) = *std::move(bytes);
  }
  if (!name) return refuse("headers", "holds one without a name");
  return std::pair(*std::move(name), std::move(value));
}

/// kcat writes headers as one array of names and values in turn.
Result<void> take_flat_headers(const Json& from, OwnedRecord& record) {
  if (from.size() % 2 != 0) return refuse("headers", "has a name without a value");
  for (std::size_t at = 0; at < from.size(); at += 2) {
    if (!from[at].is_string()) return refuse("headers", "has a name that is not a string");
    auto value = take_bytes("headers", from[at + 1], false);
    if (!value) return fail(value.error());
    record.headers.emplace_back(from[at].get<std::string>(), *std::move(value));
  }
  return {};
}

Result<void> take_headers(const Json& from, OwnedRecord& record) {
  if (!from.is_array()) return refuse("headers", "is not an array");
  if (!from.empty() && from.front().is_string()) return take_flat_headers(from, record);
  for (const Json& each : from) {
    auto header = header_from(each);
    if (!header) return fail(header.error());
    record.headers.push_back(*std::move(header));
  }
  return {};
}

Result<void> take_bytes_into(const std::string& name, const Json& from, bool is_base64,
                             std::optional<std::string>& into) {
  auto bytes = take_bytes(name, from, is_base64);
  if (!bytes) return fail(bytes.error());
  into = *std::move(bytes);
  return {};
}

template <class Id>
Result<void> take_id(const std::string& name, const Json& from, Id& into) {
  const auto number = take_number(name, from, std::numeric_limits<typename Id::Rep>::max());
  if (!number) return fail(number.error());
  into = Id{static_cast<typename Id::Rep>(*number)};
  return {};
}

Result<void> take_member(const std::string& name, const Json& from, OwnedRecord& record) {
  const auto [plain, is_base64] = split_name(name);
  if (plain == "key") return take_bytes_into(name, from, is_base64, record.key);
  if (plain == "value") return take_bytes_into(name, from, is_base64, record.value);
  if (name == "headers") return take_headers(from, record);
  if (name == "partition") return take_id(name, from, record.partition);
  if (name == "timestamp") return take_id(name, from, record.timestamp);
  if (name == "topic" || name == "offset") return {};
  // The names that kcat -J writes.
  if (name == "payload") return take_bytes_into(name, from, false, record.value);
  if (name == "ts") return take_id(name, from, record.timestamp);
  if (name == "tstype" || name == "broker") return {};
  return refuse(
      name,
      "is not a member of a record; its members are key, value (or key_base64, value_base64), "
      "headers, partition and timestamp");
}

}  // namespace

std::string to_json(const ConsumerRecord& record) {
  OrderedJson into;
  into["topic"] = record.topic;
  into["partition"] = record.partition.value;
  into["offset"] = record.offset.value;
  into["timestamp"] = record.timestamp.value;
  put_bytes(into, "key", record.key);
  put_bytes(into, "value", record.value);
  into["headers"] = OrderedJson::array();
  for (const HeaderView& header : record.headers) into["headers"].push_back(to_json(header));
  return into.dump();
}

Result<OwnedRecord> record_from_json(std::string_view line) {
  const Json from = Json::parse(line, nullptr, /*allow_exceptions=*/false);
  if (!from.is_object()) {
    return fail(Error::client(Errc::codec_failed, "it is not a JSON object on one line"));
  }
  OwnedRecord record;
  std::set<std::string> members;
  for (const auto& [name, content] : from.items()) {
    if (auto taken = take_member(name, content, record); !taken) return fail(taken.error());
    const std::string member = member_of(name);
    if (!members.insert(member).second) {
      return refuse(member, fmt::format("appears twice, once as \"{}\"", name));
    }
  }
  if (!members.contains("value")) return refuse("value", "is missing; null means a tombstone");
  return record;
}

}  // namespace dohle::tools
