#pragma once

#include <chrono>
#include <string>
#include <string_view>

namespace dohle::tools {

/// A progress line on standard error that is redrawn in place. It is drawn only if standard error
/// is a terminal and `beside`, the descriptor that the command reads records from or writes them
/// to, is not. Lines of `say` appear above it.
class ProgressLine {
 public:
  ProgressLine(bool is_quiet, int beside);
  ProgressLine(const ProgressLine&) = delete;
  ProgressLine& operator=(const ProgressLine&) = delete;
  /// Removes the line.
  ~ProgressLine();

  /// True if the line is shown on a terminal and its last drawing is at least 100 ms old.
  [[nodiscard]] bool is_due() const;
  void show(std::string_view line);
  void clear();

 private:
  bool is_shown_;
  std::chrono::steady_clock::time_point last_{};
};

/// Clears the progress line if one is drawn. It is redrawn when it is due. Any thread.
void clear_progress();
/// Writes a line to standard error, in place of a drawn progress line. Any thread.
void say(std::string_view line);

/// Asks on the terminal whether to continue. True for y and yes. If standard input is not a
/// terminal, it asks nothing, prints a sentence that names --yes, and returns false.
bool confirm(std::string_view command, std::string_view question);

/// From its construction on, records the first SIGINT or SIGTERM. A second signal more than a
/// second later ends the process; an earlier one is ignored, since GNU timeout and some supervisors
/// send two at once.
class Interrupt {
 public:
  Interrupt();
  [[nodiscard]] static bool is_set();
  /// Sleeps until `time`. Returns early, with false, if the interrupt is set. Any thread.
  static bool sleep_until(std::chrono::steady_clock::time_point time);
};

/// Opens a file that refuses all use for each closed standard descriptor. Otherwise the first
/// opened file or connection would get the descriptor, and the command's output would go there.
void hold_standard_descriptors();

/// Writes all of `text` to standard output. False if an Interrupt ends its wait for a full pipe,
/// and if it fails or has failed before. The first failure is reported on standard error.
bool write_out(std::string_view text);
/// False once write_out has failed for a reason other than an Interrupt.
bool is_all_written();

}  // namespace dohle::tools
