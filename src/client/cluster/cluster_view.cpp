#include "client/cluster/cluster_view.hpp"

#include <algorithm>
#include <limits>
#include <utility>

#include "base/assert.hpp"
#include "base/broker_errors.hpp"

namespace dohle::client {

namespace {

/// The newer of two leaders. A server with old metadata answers with an older epoch. A server from
/// before KIP-320 answers without an epoch and is trusted.
PartitionLeader newer(const PartitionLeader& known, const PartitionLeader& heard) {
  return !heard.epoch.is_none() && heard.epoch < known.epoch ? known : heard;
}

bool is_port(std::int32_t port) {
  return port > 0 && port <= std::numeric_limits<std::uint16_t>::max();
}

}  // namespace

void ClusterView::check_invariants() const {
  for (const auto& [name, topic] : topics_) {
    DOHLE_ASSERT(interests_.contains(name), "a topic is kept in view that is not needed");
    DOHLE_ASSERT(!topic.replaced_ids.has(topic.id), "a topic has an id that was replaced");
  }
  for (const auto& [name, code] : errors_) {
    DOHLE_ASSERT(interests_.contains(name), "an error is kept of a topic that is not needed");
  }
}

void ClusterView::need(std::string_view topic, bool may_create) {
  look_for(topic, may_create).is_needed = true;
}

void ClusterView::hold(std::string_view topic) {
  ++look_for(topic, false).holds;
}

bool ClusterView::release(std::string_view topic) {
  const auto found = interests_.find(topic);
  DOHLE_ASSERT(found != interests_.end() && found->second.holds > 0,
               "a topic is released that is not held");
  return --found->second.holds == 0 && !found->second.is_needed;
}

bool ClusterView::is_needed_or_held(std::string_view topic) const {
  const auto found = interests_.find(topic);
  return found != interests_.end() && (found->second.is_needed || found->second.holds > 0);
}

void ClusterView::want(std::string_view topic, bool may_create) {
  look_for(topic, may_create);
  if (topic_error(topic) != broker_error::none) ask_at_once();
}

ClusterView::Interest& ClusterView::look_for(std::string_view topic, bool may_create) {
  const auto [found, is_new] = interests_.try_emplace(std::string(topic));
  Interest& interest = found->second;
  if (is_new || (may_create && !interest.may_create)) ask_at_once();
  interest.may_create = interest.may_create || may_create;
  return interest;
}

void ClusterView::ask_at_once() {
  doubted_ = true;
  doubts_ = 0;
  not_before_ = TimePoint{};
}

void ClusterView::let_go(std::string_view topic) {
  const auto found = interests_.find(topic);
  if (found == interests_.end()) return;
  found->second.may_create = false;
  if (found->second.is_needed || found->second.holds > 0) return;
  interests_.erase(found);
  if (const auto known = topics_.find(topic); known != topics_.end()) {
    names_.erase(known->second.id);
    past_.keep(topic, {known->second.id, std::move(known->second.replaced_ids)});
    topics_.erase(known);
  }
  if (const auto error = errors_.find(topic); error != errors_.end()) errors_.erase(error);
}

TimePoint ClusterView::ask_at() const {
  if (asking_) return never;
  return doubted_ ? not_before_ : std::max(not_before_, fresh_until_);
}

wire::MetadataRequest ClusterView::ask(TimePoint now) {
  DOHLE_ASSERT(!asking_, "metadata is asked for twice at a time");
  asking_ = true;
  // A doubt that arises before the answer causes another request.
  doubted_ = false;
  if (unanswered_since_ == never) unanswered_since_ = now;
  wire::MetadataRequest request;
  bool creates = false, must_not_create = false;
  for (const auto& [name, interest] : interests_) {
    if (must_create(name, interest.may_create)) {
      creates = true;
    } else if (!interest.may_create) {
      must_not_create = true;
    }
  }
  // The permission to create applies to the whole request. If some topics must not be created, the
  // first request has only the others, with permission; the next one has all topics, without it.
  rest_is_due_ = creates && must_not_create && !rest_is_due_;
  request.allow_auto_topic_creation = creates && (rest_is_due_ || !must_not_create);
  for (const auto& [name, interest] : interests_) {
    if (rest_is_due_ && !interest.may_create) continue;
    request.topics->push_back({TopicId{}, name});
  }
  return request;
}

bool ClusterView::must_create(std::string_view name, bool may_create) const {
  return may_create && !topics_.contains(name);
}

void ClusterView::put_off(TimePoint now) {
  Duration wait = options_.retry_backoff;
  for (std::uint32_t i = 0; i < doubts_ && wait < options_.max_retry_backoff; ++i) wait *= 2;
  if (doubts_ < 32) ++doubts_;
  not_before_ = now + std::min(wait, options_.max_retry_backoff);
}

void ClusterView::on_failed(TimePoint now) {
  asking_ = false;
  doubted_ = true;
  put_off(now);
}

Result<void> ClusterView::on_answer(const wire::MetadataResponse& answer, TimePoint now) {
  if (answer.error_code != broker_error::none) {
    told_to_rebootstrap_ = answer.error_code == broker_error::rebootstrap_required;
    on_failed(now);
    return fail(Error::broker(answer.error_code, "ask for metadata"));
  }
  asking_ = false;
  fresh_until_ = now + options_.metadata_max_age;
  unanswered_since_ = never;
  controller_ = answer.controller_id;
  brokers_.clear();
  for (const auto& broker : answer.brokers) {
    if (!is_port(broker.port)) continue;
    brokers_[broker.node_id] = {broker.host, static_cast<std::uint16_t>(broker.port)};
  }
  for (const auto& topic : answer.topics) take_topic(topic);
  DOHLE_CHECK_INVARIANTS(*this);
  if (rest_is_due_) {
    doubted_ = true;
    not_before_ = now;
  } else if (doubted_) {
    put_off(now);
  } else {
    doubts_ = 0;
    not_before_ = now + options_.retry_backoff;
  }
  return {};
}

void ClusterView::take_topic(const wire::MetadataResponse::MetadataResponseTopic& heard) {
  // The request may have been sent before the topic was let go.
  if (!heard.name || !interests_.contains(*heard.name)) return;
  const std::string& name = *heard.name;
  errors_[name] = heard.error_code;
  if (heard.error_code != broker_error::none) {
    // Retriable errors are temporary (the topic is being created). The known partitions stay.
    doubted_ = doubted_ || Error::broker(heard.error_code).is_retriable();
    return;
  }
  const auto in_view = topics_.find(name);
  const bool was_replaced = in_view == topics_.end()
                                ? past_.was_replaced(name, heard.topic_id)
                                : in_view->second.replaced_ids.has(heard.topic_id);
  if (was_replaced) {
    doubted_ = true;
    return;
  }
  TopicView& known = in_view == topics_.end() ? enter(name) : in_view->second;
  const bool is_another = !heard.topic_id.is_none() && known.id != heard.topic_id;
  if (is_another) replace(known, heard.topic_id);
  if (!known.id.is_none()) names_[known.id] = name;
  for (const auto& partition : heard.partitions) {
    const auto index = partition.partition_index.value;
    // Indexes are dense. One beyond the list is invalid and must not allocate memory.
    if (index < 0 || static_cast<std::size_t>(index) >= heard.partitions.size()) continue;
    const auto at = static_cast<std::size_t>(index);
    if (at >= known.partitions.size()) known.partitions.resize(at + 1);
    const PartitionLeader leader{partition.leader_id, partition.leader_epoch};
    known.partitions[at] = newer(known.partitions[at], leader);
    if (known.partitions[at].node.is_none()) doubted_ = true;
  }
}

TopicView& ClusterView::enter(const std::string& name) {
  auto [id, replaced] = past_.recall(name);
  return topics_.emplace(name, TopicView{id, std::move(replaced), {}}).first->second;
}

void ClusterView::replace(TopicView& topic, const TopicId& id) {
  names_.erase(topic.id);
  topic.replaced_ids.add(topic.id);
  topic.id = id;
  // A topic that was created again has new leader epochs.
  topic.partitions.clear();
}

bool ClusterView::should_rebootstrap(TimePoint now) const {
  if (brokers_.empty() || told_to_rebootstrap_) return true;
  return unanswered_since_ != never && now >= unanswered_since_ + options_.rebootstrap_after;
}

void ClusterView::rebootstrap(TimePoint now) {
  brokers_.clear();
  controller_ = NodeId{};
  told_to_rebootstrap_ = false;
  asking_ = false;
  doubted_ = true;
  not_before_ = now;
  unanswered_since_ = never;
}

bool ClusterView::on_leader(std::string_view topic, PartitionId partition, PartitionLeader leader) {
  const auto found = topics_.find(topic);
  if (found == topics_.end() || partition.value < 0) return false;
  auto& partitions = found->second.partitions;
  const auto at = static_cast<std::size_t>(partition.value);
  if (at >= partitions.size() || leader.epoch <= partitions[at].epoch) return false;
  if (!brokers_.contains(leader.node)) return false;
  partitions[at] = leader;
  return true;
}

const TopicView* ClusterView::topic(std::string_view name) const {
  const auto found = topics_.find(name);
  return found == topics_.end() ? nullptr : &found->second;
}

const std::string* ClusterView::topic_name(const TopicId& id) const {
  const auto found = names_.find(id);
  return found == names_.end() ? nullptr : &found->second;
}

std::int16_t ClusterView::topic_error(std::string_view name) const {
  const auto found = errors_.find(name);
  return found == errors_.end() ? broker_error::none : found->second;
}

}  // namespace dohle::client
