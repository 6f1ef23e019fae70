// Labels to work on: those that imgop wrote, or a label image of another program (OME-Zarr, TIFF).
#pragma once

#include <memory>
#include <optional>
#include <string>

#include "common/result.h"
#include "imaging/labels/label_record.h"
#include "imaging/voxels/volume.h"
#include "pixels/reader.h"

namespace tierhub::imaging {

// How many objects there are, and how many voxels they have in all.
struct LabelTotals {
  uint64_t objects = 0;
  uint64_t voxels = 0;
};

// Any thread.
class LabelSource {
 public:
  // Of an image of several time points or channels, `select` says which ("t=3,c=0"). An error if it
  // does not, or if the image has the labels of a block that are still to be merged. Decodes with
  // up to `threads` threads.
  static Result<LabelSource> open(const std::string& path, size_t threads = 1,
                                  const std::string& select = "");

  // Labels that do not exist yet, for an estimate: of the whole image, in the level, time point and
  // channel of `place`, as imgop would write them. They cannot be read.
  static LabelSource assumed(const formats::ImageInfo& image, const Box& place);
  bool is_assumed() const { return assumed_.has_value(); }

  // Of the label image itself: its levels, chunks and size of a voxel.
  const formats::ImageInfo& info() const { return assumed_ ? *assumed_ : reader_->info(); }
  // How they were made; of labels of another program, where they are. Its box is what they cover.
  const LabelRecord& record() const { return record_; }
  // Of labels of another program, or that do not exist yet, a guess for estimates: half of the voxels, 500 in each object.
  LabelTotals totals() const;
  // `box`: in voxels of the label image, which begins where record().box does; its level, t and c
  // are not used. Labels are whole numbers from 0 to 2^32 - 1, of any type: others are an error.
  Result<LabelVolume> read(const Box& box) const;
  // `box`: in voxels of the volume that they are of. Beyond what they cover is background.
  Result<LabelVolume> read_of_volume(const Box& box) const;

 private:
  LabelSource(std::unique_ptr<pixels::PixelReader> reader, const Box& stored, LabelRecord record)
      : reader_(std::move(reader)), stored_(stored), record_(std::move(record)) {}

  std::unique_ptr<pixels::PixelReader> reader_;  // null: assumed
  std::optional<formats::ImageInfo> assumed_{};
  Box stored_;  // where the voxels of record_.box are in the label image
  LabelRecord record_;
  std::optional<LabelTotals> totals_{};
};

// The record of what is made of the labels and the image that they are of: the same voxels, in the
// image's time point and channel. `place` chooses these (its z, y and x are not used). An error if
// the image has another shape.
Result<LabelRecord> record_in(const LabelSource& labels, const ImageReader& image,
                              const Box& place);

}  // namespace tierhub::imaging
