#include "imaging/labels/expansion.h"

#include "imaging/labels/parts.h"
#include "imaging/voxels/expand.h"
#include "imaging/voxels/label_numbers.h"

namespace tierhub::imaging {
namespace {

Result<LabelRecord> record_of_expansion(const LabelSource& labels,
                                        const std::optional<MeasuredImage>& image,
                                        const ExpansionOptions& options) {
  LabelRecord record = labels.record();
  if (image) {
    TRY_ASSIGN(record, record_in(labels, image->reader, image->place));
    // A threshold of the labels means nothing in other numbers.
    if (record.source.scale != labels.record().source.scale) {
      for (const char* name : {"threshold", "high"}) record.made_with.erase(name);
      record.otsu.reset();
    }
  }
  record.joining = Joining::numbers;
  record.has_intensities = image.has_value();
  formats::Json& made_with = record.made_with;
  made_with["distance"] = options.distance;
  if (options.from) made_with["from"] = *options.from;
  if (options.threshold) made_with["brighter_than"] = *options.threshold;
  made_with["z_step"] = options.steps.z;
  return record;
}

// Takes voxels away that are not brighter than the threshold, but for those of `labels`.
void restrict_to_bright(LabelVolume& expanded, const LabelVolume& labels, const GreyVolume& image,
                        uint64_t threshold) {
  for (size_t i = 0; i < expanded.voxels.size(); ++i) {
    if (labels.voxels[i] == 0 && image.voxels[i] <= threshold) expanded.voxels[i] = 0;
  }
}

// Numbers labels from 1 on; the keys are what they were.
std::vector<ObjectKey> number_from_one(LabelVolume& labels, Parallel parallel) {
  const std::vector<uint32_t> numbers = number_densely(labels, parallel);
  std::vector<ObjectKey> keys;
  keys.reserve(numbers.size());
  for (const uint32_t number : numbers) keys.push_back({number, 0});
  return keys;
}

// The memory of the chunks that stay when the labels of `parts` are made one after the other.
Result<void> keep_chunks(MemoryUse& memory, const LabelSource& labels,
                         const std::optional<MeasuredImage>& image, const std::vector<Box>& parts,
                         const ExpansionOptions& options) {
  TRY_ASSIGN(const Halo halo, needed_halo(options, labels));
  std::vector<Box> own, images;
  for (const Box& part : parts) {
    own.push_back(relative_to(part, labels.record().box));
    if (image)
      images.push_back(
          {image->place.level, image->place.t, image->place.c, part.z, part.y, part.x});
  }
  memory.keep_chunks(labels.info(), own, halo);
  if (image) memory.keep_chunks(image->reader.info(), images);
  return {};
}

// That of the labels of a part, which stay.
Result<void> expand_part(MemoryUse& memory, const LabelSource& labels,
                         const std::optional<MeasuredImage>& image, const Box& part,
                         const ExpansionOptions& options) {
  const Box whole = labels.record().box;
  TRY_ASSIGN(const Halo halo, needed_halo(options, labels));
  const Box grown = formats::grow(relative_to(part, whole), halo, whole.extent());
  memory.allocate(label_bytes(grown));
  memory.allocate(label_bytes(part));
  memory.allocate(expansion_bytes(part, halo) * memory.threads());
  if (image) memory.read_grey(image->reader, part);
  if (image && options.threshold) {
    memory.allocate(label_bytes(part));
    memory.free(label_bytes(part));
  }
  memory.allocate(labels.totals().objects * sizeof(ObjectSums) * memory.threads());
  if (image) memory.free(grey_bytes(part));
  memory.free(label_bytes(grown));
  return {};
}

}  // namespace

Result<Halo> needed_halo(const ExpansionOptions& options, const LabelSource& labels) {
  return expand_halo(options.distance, options.steps, labels.record().box.extent());
}

Result<LabelBlock> expand_box(const LabelSource& labels, const std::optional<MeasuredImage>& image,
                              const Box& box, const ExpansionOptions& options) {
  const Box whole = labels.record().box;
  const Extent shape = whole.extent();
  const Box owned = relative_to(box, whole);
  TRY_ASSIGN(const Halo halo, needed_halo(options, labels));
  const Box grown = formats::grow(owned, halo, shape);
  TRY_ASSIGN(LabelRecord record, record_of_expansion(labels, image, options));
  record.box.z = box.z;
  record.box.y = box.y;
  record.box.x = box.x;
  TRY_ASSIGN(const LabelVolume around, labels.read(grown));
  TRY_ASSIGN(LabelVolume expanded,
             options.from ? ring_labels(around, grown, owned, *options.from, options.distance,
                                        options.steps, shape, options.parallel)
                          : expand_labels(around, grown, owned, options.distance, options.steps,
                                          shape, options.parallel));
  GreyVolume grey;
  if (image) {
    TRY_ASSIGN(grey, image->reader.read_grey(record.box));
    if (options.threshold)
      restrict_to_bright(expanded, crop(around, grown, owned), grey, *options.threshold);
  }
  BlockObjects objects;
  objects.keys = number_from_one(expanded, options.parallel);
  const size_t count = objects.keys.size();
  objects.sums = image ? measure(expanded, grey, record.box, count, options.parallel)
                       : measure_places(expanded, record.box, count, options.parallel);
  return LabelBlock::of(std::move(record), std::move(expanded), std::move(objects));
}

Result<WholeLabels> expand_whole(const LabelSource& labels,
                                 const std::optional<MeasuredImage>& image,
                                 const ExpansionOptions& options, const std::string& out) {
  TRY_ASSIGN(const LabelRecord record, record_of_expansion(labels, image, options));
  Box whole = record.box;
  whole.level = 0;  // the only one that labels must have
  TRY_ASSIGN(Parts parts,
             make_parts(labels.info(), whole, out, options.parallel,
                        [&](const Box& part) { return expand_box(labels, image, part, options); }));
  WholeLabels expanded{std::move(parts.folder), {}};
  TRY_ASSIGN(expanded.labels,
             MergedLabels::merge(std::move(parts.blocks), formats::selection_of(record.box), {}));
  return expanded;
}

Result<void> expand_box(MemoryUse& memory, const LabelSource& labels,
                        const std::optional<MeasuredImage>& image, const Box& box,
                        const ExpansionOptions& options) {
  TRY(keep_chunks(memory, labels, image, {box}, options));
  return expand_part(memory, labels, image, box, options);
}

Result<void> expand_whole(MemoryUse& memory, const LabelSource& labels,
                          const std::optional<MeasuredImage>& image,
                          const ExpansionOptions& options) {
  Box whole = labels.record().box;
  whole.level = 0;
  TRY_ASSIGN(const std::vector<Box> parts, working_parts(labels.info(), whole));
  TRY(keep_chunks(memory, labels, image, parts, options));
  return make_parts(memory, labels.info(), whole, Joining::numbers, [&](const Box& part) {
    return expand_part(memory, labels, image, part, options);
  });
}

}  // namespace tierhub::imaging
