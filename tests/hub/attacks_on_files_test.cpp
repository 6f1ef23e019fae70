// What somebody can do with files that others look at in the browser: names, what is no file, links,
// and folders that become links.
#include <chrono>
#include <filesystem>
#include <fstream>
#include <thread>

#include <fcntl.h>
#include <linux/fs.h>
#include <sys/mount.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <sys/un.h>
#include <unistd.h>

#include <gmock/gmock.h>
#include <nlohmann/json.hpp>

#include "common/unique_fd.h"
#include "tests/hub/attacks_fixture.h"

namespace tierhub::test {
namespace {

namespace fs = std::filesystem;
using namespace std::chrono_literals;
using nlohmann::json;
using ::testing::HasSubstr;
using ::testing::Not;

std::string percent_encoded(const std::string& text) {
  constexpr const char* kDigits = "0123456789ABCDEF";
  std::string out;
  for (const char c : text) {
    const auto byte = static_cast<unsigned char>(c);
    out += '%';
    out += kDigits[byte >> 4];
    out += kDigits[byte & 15];
  }
  return out;
}

// Every address that opens what is at a path of the namespace, in which '/' stays.
std::vector<std::string> addresses_of(const std::string& folder, const std::string& name) {
  const std::string path = folder + "/" + percent_encoded(name);
  std::vector<std::string> all;
  for (const char* call : {"file", "dataset", "datasets", "histogram", "residency", "thumbnail",
                           "v1/ls", "v1/residency"})
    all.push_back(std::string("/api/") + call + "?path=" + path);
  all.push_back("/img/1" + path + "/0/0/0/0/0/0");
  all.push_back("/png/1" + path + "/0/0/0/0/0");
  for (const char* key : {"v2", "v3"}) {
    all.push_back(std::string("/zarr/") + key + path + "/.zattrs");
    all.push_back(std::string("/zarr/") + key + path + "/zarr.json");
    all.push_back(std::string("/zarr/") + key + path + "/0/0/0/0/0/0");
  }
  return all;
}

using HubAttacksOnFiles = HubAttacks;

TEST_F(HubAttacksOnFiles, NamesAreNeverMarkupOrHeadersOrLinesOfTheLog) {
  const std::string folder = make_folder("names", kAttacker, 0755);
  const std::vector<std::string> names = {"<svg onload=alert(1)>",
                                          "\"><img src=x onerror=alert(1)>.tif",
                                          "'; alert(1) ;.csv",
                                          "a\r\nSet-Cookie: tierweb=evil\r\n\r\n<html>.txt",
                                          "line\nts=2026 level=error msg=forged.png",
                                          "photo\u202Egnp.exe",
                                          "\u2066hidden\u200B.json",
                                          "%2e%2e",
                                          "..%2f..%2fetc%2fpasswd",
                                          "\x1B]0;owned\x07\x1B[2J.tif",
                                          "\xFF\xFE\xC0\xAF.zarr",
                                          "index.html",
                                          "page.svg"};
  for (const std::string& name : names)
    write_file(folder + "/" + name, "<script>alert(2)</script>");
  start_with_both();
  for (const std::string& name : names) {
    for (const std::string& address : addresses_of("/names", name))
      EXPECT_EQ(harm_in(victim_->get(address)), "") << address;
    const Answer file = victim_->get("/api/file?path=/names/" + percent_encoded(name));
    EXPECT_EQ(file.status, 200) << name;
    EXPECT_EQ(file.body, "<script>alert(2)</script>") << name;
    EXPECT_EQ(file.header("content-type"),
              name.ends_with(".png") ? "image/png" : "text/plain; charset=utf-8");
  }
  const json listed = json::parse(victim_->get("/api/v1/ls?path=%2Fnames").body);
  EXPECT_EQ(listed.at("entries").size(), names.size());
  // Encoded once more, they are names of something else.
  for (const char* path : {"%2e%2e/%2e%2e/etc/passwd", "names/%2e%2e/%2e%2e/%2e%2e/etc/passwd",
                           "names/..%2f..%2f..%2fetc%2fpasswd", "names/%00", "%2fetc/passwd"}) {
    const std::string target = std::string("/zarr/v2/") + path + "/.zattrs";
    EXPECT_GE(victim_->get(target).status, 400) << target;
    const Answer file = victim_->get(std::string("/api/file?path=/") + path);
    EXPECT_GE(file.status, 400) << path;
    EXPECT_THAT(file.body, Not(HasSubstr("root:"))) << path;
  }
  // What the front itself says again, in a page.
  Browser other(*victim_);
  other.host = "<script>alert(3)</script>";
  const Answer page = other.get("/");
  EXPECT_EQ(page.status, 421);
  EXPECT_THAT(page.body, Not(HasSubstr("<script>")));
  EXPECT_THAT(page.header("content-security-policy"), Not(HasSubstr("unsafe")));
  for (const char* trick : {"\x1B", "\u202E", "\nts=2026 level=error", "\nSet-Cookie"})
    EXPECT_THAT(printed(), Not(HasSubstr(trick)));
}

TEST_F(HubAttacksOnFiles, OnlyFilesAreOpenedWhereFilesAreMeant) {
  const std::string folder = make_folder("kinds", kAttacker, 0755);
  fs::create_directories(folder + "/folder.tif");
  ASSERT_EQ(::mkfifo((folder + "/fifo.tif").c_str(), 0666), 0);
  fs::create_symlink("/etc/passwd", folder + "/out.csv");
  fs::create_symlink("/proc/self/environ", folder + "/proc.txt");
  fs::create_symlink("loop.tif", folder + "/loop.tif");
  fs::create_symlink("fifo.tif", folder + "/to-fifo.tif");
  fs::create_directory_symlink("/", folder + "/root.zarr");
  write_file(folder + "/empty.tif", "");
  std::vector<std::string> names = {"folder.tif", "fifo.tif",    "out.csv",   "proc.txt",
                                    "loop.tif",   "to-fifo.tif", "root.zarr", "empty.tif"};
  {
    const UniqueFd socket(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
    sockaddr_un address = {};
    address.sun_family = AF_UNIX;
    (folder + "/socket.tif").copy(address.sun_path, sizeof address.sun_path - 1);
    if (::bind(socket.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) == 0)
      names.emplace_back("socket.tif");
  }
  // tierd lets nobody make one unless it is told to.
  if (::mknod((folder + "/zero.tif").c_str(), S_IFCHR | 0666, makedev(1, 5)) == 0)
    names.emplace_back("zero.tif");
  start_with_both();
  for (const std::string& name : names) {
    for (const std::string& address : addresses_of("/kinds", name)) {
      const auto begin = std::chrono::steady_clock::now();
      const Answer answer = victim_->get(address);
      EXPECT_LT(std::chrono::steady_clock::now() - begin, 10s) << address;
      EXPECT_EQ(harm_in(answer), "") << address;
      EXPECT_THAT(answer.body, Not(HasSubstr("root:"))) << address;
      EXPECT_THAT(answer.body, Not(HasSubstr("HOME="))) << address;
      const bool lists = address.starts_with("/api/v1/") || address.starts_with("/api/datasets");
      const bool is_text = name == "empty.tif" && address.starts_with("/api/file");
      if (!lists && !is_text) {
        EXPECT_GE(answer.status, 400) << address << answer.body;
      }
    }
    // As the input of a workflow, and of a share.
    const std::string workflow =
        "workflow: w\nparameters:\n  files: {type: dataset}\ninput: {dataset: \"{files}\"}\n"
        "scatter: {by: file}\nsteps:\n  - id: copy\n    run: [cp, \"{input}\", "
        "\"{output}/{name}\"]\n";
    const json body = {{"text", workflow}, {"values", {{"files", "kinds/" + name}}}};
    const auto begin = std::chrono::steady_clock::now();
    const Answer plan = victim_->post("/api/workflow/plan", body.dump());
    EXPECT_LT(std::chrono::steady_clock::now() - begin, 20s) << name;
    EXPECT_EQ(harm_in(plan), "") << name;
    EXPECT_THAT(plan.body, Not(HasSubstr("root:"))) << name;
    const Answer made = victim_->post("/api/shares?path=/kinds/" + name + "&hours=1");
    ASSERT_EQ(made.status, 200);
    const std::string token = json::parse(made.body).at("token");
    const Answer shared = Browser(port_).get("/share/" + token + "/zarr/v2/.zattrs");
    EXPECT_GE(shared.status, 400) << name << shared.body;
  }
}

TEST_F(HubAttacksOnFiles, ASharedImageShowsNothingElseOfItsPerson) {
  const std::string own = make_folder("own", kVictim, 0700);
  make_image(own + "/other.zarr", "PRIVATE!", kVictim);
  // The victim shares an image that the attacker may change.
  const std::string common = make_folder("common", kAttacker, 0755);
  make_image(common + "/scan.zarr", "PUBLIC!!", kAttacker);
  start_with_both();
  const Answer made = victim_->post("/api/shares?path=/common/scan.zarr&hours=1");
  const std::string link = "/share/" + json::parse(made.body).at("token").get<std::string>();
  Browser stranger(port_);
  const std::string chunk = link + "/zarr/v2/0/0/0/0/0/0";
  ASSERT_EQ(stranger.get(chunk).body.substr(0, 8), "PUBLIC!!");

  // Links inside the image, to one of the mount and to one elsewhere.
  fs::create_directories(common + "/scan.zarr/labels");
  write_file(common + "/scan.zarr/labels/.zattrs", R"({"labels": ["cells"]})");
  write_file(common + "/scan.zarr/labels/.zgroup", R"({"zarr_format": 2})");
  fs::create_directory_symlink("../../../own/other.zarr", common + "/scan.zarr/labels/cells");
  fs::create_directory_symlink("../../own/other.zarr", common + "/scan.zarr/7");
  for (const char* key :
       {"v2/labels/cells/.zattrs", "v2/labels/cells/.zgroup", "v2/labels/cells/0/.zarray",
        "v2/labels/cells/.zmetadata", "v2/labels/cells/0/0/0/0/0/0", "v3/labels/cells/zarr.json",
        "v3/labels/cells/0/zarr.json", "v3/labels/cells/0/c/0/0/0/0/0", "v2/7/.zattrs",
        "v2/7/.zgroup", "v3/7/zarr.json"}) {
    const Answer answer = stranger.get(link + "/zarr/" + key);
    EXPECT_GE(answer.status, 400) << key << ": " << answer.body;
    EXPECT_THAT(answer.body, Not(HasSubstr("PRIVATE"))) << key;
    EXPECT_EQ(harm_in(answer), "") << key;
  }
  EXPECT_THAT(stranger.get(link + "/zarr/v2/.zmetadata").body, Not(HasSubstr("cells/0/.zarray")));
  // A chunk, and the level.
  for (const char* part : {"/scan.zarr/0/0.0", "/scan.zarr/0"}) {
    fs::rename(common + part, common + "/aside");
    fs::create_symlink(
        own + (std::string(part).ends_with("0.0") ? "/other.zarr/0/0.0" : "/other.zarr/0"),
        common + part);
    eventually("the link is seen", [&] { return stranger.get(chunk).status >= 400; });
    EXPECT_THAT(stranger.get(chunk).body, Not(HasSubstr("PRIVATE"))) << part;
    fs::remove(common + part);
    fs::rename(common + "/aside", common + part);
  }
  eventually("it is as it was", [&] { return stranger.get(chunk).status == 200; });

  // The image itself is now a folder and now a link, again and again.
  fs::create_directory_symlink("../own/other.zarr", common + "/link");
  const std::jthread swapping([&](const std::stop_token& stop) {
    while (!stop.stop_requested()) {
      std::this_thread::sleep_for(200us);
      ::syscall(SYS_renameat2, AT_FDCWD, (common + "/scan.zarr").c_str(), AT_FDCWD,
                (common + "/link").c_str(), RENAME_EXCHANGE);
    }
  });
  int shown = 0;
  const auto end = std::chrono::steady_clock::now() + 1500ms;
  while (std::chrono::steady_clock::now() < end) {
    const Answer answer = stranger.get(chunk);
    ASSERT_EQ(answer.body.find("PRIVATE"), std::string::npos) << "after " << shown;
    shown += answer.status == 200 ? 1 : 0;
  }
}

}  // namespace
}  // namespace tierhub::test
