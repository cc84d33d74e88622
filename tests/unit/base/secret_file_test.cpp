#include "base/secret_file.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cstdio>
#include <filesystem>
#include <fstream>
#include <string>

namespace dohle {
namespace {

using testing::HasSubstr;

class SecretFiles : public testing::Test {
 protected:
  SecretFiles() { write("secret\n", 0600); }
  ~SecretFiles() override { std::filesystem::remove(path_); }

  void write(const std::string& text, mode_t mode) {
    std::filesystem::remove(path_);
    std::ofstream(path_) << text;
    ASSERT_EQ(::chmod(path_.c_str(), mode), 0);
  }
  Result<SecretFile> read(bool may_be_pipe = false) const {
    return SecretFile::read(path_, {100, "max_test_bytes", may_be_pipe});
  }
  std::string refusal() const {
    const auto file = read();
    if (!file) return std::string(file.error().message());
    const auto checked = file->check_private("a password");
    return checked ? "" : std::string(checked.error().message());
  }

  const std::string path_ = std::filesystem::temp_directory_path() /
                            ("dohle's secret_file_test " + std::to_string(::getpid()));
};

TEST_F(SecretFiles, AreReadIfOnlyTheirOwnerHasRightsOnThem) {
  for (const mode_t mode : {0600u, 0400u, 0700u}) {
    write("secret\n", mode);
    EXPECT_EQ(refusal(), "") << mode;
    EXPECT_EQ(read()->text().reveal(), "secret\n");
  }
  for (const mode_t mode : {0640u, 0604u, 0620u, 0602u, 0610u, 0601u}) {
    write("secret\n", mode);
    EXPECT_THAT(refusal(), HasSubstr("gives other users rights on it")) << mode;
  }
}

TEST_F(SecretFiles, AreRefusedWithTheCommandThatRestrictsTheirRights) {
  write("secret\n", 0644);
  std::string quoted = path_;
  quoted.replace(quoted.find('\''), 1, "'\\''");
  EXPECT_EQ(refusal(), path_ +
                           " holds a password, and its mode 0644 gives other users rights on "
                           "it; run: chmod 600 '" +
                           quoted + "'");
}

TEST_F(SecretFiles, AreCheckedByTheRightsThatTheyHadWhenRead) {
  const auto file = read();
  ASSERT_TRUE(file.has_value());
  write("another one", 0644);
  EXPECT_TRUE(file->check_private("a password").has_value());
  EXPECT_EQ(file->text().reveal(), "secret\n");
}

TEST_F(SecretFiles, OfAnotherUserAreRefused) {
  // Only root can give a file away, and read that of another user.
  const bool is_given = ::chown(path_.c_str(), 12'345, static_cast<gid_t>(-1)) == 0;
  EXPECT_EQ(is_given, ::geteuid() == 0);
  EXPECT_EQ(refusal().contains("belongs to another user (uid 12345)"), is_given);
}

TEST_F(SecretFiles, AreBoundedAndMustNotBeDirectories) {
  write(std::string(100, 'x'), 0600);
  EXPECT_EQ(refusal(), "");
  write(std::string(101, 'x'), 0600);
  EXPECT_EQ(refusal(), path_ + " has more than 100 bytes (max_test_bytes)");
  std::filesystem::remove(path_);
  EXPECT_THAT(refusal(), HasSubstr("cannot be read: No such file"));
  for (const bool may_be_pipe : {false, true}) {
    const auto directory = SecretFile::read("/", {100, "max_test_bytes", may_be_pipe});
    ASSERT_FALSE(directory.has_value());
    EXPECT_EQ(directory.error().message(), "/ is not a file");
  }
}

TEST_F(SecretFiles, MayBePipesWhereTheyAreAllowed) {
  std::filesystem::remove(path_);
  ASSERT_EQ(::mkfifo(path_.c_str(), 0644), 0);
  EXPECT_EQ(refusal(), path_ + " is not a file");
  const auto device = SecretFile::read("/dev/null", {100, "max_test_bytes", true});
  ASSERT_TRUE(device.has_value());
  EXPECT_EQ(device->text().reveal(), "");
  EXPECT_TRUE(device->check_private("a password").has_value());
}

}  // namespace
}  // namespace dohle
