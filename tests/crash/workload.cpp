#include "tests/crash/workload.h"

#include <algorithm>
#include <cstring>
#include <filesystem>
#include <stdexcept>

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <sys/xattr.h>
#include <unistd.h>

#include <fmt/format.h>

#include "common/hash.h"

namespace tierhub::test {
namespace {

namespace fs = std::filesystem;

constexpr uint64_t kKiB = 1024;
constexpr const char* kConflict = " (conflict)";

std::string describe_node(char kind, unsigned mode, const std::string& bytes) {
  if (kind == 'l') return "link to " + bytes;
  if (kind == 'd') return fmt::format("folder {:o}", mode);
  return fmt::format("file {:o} size {} content {}", mode, bytes.size(),
                     checksum(std::as_bytes(std::span(bytes))).hex());
}

std::string moved(const std::string& path, const std::string& from, const std::string& to) {
  return path == from ? to : to + path.substr(from.size());
}

// What others do to the archive is as durable as they want it.
void sync_file_system(const std::string& path) {
  const UniqueFd file(::open(path.c_str(), O_RDONLY | O_CLOEXEC));
  check(::syncfs(file.get()), "sync the file system of " + path);
}

void write_all(int fd, const std::string& content, int flags) {
  iovec bytes{const_cast<char*>(content.data()), content.size()};
  const auto n = ::pwritev2(fd, &bytes, 1, 0, flags);
  check(n, "write");
  if (n != static_cast<ssize_t>(content.size())) throw std::runtime_error("short write");
}

void write_dsync(int fd, const std::string& content) { write_all(fd, content, RWF_DSYNC); }

// A mapping cannot make a file longer, so it stores what was written once more.
void store_and_msync(int fd, const std::string& content) {
  write_all(fd, content, 0);
  void* mapping = ::mmap(nullptr, content.size(), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
  if (mapping == MAP_FAILED) check(-1, "mmap");
  std::memcpy(mapping, content.data(), content.size());
  const int synced = ::msync(mapping, content.size(), MS_SYNC);
  ::munmap(mapping, content.size());
  check(synced, "msync");
}

bool is_at_or_below(const std::string& path, const std::string& top) {
  return path == top || path.starts_with(top + "/");
}

}  // namespace

// The name of a conflict says when it was.
std::string without_time(const std::string& path) {
  constexpr std::string_view kMark = " (tierhub conflict ";
  const size_t at = path.find(kMark);
  if (at == std::string::npos) return path;
  return path.substr(0, at) + kConflict + path.substr(path.find(')', at) + 1);
}

Model::Model(const Model& other) : last_id_(other.last_id_) {
  std::map<const Node*, std::shared_ptr<Node>> copies;
  for (const auto& [path, node] : other.nodes_) {
    std::shared_ptr<Node>& copy = copies[node.get()];
    if (!copy) copy = std::make_shared<Node>(*node);
    nodes_[path] = copy;
  }
}

Model& Model::operator=(Model other) {
  nodes_.swap(other.nodes_);
  last_id_ = other.last_id_;
  return *this;
}

Model::Node& Model::node(const std::string& path) { return *nodes_.at(path); }
const std::string& Model::content(const std::string& path) const { return nodes_.at(path)->bytes; }

void Model::make(const std::string& path, Node node) {
  node.id = ++last_id_;
  nodes_[path] = std::make_shared<Node>(std::move(node));
}
void Model::make_folder(const std::string& path, unsigned mode) { make(path, {'d', mode, ""}); }
void Model::make_file(const std::string& path, std::string content, unsigned mode) {
  make(path, {'f', mode, std::move(content)});
}
void Model::make_symlink(const std::string& path, std::string target) {
  make(path, {'l', 0777, std::move(target)});
}
void Model::link(const std::string& from, const std::string& to) { nodes_[to] = nodes_.at(from); }
void Model::remove(const std::string& path) { nodes_.erase(path); }

void Model::rename(const std::string& from, const std::string& to) {
  std::map<std::string, std::shared_ptr<Node>> result;
  for (const auto& [path, node] : nodes_) {
    if (!is_at_or_below(path, from) && path != to) result[path] = node;
  }
  for (const auto& [path, node] : nodes_) {
    if (is_at_or_below(path, from)) result[moved(path, from, to)] = node;
  }
  nodes_.swap(result);
}

void Model::exchange(const std::string& a, const std::string& b) {
  rename(a, ".exchange");
  rename(b, a);
  rename(".exchange", b);
}

void Model::write(const std::string& path, uint64_t offset_bytes, const std::string& bytes) {
  std::string& content = node(path).bytes;
  content.resize(std::max<size_t>(content.size(), offset_bytes + bytes.size()));
  content.replace(offset_bytes, bytes.size(), bytes);
}
void Model::truncate(const std::string& path, uint64_t size_bytes) {
  node(path).bytes.resize(size_bytes);
}
void Model::chmod(const std::string& path, unsigned mode) { node(path).mode = mode; }

Tree Model::describe() const {
  Tree tree;
  for (const auto& [path, node] : nodes_)
    tree[path] = describe_node(node->kind, node->mode, node->bytes);
  return tree;
}

Tree observe(const std::string& root, const std::vector<std::string>& except) {
  Tree tree;
  for (auto it = fs::recursive_directory_iterator(root); it != fs::recursive_directory_iterator();
       ++it) {
    const std::string path = without_time(it->path().lexically_relative(root));
    if (path == ".tierhub") it.disable_recursion_pending();
    if (path == ".tierhub" || std::count(except.begin(), except.end(), path) > 0) continue;
    struct stat st {};
    check(::lstat(it->path().c_str(), &st), "stat " + path);
    const unsigned mode = st.st_mode & 07777;
    if (S_ISLNK(st.st_mode)) {
      tree[path] = describe_node('l', mode, fs::read_symlink(it->path()));
    } else if (S_ISDIR(st.st_mode)) {
      tree[path] = describe_node('d', mode, "");
    } else {
      tree[path] = describe_node('f', mode, read_file(it->path()));
    }
  }
  return tree;
}

void make_archive(const TestTier& tier, Model& model) {
  fs::create_directory(tier.in_archive("old"));
  check(::chmod(tier.in_archive("old").c_str(), 0755), "chmod");
  model.make_folder("old", 0755);
  uint64_t seed = 100;
  for (const char* name : {"cold", "partial", "hot", "victim", "renamed", "linked", "unlinked"}) {
    const std::string path = std::string("old/") + name;
    const std::string content = random_bytes(300 * kKiB + seed, seed);
    ++seed;
    write_file(tier.in_archive(path), content, 0644);
    check(::chmod(tier.in_archive(path).c_str(), 0644), "chmod");
    model.make_file(path, content, 0644);
  }
}

namespace {

// Builds the list of steps; one method a kind of step.
class Steps {
 public:
  explicit Steps(TestTier& tier) : tier_(&tier), at_{&tier} {}

  std::vector<Step> take() { return std::move(steps_); }

  void make_folder(const std::string& path) {
    add(
        "mkdir " + path, [=, at = at_] { check(::mkdir(at(path).c_str(), 0755), "mkdir"); },
        [=](Model& m) { m.make_folder(path, 0755); });
  }

  // create, write, close: three acknowledgements.
  void make_file(const std::string& path, uint64_t size, uint64_t seed) {
    auto file = std::make_shared<UniqueFd>();
    const std::string content = random_bytes(size, seed);
    add(
        "create " + path,
        [=, at = at_] {
          file->reset(::open(at(path).c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0644));
          check(file->get(), "create");
        },
        [=](Model& m) { m.make_file(path, "", 0644); });
    steps_.back().at_rest = false;
    add(
        "write " + path,
        [=] {
          const auto n = ::pwrite(file->get(), content.data(), content.size(), 0);
          check(n, "write");
          if (n != static_cast<ssize_t>(content.size())) throw std::runtime_error("short write");
          file->reset();
        },
        [=](Model& m) { m.write(path, 0, content); });
  }

  void write(const std::string& path, uint64_t offset, const std::string& bytes) {
    add(
        "write into " + path, [=, at = at_] { overwrite(at(path), offset, bytes); },
        [=](Model& m) { m.write(path, offset, bytes); });
  }
  void append(const std::string& path, const std::string& bytes) {
    add(
        "append to " + path, [=, at = at_] { append_to_file(at(path), bytes); },
        [=](Model& m) { m.write(path, m.content(path).size(), bytes); });
  }
  void truncate(const std::string& path, uint64_t size) {
    add(
        "truncate " + path,
        [=, at = at_] {
          check(::truncate(at(path).c_str(), static_cast<off_t>(size)), "truncate");
        },
        [=](Model& m) { m.truncate(path, size); });
  }
  void rename(const std::string& from, const std::string& to) {
    add(
        "rename " + from,
        [=, at = at_] { check(::rename(at(from).c_str(), at(to).c_str()), "rename"); },
        [=](Model& m) { m.rename(from, to); });
  }
  void exchange(const std::string& a, const std::string& b) {
    add(
        "exchange " + a,
        [=, at = at_] {
          check(::renameat2(AT_FDCWD, at(a).c_str(), AT_FDCWD, at(b).c_str(), RENAME_EXCHANGE),
                "exchange");
        },
        [=](Model& m) { m.exchange(a, b); });
  }
  void link(const std::string& from, const std::string& to) {
    add(
        "link " + to, [=, at = at_] { check(::link(at(from).c_str(), at(to).c_str()), "link"); },
        [=](Model& m) { m.link(from, to); });
  }
  void unlink(const std::string& path) {
    add(
        "unlink " + path, [=, at = at_] { check(::unlink(at(path).c_str()), "unlink"); },
        [=](Model& m) { m.remove(path); });
  }
  void symlink(const std::string& target, const std::string& path) {
    add(
        "symlink " + path,
        [=, at = at_] { check(::symlink(target.c_str(), at(path).c_str()), "symlink"); },
        [=](Model& m) { m.make_symlink(path, target); });
  }
  void chmod(const std::string& path, unsigned mode) {
    add(
        "chmod " + path, [=, at = at_] { check(::chmod(at(path).c_str(), mode), "chmod"); },
        [=](Model& m) { m.chmod(path, mode); });
  }
  void fsync(const std::string& path) {
    add(
        "fsync " + path,
        [=, at = at_] {
          const UniqueFd file(::open(at(path).c_str(), O_RDONLY | O_CLOEXEC));
          check(file.get(), "open");
          check(::fsync(file.get()), "fsync");
        },
        [](Model&) {});
    steps_.back().synced = path;
  }
  // A write that is durable when it returns.
  void write_synced(const std::string& path, uint64_t offset, const std::string& bytes) {
    add(
        "write synced into " + path,
        [=, at = at_] {
          const UniqueFd file(::open(at(path).c_str(), O_WRONLY | O_SYNC | O_CLOEXEC));
          check(file.get(), "open");
          check(::pwrite(file.get(), bytes.data(), bytes.size(), static_cast<off_t>(offset)),
                "write");
        },
        [=](Model& m) { m.write(path, offset, bytes); });
    steps_.back().synced = path;
  }
  // A new file whose bytes are durable when the second step returns, though tierd never hears of
  // it: the kernel does that on the object.
  void make_file_through(const std::string& path, uint64_t size, uint64_t seed,
                         void (*write_through)(int fd, const std::string& content)) {
    auto file = std::make_shared<UniqueFd>();
    const std::string content = random_bytes(size, seed);
    add(
        "create " + path,
        [=, at = at_] {
          file->reset(::open(at(path).c_str(), O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0644));
          check(file->get(), "create");
        },
        [=](Model& m) { m.make_file(path, "", 0644); });
    steps_.back().at_rest = false;
    add(
        "write through into " + path,
        [=] {
          write_through(file->get(), content);
          file->reset();
        },
        [=](Model& m) { m.write(path, 0, content); });
    steps_.back().written_through = path;
  }
  void remove_folder(const std::string& path) {
    add(
        "rmdir " + path, [=, at = at_] { check(::rmdir(at(path).c_str()), "rmdir"); },
        [=](Model& m) { m.remove(path); });
  }
  void set_xattr(const std::string& path) {
    add(
        "set an attribute of " + path,
        [=, at = at_] {
          check(::setxattr(at(path).c_str(), "user.mark", "set", 3, 0), "setxattr");
        },
        [](Model&) {});
  }
  void remove_xattr(const std::string& path) {
    add(
        "remove an attribute of " + path,
        [=, at = at_] { check(::removexattr(at(path).c_str(), "user.mark"), "removexattr"); },
        [](Model&) {});
  }
  // Somebody else adds a file to the archive.
  void scan_added(const std::string& path, uint64_t size, uint64_t seed) {
    const std::string content = random_bytes(size, seed);
    add(
        "scan " + path,
        [=, tier = tier_] {
          const std::string there = tier->in_archive(path);
          write_file(there, content, 0644);
          check(::chmod(there.c_str(), 0644), "chmod");
          sync_file_system(there);
          tier->scan();
        },
        [=](Model& m) { m.make_file(path, content, 0644); });
  }
  void read(const std::string& path) {
    add(
        "read " + path, [=, at = at_] { read_file(at(path)); }, [](Model&) {});
  }
  void prefetch(const std::string& path) {
    add(
        "prefetch " + path, [=, tier = tier_] { tier->prefetch("/" + path); }, [](Model&) {});
  }
  void evict() {
    add(
        "evict all", [tier = tier_] { tier->evict("/"); }, [](Model&) {});
  }
  // Of a file that is partly dirty. What is still being written stays: so again and again.
  void evict_clean_chunks(const std::string& path) {
    add(
        "evict clean chunks of " + path,
        [=, tier = tier_] {
          eventually("clean chunks are gone", [&] {
            tier->evict("/" + path);
            const api::Entry entry = tier->entry("/" + path);
            return entry.state == "dirty" && entry.resident < entry.size;
          });
        },
        [](Model&) {});
  }
  // Until only `patient` are left, which are open for writing: two keys each, the file and its
  // name.
  void publish(const std::vector<std::string>& patient) {
    add(
        "publish",
        [=, tier = tier_] {
          auto progress = tier->client().start_publish({"/"});
          eventually("all is published but what is open", [&] {
            if (progress) progress = tier->client().publish_progress(progress->id);
            if (!progress) throw std::runtime_error(progress.error().text());
            return progress->pending_keys <= 2 * patient.size() &&
                   progress->waiting.size() == patient.size();
          });
        },
        [](Model&) {});
  }
  // Somebody else overwrites in the archive what was changed here. The writer has the file open
  // until then, or an earlier demand could publish it first.
  void publish_a_conflict(const std::string& path, const std::string& bytes,
                          const std::vector<std::string>& patient) {
    const auto file = std::make_shared<UniqueFd>();
    add(
        "write into " + path + ", and keep it open",
        [=, at = at_] {
          *file = UniqueFd(::open(at(path).c_str(), O_WRONLY | O_CLOEXEC));
          check(file->get(), "open");
          check(::pwrite(file->get(), bytes.data(), bytes.size(), 0), "write");
        },
        [=](Model& m) { m.write(path, 0, bytes); });
    steps_.back().at_rest = false;
    // All of it is ours, and durable: the version that it was made from is about to go.
    fsync(path);
    steps_.back().at_rest = false;
    const std::string theirs = random_bytes(20 * kKiB, 77);
    publish(patient);
    Step& step = steps_.back();
    step.name = "publish a conflict";
    step.act = [=, this_act = step.act, tier = tier_] {
      const std::string made = tier->in_archive(".tierhub/theirs");
      write_file(made, theirs, 0644);
      fs::rename(made, tier->in_archive(path));
      sync_file_system(tier->in_archive(path));
      file->reset();
      this_act();
    };
    step.effect = [=](Model& m) {
      m.rename(path, path + kConflict);
      m.make_file(path, theirs, 0644);
    };
  }
  // Deleted files leave the scratch in the background.
  void wait_for_reaping() {
    add(
        "reap",
        [tier = tier_] {
          eventually("nothing is left to reap", [&] {
            if (!tier->client().status()) throw std::runtime_error("tierd is gone");
            return fs::is_empty(tier->scratch + "/reap");
          });
        },
        [](Model&) {});
  }

 private:
  void add(std::string name, std::function<void()> act, std::function<void(Model&)> effect) {
    steps_.push_back({std::move(name), std::move(act), std::move(effect), true, {}});
  }

  // What the steps keep: they outlive this builder.
  struct InMount {
    const TestTier* tier;
    std::string operator()(const std::string& path) const { return tier->in_mount(path); }
  };
  TestTier* tier_;
  InMount at_;
  std::vector<Step> steps_;
};

}  // namespace

std::vector<Step> workload(TestTier& tier, const std::vector<std::string>& patient) {
  Steps steps(tier);
  steps.make_folder("new");
  steps.make_file_through("new/first", 80 * kKiB, 13, write_dsync);
  steps.make_file("new/a", 200 * kKiB, 1);
  steps.write("new/a", 100, "overwritten");
  steps.fsync("new/a");
  steps.make_file("new/large", 300 * kKiB, 5);
  steps.write("old/partial", 130 * kKiB, "into an absent chunk");
  steps.read("old/partial");
  steps.evict_clean_chunks("old/partial");
  steps.truncate("old/partial", 150 * kKiB);
  steps.truncate("old/partial", 250 * kKiB);
  steps.fsync("old/partial");
  steps.write("old/partial", 10, "not synced");
  steps.truncate("old/hot", 70 * kKiB);
  steps.append("old/hot", "the new end");
  steps.rename("new/a", "new/b");
  steps.make_file("new/.tmp", 90 * kKiB, 2);
  steps.rename("new/.tmp", "new/b");
  steps.rename("old/renamed", "new/renamed");
  steps.link("old/linked", "new/link");
  steps.append("new/link", "through the hard link");
  steps.write_synced("new/link", 1000, "and durable at once");
  steps.make_file_through("new/through", 90 * kKiB, 10, write_dsync);
  steps.make_folder("new/inner");
  steps.make_file_through("new/inner/mapped", 70 * kKiB, 11, store_and_msync);
  steps.make_folder("new/emptied");
  steps.remove_folder("new/emptied");
  steps.set_xattr("new/link");
  steps.remove_xattr("new/link");
  steps.symlink("../old/cold", "new/symlink");
  steps.chmod("old/victim", 0600);
  steps.unlink("old/unlinked");
  steps.make_file("new/short lived", kKiB, 3);
  steps.unlink("new/short lived");
  steps.wait_for_reaping();
  steps.prefetch("old/cold");
  steps.write("old/cold", 70 * kKiB, random_bytes(64 * kKiB, 5));
  steps.publish(patient);
  steps.scan_added("old/foreign", 90 * kKiB, 6);
  steps.evict();
  steps.read("old/victim");
  // The same again on what is in the archive now.
  steps.write("new/b", 5, "changed again");
  steps.write("new/large", 70 * kKiB, "one chunk of it changed");
  steps.make_file("new/.tmp", 80 * kKiB, 4);
  steps.rename("new/.tmp", "old/linked");
  steps.publish_a_conflict("old/partial", random_bytes(260 * kKiB, 9), patient);
  steps.exchange("old/cold", "new/renamed");
  steps.write("old/foreign", 64 * kKiB, random_bytes(26 * kKiB, 7));
  steps.truncate("old/victim", 0);
  steps.write("old/victim", 0, random_bytes(40 * kKiB, 8));
  steps.rename("new", "moved");
  steps.unlink("moved/link");
  steps.make_file_through("moved/late", 66 * kKiB, 12, store_and_msync);
  steps.rename("moved/late", "moved/later");
  steps.publish(patient);
  steps.evict();
  return steps.take();
}

}  // namespace tierhub::test
