#include <gtest/gtest.h>

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <sstream>

#include "fault/node_process.hpp"
#include "fault/wire_connection.hpp"
#include "wire/messages/offset_fetch.hpp"

// Data directories of earlier versions (corpus/make makes them): stopped cleanly, killed, and with
// a file cut within its last batch. Every version opens them and finds the same data in them.

namespace dohle::fault {
namespace {

namespace fs = std::filesystem;

// The values that corpus/make writes.
std::string value_of(const std::string& topic, int partition, int number) {
  return topic + "-" + std::to_string(partition) + " " + std::to_string(number) + " " +
         std::string(static_cast<std::size_t>(number % 40), 'x');
}

struct ExpectedRecords {
  std::string topic;
  int partition = 0, first = 0, end = 0;
};

struct ExpectedCommit {
  std::string group, topic;
  int partition = 0, offset = 0;
};

struct Expected {
  std::vector<ExpectedRecords> records;
  std::vector<ExpectedCommit> commits;
};

Expected read_expected(const fs::path& path) {
  Expected expected;
  std::ifstream file(path);
  for (std::string word; file >> word;) {
    if (word == "records") {
      auto& found = expected.records.emplace_back();
      file >> found.topic >> found.partition >> found.first >> found.end;
    } else {
      auto& found = expected.commits.emplace_back();
      file >> found.group >> found.topic >> found.partition >> found.offset;
    }
  }
  return expected;
}

std::vector<fs::path> archives() {
  std::vector<fs::path> found;
  for (const auto& entry : fs::recursive_directory_iterator(DOHLE_CORPUS_DIRECTORY)) {
    if (entry.path().string().ends_with(".tar.gz")) found.push_back(entry.path());
  }
  std::ranges::sort(found);
  return found;
}

std::string name_of(const testing::TestParamInfo<fs::path>& archive) {
  std::string name = "Of_" + archive.param.parent_path().filename().string() + "_" +
                     archive.param.filename().string();
  name.resize(name.size() - std::string_view(".tar.gz").size());
  std::ranges::replace_if(name, [](char c) { return c == '.' || c == '-'; }, '_');
  return name;
}

class CorpusTest : public testing::TestWithParam<fs::path> {
 protected:
  void SetUp() override {
    fs::create_directory(scratch_ / "opened");
    const std::string command =
        "tar xzf '" + GetParam().string() + "' -C '" + (scratch_ / "opened").string() + "'";
    ASSERT_EQ(std::system(command.c_str()), 0);
    expected_ = read_expected(scratch_ / "opened" / "expected");
    ASSERT_FALSE(expected_.records.empty());
    ASSERT_FALSE(expected_.commits.empty());
  }
  /// Checks the contents of the directory after `appended` further records.
  void check(WireConnection& connection, int appended) {
    for (const ExpectedRecords& records : expected_.records) {
      if (records.first == records.end && appended == 0) continue;
      const auto found =
          values(connection, records.topic, records.partition, Offset{records.first});
      ASSERT_TRUE(found) << records.topic << ": " << found.error().to_string();
      ASSERT_EQ(found->size(), static_cast<std::size_t>(records.end - records.first + appended))
          << records.topic << "-" << records.partition;
      for (int number = records.first; number < records.end; ++number) {
        ASSERT_EQ((*found)[static_cast<std::size_t>(number - records.first)],
                  value_of(records.topic, records.partition, number));
      }
    }
    for (const ExpectedCommit& commit : expected_.commits) {
      EXPECT_EQ(committed(connection, commit), commit.offset) << commit.group;
    }
  }
  static std::int64_t committed(WireConnection& connection, const ExpectedCommit& commit) {
    wire::OffsetFetchRequest request;
    request.group_id = commit.group;
    auto& topic = request.topics->emplace_back();
    topic.name = commit.topic;
    topic.partition_indexes.push_back(PartitionId{commit.partition});
    const auto answer = connection.ask(request, 7);
    if (!answer) return -2;
    return answer->topics.at(0).partitions.at(0).committed_offset.value;
  }

  ScratchDirectory scratch_;
  Expected expected_;
};

TEST_P(CorpusTest, OpensWithAllItsRecordsAndStoresNewOnes) {
  for (int opened = 0; opened < 2; ++opened) {
    NodeProcess node(scratch_ / "opened" / "data");
    ASSERT_NE(node.port(), 0) << node.lines();
    WireConnection connection(node.port());
    check(connection, opened);
    if (HasFatalFailure()) return;
    for (const ExpectedRecords& records : expected_.records) {
      const auto next = produce(connection, records.topic, records.partition, "next");
      ASSERT_TRUE(next) << next.error().to_string();
      EXPECT_EQ(*next, Offset{records.end + opened});
    }
    ASSERT_EQ(node.stop(), 0) << node.lines();
    EXPECT_EQ(node.lines().find("offline"), std::string::npos) << node.lines();
  }
}

INSTANTIATE_TEST_SUITE_P(Directory, CorpusTest, testing::ValuesIn(archives()), name_of);

}  // namespace
}  // namespace dohle::fault
