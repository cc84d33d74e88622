#include "net/tls/followed_context.hpp"

#include <sys/stat.h>

#include <cerrno>
#include <cstdint>
#include <optional>
#include <utility>
#include <vector>

#include <fmt/format.h>

namespace dohle::net {

namespace {

/// Attributes of a file that change when the file is written or replaced.
struct Mark {
  int error = 0;
  std::uint64_t device = 0, inode = 0;
  std::int64_t size = 0, written_s = 0, written_ns = 0, changed_s = 0, changed_ns = 0;
  friend bool operator==(const Mark&, const Mark&) = default;
};

Mark mark_of(const std::string& path) {
  struct stat status{};
  if (::stat(path.c_str(), &status) != 0) return {.error = errno};
  return {.device = status.st_dev,
          .inode = status.st_ino,
          .size = status.st_size,
          .written_s = status.st_mtim.tv_sec,
          .written_ns = status.st_mtim.tv_nsec,
          .changed_s = status.st_ctim.tv_sec,
          .changed_ns = status.st_ctim.tv_nsec};
}

using Marks = std::vector<Mark>;

Marks marks_of(const TlsOptions& options) {
  Marks marks;
  const TlsTrust& trust = options.trust;
  const TlsIdentity& own = options.identity;
  for (const std::string* path :
       {&trust.ca_file, &trust.ca_folder, &trust.pkcs12_file, &trust.crl_file,
        &own.certificate_file, &own.key_file, &own.pkcs12_file}) {
    if (!path->empty()) marks.push_back(mark_of(*path));
  }
  return marks;
}

}  // namespace

struct FollowedContext::State {
  const TlsOptions options;
  const std::shared_ptr<Logger> logger;
  TlsContext context;
  Marks marks;                    // before the last reading, whatever came of it
  std::vector<Use> waiting = {};  // while a worker looks

  void warn_of_key() const {
    if (context.warning().empty() || logger->level() > LogLevel::warning) return;
    logger->log(LogLevel::warning, "connection", context.warning());
  }

  void take(Result<TlsContext> read) {
    if (read) {
      context = *std::move(read);
      warn_of_key();
      if (logger->level() > LogLevel::info) return;
      return logger->log(LogLevel::info, "connection",
                         "TLS: changed files were read again, for new connections");
    }
    if (logger->level() > LogLevel::warning) return;
    logger->log(LogLevel::warning, "connection",
                fmt::format("{}; the files have changed and cannot be used, so new connections "
                            "keep the former ones",
                            read.error().message()));
  }
};

FollowedContext::FollowedContext(std::shared_ptr<State> state) : state_(std::move(state)) {}

FollowedContext::~FollowedContext() = default;

Result<std::unique_ptr<FollowedContext>> FollowedContext::open(const TlsOptions& options,
                                                               std::shared_ptr<Logger> logger) {
  Marks marks = marks_of(options);
  auto context = TlsContext::client(options);
  if (!context) return fail(context.error());
  auto state = std::make_shared<State>(
      State{options, std::move(logger), *std::move(context), std::move(marks)});
  state->warn_of_key();
  return std::unique_ptr<FollowedContext>(new FollowedContext(std::move(state)));
}

void FollowedContext::next(Executor& loop, Workers& workers, Use use) {
  State& state = *state_;
  if (state.marks.empty()) return use(state.context);
  const bool is_looking = !state.waiting.empty();
  state.waiting.push_back(std::move(use));
  if (is_looking) return;
  struct Look {
    TlsOptions options;
    Marks before, found = {};
    std::optional<Result<TlsContext>> read = {};
  };
  auto look = std::make_shared<Look>(Look{state.options, state.marks});
  workers.run(
      [look] {
        look->found = marks_of(look->options);
        if (look->found != look->before) look->read = TlsContext::client(look->options);
      },
      loop,
      [weak = std::weak_ptr(state_), look] {
        const auto held = weak.lock();
        if (held == nullptr) return;
        held->marks = std::move(look->found);
        if (look->read) held->take(*std::move(look->read));
        for (Use& use : std::exchange(held->waiting, {})) use(held->context);
      });
}

}  // namespace dohle::net
