#include "client/cluster/cluster.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "base/assert.hpp"
#include "base/broker_errors.hpp"

namespace dohle::client {

namespace {

/// Bootstrap addresses have ids from -2 downwards; -1 means none.
constexpr std::int32_t first_bootstrap_id = -2;

/// Minimum time between two log lines about a server that throttles.
constexpr Duration throttle_quiet = std::chrono::minutes(1);
/// Minimum time between two log lines about an address that cannot be reached.
constexpr Duration unreached_quiet = std::chrono::minutes(1);

/// A server that does not answer in the general lane for this long is chosen last, and another one
/// is asked for metadata. A frozen server keeps its connections, so only request_timeout would
/// detect it.
constexpr Duration patience = std::chrono::seconds(5);
/// A server is also in doubt if setting up a connection takes this long.
constexpr Duration setup_patience = std::chrono::seconds(2);
/// Time between two checks for overdue answers.
constexpr Duration silence_look = std::chrono::seconds(1);

/// A refused login is forgotten if its address was not tried again for this long.
constexpr Duration forgotten_refusal = std::chrono::minutes(1);

/// Maximum number of servers whose bytes after the last field are logged.
constexpr std::size_t max_told_of = 1'000;

bool is_unknown(std::int16_t code) {
  return code == broker_error::unknown_topic_or_partition;
}

}  // namespace

Cluster::Cluster(ClientEnvironment environment, Options options)
    : environment_(std::move(environment)), options_(std::move(options)), view_(options_.view) {
  if (options_.sasl) login_.emplace(environment_, *std::exchange(options_.sasl, {}));
}

Cluster::~Cluster() {
  environment_.loop.cancel(timer_);
  environment_.loop.cancel(waiters_timer_);
  environment_.loop.cancel(patience_timer_);
  environment_.loop.cancel(silence_timer_);
}

Result<void> Cluster::replace_login(SaslOptions login) {
  if (closed_) return fail(*closed_);
  if (!login_) return fail(Error::configuration("sasl: this client was made without a login"));
  login_->replace(std::move(login));
  for (auto& [node, each] : reach_) {
    const Endpoint* address = endpoint_of(node);
    if (address != nullptr && refused_.contains(*address)) each.not_before = {};
  }
  refused_.clear();
  metadata_failure_.reset();
  view_.ask_at_once();
  doubt();
  notify();
  return {};
}

void Cluster::close(const Error& why) {
  if (closed_) return;
  closed_ = why;
  say_how_often_in_vain();
  environment_.loop.cancel(std::exchange(timer_, 0));
  environment_.loop.cancel(std::exchange(waiters_timer_, 0));
  environment_.loop.cancel(std::exchange(patience_timer_, 0));
  environment_.loop.cancel(std::exchange(silence_timer_, 0));
  auto links = std::exchange(links_, {});
  for (auto& [key, link] : links) link->close(why);
  auto waiters = std::exchange(waiters_, {});
  for (Waiter& waiter : waiters) waiter.then(fail(why));
}

const Endpoint* Cluster::endpoint_of(NodeId node) const {
  if (node.value <= first_bootstrap_id) {
    const auto index = static_cast<std::size_t>(first_bootstrap_id - node.value);
    return index < options_.bootstrap.size() ? &options_.bootstrap[index] : nullptr;
  }
  const auto found = view_.brokers().find(node);
  return found == view_.brokers().end() ? nullptr : &found->second;
}

Cluster::Reach& Cluster::reach(NodeId node) {
  const auto found = reach_.find(node);
  if (found != reach_.end()) return found->second;
  const Backoff backoff{options_.reconnect_backoff, options_.max_reconnect_backoff};
  return reach_.emplace(node, Reach{backoff}).first->second;
}

Result<std::shared_ptr<Link>> Cluster::link_to(NodeId node, ConnectionLane lane) {
  if (closed_) return fail(*closed_);
  const Key key{node, lane};
  if (const auto found = links_.find(key); found != links_.end()) {
    if (const Duration held = may_hold_back(lane); held != for_ever) {
      watch_silence(now() + held + patience);
    }
    return found->second;
  }
  const Endpoint* endpoint = endpoint_of(node);
  if (endpoint == nullptr) {
    doubt();
    return fail(Error::client(Errc::not_connected,
                              fmt::format("node {} is not in the cluster's metadata", node.value))
                    .with_retriable(true));
  }
  if (const Error* refusal = refusal_of(*endpoint)) return fail(*refusal);
  auto link = std::make_shared<Link>(environment_, options_.link, login_ ? &*login_ : nullptr,
                                     *this, *endpoint);
  links_.emplace(key, link);
  link->dial_at(reach(node).not_before);
  watch_silence(std::max(reach(node).not_before, now()) + setup_patience);
  doubt_unreached(node);
  return link;
}

std::vector<NodeId> Cluster::known_nodes() const {
  std::vector<NodeId> nodes;
  for (const auto& [node, endpoint] : view_.brokers()) nodes.push_back(node);
  return nodes;
}

std::vector<NodeId> Cluster::bootstrap_nodes() const {
  std::vector<NodeId> nodes;
  for (std::size_t i = 0; i < options_.bootstrap.size(); ++i) {
    nodes.push_back(NodeId{first_bootstrap_id - static_cast<std::int32_t>(i)});
  }
  return nodes;
}

NodeId Cluster::any_node() {
  const auto known = known_nodes();
  const bool none_answers = std::ranges::all_of(known, [this](NodeId node) {
    const auto found = reach_.find(node);
    return found != reach_.end() && found->second.backoff.failures() > 0;
  });
  const bool is_out_of_date = view_.should_rebootstrap(now());
  // Only outdated metadata is dropped. After lost connections the known servers stay, since other
  // and new connections to them work without new metadata.
  if (!known.empty() && is_out_of_date) view_.rebootstrap(now());
  return best_of(is_out_of_date || none_answers ? bootstrap_nodes() : known);
}

NodeId Cluster::best_of(const std::vector<NodeId>& nodes) {
  NodeId best;
  // Order: servers not in doubt, then by the oldest failure, since these may be back; ready ones by
  // load; then the one that can be dialled soonest; ties at random.
  std::tuple<TimePoint, bool, std::size_t, TimePoint, std::uint64_t> best_rank;
  for (const NodeId node : nodes) {
    const auto found = links_.find({node, ConnectionLane::general});
    const bool ready = found != links_.end() && found->second->is_ready();
    const auto rank = std::tuple(doubted_at(node), !ready, ready ? found->second->load() : 0,
                                 std::max(dialable_from(node), now()), environment_.random.next());
    if (best.is_none() || rank < best_rank) best = node, best_rank = rank;
  }
  return best;
}

TimePoint Cluster::doubted_at(NodeId node) const {
  TimePoint at = TimePoint::min();
  const Endpoint* endpoint = endpoint_of(node);
  // The same server has another id as a bootstrap address, so addresses are compared.
  for (const auto& [other, heard] : reach_) {
    const bool is_doubtful = heard.is_silent || heard.backoff.failures() > 0;
    if (!is_doubtful) continue;
    const Endpoint* of_other = endpoint_of(other);
    const bool is_same =
        other == node || (endpoint != nullptr && of_other != nullptr && *endpoint == *of_other);
    if (is_same) at = std::max(at, heard.failed_at);
  }
  return owes_answer(node) ? environment_.loop.tick().mono : at;
}

bool Cluster::owes_answer(NodeId node) const {
  const Endpoint* endpoint = endpoint_of(node);
  return std::ranges::any_of(links_, [&](const auto& entry) {
    const auto& [key, link] = entry;
    const bool is_same = key.node == node || (endpoint != nullptr && link->endpoint() == *endpoint);
    return is_same && is_late(key, *link);
  });
}

NodeId Cluster::controller() {
  const NodeId known = view_.controller();
  return view_.brokers().contains(known) && !owes_answer(known) ? known : any_node();
}

bool Cluster::is_in_doubt(NodeId node) const {
  return doubted_at(node) != TimePoint::min();
}

TimePoint Cluster::late_at(const Key& key, const Link& link) const {
  const TimePoint since = link.silent_since();
  if (since == never) return never;
  if (link.is_setting_up()) return since + setup_patience;
  const Duration held = may_hold_back(key.lane);
  return held == for_ever ? never : TimePoint(since + held + patience);
}

Duration Cluster::may_hold_back(ConnectionLane lane) const {
  const auto found = holding_lanes_.find(lane);
  return found == holding_lanes_.end() ? Duration{} : found->second;
}

void Cluster::watch_silence(TimePoint at) {
  if ((silence_timer_ != 0 && silence_at_ <= at) || closed_) return;
  environment_.loop.cancel(silence_timer_);
  silence_at_ = at;
  silence_timer_ = environment_.loop.arm(at, [this] {
    silence_timer_ = 0;
    look_for_silence();
  });
}

// A frozen server keeps its connections and accepts new ones. Without this check it would be in
// doubt only after request_timeout, and again only after connect_timeout.
void Cluster::look_for_silence() {
  TimePoint next = never;
  bool is_silent = false;
  for (const auto& [key, link] : links_) {
    const TimePoint at = late_at(key, *link);
    next = std::min(next, std::max<TimePoint>(at, now() + silence_look));
    if (at > now()) continue;
    is_silent = true;
    view_.doubt();
  }
  if (next != never) watch_silence(next);
  if (is_silent) plan_metadata();
  if (std::exchange(was_silent_, is_silent) || is_silent) notify();
}

bool Cluster::wants_unreached() const {
  return std::ranges::any_of(links_, [this](const auto& entry) {
    if (entry.first.node.value < 0) return false;
    if (is_late(entry.first, *entry.second)) return true;
    if (entry.second->is_ready()) return false;
    const auto heard = reach_.find(entry.first.node);
    return heard != reach_.end() && heard->second.backoff.failures() > 0;
  });
}

ConnectionLane Cluster::new_lane(Duration may_hold_back) {
  const auto lane = static_cast<ConnectionLane>(next_lane_++);
  if (may_hold_back > Duration::zero()) holding_lanes_.emplace(lane, may_hold_back);
  return lane;
}

void Cluster::take_back(NodeId node, ConnectionLane lane) {
  const auto found = links_.find({node, lane});
  if (found == links_.end()) return;
  const auto link = std::move(found->second);
  links_.erase(found);
  link->close(Error::client(Errc::connection_lost,
                            fmt::format("{} has not answered, and another server took its place",
                                        link->endpoint().to_string()))
                  .with_retriable(true));
}

void Cluster::close_lane(ConnectionLane lane, const Error& why) {
  std::vector<std::shared_ptr<Link>> closed;
  std::erase_if(links_, [&](auto& entry) {
    if (entry.first.lane != lane) return false;
    closed.push_back(entry.second);
    return true;
  });
  holding_lanes_.erase(lane);
  for (const auto& link : closed) link->close(why);
}

bool Cluster::prepare(NodeId node, ConnectionLane lane) {
  const auto link = link_to(node, lane);
  return link && (*link)->is_ready();
}

bool Cluster::is_ready(NodeId node, ConnectionLane lane) const {
  const auto found = links_.find({node, lane});
  return found != links_.end() && found->second->is_ready();
}

NodeId Cluster::node_of(const Link& link) const {
  const auto found =
      std::ranges::find_if(links_, [&](const auto& entry) { return entry.second.get() == &link; });
  return found == links_.end() ? NodeId{} : found->first.node;
}

void Cluster::on_link_ready(Link& link) {
  DOHLE_ASSERT(!node_of(link).is_none(), "a link is ready that is not in use");
  Reach& heard = reach(node_of(link));
  if (!options_.link.protocol.is_over_tls) options_.link.protocol.is_known_as_plain = true;
  heard.backoff.reset();
  refused_.erase(link.endpoint());
  heard.is_silent = false;
  heard.last_failure.clear();
  heard.is_unknown_host = false;
  heard.was_reached = true;
  ++times_reached_;
  if (const auto found = unreached_.find(link.endpoint().to_string()); found != unreached_.end()) {
    const std::uint64_t attempts = found->second.attempts;
    if (attempts != found->second.told && environment_.logger.level() <= LogLevel::warning) {
      environment_.logger.log(
          LogLevel::warning, "connection",
          fmt::format("{} is reached again after {} failed attempts", found->first, attempts));
    }
    unreached_.erase(found);
  }
  notify();
}

void Cluster::on_link_throttled(Link& link, Duration time) {
  DOHLE_ASSERT(!node_of(link).is_none(), "a link is throttled that is not in use");
  Reach& throttling = reach(node_of(link));
  ++throttling.throttled;
  if (now() < throttling.throttle_quiet_until) return;
  throttling.throttle_quiet_until = now() + throttle_quiet;
  if (environment_.logger.level() > LogLevel::warning) return;
  environment_.logger.log(
      LogLevel::warning, "connection",
      fmt::format("{} throttles this client: requests to it wait {} ms ({} times so far)",
                  link.endpoint().to_string(),
                  std::chrono::duration_cast<std::chrono::milliseconds>(time).count(),
                  throttling.throttled));
}

Error Cluster::on_link_closed(Link& link, const Error& how) {
  const auto found =
      std::ranges::find_if(links_, [&](const auto& entry) { return entry.second.get() == &link; });
  if (found == links_.end()) return how;
  const NodeId node = found->first.node;
  const auto alive = std::move(found->second);
  links_.erase(found);
  const Error why = unless_login_is_missing(link, how);
  Reach& lost = reach(node);
  lost.not_before = now() + lost.backoff.next(environment_.random);
  lost.failed_at = now();
  lost.is_silent = lost.is_silent || why.is(Errc::timed_out);
  lost.last_failure = fmt::format("{}{}", why.message(), note_on_advertised(node, link));
  lost.is_unknown_host = why.is(Errc::name_not_resolved) && !why.is_retriable();
  if (why.is_auth()) note_refusal(link.endpoint(), why);
  if (environment_.logger.level() <= LogLevel::info) {
    environment_.logger.log(LogLevel::info, "connection", why.message());
  }
  const bool is_unusual = why.is(Errc::malformed) || why.is(Errc::too_large) || why.is_auth();
  if (!link.was_ready() || is_unusual) warn_of_unreached(link, lost.last_failure);
  doubt_unreached(node);
  notify();
  return why;
}

// Servers close a connection without a word if they need a login and get another request.
Error Cluster::unless_login_is_missing(const Link& link, const Error& why) {
  const bool is_one = !has_metadata_ && link.was_closed_at_first_request();
  closed_at_first_request_ = is_one ? closed_at_first_request_ + 1 : 0;
  if (closed_at_first_request_ < max_closed_at_first_request) return why;
  return Error::auth(Errc::login_failed, why.message());
}

void Cluster::note_refusal(const Endpoint& address, const Error& why) {
  // Addresses that are asked no more, so that the servers of the cluster bound the others.
  std::erase_if(refused_, [&](const auto& entry) {
    return entry.second.not_before + forgotten_refusal < now();
  });
  Refused& refused = refused_.try_emplace(address, Refused{why}).first->second;
  refused.why = why;
  refused.not_before = now() + refused.backoff.next(environment_.random);
}

const Error* Cluster::refusal_of(const Endpoint& address) const {
  const auto found = refused_.find(address);
  if (found == refused_.end()) return nullptr;
  const bool is_tried = std::ranges::any_of(links_, [&](const auto& entry) {
    return !entry.second->is_ready() && entry.second->endpoint() == address;
  });
  return is_tried || now() < found->second.not_before ? &found->second.why : nullptr;
}

TimePoint Cluster::dialable_from(NodeId node) {
  const TimePoint at = reach(node).not_before;
  const Endpoint* address = endpoint_of(node);
  const auto found = address == nullptr ? refused_.end() : refused_.find(*address);
  return found == refused_.end() ? at : std::max(at, found->second.not_before);
}

// The failure of a first connection goes to the waiting caller. Later no call may be waiting, while
// records are neither sent nor received.
std::string_view Cluster::note_on_advertised(NodeId node, const Link& link) const {
  const auto reached = reach_.find(node);
  const bool was_reached =
      link.was_ready() || (reached != reach_.end() && reached->second.was_reached);
  const auto& given = options_.bootstrap;
  if (was_reached || node.value < 0 || std::ranges::find(given, link.endpoint()) != given.end()) {
    return {};
  }
  return "; the cluster advertises this address (advertised.listeners of the server), which "
         "cannot be reached from this machine";
}

void Cluster::say_how_often_in_vain() {
  if (environment_.logger.level() > LogLevel::warning) return;
  for (const auto& [address, each] : unreached_) {
    if (each.attempts == each.told) continue;
    environment_.logger.log(
        LogLevel::warning, "connection",
        fmt::format("{} was not reached in {} attempts", address, each.attempts));
  }
}

void Cluster::warn_of_unreached(const Link& link, std::string_view why) {
  if (!has_metadata_ || environment_.logger.level() > LogLevel::warning) return;
  Unreached& unreached = unreached_[link.endpoint().to_string()];
  ++unreached.attempts;
  if (now() < unreached.quiet_until) return;
  unreached.quiet_until = now() + unreached_quiet;
  unreached.told = unreached.attempts;
  environment_.logger.log(
      LogLevel::warning, "connection",
      fmt::format("{}; retrying ({} attempts so far)", why, unreached.attempts));
}

// Consumers and producers of the topic keep trying, since it may be created again.
void Cluster::warn_of_lost_topics(const wire::MetadataResponse& answer) {
  for (const auto& topic : answer.topics) {
    if (!topic.name || !is_unknown(topic.error_code)) continue;
    const bool was_there =
        view_.topic(*topic.name) != nullptr && view_.topic_error(*topic.name) == broker_error::none;
    if (!was_there) continue;
    environment_.logger.log(
        LogLevel::warning, "client",
        fmt::format("the server no longer has topic {}; waiting for it", *topic.name));
  }
}

void Cluster::note_trailing_bytes(const Link& link, const wire::Api& api, std::int16_t version) {
  if (environment_.logger.level() > LogLevel::info) return;
  if (told_of_trailing_bytes_.size() >= max_told_of) return;
  const std::string address = link.endpoint().to_string();
  if (!told_of_trailing_bytes_.insert(address).second) return;
  environment_.logger.log(
      LogLevel::info, "connection",
      fmt::format(
          "{} sends bytes after the last field of the answer to {} version {}; they are ignored, "
          "and further ones from this server are not logged",
          address, wire::api_name(api.key), version));
}

void Cluster::need(std::string_view topic, bool may_create) {
  view_.need(topic, may_create);
  plan_metadata();
}

void Cluster::hold(std::string_view topic) {
  view_.hold(topic);
  plan_metadata();
}

void Cluster::release(const std::string& topic) {
  if (view_.release(topic)) let_go(topic);
}

void Cluster::doubt() {
  view_.doubt();
  plan_metadata();
}

void Cluster::doubt_unreached(NodeId node) {
  if (node.value >= 0 && reach(node).backoff.failures() > 0) doubt();
}

bool Cluster::on_leader(std::string_view topic, PartitionId partition, PartitionLeader leader) {
  return view_.on_leader(topic, partition, leader);
}

void Cluster::plan_metadata() {
  if (closed_) return;
  const TimePoint at = view_.ask_at();
  if (at == timer_at_) return;
  environment_.loop.cancel(std::exchange(timer_, 0));
  timer_at_ = at;
  if (at == never) return;
  timer_ = environment_.loop.arm(at, [this] {
    timer_ = 0;
    timer_at_ = never;
    ask_metadata();
  });
}

void Cluster::ask_metadata() {
  if (now() < view_.ask_at()) return plan_metadata();
  // any_node may rebootstrap, so it comes before view_.ask.
  const NodeId node = any_node();
  const std::uint64_t question = ++last_question_;
  environment_.loop.cancel(patience_timer_);
  patience_timer_ =
      environment_.loop.arm(now() + patience, [this, question] { on_metadata_late(question); });
  ask(node, ConnectionLane::general, view_.ask(now()),
      Then<wire::MetadataRequest>([this, question](Result<wire::MetadataResponse> answer) {
        on_metadata(question, std::move(answer));
      }));
}

void Cluster::on_metadata_late(std::uint64_t question) {
  patience_timer_ = 0;
  if (closed_ || question <= last_answered_ || question != last_question_) return;
  view_.on_failed(now());
  plan_metadata();
}

void Cluster::on_metadata(std::uint64_t question, Result<wire::MetadataResponse> answer) {
  // A late answer counts if it is good and no later request was answered before it.
  if (closed_ || question <= last_answered_) return;
  if (question != last_question_ && !answer) return;
  last_answered_ = question;
  if (question == last_question_) environment_.loop.cancel(std::exchange(patience_timer_, 0));
  bool answered = false;
  if (wants_unreached()) view_.doubt();
  if (answer && environment_.logger.level() <= LogLevel::warning) warn_of_lost_topics(*answer);
  if (!answer) {
    metadata_failure_ = answer.error();
    view_.on_failed(now());
  } else if (auto taken = view_.on_answer(*answer, now()); !taken) {
    metadata_failure_ = taken.error();
  } else {
    metadata_failure_.reset();
    answered = true;
    has_metadata_ = true;
    drop_moved_nodes();
  }
  plan_metadata();
  settle_waiters(answered);
  notify();
}

void Cluster::drop_moved_nodes() {
  std::vector<std::shared_ptr<Link>> moved;
  std::erase_if(links_, [&](auto& entry) {
    const Endpoint* endpoint = endpoint_of(entry.first.node);
    if (endpoint != nullptr && *endpoint == entry.second->endpoint()) return false;
    moved.push_back(entry.second);
    return true;
  });
  for (const auto& link : moved) {
    link->close(Error::client(Errc::connection_lost,
                              fmt::format("the cluster's metadata no longer has a server at {}",
                                          link->endpoint().to_string())));
  }
}

Cluster::ObserverId Cluster::observe(std::move_only_function<void()> on_change) {
  observers_.push_back({next_observer_, std::move(on_change)});
  return next_observer_++;
}

void Cluster::forget(ObserverId id) {
  const auto found = std::ranges::find(observers_, id, &Observer::id);
  if (found == observers_.end()) return;
  found->is_forgotten = true;
  erase_forgotten();
}

// Within its call an observer may forget itself and others, for instance if it closes the client.
void Cluster::erase_forgotten() {
  if (notifying_ == 0)
    std::erase_if(observers_, [](const Observer& each) { return each.is_forgotten; });
}

void Cluster::notify() {
  ++notifying_;
  for (Observer& each : observers_) {
    if (!each.is_forgotten) each.on_change();
  }
  --notifying_;
  erase_forgotten();
}

Cluster::WaitId Cluster::when_topic(std::string_view topic, bool may_create, TimePoint deadline,
                                    std::move_only_function<void(Result<void>)> then) {
  if (closed_) {
    then(fail(*closed_));
    return 0;
  }
  waiters_.push_back({std::string(topic), deadline, std::move(then), true, ++last_wait_});
  const WaitId id = last_wait_;
  view_.want(topic, may_create);
  plan_metadata();
  settle_waiters(false);
  return id;
}

void Cluster::when_held_topic(std::string_view topic, TimePoint deadline,
                              std::move_only_function<void(Result<void>)> then) {
  if (closed_) return then(fail(*closed_));
  waiters_.push_back({std::string(topic), deadline, std::move(then), false});
  view_.want(topic, false);
  plan_metadata();
  settle_waiters(false);
}

Cluster::WaitId Cluster::when_connected(TimePoint deadline,
                                        std::move_only_function<void(Result<void>)> then) {
  if (closed_) {
    then(fail(*closed_));
    return 0;
  }
  waiters_.push_back({std::nullopt, deadline, std::move(then), true, ++last_wait_});
  const WaitId id = last_wait_;
  plan_metadata();
  settle_waiters(false);
  return id;
}

void Cluster::expire_wait(WaitId id) {
  const auto found = std::ranges::find(waiters_, id, &Waiter::id);
  if (id == 0 || found == waiters_.end()) return;
  found->deadline = TimePoint::min();
  settle_waiters(false);
}

std::optional<Result<void>> Cluster::outcome_for(Waiter& waiter, bool answered) {
  if (!waiter.topic) {
    if (has_metadata_) return Result<void>{};
    if (options_.fail_on_unknown_hosts && knows_no_host()) {
      return fail(Error::client(Errc::name_not_resolved, "no server can be reached" + troubles()));
    }
  } else {
    const TopicView* topic = view_.topic(*waiter.topic);
    if (topic != nullptr && !topic->partitions.empty()) return Result<void>{};
    const std::int16_t code = view_.topic_error(*waiter.topic);
    if (answered && is_unknown(code) && ++waiter.unknown_answers >= options_.max_unknown_answers) {
      return fail(Error::client(Errc::no_such_topic,
                                fmt::format("topic {} does not exist", *waiter.topic)));
    }
    // `answered` is required since a topic's last error may be minutes old; `want` has asked again.
    if (answered && code != broker_error::none && !Error::broker(code).is_retriable()) {
      return fail(Error::broker(code, fmt::format("look for topic {}", *waiter.topic)));
    }
  }
  if (metadata_failure_ && metadata_failure_->is_auth()) return fail(*metadata_failure_);
  if (now() < waiter.deadline) return std::nullopt;
  if (!waiter.topic) {
    return fail(Error::client(Errc::timed_out, "no server answered in time" + troubles()));
  }
  return fail(Error::client(
      Errc::timed_out, fmt::format("no metadata of topic {} in time{}{}", *waiter.topic, troubles(),
                                   last_word_on(*waiter.topic))));
}

bool Cluster::knows_no_host() const {
  return std::ranges::all_of(bootstrap_nodes(), [this](NodeId node) {
    const auto found = reach_.find(node);
    return found != reach_.end() && found->second.is_unknown_host;
  });
}

std::string Cluster::name_of(NodeId node) const {
  const Endpoint* endpoint = endpoint_of(node);
  return endpoint != nullptr ? endpoint->to_string() : fmt::format("node {}", node.value);
}

std::string Cluster::trouble_with(NodeId node, ConnectionLane lane) const {
  const auto reached = reach_.find(node);
  if (reached != reach_.end() && !reached->second.last_failure.empty()) {
    return reached->second.last_failure;
  }
  const auto link = links_.find({node, lane});
  return link == links_.end() ? std::string() : link->second->trouble();
}

std::string Cluster::troubles() const {
  std::string text;
  for (const auto& [node, each] : reach_) {
    const std::string trouble = trouble_with(node, ConnectionLane::general);
    if (!trouble.empty()) text += (text.empty() ? ": " : "; ") + trouble;
  }
  if (!metadata_failure_) return text;
  const std::string_view failure = metadata_failure_->message();
  if (text.find(failure) != std::string::npos) return text;
  return fmt::format("{}{}metadata: {}", text, text.empty() ? ": " : "; ", failure);
}

std::string Cluster::last_word_on(std::string_view topic) const {
  const std::int16_t code = view_.topic_error(topic);
  return code == broker_error::none ? std::string() : "; last: " + Error::broker(code).to_string();
}

void Cluster::settle_waiters(bool answered) {
  // Callbacks may add waiters and close the cluster, so they run after the list is updated.
  std::vector<std::pair<std::move_only_function<void(Result<void>)>, Result<void>>> settled;
  std::vector<std::string> left;
  TimePoint next = never;
  for (auto each = waiters_.begin(); each != waiters_.end();) {
    if (auto outcome = outcome_for(*each, answered)) {
      if (each->topic && *outcome && each->needs_it) view_.need(*each->topic, false);
      // Its holder may have released it meanwhile.
      if (each->topic && (!*outcome || !view_.is_needed_or_held(*each->topic))) {
        left.push_back(*each->topic);
      }
      settled.emplace_back(std::move(each->then), std::move(*outcome));
      each = waiters_.erase(each);
    } else {
      next = std::min(next, each->deadline);
      ++each;
    }
  }
  environment_.loop.cancel(std::exchange(waiters_timer_, 0));
  if (next != never) {
    waiters_timer_ = environment_.loop.arm(next, [this] {
      waiters_timer_ = 0;
      settle_waiters(false);
    });
  }
  for (const std::string& topic : left) let_go(topic);
  for (auto& [then, outcome] : settled) then(std::move(outcome));
}

/// Otherwise a missing topic would be requested once a second for ever.
void Cluster::let_go(const std::string& topic) {
  if (std::ranges::find(waiters_, topic, &Waiter::topic) == waiters_.end()) view_.let_go(topic);
}

}  // namespace dohle::client
