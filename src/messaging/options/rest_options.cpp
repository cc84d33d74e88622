#include "messaging/options/rest_options.hpp"

#include <string>
#include <utility>

#include "messaging/reports/thrown_by.hpp"

namespace dohle::messaging {

namespace {

template <class T>
bool is_same(const T& before, const T& after) {
  return before == after;
}
/// Functions cannot be compared. Before a change they are empty.
template <class Signature>
bool is_same(const std::function<Signature>& before, const std::function<Signature>& after) {
  return !before && !after;
}

template <class Options>
Result<void> check_meant(const Options& before, const Options& after, std::string_view function) {
  Result<void> first;
  const auto look = [&](const auto& row) {
    if (!first || is_same(before.*row.member, after.*row.member)) return;
    first = fail(Error::configuration(std::string(function) + " sets " + std::string(row.name) +
                                      "; set " + std::string(row.option) + " in its place"));
  };
  std::apply([&](const auto&... row) { (..., look(row)); }, MeantMembers<Options>::rows);
  return first;
}

template <class Options>
Result<Options> changed(Options made, const std::function<void(Options&)>& change,
                        std::string_view function) {
  if (!change) return made;
  const Options before = made;
  try {
    change(made);
  } catch (...) {
    return fail(thrown_by(function));
  }
  if (auto checked = check_meant(before, made, function); !checked) return fail(checked.error());
  return made;
}

}  // namespace

Result<ProducerOptions> with_rest(ProducerOptions made,
                                  const std::function<void(ProducerOptions&)>& change) {
  return changed(std::move(made), change, "producer_options");
}

Result<ConsumerOptions> with_rest(ConsumerOptions made,
                                  const std::function<void(ConsumerOptions&)>& change) {
  return changed(std::move(made), change, "consumer_options");
}

}  // namespace dohle::messaging
