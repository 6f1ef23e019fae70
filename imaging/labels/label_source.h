// Labels to work on: those that imgop wrote, or a label image of another program (OME-Zarr, TIFF).
#pragma once

#include <string>

#include "common/result.h"
#include "imaging/images/reader.h"
#include "imaging/labels/label_record.h"

namespace tierhub::imaging {

// Any thread.
class LabelSource {
 public:
  // An error if the image is of more than one time point or channel, or if it has the labels of a
  // block that are still to be merged.
  static Result<LabelSource> open(const std::string& path, size_t threads = 1);

  // Of the label image itself: its levels, chunks and size of a voxel.
  const formats::ImageInfo& info() const { return reader_.info(); }
  // How they were made; of labels of another program, where they are. Its box is what they cover.
  const LabelRecord& record() const { return record_; }
  // `box`: in voxels of the label image, which begins where record().box does.
  Result<LabelVolume> read(const Box& box) const;

 private:
  LabelSource(ImageReader reader, LabelRecord record)
      : reader_(std::move(reader)), record_(std::move(record)) {}

  ImageReader reader_;
  LabelRecord record_;
};

// The record of what is made of the labels and the image that they are of: the same voxels, in the
// image's time point and channel. `place` chooses these (its z, y and x are not used). An error if
// the image has another shape.
Result<LabelRecord> record_in(const LabelSource& labels, const formats::ImageInfo& image,
                              const Box& place);

}  // namespace tierhub::imaging
