#include "disk/system_error.hpp"

#include <system_error>

#include "base/file_tree.hpp"

namespace dohle::disk {

namespace {

Errc code_of(int number) {
  switch (number) {
    case ENOSPC:
    case EDQUOT:
      return Errc::disk_full;
    case ENOENT:
      return Errc::not_found;
    case EEXIST:
    case ENOTEMPTY:
      return Errc::already_exists;
    default:
      return Errc::io_error;
  }
}

}  // namespace

Error system_error(int number, std::string_view operation, std::string_view path) {
  return file_error(code_of(number), operation, path, std::generic_category().message(number));
}

}  // namespace dohle::disk
