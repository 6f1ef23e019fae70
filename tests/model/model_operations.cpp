// What each operation does to the tier, and what the model says that it does.
#include <algorithm>
#include <random>

#include <fcntl.h>
#include <linux/falloc.h>

#include <stdio.h>

#include "tests/model/model_run.h"

namespace tierhub::test {
namespace {

constexpr uint64_t kChunk = 4096;
constexpr uint64_t kMaxSize = 10 * kChunk;
constexpr size_t kMaxOpen = 4;

// The operation ran, and was refused as POSIX says.
template <class T>
bool refused(const Result<T>& result, std::errc code) {
  EXPECT_TRUE(!result && result.error().is(code));
  return true;
}
template <class T>
bool failed(const Result<T>& result) {
  ADD_FAILURE() << result.error().text();
  return false;
}

bool is_file(const ModelNode& node) { return node.kind == FileKind::file; }

bool is_folder(const ModelNode& node) { return node.kind == FileKind::directory; }

bool is_anything(const ModelNode&) { return true; }

bool contains(const ModelNode& folder, const ModelNode* node) {
  if (&folder == node) return true;
  return std::any_of(folder.children.begin(), folder.children.end(),
                     [&](const auto& child) { return contains(*child.second, node); });
}

}  // namespace

std::vector<ModelStep> random_steps(uint64_t seed, uint64_t count) {
  const std::vector<double> weights = {8, 14, 6, 6, 3, 6, 6, 5, 4,  4, 4, 3,
                                       5, 2,  2, 3, 3, 4, 4, 5, 10, 4, 1, 2};
  std::mt19937_64 random(seed);
  std::discrete_distribution<size_t> pick(weights.begin(), weights.end());
  std::vector<ModelStep> steps;
  for (uint64_t i = 0; i < count; ++i) {
    const auto op = static_cast<Op>(pick(random));
    steps.push_back({op, random()});
  }
  return steps;
}

ModelRun::ModelRun(const std::string& folder, Model model) : folder_(folder), model_(model) {
  root_ = std::make_shared<ModelNode>();
  root_->kind = FileKind::directory;
  root_->inode = kRootInode;
  reopen();
}

void ModelRun::perform(const ModelStep& step) {
  random_.seed(step.seed);
  trace_ = kOpNames[static_cast<size_t>(step.op)];
  if (perform(step.op)) ++counts_[static_cast<size_t>(step.op)];
}

uint64_t ModelRun::below(uint64_t n) {
  return std::uniform_int_distribution<uint64_t>(0, n - 1)(random_);
}

std::vector<ModelRun::Place> ModelRun::places(bool (*wanted)(const ModelNode&)) const {
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

std::optional<ModelRun::Place> ModelRun::any(bool (*wanted)(const ModelNode&)) {
  const auto all = places(wanted);
  if (all.empty()) return std::nullopt;
  const Place& picked = all[below(all.size())];
  say(path_of(picked));
  return picked;
}

std::string ModelRun::path_of(const Place& place) const {
  if (place.folder == root_) return "/" + place.name;
  for (const Place& folder : places(is_folder)) {
    if (folder.node == place.folder) return path_of(folder) + "/" + place.name;
  }
  return place.name;
}

NodePtr ModelRun::any_folder() {
  const auto folder = any(is_folder);
  return folder && below(3) != 0 ? folder->node : root_;
}

std::string ModelRun::any_name() {
  const std::string name = "n" + std::to_string(below(12));
  say(name);
  return name;
}

std::string ModelRun::any_bytes(uint64_t size) {
  std::string bytes(size, '\0');
  const auto seed = static_cast<char>('a' + below(26));
  for (size_t i = 0; i < size; ++i) bytes[i] = static_cast<char>(seed + (i % 7));
  return bytes;
}

void ModelRun::reopen() {
  tier_.reset();
  tier_ = std::make_unique<LocalTier>(folder_, LocalTier::Options{kChunk, 0});
}

std::string ModelRun::pending() {
  std::string text;
  const auto pending = tier_->publisher->pending({"/"});
  for (const auto& waiting : pending->waiting) text += waiting.path + ": " + waiting.reason + "\n";
  return text;
}

void ModelRun::close_all() {
  for (const Open& open : open_) tier_->fs->release(open.node->inode, open.handle);
  open_.clear();
  EXPECT_TRUE(tier_->evictor->reap());
}

bool ModelRun::create() {
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

void ModelRun::write_to(const NodePtr& node, FileHandle handle, uint64_t offset,
                        const std::string& bytes) {
  if (bytes.empty()) return;
  say(fmt::format("{} bytes at {}", bytes.size(), offset));
  const auto written = tier_->write(node->inode, handle, offset, bytes);
  ASSERT_TRUE(written) << written.error().text();
  ASSERT_EQ(*written, bytes.size());
  if (node->content.size() < offset + bytes.size()) node->content.resize(offset + bytes.size());
  node->content.replace(offset, bytes.size(), bytes);
}

bool ModelRun::write(bool append) {
  const auto file = any(is_file);
  if (!file) return false;
  const auto opened = tier_->open(file->node->inode, O_RDWR);
  if (!opened) return failed(opened);
  const uint64_t offset = append ? file->node->content.size() : below(kMaxSize);
  write_to(file->node, opened->handle, offset, any_bytes(1 + below(2 * kChunk)));
  tier_->fs->release(file->node->inode, opened->handle);
  return true;
}

bool ModelRun::truncate() {
  const auto file = any(is_file);
  if (!file) return false;
  const uint64_t size = below(3) == 0 ? 0 : below(kMaxSize);
  say(fmt::format("to {}", size));
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
  if (model_ == Model::right) file->node->content.resize(size);
  return true;
}

bool ModelRun::punch() {
  const auto file = any(is_file);
  if (!file || file->node->content.empty()) return false;
  const auto opened = tier_->open(file->node->inode, O_RDWR);
  if (!opened) return failed(opened);
  const uint64_t offset = below(file->node->content.size());
  const uint64_t length = 1 + below(2 * kChunk);
  say(fmt::format("{} bytes at {}", length, offset));
  const auto punched = tier_->fallocate(file->node->inode,
                                        FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, offset, length);
  EXPECT_TRUE(punched) << punched.error().text();
  for (uint64_t i = offset; i < std::min<uint64_t>(offset + length, file->node->content.size());
       ++i)
    file->node->content[i] = '\0';
  tier_->fs->release(file->node->inode, opened->handle);
  return true;
}

bool ModelRun::read() {
  const auto file = any(is_file);
  if (!file) return false;
  const auto opened = tier_->open(file->node->inode, O_RDONLY);
  if (!opened) return failed(opened);
  const uint64_t offset = below(kMaxSize);
  const uint64_t size = 1 + below(2 * kChunk);
  say(fmt::format("{} bytes at {}", size, offset));
  const auto bytes = tier_->read(file->node->inode, offset, size);
  const std::string& content = file->node->content;
  EXPECT_TRUE(bytes) << bytes.error().text();
  EXPECT_EQ(bytes.value_or("unread"), offset < content.size() ? content.substr(offset, size) : "");
  tier_->fs->release(file->node->inode, opened->handle);
  return true;
}

bool ModelRun::rename(bool over) {
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

bool ModelRun::exchange() {
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

bool ModelRun::hard_link() {
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

bool ModelRun::unlink(bool while_open) {
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

bool ModelRun::mkdir() {
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

bool ModelRun::rmdir() {
  const auto folder = any(is_folder);
  if (!folder) return false;
  const auto removed = tier_->fs->rmdir(folder->folder->inode, folder->name);
  if (!folder->node->children.empty()) return refused(removed, std::errc::directory_not_empty);
  EXPECT_TRUE(removed) << removed.error().text();
  folder->folder->children.erase(folder->name);
  return true;
}

bool ModelRun::symlink() {
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

bool ModelRun::chmod() {
  const auto node = any([](const ModelNode& n) { return n.kind != FileKind::symlink; });
  if (!node) return false;
  AttributeChange change;
  change.mode = 0700 + static_cast<uint32_t>(below(8));
  change.mtime = Timestamp{1'600'000'000'000'000'000 + static_cast<int64_t>(below(1'000'000'000))};
  const auto changed = tier_->setattr(node->node->inode, change);
  EXPECT_TRUE(changed) << changed.error().text();
  node->node->mode = *change.mode;
  return true;
}

bool ModelRun::set_xattr() {
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

bool ModelRun::open() {
  const auto file = any(is_file);
  if (!file || open_.size() >= kMaxOpen) return false;
  const auto opened = tier_->open(file->node->inode, below(2) == 0 ? O_RDONLY : O_RDWR);
  if (!opened) return failed(opened);
  open_.push_back({file->node, opened->handle});
  return true;
}

bool ModelRun::close() {
  if (open_.empty()) return false;
  const size_t i = below(open_.size());
  tier_->fs->release(open_[i].node->inode, open_[i].handle);
  open_.erase(open_.begin() + static_cast<ptrdiff_t>(i));
  EXPECT_TRUE(tier_->evictor->reap());
  return true;
}

bool ModelRun::prefetch() {
  const auto file = any(is_file);
  if (!file) return false;
  const auto brought = tier_->prefetch(file->node->inode);
  EXPECT_TRUE(brought) << brought.error().text();
  EXPECT_TRUE(tier_->inodes->lock(file->node->inode).value()->all_present());
  return true;
}

// Only an eviction that evicted something counts.
bool ModelRun::evict() {
  const auto file = any(is_file);
  if (!file) return false;
  const auto eviction = tier_->evict(file->node->inode);
  EXPECT_TRUE(eviction) << eviction.error().text();
  return eviction && eviction->evicted;
}

bool ModelRun::publish() {
  tier_->publish();
  return true;
}

bool ModelRun::scan() {
  tier_->publish();
  EXPECT_EQ(tier_->scan_added(), 0u) << "a scan must find nothing that is not ours";
  return true;
}

bool ModelRun::crash() {
  open_.clear();
  reopen();
  check_everything();
  return true;
}

bool ModelRun::perform(Op op) {
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

}  // namespace tierhub::test
