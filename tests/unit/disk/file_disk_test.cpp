#include "disk/file_disk.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <filesystem>
#include <thread>

#include "failing_calls.hpp"
#include "scratch_directory.hpp"
#include "waiting_loop.hpp"

namespace dohle::disk {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

Result<void> append(File& file, std::string_view text) {
  const Bytes bytes = as_bytes(text);
  return file.write(file.size(), {&bytes, 1});
}

std::string read_all(const File& file) {
  std::string text(file.size(), '\0');
  const auto got = file.read(0, std::as_writable_bytes(std::span(text)));
  return got ? text.substr(0, *got) : std::string(got.error().message());
}

std::uint64_t blocks_of(const std::string& path) {
  struct stat status{};
  EXPECT_EQ(::stat(path.c_str(), &status), 0);
  return static_cast<std::uint64_t>(status.st_blocks) * 512;
}

class FileDiskTest : public testing::Test {
 protected:
  std::shared_ptr<File> open(const std::string& name) {
    return disk.open(directory / name, OpenMode::create).value();
  }

  ScratchDirectory directory;
  WaitingLoop loop;
  FailingCalls calls;
  FileDisk disk{loop};
};

TEST_F(FileDiskTest, writes_gather_and_read_back) {
  auto file = open("a");
  std::vector<std::string> texts;
  std::string expected;
  for (int i = 0; i < 300; ++i) expected += texts.emplace_back(std::to_string(i) + ",");
  std::vector<Bytes> pieces;
  for (const std::string& text : texts) {
    pieces.push_back(as_bytes(text));
    pieces.push_back({});
  }
  ASSERT_TRUE(file->write(0, pieces));
  EXPECT_EQ(file->size(), expected.size());
  EXPECT_EQ(read_all(*file), expected);
  EXPECT_EQ(directory.contents("a"), expected);
  EXPECT_GE(file->descriptor(), 0);
  std::byte past[4];
  EXPECT_EQ(file->read(expected.size() - 1, past).value(), 1u);
  EXPECT_EQ(file->read(expected.size() + 9, past).value(), 0u);
}

TEST_F(FileDiskTest, opens_as_the_mode_says) {
  EXPECT_TRUE(disk.open(directory / "a", OpenMode::read).error().is(Errc::not_found));
  EXPECT_TRUE(disk.open(directory / "a", OpenMode::read_write).error().is(Errc::not_found));
  ASSERT_TRUE(append(*open("a"), "kept"));
  EXPECT_EQ(open("a")->size(), 4u);
  EXPECT_EQ(disk.open(directory / "a", OpenMode::truncate).value()->size(), 0u);
  const auto refused = disk.open(directory.path(), OpenMode::read);
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().message(), "open " + directory.path() + ": Not a regular file");
}

TEST_F(FileDiskTest, errors_name_operation_path_and_reason) {
  const auto refused = disk.open(directory / "no/such", OpenMode::create);
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().category(), ErrorCategory::storage);
  EXPECT_EQ(refused.error().message(),
            "open " + (directory / "no/such").string() + ": No such file or directory");
  open("a");
  const auto taken = disk.make_directories(directory / "a");
  ASSERT_FALSE(taken);
  EXPECT_EQ(taken.error().message(),
            "make directory " + (directory / "a").string() + ": A file has that name");
}

TEST_F(FileDiskTest, short_and_interrupted_calls_are_continued) {
  FileDisk faulty(loop, {.calls = &calls});
  auto file = faulty.open(directory / "a", OpenMode::create).value();
  calls.interrupts = 2;
  calls.max_write_bytes = 3;
  const std::array pieces = {as_bytes("hello"), as_bytes(""), as_bytes(", world")};
  ASSERT_TRUE(file->write(0, pieces));
  EXPECT_EQ(read_all(*file), "hello, world");
}

TEST_F(FileDiskTest, a_full_disk_is_reported_as_disk_full_and_keeps_written_bytes) {
  FileDisk faulty(loop, {.calls = &calls});
  auto file = faulty.open(directory / "a", OpenMode::create).value();
  calls.space = 7;
  const auto refused = append(*file, "0123456789");
  ASSERT_FALSE(refused);
  EXPECT_TRUE(refused.error().is(Errc::disk_full));
  EXPECT_EQ(refused.error().message(),
            "write " + (directory / "a").string() + ": No space left on device");
  EXPECT_EQ(file->size(), 7u);
  ASSERT_TRUE(file->truncate(5));
  EXPECT_EQ(directory.contents("a"), "01234");
}

TEST_F(FileDiskTest, reserving_takes_space_without_size_and_truncating_frees_it) {
  FileDisk counted(loop, {.calls = &calls});
  auto file = counted.open(directory / "a", OpenMode::create).value();
  ASSERT_TRUE(append(*file, "text"));
  ASSERT_TRUE(file->reserve(1 << 20));
  ASSERT_TRUE(file->reserve(1 << 19));
  EXPECT_EQ(calls.allocations, 1);
  EXPECT_EQ(file->size(), 4u);
  EXPECT_GE(blocks_of(directory / "a"), std::uint64_t{1} << 20);
  ASSERT_TRUE(file->truncate(4));
  EXPECT_LE(blocks_of(directory / "a"), 8192u);
  EXPECT_EQ(directory.contents("a"), "text");
}

TEST_F(FileDiskTest, extending_takes_space_and_reads_as_zeros) {
  auto file = open("a");
  ASSERT_TRUE(append(*file, "text"));
  ASSERT_TRUE(file->extend(1 << 20));
  EXPECT_EQ(file->size(), std::uint64_t{1} << 20);
  EXPECT_GE(blocks_of(directory / "a"), std::uint64_t{1} << 20);
  EXPECT_EQ(directory.contents("a").substr(0, 6), std::string("text\0\0", 6));
  ASSERT_TRUE(file->truncate(4));
  EXPECT_LE(blocks_of(directory / "a"), 8192u);
  EXPECT_EQ(directory.contents("a"), "text");
}

TEST_F(FileDiskTest, extending_without_support_of_the_file_system_leaves_the_size) {
  FileDisk faulty(loop, {.calls = &calls});
  auto file = faulty.open(directory / "a", OpenMode::create).value();
  calls.allocate_error = EOPNOTSUPP;
  EXPECT_TRUE(file->extend(1 << 20));
  EXPECT_EQ(file->size(), 0u);
}

TEST_F(FileDiskTest, reserving_on_a_file_system_without_it_compares_free_space) {
  FileDisk faulty(loop, {.calls = &calls});
  auto file = faulty.open(directory / "a", OpenMode::create).value();
  calls.allocate_error = EOPNOTSUPP;
  EXPECT_TRUE(file->reserve(1 << 20));
  EXPECT_TRUE(file->reserve(2 << 20));
  EXPECT_EQ(calls.allocations, 1);
  const auto refused = file->reserve(std::uint64_t{1} << 60);
  ASSERT_FALSE(refused);
  EXPECT_TRUE(refused.error().is(Errc::disk_full));
}

TEST_F(FileDiskTest, reserving_on_a_full_disk_fails_with_disk_full) {
  FileDisk faulty(loop, {.calls = &calls});
  auto file = faulty.open(directory / "a", OpenMode::create).value();
  calls.allocate_error = EDQUOT;
  EXPECT_TRUE(file->reserve(1 << 20).error().is(Errc::disk_full));
}

TEST_F(FileDiskTest, a_listing_may_leave_out_sizes_that_are_not_wanted) {
  ASSERT_TRUE(disk.make_directories(directory / "x/y.log"));
  ASSERT_TRUE(append(*open("x/a.log"), "12"));
  ASSERT_TRUE(append(*open("x/b.index"), "123"));
  std::filesystem::create_symlink(directory / "x/a.log", directory / "x/c.log");
  std::filesystem::create_symlink(directory / "x/y.log", directory / "x/d");
  const auto entries = disk.list_with_sizes_of(directory / "x", ".log").value();
  ASSERT_EQ(entries.size(), 5u);
  EXPECT_EQ(entries[0].name, "a.log");
  EXPECT_EQ(entries[0].size, 2u);
  EXPECT_EQ(entries[1].name, "b.index");
  EXPECT_FALSE(entries[1].is_directory);
  EXPECT_EQ(entries[2].size, 2u) << "the size of the file that a link names";
  EXPECT_TRUE(entries[3].is_directory) << "a link to a directory";
  EXPECT_TRUE(entries[4].is_directory);
}

TEST_F(FileDiskTest, names_are_created_listed_renamed_and_removed) {
  ASSERT_TRUE(disk.make_directories(directory / "x/y/z"));
  ASSERT_TRUE(disk.make_directories(directory / "x/y/z"));
  ASSERT_TRUE(append(*open("x/b"), "12"));
  ASSERT_TRUE(disk.rename(directory / "x/b", directory / "x/a"));
  const auto entries = disk.list(directory / "x").value();
  ASSERT_EQ(entries.size(), 2u);
  EXPECT_EQ(entries[0].name, "a");
  EXPECT_EQ(entries[0].size, 2u);
  EXPECT_FALSE(entries[0].is_directory);
  EXPECT_TRUE(entries[1].is_directory);
  EXPECT_TRUE(disk.sync_directory(directory / "x"));
  EXPECT_FALSE(disk.remove(directory / "x"));
  EXPECT_TRUE(disk.remove(directory / "x/a"));
  EXPECT_TRUE(disk.remove(directory / "x/a").error().is(Errc::not_found));
  EXPECT_TRUE(disk.remove_all(directory / "x"));
  EXPECT_TRUE(disk.remove_all(directory / "x"));
  EXPECT_FALSE(disk.exists(directory / "x"));
  EXPECT_TRUE(disk.list(directory / "x").error().is(Errc::not_found));
  EXPECT_TRUE(disk.list_with_sizes_of(directory / "x", ".log").error().is(Errc::not_found));
  open("file");
  EXPECT_TRUE(disk.make_directories(directory / "file").error().is(Errc::already_exists));
}

TEST_F(FileDiskTest, a_lock_is_held_once_and_names_its_holder) {
  auto lock = disk.lock(directory.path());
  ASSERT_TRUE(lock);
  EXPECT_EQ(directory.contents(".lock"), std::to_string(::getpid()) + "\n");
  const auto refused = disk.lock(directory.path());
  ASSERT_FALSE(refused);
  EXPECT_TRUE(refused.error().is(Errc::locked));
  EXPECT_EQ(refused.error().message(), "lock " + directory.path() + ": held by this process");
  lock->reset();
  EXPECT_TRUE(disk.lock(directory.path()));
  EXPECT_TRUE(disk.lock(directory / "missing").error().is(Errc::not_found));
}

TEST_F(FileDiskTest, a_lock_outlives_the_removal_of_its_file) {
  auto lock = disk.lock(directory.path());
  ASSERT_TRUE(lock);
  ASSERT_TRUE(disk.remove(directory / ".lock"));
  const auto refused = disk.lock(directory.path());
  ASSERT_FALSE(refused);
  EXPECT_TRUE(refused.error().is(Errc::locked));
  EXPECT_FALSE(disk.exists(directory / ".lock")) << "a refused lock leaves nothing behind";
  lock->reset();
  EXPECT_TRUE(disk.lock(directory.path()));
}

TEST_F(FileDiskTest, a_lock_of_another_process_names_it_and_ends_with_it) {
  int ready[2];
  int finish[2];
  ASSERT_EQ(::pipe(ready), 0);
  ASSERT_EQ(::pipe(finish), 0);
  const pid_t child = ::fork();
  if (child == 0) {
    const auto lock = disk.lock(directory.path());
    char byte = lock ? 'y' : 'n';
    (void)!::write(ready[1], &byte, 1);
    (void)!::read(finish[0], &byte, 1);
    ::_exit(0);
  }
  char byte = 0;
  ASSERT_EQ(::read(ready[0], &byte, 1), 1);
  ASSERT_EQ(byte, 'y');
  const auto refused = disk.lock(directory.path());
  ASSERT_FALSE(refused);
  EXPECT_THAT(std::string(refused.error().message()),
              HasSubstr("held by process " + std::to_string(child)));
  ASSERT_EQ(::write(finish[1], &byte, 1), 1);
  int status = 0;
  ASSERT_EQ(::waitpid(child, &status, 0), child);
  EXPECT_TRUE(disk.lock(directory.path()));
  for (const int end : {ready[0], ready[1], finish[0], finish[1]}) ::close(end);
}

TEST_F(FileDiskTest, a_job_runs_on_another_thread_and_its_answer_on_the_loop) {
  const auto test_thread = std::this_thread::get_id();
  std::thread::id job_thread;
  std::thread::id done_thread;
  disk.run([&] { job_thread = std::this_thread::get_id(); },
           [&] { done_thread = std::this_thread::get_id(); });
  loop.run_until([&] { return done_thread != std::thread::id(); });
  EXPECT_TRUE(job_thread != test_thread);
  EXPECT_TRUE(done_thread == test_thread);
}

TEST_F(FileDiskTest, the_real_sync_works_for_one_file_and_for_many) {
  std::vector<std::shared_ptr<File>> files;
  for (int i = 0; i < 20; ++i) {
    files.push_back(open(std::to_string(i)));
    ASSERT_TRUE(append(*files.back(), "text"));
  }
  int answers = 0;
  const auto count = [&](Result<void> outcome) {
    EXPECT_TRUE(outcome);
    ++answers;
  };
  disk.sync({files[0]}, count);
  disk.sync(files, count);
  disk.sync({}, count);
  loop.run_until([&] { return answers == 3; });
  EXPECT_TRUE(disk.sync_now(*files[0]));
}

}  // namespace
}  // namespace dohle::disk
