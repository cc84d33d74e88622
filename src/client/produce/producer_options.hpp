#pragma once

#include "dohle/producer.hpp"

namespace dohle::client {

/// Errors: configuration; names the option, its value and its range.
[[nodiscard]] Result<void> check(const ProducerOptions& options);

}  // namespace dohle::client
