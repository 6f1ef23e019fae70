#include "compute/run/claim.h"

#include <gtest/gtest.h>

namespace tierhub::compute {
namespace {

// What agents have on their disks: never edit these; add the lines of a new version.
constexpr const char* kUndecided = R"({"tierhub_claim":1,"jobs":"/srv/jobs","file":"count.yaml"})"
                                   "\n";
constexpr const char* kOfAUsersFolder =
    R"({"tierhub_claim":1,"jobs":"/srv/jobs","file":"count.yaml","folder":{"uid":1000,"mode":16832},"owner":{"uid":1000,"file_gid":100}})"
    "\n";

TEST(Claim, IsWrittenAsItAlwaysWas) {
  Claim claim{"/srv/jobs", {}, "count.yaml", {}, 0};
  EXPECT_EQ(encode(claim), kUndecided);
  claim.folder = DropFolder{1000, 040700};
  claim.owner = 1000;
  claim.file_gid = 100;
  EXPECT_EQ(encode(claim), kOfAUsersFolder);
}

TEST(Claim, IsReadAsItWasWritten) {
  const Result<Claim> undecided = decode_claim(kUndecided);
  ASSERT_TRUE(undecided);
  EXPECT_EQ(undecided->jobs, "/srv/jobs");
  EXPECT_EQ(undecided->file, "count.yaml");
  EXPECT_FALSE(undecided->folder);
  EXPECT_FALSE(undecided->owner);
  const Result<Claim> decided = decode_claim(kOfAUsersFolder);
  ASSERT_TRUE(decided);
  ASSERT_TRUE(decided->folder);
  EXPECT_EQ(decided->folder->uid, 1000u);
  EXPECT_EQ(decided->folder->mode, 040700u);
  EXPECT_EQ(decided->owner, 1000u);
  EXPECT_EQ(decided->file_gid, 100u);
}

TEST(Claim, KeepsNamesThatAreNoText) {
  const Claim claim{"/j\xff", {}, "a\nb\xfe.yaml", {}, 0};
  const Result<Claim> read = decode_claim(encode(claim));
  ASSERT_TRUE(read);
  EXPECT_EQ(read->jobs, claim.jobs);
  EXPECT_EQ(read->file, claim.file);
}

TEST(Claim, ThatIsDamagedOrOfALaterVersionIsAnError) {
  for (const char* text :
       {"", "{", "[]", "{}", R"({"tierhub_claim":1,"jobs":"/j"})",
        R"({"tierhub_claim":2,"jobs":"/j","file":"f"})",
        R"({"tierhub_claim":1,"jobs":"/j","file":"f","owner":{"uid":1000}})",
        R"({"tierhub_claim":1,"jobs":"/j","file":"f","owner":{"uid":-1,"file_gid":0}})",
        R"({"tierhub_claim":1,"jobs":"/j","file":"f","owner":{"uid":4294967296,"file_gid":0}})"}) {
    EXPECT_FALSE(decode_claim(text)) << text;
  }
}

}  // namespace
}  // namespace tierhub::compute
