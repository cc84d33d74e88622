#pragma once

#include "dohle/consumer.hpp"

namespace dohle::client {

/// Errors: configuration; names the option, its value and its range.
[[nodiscard]] Result<void> check(const ConsumerOptions& options);

}  // namespace dohle::client
