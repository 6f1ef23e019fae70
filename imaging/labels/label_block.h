// The labels of one box, in memory or in a labels folder: an OME-Zarr image with the labels, what
// they were made with (attribute "imgop"), and the integer sums of its objects (objects.txt).
// Blocks are such folders, and so are finished results.
#pragma once

#include <compare>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "common/result.h"
#include "imaging/images/image_writer.h"
#include "imaging/images/memory.h"
#include "imaging/images/reader.h"
#include "imaging/labels/label_record.h"
#include "imaging/voxels/objects.h"

namespace tierhub::imaging {

// Which piece of which object of the whole volume.
struct ObjectKey {
  uint32_t object = 0;
  uint32_t piece = 0;
  auto operator<=>(const ObjectKey&) const = default;
};

// What there is to know about the labels 1 to objects.size() of a box.
struct BlockObjects {
  std::vector<ObjectSums> sums;
  // One each if they are joined by keys, or by numbers that are not those of `sums`; else none.
  std::vector<ObjectKey> keys;
};

// Any thread.
class LabelBlock {
 public:
  // `labels` holds the voxels of record.box.
  static LabelBlock of(LabelRecord record, LabelVolume labels, BlockObjects objects);
  // An existing labels folder.
  static Result<LabelBlock> open(const std::string& path);

  const LabelRecord& record() const { return record_; }
  const Box& box() const { return record_.box; }
  const BlockObjects& objects() const { return objects_; }
  // The folder, or words for labels in memory.
  const std::string& path() const { return path_; }

  // The labels of a box in coordinates of the whole volume, inside box().
  Result<LabelVolume> read(const Box& box) const;
  // The labels themselves, if they are in memory; else null.
  const LabelVolume* in_memory() const { return labels_.get(); }

  // Writes a labels folder of one level.
  Result<void> write(const std::string& path, Parallel parallel) const;

 private:
  LabelBlock(LabelRecord record, BlockObjects objects, std::string path)
      : record_(std::move(record)), objects_(std::move(objects)), path_(std::move(path)) {}

  LabelRecord record_;
  BlockObjects objects_;
  std::string path_;
  // Either of them.
  std::shared_ptr<const LabelVolume> labels_;
  std::shared_ptr<const ImageReader> reader_;
};

// Starts a labels folder; voxel coordinates of its chunks count from the begin of the record's box.
// `more` are members of OME-Zarr's "image-label".
Result<ImageWriter> create_label_folder(const std::string& path, const LabelRecord& record,
                                        const BlockObjects& objects, const formats::Json& more);

// The chunks of a labels folder of `box`: their shape, and the bytes of all of them, decoded.
formats::Shape label_chunk(const Box& box);
uint64_t label_chunk_bytes(const Box& box);
// The memory of writing labels of `box` that are in memory.
void write_labels(MemoryUse& memory, const Box& box);

// True if the folder has the form of a labels folder.
bool is_label_folder(const std::string& path);

}  // namespace tierhub::imaging
