#include "messaging/source/topic_look.hpp"

#include <utility>

#include "messaging/failures/retry_policy.hpp"

namespace dohle::messaging {

std::optional<std::uint64_t> TopicLook::on_wanted(TimePoint newer_than, TimePoint now) {
  if (is_under_way() && now >= lost_at_) {
    on_failed(under_way_,
              Error::client(Errc::timed_out, "list topics: no answer came within " +
                                                 std::to_string(settings_.timeout.count()) + " ms"),
              now);
  }
  const bool is_there = list_.topics != nullptr && list_.asked_at >= newer_than;
  if (is_there || is_under_way() || now < not_before_) return std::nullopt;
  under_way_ = ++last_look_;
  asked_at_ = now;
  lost_at_ = now + Duration(settings_.timeout) + Duration(grace);
  return under_way_;
}

void TopicLook::on_list(std::uint64_t look, std::vector<TopicListing> topics) {
  if (look != under_way_) return;
  under_way_ = 0;
  list_ = {look, asked_at_, std::make_shared<const std::vector<TopicListing>>(std::move(topics))};
  not_before_ = TimePoint::min();
  backoff_ = std::chrono::milliseconds(0);
  failure_.reset();
  failures_ = 0;
  was_told_ = false;
  std::erase_if(verdicts_, [](const auto& entry) { return entry.second.has_value(); });
  ++news_;
}

void TopicLook::on_failed(std::uint64_t look, const Error& why, TimePoint now) {
  if (look != under_way_) return;
  under_way_ = 0;
  backoff_ = longer_wait(backoff_, settings_.min_backoff, settings_.max_backoff);
  not_before_ = now + Duration(backoff_);
  failure_ = why;
  if (failures_ < failures_until_told) ++failures_;
  ++news_;
}

std::vector<std::string> TopicLook::on_missing(std::span<const std::string> names) {
  std::vector<std::string> asked;
  for (const std::string& name : names) {
    if (verdicts_.emplace(name, std::nullopt).second) asked.push_back(name);
  }
  return asked;
}

void TopicLook::on_described(std::span<const std::string> names,
                             const Result<std::vector<Named<TopicDescription>>>& described) {
  for (const std::string& name : names) verdicts_.erase(name);
  if (described) {
    for (const Named<TopicDescription>& topic : *described) {
      verdicts_.insert_or_assign(
          topic.name, topic.result ? Result<void>() : Result<void>(fail(topic.result.error())));
    }
  }
  ++news_;
}

std::optional<TopicLook::Failure> TopicLook::take_failure() {
  if (!failure_) return std::nullopt;
  const bool is_told = list_.topics == nullptr || failures_ >= failures_until_told;
  return Failure{*failure_, is_told && !std::exchange(was_told_, true)};
}

const Result<void>* TopicLook::verdict(const std::string& topic) const {
  const auto found = verdicts_.find(topic);
  return found != verdicts_.end() && found->second ? &*found->second : nullptr;
}

}  // namespace dohle::messaging
