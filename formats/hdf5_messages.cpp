#include "formats/hdf5_messages.h"

#include "formats/image.h"

namespace tierhub::formats {
namespace {

constexpr uint64_t kMaxVoxels = uint64_t{1} << 56;

// One of the values up to `last`.
template <class Enum>
bool read_enum(ByteReader& in, Enum last, Enum& value) {
  const uint8_t number = in.u8();
  value = static_cast<Enum>(number);
  return in.ok() && number <= static_cast<uint8_t>(last);
}

}  // namespace

void write_value(ByteWriter& out, const Hdf5Layout& layout) {
  write_value(out, layout.sizes);
  write_value(out, layout.chunks);
  out.flag(layout.chunked);
  write_value(out, layout.offset_bytes);
  out.u8(static_cast<uint8_t>(layout.coding.type));
  out.u8(static_cast<uint8_t>(layout.coding.number));
  out.u8(static_cast<uint8_t>(layout.coding.order));
  out.text(layout.type_name);
  for (const std::byte byte : layout.fill_value) out.u8(static_cast<uint8_t>(byte));
  out.u8(static_cast<uint8_t>(layout.filters.size()));
  for (const Codec& filter : layout.filters)
    out.u8(static_cast<uint8_t>(filter.kind)).u64(filter.item_bytes);
  out.flag(layout.whole_chunks_only).text(layout.compressor);
  write_value(out, layout.not_decodable);
}

bool read_value(ByteReader& in, Hdf5Layout& layout) {
  if (!read_value(in, layout.sizes) || !read_value(in, layout.chunks)) return false;
  layout.chunked = in.flag();
  if (!read_value(in, layout.offset_bytes)) return false;
  if (!read_enum(in, PixelType::other, layout.coding.type) ||
      !read_enum(in, ArrayCoding::Number::boolean, layout.coding.number) ||
      !read_enum(in, ByteOrder::big, layout.coding.order))
    return false;
  layout.type_name = in.text();
  for (std::byte& byte : layout.fill_value) byte = static_cast<std::byte>(in.u8());
  for (uint8_t count = in.u8(); count > 0; --count) {
    Codec& filter = layout.filters.emplace_back();
    if (!read_enum(in, Codec::Kind::shuffle, filter.kind)) return false;
    filter.item_bytes = in.u64();
  }
  layout.whole_chunks_only = in.flag();
  layout.compressor = in.text();
  if (!read_value(in, layout.not_decodable)) return false;
  const uint64_t limit = Image::kMaxChunkBytes / layout.coding.stored_bytes();
  return layout.sizes.size() >= 2 && layout.chunks.size() == layout.sizes.size() &&
         bounded_product(layout.sizes, kMaxVoxels) && bounded_product(layout.chunks, limit);
}

void write_value(ByteWriter& out, const Hdf5Chunk& chunk) {
  out.u64(chunk.offset_bytes).u64(chunk.size_bytes).u32(chunk.skipped_filters);
}

bool read_value(ByteReader& in, Hdf5Chunk& chunk) {
  chunk = {in.u64(), in.u64(), in.u32()};
  return in.ok();
}

}  // namespace tierhub::formats
