// The control API lets a caller do what the kernel lets them do in the mount, and nothing else: the
// same users try the same paths both ways.
#include <algorithm>
#include <cerrno>
#include <filesystem>
#include <random>
#include <set>

#include <fcntl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <sys/xattr.h>
#include <unistd.h>

#include <fmt/format.h>
#include <fmt/ranges.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "common/run_as.h"
#include "tests/support/tier_fixture.h"

namespace tierhub::test::api_access_test {
namespace {

namespace fs = std::filesystem;

constexpr uint32_t kUsers[] = {0, 3001, 3002, 3003};
constexpr uint32_t kGroups[] = {0, 4001, 4002, 4003};

using User = Account;

const User kCallers[] = {{0, 0, {}},
                         {3001, 4001, {}},
                         {3002, 4002, {4001}},
                         {3003, 4003, {4002, 4001}},
                         {3004, 3004, {}}};

// A random tree in the archive, in which most users may do some things, and the ways into it.
class RandomTree {
 public:
  RandomTree(std::string root, std::string mount, uint32_t seed)
      : root_(std::move(root)), mount_(std::move(mount)), random_(seed) {
    std::vector<std::string> folders = {""};
    for (int i = 0; i < 24; ++i) folders.push_back(make_folder(any(folders), i));
    for (int i = 0; i < 60; ++i) make_file(any(folders), i);
    for (int i = 0; i < 30; ++i) make_link(any(folders), i);
    // Rights come last: they may lock out whoever makes the tree, on some file systems.
    for (const std::string& path : owned_) give_rights(path);
    for (int i = 0; i < 60; ++i) paths_.push_back(detour(any(paths_)));
    paths_.push_back("/missing");
    paths_.push_back("/file0/below-a-file");
  }
  const std::vector<std::string>& paths() const { return paths_; }

 private:
  int below(int end) { return std::uniform_int_distribution(0, end - 1)(random_); }
  template <class List>
  typename std::iterator_traits<decltype(std::begin(std::declval<const List&>()))>::value_type any(
      const List& list) {
    return list[static_cast<size_t>(below(static_cast<int>(std::size(list))))];
  }
  std::string add(const std::string& path) {
    paths_.push_back(path);
    return path;
  }
  std::string make_folder(const std::string& parent, int i) {
    std::string path = add(fmt::format("{}/folder{}", parent, i));
    fs::create_directory(root_ + path);
    owned_.push_back(path);
    return path;
  }
  void make_file(const std::string& parent, int i) {
    std::string path = add(fmt::format("{}/file{}", parent, i));
    write_file(root_ + path, "content");
    owned_.push_back(path);
  }
  // Relative, absolute, to a folder, to a file, to nothing, to itself.
  void make_link(const std::string& parent, int i) {
    std::string path = fmt::format("{}/link{}", parent, i);
    std::string target = below(8) == 0 ? path : below(8) == 0 ? "/missing" : any(paths_);
    if (below(2) == 0) {
      target = mount_ + target;
    } else {
      target = fs::path(target).lexically_relative(parent.empty() ? "/" : parent);
    }
    fs::create_symlink(target, root_ + add(path));
  }
  // "." and ".." on the way, and names behind links.
  std::string detour(const std::string& path) {
    const size_t slash = path.rfind('/');
    switch (below(4)) {
      case 0:
        return path + "/.";
      case 1:
        return path + "/..";
      case 2:
        return fmt::format("{}/../{}", path, fs::path(any(paths_)).filename().string());
      default:
        return path.substr(0, slash) + "/./" + path.substr(slash + 1);
    }
  }
  void give_rights(const std::string& path) {
    const std::string file = root_ + path;
    check(::lchown(file.c_str(), any(kUsers), any(kGroups)), "chown");
    // Most bits are set, or nothing deep would ever be reached.
    const mode_t mode = below(3) == 0 ? static_cast<mode_t>(below(01000)) : 0775;
    check(::chmod(file.c_str(), mode), "chmod");
    if (below(3) == 0) give_list(file);
  }
  void give_list(const std::string& file) {
    std::string list("\2\0\0\0", 4);
    const auto entry = [&](uint16_t tag, uint32_t id) {
      const uint16_t permissions = static_cast<uint16_t>(below(8));
      list.append(reinterpret_cast<const char*>(&tag), 2);
      list.append(reinterpret_cast<const char*>(&permissions), 2);
      list.append(reinterpret_cast<const char*>(&id), 4);
    };
    constexpr uint32_t kNobody = UINT32_MAX;
    entry(0x01, kNobody);
    entry(0x02, 3001);
    entry(0x02, 3003);
    entry(0x04, kNobody);
    entry(0x08, 4001);
    entry(0x08, 4002);
    entry(0x10, kNobody);
    entry(0x20, kNobody);
    check(::setxattr(file.c_str(), "system.posix_acl_access", list.data(), list.size(), 0),
          "setxattr");
  }

  std::string root_, mount_;
  std::mt19937 random_;
  std::vector<std::string> owned_;  // with rights of their own
  std::vector<std::string> paths_;  // to try
};

std::string outcome(int error) { return error == 0 ? "ok" : strerrorname_np(error); }

template <class T>
std::string outcome(const Result<T>& result) {
  return result ? "ok" : outcome(result.error().errno_value());
}

// To see the entries of a folder takes the right to read it, and to reach them that to enter it.
std::string kernel_list(const std::string& path) {
  struct stat st {};
  if (::stat(path.c_str(), &st) != 0) return outcome(errno);
  if (!S_ISDIR(st.st_mode)) return "ok";
  const UniqueFd folder(::open(path.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (!folder) return outcome(errno);
  return outcome(::faccessat(folder.get(), ".", X_OK, AT_EACCESS) == 0 ? 0 : errno);
}

std::string kernel_read(const std::string& path) {
  struct stat st {};
  if (::stat(path.c_str(), &st) == 0 && S_ISDIR(st.st_mode)) return "folder";
  const UniqueFd file(::open(path.c_str(), O_RDONLY | O_CLOEXEC));
  return outcome(file ? 0 : errno);
}

std::string kernel_write(const std::string& path) {
  return outcome(::faccessat(AT_FDCWD, path.c_str(), W_OK, AT_EACCESS) == 0 ? 0 : errno);
}

// What this user could find by listing every folder that they may list.
void add_visible(const std::string& mount, const std::string& folder,
                 std::set<std::string>& paths) {
  if (kernel_list(mount + folder) != "ok") {
    // Names in a folder that may only be entered are not seen, but lead nowhere either.
    return;
  }
  for (const auto& entry : fs::directory_iterator(mount + folder)) {
    const std::string path = folder + "/" + entry.path().filename().string();
    paths.insert(path);
    std::error_code error;
    if (fs::is_directory(fs::symlink_status(mount + path, error))) add_visible(mount, path, paths);
  }
}

std::set<std::string> found_by(const api::Client& client, const std::string& name) {
  std::set<std::string> paths;
  std::string after;
  do {
    const auto found = client.find(name, "/", after, 7);
    if (!found) return {found.error().text()};
    for (const api::Entry& entry : found->entries) paths.insert(entry.path);
    after = found->next;
  } while (!after.empty());
  return paths;
}

// Also to something that does not exist there.
bool leads_out(const std::string& path, const std::string& mount) {
  std::error_code error;
  const std::string real = fs::weakly_canonical(mount + path, error).string();
  return !error && real != mount && !real.starts_with(mount + "/");
}

// In a child process that has become `user`: one line for each path where the two differ, then how
// often both said yes and no.
void compare(const User& user, const std::vector<std::string>& paths, const TestTier& tier,
             const std::string& report) {
  const UniqueFd out(::open(report.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600));
  if (!become(user)) ::_exit(2);
  const api::Client client = tier.client();
  std::string text;
  int yes = 0, no = 0;
  const auto judge = [&](const std::string& what, const std::string& path,
                         const std::string& kernel, const std::string& api) {
    ++(kernel == "ok" ? yes : no);
    if (api == "EXDEV" && leads_out(path, tier.mount)) return;
    if (kernel != api)
      text += fmt::format("{} {} by {}: the kernel says {}, the API {}\n", what, path, user.uid,
                          kernel, api);
  };
  // All at once, neighbours first, as a client asks that knows many files of a folder.
  std::vector<std::string> sorted = paths;
  std::ranges::sort(sorted);
  api::ResidencyRequest residencies;
  for (const std::string& path : sorted) residencies.files.push_back({path, {}});
  const auto all = client.residencies(residencies);
  for (size_t i = 0; i < sorted.size(); ++i) {
    const std::string kernel = kernel_read(tier.mount + sorted[i]);
    if (kernel == "folder") continue;
    const bool answered = all && i < all->files.size();
    const std::string& code = answered ? all->files[i].code : "none";
    judge("read with others", sorted[i], kernel, code.empty() ? "ok" : code);
  }
  for (const std::string& path : paths) {
    judge("list", path, kernel_list(tier.mount + path),
          outcome(client.list(path, api::Service::Depth::children)));
    const std::string kernel = kernel_read(tier.mount + path);
    if (kernel == "folder") continue;
    api::PrefetchRequest request;
    request.paths = {path};
    judge("read", path, kernel, outcome(client.start_prefetch(request)));
    judge("read", path, kernel, outcome(client.residency(path, {0, 1})));
    judge("write", path, kernel_write(tier.mount + path), outcome(client.start_publish({path})));
  }
  std::set<std::string> visible;
  add_visible(tier.mount, "", visible);
  for (const std::string name : {"FILE", "folder 1", "*k?", "nothing"}) {
    std::set<std::string> expected;
    for (const std::string& path : visible) {
      const std::string leaf = path.substr(path.rfind('/') + 1);
      const bool fits = name == "FILE"       ? leaf.find("file") != std::string::npos
                        : name == "folder 1" ? leaf.find("folder") != std::string::npos &&
                                                   leaf.find('1') != std::string::npos
                        : name == "*k?" ? leaf.size() > 1 && leaf[leaf.size() - 2] == 'k'
                                        : false;
      if (fits) expected.insert(path);
    }
    const std::set<std::string> found = found_by(client, name);
    if (found != expected)
      text += fmt::format("finding {} by {}: {} instead of {}\n", name, user.uid, found, expected);
  }
  text += fmt::format("{} allowed, {} refused", yes, no);
  check(::write(out.get(), text.data(), text.size()), "write");
}

class ApiAccess : public TierTest {
 protected:
  std::string compared_as(const User& user, const std::vector<std::string>& paths) {
    const std::string report = tier.folder("reports") + "/report";
    const pid_t child = ::fork();
    if (child == 0) {
      compare(user, paths, tier, report);
      ::_exit(0);
    }
    EXPECT_EQ(wait_for_exit(child, std::chrono::seconds(60)), 0);
    return read_file(report);
  }

  CommandResult tierctl_as(uint32_t uid, uint32_t gid, const std::vector<std::string>& arguments) {
    std::vector<std::string> command = {"setpriv",
                                        fmt::format("--reuid={}", uid),
                                        fmt::format("--regid={}", gid),
                                        "--clear-groups",
                                        program("tierctl"),
                                        "--socket",
                                        tier.client().socket_path()};
    command.insert(command.end(), arguments.begin(), arguments.end());
    return run_command(command);
  }
};

TEST_F(ApiAccess, AnswersAsTheKernelDoes) {
  const char* given = std::getenv("TIERHUB_ACCESS_SEED");
  const uint32_t seed = given ? static_cast<uint32_t>(std::stoul(given)) : std::random_device()();
  fmt::print("TIERHUB_ACCESS_SEED={}\n", seed);
  fs::permissions(fs::path(tier.mount).parent_path(), fs::perms(0755));
  fs::permissions(tier.archive, fs::perms(0755));
  const RandomTree tree(tier.archive, tier.mount, seed);
  tier.start();
  int allowed = 0, refused = 0;
  for (const User& user : kCallers) {
    const std::string report = compared_as(user, tree.paths());
    const size_t last = report.rfind('\n') + 1;
    EXPECT_EQ(report.substr(0, last), "");
    int yes = 0, no = 0;
    ASSERT_EQ(std::sscanf(report.c_str() + last, "%d allowed, %d refused", &yes, &no), 2);
    allowed += yes;
    refused += no;
  }
  fmt::print("{} allowed, {} refused\n", allowed, refused);
  EXPECT_GT(allowed, 100);
  EXPECT_GT(refused, 100);
}

TEST_F(ApiAccess, NeverFollowsALinkOutOfTheNamespace) {
  fs::create_symlink("/etc", tier.in_archive("outside"));
  fs::create_symlink("../..", tier.in_archive("above"));
  tier.start();
  for (const char* path : {"/outside", "/outside/passwd", "/above", "/above/etc", "/.."}) {
    EXPECT_EQ(outcome(tier.client().list(path, api::Service::Depth::children)), "EXDEV") << path;
  }
}

TEST_F(ApiAccess, ShowsAPrefetchToItsOwnerAndToRootAlone) {
  fs::permissions(fs::path(tier.mount).parent_path(), fs::perms(0755));
  write_file(tier.in_archive("secret"), "x", 0600);
  tier.start();
  const api::Prefetch prefetch = tier.prefetch("/secret");
  const auto as_stranger = [&](const std::vector<std::string>& arguments) {
    std::vector<std::string> command = {
        "setpriv", "--reuid=3001", "--regid=4001",  "--clear-groups",
        "curl",    "-sS",          "--unix-socket", tier.client().socket_path()};
    command.insert(command.end(), arguments.begin(), arguments.end());
    return run_command(command).out;
  };
  EXPECT_THAT(as_stranger({fmt::format("http://tierd/v1/prefetch/{}", prefetch.id)}),
              ::testing::HasSubstr("another user's"));
  EXPECT_THAT(as_stranger({"http://tierd/v1/prefetch"}),
              ::testing::Not(::testing::HasSubstr("secret")));
  EXPECT_EQ(tier.client().prefetches()->size(), 1u);
}

TEST_F(ApiAccess, LetsUsersPublishAndEvictWhatTheyMayWrite) {
  fs::permissions(fs::path(tier.mount).parent_path(), fs::perms(0755));
  fs::permissions(tier.archive, fs::perms(0755));
  tier.start();
  fs::create_directory(tier.in_mount("shared"));
  for (const auto& [name, uid] : {std::pair("own", 3001), {"other", 3002}}) {
    write_file(tier.in_mount(fmt::format("shared/{}", name)), "content", 0644);
    check(::chown(tier.in_mount(fmt::format("shared/{}", name)).c_str(), uid, 4001), "chown");
  }
  const auto as_user = [&](const std::vector<std::string>& arguments) {
    return tierctl_as(3001, 4001, arguments);
  };
  EXPECT_EQ(as_user({"publish", "--wait", "/shared/own"}).exit_code, 0);
  EXPECT_EQ(read_file(tier.in_archive("shared/own")), "content");
  const auto refused = as_user({"publish", "/shared/other"});
  EXPECT_EQ(refused.exit_code, 1);
  EXPECT_THAT(refused.err, ::testing::HasSubstr("/shared/other: you may not write it"));
  tier.publish();
  const auto evicted = as_user({"evict", "/shared"});
  EXPECT_THAT(evicted.out, ::testing::HasSubstr("evicted 1 file"));
  EXPECT_THAT(evicted.out, ::testing::HasSubstr("you may not write it"));
  EXPECT_EQ(tier.entry("/shared/own").state, "cold");
  EXPECT_EQ(tier.entry("/shared/other").state, "hot");
  for (const char* command : {"pin", "scan"}) {
    EXPECT_EQ(as_user({command, "/shared/own"}).exit_code == 0, false) << command;
  }
}

TEST_F(ApiAccess, AUserPinsWithinTheLimitOfTheAdministrator) {
  constexpr uid_t kUser = 54321;
  constexpr size_t kMiB = 1 << 20;
  fs::permissions(fs::path(tier.mount).parent_path(), fs::perms(0755));
  fs::permissions(tier.archive, fs::perms(0755));
  tier.settings["pin_user"] = "3MiB";
  tier.start();
  fs::create_directory(tier.in_mount("shared"));
  for (const char* name : {"own", "more", "other", "writable"})
    write_file(tier.in_mount(std::string("shared/") + name), random_bytes(2 * kMiB, 1));
  for (const char* name : {"own", "more"})
    ASSERT_EQ(::chown(tier.in_mount(std::string("shared/") + name).c_str(), kUser, kUser), 0);
  ASSERT_EQ(::chmod(tier.in_mount("shared/writable").c_str(), 0666), 0);
  tier.publish();
  const auto as_user = [&](const std::vector<std::string>& arguments) {
    return tierctl_as(kUser, kUser, arguments);
  };
  const auto pins = [&](const std::string& path) { return tier.entry(path).pins; };
  const std::string mine = fmt::format("{}:ada", kUser);

  EXPECT_THAT(as_user({"pin", "/shared/other"}).err, ::testing::HasSubstr("you may not write it"));
  EXPECT_TRUE(pins("/shared/other").empty());
  EXPECT_EQ(as_user({"pin", "--owner", "ada", "--reason", "course", "/shared/own"}).exit_code, 0);
  EXPECT_EQ(pins("/shared/own"), std::vector<std::string>{mine + ": course"});
  EXPECT_EQ(as_user({"pin", "--owner", "ada", "/shared/own"}).exit_code, 0) << "it counts once";
  for (const char* owner : {"eve", "ada"}) {
    EXPECT_EQ(as_user({"pin", "--owner", owner, "/shared/own"}).exit_code, 0);
    EXPECT_THAT(pins("/shared/own"), ::testing::ElementsAre(fmt::format("{}:{}", kUser, owner)))
        << "a person has one pin of a file";
  }
  const auto refused = as_user({"pin", "--owner", "eve", "/shared/more"});
  EXPECT_EQ(refused.exit_code, 1);
  EXPECT_THAT(refused.err, ::testing::HasSubstr("you may keep 3.0 MiB (pin_user)"));
  EXPECT_TRUE(pins("/shared/more").empty());
  EXPECT_EQ(as_user({"pin", "--reason", std::string(300, 'x'), "/shared/own"}).exit_code, 1);
  EXPECT_EQ(tier.evict("/shared/own").skipped.size(), 1u);

  // Pins of root, and of others, are not theirs to remove, and count for nobody.
  ASSERT_EQ(tier.tierctl({"pin", "--owner", "lab", "/shared/own"}).exit_code, 0);
  ASSERT_EQ(tier.tierctl({"pin", "--owner", "7:bob", "/shared/own"}).exit_code, 0);
  for (const char* owner : {"lab", "7:bob", "root"})
    EXPECT_THAT(as_user({"unpin", "--owner", owner, "/shared/own"}).out,
                ::testing::HasSubstr("unpinned 0 files"));
  EXPECT_EQ(pins("/shared/own").size(), 3u);
  EXPECT_EQ(as_user({"unpin", "--owner", "ada", "/shared/own"}).exit_code, 0);
  EXPECT_EQ(pins("/shared/own"), (std::vector<std::string>{"7:bob", "lab"}));
  EXPECT_EQ(as_user({"pin", "--owner", "ada", "/shared/writable"}).exit_code, 0);
  EXPECT_EQ(pins("/shared/writable"), std::vector<std::string>{mine});

  // A file that has grown beyond the limit is not held by it.
  write_file(tier.in_mount("shared/writable"), random_bytes(4 * kMiB, 2));
  tier.publish();
  eventually("it is not kept any more",
             [&] { return tier.evict("/shared/writable").skipped.empty(); });
  EXPECT_EQ(tier.entry("/shared/writable").state, "cold");
  EXPECT_EQ(tier.evict("/shared/own").skipped.size(), 1u) << "root's pins hold";
}

// A long listing goes on where it ended, also when that name is gone by then.
TEST_F(ApiAccess, ListsATreePageByPage) {
  for (int folder = 0; folder < 5; ++folder) {
    fs::create_directory(tier.in_archive(fmt::format("folder{}", folder)));
    for (int file = 0; file < 7; ++file)
      write_file(tier.in_archive(fmt::format("folder{}/file{}", folder, file)), "x");
  }
  tier.start();
  std::set<std::string> seen;
  std::string after;
  do {
    auto page = tier.client().list("/", api::Service::Depth::all, after, 3);
    ASSERT_TRUE(page) << page.error().text();
    for (const api::Entry& entry : page->entries)
      EXPECT_TRUE(seen.insert(entry.path).second) << entry.path;
    after = page->next;
    if (seen.size() == 12) fs::remove_all(tier.mount + after);
  } while (!after.empty());
  EXPECT_GE(seen.size(), 5u + 7 * 4);
}

}  // namespace
}  // namespace tierhub::test::api_access_test
