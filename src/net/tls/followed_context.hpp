#pragma once

#include <functional>
#include <memory>

#include "base/executor.hpp"
#include "dohle/logger.hpp"
#include "net/tls/tls_context.hpp"

namespace dohle::net {

/// The context of a client's next connections. It follows the files of the options: before each
/// connection a worker looks whether one of them has changed (stat), and reads them again if so. A
/// server with replaced certificates would otherwise refuse a client that was given its own in
/// time, and such a refusal fails calls. Files that cannot be used leave the former context in use;
/// that is logged once for each change.
///
/// Loop thread only, but for `open`.
class FollowedContext {
 public:
  using Use = std::move_only_function<void(const TlsContext&)>;

  /// Reads the files. Errors: as TlsContext::client.
  [[nodiscard]] static Result<std::unique_ptr<FollowedContext>> open(
      const TlsOptions& options, std::shared_ptr<Logger> logger = silent_logger());
  ~FollowedContext();
  FollowedContext(const FollowedContext&) = delete;
  FollowedContext& operator=(const FollowedContext&) = delete;

  /// `use` runs on `loop`: at once without files, or after a worker has looked. It does not run
  /// after this object has gone. The loop outlives the workers.
  void next(Executor& loop, Workers& workers, Use use);

 private:
  struct State;
  explicit FollowedContext(std::shared_ptr<State> state);

  std::shared_ptr<State> state_;
};

}  // namespace dohle::net
