#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <cstdio>
#include <fstream>
#include <functional>
#include <sstream>

#include <sys/stat.h>

#include "fault/node_process.hpp"
#include "fault/wire_connection.hpp"
#include "wire/batch.hpp"
#include "wire/crc32c.hpp"

// Every file of a data directory, damaged in every way, behind every kind of end: what was
// acknowledged is there, or the node refuses and says which partition. Only where a power loss may
// have taken it, which the durability allows, it may be missing, and that is said.

namespace dohle::fault {
namespace {

namespace fs = std::filesystem;

constexpr int partitions = 2;
/// Of each partition: below the recovery point, then above it.
constexpr int records_below = 8;
constexpr int records = 16;

enum class Stop : std::uint8_t { clean, killed, power_loss };

struct Setting {
  const char* name;
  Stop stop;
  const char* durability;
};

constexpr Setting settings[] = {
    {"CleanStop", Stop::clean, "fsync"},          {"Killed", Stop::killed, "fsync"},
    {"KilledUnderOs", Stop::killed, "os"},        {"PowerLoss", Stop::power_loss, "fsync"},
    {"PowerLossUnderOs", Stop::power_loss, "os"},
};

/// Of another length in each partition, so that their segments do not begin at the same offsets.
std::string value_of(int partition, int number) {
  const auto padding = static_cast<std::size_t>(80 + 80 * partition);
  return std::to_string(partition) + " " + std::to_string(number) + std::string(padding, 'x');
}

std::string bytes_of(const fs::path& path) {
  std::ifstream file(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(file), {}};
}

void write_bytes(const fs::path& path, const std::string& bytes) {
  std::ofstream(path, std::ios::binary) << bytes;
}

/// The note of a copied directory names the copy, and, behind a power loss, another boot.
void own_note(const fs::path& data, bool is_another_boot) {
  const fs::path path = data / "dohle-run";
  std::string text = bytes_of(path);
  std::istringstream words(text.substr(0, text.find('\n')));
  std::string name, version, boot, word, durability;
  words >> name >> version >> boot >> word >> word >> durability;
  struct stat status{};
  ASSERT_EQ(::stat(path.c_str(), &status), 0);
  std::string line = name + " " + version + " " + (is_another_boot ? "earlier" : boot) + " " +
                     std::to_string(status.st_dev) + " " + std::to_string(status.st_ino) + " " +
                     durability;
  std::array<char, 16> crc;
  std::snprintf(crc.data(), crc.size(), " %08x\n", wire::crc32c(0, as_bytes(line)));
  line += crc.data();
  // Entries stay where they are.
  line.resize(text.find_first_of('\n') + 1 > line.size() ? text.find('\n') + 1 : line.size());
  text.replace(0, line.size(), line);
  std::fstream file(path, std::ios::binary | std::ios::in | std::ios::out);
  file << text;
}

/// One way to damage a file. False: it does not apply.
struct Damage {
  std::string name;
  std::function<bool(const fs::path&)> make;
};

std::vector<std::size_t> ends_of_batches(const std::string& bytes) {
  std::vector<std::size_t> ends;
  for (std::size_t at = 0; at + wire::batch_header_bytes <= bytes.size();) {
    const auto header = wire::read_batch_header(as_bytes(std::string_view(bytes).substr(at)));
    if (!header) break;
    ends.push_back(at += header->size());
  }
  return ends;
}

Damage flip(std::string where, double part) {
  return {"a bit flipped in its " + std::move(where), [part](const fs::path& path) {
            std::string bytes = bytes_of(path);
            const auto end = bytes.find_last_not_of('\0');
            if (end == bytes.npos) return false;
            const auto at = static_cast<std::size_t>(part * static_cast<double>(end));
            bytes[at] = static_cast<char>(bytes[at] ^ 4);
            write_bytes(path, bytes);
            return true;
          }};
}

Damage cut(std::string where, std::function<std::size_t(const std::vector<std::size_t>&)> at) {
  return {"cut " + std::move(where), [at = std::move(at)](const fs::path& path) {
            const std::string bytes = bytes_of(path);
            const auto ends = ends_of_batches(bytes);
            if (ends.size() < 2) return false;
            fs::resize_file(path, at(ends));
            return true;
          }};
}

std::vector<Damage> damages() {
  std::vector<Damage> all;
  all.push_back({"missing", [](const fs::path& path) { return fs::remove(path); }});
  all.push_back({"empty", [](const fs::path& path) {
                   if (fs::file_size(path) == 0) return false;
                   fs::resize_file(path, 0);
                   return true;
                 }});
  all.push_back({"cut in half", [](const fs::path& path) {
                   if (fs::file_size(path) < 2) return false;
                   fs::resize_file(path, fs::file_size(path) / 2);
                   return true;
                 }});
  all.push_back(cut("between batches", [](const auto& ends) { return ends.front(); }));
  all.push_back(cut("before its last batch", [](const auto& ends) { return ends.end()[-2]; }));
  all.push_back(cut("between records", [](const auto& ends) { return ends.back() - 10; }));
  all.push_back(flip("head", 0.0));
  all.push_back(flip("middle", 0.5));
  all.push_back(flip("tail", 1.0));
  all.push_back({"NULs at its end", [](const fs::path& path) {
                   write_bytes(path, bytes_of(path) + std::string(600, '\0'));
                   return true;
                 }});
  all.push_back({"exchanged with its neighbour's", [](const fs::path& path) {
                   if (path.parent_path().filename() != "t-0") return false;
                   const fs::path other =
                       path.parent_path().parent_path() / "t-1" / path.filename();
                   if (!fs::exists(other)) return false;
                   const std::string mine = bytes_of(path), others = bytes_of(other);
                   // One of equal offsets and size is that file to everybody but a clean stop's
                   // mark.
                   if (mine.size() == others.size() && path.extension() == ".log") return false;
                   write_bytes(path, others);
                   write_bytes(other, mine);
                   return true;
                 }});
  return all;
}

class DamageTest : public testing::TestWithParam<Setting> {
 protected:
  void SetUp() override {
    for (int half = 0; half < 2; ++half) {
      NodeProcess node(original_, {"--durability", GetParam().durability});
      ASSERT_NE(node.port(), 0) << node.lines();
      WireConnection connection(node.port());
      if (half == 0) {
        ASSERT_TRUE(create_topic(connection, "t", partitions, {{"segment.bytes", "1024"}}));
      }
      const int first = half == 0 ? 0 : records_below;
      const int end = half == 0 ? records_below : records;
      for (int partition = 0; partition < partitions; ++partition) {
        for (int number = first; number < end; ++number) {
          ASSERT_TRUE(produce(connection, "t", partition, value_of(partition, number)));
        }
      }
      if (half == 0 || GetParam().stop == Stop::clean) {
        ASSERT_EQ(node.stop(), 0) << node.lines();
      } else {
        node.kill();
      }
    }
    fs::remove(original_ / ".lock");
  }
  void restore() {
    fs::remove_all(data_);
    fs::copy(original_, data_, fs::copy_options::recursive);
    own_note(data_, GetParam().stop == Stop::power_loss);
  }
  [[nodiscard]] bool may_lose() const {
    return GetParam().stop == Stop::power_loss &&
           GetParam().durability != std::string_view("fsync");
  }
  /// Empty: as promised.
  std::string judge() {
    NodeProcess node(data_, {"--durability", GetParam().durability, "--no-auto-create"});
    if (node.port() == 0) {
      return node.lines().empty() ? "does not start, without a line" : "";
    }
    WireConnection connection(node.port());
    for (int partition = 0; partition < partitions; ++partition) {
      const std::string name = "t-" + std::to_string(partition);
      const auto found = values(connection, "t", partition);
      if (!found) {
        if (found.error().category() != ErrorCategory::broker) return "hangs: " + name;
        if (node.lines().find(name) == std::string::npos) return name + " refuses without a line";
        continue;
      }
      for (std::size_t i = 0; i < found->size(); ++i) {
        if ((*found)[i] != value_of(partition, static_cast<int>(i)))
          return name + ": another record at " + std::to_string(i);
      }
      if (found->size() == records) continue;
      const std::string lines = node.lines();
      const bool is_said = lines.find("may be missing") != std::string::npos &&
                           lines.find(name) != std::string::npos;
      if (!may_lose() || !is_said) {
        return name + ": " + std::to_string(found->size()) + " records, without a word";
      }
    }
    return "";
  }

  ScratchDirectory scratch_;
  fs::path original_ = scratch_ / "original";
  fs::path data_ = scratch_ / "data";
};

TEST_P(DamageTest, OfAnyFileLosesNothingInSilence) {
  std::vector<fs::path> files;
  for (const auto& entry : fs::recursive_directory_iterator(original_)) {
    if (entry.is_regular_file()) files.push_back(fs::relative(entry.path(), original_));
  }
  std::ranges::sort(files);
  int cases = 0;
  for (const fs::path& file : files) {
    for (const Damage& damage : damages()) {
      restore();
      if (HasFatalFailure()) return;
      if (!damage.make(data_ / file)) continue;
      ++cases;
      const std::string verdict = judge();
      EXPECT_EQ(verdict, "") << file.string() << ": " << damage.name << "\n"
                             << bytes_of(data_.string() + ".stderr");
    }
  }
  std::printf("%d cases of damage\n", cases);
  EXPECT_GT(cases, 150);
}

INSTANTIATE_TEST_SUITE_P(Behind, DamageTest, testing::ValuesIn(settings),
                         [](const auto& setting) { return std::string(setting.param.name); });

}  // namespace
}  // namespace dohle::fault
