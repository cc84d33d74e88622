#include "node/serve/handlers/handlers.hpp"

#include <array>

#include "wire/every_message.hpp"  // made by the build, from wire/api_list.hpp

namespace dohle::node {

// Each handler has a file with the name of its message.
#define DOHLE_HANDLE(key, file, Name) void handle(Call& call, wire::Name##Request request);
DOHLE_FOR_EACH_API(DOHLE_HANDLE)
#undef DOHLE_HANDLE

namespace {

#define DOHLE_HANDLER(key, file, Name) handler_of<wire::Name##Request>,
constexpr std::array table{DOHLE_FOR_EACH_API(DOHLE_HANDLER)};
#undef DOHLE_HANDLER

constexpr std::size_t keys = static_cast<std::size_t>(table.back().api.key) + 1;

constexpr std::array<const Handler*, keys> by_key() {
  std::array<const Handler*, keys> places{};
  for (const Handler& handler : table) places[static_cast<std::size_t>(handler.api.key)] = &handler;
  return places;
}

}  // namespace

void refuse_size(Call& call, const wire::Api& api, std::size_t bytes) {
  call.responder.close(Error::client(
      Errc::too_large, std::string(wire::api_name(api.key)) + " request of " +
                           std::to_string(bytes) + " bytes; at most " +
                           std::to_string(max_body_bytes(api.key)) +
                           " are allowed (max_body_bytes), fewer topics or groups at once fit"));
}

std::span<const Handler> handlers() {
  return table;
}

const Handler* find_handler(wire::ApiKey key) {
  static constexpr auto places = by_key();
  const auto index = static_cast<std::size_t>(key);
  return index < places.size() ? places[index] : nullptr;
}

}  // namespace dohle::node
