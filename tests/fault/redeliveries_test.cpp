// The judge of disturbed_messaging.hpp, with histories that were made up.
#include "fault/redeliveries.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <sstream>
#include <string>
#include <vector>

namespace dohle::fault {
namespace {

using testing::AllOf;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::SizeIs;

std::vector<std::string> complaints_of(const std::string& history) {
  std::istringstream lines(history);
  Redeliveries judge;
  judge.read(lines);
  return judge.complaints();
}

TEST(Redeliveries, AreNotReportedForARoundWithoutAny) {
  EXPECT_THAT(complaints_of("assigned g one\n"
                            "handled g t 0 0 1 zero one\n"
                            "handled g t 0 1 1 one one\n"
                            "committed g t 0 2\n"
                            "begins the node was killed\n"
                            "handled g t 0 2 1 two one\n"),
              IsEmpty());
}

TEST(Redeliveries, AreCounted) {
  std::istringstream lines(
      "assigned g one\n"
      "handled g t 0 0 1 zero one\n"
      "begins a kill\n"
      "over\n"
      "lost g one\n"
      "assigned g two\n"
      "handled g t 0 0 1 zero two\n");
  Redeliveries judge;
  judge.read(lines);
  EXPECT_THAT(judge.complaints(), IsEmpty());
  EXPECT_EQ(judge.handlings(), 2u);
  EXPECT_EQ(judge.again(), 1u);
  EXPECT_EQ(judge.losses(), 1u);
}

TEST(Redeliveries, AreReportedWithoutAKillOrACutBetween) {
  EXPECT_THAT(
      complaints_of("assigned g one\n"
                    "handled g t 3 17 1 x one\n"
                    "assigned g one\n"
                    "handled g t 3 17 1 x one\n"),
      ElementsAre("group g: t partition 3 offset 17 (message x) is handled again, and "
                  "nothing was killed, cut or lost: first by one in line 2, attempt 1, then by "
                  "one in line 4, attempt 1; no commit was seen"));
}

TEST(Redeliveries, AreNotExplainedByAKillThatWasOverBefore) {
  EXPECT_THAT(
      complaints_of("assigned g one\n"
                    "begins a kill\n"
                    "over\n"
                    "committed g t 0 4\n"
                    "handled g t 0 5 1 x one\n"
                    "assigned g two\n"
                    "handled g t 0 5 1 x two\n"),
      ElementsAre(AllOf(HasSubstr("nothing was killed, cut or lost between, at last in line 2 "
                                  "(a kill)"),
                        HasSubstr("t partition 0 offset 5"), HasSubstr("by one in line 5"),
                        HasSubstr("by two in line 7"), HasSubstr("committed up to 4 in line 4"))));
}

TEST(Redeliveries, MayFollowACutThatHasNotEnded) {
  EXPECT_THAT(complaints_of("assigned g one\n"
                            "begins a cut\n"
                            "handled g t 0 5 1 x one\n"
                            "assigned g one\n"
                            "handled g t 0 5 1 x one\n"),
              IsEmpty());
}

TEST(Redeliveries, AreAcceptedOnceForEachKill) {
  const std::string once =
      "assigned g one\n"
      "handled g t 0 5 1 x one\n"
      "begins a cut\n"
      "assigned g one\n"
      "handled g t 0 5 1 x one\n";
  const std::string again =
      "assigned g one\n"
      "handled g t 0 5 1 x one\n";
  EXPECT_THAT(
      complaints_of(once + again),
      ElementsAre(HasSubstr("but what explains an earlier time, at last in line 3 (a cut)")));
  EXPECT_THAT(complaints_of(once + "begins another\n" + again), IsEmpty());
}

TEST(Redeliveries, AreNotExplainedByAKillAfterTheAssignment) {
  EXPECT_THAT(
      complaints_of("assigned g one\n"
                    "handled g t 0 5 1 x one\n"
                    "assigned g one\n"
                    "begins a kill\n"
                    "handled g t 0 5 1 x one\n"),
      ElementsAre(HasSubstr("is handled again, and nothing was killed, cut or lost between")));
}

TEST(Redeliveries, MayFollowALossOfTheAssignment) {
  const std::string start =
      "assigned g one\n"
      "handled g t 0 5 1 x one\n";
  const std::string again = "assigned g one\nhandled g t 0 5 1 x one\n";
  EXPECT_THAT(complaints_of(start + "lost g one\n" + again), IsEmpty());
  EXPECT_THAT(complaints_of(start + "lost g one\n" + again + "lost g one\n" + again), IsEmpty());
  EXPECT_THAT(complaints_of(start + "lost g one\n" + again + again), SizeIs(1));
  EXPECT_THAT(complaints_of(start + "lost other one\n" + again), SizeIs(1));
  EXPECT_THAT(complaints_of(start + again + "lost g one\n"), SizeIs(1));
}

TEST(Redeliveries, MayFollowALossBeforeTheirHandlerBegan) {
  EXPECT_THAT(complaints_of("assigned g one\n"
                            "lost g one\n"
                            "handled g t 0 5 1 x one\n"
                            "assigned g one\n"
                            "handled g t 0 5 1 x one\n"),
              IsEmpty());
}

TEST(Redeliveries, AreReportedWithoutANewAssignmentAfterALoss) {
  const std::string start =
      "assigned g one\n"
      "handled g t 0 5 1 x one\n"
      "lost g one\n";
  const std::string again = "handled g t 0 5 1 x one\n";
  EXPECT_THAT(complaints_of(start + again),
              ElementsAre(HasSubstr("its partition was not assigned anew between")));
  EXPECT_THAT(complaints_of(start + "assigned g one\n" + again + again),
              ElementsAre(HasSubstr("its partition was not assigned anew between")));
}

TEST(Redeliveries, MayNotBeBelowTheCommittedOffsetAfterALoss) {
  EXPECT_THAT(complaints_of("assigned g one\n"
                            "handled g t 0 5 1 x one\n"
                            "committed g t 0 6\n"
                            "lost g one\n"
                            "assigned g one\n"
                            "handled g t 0 5 1 x one\n"),
              ElementsAre(HasSubstr("is handled again below the committed offset")));
}

TEST(Redeliveries, AreReportedWithoutANewAssignment) {
  EXPECT_THAT(complaints_of("assigned g one\n"
                            "handled g t 0 5 1 x one\n"
                            "begins a cut\n"
                            "assigned other one\n"
                            "handled g t 0 5 1 x one\n"),
              ElementsAre(HasSubstr("its partition was not assigned anew between")));
}

TEST(Redeliveries, MayNotBeBelowTheCommittedOffset) {
  const std::string start =
      "assigned g one\n"
      "handled g t 0 5 1 x one\n"
      "handled g t 0 6 1 y one\n"
      "begins a kill\n";
  const std::string end =
      "over\n"
      "assigned g two\n"
      "handled g t 0 5 1 x two\n";
  EXPECT_THAT(complaints_of(start + "committed g t 0 5\ncommitted g t 1 9\n" + end), IsEmpty());
  EXPECT_THAT(complaints_of(start + "committed g t 0 6\n" + end),
              ElementsAre("group g: t partition 0 offset 5 (message x) is handled again below the "
                          "committed offset: first by one in line 2, attempt 1, then by two in "
                          "line 8, attempt 1; committed up to 6 in line 5"));
}

TEST(Redeliveries, AreDistinguishedFromFirstHandlingsAfterACommit) {
  EXPECT_THAT(complaints_of("assigned g one\n"
                            "committed g t 0 6\n"
                            "handled g t 0 5 1 x one\n"),
              ElementsAre(HasSubstr("is handled for the first time after it was committed")));
}

TEST(Redeliveries, AreDistinguishedFromRetriesInPlace) {
  EXPECT_THAT(complaints_of("assigned g one\n"
                            "handled g t 0 5 1 x one\n"
                            "handled g t 0 5 2 x one\n"
                            "handled g t 0 5 3 x one\n"),
              IsEmpty());
  EXPECT_THAT(complaints_of("assigned g one\n"
                            "handled g t 0 5 1 x one\n"
                            "handled g t 0 5 2 x one\n"
                            "handled g t 0 5 2 x one\n"),
              ElementsAre(HasSubstr("is handled again")));
}

TEST(Redeliveries, ExplainAsManyRecordsInARetryTopic) {
  const std::string once =
      "assigned g one\n"
      "handled g t 0 5 1 x one\n"
      "handled g t.retry 0 0 2 x one\n";
  const std::string copy = "handled g t.retry 0 1 2 x one\n";
  EXPECT_THAT(complaints_of(once + copy),
              ElementsAre(AllOf(HasSubstr("t.retry partition 0 offset 1 (message x) is record 2 of "
                                          "its message there"),
                                HasSubstr("had attempt 1 1 times"))));
  EXPECT_THAT(
      complaints_of(once + "begins a kill\nassigned g two\n" + "handled g t 0 5 1 x two\n" + copy),
      IsEmpty());
}

TEST(Redeliveries, AreDistinguishedFromMessagesThatAreStoredTwice) {
  EXPECT_THAT(complaints_of("assigned g one\n"
                            "handled g t 0 5 1 x one\n"
                            "handled g t 0 6 1 x one\n"),
              ElementsAre(HasSubstr("is record 2 of its message there, which was published once")));
}

TEST(Redeliveries, ReportCommitsThatGoBack) {
  EXPECT_THAT(
      complaints_of("committed g t 0 6\n"
                    "committed g t 0 5\n"),
      ElementsAre(HasSubstr("group g has committed 5 in t partition 0, after 6 in line 1")));
}

TEST(Redeliveries, ReportTornLines) {
  for (const std::string line :
       {"handled g t 0 5 1 x", "handled g t 0 five 1 x one", "handled g t 0 5 1 x one more",
        "committed g t 0", "assigned g", "lost g", "begins", "over again", "hand", ""}) {
    EXPECT_THAT(complaints_of(line + "\n"), ElementsAre(HasSubstr("'" + line + "'"))) << line;
  }
}

}  // namespace
}  // namespace dohle::fault
