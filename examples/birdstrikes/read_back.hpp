#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "dohle/client.hpp"
#include "proof.hpp"

namespace birdstrikes {

/// Reads a whole topic, each partition from offset 0 to its end at the time of the call: the stored
/// side of the proof. It uses the client below the messaging API, with assigned partitions and
/// without a group. Errors: those of the consumer; timed_out after 30 s.
[[nodiscard]] dohle::Result<std::vector<StoredRow>> read_back(dohle::Client& client,
                                                              const std::string& topic,
                                                              std::int32_t partitions);

}  // namespace birdstrikes
