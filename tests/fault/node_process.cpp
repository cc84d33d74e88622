#include "fault/node_process.hpp"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cstdlib>
#include <fstream>
#include <sstream>

namespace dohle::fault {

namespace {

using Clock = std::chrono::steady_clock;
constexpr auto max_ready_wait = std::chrono::seconds(30);

/// DOHLE_PROBE_COMMAND measures another build in the place of this one.
std::string command_file() {
  const char* other = std::getenv("DOHLE_PROBE_COMMAND");
  return other != nullptr ? other : DOHLE_COMMAND_FILE;
}

}  // namespace

NodeProcess::NodeProcess(const std::filesystem::path& data, std::vector<std::string> more,
                         unsigned max_descriptors)
    : errors_(data.string() + ".stderr") {
  std::vector<std::string> words{command_file(), "node", "--data", data.string()};
  if (std::ranges::find(more, "--listen") == more.end()) {
    words.insert(words.end(), {"--listen", "127.0.0.1:0"});
  }
  words.insert(words.end(), more.begin(), more.end());
  std::vector<char*> arguments;
  for (std::string& word : words) arguments.push_back(word.data());
  arguments.push_back(nullptr);
  int out[2];
  if (::pipe2(out, O_CLOEXEC) != 0) std::abort();
  const int errors = ::open(errors_.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
  const auto before = Clock::now();
  pid_ = ::fork();
  if (pid_ == 0) {
    ::prctl(PR_SET_PDEATHSIG, SIGKILL);
    const rlimit limit{max_descriptors, max_descriptors};
    if (max_descriptors > 0) ::setrlimit(RLIMIT_NOFILE, &limit);
    ::dup2(out[1], STDOUT_FILENO);
    ::dup2(errors, STDERR_FILENO);
    ::execv(arguments[0], arguments.data());
    ::_exit(127);
  }
  ::close(errors);
  ::close(out[1]);
  wait_until_ready(out[0]);
  ready_after_ = std::chrono::duration_cast<std::chrono::microseconds>(Clock::now() - before);
  ::close(out[0]);
}

NodeProcess::~NodeProcess() {
  kill();
}

// "ready 127.0.0.1:PORT"
void NodeProcess::wait_until_ready(int standard_output) {
  const auto deadline = Clock::now() + max_ready_wait;
  std::string text;
  while (text.find('\n') == text.npos) {
    const auto left =
        std::chrono::duration_cast<std::chrono::milliseconds>(deadline - Clock::now());
    pollfd waiting{standard_output, POLLIN, 0};
    if (left.count() <= 0 || ::poll(&waiting, 1, static_cast<int>(left.count())) <= 0) return;
    char bytes[256];
    const auto got = ::read(standard_output, bytes, sizeof bytes);
    if (got <= 0) return;
    text.append(bytes, static_cast<std::size_t>(got));
  }
  const auto colon = text.rfind(':');
  if (text.starts_with("ready ") && colon != text.npos) {
    port_ = static_cast<std::uint16_t>(std::stoul(text.substr(colon + 1)));
  }
}

std::size_t number_in(const std::string& path, std::string_view word) {
  std::ifstream file(path);
  std::string name;
  std::size_t number = 0;
  while (file >> name) {
    if (name == word) file >> number;
  }
  return number;
}

std::size_t status_bytes(const std::string& process, std::string_view wanted) {
  return number_in("/proc/" + process + "/status", wanted) * 1024;
}

std::chrono::milliseconds NodeProcess::cpu_time() const {
  std::ifstream file("/proc/" + std::to_string(pid_) + "/stat");
  std::string text;
  std::getline(file, text);
  std::istringstream words(text.substr(text.rfind(')') + 1));
  std::string skipped;
  for (int i = 0; i < 11; ++i) words >> skipped;
  long user = 0, system = 0;
  words >> user >> system;
  return std::chrono::milliseconds((user + system) * 1'000 / ::sysconf(_SC_CLK_TCK));
}

std::size_t NodeProcess::reads() const {
  return number_in("/proc/" + std::to_string(pid_) + "/io", "syscr:");
}

std::size_t NodeProcess::waits_of_loop() const {
  std::size_t waits = 0;
  const std::string tasks = "/proc/" + std::to_string(pid_) + "/task";
  for (const auto& task : std::filesystem::directory_iterator(tasks)) {
    std::ifstream file(task.path() / "comm");
    std::string name;
    std::getline(file, name);
    if (name == "dohle-node")
      waits += number_in(task.path() / "status", "voluntary_ctxt_switches:");
  }
  return waits;
}

std::size_t NodeProcess::resident_bytes() const {
  std::ifstream file("/proc/" + std::to_string(pid_) + "/statm");
  std::size_t all = 0, resident = 0;
  file >> all >> resident;
  return resident * static_cast<std::size_t>(::sysconf(_SC_PAGESIZE));
}

std::size_t NodeProcess::max_resident_bytes() const {
  return status_bytes(std::to_string(pid_), "VmHWM:");
}

std::string NodeProcess::lines() const {
  std::ifstream file(errors_, std::ios::binary);
  std::ostringstream text;
  text << file.rdbuf();
  return text.str();
}

void NodeProcess::freeze() const {
  ::kill(pid_, SIGSTOP);
}

int NodeProcess::end(int signal) {
  if (pid_ == 0) return -1;
  ::kill(pid_, signal);
  int status = 0;
  ::waitpid(pid_, &status, 0);
  pid_ = 0;
  return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

}  // namespace dohle::fault
