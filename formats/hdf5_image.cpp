#include "formats/hdf5_image.h"

#include <algorithm>
#include <list>

#include <fmt/format.h>

#include "common/guarded.h"
#include "formats/hdf5_content.h"
#include "formats/hdf5_file.h"

namespace tierhub::formats {
namespace {

constexpr uint64_t kMaxVoxels = uint64_t{1} << 56;
constexpr size_t kKnownDatasets = 64;
constexpr size_t kLookedUpAtOnce = 256;

bool is_possible(const Shape& shape) {
  return bounded_product({shape.t, shape.c, shape.z, shape.y, shape.x}, kMaxVoxels).has_value();
}

bool agree(const Hdf5Layout& a, const Hdf5Layout& b) {
  return a.sizes == b.sizes && a.chunks == b.chunks && a.chunked == b.chunked &&
         a.coding.type == b.coding.type && a.coding.number == b.coding.number &&
         a.fill_value == b.fill_value && b.not_decodable == a.not_decodable;
}

class Hdf5Image : public Image {
 public:
  Hdf5Image(std::shared_ptr<const NotedTree> tree, std::unique_ptr<Hdf5File> file,
            Hdf5Content content)
      : Image(std::move(tree)), file_(std::move(file)), content_(std::move(content)) {}

  const ImageInfo& info() const override { return info_; }

  Result<void> read() {
    info_.path = files().path();
    info_.format = content_.format;
    info_.channels = content_.channels;
    info_.voxel_unit = content_.voxel_unit;
    info_.z_assumed = content_.z_assumed;
    for (Level& level : content_.levels) TRY(add_level(level));
    const Shape& shape = info_.levels.front().shape;
    for (const Axis axis : {Axis::t, Axis::c, Axis::z, Axis::y, Axis::x}) {
      const bool stored = std::count(content_.axes.begin(), content_.axes.end(), axis) > 0;
      if (stored || shape.along(axis) > 1) info_.axes.push_back(axis);
    }
    return {};
  }

  // After all metadata has been read.
  Result<void> check() const { return file_->check(); }

  // Looks up the places of several chunks of a dataset at once.
  Result<void> for_each_chunk(const Region& region, const UseChunk& use) const override {
    TRY(check_region(info_, region));
    const Level& level = info_.levels[region.level];
    const Grid grid{level.shape, level.chunk};
    std::shared_ptr<const Hdf5Dataset> dataset;
    std::vector<Chunk> waiting;
    const auto use_waiting = [&]() -> Result<void> {
      if (waiting.empty()) return {};
      TRY(set_places(*dataset, waiting));
      for (const Chunk& chunk : waiting) TRY(use(chunk));
      waiting.clear();
      return {};
    };
    const auto wait = [&](const Shape& at) -> Result<void> {
      Chunk chunk;
      chunk.region = grid.region_of(region.level, at);
      chunk.index = grid.index_of(at);
      TRY_ASSIGN(auto next, dataset_of(region.level, chunk.region.t.begin, chunk.region.c.begin));
      if (next != dataset || waiting.size() == kLookedUpAtOnce) TRY(use_waiting());
      dataset = std::move(next);
      waiting.push_back(std::move(chunk));
      return {};
    };
    TRY(grid.for_each(region, wait));
    return use_waiting();
  }

 private:
  // `level` becomes the next one.
  Result<void> add_level(Level& level) {
    const uint64_t number = info_.levels.size();
    TRY_ASSIGN(const auto dataset, file_->dataset(content_.path_of(number, 0, 0)));
    const Hdf5Layout& layout = dataset->layout();
    if (!is_possible(level.shape)) {
      return Error(std::errc::invalid_argument,
                   fmt::format("{} is damaged: the size of level {} is empty or impossibly large",
                               info_.path, number));
    }
    for (size_t i = 0; i < content_.axes.size(); ++i)
      level.chunk.along(content_.axes[i]) = layout.chunks[i];
    level.compressor = layout.compressor;
    level.fill_value = layout.fill_value;
    PixelType type = layout.coding.type;
    if (content_.int16_is_unsigned && type == PixelType::int16) type = PixelType::uint16;
    if (number == 0) {
      info_.type = type;
      info_.type_name = type == layout.coding.type ? layout.type_name : std::string(to_text(type));
    } else if (type != info_.type) {
      info_.not_decodable = fmt::format("level {} has pixels of another type", number);
    }
    if (layout.not_decodable && !info_.not_decodable) info_.not_decodable = layout.not_decodable;
    info_.levels.push_back(level);
    layouts_.push_back(layout);
    return {};
  }

  // Asks for it, unless it is one of those that were used last.
  Result<std::shared_ptr<const Hdf5Dataset>> dataset_of(uint64_t level, uint64_t t,
                                                        uint64_t c) const {
    using Dataset = std::shared_ptr<const Hdf5Dataset>;
    const std::string path = content_.path_of(level, t, c);
    const auto known = datasets_.with([&](auto& datasets) -> Dataset {
      for (auto it = datasets.begin(); it != datasets.end(); ++it) {
        if ((*it)->path() != path) continue;
        datasets.splice(datasets.begin(), datasets, it);
        return datasets.front();
      }
      return nullptr;
    });
    if (known) return known;
    TRY_ASSIGN(const Dataset dataset, file_->dataset(path));
    if (!agree(dataset->layout(), layouts_[level])) {
      return Error(
          std::errc::not_supported,
          fmt::format("{}: {} has another shape, type or fill value than the rest of level "
                      "{}, which is not supported",
                      info_.path, path, level));
    }
    datasets_.with([&](auto& datasets) {
      datasets.push_front(dataset);
      if (datasets.size() <= kKnownDatasets) return;
      datasets.pop_back();
    });
    return dataset;
  }

  Result<void> set_places(const Hdf5Dataset& dataset, std::vector<Chunk>& chunks) const {
    std::vector<std::vector<uint64_t>> firsts;
    for (const Chunk& chunk : chunks) {
      const Region& region = chunk.region;
      const Shape begin{region.t.begin, region.c.begin, region.z.begin, region.y.begin,
                        region.x.begin};
      std::vector<uint64_t>& first = firsts.emplace_back();
      for (const Axis axis : content_.axes) first.push_back(begin.along(axis));
    }
    TRY_ASSIGN(auto places, dataset.places_of(firsts));
    for (size_t i = 0; i < chunks.size(); ++i) {
      chunks[i].bytes = std::move(places[i].bytes);
      chunks[i].coding = std::move(places[i].coding);
      set_strides(dataset.layout(), firsts[i], chunks[i]);
    }
    return {};
  }

  void set_strides(const Hdf5Layout& layout, const std::vector<uint64_t>& first,
                   Chunk& chunk) const {
    uint64_t stride = 1;
    for (size_t i = first.size(); i-- > 0;) {
      const uint64_t size = layout.chunked ? layout.chunks[i]
                                           : std::min(layout.chunks[i], layout.sizes[i] - first[i]);
      chunk.stored.along(content_.axes[i]) = size;
      chunk.stride.along(content_.axes[i]) = stride;
      stride *= size;
    }
  }

  const std::unique_ptr<Hdf5File> file_;
  Hdf5Content content_;
  ImageInfo info_;
  std::vector<Hdf5Layout> layouts_;  // of the datasets of each level
  // Those that were used last.
  mutable Guarded<std::list<std::shared_ptr<const Hdf5Dataset>>> datasets_;
};

Result<Hdf5Content> find_content(const Hdf5File& file) {
  TRY_ASSIGN(auto imaris, find_imaris(file));
  if (imaris) return *std::move(imaris);
  TRY_ASSIGN(auto viewer, find_big_data_viewer(file));
  if (viewer) return *std::move(viewer);
  return find_only_array(file);
}

}  // namespace

bool is_hdf5_header(std::string_view head) {
  constexpr std::string_view kSignature = "\x89HDF\r\n\x1A\n";
  constexpr size_t kUserBlockBytes = 512;
  return head.starts_with(kSignature) ||
         (head.size() >= kUserBlockBytes && head.substr(kUserBlockBytes).starts_with(kSignature));
}

Result<std::unique_ptr<Image>> open_hdf5(std::shared_ptr<const NotedTree> tree) {
  TRY_ASSIGN(auto file, Hdf5File::open(tree));
  TRY_ASSIGN(Hdf5Content content, find_content(*file));
  auto image = std::make_unique<Hdf5Image>(std::move(tree), std::move(file), std::move(content));
  TRY(image->read());
  TRY(image->check());
  return image;
}

}  // namespace tierhub::formats
