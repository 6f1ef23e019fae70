#include "tests/support/local_tier.h"

#include <span>

#include "common/posix.h"
#include "migrator/evict/scratch_recovery.h"
#include "recovery/adoption.h"

namespace tierhub::test {
namespace {

template <class T>
T require(Result<T> result) {
  if (!result) throw std::runtime_error(result.error().text());
  if constexpr (!std::is_void_v<T>) return *std::move(result);
}

// Calls `start` with a callback and waits until it is called.
template <class T, class Start>
Result<T> wait_for(Start&& start) {
  auto answer = std::make_shared<std::promise<Result<T>>>();
  auto future = answer->get_future();
  start([answer](Result<T> result) { answer->set_value(std::move(result)); });
  return future.get();
}

}  // namespace

Result<size_t> BytesSource::copy_to(int fd, uint64_t offset_bytes) {
  TRY(posix::write_all_at(fd, std::as_bytes(std::span(bytes_)), offset_bytes));
  return bytes_.size();
}

LocalTier::LocalTier(const std::string& folder, const Options& options)
    : archive_folder(folder + "/archive") {
  for (const char* name : {"/archive", "/scratch", "/state"})
    require(posix::make_directories(folder + name, 0755));
  archive = require(PosixArchive::open(archive_folder, {}));
  Catalog::Options catalog_options;
  catalog_options.chunk_bytes = options.chunk_bytes;
  catalog_options.boot_id = options.boot_id;
  catalog = require(
      Catalog::open(require(open_rocksdb_store(folder + "/state/catalog")), catalog_options));
  scratch = std::make_unique<Scratch>(require(Scratch::open(folder + "/scratch")));
  inodes = std::make_unique<InodeTable>(*catalog, 1000);
  Capacity::Options capacity_options;
  capacity_options.capacity_bytes = options.capacity_bytes;
  capacity_options.reserve_bytes = 0;
  capacity = std::make_unique<Capacity>(Capacity::source_of(*scratch, *catalog), capacity_options);
  evictor = std::make_unique<Evictor>(*inodes, *scratch, *archive, *capacity);
  mover = std::make_unique<Mover>(*inodes, *scratch, *archive, *capacity, Mover::Options());
  Publisher::Options publisher_options;
  publisher_options.threading = Publisher::Options::Threading::none;
  publisher_options.lanes = 2;
  scanner = std::make_unique<Scanner>(*inodes, *scratch, *archive, tree_mutex, Scanner::Options());
  publisher = std::make_unique<Publisher>(*inodes, *scratch, *archive, tree_mutex, *scanner,
                                          publisher_options);
  FileSystemHooks& hooks = *this;
  fs = std::make_unique<FileSystem>(*inodes, *scratch, hooks);
  if (!catalog->just_made()) {
    const auto adopt = [this](const std::vector<InodeNumber>& objects) {
      return recovery::adopt_forgotten(*catalog, *scratch, objects);
    };
    require(ScratchRecovery(*inodes, *scratch, adopt).run());
    require(evictor->reap());
  }
  if (!catalog->same_boot()) require(catalog->mark_recovered());
  require(capacity->begin());
  require(publisher->recover());
}

// Fills end before what they report to is gone.
LocalTier::~LocalTier() {
  mover->begin_nothing_more();
  archive.reset();
}

void LocalTier::recall(InodeNumber inode, ByteRange range, RecallReason reason,
                       std::function<void(Result<Recalled>)> done) {
  mover->bring(inode, range, reason, std::move(done));
}

void LocalTier::read_ahead(InodeNumber inode, uint64_t from_bytes, uint64_t stream_bytes) {
  mover->read_ahead(inode, from_bytes, stream_bytes);
}

bool LocalTier::try_reserve(uint64_t bytes) { return capacity->try_reserve(bytes); }

void LocalTier::settle(InodeNumber inode, uint64_t reserved_bytes, uint64_t written_bytes) {
  capacity->settle(inode, reserved_bytes, written_bytes);
}

void LocalTier::wait_for_room(uint64_t, RequestNumber, std::function<void(Result<void>)> done) {
  done(Error(std::errc::no_space_on_device, "scratch is full"));
}

void LocalTier::writing(InodeNumber inode) { capacity->watch(inode); }

uint64_t LocalTier::publish() {
  // Each round either gets on or is the last one.
  constexpr int kMostRounds = 20;
  for (int round = 0; require(publisher->run_round(Publisher::Urgency::demanded)) > 0; ++round) {
    if (round < kMostRounds) continue;
    ADD_FAILURE() << "publishing does not come to an end";
    break;
  }
  return require(publisher->pending({"/"})).keys;
}

uint64_t LocalTier::scan_added() {
  return require(scanner->run([](const ScanCounts&) { return true; })).added;
}

Result<Opened> LocalTier::open(InodeNumber inode, int flags) {
  return wait_for<Opened>([&](auto done) { fs->open(inode, flags, std::move(done)); });
}

Result<std::string> LocalTier::read(InodeNumber inode, uint64_t offset_bytes, uint64_t size_bytes) {
  TRY_ASSIGN(const ReadAnswer answer, wait_for<ReadAnswer>([&](auto done) {
               fs->read(inode, offset_bytes, size_bytes, std::move(done));
             }));
  std::string bytes(answer.size_bytes, '\0');
  TRY_ASSIGN(const size_t n, posix::read_at(answer.fd, std::as_writable_bytes(std::span(bytes)),
                                            answer.offset_bytes));
  bytes.resize(n);
  return bytes;
}

Result<size_t> LocalTier::write(InodeNumber inode, FileHandle handle, uint64_t offset_bytes,
                                std::string bytes) {
  auto source = std::make_shared<BytesSource>(std::move(bytes));
  return wait_for<size_t>([&](auto done) {
    fs->write(inode, handle, offset_bytes, source, FsCaller{0, 0}, std::move(done));
  });
}

Result<NodeInfo> LocalTier::setattr(InodeNumber inode, const AttributeChange& change) {
  return wait_for<NodeInfo>([&](auto done) { fs->setattr(inode, change, std::move(done)); });
}

Result<void> LocalTier::fallocate(InodeNumber inode, int mode, uint64_t offset_bytes,
                                  uint64_t length_bytes) {
  TRY(wait_for<std::monostate>(
      [&](auto done) { fs->fallocate(inode, mode, offset_bytes, length_bytes, std::move(done)); }));
  return {};
}

Result<void> LocalTier::prefetch(InodeNumber inode) {
  TRY_ASSIGN(const NodeInfo node, fs->getattr(inode));
  TRY(wait_for<Recalled>([&](auto done) {
    mover->bring(inode, {0, node.attributes.size_bytes}, RecallReason::prefetch, std::move(done));
  }));
  return {};
}

Result<Eviction> LocalTier::evict(InodeNumber inode) {
  TRY_ASSIGN(const Eviction eviction, evictor->evict(inode));
  TRY(evictor->reap());
  return eviction;
}

}  // namespace tierhub::test
