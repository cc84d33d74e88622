#pragma once

#include <cstddef>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <utility>

#include "messaging/failures/retry_topics.hpp"

namespace dohle::messaging {

/// The retry topics and dead letters of each topic that a subscription reads. Not thread safe.
class RedirectBook {
 public:
  struct Place {
    std::shared_ptr<const RedirectTopics> topics;
    /// 0 for a source, otherwise the number of the retry topic.
    std::size_t level = 0;
  };

  /// `common`: of each source that is not set.
  explicit RedirectBook(RedirectTopics common);

  /// Sets the topics of one source, also for its retry topics. `topics` has the delays of `common`.
  void set(const std::string& source, RedirectTopics topics);
  /// The source is no longer read.
  void drop(const std::string& source);
  /// The place of a source or of a retry topic.
  [[nodiscard]] Place find(std::string_view topic) const;

 private:
  const std::shared_ptr<const RedirectTopics> common_;
  std::map<std::string, std::shared_ptr<const RedirectTopics>, std::less<>> by_source_;
  /// A retry topic, and the number of sources that share it because of a prefix.
  struct Retry {
    Place place;
    std::size_t sources = 0;
  };
  std::map<std::string, Retry, std::less<>> by_retry_topic_;
};

}  // namespace dohle::messaging
