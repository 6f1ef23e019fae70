#include "storage/posix/archive_claim.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "common/posix.h"
#include "storage/archive/archive.h"
#include "tests/support/temporary_directory.h"

namespace tierhub {
namespace {

using ::testing::HasSubstr;

class Claims : public ::testing::Test {
 protected:
  void SetUp() override {
    ASSERT_EQ(::mkdir((root_ / ".tierhub").c_str(), 0700), 0);
    auto opened = posix::open_at(AT_FDCWD, root_.path(), O_RDONLY | O_DIRECTORY);
    ASSERT_TRUE(opened);
    fd_ = *std::move(opened);
  }

  static Claimant claimant(const std::string& catalog, TakeOver take_over = TakeOver::refuse) {
    return {catalog, ::getpid(), take_over};
  }
  Result<void> hold(const Claimant& who) { return ArchiveClaim(who).hold(fd_.get()); }

  std::string text() const { return posix::read_file(path()).value_or(""); }
  std::string path() const { return root_ / ".tierhub/claim"; }
  // The claim with the value of one of its lines replaced, renewed `silent_s` ago.
  void forge(const std::string& key, const std::string& value, int silent_s) {
    std::string claim = text();
    const size_t begin = claim.find("\n" + key + ": ") + key.size() + 3;
    claim.replace(begin, claim.find('\n', begin) - begin, value);
    ASSERT_TRUE(posix::replace_file(path(), claim));
    silence(silent_s);
  }
  void silence(int silent_s) {
    timespec times[2] = {};
    ::clock_gettime(CLOCK_REALTIME, &times[0]);
    times[0].tv_sec -= silent_s;
    times[1] = times[0];
    ASSERT_EQ(::utimensat(AT_FDCWD, path().c_str(), times, 0), 0);
  }

  TemporaryDirectory root_;
  UniqueFd fd_;
};

TEST_F(Claims, AreRefusedToAnotherCatalogWhileTheHolderLives) {
  ASSERT_TRUE(hold(claimant("first")));
  const auto second = hold(claimant("second"));
  ASSERT_FALSE(second);
  EXPECT_TRUE(is_claimed(second.error()));
  EXPECT_THAT(second.error().text(), HasSubstr(fmt::format("process {} on host", ::getpid())));
  EXPECT_THAT(second.error().text(), HasSubstr("--take-over"));
  EXPECT_THAT(text(), HasSubstr("catalog: first\n"));
}

TEST_F(Claims, AreKeptByTheSameCatalogAfterACrash) {
  ASSERT_TRUE(hold(claimant("first")));
  forge("process", "1", 0);
  EXPECT_TRUE(hold(claimant("first")));
  EXPECT_THAT(text(), HasSubstr(fmt::format("process: {}\n", ::getpid())));
  forge("boot", "an-earlier-one", 0);
  EXPECT_TRUE(hold(claimant("first"))) << "this host was started again";
}

TEST_F(Claims, OfTheSameCatalogOnAnotherHostAreRefused) {
  ASSERT_TRUE(hold(claimant("first")));
  forge("boot", "another", 0);
  forge("host", "another", 86'400);
  EXPECT_FALSE(hold(claimant("first"))) << "it may be a copy of the disk with the catalog";
}

TEST_F(Claims, OfAProcessThatEndedAreReplaced) {
  ASSERT_TRUE(hold(claimant("first")));
  forge("process-start", "12345", 0);
  EXPECT_TRUE(hold(claimant("second"))) << "another process has its number now";
  EXPECT_THAT(text(), HasSubstr("catalog: second\n"));
}

TEST_F(Claims, OfAnEarlierBootAreReplacedAfterTwoMinutesOfSilence) {
  ASSERT_TRUE(hold(claimant("first")));
  forge("boot", "an-earlier-one", 60);
  EXPECT_FALSE(hold(claimant("second")));
  silence(130);
  EXPECT_TRUE(hold(claimant("second")));
}

TEST_F(Claims, OfAnotherHostAreReplacedOnlyWhenAPersonSaysSo) {
  ASSERT_TRUE(hold(claimant("first")));
  forge("host", "elsewhere", 86'400);
  EXPECT_FALSE(hold(claimant("second")));
  EXPECT_TRUE(hold(claimant("second", TakeOver::replace)));
  EXPECT_THAT(text(), HasSubstr("catalog: second\n"));
}

TEST_F(Claims, ThatWereTakenOverAreNoticedByTheFormerHolderWhichDoesNotTakeThemBack) {
  ArchiveClaim first(claimant("first", TakeOver::replace));
  ASSERT_TRUE(first.hold(fd_.get()));
  ASSERT_TRUE(hold(claimant("second", TakeOver::replace)));
  EXPECT_FALSE(first.hold(fd_.get()));
  ASSERT_TRUE(first.release(fd_.get()));
  EXPECT_THAT(text(), HasSubstr("catalog: second\n"));
}

TEST_F(Claims, AreGoneAfterARelease) {
  ArchiveClaim first(claimant("first"));
  ASSERT_TRUE(first.hold(fd_.get()));
  ASSERT_TRUE(first.release(fd_.get()));
  EXPECT_EQ(text(), "");
  EXPECT_TRUE(first.hold(fd_.get()));
  EXPECT_EQ(text(), "") << "it was released for good";
}

TEST_F(Claims, ThatWereNeverWrittenAreReplacedAfterTwoMinutes) {
  ASSERT_TRUE(posix::replace_file(path(), ""));
  EXPECT_FALSE(hold(claimant("first"))) << "someone is making it";
  silence(130);
  EXPECT_TRUE(hold(claimant("first")));
}

TEST_F(Claims, AreNotMadeWithoutACatalog) {
  EXPECT_TRUE(hold(Claimant()));
  EXPECT_EQ(text(), "");
}

}  // namespace
}  // namespace tierhub
