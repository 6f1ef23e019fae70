// Random operations on a tier, and the same on a naive model: a tree of strings in memory. Each
// step draws from a seed of its own, so that it does the same, as far as there is the same to do,
// when steps before it are left out.
#pragma once

#include <array>
#include <map>
#include <memory>
#include <optional>
#include <random>
#include <set>
#include <string>
#include <vector>

#include <fmt/format.h>
#include <gtest/gtest.h>

#include "tests/support/local_tier.h"

namespace tierhub::test {

struct ModelNode {
  FileKind kind = FileKind::file;
  std::string content;  // of a symlink: its target
  uint32_t mode = 0;
  std::map<std::string, std::string> xattrs;
  std::map<std::string, std::shared_ptr<ModelNode>> children;
  InodeNumber inode;  // how the tier calls it
};
using NodePtr = std::shared_ptr<ModelNode>;

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

struct ModelStep {
  Op op = Op::create;
  uint64_t seed = 0;
};

// `count` steps, drawn by how often each operation is wanted.
std::vector<ModelStep> random_steps(uint64_t seed, uint64_t count);

class ModelRun {
 public:
  // For the test of the test: a model that forgets what truncate does.
  enum class Model { right, forgets_truncate };

  explicit ModelRun(const std::string& folder, Model model = Model::right);

  // Performs it on both. What differs is a failure of the running test.
  void perform(const ModelStep& step);
  // The tier shows the tree of the model.
  void check_everything();
  // Nothing that runs leaves what fsck would call damage.
  void check_catalog();
  // After a publish the archive has the tree of the model.
  void publish_and_check_archive();

  // How often each operation ran.
  const std::array<uint64_t, kOpNames.size()>& counts() const { return counts_; }
  // The last step in words: "write /n3/n7, 100 bytes at 4096".
  const std::string& trace() const { return trace_; }

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

  uint64_t below(uint64_t n);
  std::vector<Place> places(bool (*wanted)(const ModelNode&)) const;
  std::optional<Place> any(bool (*wanted)(const ModelNode&));
  NodePtr any_folder();
  std::string any_name();
  std::string any_bytes(uint64_t size);
  void reopen();
  std::string pending();
  void close_all();
  bool create();
  void write_to(const NodePtr& node, FileHandle handle, uint64_t offset, const std::string& bytes);
  bool write(bool append);
  bool truncate();
  bool punch();
  bool read();
  bool rename(bool over);
  bool exchange();
  bool hard_link();
  bool unlink(bool while_open);
  bool mkdir();
  bool rmdir();
  bool symlink();
  bool chmod();
  bool set_xattr();
  bool open();
  bool close();
  bool prefetch();
  bool evict();
  bool publish();
  bool scan();
  bool crash();
  bool perform(Op op);
  std::string path_of(const Place& place) const;
  // Adds what was drawn to trace().
  void say(const std::string& words) { trace_ += " " + words; }
  void check_folder(const NodePtr& folder);
  void check_archived(const NodePtr& folder, const std::string& path);

  const std::string folder_;
  const Model model_;
  std::mt19937_64 random_;
  std::unique_ptr<LocalTier> tier_;
  NodePtr root_;
  std::vector<Open> open_;
  std::map<const ModelNode*, std::set<ino_t>> archived_;
  std::array<uint64_t, kOpNames.size()> counts_{};
  std::string trace_;
};

}  // namespace tierhub::test
