#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <utility>

#include "sim/world.hpp"
#include "wire/header.hpp"

namespace dohle::simulation {

/// Words for the contents of Kafka's frames in the trace: `Produce #12 topicData [{name orders,
/// …}]`. Fields with their defaults are left out.
class Wording {
 public:
  /// Requests have to be passed before their answers, which do not contain their API.
  [[nodiscard]] std::string of(const sim::ReadFrame& frame);

 private:
  std::string request(const sim::ReadFrame& frame);
  std::string answer(const sim::ReadFrame& frame);

  using Correlation = std::pair<std::uint64_t, std::int32_t>;
  struct Asked {
    wire::ApiKey api;
    std::int16_t version;
  };
  std::map<Correlation, Asked> asked_;
};

}  // namespace dohle::simulation
