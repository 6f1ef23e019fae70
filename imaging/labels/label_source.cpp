#include "imaging/labels/label_source.h"

#include <fmt/format.h>

#include "imaging/images/part.h"
#include "imaging/labels/label_block.h"

namespace tierhub::imaging {

Result<LabelSource> LabelSource::open(const std::string& path, size_t threads) {
  TRY_ASSIGN(ImageReader reader, ImageReader::open(path, threads));
  if (!is_label_folder(path)) {
    Part part;
    part.in = path;
    TRY_ASSIGN(const Box box, chosen_box(reader.info(), part));
    LabelRecord record = record_of(reader.info(), box);
    record.joining = Joining::none;
    record.has_intensities = false;
    return LabelSource(std::move(reader), std::move(record));
  }
  TRY_ASSIGN(const LabelBlock block, LabelBlock::open(path));
  if (!block.objects().keys.empty()) {
    return Error(std::errc::invalid_argument,
                 path +
                     " has the labels of a block: merge those of all blocks with imgop "
                     "merge-labels first");
  }
  return LabelSource(std::move(reader), block.record());
}

Result<LabelVolume> LabelSource::read(const Box& box) const { return reader_.read_labels(box); }

Result<LabelRecord> record_in(const LabelSource& labels, const formats::ImageInfo& image,
                              const Box& place) {
  const LabelRecord& own = labels.record();
  const Extent shape = image.levels[place.level].shape.extent();
  if (shape != own.shape) {
    return Error(
        std::errc::invalid_argument,
        fmt::format("{} is {}, and the labels in {} are of an image of {}: they must be of "
                    "the same size",
                    image.path, formats::to_text(shape), labels.info().path,
                    formats::to_text(own.shape)));
  }
  Box box = own.box;
  box.level = place.level;
  box.t = place.t;
  box.c = place.c;
  LabelRecord record = record_of(image, box);
  record.connectivity = own.connectivity;
  record.made_with = own.made_with;
  record.otsu = own.otsu;
  return record;
}

}  // namespace tierhub::imaging
