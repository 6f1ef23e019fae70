// The tier's tree, its catalog and its archive against the model.
#include <set>
#include <string>

#include <fcntl.h>
#include <sys/stat.h>
#include <sys/xattr.h>

#include "common/posix.h"
#include "recovery/check.h"
#include "tests/model/model_run.h"

namespace tierhub::test {
namespace {

constexpr uint64_t kMoreThanAnyFile = 1 << 20;

}  // namespace

void ModelRun::check_everything() {
  check_folder(root_);
  for (const auto& open : open_)
    EXPECT_EQ(tier_->read(open.node->inode, 0, kMoreThanAnyFile).value(), open.node->content);
}

void ModelRun::publish_and_check_archive() {
  close_all();
  EXPECT_EQ(tier_->publish(), 0u) << pending();
  check_archived(root_, tier_->archive_folder);
}

void ModelRun::check_catalog() {
  recovery::Checker checker(
      tier_->catalog->store(), *tier_->scratch, {}, [](const recovery::Finding& finding) {
        EXPECT_FALSE(finding.is_damage()) << fmt::format(
            "{} inode {} {} {}", finding.kind().code, finding.inode, finding.path, finding.detail);
      });
  const auto checked = checker.run();
  EXPECT_TRUE(checked) << checked.error().text();
}

void ModelRun::check_folder(const NodePtr& folder) {
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
      EXPECT_EQ(tier_->read(node->inode, 0, kMoreThanAnyFile).value(), node->content) << name;
    }
  }
}

// The archive's folder holds exactly the model's, down to modes, links and extended attributes.
void ModelRun::check_archived(const NodePtr& folder, const std::string& path) {
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

}  // namespace tierhub::test
