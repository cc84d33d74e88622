#pragma once

// The optional target dohle::web: pages about the program over HTTP. It needs cpp-httplib, which
// the library itself does not.

#include <functional>
#include <memory>
#include <string>

#include "dohle/error.hpp"
#include "dohle/export.hpp"
#include "dohle/server.hpp"

namespace dohle {
inline namespace v0 {
/// Pages about the program over HTTP: the target dohle::web.
namespace web {

/// The options of health_page.
struct HealthPageOptions {
  /// Default: "127.0.0.1:8080". "HOST:PORT" or "[IPv6]:PORT" to listen on; with port 0 the system
  /// chooses one. Every client that reaches the address may read the page.
  std::string address = "127.0.0.1:8080";
  /// Default: none, /metrics has the counts of the Server's Broker. Returns another body of
  /// /metrics, for a program that has more to show: Prometheus' text format 0.0.4. Called on the
  /// page's threads, several at a time. An exception becomes status 500.
  std::function<std::string()> metrics = nullptr;
};

/// A page that answers GET requests over HTTP/1.1 while its Server runs, on two threads of its own:
///
///     /health        200 if the Server is ready, else 503; ServerHealth::to_json
///     /health/live   200 if it is alive, else 503; for a liveness probe
///     /health/ready  200 if it is ready, else 503; for a readiness probe
///     /metrics       200 with the options' metrics, or the Server's; 404 if there are neither
///
/// Limits: 8 KiB for a request with all header lines, no body, 5 s to receive a request, 5 s to
/// send an answer, 16 waiting connections. A stop ends requests that have not arrived completely. A
/// page serves one Server at a time. Errors: configuration. Errors of its start: io_error if it
/// cannot listen on the address.
[[nodiscard]] DOHLE_API Result<std::shared_ptr<HealthPage>> health_page(
    HealthPageOptions options = {});

}  // namespace web
}  // namespace v0
}  // namespace dohle
