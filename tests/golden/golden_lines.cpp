#include "golden_lines.hpp"

#include <zlib.h>

#include <array>
#include <memory>
#include <stdexcept>

namespace dohle::golden {

namespace {

constexpr std::string_view alphabet =
    "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

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

std::uint32_t digit(char c) {
  const auto place = alphabet.find(c);
  if (place == std::string_view::npos) throw std::runtime_error("not base64");
  return static_cast<std::uint32_t>(place);
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
  while (text.ends_with('=')) text.remove_suffix(1);
  std::string bytes;
  std::uint32_t bits = 0;
  int held = 0;
  for (const char c : text) {
    bits = bits << 6 | digit(c);
    held += 6;
    if (held < 8) continue;
    held -= 8;
    bytes.push_back(static_cast<char>(bits >> held & 0xff));
  }
  return Slice::copy_of(bytes);
}

std::string to_base64(Bytes bytes) {
  std::string text;
  std::size_t at = 0;
  for (; at < bytes.size(); at += 3) {
    std::uint32_t group = 0;
    for (std::size_t i = 0; i < 3; ++i) {
      group = group << 8 | (at + i < bytes.size() ? static_cast<std::uint32_t>(bytes[at + i]) : 0);
    }
    for (int shift = 18; shift >= 0; shift -= 6) text.push_back(alphabet[group >> shift & 63]);
  }
  for (std::size_t pad = at - bytes.size(); pad > 0; --pad) text[text.size() - pad] = '=';
  return text;
}

}  // namespace dohle::golden
