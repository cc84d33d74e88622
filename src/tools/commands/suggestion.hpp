#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace dohle::tools {

/// The candidate that `word` was most likely meant to be: one that it begins, or the one that the
/// fewest slips of the finger (a letter too many, missing, wrong, or two exchanged) lead to. Empty
/// if none is near.
std::string nearest(std::string_view word, const std::vector<std::string>& candidates);

/// "; did you mean X?" for the nearest, else "; allowed are X, Y and Z"; nothing without
/// candidates.
std::string suggestion(std::string_view word, const std::vector<std::string>& candidates);

/// "a, b and c".
std::string listed(const std::vector<std::string>& words);

}  // namespace dohle::tools
