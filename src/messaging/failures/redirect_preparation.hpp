#pragma once

#include <atomic>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "dohle/error.hpp"
#include "messaging/failures/retry_topics.hpp"

namespace dohle::messaging {

/// Makes the retry topics and the topics for dead letters of topics that match a pattern. That
/// takes several requests for each, so a thread of its own waits for them. Thread safety: one
/// thread at a time.
class RedirectPreparation {
 public:
  using Make = std::function<Result<RedirectTopics>(const std::string& topic)>;
  struct Made {
    std::string topic;
    Result<RedirectTopics> redirects;
  };

  /// Calls `make` for each topic on the thread, then `on_done`.
  RedirectPreparation(std::vector<std::string> topics, Make make, std::function<void()> on_done);
  RedirectPreparation(const RedirectPreparation&) = delete;
  RedirectPreparation& operator=(const RedirectPreparation&) = delete;
  /// Does not wait: the thread ends after the topic that it is at, and calls nothing.
  ~RedirectPreparation();

  [[nodiscard]] bool is_done() const;
  /// Once it is done.
  [[nodiscard]] std::vector<Made> take();

 private:
  struct Work;
  static void run(Work& work);

  const std::shared_ptr<Work> work_;
};

}  // namespace dohle::messaging
