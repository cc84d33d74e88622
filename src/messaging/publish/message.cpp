#include "dohle/message.hpp"

#include <algorithm>

namespace dohle {
inline namespace v0 {

const Header* Message::find_header(std::string_view name) const {
  const auto found = std::ranges::find(headers_, name, &Header::name);
  return found == headers_.end() ? nullptr : &*found;
}

void Message::merge_headers(const std::vector<Header>& headers) {
  const auto own = headers_.size();
  for (const Header& header : headers) {
    const auto end = headers_.begin() + static_cast<std::ptrdiff_t>(own);
    // Compared with the earlier headers only, so that a name repeated in `headers` stays repeated.
    if (std::find_if(headers_.begin(), end,
                     [&](const Header& mine) { return mine.name == header.name; }) == end) {
      headers_.push_back(header);
    }
  }
}

}  // namespace v0
}  // namespace dohle
