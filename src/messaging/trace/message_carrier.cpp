#include "dohle/message_carrier.hpp"

#include <utility>

#include "messaging/trace/context_headers.hpp"

namespace dohle {
inline namespace v0 {
namespace kafka {

std::string MessageCarrier::get(std::string_view key) const {
  const Header* header = message_->find_header(key);
  return header != nullptr ? header->value.value_or(std::string()) : std::string();
}

void MessageCarrier::set(std::string_view key, std::string value) {
  std::vector<Header> headers = message_->headers();
  std::erase_if(headers, [key](const Header& header) { return header.name == key; });
  headers.push_back({std::string(key), std::move(value)});
  message_->with_headers(std::move(headers));
}

std::vector<std::string> MessageCarrier::keys() const {
  std::vector<std::string> all;
  for (const Header& header : message_->headers()) all.push_back(header.name);
  return all;
}

TraceContext MessageCarrier::extract() const {
  return messaging::extract(*message_);
}

void MessageCarrier::inject(const TraceContext& context) {
  messaging::inject(context, *message_);
}

}  // namespace kafka
}  // namespace v0
}  // namespace dohle
