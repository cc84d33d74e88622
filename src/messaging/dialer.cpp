#include "dohle/dialer.hpp"

#include "dohle/options.hpp"

namespace dohle::messaging {

namespace {

template <class Member, class Field>
void set_if_given(Member& member, const Field& field) {
  if (field) member = *field;
}
template <class Function>
void set_function(Function& member, const Function& field) {
  if (field) member = field;
}

void apply_fallback(kafka::BrokerOptions& options, const kafka::Dialer& dialer) {
  set_if_given(options.dialer_fallback_delay, dialer.fallback_delay);
  if (!dialer.dual_stack) return;
  const bool is_off = dialer.fallback_delay && dialer.fallback_delay->count() < 0;
  if (dialer.fallback_delay && is_off == *dialer.dual_stack) {
    options.refused_fields.push_back(
        "Dialer::dual_stack is " + std::string(*dialer.dual_stack ? "true" : "false") +
        " and Dialer::fallback_delay is " + std::to_string(dialer.fallback_delay->count()) +
        " ms; leave out one of them");
  }
  if (dialer.fallback_delay) return;
  options.dialer_fallback_delay.reset();
  if (!*dialer.dual_stack) options.dialer_fallback_delay = std::chrono::milliseconds(-1);
}

}  // namespace

void apply_dialer(kafka::BrokerOptions& options, const kafka::Dialer& dialer) {
  set_if_given(options.client_id, dialer.client_id);
  set_function(options.dialer_function, dialer.dial_function);
  set_if_given(options.dialer_timeout, dialer.timeout);
  set_if_given(options.dialer_deadline, dialer.deadline);
  set_if_given(options.dialer_local_address, dialer.local_address);
  apply_fallback(options, dialer);
  set_if_given(options.dialer_keep_alive, dialer.keep_alive);
  set_function(options.dialer_resolver, dialer.resolver);
  set_if_given(options.tls, dialer.tls);
  set_if_given(options.sasl, dialer.sasl_mechanism);
  if (dialer.transactional_id) {
    options.refused_fields.push_back("Dialer::transactional_id is " + *dialer.transactional_id +
                                     "; a Broker has no transactions, so it would have no effect");
  }
}

}  // namespace dohle::messaging
