#include "tests/support/local_tier.h"

#include <span>

#include "common/posix.h"
#include "migrator/evict/scratch_recovery.h"
#include "recovery/adoption.h"

namespace tierhub::test {
namespace {

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

LocalTier::LocalTier(const std::string& folder, const Options& options_)
    : own_folder(folder), archive_folder(folder + "/archive"), options(options_) {
  start();
}

void LocalTier::start() {
  for (const char* name : {"/archive", "/scratch", "/state"})
    value_of(posix::make_directories(own_folder + name, 0755));
  archive = value_of(PosixArchive::open(archive_folder, options.archive));
  Catalog::Options catalog_options;
  catalog_options.chunk_bytes = options.chunk_bytes;
  catalog_options.boot_id = options.boot_id;
  auto store = options.memory ? options.memory->another_handle()
                              : value_of(open_rocksdb_store(own_folder + "/state/catalog"));
  catalog = value_of(Catalog::open(std::move(store), catalog_options));
  scratch = std::make_unique<Scratch>(value_of(Scratch::open(own_folder + "/scratch")));
  inodes = std::make_unique<InodeTable>(*catalog, 1000);
  Capacity::Options capacity_options;
  capacity_options.capacity_bytes = options.capacity_bytes;
  capacity_options.reserve_bytes = 0;
  capacity = std::make_unique<Capacity>(Capacity::source_of(*scratch, *catalog), capacity_options);
  evictor = std::make_unique<Evictor>(*inodes, *scratch, *archive, *capacity);
  mover = std::make_unique<Mover>(*inodes, *scratch, *archive, *capacity, Mover::Options());
  if (options.trash) trash = std::make_unique<Trash>(*catalog, *archive, *options.trash);
  options.publisher.trash = trash.get();
  scanner = std::make_unique<Scanner>(*inodes, *scratch, *archive, tree_mutex, Scanner::Options());
  publisher = std::make_unique<Publisher>(*inodes, *scratch, *archive, tree_mutex, *scanner,
                                          options.publisher);
  FileSystemHooks& hooks = *this;
  fs = std::make_unique<FileSystem>(*inodes, *scratch, hooks);
  // A catalog in memory is complete; looking through the folders of objects is most of a start.
  if (!options.memory) recover_scratch();
  value_of(options.memory ? capacity->poll() : capacity->begin());
  value_of(publisher->recover());
}

void LocalTier::recover_scratch() {
  if (!catalog->just_made()) {
    const auto adopt = [this](const std::vector<InodeNumber>& objects) {
      return recovery::adopt_forgotten(*catalog, *scratch, objects);
    };
    value_of(ScratchRecovery(*inodes, *scratch, adopt).run());
    value_of(evictor->reap());
  }
  if (!catalog->same_boot()) value_of(catalog->mark_recovered());
}

LocalTier::~LocalTier() { stop(); }

// Fills end before what they report to is gone.
void LocalTier::stop() {
  publisher.reset();
  scanner.reset();
  trash.reset();
  if (mover) mover->begin_nothing_more();
  archive.reset();
  fs.reset();
  mover.reset();
  evictor.reset();
  capacity.reset();
  inodes.reset();
  scratch.reset();
  catalog.reset();
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
  for (int round = 0; value_of(publisher->run_round(Publisher::Urgency::demanded)) > 0; ++round) {
    if (round < kMostRounds) continue;
    ADD_FAILURE() << "publishing does not come to an end";
    break;
  }
  return value_of(publisher->pending({"/"})).keys;
}

uint64_t LocalTier::scan_added() {
  return value_of(scanner->run([](const ScanCounts&) { return true; })).added;
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
