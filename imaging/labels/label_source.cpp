#include "imaging/labels/label_source.h"

#include <algorithm>
#include <cmath>
#include <span>

#include <fmt/format.h>

#include "imaging/images/part.h"
#include "imaging/labels/label_block.h"

namespace tierhub::imaging {
namespace {

using formats::AxisRange;
using formats::PixelType;

template <class T>
bool is_label(T number) {
  if constexpr (std::is_floating_point_v<T>) {
    return number >= 0 && number <= 4294967295.0 && number == std::floor(number);
  } else {
    return number >= 0 && static_cast<uint64_t>(number) <= 4294967295;
  }
}

// Numbers of a type that could hold others than labels.
template <class T>
Result<void> read_checked(const pixels::PixelReader& reader, const Box& box, PixelType type,
                          LabelVolume& labels) {
  std::vector<T> numbers(labels.voxels.size());
  TRY(reader.read(box, type, std::as_writable_bytes(std::span(numbers))));
  for (size_t i = 0; i < numbers.size(); ++i) {
    if (!is_label(numbers[i])) {
      return Error(std::errc::invalid_argument,
                   fmt::format("{} is no image of labels: it has a voxel of {}, and labels are "
                               "whole numbers from 0",
                               reader.info().path, numbers[i]));
    }
    labels.voxels[i] = static_cast<uint32_t>(numbers[i]);
  }
  return {};
}

AxisRange moved(const AxisRange& range, uint64_t by) { return {range.begin + by, range.end + by}; }

// Copies the voxels of `part` to their place in a volume of `whole`.
void paste(const LabelVolume& from, const Box& part, const Box& whole, LabelVolume& to) {
  size_t i = 0;
  for (uint64_t z = part.z.begin; z < part.z.end; ++z) {
    for (uint64_t y = part.y.begin; y < part.y.end; ++y, i += part.x.size()) {
      std::copy_n(&from.voxels[i], part.x.size(),
                  &to.at(z - whole.z.begin, y - whole.y.begin, part.x.begin - whole.x.begin));
    }
  }
}

}  // namespace

Result<LabelSource> LabelSource::open(const std::string& path, size_t threads,
                                      const std::string& select) {
  pixels::PixelReader::Options options;
  options.threads = threads;
  TRY_ASSIGN(auto reader, pixels::PixelReader::open(path, options));
  if (!is_label_folder(path)) {
    Part part;
    part.in = path;
    part.select = select;
    TRY_ASSIGN(const Box box, chosen_box(reader->info(), part));
    LabelRecord record = record_of(reader->info(), box);
    record.joining = Joining::none;
    record.has_intensities = false;
    return LabelSource(std::move(reader), box, std::move(record));
  }
  TRY_ASSIGN(const LabelBlock block, LabelBlock::open(path));
  if (!block.objects().keys.empty()) {
    return Error(std::errc::invalid_argument,
                 path +
                     " has the labels of a block: merge those of all blocks with imgop "
                     "merge-labels first");
  }
  LabelSource source(std::move(reader), whole_of({}, block.box().extent()), block.record());
  source.totals_.emplace();
  for (const ObjectSums& object : block.objects().sums) {
    if (object.voxels > 0) ++source.totals_->objects;
    source.totals_->voxels += object.voxels;
  }
  return source;
}

LabelSource LabelSource::assumed(const formats::ImageInfo& image, const Box& place) {
  const Extent shape = image.levels[place.level].shape.extent();
  LabelRecord record = record_of(image, whole_of(place, shape));
  record.joining = Joining::none;
  formats::Level level = image.levels[place.level];
  level.shape = {1, 1, shape.z, shape.y, shape.x};
  level.chunk = label_chunk(record.box);
  formats::ImageInfo info = image;
  info.type = PixelType::uint32;
  info.levels = {std::move(level)};
  LabelSource source(nullptr, whole_of({}, shape), std::move(record));
  source.assumed_ = std::move(info);
  return source;
}

LabelTotals LabelSource::totals() const {
  if (totals_) return *totals_;
  const uint64_t voxels = record_.box.voxels() / 2;
  return {voxels / 500, voxels};
}

Result<LabelVolume> LabelSource::read(const Box& box) const {
  Box from = stored_;
  from.z = moved(box.z, stored_.z.begin);
  from.y = moved(box.y, stored_.y.begin);
  from.x = moved(box.x, stored_.x.begin);
  LabelVolume labels(from.extent());
  const PixelType type = reader_->info().type;
  if (pixels::can_hold(PixelType::uint32, type)) {
    TRY(reader_->read(from, PixelType::uint32, std::as_writable_bytes(std::span(labels.voxels))));
  } else if (type == PixelType::uint64) {
    TRY(read_checked<uint64_t>(*reader_, from, type, labels));
  } else if (formats::is_float(type)) {
    TRY(read_checked<double>(*reader_, from, PixelType::float64, labels));
  } else {
    TRY(read_checked<int64_t>(*reader_, from, PixelType::int64, labels));
  }
  return labels;
}

Result<LabelVolume> LabelSource::read_of_volume(const Box& box) const {
  Box own = record_.box;
  own.level = box.level;
  own.t = box.t;
  own.c = box.c;
  const Box part = formats::intersect(box, own);
  if (part == box) return read(relative_to(box, own));
  LabelVolume labels(box.extent());
  if (part.empty()) return labels;
  TRY_ASSIGN(const LabelVolume covered, read(relative_to(part, own)));
  paste(covered, part, box, labels);
  return labels;
}

Result<LabelRecord> record_in(const LabelSource& labels, const ImageReader& image,
                              const Box& place) {
  const LabelRecord& own = labels.record();
  const Extent shape = image.shape_at(place.level);
  if (shape != own.shape) {
    return Error(
        std::errc::invalid_argument,
        fmt::format("{} is {}, and the labels in {} are of an image of {}: they must be of "
                    "the same size",
                    image.info().path, formats::to_text(shape), labels.info().path,
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
