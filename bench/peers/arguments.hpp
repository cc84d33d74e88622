#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <string_view>

/// The command line of a measuring program: PROGRAM [MODE] [--name value]…
class Arguments {
 public:
  /// `values` are the known names with their defaults. Ends the program with a line on standard
  /// error, and status 2, for an unknown name or one without a value.
  Arguments(int argc, char** argv, std::map<std::string, std::string, std::less<>> values);

  /// The first argument; empty if that is an option, or if there is none.
  [[nodiscard]] const std::string& mode() const { return mode_; }
  [[nodiscard]] const std::string& text(std::string_view name) const;
  /// Ends the program, as above, if it is no whole number from 1 on.
  [[nodiscard]] std::uint64_t number(std::string_view name) const;

 private:
  std::string mode_;
  std::map<std::string, std::string, std::less<>> values_;
};
