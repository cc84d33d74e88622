#include "node/security/user_line.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cstdlib>
#include <fstream>

#include "../door/login_world.hpp"

namespace dohle::node {
namespace {

using testing::HasSubstr;
using testing::Not;

TEST(UserLines, AreReadAsTheyWereWritten) {
  for (const auto name : {"alice", "a:b", "with space", "$=:,", "x:SCRAM-SHA-512$4096:"}) {
    for (const auto digest : {auth::Digest::sha256, auth::Digest::sha512}) {
      const UserEntry user = user_entry(name, "secret", digest);
      const auto read = parse_user_line(user_line(user));
      ASSERT_TRUE(read.has_value()) << user_line(user);
      EXPECT_EQ(*read, user);
    }
  }
}

TEST(UserLines, AreRefusedIfAnythingIsWrongWithoutBeingShown) {
  const std::string good = user_line(user_entry("alice", "secret"));
  ASSERT_TRUE(parse_user_line(good).has_value());
  for (std::size_t cut = 0; cut < good.size(); ++cut) {
    EXPECT_FALSE(parse_user_line(good.substr(0, cut)).has_value()) << cut;
  }
  const auto with = [&](std::string_view from, std::string_view to) {
    std::string line = good;
    return line.replace(line.find(from), from.size(), to);
  };
  for (const std::string& line :
       {with("4096", "4095"), with("4096", "16385"), with("4096", "-4096"), with("4096", ""),
        with("SHA-512", "SHA-1"), with("SHA-512", "SHA-256"), with("alice", ""),
        with("alice", "al\tice"), with("alice", std::string(1'025, 'a')), good + "A", good + ":",
        std::string("alice:secret-in-clear")}) {
    const auto read = parse_user_line(line);
    ASSERT_FALSE(read.has_value()) << line;
    EXPECT_THAT(std::string(read.error().message()), Not(HasSubstr(good.substr(30, 20))));
    EXPECT_THAT(std::string(read.error().message()), Not(HasSubstr("secret-in-clear")));
  }
}

class UsersFiles : public testing::Test {
 protected:
  UsersFiles() {
    char path[] = "/tmp/dohle-users-XXXXXX";
    const int descriptor = ::mkstemp(path);
    EXPECT_GE(descriptor, 0);
    ::close(descriptor);
    file = path;
  }
  ~UsersFiles() override { ::unlink(file.c_str()); }
  void write(const std::string& text) const { std::ofstream(file) << text; }

  std::string file;
  const std::string alice = user_line(user_entry("alice", "secret"));
};

TEST_F(UsersFiles, HoldUsersCommentsAndEmptyLines) {
  write("# users\n\n" + alice + "\r\n" + user_line(user_entry("bob", "secret")));
  const auto users = read_users_file(file);
  ASSERT_TRUE(users.has_value()) << users.error().to_string();
  ASSERT_EQ(users->size(), 2u);
  EXPECT_EQ((*users)[1].name, "bob");
}

TEST_F(UsersFiles, ThatOthersMayReadAreRefusedWithTheCommandThatRestrictsThem) {
  write(alice);
  for (const mode_t mode : {0640u, 0604u, 0660u, 0601u}) {
    ASSERT_EQ(::chmod(file.c_str(), mode), 0);
    const auto users = read_users_file(file);
    ASSERT_FALSE(users.has_value());
    EXPECT_EQ(users.error().category(), ErrorCategory::configuration);
    EXPECT_THAT(std::string(users.error().message()), HasSubstr("chmod 600 " + file));
  }
  ASSERT_EQ(::chmod(file.c_str(), 0400), 0);
  EXPECT_TRUE(read_users_file(file).has_value());
}

TEST_F(UsersFiles, NameTheWrongLine) {
  write("# users\n" + alice + "\nbob:secret-in-clear\n");
  const auto wrong = read_users_file(file);
  ASSERT_FALSE(wrong.has_value());
  EXPECT_THAT(std::string(wrong.error().message()), HasSubstr("line 3"));
  EXPECT_THAT(std::string(wrong.error().message()), HasSubstr(file));
  EXPECT_THAT(std::string(wrong.error().message()), Not(HasSubstr("secret-in-clear")));
  write(alice + "\n" + alice + "\n");
  EXPECT_THAT(std::string(read_users_file(file).error().message()), HasSubstr("already"));
}

TEST_F(UsersFiles, AreBoundedAndMustBeFiles) {
  EXPECT_FALSE(read_users_file("/tmp").has_value());
  EXPECT_FALSE(read_users_file(file + "-is-not-there").has_value());
  ASSERT_EQ(::truncate(file.c_str(), static_cast<off_t>(max_users_file_bytes) + 1), 0);
  EXPECT_THAT(std::string(read_users_file(file).error().message()),
              HasSubstr("max_users_file_bytes"));
}

}  // namespace
}  // namespace dohle::node
