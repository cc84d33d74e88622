#include "base/secret_file.hpp"

#include <fcntl.h>
#include <string.h>  // explicit_bzero
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <system_error>
#include <utility>

#include <fmt/format.h>

#include "base/descriptor.hpp"
#include "base/shell_word.hpp"

namespace dohle {

namespace {

constexpr std::uint32_t permission_bits = 07777, group_and_others = 077;

std::unexpected<Error> refuse(const std::string& path, std::string_view why) {
  return fail(Error::configuration(fmt::format("{} {}", path, why)));
}
std::unexpected<Error> unreadable(const std::string& path, int number) {
  return refuse(path,
                "cannot be read: " + std::error_code(number, std::generic_category()).message());
}

/// Grows without leaving parts of its bytes behind.
class WipedText {
 public:
  WipedText() = default;
  WipedText(const WipedText&) = delete;
  WipedText& operator=(const WipedText&) = delete;
  ~WipedText() { ::explicit_bzero(text_.data(), text_.size()); }

  void append(std::string_view more) {
    if (text_.size() + more.size() > text_.capacity()) {
      std::string larger;
      larger.reserve(std::max(text_.capacity() * 2, text_.size() + more.size()));
      larger = text_;
      ::explicit_bzero(text_.data(), text_.size());
      text_ = std::move(larger);
    }
    text_ += more;
  }
  [[nodiscard]] const std::string& text() const { return text_; }

 private:
  std::string text_;
};

/// At most one byte more than `max_bytes`. False: errno says why.
bool read_all(int descriptor, std::size_t max_bytes, WipedText& into) {
  std::array<char, 4'096> piece{};
  while (into.text().size() <= max_bytes) {
    const std::size_t wanted = std::min(piece.size(), max_bytes + 1 - into.text().size());
    const ssize_t got = ::read(descriptor, piece.data(), wanted);
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) return false;
    if (got == 0) break;
    into.append({piece.data(), static_cast<std::size_t>(got)});
  }
  ::explicit_bzero(piece.data(), piece.size());
  return true;
}

}  // namespace

Result<SecretFile> SecretFile::read(const std::string& path, const Options& options) {
  // Without O_NONBLOCK the open of a pipe waits for its writer.
  const int flags = O_RDONLY | O_CLOEXEC | (options.may_be_pipe ? 0 : O_NONBLOCK);
  const Descriptor file(::open(path.c_str(), flags));
  if (!file.is_open()) return unreadable(path, errno);
  struct stat status{};
  if (::fstat(file.number(), &status) != 0) return unreadable(path, errno);
  const bool is_file = S_ISREG(status.st_mode);
  if (S_ISDIR(status.st_mode) || (!is_file && !options.may_be_pipe)) {
    return refuse(path, "is not a file");
  }
  WipedText text;
  if (!read_all(file.number(), options.max_bytes, text)) return unreadable(path, errno);
  if (text.text().size() > options.max_bytes) {
    return refuse(
        path, fmt::format("has more than {} bytes ({})", options.max_bytes, options.bound_name));
  }
  return SecretFile(path, Secret(text.text()),
                    {is_file, status.st_mode & permission_bits, status.st_uid});
}

Result<void> SecretFile::check_private(std::string_view contents) const {
  if (!rights_.is_file) return {};
  if ((rights_.mode & group_and_others) != 0) {
    return refuse(path_, fmt::format("holds {}, and its mode {:04o} gives other users rights on "
                                     "it; run: chmod 600 {}",
                                     contents, rights_.mode, shell_word(path_)));
  }
  if (rights_.owner != 0 && rights_.owner != ::geteuid()) {
    return refuse(path_, fmt::format("holds {}, and belongs to another user (uid {}), who may "
                                     "change it; run: chown {} {}",
                                     contents, rights_.owner, ::geteuid(), shell_word(path_)));
  }
  return {};
}

}  // namespace dohle
