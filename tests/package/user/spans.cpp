// A user's program with the optional target dohle::otlp.
#include <dohle/otlp.hpp>

#include <chrono>
#include <cstdio>

int main() {
  const auto exporter = dohle::OtlpExporter::create({.endpoint = "http://127.0.0.1:1/v1/traces"});
  if (!exporter) return 1;
  if (!(*exporter)->close(std::chrono::seconds(1))) return 1;
  std::printf("%zu spans are left\n", (*exporter)->counts().queued);
  return 0;
}
