#include "imaging/labels/label_image.h"

#include <algorithm>
#include <cstring>
#include <filesystem>

#include <fcntl.h>
#include <sys/file.h>

#include <fmt/format.h>

#include "common/posix.h"
#include "formats/json.h"
#include "imaging/images/levels.h"
#include "imaging/images/output.h"

namespace tierhub::imaging {
namespace {

using formats::Json;
using formats::Shape;

Error refused(const std::string& image, std::string_view why) {
  return Error(std::errc::invalid_argument,
               fmt::format("labels cannot be written into {}: {}", image, why));
}

// The shapes of the smaller levels of the labels, which are those of the image.
Result<std::vector<Shape>> shapes_like(const std::string& image, const LabelRecord& record) {
  TRY_ASSIGN(const auto opened, formats::Image::open(image));
  const formats::ImageInfo& info = opened->info();
  std::error_code ignored;
  if (info.format != "OME-Zarr" || !std::filesystem::exists(image + "/.zattrs", ignored))
    return refused(image, "only an OME-Zarr image of version 0.4 takes labels: use --out");
  const Extent size = info.levels.front().shape.extent();
  if (record.box.level != 0 || record.box.extent() != size) {
    return refused(image,
                   fmt::format("they cover {}, and the image is {}: use --out for labels of a part",
                               formats::to_words(record.box), formats::to_text(size)));
  }
  std::vector<Shape> shapes;
  for (size_t level = 1; level < info.levels.size(); ++level) {
    const Extent smaller = info.levels[level].shape.extent();
    shapes.push_back({1, 1, smaller.z, smaller.y, smaller.x});
  }
  return shapes;
}

Result<void> write_level_0(const MergedLabels& labels, const ImageWriter& writer,
                           Parallel parallel) {
  if (const LabelVolume* volume = labels.in_memory())
    return writer.write_volume(0, *volume, parallel);
  const Box& own = labels.record().box;
  return writer.fill_level(
      0, parallel, [&](const formats::Region& local, std::span<std::byte> voxels) -> Result<void> {
        Box box = own;
        box.z = {own.z.begin + local.z.begin, own.z.begin + local.z.end};
        box.y = {own.y.begin + local.y.begin, own.y.begin + local.y.end};
        box.x = {own.x.begin + local.x.begin, own.x.begin + local.x.end};
        TRY_ASSIGN(const LabelVolume part, labels.read(box));
        std::memcpy(voxels.data(), part.voxels.data(), voxels.size());
        return {};
      });
}

// Adds `name` to {"labels": [...]}, which other programs may have written.
Result<void> add_to_list(const std::string& folder, const std::string& name) {
  const std::string path = folder + "/.zattrs";
  Json attributes = Json::object();
  std::error_code ignored;
  if (std::filesystem::exists(path, ignored)) {
    TRY_ASSIGN(const std::string text, posix::read_file(path));
    TRY_ASSIGN(attributes, formats::parse_json(text, path));
    if (!attributes.is_object()) return refused(folder, ".zattrs is no JSON object");
  }
  Json& list = attributes["labels"];
  if (!list.is_array()) list = Json::array();
  if (std::find(list.begin(), list.end(), Json(name)) != list.end()) return {};
  list.push_back(name);
  return write_output_file(path, attributes.dump(2) + "\n");
}

}  // namespace

Result<void> write_label_image(const MergedLabels& labels, const std::string& path,
                               Parallel parallel) {
  TRY_ASSIGN(ImageWriter writer,
             create_label_folder(path, labels.record(), {labels.objects(), {}}, {}));
  TRY(write_level_0(labels, writer, parallel));
  TRY(add_smaller_levels(writer, pixels::Shrink::nearest, parallel));
  return writer.commit();
}

void write_label_image(MemoryUse& memory, const Box& box, LabelState state) {
  constexpr uint64_t kBytes = sizeof(uint32_t);
  // If they are read: the labels of a chunk, and those of the blocks that it consists of, whose
  // memory packing uses again.
  const formats::Shape chunk = label_chunk(box);
  memory.pack_chunks(label_bytes(box), chunk.voxels() * kBytes,
                     state == LabelState::in_memory ? 2 : 3);
  add_smaller_levels(memory, {1, 1, box.z.size(), box.y.size(), box.x.size()}, chunk, kBytes);
}

Result<void> write_labels_into(const MergedLabels& labels, const std::string& image,
                               const std::string& name, Parallel parallel) {
  TRY_ASSIGN(const std::vector<Shape> shapes, shapes_like(image, labels.record()));
  const std::string folder = image + "/labels";
  TRY(make_parent_folder(folder + "/.zgroup"));
  TRY_ASSIGN(const UniqueFd lock, posix::open_at(AT_FDCWD, folder, O_RDONLY | O_DIRECTORY, 0));
  // A file system without locks works, too: then nobody else may write labels at the same time.
  ::flock(lock.get(), LOCK_EX);
  TRY(write_output_file(folder + "/.zgroup", Json{{"zarr_format", 2}}.dump(2) + "\n"));
  TRY_ASSIGN(ImageWriter writer,
             create_label_folder(folder + "/" + name, labels.record(), {labels.objects(), {}},
                                 Json{{"source", {{"image", "../../"}}}}));
  TRY(write_level_0(labels, writer, parallel));
  TRY(add_label_levels(writer, shapes, parallel));
  TRY(writer.commit());
  return add_to_list(folder, name);
}

}  // namespace tierhub::imaging
