#include "node/storage/run_note.hpp"

#include <array>

#include "node/storage/clean_stop.hpp"
#include "node_world.hpp"

namespace dohle::node {
namespace {

using namespace std::chrono_literals;

class RunNoteTest : public testing::Test {
 protected:
  RunNoteTest() {
    world_.run_for(1s);
    EXPECT_TRUE(disk().make_directories("/data").has_value());
    EXPECT_TRUE(disk().sync_directory("/").has_value());
    partition_.topic.bytes[0] = 9;
    partition_.partition = PartitionId{3};
  }
  Disk& disk() { return process_.disk(); }
  std::unique_ptr<RunNote> open() {
    auto note = RunNote::open(disk(), "/data");
    EXPECT_TRUE(note.has_value()) << note.error().to_string();
    return *std::move(note);
  }
  std::unique_ptr<RunNote> begin(Durability durability = Durability::fsync) {
    auto note = open();
    note->catalog_bytes(1'000);
    note->users_bytes(300);
    EXPECT_TRUE(note->begin(durability, {{partition_, Offset{5}}},
                            [this](std::string_view line) { warned_ = line; })
                    .has_value());
    EXPECT_TRUE(disk().sync_directory("/data").has_value());
    return note;
  }
  void lose_power() {
    machine_.lose_power();
    machine_.power_on();
    world_.run_for(1s);
  }

  sim::World world_{1};
  sim::Machine& machine_ = world_.machine("node");
  sim::Process& process_ = machine_.start("node", [](sim::Process&) { return nullptr; });
  NotedPartition partition_;
  std::string warned_;
};

TEST_F(RunNoteTest, KeepsAcknowledgedOffsetsForTheNextStartOfTheSameBoot) {
  {
    auto note = begin(Durability::os);
    RunNote::Place place;
    note->acknowledged(partition_, place, Offset{42});
    NotedPartition other = partition_;
    other.partition = PartitionId{4};
    RunNote::Place of_other;
    note->acknowledged(other, of_other, Offset{7});
    note->catalog_bytes(1'234);
    note->users_bytes(432);
    EXPECT_NE(place.value, of_other.value);
  }
  const auto note = open();
  EXPECT_TRUE(note->earlier().is_same_boot);
  EXPECT_EQ(note->earlier().durability, Durability::os);
  EXPECT_EQ(note->earlier().end_of(partition_), Offset{42});
  EXPECT_EQ(note->earlier().catalog_bytes, 1'234u);
  EXPECT_EQ(note->earlier().users_bytes, 432u);
  EXPECT_EQ(note->earlier().ends.size(), 2u);
}

TEST_F(RunNoteTest, RecognizesAnotherBootAndKeepsOffsetsSyncedAtTheStart) {
  (void)begin();
  lose_power();
  const auto note = open();
  EXPECT_FALSE(note->earlier().is_same_boot);
  EXPECT_TRUE(note->earlier().is_own);
  EXPECT_EQ(note->earlier().end_of(partition_), Offset{5});
}

TEST_F(RunNoteTest, IgnoresANoteInACopiedDirectory) {
  (void)begin();
  const auto text = *machine_.disk().contents("/data/dohle-run");
  ASSERT_TRUE(disk().rename("/data/dohle-run", "/data/other").has_value());
  const auto copy = *disk().open("/data/dohle-run", OpenMode::truncate);
  const Bytes bytes = as_bytes(text);
  ASSERT_TRUE(copy->write(0, {&bytes, 1}).has_value());
  const auto note = open();
  EXPECT_FALSE(note->earlier().is_own);
  EXPECT_FALSE(note->earlier().is_same_boot);
  EXPECT_FALSE(note->earlier().end_of(partition_).has_value());
  EXPECT_EQ(note->earlier().durability, Durability::fsync);
}

TEST_F(RunNoteTest, LeavesOutAnEntryThatIsDamagedAndNothingElse) {
  (void)begin();
  ASSERT_TRUE(machine_.disk().flip_bit("/data/dohle-run", 4'096 + 64 + 27, 1));
  EXPECT_FALSE(open()->earlier().end_of(partition_).has_value());
  EXPECT_TRUE(open()->earlier().is_same_boot);
  EXPECT_EQ(open()->earlier().catalog_bytes, 1'000u);
  EXPECT_EQ(open()->earlier().users_bytes, 300u);
  ASSERT_TRUE(machine_.disk().flip_bit("/data/dohle-run", 14, 1));
  EXPECT_FALSE(open()->earlier().is_same_boot);
}

TEST_F(RunNoteTest, NotesNoSizeOfUsersWithoutTheirFile) {
  {
    auto note = open();
    note->catalog_bytes(1'000);
    ASSERT_TRUE(note->begin(Durability::os, {{partition_, Offset{5}}}, [](std::string_view) {}));
  }
  EXPECT_FALSE(open()->earlier().users_bytes);
  EXPECT_EQ(open()->earlier().end_of(partition_), Offset{5});
}

// There the entries of partitions begin at the place that is now that of the users.
TEST_F(RunNoteTest, ReadsANoteWithoutAPlaceForUsersAndDoesNotWriteThere) {
  (void)begin();
  {
    const auto file = *disk().open("/data/dohle-run", OpenMode::read_write);
    std::array<std::byte, 32> entry{};
    ASSERT_EQ(*file->read(4'096 + 64, entry), entry.size());
    const Bytes bytes(entry);
    ASSERT_TRUE(file->write(4'096 + 32, {&bytes, 1}));
    const std::array<std::byte, 32> zeros{};
    const Bytes none(zeros);
    ASSERT_TRUE(file->write(4'096 + 64, {&none, 1}));
  }
  for (int start = 0; start < 2; ++start) {
    const auto note = open();
    EXPECT_EQ(note->earlier().end_of(partition_), Offset{5});
    EXPECT_FALSE(note->earlier().users_bytes);
    note->catalog_bytes(1'500);
    note->users_bytes(200);
  }
  EXPECT_EQ(open()->earlier().catalog_bytes, 1'500u);
}

TEST_F(RunNoteTest, IsAbandonedWithALogLineWhenItCannotBeWritten) {
  auto note = begin();
  RunNote::Place place;
  machine_.disk().fail_writes("dohle-run", 1);
  note->acknowledged(partition_, place, Offset{42});
  EXPECT_NE(warned_.find("dohle-run cannot be written"), std::string::npos) << warned_;
  EXPECT_FALSE(open()->earlier().is_same_boot)
      << "knowing too little is worse than knowing nothing";
}

TEST(CleanStop, IsReadFromItsTextAndFromNoDamagedOne) {
  CleanStop mark;
  mark.catalog_bytes = 500;
  mark.users_bytes = 70;
  NotedPartition partition;
  partition.topic.bytes[3] = 1;
  partition.partition = PartitionId{2};
  mark.logs[partition] = {Offset{10},
                          Offset{90},
                          Timestamp{123},
                          {{Offset{0}, 4'000, 0xabcdef01}, {Offset{50}, 0, std::nullopt}}};
  const std::string text = mark.text();
  const auto read = CleanStop::parse(text);
  ASSERT_TRUE(read.has_value());
  EXPECT_TRUE(read->is_clean);
  EXPECT_FALSE(read->is_bare);
  EXPECT_EQ(read->catalog_bytes, 500u);
  EXPECT_EQ(read->users_bytes, 70u);
  ASSERT_NE(read->log_of(partition), nullptr);
  EXPECT_EQ(*read->log_of(partition), mark.logs[partition]);
  for (std::size_t i = 0; i < text.size(); ++i) {
    std::string damaged = text;
    damaged[i] = static_cast<char>(damaged[i] ^ 1);
    EXPECT_FALSE(CleanStop::parse(damaged).has_value()) << i;
    EXPECT_FALSE(CleanStop::parse(text.substr(0, i)).has_value()) << i;
  }
  EXPECT_TRUE(CleanStop::parse("1\n")->is_bare) << "0.1.0";
  mark.users_bytes.reset();
  EXPECT_FALSE(CleanStop::parse(mark.text())->users_bytes) << "a directory without SCRAM users";
}

}  // namespace
}  // namespace dohle::node
