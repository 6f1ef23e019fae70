#include "hub/images/packed_tile.h"

#include <span>
#include <utility>

#include "hub/images/planes.h"
#include "pixels/codecs.h"

namespace tierhub::hub {
namespace {

using formats::Chunk;
using formats::Shape;

constexpr Shape kOneTile{1, 1, 1, kTile, kTile};

// True if undoing one codec of the stored bytes gives the voxels as they are answered.
bool is_packed_once(const Chunk& chunk, const formats::ImageInfo& info) {
  const auto* array = std::get_if<formats::ArrayCoding>(chunk.coding.get());
  using Kind = formats::Codec::Kind;
  return array != nullptr && array->codecs.size() == 1 &&
         (array->codecs.front().kind == Kind::zstd || array->codecs.front().kind == Kind::zlib) &&
         array->number == formats::ArrayCoding::Number::plain && array->type == info.type &&
         (array->order == formats::ByteOrder::little || formats::bytes_of(info.type) == 1);
}

// False: it is not stored.
Result<bool> read_chunk(const formats::FileTree& files, const formats::FileRange& range,
                        uint64_t limit_bytes, std::string& bytes) {
  if (range.size_bytes == formats::FileRange::kToEnd)
    return files.read_whole(range.path, limit_bytes, bytes);
  if (range.size_bytes > limit_bytes) return false;
  bytes.resize(range.size_bytes);
  TRY_ASSIGN(const size_t got, files.read_at(range.path, std::as_writable_bytes(std::span(bytes)),
                                             range.offset_bytes));
  return got == bytes.size();
}

}  // namespace

Result<std::optional<Content::Packed>> read_packed_tile(const OpenImage& image,
                                                        const formats::Region& region,
                                                        const Content::Takes& takes) {
  const std::optional<Content::Packed> none;
  if (!image.has_chunk_files || region.level >= image.info.levels.size()) return none;
  if (region.shape() != kOneTile || image.info.levels[region.level].chunk != kOneTile) return none;
  if (!takes("zstd") && !takes("gzip")) return none;
  std::optional<Chunk> only;
  TRY(image.reader->image().for_each_chunk(region, [&](const Chunk& chunk) -> Result<void> {
    only = chunk;
    return {};
  }));
  if (!only || only->region != region || only->stored != kOneTile || only->bytes.size() != 1 ||
      only->stride != formats::dense_strides(kOneTile) || !is_packed_once(*only, image.info))
    return none;
  // No compressor makes a chunk longer than this.
  const uint64_t voxel_bytes = kTile * kTile * formats::bytes_of(image.info.type);
  const uint64_t limit_bytes = voxel_bytes + voxel_bytes / 8;
  Content::Packed packed;
  TRY_ASSIGN(const bool exists, read_chunk(image.reader->image().files(), only->bytes.front(),
                                           limit_bytes, packed.bytes));
  if (!exists) return none;
  packed.encoding =
      pixels::content_encoding_of(std::as_bytes(std::span(packed.bytes)), voxel_bytes);
  if (packed.encoding.empty() || !takes(packed.encoding)) return none;
  return std::optional(std::move(packed));
}

}  // namespace tierhub::hub
