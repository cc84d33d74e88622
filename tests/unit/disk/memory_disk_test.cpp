#include "disk/memory_disk.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>

#include "base/random.hpp"
#include "waiting_loop.hpp"

namespace dohle::disk {
namespace {

using testing::HasSubstr;

Result<void> write(File& file, std::uint64_t offset, std::string_view text) {
  const Bytes bytes = as_bytes(text);
  return file.write(offset, {&bytes, 1});
}

std::string read_all(const File& file) {
  std::string text(file.size(), '\0');
  EXPECT_EQ(file.read(0, std::as_writable_bytes(std::span(text))).value(), text.size());
  return text;
}

std::string text_of(const Chain& chain) {
  return std::string(chain.flatten().value().text());
}

class MemoryDiskTest : public testing::Test {
 protected:
  std::shared_ptr<File> open(const std::string& path) {
    return disk.open(path, OpenMode::create).value();
  }

  WaitingLoop loop;
  MemoryDisk disk{loop, {.max_bytes = 1 << 20}};
};

TEST_F(MemoryDiskTest, is_empty_at_first) {
  EXPECT_EQ(disk.bytes_used(), 0u);
}

TEST_F(MemoryDiskTest, holds_the_same_bytes_as_a_string_after_any_operations) {
  SeededRandom random(1);
  auto file = open("/a");
  std::string model;
  std::vector<std::pair<Chain, std::string>> views;
  for (int step = 0; step < 2000; ++step) {
    const std::uint64_t kind = random.below(10);
    if (kind < 6) {
      const std::string text(random.below(3000), static_cast<char>('a' + step % 26));
      const std::uint64_t at = kind < 4 ? model.size() : random.below(model.size() + 100);
      if (text.empty()) continue;
      if (at + text.size() > 300'000) continue;
      if (model.size() < at + text.size()) model.resize(at + text.size());
      model.replace(at, text.size(), text);
      ASSERT_TRUE(write(*file, at, text));
    } else if (kind == 6) {
      model.resize(random.below(model.size() + 1));
      ASSERT_TRUE(file->truncate(model.size()));
    } else {
      const std::uint64_t at = random.below(model.size() + 1);
      const std::size_t size = random.below(model.size() - at + 1);
      Chain view;
      ASSERT_TRUE(file->view(at, size, view));
      views.emplace_back(std::move(view), model.substr(at, size));
      if (views.size() > 4) views.erase(views.begin());
    }
    for (const auto& [view, expected] : views) ASSERT_EQ(text_of(view), expected);
    ASSERT_EQ(file->size(), model.size());
  }
  EXPECT_EQ(read_all(*file), model);
}

TEST_F(MemoryDiskTest, a_view_copies_nothing_while_bytes_are_appended) {
  auto file = open("/a");
  ASSERT_TRUE(write(*file, 0, "hello"));
  Chain first;
  ASSERT_TRUE(file->view(0, 5, first));
  const std::size_t used = disk.bytes_used();
  ASSERT_TRUE(write(*file, 5, ", world"));
  Chain second;
  ASSERT_TRUE(file->view(0, 12, second));
  EXPECT_EQ(disk.bytes_used(), used);
  EXPECT_EQ(std::get<Slice>(first.pieces()[0]).data(), std::get<Slice>(second.pieces()[0]).data());
  EXPECT_EQ(text_of(second), "hello, world");
}

TEST_F(MemoryDiskTest, the_limit_is_named_and_cutting_always_works) {
  auto file = open("/a");
  const std::string text(900'000, 'x');
  ASSERT_TRUE(write(*file, 0, text));
  Chain view;
  ASSERT_TRUE(file->view(0, text.size(), view));
  const auto refused = write(*file, text.size(), text);
  ASSERT_FALSE(refused);
  EXPECT_TRUE(refused.error().is(Errc::disk_full));
  EXPECT_THAT(std::string(refused.error().message()),
              HasSubstr("/a: the memory disk's limit of 1048576 bytes"));
  EXPECT_EQ(file->size(), text.size());
  EXPECT_TRUE(file->truncate(10));
  EXPECT_EQ(text_of(view), text);
}

TEST_F(MemoryDiskTest, bytes_of_a_view_count_until_it_is_destroyed) {
  Chain view;
  {
    auto file = open("/a");
    ASSERT_TRUE(write(*file, 0, std::string(100'000, 'x')));
    ASSERT_TRUE(file->view(0, 100'000, view));
  }
  ASSERT_TRUE(disk.remove("/a"));
  EXPECT_GE(disk.bytes_used(), 100'000u);
  view = {};
  EXPECT_EQ(disk.bytes_used(), 0u);
}

TEST_F(MemoryDiskTest, views_outlive_the_disk) {
  Chain view;
  {
    MemoryDisk other(loop);
    auto file = other.open("/a", OpenMode::create).value();
    ASSERT_TRUE(write(*file, 0, "text"));
    ASSERT_TRUE(file->view(0, 4, view));
  }
  EXPECT_EQ(text_of(view), "text");
}

TEST_F(MemoryDiskTest, reserved_space_is_kept_for_its_file) {
  auto file = open("/a");
  ASSERT_TRUE(file->reserve(800'000));
  EXPECT_EQ(file->size(), 0u);
  EXPECT_FALSE(open("/b")->reserve(800'000));
  EXPECT_TRUE(write(*file, 0, std::string(800'000, 'x')));
  ASSERT_TRUE(file->truncate(0));
  EXPECT_EQ(disk.bytes_used(), 0u);
}

TEST_F(MemoryDiskTest, sync_and_run_answer_in_a_later_turn) {
  std::string order;
  disk.sync({open("/a")}, [&](Result<void> outcome) { order += outcome ? 's' : 'f'; });
  disk.run([&] { order += 'j'; }, [&] { order += 'd'; });
  order += '.';
  loop.run_until([&] { return order.size() == 4; });
  EXPECT_EQ(order, ".sjd");
}

TEST_F(MemoryDiskTest, names_and_locks_behave_as_on_a_file_system) {
  EXPECT_TRUE(disk.open("/x/a", OpenMode::create).error().is(Errc::not_found));
  ASSERT_TRUE(disk.make_directories("/x/y"));
  ASSERT_TRUE(write(*open("/x/a"), 0, "1"));
  ASSERT_TRUE(write(*open("x//b"), 0, "22"));
  ASSERT_TRUE(disk.rename("/x/b", "/x/a"));
  EXPECT_EQ(open("/x/a")->size(), 2u);
  EXPECT_EQ(disk.list("/x").value().size(), 2u);
  EXPECT_FALSE(disk.remove("/x"));
  EXPECT_FALSE(disk.open("/x/../a", OpenMode::create));
  auto lock = disk.lock("/x");
  ASSERT_TRUE(lock);
  EXPECT_TRUE(disk.lock("/x").error().is(Errc::locked));
  lock->reset();
  EXPECT_TRUE(disk.lock("/x"));
  EXPECT_TRUE(disk.open("/x/a", OpenMode::truncate).value()->size() == 0);
}

}  // namespace
}  // namespace dohle::disk
