#include "node_process.hpp"

#include <fcntl.h>
#include <poll.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <csignal>
#include <cstdlib>
#include <cstring>
#include <fstream>
#include <vector>

namespace birdstrikes {

namespace {

using Clock = std::chrono::steady_clock;
constexpr std::chrono::seconds max_ready_wait{10};

dohle::Error failure(const std::string& what) {
  return dohle::Error::storage(dohle::Errc::io_error, what + ": " + std::strerror(errno));
}

std::chrono::milliseconds since(Clock::time_point start) {
  return std::chrono::duration_cast<std::chrono::milliseconds>(Clock::now() - start);
}

}  // namespace

NodeProcess::~NodeProcess() {
  kill();
  std::error_code ignored;
  if (!directory_.empty()) std::filesystem::remove_all(directory_, ignored);
}

dohle::Result<void> NodeProcess::start() {
  if (::access(command_.c_str(), X_OK) != 0) return dohle::fail(failure(command_.string()));
  if (const auto made = make_directory(); !made) return made;
  int pipe[2];
  if (::pipe2(pipe, O_CLOEXEC) != 0) return dohle::fail(failure("a pipe to the node"));
  const auto began = Clock::now();
  spawn(pipe[1]);
  ::close(pipe[1]);
  auto ready = await_ready(pipe[0]);
  ::close(pipe[0]);
  ready_after_ = since(began);
  return ready;
}

dohle::Result<void> NodeProcess::make_directory() {
  if (!directory_.empty()) return {};
  std::string name = (std::filesystem::temp_directory_path() / "birdstrikes-XXXXXX").string();
  if (::mkdtemp(name.data()) == nullptr) return dohle::fail(failure(name));
  directory_ = name;
  return {};
}

void NodeProcess::spawn(int output) {
  const std::string data = directory_ / "data", log = directory_ / "log";
  const std::string listen = address_.empty() ? "127.0.0.1:0" : address_;
  std::vector<std::string> words{command_, "node", "--data", data, "--listen", listen};
  std::vector<char*> arguments;
  for (std::string& word : words) arguments.push_back(word.data());
  arguments.push_back(nullptr);
  const int errors = ::open(log.c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
  pid_ = ::fork();
  if (pid_ == 0) {
    ::prctl(PR_SET_PDEATHSIG, SIGKILL);
    ::setpgid(0, 0);  // only the demo receives an interrupt from the terminal
    ::dup2(output, STDOUT_FILENO);
    ::dup2(errors, STDERR_FILENO);
    ::execv(arguments[0], arguments.data());
    ::_exit(127);
  }
  if (errors >= 0) ::close(errors);
}

dohle::Result<void> NodeProcess::await_ready(int output) {
  const auto began = Clock::now();
  std::string line;
  while (line.find('\n') == line.npos) {
    const auto left = max_ready_wait - since(began);
    pollfd readable{output, POLLIN, 0};
    if (left.count() <= 0 || ::poll(&readable, 1, static_cast<int>(left.count())) == 0) {
      return dohle::fail(
          dohle::Error::client(dohle::Errc::timed_out, "the node was not ready within 10 s"));
    }
    char bytes[256];
    const auto got = ::read(output, bytes, sizeof bytes);
    if (got < 0 && errno == EINTR) continue;
    if (got <= 0) {
      return dohle::fail(dohle::Error::client(
          dohle::Errc::closed, "the node ended before it was ready: " + last_words()));
    }
    line.append(bytes, static_cast<std::size_t>(got));
  }
  constexpr std::string_view ready = "ready ";
  if (!line.starts_with(ready)) {
    return dohle::fail(dohle::Error::client(dohle::Errc::malformed,
                                            "the node said '" + line + "' instead of 'ready'"));
  }
  address_ = line.substr(ready.size(), line.find('\n') - ready.size());
  return {};
}

std::string NodeProcess::last_words() const {
  std::ifstream log(directory_ / "log");
  std::string last;
  for (std::string line; std::getline(log, line);) last = line;
  return last;
}

void NodeProcess::kill() {
  if (pid_ <= 0) return;
  ::kill(pid_, SIGKILL);
  ::waitpid(pid_, nullptr, 0);
  pid_ = 0;
}

}  // namespace birdstrikes
