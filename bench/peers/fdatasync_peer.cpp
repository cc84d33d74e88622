// Measures the disk itself: writes to a preallocated file, SIZE bytes at a time, each followed by
// fdatasync.
//   fdatasync_peer FILE SIZE COUNT
#include <fcntl.h>
#include <unistd.h>

#include <cstdlib>
#include <vector>

#include <fmt/format.h>

#include "measured.hpp"

namespace {

[[noreturn]] void fail(const char* what) {
  std::perror(what);
  std::exit(1);
}

}  // namespace

int main(int argc, char** argv) {
  if (argc != 4) {
    fmt::print(stderr, "fdatasync_peer FILE SIZE COUNT\n");
    return 2;
  }
  const auto size = std::strtoull(argv[2], nullptr, 10);
  const auto count = std::strtoull(argv[3], nullptr, 10);
  const std::vector<char> bytes(size, 'x');
  const int file = open(argv[1], O_CREAT | O_TRUNC | O_WRONLY | O_CLOEXEC, 0600);
  if (file < 0) fail(argv[1]);
  if (const int error = posix_fallocate(file, 0, static_cast<off_t>(size * count)); error != 0) {
    errno = error;
    fail("fallocate");
  }
  if (fdatasync(file) != 0) fail("fdatasync");

  Measured measured;
  const Stopwatch watch;
  for (std::uint64_t i = 0; i < count; ++i) {
    const auto began = steady_ns();
    if (write(file, bytes.data(), size) != static_cast<ssize_t>(size)) fail("write");
    if (fdatasync(file) != 0) fail("fdatasync");
    measured.latencies.push_back(static_cast<double>(steady_ns() - began) / 1e6);
    measured.bytes += size;
    ++measured.records;
  }
  watch.into(measured);
  fmt::print("{}\n", measured.to_json());
  close(file);
  unlink(argv[1]);
}
