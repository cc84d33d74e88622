#pragma once

#include <chrono>

#include "dohle/producer.hpp"

namespace dohle::tools {

/// Waits until each sent record has an outcome. After an interrupt it waits 5 s more, then closes
/// the producer, and the remaining records fail. Errors: timed_out if `patience` expires first.
Result<FlushReport> settle(Producer& producer, std::chrono::milliseconds patience);

}  // namespace dohle::tools
