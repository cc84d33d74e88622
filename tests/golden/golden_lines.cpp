#include "golden_lines.hpp"

#include <zlib.h>

#include <array>
#include <memory>
#include <stdexcept>

#include "base/base64.hpp"

namespace dohle::golden {

namespace {

std::string unzip(const std::string& path) {
  const std::unique_ptr<gzFile_s, int (*)(gzFile)> file(gzopen(path.c_str(), "rb"), gzclose);
  if (!file) throw std::runtime_error("cannot open " + path);
  std::string text;
  std::array<char, 65536> piece;
  int got = 0;
  while ((got = gzread(file.get(), piece.data(), piece.size())) > 0) {
    text.append(piece.data(), static_cast<std::size_t>(got));
  }
  if (got < 0) throw std::runtime_error("cannot read " + path);
  return text;
}

}  // namespace

std::vector<Line> read_lines(const std::string& path) {
  const std::string text = unzip(path);
  std::vector<Line> lines;
  for (std::size_t at = 0; at < text.size();) {
    const std::size_t end = text.find('\n', at);
    lines.push_back(Line::parse(text.substr(at, end - at)));
    at = end + 1;
  }
  return lines;
}

Slice from_base64(std::string_view text) {
  const auto bytes = dohle::from_base64(text);
  if (!bytes) throw std::runtime_error("not base64");
  return Slice::copy_of(*bytes);
}

std::string to_base64(Bytes bytes) {
  return dohle::to_base64(as_text(bytes));
}

}  // namespace dohle::golden
