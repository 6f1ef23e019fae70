#include "formats/slide.h"

#include <algorithm>
#include <array>
#include <cctype>
#include <string_view>

#include <fmt/format.h>

#include "formats/picture.h"
#include "formats/slide_file.h"

namespace tierhub::formats {
namespace {

constexpr uint64_t kColours = 3;
constexpr uint64_t kTile = 512;
constexpr uint64_t kMaxIndexBytes = 1u << 20;

std::string lower(std::string text) {
  for (char& c : text) c = static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
  return text;
}

// What is behind the last dot, in small letters.
std::string extension_of(const std::string& path) {
  const size_t dot = path.rfind('.');
  return dot == std::string::npos ? "" : lower(path.substr(dot));
}

class SlideImage : public Image {
 public:
  explicit SlideImage(std::shared_ptr<const NotedTree> tree)
      : Image(tree), tree_(std::move(tree)) {}

  const ImageInfo& info() const override { return info_; }
  std::vector<std::string> members() const override {
    std::vector<std::string> names;
    for (const FileRange& file : bytes_) names.push_back(file.path);
    return names.size() > 1 ? names : std::vector<std::string>();
  }

  Result<void> read() {
    info_.path = tree().path();
    TRY_ASSIGN(slide_, SlideFile::open(tree_));
    const SlideInfo& slide = slide_->info();
    info_.format = fmt::format("whole slide ({})", slide.vendor);
    info_.axes = {Axis::c, Axis::y, Axis::x};
    info_.type = PixelType::uint8;
    info_.type_name = to_text(info_.type);
    info_.channels = colour_channels(kColours);
    for (const SlideInfo::Level& stored : slide.levels) info_.levels.push_back(level_of(stored));
    if (slide.pixel_width && slide.pixel_height) info_.voxel_unit = "micrometer";
    coding_ = std::make_shared<const Coding>(SlideCoding{slide_});
    return list_files();
  }

  Result<void> for_each_chunk(const Region& region, const UseChunk& use) const override {
    TRY(check_region(info_, region));
    const Level& level = info_.levels[region.level];
    const Grid grid{level.shape, level.chunk};
    return grid.for_each(region, [&](const Shape& at) {
      Chunk chunk;
      chunk.region = grid.region_of(region.level, at);
      chunk.index = grid.index_of(at);
      chunk.stored = chunk.region.shape();
      chunk.stride = dense_strides(chunk.stored);
      chunk.bytes = bytes_;
      chunk.coding = coding_;
      return use(chunk);
    });
  }

 private:
  Level level_of(const SlideInfo::Level& stored) const {
    const SlideInfo& slide = slide_->info();
    Level level;
    level.shape = {1, kColours, 1, stored.height, stored.width};
    level.chunk = {1, kColours, 1, kTile, kTile};
    level.compressor = "of the scanner";
    if (slide.pixel_width && slide.pixel_height) {
      level.voxel_size = {1, *slide.pixel_height * stored.downsample,
                          *slide.pixel_width * stored.downsample};
      level.voxel_size_known = true;
    }
    return level;
  }

  // All files of the slide, whole.
  Result<void> list_files() {
    const std::string& own = tree().file();
    const std::string extension = extension_of(own);
    bytes_ = {{own, 0, FileRange::kToEnd}};
    if (extension == ".mrxs") {
      const std::string folder = own.substr(0, own.size() - extension.size());
      TRY_ASSIGN(const auto names, tree().list(folder));
      for (const std::string& name : names) TRY(add_file(folder + "/" + name));
    }
    if (extension == ".vms" || extension == ".vmu") {
      TRY_ASSIGN(const auto text, tree().read_small(own, kMaxIndexBytes));
      TRY_ASSIGN(const auto names, tree().list(""));
      for (const std::string& name : names) {
        if (name != own && text.value_or("").find("=" + name) != std::string::npos)
          TRY(add_file(name));
      }
    }
    return {};
  }

  Result<void> add_file(const std::string& path) {
    TRY_ASSIGN(const auto size, tree().size_of(path));
    if (size) bytes_.push_back({path, 0, FileRange::kToEnd});
    return {};
  }

  const std::shared_ptr<const NotedTree> tree_;
  std::shared_ptr<const SlideFile> slide_;
  ImageInfo info_;
  std::vector<FileRange> bytes_;
  std::shared_ptr<const Coding> coding_;
};

}  // namespace

bool is_slide_name(const std::string& path) {
  constexpr std::array kExtensions = {".ndpi", ".vms", ".vmu", ".mrxs", ".scn", ".bif", ".svslide"};
  const std::string extension = extension_of(path);
  return std::any_of(kExtensions.begin(), kExtensions.end(),
                     [&](const char* known) { return extension == known; });
}

Result<std::unique_ptr<Image>> open_slide(std::shared_ptr<const NotedTree> tree) {
  auto image = std::make_unique<SlideImage>(std::move(tree));
  TRY(image->read());
  return image;
}

}  // namespace tierhub::formats
