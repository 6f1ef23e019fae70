// tierweb as people and administrators start it: who gets in, as whom the workers run, and what
// happens when a part is killed.
#include <csignal>
#include <filesystem>
#include <fstream>

#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

#include <gmock/gmock.h>
#include <nlohmann/json.hpp>

#include "tests/hub/tierweb_fixture.h"

namespace tierhub::test {
namespace {

using namespace std::chrono_literals;
using nlohmann::json;
using ::testing::HasSubstr;

constexpr uid_t kDaemon = 1;  // two users that every system has
constexpr uid_t kGames = 5;

TEST_F(TierwebTest, ShowsOnePersonTheTier) {
  write_file(tier.in_mount("scan.raw"), "voxels");
  Browser browser = start_here();
  const json session = json::parse(browser.get("/api/session").body);
  EXPECT_EQ(session.at("mount"), tier.mount);
  EXPECT_EQ(session.at("user"), "root");
  EXPECT_EQ(session.at("here"), true) << "there is nothing to sign out of";
  const Answer listing = browser.get("/api/v1/ls?path=%2F");
  EXPECT_EQ(listing.status, 200);
  EXPECT_THAT(listing.body, HasSubstr("scan.raw"));
  EXPECT_EQ(browser.post("/api/v1/publish", R"({"paths": ["/"]})").status, 202);
  EXPECT_EQ(browser.ask("POST", "/api/v1/publish", R"({"paths": ["/"]})", {}).status, 403);
  EXPECT_EQ(browser.get("/api/nothing").status, 404);

  Browser stranger(browser);
  stranger.cookies.clear();
  EXPECT_EQ(stranger.get("/api/session").status, 401);
  EXPECT_EQ(stranger.get("/").status, 200) << "the page itself says nothing";
}

TEST_F(TierwebTest, SaysWhatTierdRefusesInTierdsWords) {
  Browser browser = start_here();
  const Answer answer = browser.get("/api/v1/ls?path=%2Fmissing");
  EXPECT_EQ(answer.status, 404);
  EXPECT_EQ(json::parse(answer.body).at("code"), "ENOENT");
}

TEST_F(TierwebTest, RecoversWhenTheWorkerIsKilled) {
  Browser browser = start_here();
  for (int i = 0; i < 3; ++i) {
    EXPECT_EQ(browser.get("/api/session").status, 200);
    const pid_t worker = worker_of(0);
    ASSERT_GT(worker, 0);
    ASSERT_EQ(::kill(worker, SIGKILL), 0);
    eventually("a new worker answers", [&] { return browser.get("/api/session").status == 200; });
    EXPECT_NE(worker_of(0), worker);
  }
}

// A plane of 8 x 8 bytes.
std::string mrc_file() {
  std::string bytes(1024 + 64, '\1');
  std::fill_n(bytes.begin(), 1024, '\0');
  for (const size_t at : {0, 4, 28, 32}) bytes[at] = 8;
  for (const size_t at : {8, 36}) bytes[at] = 1;
  for (char i = 0; i < 3; ++i) bytes[64 + 4 * static_cast<size_t>(i)] = static_cast<char>(i + 1);
  bytes.replace(208, 4, "MAP ");
  bytes[212] = bytes[213] = '\x44';
  return bytes;
}

TEST_F(TierwebTest, RecoversWhenTierdIsKilled) {
  Browser browser = start_here();
  EXPECT_EQ(browser.get("/api/v1/status").status, 200);
  write_file(tier.in_mount("a.mrc"), mrc_file());
  const auto version = [&] {
    return json::parse(browser.get("/api/dataset?path=%2Fa.mrc").body).value("version", "");
  };
  const auto tile = [&](const std::string& of) {
    return browser.get("/img/" + of + "/a.mrc/0/0/0/0/0/0");
  };
  const std::string before = version();
  EXPECT_EQ(tile(before).body.size(), 64u);
  tier.kill();
  EXPECT_EQ(browser.get("/api/v1/status").status, 502);
  const Answer meanwhile = browser.get("/api/dataset?path=%2Fother.mrc");
  EXPECT_EQ(meanwhile.status, 503);
  EXPECT_THAT(meanwhile.body, HasSubstr("tierd is not reachable"));
  tier.start();
  EXPECT_EQ(browser.get("/api/v1/status").status, 200);
  // The mount is another one now, and so is the version of the image: a page asks for it again.
  eventually("the image is back", [&] { return !version().empty(); });
  EXPECT_EQ(tile(before).status, 410);
  EXPECT_EQ(tile(version()).body.size(), 64u);
}

TEST_F(TierwebTest, StartsBeforeTierdDoes) {
  tier.stop();
  Browser browser = start_here();
  const json before = json::parse(browser.get("/api/session").body);
  EXPECT_EQ(before.at("mount"), "");
  EXPECT_THAT(before.at("error"), HasSubstr("tierd is not reachable"));
  tier.start();
  EXPECT_EQ(json::parse(browser.get("/api/session").body).at("mount"), tier.mount);
}

TEST_F(TierwebTest, LeavesNoWorkerBehindWhenItIsKilled) {
  Browser browser = start_here();
  EXPECT_EQ(browser.get("/api/session").status, 200);
  const pid_t worker = worker_of(0);
  ASSERT_GT(worker, 0);
  ::kill(tierweb_, SIGKILL);
  wait_for_exit(std::exchange(tierweb_, -1), 10s);
  eventually("the worker ends", [&] { return worker_of(0) < 0; });
}

TEST_F(TierwebTest, RootServesTheUserOfSudoOrNobody) {
  start_tierweb({"--here", "--socket", tier.client().socket_path()}, {"SUDO_USER=root"});
  EXPECT_EQ(wait_for_exit(std::exchange(tierweb_, -1), 10s), 1);
  EXPECT_THAT(printed(), HasSubstr("does not serve root"));

  Browser browser = start_here({"SUDO_USER=daemon"});
  EXPECT_EQ(json::parse(browser.get("/api/session").body).at("user"), "daemon");
  const pid_t worker = worker_of(kDaemon);
  ASSERT_GT(worker, 0);
  EXPECT_EQ(process_status(worker, "Uid"), "1\t1\t1\t1");
  EXPECT_EQ(process_status(tierweb_, "Uid"), "1\t1\t1\t1");
}

TEST_F(TierwebTest, SaysHowToGetAPageIfThereIsNone) {
  std::filesystem::remove(page_ + "/index.html");
  start_tierweb({"--here", "--allow-root", "--socket", tier.client().socket_path()});
  EXPECT_EQ(wait_for_exit(std::exchange(tierweb_, -1), 10s), 1);
  EXPECT_THAT(printed(), HasSubstr("scripts/build.sh"));
}

TEST_F(TierwebTest, EverybodySeesWhatTheirAccountMaySee) {
  const auto make = [&](const std::string& folder, uid_t uid) {
    std::filesystem::create_directories(tier.in_mount(folder));
    write_file(tier.in_mount(folder + "/scan.raw"), "voxels");
    ASSERT_EQ(::chown(tier.in_mount(folder).c_str(), uid, uid), 0);
    ASSERT_EQ(::chmod(tier.in_mount(folder).c_str(), 0700), 0);
  };
  make("daemons", kDaemon);
  make("games", kGames);
  const uint16_t port = start_for_everybody();
  Browser daemon(port);
  Browser games(port);
  EXPECT_EQ(sign_in(daemon, "daemon", "secret"), 303);
  EXPECT_EQ(sign_in(games, "games", "secret"), 303);
  const auto list = [](Browser& browser, const std::string& folder) {
    return browser.get("/api/v1/ls?path=%2F" + folder).status;
  };
  const auto datasets = [](Browser& browser, const std::string& folder) {
    return browser.get("/api/datasets?path=%2F" + folder).status;
  };
  EXPECT_EQ(list(daemon, "daemons"), 200);
  EXPECT_EQ(list(daemon, "games"), 403);
  EXPECT_EQ(list(games, "daemons"), 403);
  EXPECT_EQ(list(games, "games"), 200);
  EXPECT_EQ(datasets(daemon, "daemons"), 200);
  EXPECT_EQ(datasets(daemon, "games"), 403);
  EXPECT_EQ(json::parse(daemon.get("/api/session").body).at("user"), "daemon");
  EXPECT_EQ(json::parse(games.get("/api/session").body).at("user"), "games");
  EXPECT_EQ(json::parse(games.get("/api/session").body).at("here"), false);
  // Only root may.
  EXPECT_EQ(daemon.post("/api/v1/scan").status, 403);

  // What faces the network has no rights.
  const pid_t worker = worker_of(kDaemon);
  ASSERT_GT(worker, 0);
  EXPECT_EQ(process_status(worker, "Gid"), "1\t1\t1\t1");
  EXPECT_EQ(process_status(worker, "NoNewPrivs"), "1");
  EXPECT_EQ(process_status(worker, "Seccomp"), "2");
  EXPECT_EQ(process_status(worker, "CapEff"), "0000000000000000");
  const std::string limits = read_file("/proc/" + std::to_string(worker) + "/limits");
  EXPECT_THAT(limits, ::testing::ContainsRegex("Max data size +6442450944"));

  EXPECT_EQ(daemon.post("/logout").status, 303);
  EXPECT_EQ(list(daemon, "daemons"), 401);
  eventually("the worker ends", [&] { return worker_of(kDaemon) < 0; });
  EXPECT_EQ(list(games, "games"), 200);
  EXPECT_EQ(stop_tierweb(), 0);
  eventually("all workers end", [&] { return worker_of(kGames) < 0; });
}

TEST_F(TierwebTest, AShareShowsOneImageWithoutASession) {
  const std::string image = tier.in_mount("private/scan.zarr");
  std::filesystem::create_directories(image + "/0");
  write_file(image + "/.zattrs",
             R"({"multiscales": [{"version": "0.4", "axes": [{"name": "y", "type": "space"},
                {"name": "x", "type": "space"}], "datasets": [{"path": "0",
                "coordinateTransformations": [{"type": "scale", "scale": [1, 1]}]}]}]})");
  write_file(image + "/.zgroup", R"({"zarr_format": 2})");
  write_file(image + "/0/.zarray",
             R"({"zarr_format": 2, "shape": [1, 4], "chunks": [1, 4], "dtype": "|u1",
                "compressor": null, "fill_value": 0, "order": "C", "filters": null})");
  write_file(image + "/0/0.0", "TIER");
  ASSERT_EQ(::chown(tier.in_mount("private").c_str(), kGames, kGames), 0);
  ASSERT_EQ(::chmod(tier.in_mount("private").c_str(), 0700), 0);
  const uint16_t port = start_for_everybody();
  Browser games(port), stranger(port);
  ASSERT_EQ(sign_in(games, "games", "secret"), 303);
  const Answer made = games.post("/api/shares?path=%2Fprivate%2Fscan.zarr&hours=24");
  ASSERT_EQ(made.status, 200) << made.body;
  const std::string token = json::parse(made.body).at("token");
  const std::string link = "/share/" + token + "/zarr/v2/";
  const Answer metadata = stranger.get(link + ".zattrs");
  EXPECT_EQ(metadata.status, 200);
  EXPECT_EQ(metadata.header("access-control-allow-origin"), "*");
  EXPECT_EQ(stranger.get(link + "0/0/0/0/0/0").body.substr(0, 4), "TIER");
  EXPECT_EQ(stranger.get("/zarr/v2/private/scan.zarr/.zattrs").status, 401);
  EXPECT_EQ(stranger.get(link + "../other/.zattrs").status, 404);
  EXPECT_EQ(stranger.ask("POST", link + ".zattrs", "", {}).status, 404);
  EXPECT_EQ(printed().find(token), std::string::npos) << "links are not logged";

  // The image is another person's now: what one may not read any more is not shared any more.
  ASSERT_EQ(::chown(tier.in_mount("private").c_str(), kDaemon, kDaemon), 0);
  eventually("it is closed", [&] { return stranger.get(link + "0/0/0/0/0/0").status != 200; });
  ASSERT_EQ(::chown(tier.in_mount("private").c_str(), kGames, kGames), 0);
  eventually("it is open", [&] { return stranger.get(link + "0/0/0/0/0/0").status == 200; });

  // A link to another image of the same person, in the place of the shared one.
  std::filesystem::rename(image, tier.in_mount("private/other.zarr"));
  std::filesystem::create_directory_symlink("other.zarr", image);
  eventually("the link is refused", [&] { return stranger.get(link + ".zattrs").status == 403; });
  EXPECT_EQ(stranger.get(link + "0/0/0/0/0/0").status, 403);
  // A share of a folder shows none of its images.
  const Answer more = games.post("/api/shares?path=%2Fprivate&hours=1");
  const std::string folder = json::parse(more.body).at("token");
  EXPECT_EQ(stranger.get("/share/" + folder + "/zarr/v2/labels/other.zarr/.zattrs").status, 403);

  EXPECT_EQ(games.post("/logout").status, 303);
  EXPECT_EQ(stranger.get(link + ".zattrs").status, 410);
}

// Who was taken out of a group must not keep what it may read.
TEST_F(TierwebTest, ANewWorkerHasTheGroupsOfNow) {
  const std::string groups = place_ / "group";
  std::ifstream system_file("/etc/group");
  const std::string system((std::istreambuf_iterator<char>(system_file)), {});
  write_file(groups, system + "tierhub-lab:x:54329:games\n");
  // In the mount namespace of this test.
  ASSERT_EQ(::mount(groups.c_str(), "/etc/group", nullptr, MS_BIND, nullptr), 0);
  const uint16_t port = start_for_everybody();
  Browser games(port);
  EXPECT_EQ(sign_in(games, "games", "secret"), 303);
  EXPECT_EQ(games.get("/api/session").status, 200);
  const pid_t before = worker_of(kGames);
  ASSERT_GT(before, 0);
  EXPECT_THAT(process_status(before, "Groups"), HasSubstr("54329"));

  write_file(groups, system);
  Browser again(port);
  EXPECT_EQ(sign_in(again, "games", "secret"), 303);
  eventually("another worker answers", [&] {
    return again.get("/api/session").status == 200 && worker_of(kGames) != before;
  });
  EXPECT_THAT(process_status(worker_of(kGames), "Groups"), ::testing::Not(HasSubstr("54329")));
  EXPECT_EQ(games.get("/api/session").status, 200) << "the first session goes on, with less rights";
  ::umount("/etc/group");
}

TEST_F(TierwebTest, LetsNobodyInWithoutTheirPassword) {
  const uint16_t port = start_for_everybody();
  Browser browser(port);
  EXPECT_EQ(browser.get("/login").status, 200);
  EXPECT_EQ(sign_in(browser, "daemon", "wrong"), 401);
  EXPECT_EQ(sign_in(browser, "root", "secret"), 401) << "root is no person";
  EXPECT_EQ(sign_in(browser, "nobody-has-this-name", "secret"), 401);
  EXPECT_EQ(sign_in(browser, "", "secret"), 401);
  EXPECT_TRUE(browser.cookies.empty());
  // From another site's form.
  EXPECT_EQ(
      browser.ask("POST", "/login", "user=daemon&password=secret", {"Origin: http://evil.example"})
          .status,
      403);
  EXPECT_EQ(browser.get("/api/session").status, 401);
  EXPECT_EQ(printed().find("secret"), std::string::npos) << "passwords are not logged";
  EXPECT_EQ(printed().find("wrong"), std::string::npos);
}

}  // namespace
}  // namespace tierhub::test
