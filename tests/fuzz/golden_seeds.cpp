#include <filesystem>
#include <fstream>
#include <iostream>
#include <map>

#include "all_messages.hpp"
#include "golden_lines.hpp"
#include "wire/field_types.hpp"

// Writes the golden messages as seeds for the fuzz targets: one directory per target, one file per
// message. Usage: golden_seeds DIRECTORY

namespace {

using namespace dohle;

struct Place {
  std::string directory;
  std::size_t index;
  std::int16_t first_version;
};

std::map<std::string, Place> places() {
  std::map<std::string, Place> all;
  std::size_t index = 0;
  wire::for_each_message<wire::AllRequests>([&]<class M>() {
    const std::int16_t first = M::api.versions.min;
    all[std::string(wire::field::message_name<M>())] = {"requests", index, first};
    all[std::string(wire::field::message_name<typename M::Response>())] = {"responses", index,
                                                                           first};
    ++index;
  });
  index = 0;
  wire::for_each_message<wire::GroupRecords>([&]<class M>() {
    all[std::string(wire::field::message_name<M>())] = {"group_records", index++,
                                                        M::api.versions.min};
  });
  return all;
}

void write(const std::filesystem::path& directory, std::size_t number, const std::string& bytes) {
  std::filesystem::create_directories(directory);
  std::ofstream file(directory / std::to_string(number), std::ios::binary);
  if (!file.write(bytes.data(), static_cast<std::streamsize>(bytes.size()))) {
    throw std::runtime_error("cannot write to " + directory.string());
  }
}

std::string seed(const golden::Line& line, const Place& place) {
  std::string bytes;
  bytes += static_cast<char>(place.index);
  bytes += static_cast<char>(line.at("version").get<int>() - place.first_version);
  bytes += golden::from_base64(line.at("bytes").get<std::string>()).text();
  return bytes;
}

/// Writes small batches, and their compressed records after their codec. Large ones would only slow
/// the runs down.
std::size_t write_batches(const std::filesystem::path& root) {
  std::size_t number = 0;
  for (const auto& line : golden::read_lines(DOHLE_GOLDEN_BATCHES)) {
    const Slice batch = golden::from_base64(line.at("bytes").get<std::string>());
    if (batch.size() > 4096) continue;
    write(root / "batches", ++number, std::string(batch.text()));
    const int codec = std::to_integer<int>(batch.data()[22]) & 7;
    if (codec == 0) continue;
    const std::string compressed(batch.sub(61).text());
    write(root / "decompression", number, static_cast<char>(codec - 1) + compressed);
  }
  return number;
}

}  // namespace

int main(int argc, char** argv) {
  if (argc != 2) {
    std::cerr << "usage: golden_seeds DIRECTORY\n";
    return 2;
  }
  const std::filesystem::path root = argv[1];
  const auto known = places();
  std::size_t number = 0;
  for (const auto& line : golden::read_lines(DOHLE_GOLDEN_MESSAGES)) {
    ++number;
    if (line.contains("header")) {
      const auto bytes = golden::from_base64(line.at("bytes").get<std::string>());
      write(root / "headers", number, std::string(bytes.text()));
      continue;
    }
    if (!line.contains("message")) continue;
    const Place& place = known.at(line.at("message").get<std::string>());
    write(root / place.directory, number, seed(line, place));
  }
  number += write_batches(root);
  std::cout << number << " seeds\n";
}
