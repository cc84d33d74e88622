#pragma once

#include <chrono>

#include "dohle/producer.hpp"

namespace dohle::tools {

/// Waits until each record sent has an outcome. Once the user interrupts, what has none within
/// another 5 s fails, and the producer is closed. Errors: timed_out when `patience` passes first.
Result<FlushReport> settle(Producer& producer, std::chrono::milliseconds patience);

}  // namespace dohle::tools
