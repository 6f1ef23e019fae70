// `cmake --install`: what it puts where, and that it works from there.
#include <filesystem>

#include <sys/stat.h>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/support/command.h"
#include "tests/support/temporary_directory.h"
#include "tests/support/tier_fixture.h"
#include "tests/support/tree.h"

namespace tierhub::test {
namespace {

namespace fs = std::filesystem;
using ::testing::HasSubstr;
using ::testing::Not;

class Install : public ::testing::Test {
 protected:
  void install(const std::string& prefix, const Environment& environment = {}) {
    const auto result =
        run_command({"cmake", "--install", TIERHUB_BUILD_DIR, "--prefix", prefix}, environment);
    ASSERT_EQ(result.exit_code, 0) << result.out << result.err;
  }
  static std::vector<std::string> programs() {
    std::vector<std::string> names = {"tierd", "tierctl", "tieragent", "tierweb"};
    if (TIERHUB_HAS_IMAGING) names.emplace_back("imgop");
    return names;
  }
  std::string at(const std::string& path) const { return place_.path() + path; }

  TemporaryDirectory place_;
};

// All files below a folder, from it.
std::vector<std::string> files_in(const std::string& folder) {
  std::vector<std::string> files;
  for (const auto& entry : fs::recursive_directory_iterator(folder))
    if (entry.is_regular_file()) files.push_back(fs::relative(entry.path(), folder));
  return files;
}

TEST_F(Install, PutsEachFileInItsPlaceBelowDestdir) {
  install("/usr/local", {"DESTDIR=" + place_.path()});
  std::vector<std::string> expected = {
      "etc/tierhub/tierhub.yaml",
      "etc/tierhub/tieragent.conf",
      "etc/tierhub/tieragent.yaml",
      "etc/tierhub/tierweb.conf",
      "lib/systemd/system/tierd.service",
      "lib/systemd/system/tieragent.service",
      "lib/systemd/system/tierweb.service",
      "lib/sysusers.d/tierweb.conf",
      "share/tierhub/tierweb.pam",
      "lib/systemd/system/tierd.service.d/tieragent.conf",
      "share/tierhub/workflow.schema.json",
      "share/tierhub/count-nuclei.yaml",
      "share/tierhub/count-files.yaml",
      "share/doc/tierhub/README.md",
      "share/doc/tierhub/CHANGELOG.md",
  };
  const fs::path docs = TIERHUB_SOURCE_DIR "/docs";
  for (const auto& document : fs::recursive_directory_iterator(docs))
    if (document.is_regular_file())
      expected.push_back("share/doc/tierhub/" + fs::relative(document.path(), docs).string());
  for (const auto& workflow : fs::directory_iterator(TIERHUB_SOURCE_DIR "/etc/workflows"))
    expected.push_back("share/tierhub/workflows/" + workflow.path().filename().string());
  for (const std::string& file : files_in(TIERHUB_SOURCE_DIR "/web/dist"))
    if (!file.starts_with(".vite/")) expected.push_back("share/tierhub/web/" + file);
  for (const std::string& name : programs()) expected.push_back("bin/" + name);
  EXPECT_THAT(files_in(at("/usr/local")), ::testing::UnorderedElementsAreArray(expected));
  EXPECT_EQ(files_in(place_.path()).size(), expected.size()) << "nothing lies elsewhere";
}

TEST_F(Install, ItsUnitsNameThePlacesOfTheInstallation) {
  install("/opt/tier", {"DESTDIR=" + place_.path()});
  for (const std::string name : {"tierd", "tieragent", "tierweb"}) {
    const std::string unit = read_file(at("/opt/tier/lib/systemd/system/" + name + ".service"));
    EXPECT_THAT(unit, HasSubstr("ExecStart=/opt/tier/bin/" + name + " "));
    EXPECT_THAT(unit, HasSubstr("/opt/tier/etc/tierhub/"));
    EXPECT_THAT(unit, HasSubstr("file:/opt/tier/share/doc/"));
    EXPECT_THAT(unit, Not(HasSubstr("@")));
    EXPECT_THAT(unit, Not(HasSubstr(place_.path()))) << "DESTDIR is for packages only";
  }
}

TEST_F(Install, ItsAgentLivesAndDiesWithTierdAndWaitsForTheMount) {
  install("/opt/tier", {"DESTDIR=" + place_.path()});
  const std::string units = at("/opt/tier/lib/systemd/system/");
  const std::string agent = read_file(units + "tieragent.service");
  EXPECT_THAT(agent, HasSubstr("\nBindsTo=tierd.service\n"));
  EXPECT_THAT(agent, HasSubstr("\nAfter=tierd.service "));
  EXPECT_THAT(agent, HasSubstr(" --require-mount ${TIERAGENT_MOUNT} "));
  EXPECT_THAT(agent, HasSubstr("\nOOMPolicy=continue\n"));
  EXPECT_THAT(read_file(units + "tierd.service.d/tieragent.conf"),
              HasSubstr("\nUpholds=tieragent.service\n"));
}

TEST_F(Install, KeepsSettingsThatAreThere) {
  install(at("/prefix"));
  write_file(at("/prefix/etc/tierhub/tierhub.yaml"), "archive: /mine\n");
  install(at("/prefix"));
  EXPECT_EQ(read_file(at("/prefix/etc/tierhub/tierhub.yaml")), "archive: /mine\n");
}

TEST_F(Install, ItsProgramsStart) {
  install(at("/prefix"));
  for (const std::string& name : programs()) {
    const std::string path = at("/prefix/bin/" + name);
    struct stat st {};
    check(::stat(path.c_str(), &st), "stat " + path);
    EXPECT_EQ(st.st_mode & 07777, 0755u) << name;
    for (const char* option : {"--help", "--version"}) {
      const auto result = run_command({path, option});
      EXPECT_EQ(result.exit_code, 0) << result.text;
      EXPECT_NE(result.out, "") << result.text;
    }
  }
}

TEST_F(Install, SystemdFindsItsUnitsInOrder) {
  install(at("/prefix"));
  for (const std::string name : {"tierd.service", "tieragent.service", "tierweb.service"}) {
    const auto result = run_command(
        {"systemd-analyze", "verify", "--man=no", at("/prefix/lib/systemd/system/" + name)});
    EXPECT_EQ(result.exit_code, 0) << result.text << result.err;
    EXPECT_EQ(result.err, "") << name;
  }
}

}  // namespace
}  // namespace tierhub::test
