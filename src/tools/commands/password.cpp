#include "tools/commands/password.hpp"

#include <string.h>  // explicit_bzero
#include <termios.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <csignal>
#include <cstdlib>
#include <string_view>
#include <system_error>

#include <CLI/CLI.hpp>

#include "base/secret_file.hpp"
#include "tools/commands/terminal.hpp"

namespace dohle::tools {

namespace {

constexpr std::size_t max_password_bytes = 1'024, max_password_file_bytes = 64 * 1024;

/// A terminal that does not show typed characters, until this object is destroyed or a signal ends
/// the process. One at a time.
class WithoutEcho {
 public:
  explicit WithoutEcho(int terminal) {
    is_changed_ = ::tcgetattr(terminal, &before_) == 0;
    if (!is_changed_) return;
    terminal_ = terminal;
    struct sigaction on_signal{};
    on_signal.sa_handler = end;
    for (std::size_t i = 0; i < ending_signals.size(); ++i) {
      (void)::sigaction(ending_signals[i], &on_signal, &former_[i]);
    }
    termios silent = before_;
    silent.c_lflag &= ~static_cast<tcflag_t>(ECHO);
    (void)::tcsetattr(terminal, TCSAFLUSH, &silent);
  }
  WithoutEcho(const WithoutEcho&) = delete;
  WithoutEcho& operator=(const WithoutEcho&) = delete;
  ~WithoutEcho() {
    if (!is_changed_) return;
    (void)::tcsetattr(terminal_, TCSAFLUSH, &before_);
    for (std::size_t i = 0; i < ending_signals.size(); ++i) {
      (void)::sigaction(ending_signals[i], &former_[i], nullptr);
    }
  }

 private:
  static constexpr std::array ending_signals = {SIGINT, SIGTERM, SIGQUIT, SIGHUP};

  // Calls only functions that a signal handler may call. The signal ends the process once the
  // handler has returned.
  static void end(int number) {
    (void)::tcsetattr(terminal_, TCSANOW, &before_);
    (void)!::write(STDERR_FILENO, "\n", 1);
    (void)::signal(number, SIG_DFL);
    (void)::raise(number);
  }

  // They belong to the process, since the signal handler needs them.
  static inline int terminal_ = -1;
  static inline termios before_{};
  std::array<struct sigaction, ending_signals.size()> former_{};
  bool is_changed_ = false;
};

Result<Secret> first_line_of(std::string_view text, const std::string& where) {
  std::string_view line = text.substr(0, text.find('\n'));
  if (line.ends_with('\r')) line.remove_suffix(1);
  if (line.empty()) return fail(Error::configuration(where + " holds no password"));
  if (line.size() <= max_password_bytes) return Secret(line);
  return fail(Error::configuration(where + " holds a password of more than " +
                                   std::to_string(max_password_bytes) + " bytes"));
}

/// Reads no further than the first line.
Result<Secret> first_line(int descriptor, const std::string& where) {
  std::array<char, max_password_bytes + 3> bytes{};
  std::size_t size = 0;
  while (size < bytes.size()) {
    const ssize_t got = ::read(descriptor, bytes.data() + size, bytes.size() - size);
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) {
      return fail(Error::configuration(
          where + " cannot be read: " + std::error_code(errno, std::generic_category()).message()));
    }
    const std::string_view all(bytes.data(), size + static_cast<std::size_t>(got));
    size = all.size();
    if (got == 0 || all.contains('\n')) break;
  }
  auto password = first_line_of({bytes.data(), size}, where);
  ::explicit_bzero(bytes.data(), bytes.size());
  return password;
}

Result<Secret> of_terminal() {
  (void)!::write(STDERR_FILENO, "Password: ", 10);
  const WithoutEcho silent(STDIN_FILENO);
  auto password = first_line(STDIN_FILENO, "the terminal");
  (void)!::write(STDERR_FILENO, "\n", 1);
  return password;
}

}  // namespace

Result<Secret> read_password_file(const std::string& path) {
  const auto file =
      SecretFile::read(path, {max_password_file_bytes, "max_password_file_bytes", true});
  if (!file) return fail(file.error());
  if (auto checked = file->check_private("a password"); !checked) return fail(checked.error());
  return first_line_of(file->text().reveal(), path);
}

void add_password_flags(CLI::App& app, PasswordSource& source) {
  auto* file = app.add_option("--password-file", source.file,
                              "File with the password, mode 0600 [$DOHLE_PASSWORD, else the first "
                              "line of standard input]")
                   ->type_name("FILE");
  app.add_option("--password", source.text,
                 "The password itself, which other users of the machine can see")
      ->type_name("TEXT")
      ->excludes(file);
}

Result<Secret> read_password(const std::string& command, const PasswordSource& source) {
  if (source.text) {
    say("dohle " + command +
        ": warning: other users of this machine can see a password on the command line; use "
        "--password-file, $DOHLE_PASSWORD or standard input");
    return Secret(*source.text);
  }
  if (!source.file.empty()) {
    auto password = read_password_file(source.file);
    if (!password) return fail(password.error().within("--password-file"));
    return password;
  }
  // Read before any thread starts.
  if (const char* text = std::getenv("DOHLE_PASSWORD")) return Secret(text);
  return ::isatty(STDIN_FILENO) == 1 ? of_terminal() : first_line(STDIN_FILENO, "standard input");
}

}  // namespace dohle::tools
