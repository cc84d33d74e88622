#include "log/leader_epochs.hpp"

#include <algorithm>
#include <charconv>

#include "base/assert.hpp"

namespace dohle::log {

namespace {

/// Takes a number and the character after it off the front of `text`.
std::optional<std::int64_t> take_number(std::string_view& text, char end) {
  std::int64_t value = 0;
  const auto [at, code] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (code != std::errc{} || at == text.data() + text.size() || *at != end) return std::nullopt;
  text.remove_prefix(static_cast<std::size_t>(at - text.data()) + 1);
  return value;
}

}  // namespace

bool LeaderEpochs::assign(LeaderEpoch epoch, Offset offset) {
  if (epoch <= latest()) return false;
  starts_.push_back({epoch, offset});
  return true;
}

void LeaderEpochs::cut(Offset end) {
  while (!starts_.empty() && starts_.back().offset >= end) starts_.pop_back();
}

void LeaderEpochs::begin(Offset start) {
  const auto after = std::ranges::upper_bound(starts_, start, {}, &Start::offset);
  if (after == starts_.begin()) return;
  const auto covering = std::prev(after);
  covering->offset = start;
  starts_.erase(starts_.begin(), covering);
}

LeaderEpoch LeaderEpochs::latest() const {
  return starts_.empty() ? LeaderEpoch{} : starts_.back().epoch;
}

LeaderEpochs::Start LeaderEpochs::end_of(LeaderEpoch wanted, Offset log_end) const {
  if (wanted.is_none() || wanted > latest()) return {};
  if (wanted == latest()) return {wanted, log_end};
  const auto higher = std::ranges::upper_bound(starts_, wanted, {}, &Start::epoch);
  DOHLE_ASSERT(higher != starts_.end(), "leader epochs are out of order");
  // The log has no records before its first known epoch.
  if (higher == starts_.begin()) return {wanted, higher->offset};
  return {std::prev(higher)->epoch, higher->offset};
}

std::string LeaderEpochs::text() const {
  std::string text = "0\n" + std::to_string(starts_.size()) + "\n";
  for (const Start& start : starts_) {
    text += std::to_string(start.epoch.value) + " " + std::to_string(start.offset.value) + "\n";
  }
  return text;
}

std::optional<LeaderEpochs> LeaderEpochs::parse(std::string_view text) {
  const auto version = take_number(text, '\n');
  const auto count = take_number(text, '\n');
  if (version != 0 || !count || *count < 0) return std::nullopt;
  LeaderEpochs epochs;
  for (std::int64_t i = 0; i < *count; ++i) {
    const auto epoch = take_number(text, ' ');
    const auto offset = take_number(text, '\n');
    if (!epoch || !offset || *epoch > INT32_MAX) return std::nullopt;
    if (!epochs.assign(LeaderEpoch{static_cast<std::int32_t>(*epoch)}, Offset{*offset})) {
      return std::nullopt;
    }
  }
  return epochs;
}

}  // namespace dohle::log
