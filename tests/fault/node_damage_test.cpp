#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <functional>
#include <optional>
#include <sstream>

#include <sys/stat.h>

#include "fault/measured.hpp"
#include "fault/node_process.hpp"
#include "fault/wire_connection.hpp"
#include "wire/batch.hpp"
#include "wire/crc32c.hpp"
#include "wire/messages/alter_user_scram_credentials.hpp"
#include "wire/messages/describe_user_scram_credentials.hpp"
#include "wire/messages/offset_commit.hpp"
#include "wire/messages/offset_fetch.hpp"

// Damages every file of a data directory in every way, after every kind of stop. Acknowledged
// records are there, or the node refuses and names the partition. Records may be missing only if
// the durability setting allows their loss in a power loss, and then the node says so. Only damage
// of the node's own files may prevent its start: it then ends with status 1 and names the file.

namespace dohle::fault {
namespace {

namespace fs = std::filesystem;

constexpr int partitions = 2;
/// Per partition: below the recovery point, then above it.
constexpr int records_below = 8;
constexpr int records = 16;

enum class Stop : std::uint8_t { clean, killed, power_loss };

struct Setting {
  const char* name;
  Stop stop;
  const char* durability;
  /// Default: null, the directory is made here. Otherwise the archive of a directory that 0.1.0
  /// left (corpus/make).
  const char* archive = nullptr;
  /// Whether each partition has a record above its noted end, which no client was told of.
  bool has_untold = false;
};

constexpr Setting settings[] = {
    {"CleanStop", Stop::clean, "fsync"},
    {"CleanStopUnderInterval", Stop::clean, "interval"},
    {"Killed", Stop::killed, "fsync"},
    {"KilledWithRecordsAboveItsNote", Stop::killed, "fsync", nullptr, true},
    {"KilledUnderInterval", Stop::killed, "interval"},
    {"KilledUnderOs", Stop::killed, "os"},
    {"PowerLoss", Stop::power_loss, "fsync"},
    {"PowerLossWithRecordsAboveItsNote", Stop::power_loss, "fsync", nullptr, true},
    {"PowerLossUnderInterval", Stop::power_loss, "interval"},
    {"PowerLossUnderOs", Stop::power_loss, "os"},
    {"CleanStopOf010", Stop::clean, "fsync", "clean"},
    {"KilledOf010", Stop::killed, "fsync", "killed"},
    {"KilledAfterACleanStopOf010", Stop::killed, "fsync", "killed_after_clean"},
};

/// The records that have to be found in a partition, from offset `first` on.
struct Kept {
  std::string topic;
  int partition = 0;
  int first = 0;
  std::vector<std::string> values;
  /// May follow them.
  std::vector<std::string> untold = {};

  [[nodiscard]] std::string name() const { return topic + "-" + std::to_string(partition); }
};

struct Commit {
  std::string group, topic;
  int partition = 0;
  std::int64_t offset = 0;
};

/// With another length in each partition, so that their segments begin at different offsets.
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

// The values that corpus/make writes.
std::string value_of_corpus(const std::string& topic, int partition, int number) {
  return topic + "-" + std::to_string(partition) + " " + std::to_string(number) + " " +
         std::string(static_cast<std::size_t>(number % 40), 'x');
}

/// Makes the run note name the copied directory and, after a power loss, another boot.
void own_note(const fs::path& data, bool is_another_boot) {
  const fs::path path = data / "dohle-run";
  if (!fs::exists(path)) return;
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
  // Keeps the position of the entries.
  line.resize(text.find_first_of('\n') + 1 > line.size() ? text.find('\n') + 1 : line.size());
  text.replace(0, line.size(), line);
  std::fstream file(path, std::ios::binary | std::ios::in | std::ios::out);
  file << text;
}

/// One way to damage a file. False if it does not apply to the file.
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

/// The ends of a text's lines, or else of a log's batches.
std::vector<std::size_t> ends_of_records(const std::string& bytes) {
  if (!bytes.ends_with('\n')) return ends_of_batches(bytes);
  std::vector<std::size_t> ends;
  for (std::size_t at = bytes.find('\n'); at != bytes.npos; at = bytes.find('\n', at + 1)) {
    ends.push_back(at + 1);
  }
  return ends;
}

Damage cut(std::string where, std::function<std::size_t(const std::vector<std::size_t>&)> at) {
  return {"cut " + std::move(where), [at = std::move(at)](const fs::path& path) {
            const auto ends = ends_of_records(bytes_of(path));
            if (ends.size() < 2) return false;
            fs::resize_file(path, at(ends));
            return true;
          }};
}

/// The same file of the other partition, if there is one.
std::optional<fs::path> neighbour_of(const fs::path& path) {
  std::string partition = path.parent_path().filename();
  if (!partition.ends_with("-0")) return std::nullopt;
  partition.back() = '1';
  const fs::path other = path.parent_path().parent_path() / partition / path.filename();
  return fs::exists(other) ? std::optional(other) : std::nullopt;
}

bool exchange(const fs::path& path) {
  const auto other = neighbour_of(path);
  if (!other) return false;
  const std::string mine = bytes_of(path), others = bytes_of(*other);
  // Only the mark of a clean stop can tell two log files with the same offsets and size apart.
  if (mine.size() == others.size() && path.extension() == ".log") return false;
  // 0.1.0 stored neither a log's partition nor the sizes of its segments.
  const bool is_noted = fs::exists(path.parent_path().parent_path() / "dohle-run") ||
                        bytes_of(path.parent_path().parent_path() / "dohle-clean-stop").size() > 2;
  if (!is_noted && path.extension() == ".log") return false;
  write_bytes(path, others);
  write_bytes(*other, mine);
  return true;
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
  all.push_back(cut("after its first record", [](const auto& ends) { return ends.front(); }));
  all.push_back(cut("before its last record", [](const auto& ends) { return ends.end()[-2]; }));
  all.push_back(cut("within its last record",
                    [](const auto& ends) { return (ends.end()[-2] + ends.back()) / 2; }));
  all.push_back(flip("head", 0.0));
  all.push_back(flip("middle", 0.5));
  all.push_back(flip("tail", 1.0));
  all.push_back({"NULs at its end", [](const fs::path& path) {
                   write_bytes(path, bytes_of(path) + std::string(600, '\0'));
                   return true;
                 }});
  all.push_back({"exchanged with its neighbour's", exchange});
  return all;
}

/// The same for a directory.
std::vector<Damage> directory_damages() {
  std::vector<Damage> all;
  all.push_back({"missing", [](const fs::path& path) { return fs::remove_all(path) > 0; }});
  all.push_back({"without its files", [](const fs::path& path) {
                   fs::remove_all(path);
                   return fs::create_directory(path);
                 }});
  return all;
}

/// In memory if possible: no case depends on the effect of a sync.
fs::path scratch_parent() {
  return fs::exists("/dev/shm") ? fs::path("/dev/shm") : fs::temp_directory_path();
}

bool commit(WireConnection& to, const Commit& what) {
  wire::OffsetCommitRequest request;
  request.group_id = what.group;
  auto& topic = request.topics.emplace_back();
  topic.name = what.topic;
  auto& partition = topic.partitions.emplace_back();
  partition.partition_index = PartitionId{what.partition};
  partition.committed_offset = Offset{what.offset};
  const auto answer = to.ask(request, 7);
  return answer && answer->topics.at(0).partitions.at(0).error_code == 0;
}

bool store_user(WireConnection& to, const std::string& name) {
  wire::AlterUserScramCredentialsRequest request;
  auto& user = request.upsertions.emplace_back();
  user.name = name;
  user.mechanism = 1;
  user.iterations = 4'096;
  user.salt = Slice::copy_of("a salt");
  user.salted_password = Slice::copy_of(std::string(32, 'p'));
  const auto answer = to.ask(request);
  return answer && answer->results.at(0).error_code == 0;
}

/// The line may come later than the answer on a busy machine.
bool is_told(WireConnection& connection, const NodeProcess& node, const std::string& name) {
  const auto end = std::chrono::steady_clock::now() + std::chrono::seconds(20);
  do {
    if (node.lines().find(name) != std::string::npos) return true;
    (void)produce(connection, "none", 0, "");
  } while (std::chrono::steady_clock::now() < end);
  return false;
}

class DamageTest : public testing::TestWithParam<Setting> {
 protected:
  void SetUp() override {
    if (GetParam().archive != nullptr) {
      unpack();
    } else {
      fill();
    }
    fs::remove(original_ / ".lock");
  }
  void unpack() {
    fs::create_directory(scratch_ / "archive");
    const std::string archive =
        std::string(DOHLE_CORPUS_DIRECTORY) + "/0.1.0/" + GetParam().archive + ".tar.gz";
    const std::string command =
        "tar xzf '" + archive + "' -C '" + (scratch_ / "archive").string() + "'";
    ASSERT_EQ(std::system(command.c_str()), 0);
    fs::rename(scratch_ / "archive" / "data", original_);
    std::ifstream expected(scratch_ / "archive" / "expected");
    for (std::string word; expected >> word;) {
      if (word == "records") {
        Kept kept;
        int end = 0;
        expected >> kept.topic >> kept.partition >> kept.first >> end;
        for (int i = kept.first; i < end; ++i) {
          kept.values.push_back(value_of_corpus(kept.topic, kept.partition, i));
        }
        kept_.push_back(std::move(kept));
      } else {
        Commit found;
        expected >> found.group >> found.topic >> found.partition >> found.offset;
        commits_.push_back(std::move(found));
      }
    }
    ASSERT_FALSE(commits_.empty());
  }
  void fill() {
    for (int partition = 0; partition < partitions; ++partition) {
      kept_.push_back({"t", partition, 0, {}, {}});
    }
    commits_.push_back({"group", "t", 0, records_below});
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
          const std::string value = value_of(partition, number);
          ASSERT_TRUE(produce(connection, "t", partition, value));
          kept_[static_cast<std::size_t>(partition)].values.push_back(value);
        }
      }
      const std::string user = "user" + std::to_string(half);
      ASSERT_TRUE(store_user(connection, user));
      users_.push_back(user);
      commits_.front().offset = end;
      ASSERT_TRUE(commit(connection, commits_.front()));
      if (half == 0 || GetParam().stop == Stop::clean) {
        ASSERT_EQ(node.stop(), 0) << node.lines();
      } else {
        node.kill();
      }
    }
    if (GetParam().has_untold) {
      for (Kept& kept : kept_) write_untold(kept);
    }
  }
  /// Appends the last batch again, with the next offset, as a node that is killed before it notes
  /// it.
  void write_untold(Kept& kept) {
    const auto digits = std::to_string(last_base(kept));
    const fs::path log =
        original_ / kept.name() / (std::string(20 - digits.size(), '0') + digits + ".log");
    std::string bytes = bytes_of(log);
    const auto ends = ends_of_batches(bytes);
    ASSERT_FALSE(ends.empty());
    const std::size_t from = ends.size() < 2 ? 0 : ends.end()[-2];
    std::string batch = bytes.substr(from, ends.back() - from);
    ASSERT_EQ(batch[7], records - 1);
    batch[7] = records;  // the last byte of its offset, which no CRC covers
    bytes.replace(ends.back(), std::min(batch.size(), bytes.size() - ends.back()), batch);
    write_bytes(log, bytes);
    kept.untold.push_back(kept.values.back());
  }
  void restore() {
    fs::remove_all(data_);
    fs::copy(original_, data_, fs::copy_options::recursive);
    own_note(data_, GetParam().stop == Stop::power_loss);
  }
  [[nodiscard]] bool is_earlier() const { return GetParam().archive != nullptr; }
  /// 0.1.0 stored neither the run nor its acknowledged offsets.
  [[nodiscard]] bool may_lose() const {
    if (is_earlier()) return GetParam().stop != Stop::clean;
    return GetParam().stop == Stop::power_loss &&
           GetParam().durability != std::string_view("fsync");
  }
  [[nodiscard]] bool is_said(const NodeProcess& node, const std::string& name) const {
    const std::string lines = node.lines();
    return may_lose() && lines.find("may be missing") != std::string::npos &&
           lines.find(name) != std::string::npos;
  }
  /// Empty if all promises hold after damage of `path`. If the directory of a partition is `lost`
  /// and 0.1.0 made it, it is made again, since 0.1.0 did not note whether it was on disk.
  std::string judge(const fs::path& path, const std::string& lost) {
    NodeProcess node(data_, {"--durability", GetParam().durability, "--no-auto-create"});
    if (node.port() == 0) return judge_refusal(node, path);
    WireConnection connection(node.port());
    for (const Kept& kept : kept_) {
      if (auto wrong = judge(connection, node, kept, kept.name() == lost); !wrong.empty()) {
        return wrong;
      }
    }
    for (const Commit& commit : commits_) {
      const bool is_lost = lost == "__consumer_offsets-0";
      if (auto wrong = judge(connection, node, commit, is_lost); !wrong.empty()) return wrong;
    }
    return judge_users(connection);
  }
  std::string judge_refusal(NodeProcess& node, const fs::path& path) const {
    const int status = node.stop();
    if (status != 1) return "does not start, with status " + std::to_string(status);
    if (path.has_parent_path() || fs::is_directory(original_ / path)) {
      return "does not start, for one partition";
    }
    const std::string lines = node.lines();
    const bool is_named = lines.find(path.filename()) != std::string::npos;
    const bool is_told_how = path == "dohle-catalog" && lines.find("--adopt") != std::string::npos;
    return is_named || is_told_how ? "" : "does not start, without a line that names the file";
  }
  /// Whole lines that are missing at the end of their file are noticed while its size is known.
  std::string judge_users(WireConnection& connection) {
    const auto answer = connection.ask(wire::DescribeUserScramCredentialsRequest{});
    if (!answer) return "hangs: the users";
    std::vector<std::string> found;
    for (const auto& user : answer->results) found.push_back(user.user);
    const bool is_size_known = GetParam().stop != Stop::power_loss;
    const bool is_beginning =
        found.size() <= users_.size() && std::equal(found.begin(), found.end(), users_.begin());
    if (found == users_ || (!is_size_known && is_beginning)) return "";
    return std::to_string(found.size()) + " users, without a word";
  }
  std::string judge(WireConnection& connection, const NodeProcess& node, const Kept& kept,
                    bool is_lost) {
    const std::string name = kept.name();
    if (is_lost || kept.values.empty()) {
      const auto next = produce(connection, kept.topic, kept.partition, "next");
      const bool is_as_expected =
          next ? *next == Offset{0} : !is_lost && node.lines().find(name) != std::string::npos;
      return is_as_expected ? "" : name + " does not begin at offset 0, or refuses without a line";
    }
    const auto found = values(connection, kept.topic, kept.partition, Offset{kept.first});
    if (!found) {
      if (found.error().category() != ErrorCategory::broker) return "hangs: " + name;
      if (is_told(connection, node, name)) return "";
      return name + " refuses without a line: " + found.error().to_string();
    }
    std::vector<std::string> may_be = kept.values;
    may_be.insert(may_be.end(), kept.untold.begin(), kept.untold.end());
    if (found->size() > may_be.size()) return name + ": records from nowhere";
    for (std::size_t i = 0; i < found->size(); ++i) {
      if ((*found)[i] != may_be[i]) return name + ": another record at " + std::to_string(i);
    }
    if (found->size() >= kept.values.size() || is_said(node, name)) return "";
    // A killed node of 0.1.0 has no note of whole batches that are missing at the end of its last
    // segment.
    const bool may_be_unknown = is_earlier() && GetParam().stop == Stop::killed;
    const int end = kept.first + static_cast<int>(found->size());
    if (may_be_unknown && end >= last_base(kept)) return "";
    return name + ": " + std::to_string(found->size()) + " records, without a word";
  }
  std::string judge(WireConnection& connection, const NodeProcess& node, const Commit& commit,
                    bool is_lost) {
    static const std::string name = "__consumer_offsets-0";
    wire::OffsetFetchRequest request;
    request.group_id = commit.group;
    auto& topic = request.topics->emplace_back();
    topic.name = commit.topic;
    topic.partition_indexes.push_back(PartitionId{commit.partition});
    const auto answer = connection.ask(request, 7);
    if (!answer) return "hangs: the offsets of " + commit.group;
    if (answer->error_code != 0) {
      return is_told(connection, node, name) ? "" : name + " refuses without a line";
    }
    const Offset found = answer->topics.at(0).partitions.at(0).committed_offset;
    if (found == Offset{commit.offset} || is_said(node, name)) return "";
    if (is_lost && found.is_none()) return "";
    return name + ": offset " + std::to_string(found.value) + ", without a word";
  }
  /// The base offset of the last segment.
  [[nodiscard]] int last_base(const Kept& kept) const {
    int base = 0;
    for (const auto& entry : fs::directory_iterator(original_ / kept.name())) {
      if (entry.path().extension() == ".log") base = std::max(base, std::stoi(entry.path().stem()));
    }
    return base;
  }
  /// Returns the number of cases. With sanitizers only every second one of files is played.
  int judge_each(const std::vector<fs::path>& paths, const std::vector<Damage>& damages) {
    int cases = 0;
    for (const fs::path& path : paths) {
      for (const Damage& damage : damages) {
        restore();
        if (HasFatalFailure()) return cases;
        const bool is_directory = fs::is_directory(data_ / path);
        if (!damage.make(data_ / path)) continue;
        // A node with sanitizers takes four times as long to start.
        if (++cases % 2 == 0 && !is_measured && !is_directory) continue;
        const std::string lost = is_directory && is_earlier() ? path.string() : "";
        const std::string verdict = judge(path, lost);
        EXPECT_EQ(verdict, "") << path.string() << ": " << damage.name << "\n"
                               << bytes_of(data_.string() + ".stderr");
      }
    }
    return cases;
  }

  ScratchDirectory scratch_{scratch_parent()};
  fs::path original_ = scratch_ / "original";
  fs::path data_ = scratch_ / "data";
  std::vector<Kept> kept_;
  std::vector<Commit> commits_;
  std::vector<std::string> users_;
};

TEST_P(DamageTest, OfAnyFileOrDirectoryLosesNoRecordSilently) {
  std::vector<fs::path> files, directories;
  for (const auto& entry : fs::recursive_directory_iterator(original_)) {
    const fs::path path = fs::relative(entry.path(), original_);
    if (entry.is_regular_file()) files.push_back(path);
    if (entry.is_directory()) directories.push_back(path);
  }
  std::ranges::sort(files);
  const int of_files = judge_each(files, damages());
  const int of_directories = judge_each(directories, directory_damages());
  std::printf("%d cases of damage\n", of_files + of_directories);
  EXPECT_GT(of_files, 250);
  EXPECT_GE(of_directories, 6);
}

INSTANTIATE_TEST_SUITE_P(Behind, DamageTest, testing::ValuesIn(settings),
                         [](const auto& setting) { return std::string(setting.param.name); });

}  // namespace
}  // namespace dohle::fault
