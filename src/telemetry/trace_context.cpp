#include "dohle/trace_context.hpp"

#include <algorithm>
#include <utility>

#include "base/printable.hpp"
#include "telemetry/hexadecimal.hpp"
#include "telemetry/member_list.hpp"

namespace dohle {
inline namespace v0 {

namespace {

constexpr std::size_t traceparent_bytes = 55;
constexpr std::size_t max_state_members = 32;
constexpr std::size_t max_state_bytes = 512;
constexpr std::size_t max_short_member_bytes = 128;
constexpr std::size_t max_key_bytes = 256;
constexpr std::size_t max_value_bytes = 256;
/// Longer texts are not looked at.
constexpr std::size_t max_state_text_bytes = 32 * 1024;

Error malformed(std::string_view header, std::string_view why) {
  return Error::client(Errc::malformed, std::string(header) + ": " + std::string(why));
}

bool is_key(std::string_view key) {
  const auto is_first = [](char c) { return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9'); };
  return !key.empty() && key.size() <= max_key_bytes && is_first(key.front()) &&
         std::ranges::all_of(key, [&](char c) {
           return is_first(c) || c == '_' || c == '-' || c == '*' || c == '/' || c == '@';
         });
}

bool is_value(std::string_view value) {
  return !value.empty() && value.size() <= max_value_bytes && value.back() != ' ' &&
         std::ranges::all_of(value,
                             [](char c) { return c >= ' ' && c <= '~' && c != ',' && c != '='; });
}

std::string joined(const std::vector<std::string_view>& members) {
  std::string all;
  for (const std::string_view member : members) {
    if (!all.empty()) all += ',';
    all += member;
  }
  return all;
}

/// Leaves members out until the text is short enough.
std::string shortened(std::vector<std::string_view> members) {
  std::string all = joined(members);
  if (all.size() <= max_state_bytes) return all;
  std::erase_if(members,
                [](std::string_view member) { return member.size() > max_short_member_bytes; });
  while ((all = joined(members)).size() > max_state_bytes) members.pop_back();
  return all;
}

constinit thread_local const TraceScope* innermost = nullptr;

}  // namespace

std::string TraceId::to_hex() const {
  std::string text;
  telemetry::append_hex(text, bytes);
  return text;
}

std::string SpanId::to_hex() const {
  std::string text;
  telemetry::append_hex(text, bytes);
  return text;
}

Result<TraceContext> parse_traceparent(std::string_view text) {
  const auto refused = [&](std::string_view why) {
    return fail(malformed("traceparent", std::string(why) + ": " + printable(text.substr(0, 80))));
  };
  if (text.size() < traceparent_bytes) return refused("it is shorter than 55 bytes");
  TraceContext read;
  std::array<std::uint8_t, 1> version{};
  std::array<std::uint8_t, 1> flags{};
  const bool is_whole = text[2] == '-' && text[35] == '-' && text[52] == '-' &&
                        telemetry::read_lower_hex(text.substr(0, 2), version) &&
                        telemetry::read_lower_hex(text.substr(3, 32), read.trace_id.bytes) &&
                        telemetry::read_lower_hex(text.substr(36, 16), read.span_id.bytes) &&
                        telemetry::read_lower_hex(text.substr(53, 2), flags);
  if (!is_whole) return refused("it is not VERSION-TRACE-SPAN-FLAGS in lower-case digits");
  if (version[0] == 0xff) return refused("version ff is not allowed");
  const bool has_more = text.size() > traceparent_bytes;
  if (has_more && (version[0] == 0 || text[traceparent_bytes] != '-')) {
    return refused("it goes on behind the flags");
  }
  if (!read.is_valid()) return refused("an id is zero");
  read.flags = flags[0] & (TraceContext::sampled_flag | TraceContext::random_flag);
  return read;
}

std::string format_traceparent(const TraceContext& context) {
  std::string text;
  text.reserve(traceparent_bytes);
  text += "00-";
  telemetry::append_hex(text, context.trace_id.bytes);
  text += '-';
  telemetry::append_hex(text, context.span_id.bytes);
  text += '-';
  telemetry::append_hex(text, std::array{context.flags});
  return text;
}

Result<std::string> parse_tracestate(std::string_view text) {
  if (text.size() > max_state_text_bytes) {
    return fail(malformed("tracestate", "it has more than 32 KiB"));
  }
  std::vector<std::string_view> members;
  auto read = telemetry::for_each_member(text, [&](std::string_view member) -> Result<void> {
    const auto equals = member.find('=');
    const std::string_view key = member.substr(0, equals);
    if (equals == std::string_view::npos || !is_key(key) || !is_value(member.substr(equals + 1))) {
      return fail(
          malformed("tracestate", "a member is not KEY=VALUE: " + printable(member.substr(0, 80))));
    }
    const bool repeats = std::ranges::any_of(members, [&](std::string_view earlier) {
      return earlier.substr(0, earlier.find('=')) == key;
    });
    if (repeats) {
      return fail(malformed("tracestate", "a key repeats: " + printable(key.substr(0, 80))));
    }
    if (members.size() == max_state_members) {
      return fail(malformed("tracestate", "it has more than 32 members"));
    }
    members.push_back(member);
    return {};
  });
  if (!read) return fail(read.error());
  return shortened(std::move(members));
}

const TraceContext& current_trace_context() {
  static const TraceContext none;
  return innermost != nullptr ? innermost->context_ : none;
}

TraceScope::TraceScope(TraceContext context)
    : context_(std::move(context)), outer_(std::exchange(innermost, this)) {}

TraceScope::~TraceScope() {
  innermost = outer_;
}

}  // namespace v0
}  // namespace dohle
