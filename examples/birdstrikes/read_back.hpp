#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "dohle/client.hpp"
#include "proof.hpp"

namespace birdstrikes {

/// Reads a whole topic as it is at the call, each partition from offset 0 to its end; the second
/// half of the proof. Uses the client itself, below the messaging API: partitions by hand, no
/// group. Errors: what the consumer fails with; timed_out after 30 s.
[[nodiscard]] dohle::Result<std::vector<StoredRow>> read_back(dohle::Client& client,
                                                              const std::string& topic,
                                                              std::int32_t partitions);

}  // namespace birdstrikes
