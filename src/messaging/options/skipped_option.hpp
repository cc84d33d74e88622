#pragma once

#include "dohle/broker.hpp"
#include "dohle/broker_options.hpp"

// A build of its own shows that the test of each option sees the option's effect: in that build the
// environment variable DOHLE_SKIP_OPTION names a row of an option table, as "broker.batch_size",
// "publish.key", "request.timeout" or "subscribe.partition", and its member is put back to its
// default whenever options are taken over. The row's test then has to fail.

namespace dohle::messaging {

#ifdef DOHLE_SKIPS_OPTIONS
void skip_option(kafka::BrokerOptions& options);
void skip_option(PublishOptions& options);
void skip_option(SubscribeOptions& options);
void skip_option(RequestOptions& options);
#else
inline void skip_option(const auto& /*options*/) {}
#endif

}  // namespace dohle::messaging
