#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "dohle/error.hpp"
#include "dohle/secret.hpp"

namespace dohle {

/// The text of a file that may hold secrets, and the rights on it. Both are of one open file, so
/// that no other one takes its place in between. One set of rules and words for all files with
/// secrets.
class SecretFile {
 public:
  struct Options {
    std::size_t max_bytes;
    /// The bound, for the error about a longer file.
    std::string_view bound_name;
    /// Whether a pipe or a device will do; such are private.
    bool may_be_pipe = false;
  };

  /// Blocks. Errors: configuration, with the path (it cannot be opened or read, is no file, or is
  /// too long).
  [[nodiscard]] static Result<SecretFile> read(const std::string& path, const Options& options);

  [[nodiscard]] const Secret& text() const { return text_; }
  /// Errors: configuration, with the path, `contents` and the command that mends it: the group or
  /// others have any right on the file, or it belongs to a user that is neither root nor that of
  /// this process.
  [[nodiscard]] Result<void> check_private(std::string_view contents) const;

 private:
  struct Rights {
    bool is_file = true;
    std::uint32_t mode = 0;
    std::uint32_t owner = 0;
  };
  SecretFile(std::string path, Secret text, Rights rights)
      : path_(std::move(path)), text_(std::move(text)), rights_(rights) {}

  std::string path_;
  Secret text_;
  Rights rights_;
};

}  // namespace dohle
