#include "hub/images/pyramids.h"

#include <algorithm>
#include <filesystem>
#include <utility>

#include <fcntl.h>
#include <sys/file.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <fmt/format.h>

#include "common/log_bounded.h"
#include "common/posix.h"
#include "hub/images/planes.h"

namespace tierhub::hub {
namespace {

using formats::Axis;
using formats::AxisRange;
using formats::Region;
using formats::Shape;

// Of those that were built.
constexpr size_t kMostDone = 1'000;

// Nobody needs the pyramid any more, or it would be one of other voxels.
Error not_wanted() { return {std::errc::operation_canceled, "nobody looks at the image any more"}; }

// What a person does, and what tierd does, comes first.
void lower_priority() {
  constexpr int kNicest = 19;
  constexpr int kOfProcess = 1, kIdleClass = 3, kClassShift = 13;
  (void)::setpriority(PRIO_PROCESS, static_cast<id_t>(::gettid()), kNicest);
  (void)::syscall(SYS_ioprio_set, kOfProcess, 0, kIdleClass << kClassShift);
}

// A folder that somebody else may write to could hold pictures of something else.
Result<void> check_is_own(const std::string& folder) {
  TRY_ASSIGN(const struct stat st, posix::stat_at(AT_FDCWD, folder, AT_SYMLINK_NOFOLLOW));
  const bool is_own =
      S_ISDIR(st.st_mode) && st.st_uid == ::geteuid() && (st.st_mode & (S_IWGRP | S_IWOTH)) == 0;
  if (is_own) return {};
  return Error(std::errc::permission_denied,
               folder + " is not a folder that you alone may write to: remove it");
}

// The voxels of a smaller level follow from those of `from`, which is what lies behind `to`.
void shrink_region(formats::PixelType type, const Region& from, std::span<const std::byte> behind,
                   const Region& to, std::vector<std::byte>& voxels, pixels::Shrink how) {
  voxels.resize(to.shape().voxels() * formats::bytes_of(type));
  pixels::shrink(type, from.shape(), behind, to.shape(), voxels, how);
}

}  // namespace

Pyramids::Pyramids(Options options, std::shared_ptr<Tiers> tiers)
    : options_(std::move(options)), tiers_(std::move(tiers)) {}

Pyramids::~Pyramids() {
  MutexLock lock(mutex_);
  std::jthread ending = std::move(thread_);
  lock.unlock();
}

std::shared_ptr<const PyramidFile> Pyramids::find(const std::string& key, const PyramidPlan& plan) {
  if (!are_built() || plan.tiles() == 0 || !check_is_own(options_.folder)) return nullptr;
  auto file = PyramidFile::open(options_.folder, key, plan);
  if (!file) {
    const MutexLock lock(mutex_);
    done_.erase(key);
  }
  return file;
}

void Pyramids::want(const PyramidSource& source) {
  constexpr size_t kMostStates = 1'000;
  if (!are_built()) return;
  const MutexLock lock(mutex_);
  if (done_.contains(source.key)) return;
  const auto state = states_.find(source.key);
  if (state != states_.end() && state->second.kind == State::Kind::failed) return;
  const auto now = SteadyClock::now();
  const auto known = wanted_.find(source.key);
  if (known != wanted_.end()) {
    known->second.last = now;
    return;
  }
  if (states_.size() >= kMostStates) states_.clear();
  wanted_.emplace(source.key, Wanted{source, now, now});
  states_[source.key] = {State::Kind::waiting, 0, {}};
  changed_.notify_all();
  if (!thread_.joinable())
    thread_ = std::jthread([this](const std::stop_token& stop) { work(stop); });
}

Pyramids::State Pyramids::state_of(const std::string& key) const {
  const MutexLock lock(mutex_);
  const auto found = states_.find(key);
  return found == states_.end() ? State{} : found->second;
}

void Pyramids::report(const std::string& key, State state) {
  const MutexLock lock(mutex_);
  states_[key] = std::move(state);
}

bool Pyramids::next(const std::stop_token& stop, PyramidSource& source) {
  const MutexLock lock(mutex_);
  while (!stop.stop_requested()) {
    const auto now = SteadyClock::now();
    std::erase_if(wanted_, [&](const auto& one) REQUIRES(mutex_) {
      if (now - one.second.last <= options_.left_after) return false;
      states_.erase(one.first);
      return true;
    });
    auto best = wanted_.end();
    for (auto it = wanted_.begin(); it != wanted_.end(); ++it) {
      const bool is_due = it->second.not_before <= now;
      if (is_due && (best == wanted_.end() || it->second.last > best->second.last)) best = it;
    }
    if (best != wanted_.end()) {
      source = best->second.source;
      return true;
    }
    const size_t known = wanted_.size();
    const auto has_more = [&]() REQUIRES(mutex_) { return wanted_.size() > known; };
    if (wanted_.empty()) {
      changed_.wait(mutex_, stop, has_more);
    } else {
      changed_.wait_for(mutex_, stop, options_.look_every, has_more);
    }
  }
  return false;
}

void Pyramids::work(const std::stop_token& stop) {
  if (options_.gives_way) lower_priority();
  PyramidSource source;
  while (next(stop, source)) {
    const auto built = build(stop, source);
    const MutexLock lock(mutex_);
    if (built) {
      if (done_.size() >= kMostDone) done_.clear();
      done_.insert(source.key);
      states_.erase(source.key);
      wanted_.erase(source.key);
    } else if (built.error().is(std::errc::resource_unavailable_try_again)) {
      states_[source.key] = {State::Kind::waiting, 0, built.error().text()};
      if (const auto one = wanted_.find(source.key); one != wanted_.end())
        one->second.not_before = SteadyClock::now() + options_.look_every;
    } else if (built.error().is(std::errc::operation_canceled)) {
      states_.erase(source.key);
      wanted_.erase(source.key);
    } else {
      log::bounded(log::Level::warning, "small levels could not be built",
                   {{"image", source.name}, {"error", built.error().text()}});
      states_[source.key] = {State::Kind::failed, 0, built.error().text()};
      wanted_.erase(source.key);
    }
  }
}

Result<void> Pyramids::check_is_here(const PyramidSource& source) {
  FileParts parts;
  for (const std::string& file : source.files) parts.push_back({file, {}});
  TRY_ASSIGN(const Missing missing, tiers_->missing(parts));
  if (missing.bytes == 0) return {};
  return Error(std::errc::resource_unavailable_try_again,
               "a part of the image is in the archive, and is not fetched for this");
}

Result<void> Pyramids::check(const std::stop_token& stop, const PyramidSource& source,
                             const PyramidWriter& writer) {
  if (stop.stop_requested()) return not_wanted();
  {
    const MutexLock lock(mutex_);
    const auto one = wanted_.find(source.key);
    if (one == wanted_.end() || SteadyClock::now() - one->second.last > options_.left_after)
      return not_wanted();
  }
  if (writer.size_bytes() > options_.limit_bytes) {
    return Error(std::errc::file_too_large,
                 fmt::format("it would have more than the {} bytes that all pyramids may have",
                             options_.limit_bytes));
  }
  // A set of many files takes a while.
  constexpr std::chrono::milliseconds kLookEvery{200};
  if (SteadyClock::now() - looked_ < kLookEvery) return {};
  if (!source.is_current()) return not_wanted();
  TRY(check_is_here(source));
  looked_ = SteadyClock::now();
  return {};
}

Result<void> Pyramids::build(const std::stop_token& stop, const PyramidSource& source) {
  TRY(check_is_here(source));
  looked_ = {};
  TRY(posix::make_directories(options_.folder, 0700));
  TRY(check_is_own(options_.folder));
  TRY_ASSIGN(const auto reader, source.open());
  const size_t stored = reader->info().levels.size();
  TRY_ASSIGN(const auto writer,
             PyramidWriter::create(options_.folder, source.key,
                                   PyramidPlan(reader->levels(), stored, reader->info().type)));
  report(source.key, {State::Kind::building, 0, {}});
  TRY(add_first_level(stop, source, *reader, *writer));
  for (uint64_t level = stored + 1; level < reader->levels().size(); ++level)
    TRY(add_level(stop, source, level, *reader, *writer));
  looked_ = {};
  TRY(check(stop, source, *writer));
  TRY(make_room(writer->size_bytes()));
  TRY(writer->commit());
  ++built_;
  return {};
}

// Chunks of several planes are decoded once: their planes are read one after the other.
Result<void> Pyramids::add_first_level(const std::stop_token& stop, const PyramidSource& source,
                                       const pixels::PixelReader& reader, PyramidWriter& writer) {
  const uint64_t level = reader.info().levels.size();
  const formats::Level& behind = reader.levels()[level - 1];
  const formats::PixelType type = reader.info().type;
  const formats::Grid& grid = writer.plan().grid_of(level);
  const auto along = [&](Axis axis) {
    return std::clamp<uint64_t>(behind.chunk.along(axis), 1, behind.shape.along(axis));
  };
  const formats::Grid cells{grid.shape,
                            {along(Axis::t), along(Axis::c), along(Axis::z), kTile, kTile}};
  std::vector<std::byte> from, voxels;
  uint64_t done = 0;
  return cells.for_each(whole(grid.shape, level), [&](const Shape& cell) -> Result<void> {
    TRY(check(stop, source, writer));
    const Region all = cells.region_of(level, cell);
    const auto added = grid.for_each(all, [&](const Shape& at) -> Result<void> {
      const Region to = grid.region_of(level, at);
      const Region needed = pixels::region_behind(to, behind.shape);
      from.resize(needed.shape().voxels() * formats::bytes_of(type));
      TRY(reader.read(needed, type, from));
      shrink_region(type, needed, from, to, voxels, source.shrink);
      ++done;
      return writer.add(writer.plan().number_of(level, at), voxels);
    });
    if (!added) return added.error();
    report(source.key, {State::Kind::building,
                        static_cast<double>(done) / static_cast<double>(writer.plan().tiles()),
                        {}});
    return {};
  });
}

Result<void> Pyramids::add_level(const std::stop_token& stop, const PyramidSource& source,
                                 uint64_t level, const pixels::PixelReader& reader,
                                 PyramidWriter& writer) {
  const formats::PixelType type = reader.info().type;
  const uint64_t bytes = formats::bytes_of(type);
  const PyramidPlan& plan = writer.plan();
  const formats::Grid& grid = plan.grid_of(level);
  const formats::Grid& finer = plan.grid_of(level - 1);
  std::vector<std::byte> from, part, voxels;
  return grid.for_each(whole(grid.shape, level), [&](const Shape& at) -> Result<void> {
    TRY(check(stop, source, writer));
    const Region to = grid.region_of(level, at);
    const Region needed = pixels::region_behind(to, finer.shape);
    from.resize(needed.shape().voxels() * bytes);
    // At most four tiles, which begin where this one does.
    const auto gathered = finer.for_each(needed, [&](const Shape& of) -> Result<void> {
      const Region held = finer.region_of(level - 1, of);
      part.resize(held.shape().voxels() * bytes);
      TRY(writer.read(plan.number_of(level - 1, of), part));
      for (uint64_t y = 0; y < held.y.size(); ++y) {
        const uint64_t place =
            (held.y.begin - needed.y.begin + y) * needed.x.size() + (held.x.begin - needed.x.begin);
        std::copy_n(part.begin() + static_cast<ptrdiff_t>(y * held.x.size() * bytes),
                    held.x.size() * bytes, from.begin() + static_cast<ptrdiff_t>(place * bytes));
      }
      return {};
    });
    if (!gathered) return gathered.error();
    shrink_region(type, needed, from, to, voxels, source.shrink);
    return writer.add(plan.number_of(level, at), voxels);
  });
}

Result<void> Pyramids::make_room(uint64_t more_bytes) {
  struct Old {
    std::string path;
    Timestamp used;
    uint64_t size_bytes = 0;
  };
  std::vector<Old> all;
  uint64_t total = more_bytes;
  std::error_code failure;
  for (const auto& entry : std::filesystem::directory_iterator(options_.folder, failure)) {
    const std::string path = entry.path();
    const auto st = posix::stat_at(AT_FDCWD, path, AT_SYMLINK_NOFOLLOW);
    if (!st || !S_ISREG(st->st_mode)) continue;
    if (!entry.path().filename().string().starts_with(".building-")) {
      all.push_back({path, posix::modification_time(*st), static_cast<uint64_t>(st->st_size)});
      total += all.back().size_bytes;
      continue;
    }
    // Whoever builds it holds its lock.
    const auto fd = posix::open_at(AT_FDCWD, path, O_RDONLY | O_NOFOLLOW | O_NONBLOCK);
    if (fd && ::flock(fd->get(), LOCK_EX | LOCK_NB) == 0) (void)posix::unlink_at(AT_FDCWD, path);
  }
  if (failure) return Error(failure, "list " + options_.folder);
  std::sort(all.begin(), all.end(), [](const Old& a, const Old& b) { return a.used < b.used; });
  for (const Old& one : all) {
    if (total <= options_.limit_bytes) break;
    if (const auto gone = posix::unlink_at(AT_FDCWD, one.path); gone) total -= one.size_bytes;
  }
  if (total <= options_.limit_bytes) return {};
  return Error(std::errc::file_too_large,
               fmt::format("it would have {} bytes, more than the {} that all pyramids may have",
                           more_bytes, options_.limit_bytes));
}

}  // namespace tierhub::hub
