#include "wire/messages/alter_user_scram_credentials.hpp"

#include "wire/instantiate.hpp"

namespace dohle::wire {

DOHLE_WIRE_INSTANTIATE(AlterUserScramCredentialsRequest);
DOHLE_WIRE_INSTANTIATE(AlterUserScramCredentialsResponse);

}  // namespace dohle::wire
