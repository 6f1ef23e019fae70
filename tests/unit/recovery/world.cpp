#include "tests/unit/recovery/world.h"

#include <stdexcept>

#include <fcntl.h>

#include <fmt/format.h>

#include "common/posix.h"
#include "storage/posix/posix_archive.h"

namespace tierhub::recovery {
namespace {

std::pair<std::string, std::string> split(const std::string& path) {
  const size_t slash = path.rfind('/');
  if (slash == std::string::npos) return {"", path};
  return {path.substr(0, slash), path.substr(slash + 1)};
}

void read_below(test::LocalTier& tier, InodeNumber folder, const std::string& path,
                std::map<std::string, std::string>& found) {
  const auto children = value_of(tier.fs->list(folder, 2, 1000));
  for (const auto& child : children) {
    const std::string name = path.empty() ? child.name : path + "/" + child.name;
    const Attributes& attributes = child.node.attributes;
    if (attributes.kind == FileKind::directory) {
      read_below(tier, child.node.inode, name, found);
    } else if (attributes.kind == FileKind::file) {
      found[name] = value_of(tier.read(child.node.inode, 0, attributes.size_bytes + 1));
    }
  }
}

}  // namespace

std::string some_bytes(uint64_t size, char seed) {
  std::string bytes(size, '\0');
  for (uint64_t i = 0; i < size; ++i)
    bytes[i] = static_cast<char>(static_cast<uint64_t>(seed) + i * 7 + i / 251);
  return bytes;
}

InodeNumber find(test::LocalTier& tier, const std::string& path) {
  InodeNumber inode = kRootInode;
  for (size_t begin = 0; begin < path.size();) {
    const size_t end = std::min(path.find('/', begin), path.size());
    inode = value_of(tier.fs->lookup(inode, path.substr(begin, end - begin))).inode;
    begin = end + 1;
  }
  return inode;
}

void write_at(test::LocalTier& tier, const std::string& path, uint64_t offset_bytes,
              const std::string& text) {
  const auto [parent_path, name] = split(path);
  const InodeNumber parent = find(tier, parent_path);
  if (!tier.fs->lookup(parent, name)) {
    const Created created = value_of(tier.fs->create(parent, name, 0640, O_RDWR, kRoot));
    tier.fs->release(created.node.inode, created.opened.handle);
  }
  const InodeNumber inode = find(tier, path);
  const Opened opened = value_of(tier.open(inode, O_RDWR));
  value_of(tier.write(inode, opened.handle, offset_bytes, text));
  tier.fs->release(inode, opened.handle);
}

World::World() {
  auto tier = start();
  make_files(*tier);
  stop(std::move(tier));
}

std::unique_ptr<test::LocalTier> World::start() const {
  return std::make_unique<test::LocalTier>(folder.path(), test::LocalTier::Options{kChunk, 0});
}

void World::stop(std::unique_ptr<test::LocalTier> tier) {
  value_of(tier->evictor->reap());
  value_of(tier->catalog->mark_clean_shutdown());
}

void World::write(test::LocalTier& tier, const std::string& path, const std::string& text) {
  write_at(tier, path, 0, text);
  expected[path] = text;
}

void World::make_files(test::LocalTier& tier) {
  const InodeNumber a = value_of(tier.fs->mkdir(kRootInode, "a", 0755, kRoot)).inode;
  const InodeNumber b = value_of(tier.fs->mkdir(a, "b", 0755, kRoot)).inode;
  char seed = 1;
  for (const char* path :
       {"hot", "a/hot", "cold", "a/cold", "a/linked", "partial", "changed", "rewritten"})
    write(tier, path, some_bytes(3 * kChunk, seed++));
  value_of(tier.fs->link(find(tier, "a/linked"), b, "linked"));
  expected["a/b/linked"] = expected["a/linked"];
  value_of(
      tier.fs->setxattr(find(tier, "hot"), "user.note", "kept", FileSystem::XattrMode::any, kRoot));
  if (tier.publish() != 0) throw std::runtime_error("not all was published");
  for (const char* path : {"cold", "a/cold", "partial", "changed"})
    value_of(tier.evict(find(tier, path)));
  value_of(tier.read(find(tier, "partial"), kChunk, 1));
  write_at(tier, "changed", kChunk, some_bytes(kChunk, 77));
  expected["changed"].replace(kChunk, kChunk, some_bytes(kChunk, 77));
  write(tier, "rewritten", some_bytes(3 * kChunk, 78));
  write(tier, "new", some_bytes(2 * kChunk + 100, 79));
  write(tier, "a/b/new", some_bytes(100, 80));
  for (const auto& [path, content] : expected) inodes_[path] = find(tier, path);
  inodes_["a"] = a;
  inodes_["a/b"] = b;
  // What nobody writes any more is harvested.
  for (const InodeNumber inode :
       {find(tier, "changed"), find(tier, "rewritten"), find(tier, "new"), find(tier, "a/b/new")}) {
    const InodeLock lock = value_of(tier.inodes->lock(inode));
    value_of(harvest(*tier.catalog, *tier.scratch, *lock));
  }
}

std::string World::object(const std::string& path) const {
  const uint64_t number = inode(path).value();
  return folder / fmt::format("scratch/objects/{:02x}/{:x}", number & 0xff, number);
}

void World::change(const std::function<void(KeyValueStore&, Batch&)>& changes) const {
  const auto store = value_of(open_rocksdb_store(folder / "state/catalog"));
  Batch batch;
  changes(*store, batch);
  value_of(store->commit(batch.changes(), Durability::synced));
}

std::vector<Finding> World::check(const CheckOptions& options) const {
  RocksDbOptions access;
  access.access = RocksDbOptions::Access::read_only;
  const auto store = value_of(open_rocksdb_store(folder / "state/catalog", access));
  const Scratch scratch = value_of(Scratch::inspect(folder / "scratch"));
  std::vector<Finding> findings;
  Checker checker(*store, scratch, options,
                  [&](Finding finding) { findings.push_back(std::move(finding)); });
  value_of(checker.run());
  return findings;
}

std::vector<std::string> World::codes(const CheckOptions& options) const {
  std::vector<std::string> found;
  for (const Finding& finding : check(options)) found.emplace_back(finding.kind().code);
  return found;
}

RepairCounts World::repair(const CheckOptions& options) const {
  const auto catalog =
      value_of(Catalog::open(value_of(open_rocksdb_store(folder / "state/catalog")), {}));
  const Scratch scratch = value_of(Scratch::open(folder / "scratch"));
  const RepairCounts counts =
      value_of(recovery::repair(*catalog, scratch, options, [](const Finding&) {}));
  if (catalog->clean_shutdown()) value_of(catalog->mark_clean_shutdown());
  return counts;
}

std::map<std::string, std::string> World::contents(test::LocalTier& tier) {
  std::map<std::string, std::string> found;
  read_below(tier, kRootInode, "", found);
  return found;
}

std::map<std::string, std::string> World::digests(const std::map<std::string, std::string>& of) {
  std::map<std::string, std::string> result;
  for (const auto& [path, content] : of)
    result[path] = checksum(std::as_bytes(std::span(content))).hex();
  return result;
}

RebuildCounts rebuild_world(const World& world) {
  const Scratch scratch = value_of(Scratch::open(world.folder / "scratch"));
  const auto archive = value_of(PosixArchive::open(world.in_archive(""), {}));
  RebuildOptions options;
  options.state = world.folder / "state";
  options.chunk_bytes = World::kChunk;
  return value_of(rebuild(scratch, *archive, options));
}

}  // namespace tierhub::recovery
