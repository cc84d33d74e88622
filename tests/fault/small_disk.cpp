#include "fault/small_disk.hpp"

#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstdlib>
#include <cstring>

namespace dohle::fault {

namespace {

constexpr const char* ballast = "ballast";
constexpr std::size_t page_bytes = 4096;

/// Data for the child, prepared before the fork, since the child may not allocate.
struct Words {
  std::string at;
  std::string options;
  std::string users;
  std::string groups;
};

bool write_file(const char* path, const std::string& text) {
  const int file = ::open(path, O_WRONLY | O_CLOEXEC);
  const bool is_written = ::write(file, text.data(), text.size()) == std::ssize(text);
  ::close(file);
  return is_written;
}

bool enter_user_namespace(const Words& words) {
  return ::unshare(CLONE_NEWUSER | CLONE_NEWNS) == 0 &&
         write_file("/proc/self/setgroups", "deny") &&
         write_file("/proc/self/uid_map", words.users) &&
         write_file("/proc/self/gid_map", words.groups);
}

bool mount_disk(const Words& words) {
  const bool is_apart = ::unshare(CLONE_NEWNS) == 0 || enter_user_namespace(words);
  return is_apart && ::mount(nullptr, "/", nullptr, MS_REC | MS_PRIVATE, nullptr) == 0 &&
         ::mount("dohle-fault", words.at.c_str(), "tmpfs", 0, words.options.c_str()) == 0;
}

[[noreturn]] void hold(const Words& words, int answer) {
  const int outcome = mount_disk(words) ? 0 : errno;
  ::prctl(PR_SET_PDEATHSIG, SIGKILL);
  (void)!::write(answer, &outcome, sizeof outcome);
  for (;;) ::pause();
}

}  // namespace

SmallDisk::SmallDisk(const std::filesystem::path& at, std::size_t bytes) {
  std::filesystem::create_directories(at);
  const std::string user = std::to_string(::getuid()), group = std::to_string(::getgid());
  const Words words{at.string(), "mode=0700,size=" + std::to_string(bytes),
                    user + " " + user + " 1", group + " " + group + " 1"};
  std::array<int, 2> answer{};
  if (::pipe2(answer.data(), O_CLOEXEC) != 0) std::abort();
  holder_ = ::fork();
  if (holder_ == 0) hold(words, answer[1]);
  ::close(answer[1]);
  int outcome = ECHILD;
  (void)!::read(answer[0], &outcome, sizeof outcome);
  ::close(answer[0]);
  if (outcome != 0) {
    fault_ = std::string("a file system of the test's own needs root or user namespaces: ") +
             std::strerror(outcome);
    return;
  }
  path_ = "/proc/" + std::to_string(holder_) + "/root" + at.string();
}

SmallDisk::~SmallDisk() {
  ::kill(holder_, SIGKILL);
  ::waitpid(holder_, nullptr, 0);
}

std::size_t SmallDisk::free_bytes() const {
  return std::filesystem::space(path_).available;
}

void SmallDisk::take(std::size_t bytes) {
  const int file =
      ::open((path_ / ballast).c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
  const std::array<char, page_bytes> page{};
  for (std::size_t pages = bytes / page_bytes; pages > 0; --pages) {
    if (::write(file, page.data(), page.size()) <= 0) break;
  }
  ::close(file);
}

void SmallDisk::give_back() {
  std::filesystem::remove(path_ / ballast);
}

}  // namespace dohle::fault
