// The agent on a real tierd: what a run needs, and nothing else, is brought before it is read.
#include <algorithm>
#include <filesystem>
#include <stdexcept>

#include <sys/stat.h>
#include <unistd.h>

#include "tests/compute/agent_fixture.h"
#include "tests/support/tier_fixture.h"

namespace tierhub::test {
namespace {
namespace fs = std::filesystem;

class Staging : public AgentTest {
 protected:
  Staging() {
    if (::geteuid() != 0) throw std::runtime_error("these tests mount a tier: run them as root");
    // Alice must be able to reach the mount.
    ::chmod(fs::path(tier.mount).parent_path().c_str(), 0755);
    ::chmod(tier.archive.c_str(), 0755);
  }

  // Two channels of 4x4x4 voxels in chunks of 2x4x4: two chunk files of 32 bytes per channel.
  void write_image() {
    write_text(tier.in_archive("scan.ome.zarr/.zattrs"),
               R"({"multiscales":[{"version":"0.4","axes":[{"name":"c","type":"channel"},
      {"name":"z","type":"space"},{"name":"y","type":"space"},{"name":"x","type":"space"}],
      "datasets":[{"path":"0","coordinateTransformations":[{"type":"scale",
      "scale":[1,1,1,1]}]}]}]})");
    write_text(tier.in_archive("scan.ome.zarr/.zgroup"), R"({"zarr_format":2})");
    write_text(tier.in_archive("scan.ome.zarr/0/.zarray"),
               R"({"zarr_format":2,"shape":[2,4,4,4],"chunks":[1,2,4,4],"dtype":"|u1",
      "compressor":null,"fill_value":0,"order":"C","filters":null,"dimension_separator":"."})");
    for (const char* chunk : {"0.0.0.0", "0.1.0.0", "1.0.0.0", "1.1.0.0"}) {
      write_text(tier.in_archive(std::string("scan.ome.zarr/0/") + chunk), std::string(32, 'x'));
    }
  }

  // Three channels of 2x8x8 voxels, a chunk file each: channel c has c + 1 bright voxels.
  void write_dots(const std::string& name = "dots.ome.zarr") {
    write_text(tier.in_archive(name + "/.zattrs"),
               R"({"multiscales":[{"version":"0.4","axes":[{"name":"c","type":"channel"},
      {"name":"z","type":"space"},{"name":"y","type":"space"},{"name":"x","type":"space"}],
      "datasets":[{"path":"0","coordinateTransformations":[{"type":"scale",
      "scale":[1,1,1,1]}]}]}]})");
    write_text(tier.in_archive(name + "/.zgroup"), R"({"zarr_format":2})");
    write_text(tier.in_archive(name + "/0/.zarray"),
               R"({"zarr_format":2,"shape":[3,2,8,8],"chunks":[1,2,8,8],"dtype":"|u1",
      "compressor":null,"fill_value":0,"order":"C","filters":null,"dimension_separator":"."})");
    for (size_t channel = 0; channel < 3; ++channel) {
      std::string voxels(128, '\0');
      for (size_t dot = 0; dot <= channel; ++dot) voxels[2 * 8 * dot] = 100;
      write_text(tier.in_archive(name + "/0/" + std::to_string(channel) + ".0.0.0"), voxels);
    }
  }

  // How many rows the table of objects has that a run wrote.
  size_t objects_in(const EndedRun& run, const std::string& table) const {
    const std::string text = read_text(run.status["output"].get<std::string>() + "/" + table);
    const auto lines = static_cast<size_t>(std::count(text.begin(), text.end(), '\n'));
    return lines == 0 ? 999 : lines - 1;
  }

  uint64_t size_of(const std::string& path) const {
    return fs::file_size(tier.in_archive("scan.ome.zarr/" + path));
  }

  void start(std::vector<std::string> options = {"--allow-root"}) {
    tier.start();
    options.insert(options.end(), {"--socket", tier.client().socket_path()});
    start_agent(options);
  }

  TestTier tier;
};

constexpr const char* kReadChannel0 = R"(workflow: w
input: {dataset: scan.ome.zarr, select: {c: 0}}
scatter: {by: block, size: {z: 2}, halo: {z: 1}}
steps:
  - id: read
    run: [sh, -c, 'cat {input}/.zattrs {input}/0/.zarray {input}/0/0.?.0.0 | wc -c > {work}/{task}']
    env: {SELECT: "{select}"}
  - id: again
    after: read
    run: [sh, -c, 'cat {input}/0/0.?.0.0 | wc -c > {work}/{task}']
    env: {SELECT: "{select}"}
  - id: sum
    gather: again
    run: [sh, -c, 'cat {work}/0* > {output}/counts']
)";

TEST_F(Staging, ExactlyTheSelectionAndTheMetadataIsBroughtAndNothingRecalled) {
  write_image();
  start();
  const EndedRun run = drop_and_wait("job", kReadChannel0);
  ASSERT_EQ(run.ending, "done") << run.report;
  EXPECT_EQ(read_text(run.status["output"].get<std::string>() + "/counts"), "64\n64\n");
  const api::Status status = tier.status();
  uint64_t expected = size_of("0/0.0.0.0") + size_of("0/0.1.0.0");
  for (const char* metadata : {".zattrs", ".zgroup", "0/.zarray"}) {
    if (tier.entry("/scan.ome.zarr/" + std::string(metadata)).state != "cold") {
      expected += size_of(metadata);
    }
  }
  EXPECT_EQ(status.prefetch_bytes, expected);
  EXPECT_EQ(status.recall_bytes, 0u);
  EXPECT_EQ(run.status["bytes_staged"], expected);
  EXPECT_EQ(run.status["bytes_copied"], expected);
  EXPECT_EQ(tier.entry("/scan.ome.zarr/.zattrs").state, "hot");
  EXPECT_EQ(tier.entry("/scan.ome.zarr/0/1.0.0.0").state, "cold");
}

TEST_F(Staging, EachSelectedChannelGivesItsOwnResultAndNoOtherIsRead) {
  write_dots();
  start();
  for (const char* scatter : {"", "scatter: {by: file}\n", "scatter: {by: c}\n"}) {
    for (size_t channel = 0; channel < 3; ++channel) {
      ASSERT_TRUE(tier.evict("/dots.ome.zarr").skipped.empty());
      const EndedRun run =
          drop_and_wait("job", "workflow: w\ninput: {dataset: dots.ome.zarr, select: {c: " +
                                   std::to_string(channel) + "}}\n" + scatter + R"(steps:
  - id: segment
    run: [imgop, segment, --sigma, "0", --in, "{input}", --select, "{select}", --out, "{work}/labels.ome.zarr", --table, "{output}/objects.csv"]
)");
      ASSERT_EQ(run.ending, "done") << run.report;
      EXPECT_EQ(objects_in(run, "objects.csv"), channel + 1) << scatter;
      for (size_t other = 0; other < 3; ++other) {
        const std::string chunk = "/dots.ome.zarr/0/" + std::to_string(other) + ".0.0.0";
        EXPECT_EQ(tier.entry(chunk).state, other == channel ? "hot" : "cold") << chunk;
      }
      fs::remove_all(run.folder);
    }
  }
  EXPECT_EQ(tier.status().recall_bytes, 0u);
}

TEST_F(Staging, ASmallJobOnHotDataStartsAtOnce) {
  // Half a second on an idle machine (bench/job_start.sh); the bounds are for busy ones.
  start();
  write_text(tier.in_mount("data/small.txt"), "small");
  const std::string text =
      "workflow: w\ninput: {dataset: data/small.txt}\nsteps:\n"
      "  - {id: a, run: [sh, -c, 'date +%s.%N > \"$2\"; cat \"$1\"', sh, \"{input}\", "
      "\"{output}/began\"]}\n";
  const auto now_s = [] {
    return std::chrono::duration<double>(std::chrono::system_clock::now().time_since_epoch())
        .count();
  };
  const auto waited_s = [&](const std::string& stem, double dropped_s) {
    const EndedRun run = ended(stem);
    EXPECT_EQ(run.ending, "done") << run.report << run.log;
    return std::stod(read_text(run.status["output"].get<std::string>() + "/began")) - dropped_s;
  };
  double dropped_s = now_s();
  drop("renamed.yaml", text);
  EXPECT_LT(waited_s("renamed", dropped_s), 5.0);
  dropped_s = now_s();
  write_text(jobs("incoming/copied.yaml"), text);
  const double copied_s = waited_s("copied", dropped_s);
  EXPECT_GT(copied_s, 2.0) << "nobody could know that it was complete";
  EXPECT_LT(copied_s, 8.0);
}

TEST_F(Staging, LeasesEndWithTheRun) {
  write_image();
  start();
  ASSERT_EQ(drop_and_wait("job", kReadChannel0).ending, "done");
  EXPECT_TRUE(tier.entry("/scan.ome.zarr/0/0.0.0.0").pins.empty());
  EXPECT_TRUE(tier.entry("/scan.ome.zarr/.zattrs").pins.empty());
}

TEST_F(Staging, TierdHearsOfRuns) {
  write_image();
  start();
  const EndedRun done = drop_and_wait("good", kReadChannel0);
  const EndedRun failed = drop_and_wait("bad", "workflow: w\n");
  EXPECT_EQ(tier.client().run(done.run).value().state, "done");
  EXPECT_EQ(tier.client().run(failed.run).value().state, "failed");
}

TEST_F(Staging, ARunSaysThatItWaitsForYoungFilesToRest) {
  tier.settings["growing_s"] = "8";
  write_image();
  start();
  drop("job.yaml", kReadChannel0);
  const std::string folder = running("job");
  std::string waits_for;
  std::string jobs;
  until("status.json says what the run waits for", [&] {
    const auto status = nlohmann::json::parse(read_text(folder + "/status.json"), nullptr, false);
    if (status.is_object()) waits_for = status["waits_for"];
    return !waits_for.empty();
  });
  EXPECT_TRUE(waits_for.starts_with("waits until /scan.ome.zarr/")) << waits_for;
  EXPECT_TRUE(waits_for.ends_with("has not changed for 8 s")) << waits_for;
  until("tierctl jobs list shows it", [&] {
    jobs = tier.tierctl({"jobs", "list"}).out;
    return jobs.find("has not changed for 8 s") != std::string::npos || !fs::exists(folder);
  });
  EXPECT_NE(jobs.find("waits until /scan.ome.zarr/"), std::string::npos) << jobs;
  EXPECT_EQ(ended("job").ending, "done");
}

TEST_F(Staging, ARunWaitsForATierdThatIsNotThereYet) {
  write_image();
  tier.start();
  const std::string socket = tier.client().socket_path();
  tier.stop();
  start_agent({"--allow-root", "--socket", socket});
  drop("job.yaml", kReadChannel0);
  running("job");
  tier.start();
  EXPECT_EQ(ended("job").ending, "done");
}

TEST_F(Staging, AnInputInTheMountThatHeCannotReadFailsByName) {
  write_image();
  ASSERT_EQ(::chmod(tier.in_archive("scan.ome.zarr/0/0.1.0.0").c_str(), 0600), 0);
  fs::create_directories(tier.in_archive("results"));
  ASSERT_EQ(::chown(tier.in_archive("results").c_str(), kAlice, kAlice), 0);
  start({});
  drop("job.yaml", kReadChannel0, kAlice);
  const EndedRun run = ended("job");
  EXPECT_EQ(run.ending, "failed");
  EXPECT_NE(run.report.find(" " + tier.in_mount("scan.ome.zarr/0/0.1.0.0") + ":"),
            std::string::npos)
      << run.report;
  EXPECT_NE(run.report.find("you may not read it"), std::string::npos) << run.report;
}

// Everything is the user's own: tierd mounts by fusermount3, nobody else gets into the mount.
TEST_F(Staging, TierdAndAgentOfAnOrdinaryUserRunThatUsersJobs) {
  constexpr uid_t kNobody = 65534;
  write_image();
  tier.run_as(kNobody, kNobody);
  for (const char* folder : {"jobs", "work"}) fs::create_directories(at(folder));
  write_text(at("agent.log"), "");
  const auto given = run_command(
      {"chown", "-R", "65534:65534", tier.archive, at("jobs"), at("work"), at("agent.log")});
  ASSERT_EQ(given.exit_code, 0) << given.err;
  tier.start();
  start_agent({"--socket", tier.client().socket_path()}, kNobody);
  drop("job.yaml", kReadChannel0, kNobody);
  const EndedRun run = ended("job");
  ASSERT_EQ(run.ending, "done") << run.report;
  EXPECT_GE(run.status["bytes_staged"], size_of("0/0.0.0.0") + size_of("0/0.1.0.0"));
  EXPECT_EQ(tier.status().recall_bytes, 0u) << "all of it was there before it was read";
  const std::string counts = "results/nobody/w/" + run.run + "/counts";
  const auto read = run_command(tier.as_user({"cat", tier.in_mount(counts)}));
  EXPECT_EQ(read.out, "64\n64\n") << read.err;
  tier.publish();
  EXPECT_EQ(read_text(tier.in_archive(counts)), "64\n64\n");
  struct stat st {};
  ASSERT_EQ(::stat(tier.in_archive(counts).c_str(), &st), 0);
  EXPECT_EQ(st.st_uid, kNobody);
}

constexpr const char* kNoteWho = R"(workflow: w
input: {dataset: scan.ome.zarr}
steps:
  - id: a
    run: [sh, -c, 'id -u > {output}/{user}']
)";

TEST_F(Staging, UsersOfOneWorkflowHaveFoldersOfTheirOwn) {
  write_image();
  start({});
  drop("early.yaml", kNoteWho, kAlice);
  const EndedRun early = ended("early");
  EXPECT_EQ(early.ending, "failed");
  const std::string command = "install -d -m 1777 " + tier.in_mount("results");
  EXPECT_NE(early.report.find(tier.mount +
                              " belongs to root (mode 0755): the administrator can let "
                              "all users write there: " +
                              command + "\n"),
            std::string::npos)
      << early.report;
  ASSERT_EQ(run_command({"sh", "-c", command}).exit_code, 0);
  for (const uid_t user : {kAlice, kMallory}) {
    const std::string name = std::to_string(user);
    drop("job" + name + ".yaml", kNoteWho, user);
    const EndedRun run = ended("job" + name);
    ASSERT_EQ(run.ending, "done") << run.report;
    EXPECT_EQ(run.status["output"], tier.in_mount("results/" + name + "/w/" + run.run));
    EXPECT_NE(run.report.find("\n          results/" + name + "/w/" + run.run + " on a share of " +
                              tier.mount + "\n"),
              std::string::npos)
        << run.report;
    EXPECT_EQ(read_text(tier.in_mount("results/" + name + "/w/" + run.run + "/" + name)),
              name + "\n");
  }
}

// Accounts for this process and its children alone, which have a mount namespace of their own.
class Accounts {
 public:
  Accounts(const std::string& folder, const std::string& users, const std::string& groups) {
    for (const auto& [file, more] : {std::pair{"passwd", users}, std::pair{"group", groups}}) {
      const std::string path = folder + "/" + file;
      write_text(path, read_text(std::string("/etc/") + file) + more);
      const auto bound = run_command({"mount", "--bind", path, std::string("/etc/") + file});
      if (bound.exit_code != 0) throw std::runtime_error("bind " + path + ": " + bound.err);
    }
  }
  ~Accounts() {
    for (const char* file : {"/etc/passwd", "/etc/group"}) run_command({"umount", file});
  }
};

TEST_F(Staging, MembersOfAGroupShareAFolderThatItCanWrite) {
  const Accounts accounts(at("accounts"),
                          "alice:x:54321:54321::/:/bin/sh\nmallory:x:54322:54322::/:/bin/sh\n",
                          "lab:x:54400:alice,mallory\n");
  write_image();
  start({});
  for (const char* mode : {"0775", "2775"}) {
    const std::string folder = std::string("lab") + mode;
    ASSERT_EQ(
        run_command({"install", "-d", "-g", "54400", "-m", mode, tier.in_mount(folder)}).exit_code,
        0);
    for (const uid_t user : {kAlice, kMallory}) {
      const std::string stem = folder + (user == kAlice ? "a" : "m");
      drop(stem + ".yaml", kNoteWho + ("output: " + folder + "/results/{workflow}/{run}\n"), user);
      const EndedRun run = ended(stem);
      ASSERT_EQ(run.ending, "done") << run.report;
    }
    struct stat st {};
    ASSERT_EQ(::stat(tier.in_mount(folder + "/results/w").c_str(), &st), 0);
    EXPECT_EQ(st.st_gid, 54400u);
    EXPECT_EQ(st.st_mode & 0777, 0775u);
    EXPECT_EQ(names_in(tier.in_mount(folder + "/results/w")).size(), 2u);
    drop(folder + "own.yaml", kNoteWho + ("output: " + folder + "/{user}/{run}\n"), kAlice);
    EXPECT_EQ(ended(folder + "own").ending, "done");
    ASSERT_EQ(::stat(tier.in_mount(folder + "/alice").c_str(), &st), 0);
    EXPECT_EQ(st.st_mode & 0777, 0755u) << "the user's own";
  }
}

TEST_F(Staging, TheJobsFolderMayLieInTheMount) {
  write_image();
  tier.start();
  fs::create_directories(tier.in_mount("jobs"));
  start_agent(
      {"--allow-root", "--socket", tier.client().socket_path(), "--watch", tier.in_mount("jobs")});
  write_text(at("job.yaml"), kReadChannel0);
  fs::copy_file(at("job.yaml"), tier.in_mount("jobs/job.yaml.part"));
  fs::rename(tier.in_mount("jobs/job.yaml.part"), tier.in_mount("jobs/incoming/job.yaml"));
  until("the run ends; " + agent_log(),
        [&] { return names_in(tier.in_mount("jobs/done")).size() == 1; });
  EXPECT_TRUE(names_in(tier.in_mount("jobs/running")).empty());
  EXPECT_EQ(names_in(tier.in_mount("results/root/w")).size(), 1u);
}

}  // namespace
}  // namespace tierhub::test
