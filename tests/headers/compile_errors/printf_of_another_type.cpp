// The only error: error: format
#include "dohle/logger.hpp"

void use(dohle::Logger& logger) {
  logger.printf("%d messages", "five");
}
