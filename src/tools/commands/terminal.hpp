#pragma once

#include <chrono>
#include <string>
#include <string_view>

namespace dohle::tools {

/// One line on standard error that is drawn again in place. It is drawn only where standard error
/// is a terminal and nobody types or reads on it meanwhile: not where `beside`, the descriptor that
/// the command reads records from or writes them to, is a terminal as well. Lines of `say` go above
/// it.
class Progress {
 public:
  Progress(bool is_quiet, int beside);
  Progress(const Progress&) = delete;
  Progress& operator=(const Progress&) = delete;
  /// Removes the line.
  ~Progress();

  /// True when a terminal sees it and the last line is a tenth of a second old.
  [[nodiscard]] bool is_due() const;
  void show(std::string_view line);
  void clear();

 private:
  bool is_shown_;
  std::chrono::steady_clock::time_point last_{};
};

/// Takes away a progress that is drawn; it comes back when it is due. Any thread.
void clear_progress();
/// Writes a line to standard error, in place of a progress that is drawn there. Any thread.
void say(std::string_view line);

/// Asks on the terminal whether to go on; the answer has to be y or yes. Where standard input is no
/// terminal, nothing is asked and the answer is no, with a sentence that names --yes.
bool confirm(std::string_view command, std::string_view question);

/// From its construction on, the first SIGINT or SIGTERM is noted. One that follows more than a
/// second later ends the process; GNU timeout and some supervisors send two at once.
class Interrupt {
 public:
  Interrupt();
  [[nodiscard]] static bool is_set();
  /// False, and early, when it is set before that time. Any thread.
  static bool sleep_until(std::chrono::steady_clock::time_point time);
};

/// Gives those of the three standard descriptors that are closed to a file that refuses all use:
/// the first file or connection opened would get them otherwise, and our output with them.
void hold_standard_descriptors();

/// Writes all of `text` to standard output. False when an Interrupt ends its wait for a full pipe,
/// and when it fails or has failed before; the first failure is said on standard error.
bool write_out(std::string_view text);
/// False once write_out has failed, other than by an Interrupt.
bool is_all_written();

}  // namespace dohle::tools
