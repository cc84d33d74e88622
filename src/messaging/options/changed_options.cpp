#include "messaging/options/changed_options.hpp"

#include <string>
#include <type_traits>

#include "messaging/options/option_rows.hpp"

namespace dohle::messaging {

namespace {

/// Stands in for a function, to detect whether a change replaces it.
struct Untouched {
  void operator()(const Failure&) const {}
  void operator()(const SettledBatch&) const {}
  void operator()(ProducerOptions&) const {}
  void operator()(ConsumerOptions&) const {}
  void operator()(const ReadLag&) const {}
  Result<DialedSocket> operator()(const DialRequest&) const { return DialedSocket(-1); }
  Result<std::vector<std::string>> operator()(const std::string&) const {
    return std::vector<std::string>();
  }
  PublishHandler operator()(PublishHandler next) const { return next; }
  SubscribeHandler operator()(SubscribeHandler next) const { return next; }
};

template <class T>
inline constexpr bool is_function = false;
template <class Signature>
inline constexpr bool is_function<std::function<Signature>> = true;
template <class T>
inline constexpr bool is_list_of_functions = false;
template <class T>
inline constexpr bool is_list_of_functions<std::vector<T>> = is_function<T>;

/// Functions cannot be compared: they are replaced by a stand-in, and a change replaces that.
template <class T>
void make_comparable(T& value) {
  if constexpr (is_function<T>) value = Untouched{};
  if constexpr (is_list_of_functions<T>) value = {Untouched{}};
}

template <class T>
bool is_changed(const T& before, const T& after) {
  if constexpr (is_function<T>) {
    return after.template target<Untouched>() == nullptr;
  } else if constexpr (is_list_of_functions<T>) {
    return after.size() != 1 || is_changed(before.front(), after.front());
  } else {
    return !(before == after);
  }
}

}  // namespace

std::string changed_options(const kafka::BrokerOptions& options,
                            const std::vector<BrokerOption>& changes) {
  kafka::BrokerOptions before = options;
  for_each_option<kafka::BrokerOptions>([&](const auto& row) { make_comparable(row.of(before)); });
  kafka::BrokerOptions changed = before;
  for (const BrokerOption& change : changes) change(changed);
  std::string names;
  for_each_option<kafka::BrokerOptions>([&](const auto& row) {
    if (!is_changed(row.of(before), row.of(changed))) return;
    names += (names.empty() ? "" : ", ") + std::string(row.name);
  });
  return names;
}

}  // namespace dohle::messaging
