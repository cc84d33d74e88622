#pragma once

#include <stdlib.h>

#include <cerrno>
#include <filesystem>
#include <fstream>
#include <sstream>
#include <string>
#include <string_view>
#include <system_error>

namespace dohle {

/// A new directory in `parent` (default: TMPDIR), removed by the destructor.
class ScratchDirectory {
 public:
  explicit ScratchDirectory(
      const std::filesystem::path& parent = std::filesystem::temp_directory_path()) {
    std::string pattern = (parent / "dohle-test-XXXXXX").string();
    if (::mkdtemp(pattern.data()) == nullptr) {
      throw std::system_error(errno, std::generic_category(), "mkdtemp " + pattern);
    }
    path_ = pattern;
  }
  ~ScratchDirectory() {
    std::error_code ignored;
    std::filesystem::remove_all(path_, ignored);
  }
  ScratchDirectory(const ScratchDirectory&) = delete;
  ScratchDirectory& operator=(const ScratchDirectory&) = delete;

  [[nodiscard]] const std::string& path() const { return path_; }
  [[nodiscard]] std::filesystem::path operator/(const std::string& name) const {
    return std::filesystem::path(path_) / name;
  }
  [[nodiscard]] std::string contents(const std::string& name) const {
    std::ifstream file(*this / name, std::ios::binary);
    std::ostringstream text;
    text << file.rdbuf();
    return text.str();
  }
  /// Makes or replaces a file, so that no reader sees a part of it. Returns its path.
  std::string write(const std::string& name, std::string_view bytes) const {
    const std::string path = (*this / name).string(), next = path + ".next";
    std::ofstream(next, std::ios::binary).write(bytes.data(), std::ssize(bytes));
    std::filesystem::rename(next, path);
    return path;
  }

 private:
  std::string path_;
};

}  // namespace dohle
