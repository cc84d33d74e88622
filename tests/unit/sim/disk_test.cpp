#include "sim/disk.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>

#include "sim/machine.hpp"
#include "sim/world.hpp"

namespace dohle::sim {
namespace {

using namespace std::chrono_literals;
using testing::HasSubstr;

/// A machine with one process, whose disk the test uses directly.
class OneDisk {
 public:
  explicit OneDisk(std::uint64_t seed, DiskOptions options = {})
      : world(seed, with(options)),
        machine(world.machine("node")),
        process(machine.start("node", [](Process&) { return std::make_shared<int>(0); })) {
    world.run_for(1ms);
  }

  Disk& disk() { return process.disk(); }
  std::shared_ptr<File> open(const std::string& path) {
    return disk().open(path, OpenMode::create).value();
  }
  static Result<void> append(File& file, std::string_view text) {
    const Bytes bytes = as_bytes(text);
    return file.write(file.size(), {&bytes, 1});
  }
  void crash() {
    machine.lose_power();
    machine.power_on();
    world.run_for(1ms);
  }
  std::string contents(const std::string& path) {
    return machine.disk().contents(path).value_or("(none)");
  }

  World world;
  Machine& machine;
  Process& process;

 private:
  static WorldOptions with(const DiskOptions& disk) {
    WorldOptions options;
    options.disk = disk;
    return options;
  }
};

constexpr std::uint64_t seeds = 60;

TEST(SimDisk, keeps_synced_bytes_and_may_lose_the_others) {
  bool lost = false;
  bool kept = false;
  for (std::uint64_t seed = 1; seed <= seeds; ++seed) {
    OneDisk one(seed);
    auto file = one.open("/log");
    ASSERT_TRUE(OneDisk::append(*file, std::string(10'000, 'a')));
    ASSERT_TRUE(one.disk().sync_now(*file));
    ASSERT_TRUE(one.disk().sync_directory("/"));
    ASSERT_TRUE(OneDisk::append(*file, std::string(10'000, 'b')));
    one.crash();
    const std::string left = one.contents("/log");
    ASSERT_GE(left.size(), 10'000u) << "seed " << seed;
    EXPECT_EQ(left.substr(0, 10'000), std::string(10'000, 'a')) << "seed " << seed;
    lost |= left.size() == 10'000;
    kept |= left == std::string(10'000, 'a') + std::string(10'000, 'b');
  }
  EXPECT_TRUE(lost);
  EXPECT_TRUE(kept);
}

TEST(SimDisk, tears_at_sectors_and_fills_holes_with_zeros) {
  bool torn_within_page = false;
  bool has_hole = false;
  for (std::uint64_t seed = 1; seed <= 300; ++seed) {
    OneDisk one(seed);
    auto file = one.open("/log");
    ASSERT_TRUE(one.disk().sync_directory("/"));
    ASSERT_TRUE(OneDisk::append(*file, std::string(16 * 4096, 'a')));
    ASSERT_TRUE(OneDisk::append(*file, std::string(16 * 4096, 'b')));
    one.crash();
    const std::string left = one.contents("/log");
    for (std::size_t at = 0; at + 512 <= left.size(); at += 512) {
      const std::string sector = left.substr(at, 512);
      const char expected = at < 16 * 4096 ? 'a' : 'b';
      ASSERT_TRUE(sector == std::string(512, expected) || sector == std::string(512, '\0'));
      has_hole |= sector[0] == '\0';
      torn_within_page |= at % 4096 != 0 && left[at] != left[at - 1];
    }
  }
  EXPECT_TRUE(torn_within_page);
  EXPECT_TRUE(has_hole);
}

TEST(SimDisk, tears_short_writes_too) {
  int torn = 0;
  for (std::uint64_t seed = 1; seed <= seeds; ++seed) {
    OneDisk one(seed);
    auto file = one.open("/log");
    ASSERT_TRUE(OneDisk::append(*file, std::string(5'000, 'a')));
    ASSERT_TRUE(one.disk().sync_now(*file));
    ASSERT_TRUE(one.disk().sync_directory("/"));
    ASSERT_TRUE(OneDisk::append(*file, std::string(900, 'b')));
    one.crash();
    const std::string left = one.contents("/log");
    ASSERT_EQ(left.substr(0, 5'000), std::string(5'000, 'a'));
    const auto kept = std::ranges::count(left, 'b');
    torn += kept > 0 && kept < 900;
  }
  EXPECT_GE(torn, 5);
}

TEST(SimDisk, a_killed_process_loses_nothing) {
  OneDisk one(1);
  auto file = one.open("/log");
  ASSERT_TRUE(OneDisk::append(*file, "not synced"));
  one.process.kill();
  EXPECT_EQ(one.contents("/log"), "not synced");
  EXPECT_FALSE(OneDisk::append(*file, "from the dead"));
  EXPECT_EQ(one.contents("/log"), "not synced");
}

TEST(SimDisk, a_new_file_may_vanish_until_its_directory_is_synced) {
  bool lost = false;
  for (std::uint64_t seed = 1; seed <= seeds; ++seed) {
    OneDisk one(seed);
    auto synced = one.open("/synced");
    ASSERT_TRUE(one.disk().sync_directory("/"));
    auto file = one.open("/new");
    ASSERT_TRUE(OneDisk::append(*file, "x"));
    ASSERT_TRUE(one.disk().sync_now(*file));
    one.crash();
    EXPECT_TRUE(one.disk().exists("/synced"));
    lost |= !one.disk().exists("/new");
  }
  EXPECT_TRUE(lost);
}

TEST(SimDisk, replacing_by_rename_survives_any_crash) {
  for (const bool in_order : {true, false}) {
    bool had_old = false;
    bool had_new = false;
    for (std::uint64_t seed = 1; seed <= seeds; ++seed) {
      OneDisk one(seed, {.entries_in_order = in_order});
      ASSERT_TRUE(one.disk().make_directories("/data"));
      ASSERT_TRUE(one.disk().sync_directory("/"));
      for (const char* text : {"old", "new"}) {
        auto file = one.disk().open("/data/state.tmp", OpenMode::truncate).value();
        ASSERT_TRUE(OneDisk::append(*file, text));
        ASSERT_TRUE(one.disk().sync_now(*file));
        ASSERT_TRUE(one.disk().rename("/data/state.tmp", "/data/state"));
        if (std::string_view(text) == "old") {
          ASSERT_TRUE(one.disk().sync_directory("/data"));
        }
      }
      one.crash();
      const std::string left = one.contents("/data/state");
      EXPECT_TRUE(left == "old" || left == "new") << left << " seed " << seed;
      had_old |= left == "old";
      had_new |= left == "new";
    }
    EXPECT_TRUE(had_old && had_new);
  }
}

TEST(SimDisk, a_rename_before_the_sync_of_its_file_may_leave_it_empty) {
  bool empty = false;
  for (std::uint64_t seed = 1; seed <= seeds; ++seed) {
    OneDisk one(seed);
    auto file = one.open("/state.tmp");
    ASSERT_TRUE(OneDisk::append(*file, "content"));
    ASSERT_TRUE(one.disk().rename("/state.tmp", "/state"));
    ASSERT_TRUE(one.disk().sync_directory("/"));
    one.crash();
    ASSERT_TRUE(one.disk().exists("/state"));
    empty |= one.contents("/state").empty();
  }
  EXPECT_TRUE(empty);
}

TEST(SimDisk, a_removal_may_be_undone_unless_its_directory_is_synced) {
  bool undone = false;
  for (std::uint64_t seed = 1; seed <= seeds; ++seed) {
    OneDisk one(seed);
    ASSERT_TRUE(one.disk().make_directories("/a/b"));
    one.open("/a/b/c");
    ASSERT_TRUE(one.disk().sync_directory("/a/b"));
    ASSERT_TRUE(one.disk().remove_all("/a"));
    one.crash();
    undone |= one.disk().exists("/a/b/c");
    ASSERT_TRUE(one.disk().remove_all("/a"));
    ASSERT_TRUE(one.disk().sync_directory("/"));
    one.crash();
    EXPECT_FALSE(one.disk().exists("/a"));
  }
  EXPECT_TRUE(undone);
}

TEST(SimDisk, sync_answers_later_and_covers_earlier_writes) {
  OneDisk one(1);
  auto file = one.open("/log");
  ASSERT_TRUE(one.disk().sync_directory("/"));
  ASSERT_TRUE(OneDisk::append(*file, "before"));
  bool answered = false;
  one.disk().sync({file, file}, [&](Result<void> outcome) { answered = outcome.has_value(); });
  EXPECT_FALSE(answered);
  one.world.run_for(20ms);
  EXPECT_TRUE(answered);
  one.crash();
  EXPECT_EQ(one.contents("/log"), "before");
}

TEST(SimDisk, syncs_that_arrive_meanwhile_form_the_next_group) {
  OneDisk one(1);
  auto file = one.open("/log");
  std::vector<TimePoint> answers;
  for (int i = 0; i < 3; ++i) {
    ASSERT_TRUE(OneDisk::append(*file, "x"));
    one.disk().sync({file}, [&](Result<void>) { answers.push_back(one.world.now()); });
  }
  one.world.run_for(1s);
  ASSERT_EQ(answers.size(), 3u);
  EXPECT_LT(answers[0], answers[1]);
  EXPECT_EQ(answers[1], answers[2]);
}

TEST(SimDisk, a_failed_sync_fails_its_calls_and_the_file_from_then_on) {
  OneDisk one(1);
  auto bad = one.open("/bad");
  auto good = one.open("/good");
  one.machine.disk().fail_syncs("bad", 1);
  std::vector<bool> outcomes;
  const auto note = [&](Result<void> outcome) { outcomes.push_back(outcome.has_value()); };
  one.disk().sync({good}, note);
  one.disk().sync({good, bad}, note);
  one.disk().sync({good}, note);
  one.world.run_for(1s);
  EXPECT_THAT(outcomes, testing::ElementsAre(true, false, true));
  EXPECT_FALSE(one.disk().sync_now(*bad));
  EXPECT_EQ(one.world.faults().of(Fault::sync_error), 1u);
}

TEST(SimDisk, bytes_lost_by_a_failed_sync_are_not_saved_by_a_later_one) {
  bool lost = false;
  for (std::uint64_t seed = 1; seed <= seeds; ++seed) {
    OneDisk one(seed);
    auto file = one.open("/log");
    ASSERT_TRUE(one.disk().sync_directory("/"));
    ASSERT_TRUE(OneDisk::append(*file, "doomed"));
    one.machine.disk().fail_syncs("", 1);
    EXPECT_FALSE(one.disk().sync_now(*file));
    EXPECT_EQ(one.contents("/log"), "doomed");
    auto again = one.open("/log");
    EXPECT_TRUE(one.disk().sync_now(*again));
    one.crash();
    lost |= one.contents("/log") != "doomed";
  }
  EXPECT_TRUE(lost);
}

TEST(SimDisk, a_full_disk_refuses_new_space_and_honours_reserved_space) {
  OneDisk one(1, {.max_bytes = 64 * 1024});
  auto file = one.open("/log");
  ASSERT_TRUE(file->reserve(60 * 1024));
  EXPECT_EQ(file->size(), 0u);
  auto other = one.open("/other");
  const auto refused = OneDisk::append(*other, std::string(10'000, 'x'));
  ASSERT_FALSE(refused);
  EXPECT_TRUE(refused.error().is(Errc::disk_full));
  EXPECT_THAT(std::string(refused.error().message()), HasSubstr("/other"));
  one.machine.disk().set_full(true);
  EXPECT_TRUE(OneDisk::append(*file, std::string(60 * 1024, 'x')));
  EXPECT_FALSE(file->reserve(70 * 1024));
  ASSERT_TRUE(file->truncate(0));
  EXPECT_EQ(one.machine.disk().bytes_used(), 0u);
  one.machine.disk().set_full(false);
  EXPECT_TRUE(OneDisk::append(*other, std::string(10'000, 'x')));
}

TEST(SimDisk, a_lock_is_held_by_one_process_and_ends_with_it) {
  OneDisk one(1);
  Process& second = one.machine.start("second", [](Process&) { return std::make_shared<int>(0); });
  ASSERT_TRUE(one.disk().make_directories("/data"));
  auto lock = one.disk().lock("/data");
  ASSERT_TRUE(lock);
  const auto refused = second.disk().lock("/data");
  ASSERT_FALSE(refused);
  EXPECT_TRUE(refused.error().is(Errc::locked));
  one.process.kill();
  EXPECT_TRUE(second.disk().lock("/data"));
}

TEST(SimDisk, the_power_may_fail_right_after_a_change) {
  bool was_lost = false;
  bool was_kept = false;
  for (std::uint64_t seed = 1; seed <= seeds; ++seed) {
    OneDisk one(seed);
    auto file = one.open("/log");
    ASSERT_TRUE(one.disk().sync_directory("/"));
    one.machine.disk().after_change(2, SimDisk::Change::any, [&one] { one.machine.lose_power(); });
    ASSERT_TRUE(OneDisk::append(*file, "first"));
    ASSERT_TRUE(one.disk().sync_now(*file));
    EXPECT_TRUE(one.machine.is_up());
    const auto second = OneDisk::append(*file, "second");
    ASSERT_FALSE(second);
    EXPECT_TRUE(second.error().is(Errc::closed));
    EXPECT_FALSE(one.machine.is_up());
    EXPECT_FALSE(OneDisk::append(*file, "third"));
    one.crash();
    const std::string left = one.contents("/log");
    EXPECT_EQ(left.substr(0, 5), "first");
    EXPECT_EQ(left.find("third"), left.npos);
    was_lost |= left == "first";
    was_kept |= left == "firstsecond";
  }
  EXPECT_TRUE(was_lost);
  EXPECT_TRUE(was_kept);
}

TEST(SimDisk, changes_of_names_may_be_awaited_alone) {
  OneDisk one(1);
  auto file = one.open("/log");
  int count = 0;
  SimDisk& disk = one.machine.disk();
  disk.after_change(2, SimDisk::Change::of_names, [&] { ++count; });
  ASSERT_TRUE(OneDisk::append(*file, "bytes"));
  (void)one.open("/log");
  ASSERT_TRUE(one.disk().make_directories("/new"));
  ASSERT_TRUE(one.disk().make_directories("/new"));
  EXPECT_EQ(count, 0);
  ASSERT_TRUE(one.disk().rename("/log", "/new/log"));
  EXPECT_EQ(count, 1);
  ASSERT_TRUE(one.disk().remove("/new/log"));
  EXPECT_EQ(count, 1) << "it happens once";
  disk.after_change(1, SimDisk::Change::any, [&] { ++count; });
  disk.after_change(0, SimDisk::Change::any, {});
  (void)one.open("/other");
  EXPECT_EQ(count, 1) << "it was taken back";
}

TEST(SimDisk, a_flipped_bit_is_seen_by_readers) {
  OneDisk one(1);
  auto file = one.open("/log");
  ASSERT_TRUE(OneDisk::append(*file, "a"));
  EXPECT_TRUE(one.machine.disk().flip_bit("/log", 0, 1));
  EXPECT_EQ(one.contents("/log"), "c");
  EXPECT_FALSE(one.machine.disk().flip_bit("/log", 1, 1));
}

TEST(SimDisk, a_slow_disk_takes_longer) {
  OneDisk one(1, {.slow_one_in = 0});
  auto file = one.open("/log");
  one.machine.disk().set_slow(1000);
  bool answered = false;
  one.disk().sync({file}, [&](Result<void>) { answered = true; });
  one.world.run_for(50ms);
  EXPECT_FALSE(answered);
  one.world.run_for(1s);
  EXPECT_TRUE(answered);
  EXPECT_EQ(one.world.faults().of(Fault::slow_disk), 1u);
}

TEST(SimDisk, names_follow_the_rules_of_a_file_system) {
  OneDisk one(1);
  Disk& disk = one.disk();
  EXPECT_TRUE(disk.open("/no/such", OpenMode::create).error().is(Errc::not_found));
  EXPECT_TRUE(disk.open("/none", OpenMode::read).error().is(Errc::not_found));
  ASSERT_TRUE(disk.make_directories("/a/b"));
  one.open("/a/file");
  const auto listed = disk.list("/a").value();
  ASSERT_EQ(listed.size(), 2u);
  EXPECT_EQ(listed[0].name, "b");
  EXPECT_TRUE(listed[0].is_directory);
  EXPECT_EQ(listed[1].name, "file");
  EXPECT_FALSE(disk.remove("/a"));
  EXPECT_FALSE(disk.rename("/a", "/a/b/c"));
  EXPECT_TRUE(disk.rename("/a", "/z"));
  EXPECT_TRUE(disk.exists("/z/file"));
  EXPECT_TRUE(disk.remove_all("/z"));
  EXPECT_FALSE(disk.exists("/z"));
}

}  // namespace
}  // namespace dohle::sim
