// Random operations against a naive model: a tree of strings in memory. The tier must show the same
// tree after each step that could have changed it, after a crash, and in the archive after a
// publish.
#include <algorithm>
#include <cstdlib>
#include <iostream>
#include <map>
#include <memory>
#include <random>
#include <set>
#include <string>
#include <vector>

#include <fcntl.h>
#include <linux/falloc.h>
#include <sys/stat.h>
#include <sys/xattr.h>

#include <fmt/format.h>
#include <gtest/gtest.h>
#include <stdio.h>

#include "common/posix.h"
#include "recovery/check.h"
#include "tests/support/local_tier.h"
#include "tests/support/temporary_directory.h"

namespace tierhub::testing {
namespace {

struct ModelNode {
  FileKind kind = FileKind::file;
  std::string content;  // of a symlink: its target
  uint32_t mode = 0;
  std::map<std::string, std::string> xattrs;
  std::map<std::string, std::shared_ptr<ModelNode>> children;
  InodeNumber inode;  // how the tier calls it
};
using NodePtr = std::shared_ptr<ModelNode>;

constexpr uint64_t kChunk = 4096;
constexpr uint64_t kMaxSize = 10 * kChunk;
constexpr size_t kMaxOpen = 4;

enum class Op {
  create,
  write,
  append,
  truncate,
  punch,
  read,
  rename,
  rename_over,
  exchange,
  hard_link,
  unlink,
  unlink_while_open,
  mkdir,
  rmdir,
  symlink,
  chmod,
  set_xattr,
  open,
  close,
  prefetch,
  evict,
  publish,
  scan,
  crash,
};
constexpr std::array kOpNames = {
    "create", "write",       "append",   "truncate",  "punch",     "read",
    "rename", "rename-over", "exchange", "hard link", "unlink",    "unlink-while-open",
    "mkdir",  "rmdir",       "symlink",  "chmod",     "set xattr", "open",
    "close",  "prefetch",    "evict",    "publish",   "scan",      "crash"};

class ModelRun {
 public:
  ModelRun(const std::string& folder, uint64_t seed) : folder_(folder), random_(seed) {
    root_ = std::make_shared<ModelNode>();
    root_->kind = FileKind::directory;
    root_->inode = kRootInode;
    reopen();
  }

  void step() {
    static const std::vector<double> weights = {8, 14, 6, 6, 3, 6, 6, 5, 4,  4, 4, 3,
                                                5, 2,  2, 3, 3, 4, 4, 5, 10, 4, 1, 2};
    std::discrete_distribution<size_t> pick(weights.begin(), weights.end());
    const auto op = static_cast<Op>(pick(random_));
    trace_ = kOpNames[static_cast<size_t>(op)];
    if (perform(op)) ++counts_[static_cast<size_t>(op)];
  }

  void check_everything() {
    check_folder(root_);
    for (const auto& open : open_)
      EXPECT_EQ(tier_->read(open.node->inode, 0, kMaxSize * 4).value(), open.node->content);
  }

  void publish_and_check_archive() {
    close_all();
    EXPECT_EQ(tier_->publish(), 0u) << pending();
    check_archived(root_, tier_->archive_folder);
  }

  const std::array<uint64_t, kOpNames.size()>& counts() const { return counts_; }
  const std::string& trace() const { return trace_; }

  // Nothing that runs leaves what a check would call damage.
  void check_catalog() {
    recovery::Checker checker(tier_->catalog->store(), *tier_->scratch, {},
                              [](const recovery::Finding& finding) {
                                EXPECT_FALSE(finding.is_damage())
                                    << fmt::format("{} inode {} {} {}", finding.kind().code,
                                                   finding.inode, finding.path, finding.detail);
                              });
    const auto checked = checker.run();
    EXPECT_TRUE(checked) << checked.error().text();
  }

 private:
  struct Open {
    NodePtr node;
    FileHandle handle;
  };
  struct Place {
    NodePtr folder;
    std::string name;
    NodePtr node;
  };

  // The operation ran, and was refused as POSIX says.
  template <class T>
  static bool refused(const Result<T>& result, std::errc code) {
    EXPECT_TRUE(!result && result.error().is(code));
    return true;
  }
  template <class T>
  static bool failed(const Result<T>& result) {
    ADD_FAILURE() << result.error().text();
    return false;
  }
  uint64_t below(uint64_t n) { return std::uniform_int_distribution<uint64_t>(0, n - 1)(random_); }

  std::vector<Place> places(bool (*wanted)(const ModelNode&)) const {
    std::vector<Place> result;
    std::vector<NodePtr> folders{root_};
    while (!folders.empty()) {
      const NodePtr folder = folders.back();
      folders.pop_back();
      for (const auto& [name, node] : folder->children) {
        if (wanted(*node)) result.push_back({folder, name, node});
        if (node->kind == FileKind::directory) folders.push_back(node);
      }
    }
    return result;
  }
  std::optional<Place> any(bool (*wanted)(const ModelNode&)) {
    const auto all = places(wanted);
    if (all.empty()) return std::nullopt;
    return all[below(all.size())];
  }
  static bool is_file(const ModelNode& node) { return node.kind == FileKind::file; }
  static bool is_folder(const ModelNode& node) { return node.kind == FileKind::directory; }
  static bool is_anything(const ModelNode&) { return true; }

  NodePtr any_folder() {
    const auto folder = any(is_folder);
    return folder && below(3) != 0 ? folder->node : root_;
  }
  std::string any_name() { return "n" + std::to_string(below(12)); }
  std::string any_bytes(uint64_t size) {
    std::string bytes(size, '\0');
    const auto seed = static_cast<char>('a' + below(26));
    for (size_t i = 0; i < size; ++i) bytes[i] = static_cast<char>(seed + (i % 7));
    return bytes;
  }
  static bool contains(const ModelNode& folder, const ModelNode* node) {
    if (&folder == node) return true;
    return std::any_of(folder.children.begin(), folder.children.end(),
                       [&](const auto& child) { return contains(*child.second, node); });
  }

  void reopen() {
    tier_.reset();
    tier_ = std::make_unique<LocalTier>(folder_, LocalTier::Options{kChunk, 0});
  }
  std::string pending() {
    std::string text;
    const auto pending = tier_->journal->pending({"/"});
    for (const auto& waiting : pending->waiting)
      text += waiting.path + ": " + waiting.reason + "\n";
    return text;
  }
  void close_all() {
    for (const Open& open : open_) tier_->fs->release(open.node->inode, open.handle);
    open_.clear();
    EXPECT_TRUE(tier_->evictor->reap());
  }

  bool create() {
    const NodePtr folder = any_folder();
    const std::string name = any_name();
    auto created = tier_->fs->create(folder->inode, name, 0644, O_RDWR, FsCaller{0, 0});
    if (folder->children.contains(name)) {
      EXPECT_TRUE(!created && created.error().is(std::errc::file_exists));
      return true;
    }
    if (!created) return failed(created);
    auto node = std::make_shared<ModelNode>();
    node->mode = 0644;
    node->inode = created->node.inode;
    folder->children[name] = node;
    if (below(2) == 0) write_to(node, created->opened.handle, 0, any_bytes(below(3 * kChunk)));
    tier_->fs->release(node->inode, created->opened.handle);
    return true;
  }
  void write_to(const NodePtr& node, FileHandle handle, uint64_t offset, const std::string& bytes) {
    if (bytes.empty()) return;
    const auto written = tier_->write(node->inode, handle, offset, bytes);
    ASSERT_TRUE(written) << written.error().text();
    ASSERT_EQ(*written, bytes.size());
    if (node->content.size() < offset + bytes.size()) node->content.resize(offset + bytes.size());
    node->content.replace(offset, bytes.size(), bytes);
  }
  bool write(bool append) {
    const auto file = any(is_file);
    if (!file) return false;
    const auto opened = tier_->open(file->node->inode, O_RDWR);
    if (!opened) return failed(opened);
    const uint64_t offset = append ? file->node->content.size() : below(kMaxSize);
    write_to(file->node, opened->handle, offset, any_bytes(1 + below(2 * kChunk)));
    tier_->fs->release(file->node->inode, opened->handle);
    return true;
  }
  bool truncate() {
    const auto file = any(is_file);
    if (!file) return false;
    const uint64_t size = below(3) == 0 ? 0 : below(kMaxSize);
    if (size == 0 && below(2) == 0) {
      const auto opened = tier_->open(file->node->inode, O_WRONLY | O_TRUNC);
      if (!opened) return failed(opened);
      tier_->fs->release(file->node->inode, opened->handle);
    } else {
      AttributeChange change;
      change.size_bytes = size;
      const auto changed = tier_->setattr(file->node->inode, change);
      if (!changed) return failed(changed);
      EXPECT_EQ(changed->attributes.size_bytes, size);
    }
    file->node->content.resize(size);
    return true;
  }
  bool punch() {
    const auto file = any(is_file);
    if (!file || file->node->content.empty()) return false;
    const auto opened = tier_->open(file->node->inode, O_RDWR);
    if (!opened) return failed(opened);
    const uint64_t offset = below(file->node->content.size());
    const uint64_t length = 1 + below(2 * kChunk);
    const auto punched = tier_->fallocate(
        file->node->inode, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, offset, length);
    EXPECT_TRUE(punched) << punched.error().text();
    for (uint64_t i = offset; i < std::min<uint64_t>(offset + length, file->node->content.size());
         ++i)
      file->node->content[i] = '\0';
    tier_->fs->release(file->node->inode, opened->handle);
    return true;
  }
  bool read() {
    const auto file = any(is_file);
    if (!file) return false;
    const auto opened = tier_->open(file->node->inode, O_RDONLY);
    if (!opened) return failed(opened);
    const uint64_t offset = below(kMaxSize);
    const uint64_t size = 1 + below(2 * kChunk);
    const auto bytes = tier_->read(file->node->inode, offset, size);
    const std::string& content = file->node->content;
    EXPECT_TRUE(bytes) << bytes.error().text();
    EXPECT_EQ(bytes.value_or("unread"),
              offset < content.size() ? content.substr(offset, size) : "");
    tier_->fs->release(file->node->inode, opened->handle);
    return true;
  }

  bool rename(bool over) {
    const auto from = any(is_anything);
    if (!from) return false;
    Place to{any_folder(), any_name(), nullptr};
    if (over) {
      const auto target = any(is_anything);
      if (!target) return false;
      to = *target;
    }
    if (contains(*from->node, to.folder.get()))
      return false;  // the kernel refuses this before it reaches us
    const auto existing = to.folder->children.find(to.name);
    const NodePtr target = existing == to.folder->children.end() ? nullptr : existing->second;
    if (over != (target != nullptr)) return false;
    if (target && contains(*target, from->folder.get())) return false;
    const auto renamed =
        tier_->fs->rename(from->folder->inode, from->name, to.folder->inode, to.name, 0);
    if (target && target != from->node) {
      const bool from_folder = is_folder(*from->node);
      if (is_folder(*target) && !from_folder) return refused(renamed, std::errc::is_a_directory);
      if (!is_folder(*target) && from_folder) return refused(renamed, std::errc::not_a_directory);
      if (!target->children.empty()) return refused(renamed, std::errc::directory_not_empty);
    }
    EXPECT_TRUE(renamed) << renamed.error().text();
    if (target == from->node) return true;  // two names of one file stay
    from->folder->children.erase(from->name);
    to.folder->children[to.name] = from->node;
    return true;
  }
  bool exchange() {
    const auto a = any(is_anything);
    const auto b = any(is_anything);
    if (!a || !b || a->node == b->node) return false;
    if (contains(*a->node, b->folder.get()) || contains(*b->node, a->folder.get())) return false;
    const auto renamed =
        tier_->fs->rename(a->folder->inode, a->name, b->folder->inode, b->name, RENAME_EXCHANGE);
    EXPECT_TRUE(renamed) << renamed.error().text();
    std::swap(a->folder->children[a->name], b->folder->children[b->name]);
    return true;
  }
  bool hard_link() {
    const auto file = any(is_file);
    if (!file) return false;
    const NodePtr folder = any_folder();
    const std::string name = any_name();
    const auto linked = tier_->fs->link(file->node->inode, folder->inode, name);
    if (folder->children.contains(name)) return refused(linked, std::errc::file_exists);
    EXPECT_TRUE(linked) << linked.error().text();
    folder->children[name] = file->node;
    return true;
  }
  bool unlink(bool while_open) {
    const auto file = any([](const ModelNode& node) { return !is_folder(node); });
    if (!file) return false;
    const bool is_open = std::any_of(open_.begin(), open_.end(),
                                     [&](const Open& open) { return open.node == file->node; });
    if (while_open && !is_open) {
      if (!is_file(*file->node) || open_.size() >= kMaxOpen) return false;
      const auto opened = tier_->open(file->node->inode, O_RDWR);
      if (!opened) return failed(opened);
      open_.push_back({file->node, opened->handle});
    }
    const auto unlinked = tier_->fs->unlink(file->folder->inode, file->name);
    EXPECT_TRUE(unlinked) << unlinked.error().text();
    file->folder->children.erase(file->name);
    EXPECT_TRUE(tier_->evictor->reap());
    if (while_open) write_to(file->node, {true, false}, below(kMaxSize), any_bytes(100));
    return true;
  }
  bool mkdir() {
    const NodePtr folder = any_folder();
    const std::string name = any_name();
    const auto made = tier_->fs->mkdir(folder->inode, name, 0755, FsCaller{0, 0});
    if (folder->children.contains(name)) return refused(made, std::errc::file_exists);
    EXPECT_TRUE(made) << made.error().text();
    auto node = std::make_shared<ModelNode>();
    node->kind = FileKind::directory;
    node->mode = 0755;
    node->inode = made->inode;
    folder->children[name] = node;
    return true;
  }
  bool rmdir() {
    const auto folder = any(is_folder);
    if (!folder) return false;
    const auto removed = tier_->fs->rmdir(folder->folder->inode, folder->name);
    if (!folder->node->children.empty()) return refused(removed, std::errc::directory_not_empty);
    EXPECT_TRUE(removed) << removed.error().text();
    folder->folder->children.erase(folder->name);
    return true;
  }
  bool symlink() {
    const NodePtr folder = any_folder();
    const std::string name = any_name();
    const auto made = tier_->fs->symlink(folder->inode, name, "some/target", FsCaller{0, 0});
    if (folder->children.contains(name)) return refused(made, std::errc::file_exists);
    EXPECT_TRUE(made) << made.error().text();
    auto node = std::make_shared<ModelNode>();
    node->kind = FileKind::symlink;
    node->content = "some/target";
    node->mode = 0777;
    node->inode = made->inode;
    folder->children[name] = node;
    return true;
  }
  bool chmod() {
    const auto node = any([](const ModelNode& n) { return n.kind != FileKind::symlink; });
    if (!node) return false;
    AttributeChange change;
    change.mode = 0700 + static_cast<uint32_t>(below(8));
    change.mtime =
        Timestamp{1'600'000'000'000'000'000 + static_cast<int64_t>(below(1'000'000'000))};
    const auto changed = tier_->setattr(node->node->inode, change);
    EXPECT_TRUE(changed) << changed.error().text();
    node->node->mode = *change.mode;
    return true;
  }
  bool set_xattr() {
    const auto node = any([](const ModelNode& n) { return n.kind != FileKind::symlink; });
    if (!node) return false;
    const std::string name = "user.x" + std::to_string(below(3));
    if (node->node->xattrs.contains(name) && below(2) == 0) {
      EXPECT_TRUE(tier_->fs->removexattr(node->node->inode, name));
      node->node->xattrs.erase(name);
    } else {
      const std::string value = any_bytes(below(20));
      EXPECT_TRUE(tier_->fs->setxattr(node->node->inode, name, value, FileSystem::XattrMode::any,
                                      FsCaller{}));
      node->node->xattrs[name] = value;
    }
    return true;
  }
  bool open() {
    const auto file = any(is_file);
    if (!file || open_.size() >= kMaxOpen) return false;
    const auto opened = tier_->open(file->node->inode, below(2) == 0 ? O_RDONLY : O_RDWR);
    if (!opened) return failed(opened);
    open_.push_back({file->node, opened->handle});
    return true;
  }
  bool close() {
    if (open_.empty()) return false;
    const size_t i = below(open_.size());
    tier_->fs->release(open_[i].node->inode, open_[i].handle);
    open_.erase(open_.begin() + static_cast<ptrdiff_t>(i));
    EXPECT_TRUE(tier_->evictor->reap());
    return true;
  }
  bool prefetch() {
    const auto file = any(is_file);
    if (!file) return false;
    const auto brought = tier_->prefetch(file->node->inode);
    EXPECT_TRUE(brought) << brought.error().text();
    EXPECT_TRUE(tier_->inodes->lock(file->node->inode).value()->all_present());
    return true;
  }
  // Only an eviction that evicted something counts.
  bool evict() {
    const auto file = any(is_file);
    if (!file) return false;
    const auto eviction = tier_->evict(file->node->inode);
    EXPECT_TRUE(eviction) << eviction.error().text();
    return eviction && eviction->evicted;
  }
  bool publish() {
    tier_->publish();
    return true;
  }
  bool scan() {
    tier_->publish();
    EXPECT_EQ(tier_->scan_added(), 0u) << "a scan must find nothing that is not ours";
    return true;
  }
  bool crash() {
    open_.clear();
    reopen();
    check_everything();
    return true;
  }

  bool perform(Op op) {
    switch (op) {
      case Op::create:
        return create();
      case Op::write:
        return write(false);
      case Op::append:
        return write(true);
      case Op::truncate:
        return truncate();
      case Op::punch:
        return punch();
      case Op::read:
        return read();
      case Op::rename:
        return rename(false);
      case Op::rename_over:
        return rename(true);
      case Op::exchange:
        return exchange();
      case Op::hard_link:
        return hard_link();
      case Op::unlink:
        return unlink(false);
      case Op::unlink_while_open:
        return unlink(true);
      case Op::mkdir:
        return mkdir();
      case Op::rmdir:
        return rmdir();
      case Op::symlink:
        return symlink();
      case Op::chmod:
        return chmod();
      case Op::set_xattr:
        return set_xattr();
      case Op::open:
        return open();
      case Op::close:
        return close();
      case Op::prefetch:
        return prefetch();
      case Op::evict:
        return evict();
      case Op::publish:
        return publish();
      case Op::scan:
        return scan();
      case Op::crash:
        return crash();
    }
    return false;
  }

  void check_folder(const NodePtr& folder) {
    const auto entries = tier_->fs->list(folder->inode, 2, 1000);
    ASSERT_TRUE(entries) << entries.error().text();
    std::set<std::string> names;
    for (const auto& entry : *entries) names.insert(entry.name);
    std::set<std::string> expected;
    for (const auto& [name, node] : folder->children) expected.insert(name);
    ASSERT_EQ(names, expected);
    for (const auto& [name, node] : folder->children) {
      const auto found = tier_->fs->lookup(folder->inode, name);
      ASSERT_TRUE(found) << found.error().text();
      EXPECT_EQ(found->inode, node->inode) << name;
      EXPECT_EQ(found->attributes.kind, node->kind);
      if (node->kind == FileKind::symlink) continue;
      EXPECT_EQ(found->attributes.mode, node->mode) << name;
      if (node->kind == FileKind::directory) {
        check_folder(node);
      } else {
        EXPECT_EQ(found->attributes.size_bytes, node->content.size()) << name;
        EXPECT_EQ(tier_->read(node->inode, 0, kMaxSize * 4).value(), node->content) << name;
      }
    }
  }

  // The archive's folder holds exactly the model's, down to modes, links and extended attributes.
  void check_archived(const NodePtr& folder, const std::string& path) {
    const auto fd = posix::open_at(AT_FDCWD, path, O_RDONLY | O_DIRECTORY);
    ASSERT_TRUE(fd) << fd.error().text();
    std::set<std::string> names;
    const auto listed = posix::list_directory_fd(fd->get());
    ASSERT_TRUE(listed) << listed.error().text();
    for (const auto& name : *listed) {
      if (name != kPrivateFolder) names.insert(name);
    }
    std::set<std::string> expected;
    for (const auto& [name, node] : folder->children) expected.insert(name);
    ASSERT_EQ(names, expected) << path;
    for (const auto& [name, node] : folder->children) {
      const std::string child = path + "/" + name;
      struct stat st {};
      ASSERT_EQ(::lstat(child.c_str(), &st), 0) << child;
      archived_[node.get()].insert(st.st_ino);
      EXPECT_EQ(archived_[node.get()].size(), 1u)
          << child << ": the names of one file are links of one file";
      if (node->kind == FileKind::symlink) continue;
      EXPECT_EQ(st.st_mode & 07777, node->mode) << child;
      for (const auto& [xattr, value] : node->xattrs) {
        std::string found(64, '\0');
        const ssize_t n = ::getxattr(child.c_str(), xattr.c_str(), found.data(), found.size());
        EXPECT_EQ(n < 0 ? "missing" : found.substr(0, static_cast<size_t>(n)), value)
            << child << " " << xattr;
      }
      if (node->kind == FileKind::directory) {
        check_archived(node, child);
      } else {
        EXPECT_EQ(posix::read_file(child).value(), node->content) << child;
      }
    }
    if (folder == root_) archived_.clear();
  }

  std::string folder_;
  std::mt19937_64 random_;
  std::unique_ptr<LocalTier> tier_;
  NodePtr root_;
  std::vector<Open> open_;
  std::map<const ModelNode*, std::set<ino_t>> archived_;
  std::array<uint64_t, kOpNames.size()> counts_{};
  std::string trace_;
};

uint64_t setting(const char* name, uint64_t fallback) {
  const char* value = std::getenv(name);
  return value == nullptr ? fallback : std::strtoull(value, nullptr, 10);
}

// TIERHUB_MODEL_SEED, TIERHUB_MODEL_SEEDS and TIERHUB_MODEL_STEPS choose other runs.
TEST(Model, RandomOperationsLeaveTheTreeOfTheModel) {
  const uint64_t first_seed = setting("TIERHUB_MODEL_SEED", 1);
  const uint64_t seeds = setting("TIERHUB_MODEL_SEEDS", 12);
  const uint64_t steps = setting("TIERHUB_MODEL_STEPS", 400);
  std::array<uint64_t, kOpNames.size()> counts{};
  for (uint64_t seed = first_seed; seed < first_seed + seeds; ++seed) {
    const TemporaryDirectory folder;
    ModelRun run(folder.path(), seed);
    for (uint64_t step = 0; step < steps; ++step) {
      SCOPED_TRACE("seed " + std::to_string(seed) + ", step " + std::to_string(step));
      run.step();
      if (step % 10 == 9) run.check_everything();
      if (step % 20 == 19) run.check_catalog();
      if (step % 100 == 99) run.publish_and_check_archive();
      ASSERT_FALSE(HasFailure()) << "after " << run.trace();
    }
    for (size_t i = 0; i < counts.size(); ++i) counts[i] += run.counts()[i];
  }
  std::cout << "seeds " << first_seed << " to " << first_seed + seeds - 1 << ", " << steps
            << " steps each:\n";
  for (size_t i = 0; i < counts.size(); ++i) {
    std::cout << "  " << kOpNames[i] << ": " << counts[i] << "\n";
    EXPECT_GT(counts[i], 0u) << kOpNames[i] << " never ran";
  }
}

}  // namespace
}  // namespace tierhub::testing
