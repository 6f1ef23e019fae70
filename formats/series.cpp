#include "formats/series.h"

#include <algorithm>
#include <initializer_list>
#include <list>
#include <map>
#include <string_view>
#include <utility>

#include <fmt/format.h>

#include "common/guarded.h"

namespace tierhub::formats {
namespace {

// One file of a folder, as if it had been opened alone.
class MemberTree : public FileTree {
 public:
  MemberTree(std::shared_ptr<const FileTree> folder, std::string name)
      : folder_(std::move(folder)), path_(folder_->path() + "/" + name), name_(std::move(name)) {}

  const std::string& path() const override { return path_; }
  const std::string& file() const override { return name_; }
  Result<std::optional<uint64_t>> size_of(const std::string& path) const override {
    return folder_->size_of(path);
  }
  Result<size_t> read_at(const std::string& path, std::span<std::byte> buffer,
                         uint64_t offset_bytes) const override {
    return folder_->read_at(path, buffer, offset_bytes);
  }
  Result<std::vector<std::string>> list(const std::string& folder) const override {
    return folder_->list(folder);
  }
  Result<void> prepare(const std::vector<std::string>& paths) const override {
    return folder_->prepare(paths);
  }
  bool follows_changes() const override { return folder_->follows_changes(); }
  Result<std::vector<FileStamp>> stamps_of(const std::vector<std::string>& paths) const override {
    return folder_->stamps_of(paths);
  }
  Result<bool> read_whole(const std::string& path, uint64_t limit_bytes,
                          std::string& into) const override {
    return folder_->read_whole(path, limit_bytes, into);
  }

 private:
  const std::shared_ptr<const FileTree> folder_;
  const std::string path_;
  const std::string name_;
};

std::string shape_words(const ImageInfo& info) {
  std::string text;
  for (const Axis axis : info.axes)
    text += fmt::format("{} {}, ", to_letter(axis), info.levels.front().shape.along(axis));
  return text + info.type_name;
}

bool is_one_of(std::string_view text, std::initializer_list<std::string_view> all) {
  return std::find(all.begin(), all.end(), text) != all.end();
}

bool are_alike(const Level& a, const Level& b) {
  return a.shape == b.shape && a.fill_value == b.fill_value;
}

class SeriesImage : public Image {
 public:
  SeriesImage(std::shared_ptr<const NotedTree> tree, SeriesFiles files)
      : Image(tree), folder_(std::move(tree)), files_(std::move(files)) {}

  const ImageInfo& info() const override { return info_; }
  std::vector<std::string> members() const override { return files_.names; }

  Result<void> read() {
    if (!files_.missing.empty()) {
      return Error(
          std::errc::no_such_file_or_directory,
          fmt::format("{}: the series {} lacks {}", tree().path(), files_.pattern, files_.missing));
    }
    TRY_ASSIGN(const std::shared_ptr<const Image> first, open_member(0));
    first_ = first->info();
    TRY(check_alone(*first, files_.names.front()));
    remember(0, first);
    info_ = first_;
    info_.path = tree().path();
    info_.format = first_.format + " series";
    info_.series = files_.pattern;
    info_.files = files_.names.size();
    for (Level& level : info_.levels) {
      TRY(join(level.shape.t, files_.counts.t));
      TRY(join(level.shape.c, files_.counts.c));
      TRY(join(level.shape.z, files_.counts.z));
      TRY(check_volume(level.shape));
    }
    info_.axes.clear();
    for (const Axis axis : {Axis::t, Axis::c, Axis::z, Axis::y, Axis::x}) {
      if (first_.has_axis(axis) || files_.counts.along(axis) > 1) info_.axes.push_back(axis);
    }
    if (files_.counts.c > 1) info_.channels = channels();
    return {};
  }

  Result<void> for_each_chunk(const Region& region, const UseChunk& use) const override {
    TRY(check_region(info_, region));
    const Shape& own = first_.levels[region.level].shape;
    const AxisRange all_t = members_in(region.t, own.t), all_c = members_in(region.c, own.c),
                    all_z = members_in(region.z, own.z);
    // In t, c, z order.
    const uint64_t count = all_t.size() * all_c.size() * all_z.size();
    const auto place = [&](uint64_t i) {
      return Shape{all_t.begin + i / all_z.size() / all_c.size(),
                   all_c.begin + i / all_z.size() % all_c.size(), all_z.begin + i % all_z.size(), 0,
                   0};
    };
    uint64_t chunks = 0;
    for (uint64_t i = 0; i < count; ++i) {
      if (i % kPreparedAtOnce == 0) {
        std::vector<std::string> names;
        for (uint64_t next = i; next < std::min(count, i + kPreparedAtOnce); ++next)
          names.push_back(files_.names[member_number(place(next))]);
        TRY(tree().prepare(names));
      }
      const Shape at = place(i);
      TRY(for_each_chunk_of(member_number(at), {at.t * own.t, at.c * own.c, at.z * own.z, 0, 0},
                            region, chunks, use));
    }
    return {};
  }

 private:
  static constexpr uint64_t kPreparedAtOnce = 64;

  // Which members hold a range of an axis on which each has `size`.
  static AxisRange members_in(const AxisRange& range, uint64_t size) {
    return {range.begin / size, (range.end - 1) / size + 1};
  }
  // `at` counts members.
  uint64_t member_number(const Shape& at) const {
    return (at.t * files_.counts.c + at.c) * files_.counts.z + at.z;
  }
  static AxisRange moved(const AxisRange& range, uint64_t by) {
    return {range.begin + by, range.end + by};
  }
  // The part of `range` that lies in the `size` voxels from `begin` on, counted from there.
  static AxisRange part_in(const AxisRange& range, uint64_t begin, uint64_t size) {
    return {std::max(range.begin, begin) - begin, std::min(range.end, begin + size) - begin};
  }

  // `at` is where the member begins; `chunks` counts those of the whole call.
  Result<void> for_each_chunk_of(uint64_t member, const Shape& at, const Region& region,
                                 uint64_t& chunks, const UseChunk& use) const {
    const Shape& own = first_.levels[region.level].shape;
    Region part = region;
    part.t = part_in(region.t, at.t, own.t);
    part.c = part_in(region.c, at.c, own.c);
    part.z = part_in(region.z, at.z, own.z);
    TRY_ASSIGN(const auto image, member_at(member));
    TRY(image->for_each_chunk(part, [&](const Chunk& chunk) -> Result<void> {
      if (++chunks > kMaxChunks) {
        return Error(std::errc::argument_list_too_long,
                     fmt::format("the selection touches more than {} chunks: select less at once",
                                 kMaxChunks));
      }
      Chunk joined = chunk;
      joined.region.t = moved(chunk.region.t, at.t);
      joined.region.c = moved(chunk.region.c, at.c);
      joined.region.z = moved(chunk.region.z, at.z);
      // A member has at most as many chunks as voxels.
      joined.index = member * own.voxels() + chunk.index;
      return use(joined);
    }));
    remember(member, image);
    return {};
  }

  Error unlike(const std::string& name, const std::string& what) const {
    return Error(std::errc::invalid_argument,
                 fmt::format("{}/{} does not belong to the series {}: {}", tree().path(), name,
                             files_.pattern, what));
  }

  static Result<void> join(uint64_t& size, uint64_t count) {
    if (!__builtin_mul_overflow(size, count, &size)) return {};
    return Error(std::errc::invalid_argument, "the series is larger than any image can be");
  }
  static Result<void> check_volume(const Shape& shape) {
    uint64_t voxels = 1;
    for (const uint64_t size : {shape.t, shape.c, shape.z, shape.y, shape.x})
      TRY(join(voxels, size));
    return {};
  }

  // The colours of each file, or what the names of the files say.
  std::vector<Channel> channels() const {
    std::vector<Channel> channels;
    if (first_.levels.front().shape.c > 1) return channels;
    for (const std::string& name : files_.channels) channels.push_back({name, std::nullopt});
    return channels;
  }

  // A file that describes others is no member: it is the whole of another image.
  Result<void> check_alone(const Image& image, const std::string& name) const {
    if (image.members().empty()) return {};
    return Error(std::errc::not_supported,
                 fmt::format("{} is a folder, and its files are no series: each describes an image "
                             "of several files, so name one of them, such as {}/{}",
                             tree().path(), tree().path(), name));
  }

  Result<std::shared_ptr<const Image>> open_member(uint64_t member) const {
    TRY_ASSIGN(std::shared_ptr<const Image> image,
               Image::open(std::make_shared<const MemberTree>(folder_, files_.names[member])));
    return image;
  }

  Result<std::shared_ptr<const Image>> member_at(uint64_t member) const {
    auto known = remembered_.with([&](Remembered& all) -> std::shared_ptr<const Image> {
      const auto found = all.places.find(member);
      return found == all.places.end() ? nullptr : found->second->image;
    });
    if (known) return known;
    const std::string& name = files_.names[member];
    TRY_ASSIGN(std::shared_ptr<const Image> image, open_member(member));
    if (!image->members().empty()) return unlike(name, "it describes an image of several files");
    const ImageInfo& info = image->info();
    const bool same = info.type_name == first_.type_name && info.type == first_.type &&
                      std::equal(info.levels.begin(), info.levels.end(), first_.levels.begin(),
                                 first_.levels.end(), are_alike);
    if (!same)
      return unlike(name, fmt::format("it has {}, but the first file has {}", shape_words(info),
                                      shape_words(first_)));
    if (info.not_decodable && !first_.not_decodable) return unlike(name, *info.not_decodable);
    return image;
  }

  // Keeps what was read last; called after use, when it is known how much the member holds.
  void remember(uint64_t member, const std::shared_ptr<const Image>& image) const {
    constexpr size_t kMostMembers = 1024;
    constexpr uint64_t kMostBytes = 64u << 20;
    // An HDF5 image keeps a process.
    constexpr uint64_t kProcessBytes = 8u << 20;
    const bool has_process = !is_one_of(first_.format, {"TIFF", "OME-TIFF", "MRC", "PNG", "JPEG"});
    uint64_t bytes = has_process ? kProcessBytes : 0;
    for (const FileRange& range : image->metadata()) bytes += range.size_bytes;
    remembered_.with([&](Remembered& all) {
      const auto known = all.places.find(member);
      if (known != all.places.end()) all.forget(known->second);
      all.members.push_front({member, image, bytes});
      all.places[member] = all.members.begin();
      all.bytes += bytes;
      while (all.members.size() > 1 &&
             (all.members.size() > kMostMembers || all.bytes > kMostBytes))
        all.forget(std::prev(all.members.end()));
    });
  }

  const std::shared_ptr<const NotedTree> folder_;
  const SeriesFiles files_;
  ImageInfo first_;  // of the first member
  ImageInfo info_;

  struct Member {
    uint64_t number = 0;
    std::shared_ptr<const Image> image;
    uint64_t bytes = 0;  // of metadata
  };
  struct Remembered {
    std::list<Member> members;  // the last used first
    std::map<uint64_t, std::list<Member>::iterator> places;
    uint64_t bytes = 0;
    void forget(std::list<Member>::iterator member) {
      bytes -= member->bytes;
      places.erase(member->number);
      members.erase(member);
    }
  };
  mutable Guarded<Remembered> remembered_;
};

// A folder that is no series: why, and what to name instead.
Error not_one_series(const std::string& path, const FolderNames& names) {
  if (names.series.empty()) {
    return Error(std::errc::not_supported,
                 fmt::format("{} is a folder without Zarr metadata and without a numbered series "
                             "(a_t001.tif, a_t002.tif): name an OME-Zarr folder, a folder with one "
                             "series, or one image file",
                             path));
  }
  const std::string& other = names.others.empty() ? names.series[1].pattern : names.others.front();
  return Error(
      std::errc::not_supported,
      fmt::format("{} is a folder with several datasets, such as {} and {}: name one image "
                  "file, or move the series to a folder without other images",
                  path, names.series.front().pattern, other));
}

}  // namespace

Result<std::unique_ptr<Image>> open_series(std::shared_ptr<const NotedTree> tree) {
  TRY_ASSIGN(const std::vector<std::string> all, tree->list(""));
  FolderNames names = find_series(all);
  if (names.series.size() != 1 || !names.others.empty()) return not_one_series(tree->path(), names);
  return open_series(std::move(tree), std::move(names.series.front()));
}

Result<std::unique_ptr<Image>> open_series(std::shared_ptr<const NotedTree> tree,
                                           SeriesFiles files) {
  auto image = std::make_unique<SeriesImage>(std::move(tree), std::move(files));
  TRY(image->read());
  return image;
}

}  // namespace tierhub::formats
