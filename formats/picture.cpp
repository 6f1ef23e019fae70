#include "formats/picture.h"

#include <algorithm>

#include <fmt/format.h>

namespace tierhub::formats {
namespace {

using namespace std::string_view_literals;

constexpr auto kPng = "\x89PNG\r\n\x1A\n"sv;
constexpr auto kJpeg = "\xFF\xD8\xFF"sv;
// A decoded picture is held in memory.
constexpr uint64_t kMaxPictureBytes = uint64_t{1} << 32;

uint64_t big_endian(std::string_view bytes) {
  uint64_t value = 0;
  for (const char byte : bytes) value = value << 8 | static_cast<unsigned char>(byte);
  return value;
}

struct PictureHeader {
  uint64_t width = 0;
  uint64_t height = 0;
  uint64_t channels = 1;
  PixelType type = PixelType::uint8;
};

class PictureImage : public Image {
 public:
  explicit PictureImage(std::shared_ptr<const NotedTree> tree) : Image(std::move(tree)) {}

  const ImageInfo& info() const override { return info_; }

  Result<void> for_each_chunk(const Region& region, const UseChunk& use) const override {
    TRY(check_region(info_, region));
    Chunk chunk;
    chunk.region = whole(info_.levels.front().shape, 0);
    chunk.bytes = {{tree().file(), 0, file_bytes_}};
    chunk.stored = info_.levels.front().shape;
    // Colours lie next to each other.
    chunk.stride = dense_strides(chunk.stored);
    chunk.stride.c = 1;
    chunk.stride.x = chunk.stored.c;
    chunk.stride.y = chunk.stored.c * chunk.stored.x;
    chunk.coding = coding_;
    return use(chunk);
  }

  Result<void> read() {
    info_.path = tree().path();
    TRY_ASSIGN(const auto file_bytes, tree().size_of(tree().file()));
    file_bytes_ = file_bytes.value_or(0);
    TRY_ASSIGN(const std::string head, bytes_at(0, 33));
    const bool png = head.starts_with(kPng);
    info_.format = png ? "PNG" : "JPEG";
    TRY_ASSIGN(const PictureHeader header, png ? png_header(head) : jpeg_header());
    if (header.width == 0 || header.height == 0 ||
        header.width * header.height > kMaxPictureBytes / header.channels / bytes_of(header.type))
      return damaged("its size is impossible");
    Level level;
    level.shape = {1, header.channels, 1, header.height, header.width};
    level.chunk = level.shape;
    level.compressor = png ? "deflate" : "jpeg";
    info_.levels.push_back(level);
    if (header.channels > 1) {
      info_.axes.push_back(Axis::c);
      info_.channels = colour_channels(header.channels);
    }
    info_.axes.insert(info_.axes.end(), {Axis::y, Axis::x});
    info_.type = header.type;
    info_.type_name = to_text(header.type);
    coding_ = std::make_shared<const Coding>(PictureCoding{
        png ? PictureCoding::Kind::png : PictureCoding::Kind::jpeg, header.type, header.channels});
    return {};
  }

 private:
  Error damaged(std::string_view why) const {
    return Error(std::errc::invalid_argument,
                 fmt::format("{} is truncated or damaged: {}", info_.path, why));
  }

  Result<std::string> bytes_at(uint64_t offset, size_t size) const {
    std::string bytes(size, '\0');
    TRY_ASSIGN(const size_t got,
               tree().read_at(tree().file(), std::as_writable_bytes(std::span(bytes)), offset));
    if (got != size) return damaged("its header is beyond its end");
    return bytes;
  }

  // A palette becomes colours, and a colour that means "nothing" becomes opacity.
  Result<PictureHeader> png_header(std::string_view head) {
    if (head.substr(12, 4) != "IHDR") return damaged("it does not begin with IHDR");
    PictureHeader header{big_endian(head.substr(16, 4)), big_endian(head.substr(20, 4)), 1,
                         head[24] == 16 ? PixelType::uint16 : PixelType::uint8};
    TRY_ASSIGN(const bool transparent, has_transparency());
    switch (head[25]) {
      case 0:
        header.channels = transparent ? 2 : 1;
        return header;
      case 2:
      case 3:
        header.channels = transparent ? 4 : 3;
        return header;
      case 4:
        header.channels = 2;
        return header;
      case 6:
        header.channels = 4;
        return header;
      default:
        return damaged("its colour type is unknown");
    }
  }

  // True if there is a chunk tRNS before the pixels.
  Result<bool> has_transparency() const {
    constexpr int kMaxPngChunks = 10'000;
    uint64_t at = kPng.size();
    for (int i = 0; i < kMaxPngChunks; ++i) {
      TRY_ASSIGN(const std::string chunk, bytes_at(at, 8));
      const std::string_view name = std::string_view(chunk).substr(4);
      if (name == "tRNS") return true;
      if (name == "IDAT" || name == "IEND") return false;
      at += big_endian(std::string_view(chunk).substr(0, 4)) + 12;
    }
    return damaged("it has too many chunks before its pixels");
  }

  // The first frame header among the segments.
  Result<PictureHeader> jpeg_header() {
    constexpr int kMaxSegments = 10'000;
    uint64_t at = 2;
    for (int i = 0; i < kMaxSegments; ++i) {
      TRY_ASSIGN(const std::string segment, bytes_at(at, 4));
      const auto marker = static_cast<unsigned char>(segment[1]);
      if (segment[0] != '\xFF') return damaged("it has no frame header");
      if (marker == 0xFF) {  // a fill byte
        ++at;
        continue;
      }
      const bool is_frame =
          marker >= 0xC0 && marker <= 0xCF && marker != 0xC4 && marker != 0xC8 && marker != 0xCC;
      if (is_frame) return jpeg_frame(at);
      at += 2 + big_endian(std::string_view(segment).substr(2));
    }
    return damaged("it has no frame header");
  }

  Result<PictureHeader> jpeg_frame(uint64_t at) {
    TRY_ASSIGN(const std::string bytes, bytes_at(at, 10));
    const std::string_view frame = bytes;
    PictureHeader header;
    header.height = big_endian(frame.substr(5, 2));
    header.width = big_endian(frame.substr(7, 2));
    header.channels = big_endian(frame.substr(9, 1));
    if (header.channels != 1 && header.channels != 3)
      info_.not_decodable = fmt::format(
          "a JPEG of {} components: only grey and colour are supported", header.channels);
    if (header.channels == 0) return damaged("it has no components");
    if (frame[4] != 8)
      info_.not_decodable = fmt::format("a JPEG of {} bits: only 8 are supported", int{frame[4]});
    return header;
  }

  ImageInfo info_;
  std::shared_ptr<const Coding> coding_;
  uint64_t file_bytes_ = 0;
};

}  // namespace

bool is_picture_header(std::string_view head) {
  return head.starts_with(kPng) || head.starts_with(kJpeg);
}

std::vector<Channel> colour_channels(uint64_t channels) {
  if (channels == 2) return {{"grey", 0xFFFFFF}, {"opacity", std::nullopt}};
  std::vector<Channel> all = {{"red", 0xFF0000}, {"green", 0x00FF00}, {"blue", 0x0000FF}};
  if (channels == 4) all.push_back({"opacity", std::nullopt});
  if (channels < 3 || channels > 4) return {};
  return all;
}

Result<std::unique_ptr<Image>> open_picture(std::shared_ptr<const NotedTree> tree) {
  auto image = std::make_unique<PictureImage>(std::move(tree));
  TRY(image->read());
  return image;
}

}  // namespace tierhub::formats
