#pragma once

#include <functional>
#include <string_view>

namespace dohle::client {

/// Whether a topic begins at its first record where options.offset_reset would apply.
/// `is_made_again`: it replaced another topic of its name while the consumer read that one. Called
/// under the consumer's lock, on the loop and inside its calls. Null: never.
using IsReadFromFirst = std::function<bool(std::string_view topic, bool is_made_again)>;

}  // namespace dohle::client
