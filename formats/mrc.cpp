#include "formats/mrc.h"

#include <algorithm>
#include <array>
#include <bit>
#include <cstring>

#include <fmt/format.h>

#include "formats/raw_planes.h"

namespace tierhub::formats {
namespace {

constexpr size_t kHeaderBytes = 1024;
constexpr uint64_t kMaxSide = uint64_t{1} << 31;

// Offsets of the header's words, in bytes.
enum Word : size_t {
  kColumns = 0,
  kRows = 4,
  kSections = 8,
  kMode = 12,
  kGridX = 28,  // mx, my, mz: samples along the cell
  kCellX = 40,  // the cell in angstrom
  kMapC = 64,   // which axis of the cell columns, rows and sections run along: 1, 2 or 3
  kSpaceGroup = 88,
  kExtendedBytes = 92,
  kImodStamp = 152,
  kImodFlags = 156,
  kMap = 208,
  kMachine = 212,
};

class MrcHeader {
 public:
  explicit MrcHeader(std::string_view bytes) : bytes_(bytes) {
    const auto stamp = static_cast<unsigned char>(bytes[kMachine]);
    big_endian_ = stamp == 0x11;
    // Old files have no stamp: the mode is a small number in one order only.
    if (stamp != 0x11 && stamp != 0x44 && stamp != 0x41) big_endian_ = word(kMode) > 0xFFFF;
  }

  uint32_t word(size_t offset) const {
    uint32_t value = 0;
    std::memcpy(&value, bytes_.data() + offset, sizeof value);
    return big_endian_ ? __builtin_bswap32(value) : value;
  }
  double real(size_t offset) const { return std::bit_cast<float>(word(offset)); }
  ByteOrder order() const { return big_endian_ ? ByteOrder::big : ByteOrder::little; }

 private:
  std::string_view bytes_;
  bool big_endian_ = false;
};

Result<ArrayCoding> coding_of(const MrcHeader& header, const std::string& path) {
  ArrayCoding coding;
  coding.order = header.order();
  switch (const uint32_t mode = header.word(kMode)) {
    case 0: {
      // IMOD wrote unsigned bytes, unless it says otherwise.
      constexpr uint32_t kImod = 1146047817, kSignedBytes = 1;
      const bool is_imod = header.word(kImodStamp) == kImod;
      coding.type = is_imod && (header.word(kImodFlags) & kSignedBytes) == 0 ? PixelType::uint8
                                                                             : PixelType::int8;
      return coding;
    }
    case 1:
      coding.type = PixelType::int16;
      return coding;
    case 2:
      coding.type = PixelType::float32;
      return coding;
    case 6:
      coding.type = PixelType::uint16;
      return coding;
    case 12:
      coding.type = PixelType::float32;
      coding.number = ArrayCoding::Number::half_float;
      return coding;
    default:
      return Error(std::errc::not_supported,
                   fmt::format("{} is an MRC file of mode {}, which is not supported: only 0, 1, "
                               "2, 6 and 12 are",
                               path, mode));
  }
}

// Per voxel along columns (0), rows (1) or sections (2); 0 if the header says nothing that makes
// sense.
double voxel_size(const MrcHeader& header, size_t direction) {
  uint32_t axis = header.word(kMapC + 4 * direction);
  if (axis < 1 || axis > 3) axis = static_cast<uint32_t>(direction) + 1;
  const uint32_t samples = header.word(kGridX + 4 * (axis - 1));
  const double cell = header.real(kCellX + 4 * (axis - 1));
  return samples == 0 || samples > kMaxSide || !(cell > 0 && cell < 1e12) ? 0 : cell / samples;
}

class MrcImage : public RawPlanesImage {
 public:
  explicit MrcImage(std::shared_ptr<const NotedTree> tree) : RawPlanesImage(std::move(tree)) {}

  Result<void> read(const MrcHeader& header) {
    info_.path = tree().path();
    info_.format = "MRC";
    TRY_ASSIGN(const ArrayCoding coding, coding_of(header, info_.path));
    Level level;
    TRY(set_shape(header, level.shape));
    const std::array sizes = {voxel_size(header, 0), voxel_size(header, 1), voxel_size(header, 2)};
    if (sizes[0] > 0 && sizes[1] > 0) {
      level.voxel_size = {sizes[2] > 0 ? sizes[2] : 1, sizes[1], sizes[0]};
      level.voxel_size_known = true;
      info_.voxel_unit = "angstrom";
    }
    info_.levels.push_back(level);
    return set_planes(coding, kHeaderBytes + header.word(kExtendedBytes));
  }

 private:
  Result<void> set_shape(const MrcHeader& header, Shape& shape) {
    const uint64_t sections = header.word(kSections);
    shape.x = header.word(kColumns);
    shape.y = header.word(kRows);
    shape.z = sections;
    for (const uint64_t side : {shape.x, shape.y, sections}) {
      if (side == 0 || side > kMaxSide)
        return Error(std::errc::invalid_argument,
                     info_.path + " is damaged: its MRC header gives an impossible size");
    }
    // 0: a stack of images; from 401 on: of volumes of mz sections.
    const uint32_t group = header.word(kSpaceGroup);
    const uint64_t of_volume = header.word(kGridX + 8);
    if (group == 0) {
      shape.t = sections;
      shape.z = 1;
    } else if (group >= 401 && group <= 630 && of_volume > 0 && sections % of_volume == 0) {
      shape.t = sections / of_volume;
      shape.z = of_volume;
    }
    if (shape.t > 1) info_.axes.push_back(Axis::t);
    if (shape.z > 1) info_.axes.push_back(Axis::z);
    info_.axes.insert(info_.axes.end(), {Axis::y, Axis::x});
    return {};
  }
};

}  // namespace

bool is_mrc_header(std::string_view head) {
  return head.size() >= kHeaderBytes && head.substr(kMap, 3) == "MAP";
}

Result<std::unique_ptr<Image>> open_mrc(std::shared_ptr<const NotedTree> tree,
                                        std::string_view head) {
  auto image = std::make_unique<MrcImage>(std::move(tree));
  TRY(image->read(MrcHeader(head)));
  return image;
}

}  // namespace tierhub::formats
