#pragma once

#include <chrono>
#include <string>
#include <string_view>

namespace dohle::tools {

/// One line on standard error that is drawn again in place; nothing where that is no terminal.
class Progress {
 public:
  explicit Progress(bool is_quiet);
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
  bool is_drawn_ = false;
  std::chrono::steady_clock::time_point last_{};
};

/// Asks on the terminal whether to go on; the answer has to be y or yes. Where standard input is no
/// terminal, nothing is asked and the answer is no, with a sentence that names --yes.
bool confirm(std::string_view command, std::string_view question);

/// From its construction on, the first SIGINT or SIGTERM is noted; the second ends the process.
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

/// Writes all of `text` to standard output. False when that fails or has failed before; the first
/// failure is said on standard error.
bool write_out(std::string_view text);
/// False once write_out has failed.
bool is_all_written();

}  // namespace dohle::tools
