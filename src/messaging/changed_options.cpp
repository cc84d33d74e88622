#include "messaging/changed_options.hpp"

#include <variant>

namespace dohle::messaging {

namespace {

/// Stands in for a function, to detect whether a change replaces it.
struct Untouched {
  void operator()(const Failure&) const {}
  PublishHandler operator()(PublishHandler next) const { return next; }
  SubscribeHandler operator()(SubscribeHandler next) const { return next; }
};

template <class Function>
bool is_untouched(const Function& function) {
  return function.template target<Untouched>() != nullptr;
}
template <class Function>
bool is_untouched(const std::vector<Function>& functions) {
  return functions.size() == 1 && is_untouched(functions.front());
}

template <class T>
bool is_equal(const T& a, const T& b) {
  return a == b;
}

}  // namespace

std::string changed_options(const kafka::BrokerOptions& options,
                            const std::vector<BrokerOption>& changes) {
  kafka::BrokerOptions changed = options;
  changed.error_handler = Untouched{};
  changed.publish_middlewares = {Untouched{}};
  changed.subscribe_middlewares = {Untouched{}};
  for (const BrokerOption& change : changes) change(changed);
  std::string names;
  const auto name = [&names](const char* option, bool is_changed) {
    if (!is_changed) return;
    if (!names.empty()) names += ", ";
    names += option;
  };
  const auto compare = [&](const char* option, auto kafka::BrokerOptions::* field) {
    name(option, !is_equal(options.*field, changed.*field));
  };
  using O = kafka::BrokerOptions;
  compare("addresses", &O::addresses);
  compare("client_id", &O::client_id);
  compare("dialer_timeout", &O::dialer_timeout);
  compare("read_timeout", &O::read_timeout);
  compare("sasl", &O::sasl);
  compare("tls", &O::tls);
  compare("enable_secure", &O::enable_secure);
  compare("properties", &O::properties);
  compare("async", &O::async);
  compare("batch_size", &O::batch_size);
  compare("batch_bytes", &O::batch_bytes);
  compare("batch_timeout", &O::batch_timeout);
  compare("allow_publish_auto_topic_creation", &O::allow_publish_auto_topic_creation);
  compare("compression", &O::compression);
  compare("compression_level", &O::compression_level);
  compare("group_id", &O::group_id);
  compare("failure_policy", &O::failure_policy);
  compare("start_offset", &O::start_offset);
  compare("queue_capacity", &O::queue_capacity);
  compare("min_bytes", &O::min_bytes);
  compare("max_bytes", &O::max_bytes);
  compare("max_wait", &O::max_wait);
  compare("heartbeat_interval", &O::heartbeat_interval);
  compare("session_timeout", &O::session_timeout);
  compare("rebalance_timeout", &O::rebalance_timeout);
  compare("max_poll_interval", &O::max_poll_interval);
  compare("commit_interval", &O::commit_interval);
  compare("partition_watch_interval", &O::partition_watch_interval);
  compare("read_backoff_min", &O::read_backoff_min);
  compare("read_backoff_max", &O::read_backoff_max);
  name("publish_middlewares", !is_untouched(changed.publish_middlewares));
  name("subscribe_middlewares", !is_untouched(changed.subscribe_middlewares));
  name("error_handler", !is_untouched(changed.error_handler));
  compare("logger", &O::logger);
  compare("error_logger", &O::error_logger);
  compare("enable_logger", &O::enable_logger);
  compare("enable_error_logger", &O::enable_error_logger);
  return names;
}

}  // namespace dohle::messaging
