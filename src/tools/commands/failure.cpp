#include "tools/commands/failure.hpp"

#include <algorithm>
#include <array>

#include <fmt/format.h>

#include "tools/commands/table.hpp"
#include "tools/commands/terminal.hpp"

namespace dohle::tools {

namespace {

constexpr std::int16_t broker_request_timed_out = 7;
// Authorization of topics, groups, clusters, transactional ids and tokens; SASL's refusals.
constexpr std::array<std::int16_t, 8> broker_access = {29, 30, 31, 33, 34, 53, 58, 65};
constexpr std::array connection_errors = {Errc::connection_failed, Errc::connection_lost,
                                          Errc::name_not_resolved, Errc::not_connected};

bool is_one_of(const Error& error, const auto& codes) {
  return std::ranges::any_of(codes, [&](Errc code) { return error.is(code); });
}

}  // namespace

int exit_status(const Error& error) {
  if (error.category() == ErrorCategory::broker) {
    if (error.is_broker(broker_request_timed_out)) return exit_timeout;
    return std::ranges::find(broker_access, error.code()) != broker_access.end() ? exit_connection
                                                                                 : exit_failed;
  }
  if (error.category() == ErrorCategory::configuration) return exit_usage;
  if (error.is_auth()) return exit_connection;
  if (is_one_of(error, connection_errors)) {
    return exit_connection;
  }
  return error.is(Errc::timed_out) ? exit_timeout : exit_failed;
}

int report(std::string_view command, const Error& error) {
  say(fmt::format("dohle {}: {}", command, printable(error.message())));
  return exit_status(error);
}

}  // namespace dohle::tools
