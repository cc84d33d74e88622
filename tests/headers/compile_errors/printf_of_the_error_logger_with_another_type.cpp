// The only error: error: format
#include "dohle/logger.hpp"

void use(dohle::kafka::ErrorLogger& logger) {
  logger.printf("%d messages", "five");
}
