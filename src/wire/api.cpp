#include "wire/api.hpp"

#include <array>

#include "wire/every_message.hpp"  // made by the build, from wire/api_list.hpp

namespace dohle::wire {

namespace {

#define DOHLE_API_ENTRY(key, file, Name) Name##Request::api,
constexpr std::array apis = {DOHLE_FOR_EACH_API(DOHLE_API_ENTRY)};
#undef DOHLE_API_ENTRY

#define DOHLE_API_NAME(key, file, Name) #Name,
constexpr std::array<std::string_view, apis.size()> names = {DOHLE_FOR_EACH_API(DOHLE_API_NAME)};
#undef DOHLE_API_NAME

}  // namespace

std::span<const Api> all_apis() {
  return apis;
}

const Api* find_api(ApiKey key) {
  for (const Api& api : apis) {
    if (api.key == key) return &api;
  }
  return nullptr;
}

std::string_view api_name(ApiKey key) {
  const Api* api = find_api(key);
  return api == nullptr ? "unknown" : names[static_cast<std::size_t>(api - apis.data())];
}

}  // namespace dohle::wire
