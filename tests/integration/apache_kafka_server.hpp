#pragma once

#include <gtest/gtest.h>

#include <string>

#include "printed_by.hpp"
#include "scratch_directory.hpp"

namespace dohle {

/// One Apache Kafka 4.3.1, which scripts/apache-kafka starts in a directory of its own. The
/// destructor stops it.
class ApacheKafkaServer {
 public:
  /// `options` are those of `apache-kafka start`.
  explicit ApacheKafkaServer(const std::string& options = {}) {
    const std::string printed = run("start", " --lifetime 600 " + options);
    address_ = after("ready ", printed);
    EXPECT_NE(address_, "") << printed;
    sasl_address_ = after("sasl ", printed);
    tls_address_ = after("tls ", printed);
  }
  ~ApacheKafkaServer() { run("stop"); }
  ApacheKafkaServer(const ApacheKafkaServer&) = delete;
  ApacheKafkaServer& operator=(const ApacheKafkaServer&) = delete;

  [[nodiscard]] const std::string& address() const { return address_; }
  /// The listener that `--sasl` adds.
  [[nodiscard]] const std::string& sasl_address() const { return sasl_address_; }
  /// The listener that `--tls` adds, at localhost.
  [[nodiscard]] const std::string& tls_address() const { return tls_address_; }
  /// The directory of the partitions' directories.
  [[nodiscard]] std::string data() const { return directory_.path() + "/node/data"; }
  /// SIGKILL.
  void kill() const { run("kill9"); }
  void restart() const { run("restart"); }

 private:
  std::string run(const std::string& verb, const std::string& options = {}) const {
    return printed_by(std::string(DOHLE_SCRIPTS) + "/apache-kafka " + verb + " " +
                      directory_.path() + "/node" + options);
  }

  /// The rest of the line that begins with `word`; empty if there is none.
  static std::string after(const std::string& word, const std::string& printed) {
    const auto at = printed.find(word);
    if (at == std::string::npos) return {};
    return printed.substr(at + word.size(), printed.find('\n', at) - at - word.size());
  }

  ScratchDirectory directory_;
  std::string address_;
  std::string sasl_address_;
  std::string tls_address_;
};

}  // namespace dohle
