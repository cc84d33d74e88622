#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "disk/file_disk.hpp"
#include "failing_calls.hpp"
#include "scratch_directory.hpp"
#include "waiting_loop.hpp"

namespace dohle::disk {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

class GroupSync : public testing::Test {
 protected:
  explicit GroupSync(std::size_t min_whole_file_system_files = 0) {
    FileDiskOptions options;
    options.max_sync_threads = 4;
    options.min_whole_file_system_files = min_whole_file_system_files;
    options.calls = &calls;
    disk = std::make_unique<FileDisk>(loop, options);
    for (int i = 0; i < 8; ++i) {
      files.push_back(disk->open(directory / std::to_string(i), OpenMode::create).value());
    }
  }
  ~GroupSync() override { calls.open_gate(); }

  void sync(std::vector<std::shared_ptr<File>> set) {
    const std::size_t call = outcomes.size();
    outcomes.emplace_back("waiting");
    disk->sync(std::move(set), [this, call](Result<void> outcome) {
      outcomes[call] = outcome ? "ok" : std::string(outcome.error().message());
      ++answers;
    });
  }
  void wait_for_answers(int count) {
    loop.run_until([&] { return answers >= count; });
  }

  ScratchDirectory directory;
  WaitingLoop loop;
  FailingCalls calls;
  std::vector<std::shared_ptr<File>> files;
  std::vector<std::string> outcomes;
  int answers = 0;
  std::unique_ptr<FileDisk> disk;
};

class WholeFileSystem : public GroupSync {
 protected:
  WholeFileSystem() : GroupSync(4) {}
};

TEST_F(GroupSync, calls_that_arrive_meanwhile_form_one_group_of_distinct_files) {
  calls.close_gate();
  sync({files[0]});
  calls.wait_for_syncs(1);
  for (int i = 0; i < 10; ++i) sync({files[1], files[2], files[1]});
  EXPECT_EQ(calls.syncs(), 1);
  calls.open_gate();
  wait_for_answers(11);
  EXPECT_EQ(calls.syncs(), 3);
  EXPECT_EQ(loop.posts(), 2);
}

TEST_F(GroupSync, files_of_a_group_are_synced_side_by_side_up_to_the_limit) {
  calls.close_gate();
  sync(files);
  calls.wait_for_syncs(4);
  calls.open_gate();
  wait_for_answers(1);
  EXPECT_EQ(calls.most_at_once, 4);
  EXPECT_EQ(calls.syncs(), 8);
}

TEST_F(GroupSync, an_error_fails_the_calls_whose_set_holds_the_file_and_no_other) {
  calls.bad_files = {files[2]->descriptor()};
  calls.close_gate();
  sync({files[0]});
  calls.wait_for_syncs(1);
  sync({files[1]});
  sync({files[1], files[2]});
  sync({files[3]});
  calls.open_gate();
  wait_for_answers(4);
  EXPECT_THAT(outcomes,
              ElementsAre("ok", "ok", "sync " + files[2]->path() + ": Input/output error", "ok"));
}

TEST_F(GroupSync, an_error_is_final_and_the_file_is_not_tried_again) {
  calls.bad_files = {files[0]->descriptor()};
  sync({files[0]});
  wait_for_answers(1);
  calls.bad_files.clear();
  sync({files[0]});
  sync({files[1]});
  wait_for_answers(3);
  EXPECT_THAT(outcomes[1], HasSubstr("Input/output error"));
  EXPECT_EQ(outcomes[2], "ok");
  EXPECT_EQ(calls.syncs(), 2);
  EXPECT_FALSE(disk->sync_now(*files[0]));
  EXPECT_EQ(calls.syncs(), 2);
}

TEST_F(GroupSync, the_names_in_a_directory_are_synced_beside_files) {
  sync({files[0], disk->names_in(directory.path())});
  wait_for_answers(1);
  EXPECT_EQ(outcomes[0], "ok");
  EXPECT_EQ(calls.directory_syncs, 1);
  EXPECT_EQ(calls.syncs(), 1);
}

TEST_F(GroupSync, names_that_could_not_be_synced_stay_failed) {
  const auto names = disk->names_in(directory.path());
  calls.directory_fails = true;
  sync({files[0], names});
  sync({disk->names_in(directory / "gone")});
  wait_for_answers(2);
  calls.directory_fails = false;
  sync({names});
  wait_for_answers(3);
  EXPECT_EQ(outcomes[0],
            "sync directory " + std::string(directory.path()) + ": Input/output error");
  EXPECT_THAT(outcomes[1], HasSubstr("No such file or directory"));
  EXPECT_EQ(outcomes[2], outcomes[0]);
  EXPECT_EQ(calls.directory_syncs, 1);
}

TEST_F(GroupSync, one_call_outstanding_costs_one_post) {
  for (int i = 1; i <= 20; ++i) {
    sync({files[0]});
    wait_for_answers(i);
  }
  EXPECT_EQ(loop.posts(), 20);
  EXPECT_EQ(calls.most_at_once, 1);
}

TEST_F(GroupSync, a_thread_that_waits_for_a_group_needs_no_loop) {
  EXPECT_TRUE(disk->sync_all_now(files));
  EXPECT_EQ(calls.syncs(), 8);
  EXPECT_EQ(loop.posts(), 0);
}

TEST_F(GroupSync, an_error_of_a_group_is_that_of_one_file_and_the_others_are_synced) {
  calls.bad_files = {files[2]->descriptor()};
  const auto outcome = disk->sync_all_now(files);
  ASSERT_FALSE(outcome);
  EXPECT_EQ(outcome.error().message(), "sync " + files[2]->path() + ": Input/output error");
  EXPECT_EQ(calls.syncs(), 8);
  for (std::size_t i = 0; i < files.size(); ++i) {
    EXPECT_EQ(disk->sync_now(*files[i]).has_value(), i != 2) << i;
  }
}

TEST_F(GroupSync, an_empty_set_is_answered) {
  sync({});
  wait_for_answers(1);
  EXPECT_THAT(outcomes, ElementsAre("ok"));
}

TEST_F(GroupSync, destroying_the_disk_finishes_running_syncs_and_drops_queued_ones) {
  calls.close_gate();
  auto token = std::make_shared<int>(0);
  const std::weak_ptr<int> held = token;
  disk->sync({files[0]}, [](Result<void>) {});
  calls.wait_for_syncs(1);
  disk->sync({files[1]}, [token = std::move(token)](Result<void>) { FAIL(); });
  std::thread opener([this] { calls.open_gate(); });
  disk.reset();
  opener.join();
  // The second group may have begun before the threads stopped; then its answer is posted.
  EXPECT_LE(loop.posts(), 2);
  EXPECT_EQ(held.expired(), loop.posts() < 2);
}

TEST_F(WholeFileSystem, syncs_large_groups_at_once_and_small_ones_by_file) {
  sync({files[0], files[1], files[2]});
  wait_for_answers(1);
  EXPECT_EQ(calls.syncs(), 3);
  EXPECT_EQ(calls.file_system_syncs, 0);
  sync(files);
  wait_for_answers(2);
  // If syncfs does not report errors (which depends on TMPDIR's file system), each file is synced.
  const bool at_once = calls.file_system_syncs != 0;
  EXPECT_EQ(calls.file_system_syncs, at_once ? 1 : 0);
  EXPECT_EQ(calls.syncs(), at_once ? 3 : 3 + static_cast<int>(files.size()));
}

TEST_F(WholeFileSystem, syncs_each_file_after_its_first_error) {
  calls.file_system_fails = true;
  calls.bad_files = {files[5]->descriptor()};
  sync(files);
  wait_for_answers(1);
  EXPECT_THAT(outcomes[0], HasSubstr(files[5]->path()));
  calls.file_system_fails = false;
  const int before = calls.file_system_syncs;
  sync({files[0], files[1], files[2], files[3]});
  wait_for_answers(2);
  EXPECT_EQ(outcomes[1], "ok");
  EXPECT_EQ(calls.file_system_syncs, before);
  EXPECT_EQ(calls.syncs(), 12);
}

}  // namespace
}  // namespace dohle::disk
