#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace dohle::properties {

/// The candidate nearest to a mistyped `word`: one that starts with it, or the one with the fewest
/// typing errors (an extra, missing or wrong letter, or two exchanged). Empty if none is near.
std::string nearest(std::string_view word, const std::vector<std::string>& candidates);

/// "; did you mean X?" for the nearest, else "; allowed are X, Y and Z". Empty without candidates.
std::string suggestion(std::string_view word, const std::vector<std::string>& candidates);

/// "a, b and c".
std::string listed(const std::vector<std::string>& words);

}  // namespace dohle::properties
