#include "formats/tiff.h"

#include <algorithm>
#include <cmath>
#include <list>
#include <map>
#include <optional>
#include <utility>
#include <vector>

#include <fmt/format.h>

#include "common/guarded.h"
#include "formats/ome_xml.h"
#include "formats/picture.h"
#include "formats/slide.h"
#include "formats/tiff_description.h"
#include "formats/tiff_directory.h"
#include "formats/tiff_page.h"

namespace tierhub::formats {
namespace {

constexpr size_t kMaxTiffLevels = 64;
constexpr size_t kMaxFiles = 100'000;
constexpr uint64_t kMaxCompanionBytes = 64u << 20;
// Strips and tiles whose places are remembered.
constexpr size_t kRememberedChunks = 4u << 20;

// A page: the directory at an offset of a file of the image.
struct PlaneAt {
  uint32_t file = 0;
  uint32_t page = 0;
  bool stored = false;
};

// The files of an image, and where their pages are. Each is read when it is needed.
class TiffFiles {
 public:
  explicit TiffFiles(std::shared_ptr<const NotedTree> tree) : tree_(std::move(tree)) {}

  // The number of the file of this name.
  Result<uint32_t> add(const std::string& name) {
    const auto known = numbers_.find(name);
    if (known != numbers_.end()) return known->second;
    if (names_.size() == kMaxFiles)
      return Error(std::errc::not_supported, tree_->path() + " names too many files");
    const auto number = static_cast<uint32_t>(names_.size());
    names_.push_back(name);
    numbers_.emplace(name, number);
    return number;
  }

  // The pages of a file, without smaller copies, in the order of the file.
  struct Pages {
    TiffFile file;
    std::vector<uint64_t> offsets;
    std::vector<TiffDirectory> reduced;  // the smaller copies
    TiffDirectory first;
    TiffDirectory described;  // the first, whether it is a smaller copy or not
  };
  Result<std::shared_ptr<const Pages>> pages_of(uint32_t file) const {
    const auto known = known_.with([&](auto& all) -> std::shared_ptr<const Pages> {
      const auto found = all.find(file);
      return found == all.end() ? nullptr : found->second;
    });
    if (known) return known;
    TRY_ASSIGN(auto pages, read(names_[file]));
    known_.with([&](auto& all) { all.emplace(file, pages); });
    return pages;
  }

  const std::string& name_of(uint32_t file) const { return names_[file]; }
  const std::vector<std::string>& names() const { return names_; }

 private:
  Result<std::shared_ptr<const Pages>> read(const std::string& name) const {
    constexpr size_t kMaxReduced = 1000;
    TRY_ASSIGN(TiffFile file, TiffFile::open(*tree_, name));
    auto pages = std::make_shared<Pages>(Pages{file, {}, {}, {}, {}});
    bool any = false;
    TRY(file.for_each_directory([&](TiffDirectory page) -> Result<void> {
      if (!any) pages->described = page;
      any = true;
      if (page.reduced && !pages->offsets.empty()) {
        if (pages->reduced.size() < kMaxReduced) pages->reduced.push_back(std::move(page));
        return {};
      }
      if (pages->offsets.empty()) {
        pages->first = page;
      } else if (!is_like(page, pages->first)) {
        // Scanners of slides do not mark the smaller copies.
        if (!is_pyramid_of(pages->first, page, pages->offsets.size())) return differ();
        pages->reduced.push_back(std::move(page));
        return {};
      } else if (!pages->reduced.empty() && pages->first.tiled() &&
                 !pages->reduced.front().reduced) {
        return differ();
      }
      pages->offsets.push_back(page.offset_bytes);
      return {};
    }));
    return std::shared_ptr<const Pages>(std::move(pages));
  }

  Error differ() const {
    return Error(std::errc::not_supported,
                 tree_->path() + ": its pages differ in size or type, so they are not one stack");
  }

  static bool is_like(const TiffDirectory& page, const TiffDirectory& first) {
    return page.width == first.width && page.height == first.height && page.bits == first.bits &&
           page.samples == first.samples && page.sample_format == first.sample_format &&
           page.photometric == first.photometric && page.planar == first.planar;
  }
  static bool is_pyramid_of(const TiffDirectory& first, const TiffDirectory& page, size_t pages) {
    return first.tiled() && pages == 1 && page.width <= first.width && page.height <= first.height;
  }

  const std::shared_ptr<const NotedTree> tree_;
  std::vector<std::string> names_;
  std::map<std::string, uint32_t> numbers_;
  mutable Guarded<std::map<uint32_t, std::shared_ptr<const Pages>>> known_;
};

class TiffImage : public Image {
 public:
  explicit TiffImage(std::shared_ptr<const NotedTree> tree) : Image(tree), files_(tree) {}

  const ImageInfo& info() const override { return info_; }
  std::vector<std::string> members() const override {
    return files_.names().size() > 1 ? files_.names() : std::vector<std::string>();
  }

  Result<void> for_each_chunk(const Region& region, const UseChunk& use) const override {
    TRY(check_region(info_, region));
    Region place;
    place.level = region.level;
    const uint64_t pages_c = info_.levels[region.level].shape.c / pixels_.channels;
    for (uint64_t t = region.t.begin; t < region.t.end; ++t) {
      for (uint64_t c = region.c.begin / pixels_.channels; c * pixels_.channels < region.c.end;
           ++c) {
        place.c = {c * pixels_.channels, (c + 1) * pixels_.channels};
        Region part = region;
        part.c = intersect_channels(region.c, place.c);
        for (uint64_t z = region.z.begin; z < region.z.end; ++z) {
          place.t = {t, t + 1};
          place.z = {z, z + 1};
          TRY(for_each_chunk_of_plane(part, place, (t * pages_c + c) * z_count() + z, use));
        }
      }
    }
    return {};
  }

  // Known after read(), even if that has failed.
  bool needs_openslide() const { return is_slide_; }

  Result<void> read() {
    info_.path = tree().path();
    info_.format = "TIFF";
    TRY_ASSIGN(const uint32_t own, files_.add(tree().file()));
    TRY_ASSIGN(const auto pages, files_.pages_of(own));
    set_pixels(pages->first);
    is_slide_ = is_slide(pages->described);
    for (const std::string& text : pages->described.descriptions) {
      if (is_ome_xml(text)) return read_ome(text, *pages);
    }
    TRY_ASSIGN(TiffLayout layout,
               read_tiff_layout(pages->described, pages->offsets.size(), info_.path));
    order_ = layout.order;
    t_ = layout.t;
    c_ = layout.c;
    z_ = layout.z;
    info_.z_assumed = layout.z_assumed;
    info_.channels = std::move(layout.channels);
    info_.voxel_unit = std::move(layout.unit);
    TRY(set_levels(*pages, layout.voxel_size));
    return layout.contiguous ? set_contiguous(*pages) : Result<void>();
  }

 private:
  uint64_t z_count() const { return z_; }
  // Channels of one page.
  static AxisRange intersect_channels(const AxisRange& wanted, const AxisRange& page) {
    return {std::max(wanted.begin, page.begin) - page.begin,
            std::min(wanted.end, page.end) - page.begin};
  }

  // Their levels do not follow from the sizes of their pages, or their tiles overlap.
  bool is_slide(const TiffDirectory& page) const {
    if (page.software.starts_with("Philips") || page.software.starts_with("MedScan")) return true;
    return info_.not_decodable && !page.descriptions.empty() &&
           page.descriptions.front().starts_with("Aperio");
  }

  void set_pixels(const TiffDirectory& page) {
    pixels_ = tiff_pixels(page);
    info_.type = pixels_.type;
    info_.type_name = pixels_.type_name;
    info_.not_decodable = pixels_.not_decodable;
  }

  // With t_, c_ and z_: the axes and the levels.
  Result<void> set_levels(const TiffFiles::Pages& pages,
                          const std::optional<VoxelSize>& voxel_size) {
    const uint64_t channels = c_ * pixels_.channels;
    if (t_ > 1) info_.axes.push_back(Axis::t);
    if (channels > 1) info_.axes.push_back(Axis::c);
    if (z_ > 1) info_.axes.push_back(Axis::z);
    info_.axes.insert(info_.axes.end(), {Axis::y, Axis::x});
    if (info_.channels.size() != channels)
      info_.channels = c_ == 1 ? colour_channels(channels) : std::vector<Channel>();
    TRY(add_level(pages.file, pages.first, voxel_size));
    if (pages.first.sub_directories.count > 0) {
      TRY_ASSIGN(const auto offsets,
                 pages.file.numbers(pages.first.sub_directories, kMaxTiffLevels));
      for (const uint64_t offset : offsets) {
        uint64_t next = 0;
        TRY_ASSIGN(const TiffDirectory page, pages.file.read_directory(offset, next));
        if (!is_smaller_copy(pages.first, page)) break;
        TRY(add_level(pages.file, page, voxel_size));
        level_pages_.push_back(std::nullopt);
      }
    } else if (t_ * c_ * z_ == 1 && pages.first.tiled()) {
      for (const TiffDirectory& page : pages.reduced) {
        if (!page.tiled() || !is_smaller_copy(pages.first, page)) continue;
        TRY(add_level(pages.file, page, voxel_size));
        level_pages_.push_back(page.offset_bytes);
      }
    }
    return {};
  }

  // The same picture with the same kind of pixels, and smaller than the last level.
  bool is_smaller_copy(const TiffDirectory& first, const TiffDirectory& page) const {
    const Shape& last = info_.levels.back().shape;
    if (page.width == 0 || page.height == 0 || page.width >= last.x || page.height > last.y)
      return false;
    const TiffPixels pixels = tiff_pixels(page);
    const double wide = static_cast<double>(first.width) / static_cast<double>(page.width);
    const double high = static_cast<double>(first.height) / static_cast<double>(page.height);
    // Sizes are rounded.
    const double slack = 1.0 / static_cast<double>(std::min(page.width, page.height)) + 0.01;
    return pixels.type == pixels_.type && pixels.channels == pixels_.channels &&
           std::abs(wide / high - 1) < slack && info_.levels.size() < kMaxTiffLevels;
  }

  Result<void> add_level(const TiffFile& file, const TiffDirectory& directory,
                         const std::optional<VoxelSize>& voxel_size) {
    TRY_ASSIGN(const auto page, TiffPage::open(file, directory));
    Level level;
    level.shape = {t_, c_ * pixels_.channels, z_, directory.height, directory.width};
    level.chunk = page->chunk();
    level.compressor = tiff_pixels(directory).compressor;
    level.voxel_size_known = voxel_size.has_value();
    level.voxel_size = voxel_size.value_or(VoxelSize{});
    if (!info_.levels.empty()) {
      const Shape& finest = info_.levels.front().shape;
      level.voxel_size.y *= static_cast<double>(finest.y) / static_cast<double>(level.shape.y);
      level.voxel_size.x *= static_cast<double>(finest.x) / static_cast<double>(level.shape.x);
    }
    info_.levels.push_back(std::move(level));
    return {};
  }

  // The planes follow the first one without directories of their own.
  Result<void> set_contiguous(const TiffFiles::Pages& pages) {
    TRY_ASSIGN(const auto page, TiffPage::open(pages.file, pages.first));
    const auto begin = page->contiguous_at();
    const ArrayCoding* coding = std::get_if<ArrayCoding>(page->coding().get());
    if (!begin || coding == nullptr) {
      return Error(std::errc::not_supported,
                   fmt::format("{} describes {} planes behind a single directory, but the first is "
                               "compressed or in pieces",
                               info_.path, t_ * c_ * z_));
    }
    const Shape& shape = info_.levels.front().shape;
    plane_bytes_ = pixels_.channels * shape.y * shape.x * coding->stored_bytes();
    uint64_t needed = 0;
    if (__builtin_mul_overflow(plane_bytes_, t_ * c_ * z_, &needed) ||
        needed > pages.file.file_bytes() - *begin) {
      return Error(std::errc::invalid_argument,
                   fmt::format("{} is truncated: it describes {} planes, but has fewer", info_.path,
                               t_ * c_ * z_));
    }
    contiguous_at_ = begin;
    return {};
  }

  Result<void> read_ome(const std::string& text, const TiffFiles::Pages& own) {
    TRY_ASSIGN(OmeXml xml, parse_ome_xml(text, info_.path));
    info_.format = "OME-TIFF";
    if (xml.images.empty() && !xml.metadata_file.empty()) {
      TRY_ASSIGN(const auto elsewhere, tree().read_small(xml.metadata_file, kMaxCompanionBytes));
      if (!elsewhere) {
        return Error(std::errc::no_such_file_or_directory,
                     fmt::format("{} is described by {}, which does not exist", info_.path,
                                 xml.metadata_file));
      }
      TRY_ASSIGN(xml, parse_ome_xml(*elsewhere, xml.metadata_file));
    }
    TRY_ASSIGN(const OmeImage image, only_image(std::move(xml), own.first));
    order_ = image.order;
    t_ = image.t;
    z_ = image.z;
    // The colours inside a pixel are counted too, though they are no pages.
    const bool has_colours = pixels_.channels > 1 && image.c % pixels_.channels == 0;
    c_ = has_colours ? image.c / pixels_.channels : image.c;
    if (!has_colours && pixels_.channels > 1 && image.c != 1) return contradiction("channels");
    info_.channels = image.channels;
    info_.voxel_unit = image.unit;
    TRY(set_planes(image, own));
    return set_levels(own, image.voxel_size);
  }

  Error contradiction(std::string_view what) const {
    return Error(std::errc::not_supported,
                 fmt::format("{}: its OME-XML and its pages contradict each other in their {}",
                             info_.path, what));
  }

  // The image whose planes the pages are. Labels and overviews of slides have another size.
  Result<OmeImage> only_image(OmeXml xml, const TiffDirectory& first) const {
    std::vector<OmeImage> fitting;
    for (OmeImage& image : xml.images) {
      const bool says_nothing = image.x == 0 || image.y == 0;
      if (says_nothing || (image.x == first.width && image.y == first.height))
        fitting.push_back(std::move(image));
    }
    if (fitting.empty()) return contradiction("size");
    // The positions of a microscope: each has a file of its own, and all files describe all of them.
    if (fitting.size() > 1)
      std::erase_if(fitting, [&](const OmeImage& image) { return !is_stored_here(image); });
    if (fitting.size() == 1) return std::move(fitting.front());
    if (fitting.empty()) return contradiction("files");
    return Error(std::errc::not_supported,
                 fmt::format("{} holds {} images, which is not supported: convert it to OME-Zarr, "
                             "for example with bioformats2raw, and name one of them",
                             info_.path, fitting.size()));
  }

  // True if planes of the image are in the file that was opened.
  bool is_stored_here(const OmeImage& image) const {
    return image.planes.empty() ||
           std::any_of(image.planes.begin(), image.planes.end(), [&](const OmePlanes& part) {
             return part.file.empty() || part.file == tree().file();
           });
  }

  Result<void> set_planes(const OmeImage& image, const TiffFiles::Pages& own) {
    const uint64_t planes = t_ * c_ * z_;
    if (t_ > kMaxTiffPages || c_ > kMaxTiffPages || z_ > kMaxTiffPages || planes > kMaxTiffPages)
      return contradiction("number of planes");
    planes_.resize(planes);
    std::vector<OmePlanes> parts = image.planes;
    if (parts.empty()) parts.push_back({});
    for (const OmePlanes& part : parts) TRY(add_planes(part, own));
    // An acquisition that was stopped lacks planes. Pages that belong nowhere are another matter.
    std::vector<bool> used(own.offsets.size());
    for (const PlaneAt& plane : planes_) {
      if (plane.stored && plane.file == 0 && plane.page < used.size()) used[plane.page] = true;
    }
    if (std::find(used.begin(), used.end(), false) == used.end()) return {};
    return Error(
        std::errc::not_supported,
        fmt::format("{} has {} pages, but its OME-XML describes {} planes and does not say "
                    "where all of them are",
                    info_.path, own.offsets.size(), planes));
  }

  Result<void> add_planes(const OmePlanes& part, const TiffFiles::Pages& own) {
    TRY_ASSIGN(const uint32_t file, files_.add(part.file.empty() ? tree().file() : part.file));
    const uint64_t first_c = part.c / (c_ * pixels_.channels > c_ ? pixels_.channels : 1);
    if (part.t >= t_ || first_c >= c_ || part.z >= z_) return contradiction("planes");
    uint64_t at = part.t * step('T') + first_c * step('C') + part.z * step('Z');
    const bool is_own = part.file.empty() || part.file == tree().file();
    uint64_t count = part.count.value_or(is_own ? own.offsets.size() : 1);
    if (!part.count) count = std::min(count, planes_.size() - at);
    if (count > planes_.size() - at || part.page > kMaxTiffPages) return contradiction("planes");
    for (uint64_t i = 0; i < count; ++i, ++at) {
      const PlaneAt plane{file, static_cast<uint32_t>(part.page + i), true};
      if (is_own && plane.page >= own.offsets.size()) return contradiction("number of pages");
      planes_[index_in_order(at)] = plane;
    }
    return {};
  }

  // How far apart in the order of the file neighbours on an axis are.
  uint64_t step(char axis) const {
    uint64_t pages = 1;
    for (const char faster : order_) {
      if (faster == axis) break;
      pages *= faster == 'Z' ? z_ : faster == 'C' ? c_ : t_;
    }
    return pages;
  }
  // The index in t, c, z order of the plane that is number `at` in the order of the file.
  uint64_t index_in_order(uint64_t at) const {
    const uint64_t t = at / step('T') % t_, c = at / step('C') % c_, z = at / step('Z') % z_;
    return (t * c_ + c) * z_ + z;
  }
  // The page of a plane that nothing is said about.
  uint64_t page_of(uint64_t plane) const {
    const uint64_t z = plane % z_, c = plane / z_ % c_, t = plane / z_ / c_;
    return t * step('T') + c * step('C') + z * step('Z');
  }

  Result<void> for_each_chunk_of_plane(const Region& part, const Region& place, uint64_t plane,
                                       const UseChunk& use) const {
    if (contiguous_at_) return for_each_contiguous(part, place, plane, use);
    TRY_ASSIGN(const auto page, page_at(plane, place.level));
    return page->for_each_chunk(part, place, plane * page->chunks(), use);
  }

  Result<void> for_each_contiguous(const Region& part, const Region& place, uint64_t plane,
                                   const UseChunk& use) const {
    TRY_ASSIGN(const auto page, page_at(0, 0));
    const uint64_t moved_bytes = page_of(plane) * plane_bytes_;
    return page->for_each_chunk(part, place, plane * page->chunks(), [&](const Chunk& first) {
      Chunk chunk = first;
      for (FileRange& range : chunk.bytes) range.offset_bytes += moved_bytes;
      return use(chunk);
    });
  }

  // The page of plane `plane` (in t, c, z order) at a level.
  Result<std::shared_ptr<const TiffPage>> page_at(uint64_t plane, uint64_t level) const {
    const std::pair<uint64_t, uint64_t> key{plane, level};
    const auto known = remembered_.with([&](Remembered& all) -> std::shared_ptr<const TiffPage> {
      for (auto it = all.pages.begin(); it != all.pages.end(); ++it) {
        if (it->first != key) continue;
        all.pages.splice(all.pages.begin(), all.pages, it);
        return it->second;
      }
      return nullptr;
    });
    if (known) return known;
    TRY_ASSIGN(auto page, read_page(plane, level));
    remembered_.with([&](Remembered& all) {
      constexpr size_t kMostPages = 64;
      all.pages.emplace_front(key, page);
      all.weight += page->weight();
      while (all.pages.size() > 1 &&
             (all.weight > kRememberedChunks || all.pages.size() > kMostPages)) {
        all.weight -= all.pages.back().second->weight();
        all.pages.pop_back();
      }
    });
    return page;
  }

  Result<std::shared_ptr<const TiffPage>> read_page(uint64_t plane, uint64_t level) const {
    const PlaneAt at =
        planes_.empty() ? PlaneAt{0, static_cast<uint32_t>(page_of(plane)), true} : planes_[plane];
    if (!at.stored) {
      return Error(
          std::errc::invalid_argument,
          fmt::format("{} lacks the plane t {}, c {}, z {}: its OME-XML does not say where it "
                      "is stored",
                      info_.path, plane / z_ / c_, plane / z_ % c_, plane % z_));
    }
    TRY_ASSIGN(const auto pages, files_.pages_of(at.file));
    if (at.page >= pages->offsets.size()) {
      return Error(std::errc::invalid_argument,
                   fmt::format("{} has {} pages, but the image needs page {} of it",
                               files_.name_of(at.file), pages->offsets.size(), at.page));
    }
    uint64_t next = 0;
    uint64_t offset = pages->offsets[at.page];
    if (level > 0 && level_pages_[level - 1]) offset = *level_pages_[level - 1];
    TRY_ASSIGN(TiffDirectory directory, pages->file.read_directory(offset, next));
    if (level > 0 && !level_pages_[level - 1]) {
      TRY_ASSIGN(const auto offsets,
                 pages->file.numbers(directory.sub_directories, kMaxTiffLevels));
      if (level > offsets.size()) return contradiction("levels");
      TRY_ASSIGN(directory, pages->file.read_directory(offsets[level - 1], next));
    }
    const Shape& shape = info_.levels[level].shape;
    const TiffPixels pixels = tiff_pixels(directory);
    if (directory.width != shape.x || directory.height != shape.y || pixels.type != pixels_.type ||
        pixels.channels != pixels_.channels || pixels.apart != pixels_.apart) {
      return Error(std::errc::invalid_argument,
                   fmt::format("page {} of {} has another size or type than the image", at.page,
                               files_.name_of(at.file)));
    }
    if (pixels.not_decodable && !info_.not_decodable) {
      return Error(std::errc::not_supported,
                   fmt::format("{}: {}", files_.name_of(at.file), *pixels.not_decodable));
    }
    return TiffPage::open(pages->file, directory);
  }

  TiffFiles files_;
  bool is_slide_ = false;
  ImageInfo info_;
  TiffPixels pixels_;
  uint64_t t_ = 1;
  uint64_t c_ = 1;  // pages; each has pixels_.channels
  uint64_t z_ = 1;
  std::string order_ = "ZCT";
  std::vector<PlaneAt> planes_;  // in t, c, z order; empty: in order_ in the file itself
  // Of each level but the first: its page, or nothing if it is a sub-directory of each page.
  std::vector<std::optional<uint64_t>> level_pages_;
  std::optional<uint64_t> contiguous_at_;
  uint64_t plane_bytes_ = 0;

  using PageOf = std::pair<std::pair<uint64_t, uint64_t>, std::shared_ptr<const TiffPage>>;
  struct Remembered {
    std::list<PageOf> pages;
    size_t weight = 0;
  };
  mutable Guarded<Remembered> remembered_;
};

}  // namespace

bool is_tiff_header(std::string_view head) {
  using namespace std::string_view_literals;
  return head.starts_with("II*\0"sv) || head.starts_with("MM\0*"sv) ||
         head.starts_with("II+\0"sv) || head.starts_with("MM\0+"sv);
}

Result<std::unique_ptr<Image>> open_tiff(std::shared_ptr<const NotedTree> tree) {
  auto image = std::make_unique<TiffImage>(tree);
  auto read = image->read();
  if (image->needs_openslide()) return open_slide(std::move(tree));
  TRY(std::move(read));
  return image;
}

}  // namespace tierhub::formats
