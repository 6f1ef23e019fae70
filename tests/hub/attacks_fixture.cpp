#include "tests/hub/attacks_fixture.h"

#include <filesystem>
#include <fstream>
#include <set>

#include <sys/stat.h>
#include <unistd.h>

namespace tierhub::test {

namespace fs = std::filesystem;

void HubAttacks::start_with_both() {
  port_ = start_for_everybody();
  attacker_.emplace(port_);
  victim_.emplace(port_);
  ASSERT_EQ(sign_in(*attacker_, "daemon", "secret"), 303);
  ASSERT_EQ(sign_in(*victim_, "games", "secret"), 303);
}

std::string HubAttacks::make_folder(const std::string& name, uid_t owner, mode_t mode) const {
  const std::string path = tier.in_mount(name);
  fs::create_directories(path);
  EXPECT_EQ(::chown(path.c_str(), owner, owner), 0);
  EXPECT_EQ(::chmod(path.c_str(), mode), 0);
  return path;
}

void HubAttacks::make_image(const std::string& folder, const std::string& voxels, uid_t owner) {
  fs::create_directories(folder + "/0");
  write_file(folder + "/.zattrs",
             R"({"multiscales": [{"version": "0.4", "axes": [{"name": "y", "type": "space"},
                {"name": "x", "type": "space"}], "datasets": [{"path": "0",
                "coordinateTransformations": [{"type": "scale", "scale": [1, 1]}]}]}]})");
  write_file(folder + "/.zgroup", R"({"zarr_format": 2})");
  const std::string shape = "[1, " + std::to_string(voxels.size()) + "]";
  write_file(folder + "/0/.zarray",
             R"({"zarr_format": 2, "shape": )" + shape + R"(, "chunks": )" + shape +
                 R"(, "dtype": "|u1", "compressor": null, "fill_value": 0, "order": "C",
                 "filters": null})");
  write_file(folder + "/0/0.0", voxels);
  for (const auto& entry : fs::recursive_directory_iterator(folder))
    EXPECT_EQ(::lchown(entry.path().c_str(), owner, owner), 0);
  EXPECT_EQ(::chown(folder.c_str(), owner, owner), 0);
}

std::vector<pid_t> HubAttacks::children_of(pid_t process) {
  std::vector<pid_t> children;
  const std::string tasks = "/proc/" + std::to_string(process) + "/task";
  for (const auto& task : fs::directory_iterator(tasks)) {
    std::ifstream file(task.path() / "children");
    for (pid_t child = 0; file >> child;) children.push_back(child);
  }
  return children;
}

pid_t HubAttacks::own_worker_of(uid_t uid) const {
  for (const pid_t child : children_of(tierweb_)) {
    std::ifstream file("/proc/" + std::to_string(child) + "/cmdline");
    const std::string line((std::istreambuf_iterator<char>(file)), {});
    const bool is_worker = line.find(std::string("\0--worker\0", 10)) != std::string::npos;
    if (is_worker && process_status(child, "Uid").starts_with(std::to_string(uid) + "\t"))
      return child;
  }
  return -1;
}

std::vector<int> HubAttacks::statuses(const std::string& bytes) const {
  const std::string text = converse(port_, bytes);
  std::vector<int> all;
  constexpr std::string_view kBegin = "HTTP/1.1 ";
  for (size_t at = text.find(kBegin); at != std::string::npos; at = text.find(kBegin, at + 1))
    all.push_back(std::stoi(text.substr(at + kBegin.size(), 3)));
  return all;
}

std::string harm_in(const Answer& answer) {
  static const std::set<std::string> known = {"accept-ranges",
                                              "access-control-allow-origin",
                                              "allow",
                                              "cache-control",
                                              "connection",
                                              "content-encoding",
                                              "content-length",
                                              "content-range",
                                              "content-security-policy",
                                              "content-type",
                                              "cross-origin-resource-policy",
                                              "etag",
                                              "last-modified",
                                              "referrer-policy",
                                              "retry-after",
                                              "server",
                                              "transfer-encoding",
                                              "vary",
                                              "x-content-type-options"};
  static const std::set<std::string> types = {"application/json", "application/octet-stream",
                                              "image/png", "text/plain"};
  if (answer.status == 0) return "there is no answer";
  for (const auto& [name, value] : answer.headers)
    if (!known.contains(name) && !name.starts_with("x-tierhub-")) return "the header " + name;
  const std::string type = answer.header("content-type");
  if (!types.contains(type.substr(0, type.find(';'))) && answer.status != 304)
    return "the type " + type;
  if (answer.header("x-content-type-options") != "nosniff") return "no nosniff";
  if (!answer.header("content-security-policy").starts_with("default-src 'none'"))
    return "the policy " + answer.header("content-security-policy");
  return "";
}

}  // namespace tierhub::test
