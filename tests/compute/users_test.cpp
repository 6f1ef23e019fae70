// Whose job is it? These tests change users, so they need root and say so.
#include <filesystem>
#include <stdexcept>

#include <fcntl.h>
#include <sys/stat.h>
#include <sys/xattr.h>
#include <unistd.h>

#include <grp.h>
#include <pwd.h>

#include "tests/compute/agent_fixture.h"

namespace tierhub::test {
namespace {
namespace fs = std::filesystem;

class Users : public AgentTest {
 protected:
  Users() {
    if (::geteuid() != 0) throw std::runtime_error("these tests change users: run them as root");
    write_text(at("data/open.txt"), "open");
    own(at("data"), 0, 0755);
    fs::create_directories(at("results"));
    own(at("results"), kAlice, 0755);
  }

  static void own(const std::string& path, uid_t uid, mode_t mode) {
    ASSERT_EQ(::chown(path.c_str(), uid, uid), 0);
    ASSERT_EQ(::chmod(path.c_str(), mode), 0);
  }

  static uid_t owner_of(const std::string& path) {
    struct stat st {};
    EXPECT_EQ(::lstat(path.c_str(), &st), 0) << path;
    return st.st_uid;
  }

  // Writes down who runs it.
  static std::string who(const std::string& dataset = "data/open.txt") {
    return "workflow: w\ninput: {dataset: " + dataset + "}\nsteps:\n" +
           "  - id: a\n    run: [sh, -c, 'id -u > {output}/uid; id -g > {output}/gid; id -G > "
           "{output}/groups; cat {input} > {output}/copy; grep NoNewPrivs /proc/self/status > "
           "{output}/privileges']\n";
  }
  std::string output(const EndedRun& run, const std::string& file) const {
    return read_text(run.status["output"].get<std::string>() + "/" + file);
  }
};

TEST_F(Users, ATaskHasTheUserOfTheDroppedFile) {
  start_agent();
  drop("job.yaml", who(), kAlice);
  const EndedRun run = ended("job");
  ASSERT_EQ(run.ending, "done") << run.report;
  EXPECT_EQ(output(run, "uid"), "54321\n");
  EXPECT_EQ(output(run, "gid"), "54321\n");
  EXPECT_EQ(output(run, "groups"), "54321\n");
  EXPECT_EQ(output(run, "privileges"), "NoNewPrivs:\t1\n");
  struct stat st {};
  ASSERT_EQ(::stat(run.folder.c_str(), &st), 0);
  EXPECT_EQ(st.st_uid, kAlice);
  ASSERT_EQ(::stat((run.folder + "/status.json").c_str(), &st), 0);
  EXPECT_EQ(st.st_uid, kAlice);
}

TEST_F(Users, ATaskHasTheGroupsOfItsUsersAccount) {
  const passwd* nobody = ::getpwnam("nobody");
  ASSERT_NE(nobody, nullptr);
  const uid_t uid = nobody->pw_uid;
  const gid_t gid = nobody->pw_gid;
  own(at("results"), uid, 0755);
  start_agent();
  drop("job.yaml", who(), uid);
  const EndedRun run = ended("job");
  ASSERT_EQ(run.ending, "done") << run.report;
  EXPECT_EQ(output(run, "uid"), std::to_string(uid) + "\n");
  EXPECT_EQ(output(run, "gid"), std::to_string(gid) + "\n");
}

TEST_F(Users, AnInputThatHeCannotReadFailsByName) {
  write_text(at("data/secret.txt"), "secret");
  own(at("data/secret.txt"), kMallory, 0600);
  start_agent();
  drop("job.yaml", who("data/secret.txt"), kAlice);
  const EndedRun run = ended("job");
  EXPECT_EQ(run.ending, "failed");
  EXPECT_NE(
      run.report.find("cannot read the input " + at("data/secret.txt") + ": Permission denied"),
      std::string::npos)
      << run.report;
}

TEST_F(Users, AnOutputThatHeCannotWriteFailsByName) {
  own(at("results"), 0, 0755);
  start_agent();
  drop("job.yaml", who(), kAlice);
  const EndedRun run = ended("job");
  EXPECT_EQ(run.ending, "failed");
  EXPECT_NE(run.report.find("the output cannot be written: " + at("results/54321") +
                            ": Permission denied: " + at("results") +
                            " belongs to root (mode 0755): the administrator can let all users "
                            "write there: install -d -m 1777 " +
                            at("results") + "\n"),
            std::string::npos)
      << run.report;
}

TEST_F(Users, AnOutputInSomeoneElsesFolderSaysWhomToAsk) {
  fs::create_directories(at("results/w"));
  own(at("results/w"), kMallory, 0755);
  start_agent();
  drop("job.yaml", who() + "output: results/{workflow}/{run}\n", kAlice);
  const EndedRun run = ended("job");
  EXPECT_EQ(run.ending, "failed");
  EXPECT_NE(run.report.find(at("results/w") +
                            " belongs to 54322 (mode 0755): leave 'output' out, "
                            "then the results are in results/54321/..., or ask the owner"),
            std::string::npos)
      << run.report;
  EXPECT_NE(run.report.find("chmod g+ws " + at("results/w")), std::string::npos) << run.report;
}

TEST_F(Users, AFolderOfHisNameThatIsNotHisSaysWhoCanGiveIt) {
  fs::create_directories(at("results/54321"));
  own(at("results/54321"), kMallory, 0755);
  start_agent();
  drop("job.yaml", who(), kAlice);
  const EndedRun run = ended("job");
  EXPECT_EQ(run.ending, "failed");
  EXPECT_NE(run.report.find(at("results/54321") +
                            " belongs to 54322 (mode 0755): it has your name: the administrator "
                            "can give it to you: chown 54321 " +
                            at("results/54321") + "\n"),
            std::string::npos)
      << run.report;
}

TEST_F(Users, AFileThatOthersCouldHaveWrittenIsRefused) {
  start_agent();
  drop("world.yaml", who(), kAlice, 0666);
  drop("group.yaml", who(), kAlice, 0664);
  for (const char* stem : {"world", "group"}) {
    const EndedRun run = ended(stem);
    EXPECT_EQ(run.ending, "failed");
    EXPECT_NE(run.report.find("users other than its owner can write to it"), std::string::npos)
        << run.report;
    EXPECT_EQ(run.status["state"], "failed");
  }
  EXPECT_TRUE(names_in(at("results")).empty());
  expect_no_work_left();
}

TEST_F(Users, AFileThatAnAclLetsOthersWriteIsRefused) {
  start_agent();
  write_text(at("acl.yaml"), who());
  own(at("acl.yaml"), kAlice, 0644);
  // Version 2; owner rw, Mallory rw, group r, mask rw, others r.
  const uint16_t entries[][2] = {{0x01, 6}, {0x02, 6}, {0x04, 4}, {0x10, 6}, {0x20, 4}};
  std::string acl("\2\0\0\0", 4);
  for (const auto& [tag, permission] : entries) {
    const uint32_t id = tag == 0x02 ? kMallory : 0xffffffff;
    acl.append(reinterpret_cast<const char*>(&tag), 2);
    acl.append(reinterpret_cast<const char*>(&permission), 2);
    acl.append(reinterpret_cast<const char*>(&id), 4);
  }
  ASSERT_EQ(
      ::setxattr(at("acl.yaml").c_str(), "system.posix_acl_access", acl.data(), acl.size(), 0), 0)
      << "the temporary folder's file system has no ACLs";
  fs::rename(at("acl.yaml"), jobs("incoming/acl.yaml"));
  const EndedRun run = ended("acl");
  EXPECT_EQ(run.ending, "failed");
  EXPECT_NE(run.report.find("users other than its owner can write to it"), std::string::npos);
}

TEST_F(Users, LinksAreRefused) {
  start_agent();
  write_text(at("target.yaml"), who());
  own(at("target.yaml"), kAlice, 0644);
  fs::create_hard_link(at("target.yaml"), jobs("incoming/hard.yaml"));
  EXPECT_NE(ended("hard").report.find("more than one name"), std::string::npos);
  fs::create_symlink(at("target.yaml"), jobs("incoming/soft.yaml"));
  EXPECT_NE(ended("soft").report.find("not a regular file"), std::string::npos);
  EXPECT_TRUE(names_in(at("results")).empty());
}

TEST_F(Users, RootsFileIsRefusedWithoutTheFlag) {
  start_agent();
  drop("job.yaml", who());
  const EndedRun run = ended("job");
  EXPECT_EQ(run.ending, "failed");
  EXPECT_NE(run.report.find("--allow-root"), std::string::npos) << run.report;
}

TEST_F(Users, InAUsersFolderTheFoldersOwnerCounts) {
  start_agent();
  fs::create_directories(jobs("incoming/54321"));
  own(jobs("incoming/54321"), kAlice, 0700);
  drop("54321/job.yaml", who());  // root's file
  const EndedRun run = ended("job");
  ASSERT_EQ(run.ending, "done") << run.report;
  EXPECT_EQ(output(run, "uid"), "54321\n");
}

TEST_F(Users, AUsersFolderThatOthersCanWriteIsRefused) {
  start_agent();
  fs::create_directories(jobs("incoming/54321"));
  own(jobs("incoming/54321"), kAlice, 0777);
  drop("54321/job.yaml", who(), kAlice);
  const EndedRun run = ended("job");
  EXPECT_EQ(run.ending, "failed");
  EXPECT_NE(run.report.find("users other than its owner can write to the folder"),
            std::string::npos);
}

// A folder of someone else's name, or of a name that says nothing.
TEST_F(Users, AFolderThatIsNotNamedAfterItsOwnerIsNotSearched) {
  start_agent();
  for (const char* folder : {"project", "54322"}) {
    fs::create_directories(jobs("incoming/" + std::string(folder)));
    own(jobs("incoming/" + std::string(folder)), kAlice, 0700);
    drop(std::string(folder) + "/job.yaml", who(), kAlice);
    const std::string note = jobs("incoming/" + std::string(folder) + ".README");
    until("the note " + note,
          [&] { return read_text(note).find("named after its owner") != std::string::npos; });
    EXPECT_NE(read_text(note).find("user 54321"), std::string::npos) << read_text(note);
    EXPECT_EQ(owner_of(note), kAlice);
    EXPECT_TRUE(fs::exists(jobs("incoming/" + std::string(folder) + "/job.yaml")));
  }
  EXPECT_TRUE(names_in(jobs("failed")).empty());
}

TEST_F(Users, ANoteSaysWhyAFileIsNotTaken) {
  start_agent();
  for (const char* name : {"count.yaml.txt", "Count.YAML", "all.zip"}) drop(name, who(), kAlice);
  drop("roots.txt", who());
  for (const auto& [name, advice] : std::vector<std::pair<std::string, std::string>>{
           {"count.yaml.txt", "Rename it to \"count.yaml\""},
           {"Count.YAML", "Rename it to \"Count.yaml\""},
           {"all.zip", "archive"},
           {"roots.txt", "only workflows"}}) {
    const std::string note = jobs("incoming/" + name + ".README");
    until("the note " + note, [&] { return read_text(note).find(advice) != std::string::npos; });
    EXPECT_EQ(owner_of(note), name == "roots.txt" ? 0 : kAlice);
  }
  // Once: what comes of it is the next rescan's, and the next agent's.
  fs::remove(jobs("incoming/count.yaml.txt.README"));
  drop("job.yaml", who(), kAlice);
  EXPECT_EQ(ended("job").ending, "done");
  drop("later.zip", who(), kAlice);
  until("the next note", [&] { return fs::exists(jobs("incoming/later.zip.README")); });
  EXPECT_FALSE(fs::exists(jobs("incoming/count.yaml.txt.README")));
  EXPECT_FALSE(fs::exists(jobs("incoming/all.zip.README.README")));
  EXPECT_EQ(names_in(jobs("incoming")).size(), 9u);
}

// What somebody prepared where the note would be is neither followed nor changed.
TEST_F(Users, ANoteIsWrittenIntoNothingThatIsThere) {
  write_text(at("precious"), "precious");
  fs::create_directories(jobs("incoming"));
  fs::permissions(jobs("incoming"), fs::perms(01777));
  fs::create_symlink(at("precious"), jobs("incoming/trap.zip.README"));
  fs::create_symlink(at("nowhere"), jobs("incoming/dangling.zip.README"));
  for (const char* name : {"trap.zip", "dangling.zip"}) {
    write_text(jobs("incoming/" + std::string(name)), "x");
  }
  start_agent();
  drop("other.zip", "x", kMallory);
  until("the other note", [&] { return fs::exists(jobs("incoming/other.zip.README")); });
  EXPECT_EQ(read_text(at("precious")), "precious");
  EXPECT_FALSE(fs::exists(at("nowhere")));
}

// It would need rights that its owner has not.
TEST_F(Users, ANoteIsWrittenWithTheRightsOfItsOwnerAlone) {
  start_agent();
  fs::create_directories(jobs("incoming/54321"));
  own(jobs("incoming/54321"), kAlice, 0755);
  drop("54321/strange.zip", "x", kMallory);
  drop("54321/job.yaml", who(), kAlice);
  EXPECT_EQ(ended("job").ending, "done");
  until("the agent tried", [&] { return agent_log().find("strange.zip") != std::string::npos; });
  drop("54321/mine.zip", "x", kAlice);
  until("her note", [&] { return fs::exists(jobs("incoming/54321/mine.zip.README")); });
  EXPECT_FALSE(fs::exists(jobs("incoming/54321/strange.zip.README")));
}

TEST_F(Users, NobodyCanExchangeARun) {
  start_agent();
  for (const char* folder : {"", "running", "done", "failed"}) {
    struct stat st {};
    ASSERT_EQ(::stat(jobs(folder).c_str(), &st), 0);
    EXPECT_EQ(st.st_uid, 0u);
    EXPECT_EQ(st.st_mode & 0022, 0u) << folder;
  }
}

TEST_F(Users, AnAgentDoesNotStartOnFoldersThatOthersCanWrite) {
  fs::create_directories(jobs("running"));
  own(jobs("running"), 0, 0777);
  EXPECT_EQ(start_agent_and_wait(), 1);
  EXPECT_NE(agent_log().find("chmod go-w " + jobs("running")), std::string::npos) << agent_log();
  own(jobs("running"), kAlice, 0755);
  EXPECT_EQ(start_agent_and_wait(), 1);
  EXPECT_NE(agent_log().find("belongs to user 54321"), std::string::npos) << agent_log();
}

TEST_F(Users, TheAgentOfAnOrdinaryUserTakesHisFilesOnly) {
  for (const char* folder : {"jobs", "work"}) {
    fs::create_directories(at(folder));
    own(at(folder), kAlice, 0755);
  }
  write_text(at("agent.log"), "");
  own(at("agent.log"), kAlice, 0644);
  start_agent({}, kAlice);
  drop("root.yaml", who());
  drop("mallory.yaml", who(), kMallory);
  drop("alice.yaml", who(), kAlice);
  const EndedRun run = ended("alice");
  ASSERT_EQ(run.ending, "done") << run.report;
  EXPECT_EQ(output(run, "uid"), "54321\n");
  EXPECT_EQ(names_in(jobs("incoming")), (std::vector<std::string>{"mallory.yaml", "root.yaml"}));
}

// --- Fairness ---

TEST_F(Users, ManyRunsOfOneUserDoNotHoldUpAnothers) {
  own(at("results"), 0, 01777);
  start_agent({"--slots-per-user", "1", "--runs-per-user", "4"});
  const std::string sleeps =
      "workflow: sleeps\ninput: {dataset: data/open.txt}\n"
      "steps: [{id: a, run: [sleep, '1000']}]\noutput: results/{run}\n";
  for (int i = 0; i < 64; ++i) drop("sleeps" + std::to_string(i) + ".yaml", sleeps, kAlice);
  until("some sleep", [&] { return names_in(jobs("running")).size() >= 4; });
  drop("quick.yaml", who() + "output: results/{run}\n", kMallory);
  const EndedRun quick = ended("quick");
  EXPECT_EQ(quick.ending, "done") << quick.report;
  EXPECT_EQ(names_in(jobs("running")).size(), 4u) << "not more of one user";
  EXPECT_EQ(names_in(jobs("incoming")).size(), 60u);
  for (const std::string& run : names_in(jobs("running")))
    write_text(jobs("running/" + run + "/CANCEL"), "");
  until("the next of hers begin", [&] { return names_in(jobs("incoming")).size() <= 56; });
}

}  // namespace
}  // namespace tierhub::test
