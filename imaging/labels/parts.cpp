#include "imaging/labels/parts.h"

#include <fmt/format.h>

namespace tierhub::imaging {

Result<std::vector<Box>> working_parts(const formats::ImageInfo& info, const Box& box) {
  constexpr uint64_t kVoxelsAtOnce = uint64_t{1} << 26;
  constexpr uint64_t kSlabVoxels = uint64_t{1} << 24;
  constexpr Extent kCube{64, 512, 512};
  constexpr Extent kTile{1, 4096, 4096};
  if (box.voxels() <= kVoxelsAtOnce) return std::vector{box};
  if (info.levels[box.level].chunk.z > 1) return formats::tile(box, kCube);
  const uint64_t planes = kSlabVoxels / (box.y.size() * box.x.size());
  if (planes == 0) return formats::tile(box, kTile);
  return formats::tile(box, {planes, box.y.size(), box.x.size()});
}

Result<Parts> make_parts(const formats::ImageInfo& info, const Box& box, const std::string& out,
                         Parallel parallel,
                         const std::function<Result<LabelBlock>(const Box&)>& make) {
  TRY_ASSIGN(const std::vector<Box> boxes, working_parts(info, box));
  Parts parts;
  if (boxes.size() == 1) {
    TRY_ASSIGN(LabelBlock block, make(box));
    parts.blocks.push_back(std::move(block));
    return parts;
  }
  TRY_ASSIGN(OutputFolder folder, OutputFolder::create(out));
  parts.folder.emplace(std::move(folder));
  for (size_t i = 0; i < boxes.size(); ++i) {
    TRY_ASSIGN(const LabelBlock block, make(boxes[i]));
    const std::string path = fmt::format("{}/{:06}.zarr", parts.folder->path(), i);
    TRY(block.write(path, parallel));
    TRY_ASSIGN(LabelBlock written, LabelBlock::open(path));
    parts.blocks.push_back(std::move(written));
  }
  return parts;
}

Result<void> make_parts(MemoryUse& memory, const formats::ImageInfo& info, const Box& box,
                        Joining joining, const std::function<Result<void>(const Box&)>& make) {
  TRY_ASSIGN(const std::vector<Box> boxes, working_parts(info, box));
  if (boxes.size() == 1) return make(box);
  for (const Box& part : boxes) {
    TRY(make(part));
    write_labels(memory, part);
    memory.free(label_bytes(part));
  }
  // Surfaces cut chunks, and so does the whole if its chunks do not fit those of the parts.
  const formats::Shape chunk = label_chunk(box);
  const Box last = relative_to(boxes.back(), box);
  const bool fits =
      last.z.begin % chunk.z == 0 && last.y.begin % chunk.y == 0 && last.x.begin % chunk.x == 0;
  if (joining == Joining::touching || !fits) memory.keep_block_chunks(label_chunk_bytes(box));
  return {};
}

}  // namespace tierhub::imaging
