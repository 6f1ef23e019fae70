#include "hub/images/pyramid_file.h"

#include <algorithm>
#include <array>
#include <cstring>
#include <utility>

#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <fmt/format.h>

#include "common/hash.h"
#include "common/log_bounded.h"
#include "common/posix.h"
#include "hub/images/planes.h"
#include "pixels/codecs.h"

namespace tierhub::hub {
namespace {

using formats::Region;
using formats::Shape;

constexpr std::array<char, 8> kPyramidMagic = {'T', 'H', 'P', 'Y', 'R', 'A', 'M', '1'};

struct PyramidHead {
  std::array<char, 8> magic = kPyramidMagic;
  std::array<char, 32> key{};
  uint64_t tiles = 0;
  uint64_t index_offset_bytes = 0;
  uint64_t index_check = 0;
};
static_assert(sizeof(PyramidHead) == 64 && sizeof(PyramidTile) == 16);

Error damaged_pyramid(std::string_view why) {
  return Error(std::errc::io_error, fmt::format("the pyramid in the cache is damaged ({})", why));
}

uint32_t check_of(std::span<const std::byte> bytes) {
  return static_cast<uint32_t>(checksum(bytes).low);
}

std::string path_of_pyramid(const std::string& folder, const std::string& key) {
  return folder + "/" + key;
}

PyramidHead head_of(const std::string& key, const PyramidPlan& plan) {
  PyramidHead head;
  std::copy_n(key.begin(), std::min(key.size(), head.key.size()), head.key.begin());
  head.tiles = plan.tiles();
  return head;
}

Result<void> read_tile(int fd, const PyramidTile& tile, std::span<std::byte> voxels) {
  if (tile.size_bytes == 0) return damaged_pyramid("a tile is missing");
  std::vector<std::byte> packed(tile.size_bytes);
  TRY_ASSIGN(const size_t got, posix::read_at(fd, packed, tile.offset_bytes));
  if (got != packed.size()) return damaged_pyramid("it is truncated");
  if (check_of(packed) != tile.check) return damaged_pyramid("the checksum of a tile is wrong");
  return pixels::undo_codecs({{formats::Codec::Kind::zstd}}, packed, voxels);
}

}  // namespace

PyramidPlan::PyramidPlan(const std::vector<formats::Level>& levels, size_t stored,
                         formats::PixelType type)
    : stored_(stored), type_(type) {
  for (size_t level = stored; level < levels.size(); ++level) {
    first_.push_back(tiles_);
    grids_.push_back({levels[level].shape, {1, 1, 1, kTile, kTile}});
    tiles_ += grids_.back().counts().voxels();
  }
}

PyramidWriter::PyramidWriter(std::string folder, std::string key, PyramidPlan plan)
    : folder_(std::move(folder)),
      key_(std::move(key)),
      plan_(std::move(plan)),
      index_(plan_.tiles()),
      size_bytes_(sizeof(PyramidHead)) {}

Result<std::unique_ptr<PyramidWriter>> PyramidWriter::create(const std::string& folder,
                                                             const std::string& key,
                                                             PyramidPlan plan) {
  std::unique_ptr<PyramidWriter> writer(new PyramidWriter(folder, key, std::move(plan)));
  TRY_ASSIGN(const std::string unique, posix::random_uuid());
  const std::string path = fmt::format("{}/.building-{}", folder, unique);
  TRY_ASSIGN(writer->fd_, posix::open_at(AT_FDCWD, path, O_RDWR | O_CREAT | O_EXCL, 0600));
  writer->temporary_ = path;
  if (::flock(writer->fd_.get(), LOCK_EX | LOCK_NB) != 0)
    return Error::from_errno(errno, "lock " + path);
  return writer;
}

PyramidWriter::~PyramidWriter() {
  if (!temporary_.empty()) (void)posix::unlink_at(AT_FDCWD, temporary_);
}

Result<void> PyramidWriter::add(uint64_t tile, std::span<const std::byte> voxels) {
  constexpr int kFast = 1;
  TRY_ASSIGN(const std::string packed, pixels::compress_zstd(voxels, kFast));
  const auto bytes = std::as_bytes(std::span(packed));
  TRY(posix::write_all_at(fd_.get(), bytes, size_bytes_));
  index_[tile] = {size_bytes_, static_cast<uint32_t>(bytes.size()), check_of(bytes)};
  size_bytes_ += bytes.size();
  return {};
}

Result<void> PyramidWriter::read(uint64_t tile, std::span<std::byte> voxels) const {
  return read_tile(fd_.get(), index_[tile], voxels);
}

Result<void> PyramidWriter::commit() {
  const auto index = std::as_bytes(std::span(index_));
  PyramidHead head = head_of(key_, plan_);
  head.index_offset_bytes = size_bytes_;
  head.index_check = checksum(index).low;
  TRY(posix::write_all_at(fd_.get(), index, size_bytes_));
  TRY(posix::write_all_at(fd_.get(), std::as_bytes(std::span(&head, 1)), 0));
  TRY(posix::sync_fd(fd_.get()));
  TRY(posix::rename_at(AT_FDCWD, temporary_, AT_FDCWD, path_of_pyramid(folder_, key_)));
  temporary_.clear();
  TRY_ASSIGN(const UniqueFd folder, posix::open_at(AT_FDCWD, folder_, O_RDONLY | O_DIRECTORY));
  return posix::sync_fd(folder.get());
}

std::shared_ptr<const PyramidFile> PyramidFile::open(const std::string& folder,
                                                     const std::string& key,
                                                     const PyramidPlan& plan) {
  const std::string path = path_of_pyramid(folder, key);
  auto fd = posix::open_at(AT_FDCWD, path, O_RDONLY | O_NOFOLLOW | O_NONBLOCK);
  if (!fd) return nullptr;
  std::shared_ptr<PyramidFile> file(new PyramidFile(path, *std::move(fd), plan));
  if (const auto read = file->read_index(key); !read) {
    log::bounded(log::Level::warning, "a pyramid is removed",
                 {{"file", path}, {"error", read.error().text()}});
    (void)posix::unlink_at(AT_FDCWD, path);
    return nullptr;
  }
  // The oldest are removed first.
  (void)::futimens(file->fd_.get(), nullptr);
  return file;
}

Result<void> PyramidFile::read_index(const std::string& key) {
  TRY_ASSIGN(const struct stat st, posix::stat_fd(fd_.get()));
  if (st.st_uid != ::geteuid()) return damaged_pyramid("it is another user's");
  const auto size_bytes = static_cast<uint64_t>(st.st_size);
  PyramidHead head;
  TRY_ASSIGN(const size_t got,
             posix::read_at(fd_.get(), std::as_writable_bytes(std::span(&head, 1)), 0));
  const PyramidHead wanted = head_of(key, plan_);
  if (got != sizeof head || head.magic != wanted.magic || head.key != wanted.key ||
      head.tiles != wanted.tiles)
    return damaged_pyramid("it is one of another image");
  index_.resize(plan_.tiles());
  const auto index = std::as_writable_bytes(std::span(index_));
  if (!S_ISREG(st.st_mode) || index.size() > size_bytes ||
      head.index_offset_bytes > size_bytes - index.size())
    return damaged_pyramid("it is truncated");
  TRY_ASSIGN(const size_t read, posix::read_at(fd_.get(), index, head.index_offset_bytes));
  if (read != index.size() || checksum(index).low != head.index_check)
    return damaged_pyramid("the checksum of its index is wrong");
  return {};
}

Result<void> PyramidFile::read(const Region& region, std::span<std::byte> voxels) const {
  const auto read = read_tiles(region, voxels);
  if (!read && !is_damaged_.exchange(true)) {
    log::bounded(log::Level::warning, "a pyramid is removed",
                 {{"file", path_}, {"error", read.error().text()}});
    (void)posix::unlink_at(AT_FDCWD, path_);
  }
  return read;
}

Result<void> PyramidFile::read_tiles(const Region& region, std::span<std::byte> voxels) const {
  const uint64_t bytes = formats::bytes_of(plan_.type());
  const formats::Grid& grid = plan_.grid_of(region.level);
  const Shape steps = formats::dense_strides(region.shape());
  std::vector<std::byte> tile;
  return grid.for_each(region, [&](const Shape& at) -> Result<void> {
    const Region held = grid.region_of(region.level, at);
    const Region part = intersect(held, region);
    tile.resize(held.shape().voxels() * bytes);
    TRY(read_tile(fd_.get(), index_[plan_.number_of(region.level, at)], tile));
    const uint64_t plane = (part.t.begin - region.t.begin) * steps.t +
                           (part.c.begin - region.c.begin) * steps.c +
                           (part.z.begin - region.z.begin) * steps.z;
    for (uint64_t y = part.y.begin; y < part.y.end; ++y) {
      const uint64_t from = (y - held.y.begin) * held.x.size() + (part.x.begin - held.x.begin);
      const uint64_t to = plane + (y - region.y.begin) * steps.y + (part.x.begin - region.x.begin);
      std::memcpy(voxels.data() + to * bytes, tile.data() + from * bytes, part.x.size() * bytes);
    }
    return {};
  });
}

}  // namespace tierhub::hub
