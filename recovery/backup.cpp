#include "recovery/backup.h"

#include <algorithm>
#include <charconv>
#include <ctime>
#include <filesystem>
#include <future>
#include <set>
#include <span>
#include <sstream>

#include <fcntl.h>
#include <sys/mman.h>

#include <fmt/format.h>

#include "common/duration.h"
#include "common/hash.h"
#include "common/log.h"
#include "common/posix.h"

namespace tierhub::recovery {
namespace {

constexpr const char* kLastKey = "backup.last";
constexpr const char* kIndexHead = "tierhub catalog backup 1";
constexpr uint64_t kChunkBytes = 4 << 20;
constexpr double kRetryS = 600;
constexpr double kFirstAfterS = 3600;

std::string path_of(const std::string& name) { return std::string(kBackupFolder) + "/" + name; }

bool is_index(const std::string& name) { return name.ends_with(".backup"); }
std::string time_of(const std::string& index) {
  return index.substr(0, index.size() - std::string_view(".backup").size());
}

// What an index says: name in the archive -> name in the catalog's folder.
Result<std::map<std::string, std::string>> parse_index(const std::string& text) {
  std::map<std::string, std::string> files;
  std::istringstream in(text);
  std::string line;
  if (!std::getline(in, line) || line != kIndexHead)
    return Error(std::errc::not_supported,
                 "a catalog backup is damaged, or was made by a newer TierHub");
  while (std::getline(in, line)) {
    const size_t tab = line.find('\t');
    if (tab == std::string::npos || line.find('/') != std::string::npos)
      return Error(std::errc::bad_message, "the index of a catalog backup is damaged");
    files.emplace(line.substr(0, tab), line.substr(tab + 1));
  }
  return files;
}

// A table's end holds its properties, with an id of their own.
Result<std::string> table_name(const std::string& name, int fd, uint64_t size_bytes) {
  constexpr uint64_t kTailBytes = 64 << 10;
  std::vector<std::byte> tail(std::min(size_bytes, kTailBytes));
  TRY_ASSIGN(const size_t n, posix::read_at(fd, tail, size_bytes - tail.size()));
  tail.resize(n);
  const std::string number = name.substr(0, name.find('.'));
  return fmt::format("table-{}-{}-{}", number, size_bytes, checksum(tail).hex());
}

std::string now_text() {
  const Timestamp now = Timestamp::now();
  const std::time_t seconds = now.to_timespec().tv_sec;
  std::tm utc{};
  ::gmtime_r(&seconds, &utc);
  char text[32];
  const size_t n = std::strftime(text, sizeof text, "%Y%m%dT%H%M%S", &utc);
  return fmt::format("{}.{:03}Z", std::string_view(text, n), now.to_timespec().tv_nsec / 1'000'000);
}

// Copies a file of the archive, as it was listed, to `fd`.
Result<void> fetch(Archive& archive, const std::string& name, const ArchiveVersion& version,
                   int fd) {
  const uint64_t size_bytes = version.attributes.size_bytes;
  if (size_bytes == 0) return {};
  std::promise<Result<FillResult>> promise;
  auto answer = promise.get_future();
  archive.fill({path_of(name), version, fd, {0, size_bytes}, size_bytes, kChunkBytes},
               [&](Result<FillResult> result) { promise.set_value(std::move(result)); });
  TRY(answer.get());
  return {};
}

Result<std::map<std::string, std::string>> fetch_index(Archive& archive, const std::string& name,
                                                       const ArchiveVersion& version) {
  const UniqueFd fd(::memfd_create("catalog-backup", MFD_CLOEXEC));
  if (!fd) return Error::from_errno(errno, "memfd_create");
  TRY(fetch(archive, name, version, fd.get()));
  std::string text(version.attributes.size_bytes, '\0');
  TRY(posix::read_at(fd.get(), std::as_writable_bytes(std::span(text)), 0));
  return parse_index(text);
}

}  // namespace

Result<std::map<std::string, ArchiveVersion>> backup_files(Archive& archive) {
  std::map<std::string, ArchiveVersion> files;
  TRY_ASSIGN(const auto folder, archive.stat(kBackupFolder));
  if (!folder) return files;
  for (uint64_t cookie = 0;;) {
    TRY_ASSIGN(const ArchivePage page, archive.list(kBackupFolder, cookie, 1000));
    for (const ArchiveChild& child : page.children) files.emplace(child.name, child.version);
    if (page.last) return files;
    cookie = page.next_cookie;
  }
}

Result<std::optional<std::string>> fetch_backup(Archive& archive, const std::string& folder) {
  TRY_ASSIGN(const auto files, backup_files(archive));
  for (auto it = files.rbegin(); it != files.rend(); ++it) {
    if (!is_index(it->first)) continue;
    const auto whole = [&]() -> Result<void> {
      TRY_ASSIGN(const auto index, fetch_index(archive, it->first, it->second));
      std::error_code ignored;
      std::filesystem::remove_all(folder, ignored);
      TRY(posix::make_directories(folder, 0700));
      for (const auto& [stored, name] : index) {
        const auto there = files.find(stored);
        if (there == files.end())
          return Error(std::errc::no_such_file_or_directory, stored + " is missing");
        TRY_ASSIGN(const UniqueFd fd,
                   posix::open_at(AT_FDCWD, folder + "/" + name, O_RDWR | O_CREAT | O_EXCL, 0600));
        TRY(fetch(archive, stored, there->second, fd.get()));
      }
      return {};
    }();
    if (whole) return std::optional<std::string>(time_of(it->first));
    if (is_archive_wide(whole.error())) return whole.error();
    log::warning("a catalog backup cannot be used",
                 {{"backup", it->first}, {"error", whole.error().text()}});
  }
  return std::optional<std::string>();
}

CatalogBackups::CatalogBackups(Catalog& catalog, Archive& archive, Options options)
    : catalog_(catalog), archive_(archive), options_(std::move(options)) {}

void CatalogBackups::start() {
  if (options_.interval_s <= 0) return;
  thread_ = std::jthread([this](const std::stop_token& stop) { loop(stop); });
}

void CatalogBackups::stop() {
  thread_.request_stop();
  woken_.notify_all();
  if (thread_.joinable()) thread_.join();
}

Result<Timestamp> CatalogBackups::last() const {
  TRY_ASSIGN(const auto text, catalog_.meta(kLastKey));
  Timestamp time;
  if (text) std::from_chars(text->data(), text->data() + text->size(), time.ns);
  return time;
}

void CatalogBackups::loop(const std::stop_token& stop) {
  const auto seconds_since = [](Timestamp time) {
    return static_cast<double>(Timestamp::now().ns - time.ns) / 1e9;
  };
  const auto time = last();
  double wait_s = std::min(options_.interval_s, kFirstAfterS);
  if (time && *time != Timestamp())
    wait_s = std::max(0.0, options_.interval_s - seconds_since(*time));
  for (;;) {
    {
      MutexLock lock(mutex_);
      woken_.wait_for(mutex_, stop, seconds(wait_s), [] { return false; });
    }
    if (stop.stop_requested()) return;
    const auto made = run(stop);
    wait_s = made ? options_.interval_s : std::min(options_.interval_s, kRetryS);
    if (!made && !stop.stop_requested())
      log::warning("the catalog was not backed up", {{"error", made.error().text()}});
  }
}

Result<void> CatalogBackups::run_at_end() {
  if (options_.interval_s <= 0) return {};
  TRY_ASSIGN(const Timestamp made, last());
  const Timestamp since = made == Timestamp() ? started_ : made;
  constexpr double kShare = 24;
  const double age_s = static_cast<double>(Timestamp::now().ns - since.ns) / 1e9;
  if (age_s < options_.interval_s / kShare) return {};
  return run(std::stop_token());
}

Result<void> CatalogBackups::run(const std::stop_token& stop) {
  const std::string folder = options_.state + "/catalog-checkpoint";
  std::error_code ignored;
  std::filesystem::remove_all(folder, ignored);
  TRY(catalog_.checkpoint(folder));
  const auto copied = copy(folder, stop);
  std::filesystem::remove_all(folder, ignored);
  TRY(copied);
  Batch batch;
  batch.put_meta(kLastKey, std::to_string(Timestamp::now().ns));
  TRY(catalog_.commit(batch));
  return purge();
}

Result<void> CatalogBackups::copy(const std::string& folder, const std::stop_token& stop) {
  TRY_ASSIGN(const auto there, archive_.stat(kBackupFolder));
  if (!there) {
    Attributes attributes;
    attributes.kind = FileKind::directory;
    attributes.mode = 0700;
    attributes.atime = attributes.mtime = Timestamp::now();
    TRY_ASSIGN(const uint64_t sequence, catalog_.allocate_sequence());
    const std::string leaf = fmt::format("{:x}", sequence);
    TRY(archive_.stage_node({leaf, attributes}));
    TRY(archive_.place(leaf, kBackupFolder, std::nullopt));
  }
  TRY_ASSIGN(const auto stored, backup_files(archive_));
  const std::string time = now_text();
  std::string index = std::string(kIndexHead) + "\n";
  TRY_ASSIGN(const UniqueFd directory, posix::open_at(AT_FDCWD, folder, O_RDONLY | O_DIRECTORY));
  TRY_ASSIGN(const auto names, posix::list_directory_fd(directory.get()));
  for (const std::string& name : names) {
    TRY_ASSIGN(const UniqueFd fd, posix::open_at(directory.get(), name, O_RDONLY));
    TRY_ASSIGN(const auto st, posix::stat_fd(fd.get()));
    std::string stored_name = time + "-" + name;
    if (name.ends_with(".sst")) {
      TRY_ASSIGN(stored_name, table_name(name, fd.get(), static_cast<uint64_t>(st.st_size)));
    }
    index += fmt::format("{}\t{}\n", stored_name, name);
    if (stored.contains(stored_name)) continue;
    TRY(store(stored_name, fd.get()));
    pause(static_cast<uint64_t>(st.st_size), stop);
    if (stop.stop_requested())
      return Error(std::errc::operation_canceled, "the backup was interrupted by a stop");
  }
  return store_index(time + ".backup", index);
}

Result<void> CatalogBackups::store(const std::string& name, int fd) {
  TRY_ASSIGN(const auto st, posix::stat_fd(fd));
  TRY_ASSIGN(const uint64_t sequence, catalog_.allocate_sequence());
  StageFileRequest request;
  request.leaf = fmt::format("{:x}", sequence);
  request.object_fd = st.st_size > 0 ? fd : -1;
  request.size_bytes = static_cast<uint64_t>(st.st_size);
  request.chunk_bytes = kChunkBytes;
  request.attributes.mode = 0600;
  request.attributes.atime = request.attributes.mtime = Timestamp::now();
  TRY(archive_.stage_file(request));
  TRY(archive_.place(request.leaf, path_of(name), std::nullopt));
  return {};
}

Result<void> CatalogBackups::store_index(const std::string& name, const std::string& text) {
  const UniqueFd fd(::memfd_create("catalog-backup", MFD_CLOEXEC));
  if (!fd) return Error::from_errno(errno, "memfd_create");
  TRY(posix::write_all(fd.get(), text));
  TRY(archive_.sync());
  TRY(store(name, fd.get()));
  return archive_.sync_folders({kBackupFolder});
}

Result<void> CatalogBackups::purge() {
  TRY_ASSIGN(const auto files, backup_files(archive_));
  std::set<std::string> kept;
  size_t indexes = 0;
  for (auto it = files.rbegin(); it != files.rend(); ++it) {
    if (!is_index(it->first) || indexes == options_.keep) continue;
    ++indexes;
    TRY_ASSIGN(const auto index, fetch_index(archive_, it->first, it->second));
    kept.insert(it->first);
    for (const auto& [stored, name] : index) kept.insert(stored);
  }
  // An index goes before what it names.
  for (const bool index_turn : {true, false}) {
    for (const auto& [name, version] : files) {
      if (is_index(name) == index_turn && !kept.contains(name)) TRY(remove(name, version));
    }
  }
  return {};
}

Result<void> CatalogBackups::remove(const std::string& name, const ArchiveVersion& version) {
  TRY_ASSIGN(const uint64_t sequence, catalog_.allocate_sequence());
  const std::string leaf = fmt::format("{:x}", sequence);
  TRY(archive_.remove(path_of(name), version, leaf));
  return archive_.discard(leaf, version);
}

void CatalogBackups::pause(uint64_t bytes, const std::stop_token& stop) {
  const double wait_s = static_cast<double>(bytes) / static_cast<double>(options_.bytes_per_s);
  MutexLock lock(mutex_);
  woken_.wait_for(mutex_, stop, seconds(wait_s), [] { return false; });
}

}  // namespace tierhub::recovery
