#include "imaging/measures/measure.h"

#include "imaging/voxels/label_numbers.h"

namespace tierhub::imaging {
namespace {

// The labels around a box, as dense numbers.
struct NumberedLabels {
  Box grown;
  LabelVolume around;             // the voxels of `grown`
  LabelVolume cut;                // those of the box alone, if these are fewer
  std::vector<uint32_t> numbers;  // what the labels were

  const LabelVolume& own() const { return cut.voxels.empty() ? around : cut; }
};

Result<NumberedLabels> read_labels(const LabelSource& source, const MeasurePlan& plan,
                                   const LabelRecord& record, Parallel parallel) {
  TRY_ASSIGN(const Halo halo, needed_halo(plan, record));
  NumberedLabels labels;
  labels.grown = formats::grow(record.box, halo, record.shape);
  TRY_ASSIGN(labels.around, source.read_of_volume(labels.grown));
  labels.numbers = number_densely(labels.around, parallel);
  if (!(labels.grown == record.box)) labels.cut = crop(labels.around, labels.grown, record.box);
  return labels;
}

// What labels alone tell, of the labels that are there and of those around the box.
Result<std::vector<ObjectMeasures>> measure_labels(const NumberedLabels& labels,
                                                   const MeasurePlan& plan,
                                                   const LabelRecord& record, Parallel parallel) {
  const size_t count = labels.numbers.size();
  std::vector<ObjectMeasures> objects(count);
  const std::vector<ObjectSums> places = measure_places(labels.own(), record.box, count, parallel);
  for (size_t i = 0; i < count; ++i) {
    objects[i].label = labels.numbers[i];
    objects[i].places = places[i];
  }
  if (plan.shape) {
    const std::vector<ShapeSums> shapes =
        measure_shapes(labels.around, labels.grown, record.box, record.shape, count, parallel);
    for (size_t i = 0; i < count; ++i) objects[i].shape = shapes[i];
  }
  if (!plan.neighbours) return objects;
  TRY_ASSIGN(std::vector<Neighbours> neighbours,
             find_neighbours(labels.around, labels.grown, places, *plan.neighbours,
                             steps_of(record), record.shape, parallel));
  for (size_t i = 0; i < count; ++i) {
    for (Neighbour& neighbour : neighbours[i])
      neighbour.label = labels.numbers[neighbour.label - 1];
    objects[i].neighbours = std::move(neighbours[i]);
  }
  return objects;
}

// Adds what the channels tell.
Result<void> measure_channels(const LabelVolume& labels, const std::vector<ImageReader>& images,
                              const MeasurePlan& plan, Parallel parallel, BoxMeasures& measures) {
  GreyVolume first;
  for (size_t i = 0; i < images.size(); ++i) {
    const ChannelPlan& channel = plan.channels[i];
    Box box = measures.record.box;
    box.level = channel.level;
    box.t = channel.t;
    box.c = channel.c;
    TRY_ASSIGN(GreyVolume volume, images[i].read_grey(box));
    const size_t count = measures.objects.size();
    measures.values.push_back(count_values(labels, volume, count, parallel));
    if (i == 1 && plan.is_pair) {
      const std::vector<PairSums> pairs = measure_pairs(
          labels, first, volume, plan.thresholds.value_or(PairThresholds()), count, parallel);
      for (size_t k = 0; k < count; ++k) measures.objects[k].pair = pairs[k];
    }
    if (i == 0 && plan.is_pair) first = std::move(volume);
  }
  return {};
}

// Those around the box have none.
void drop_without_voxels(BoxMeasures& measures) {
  size_t kept = 0;
  for (size_t i = 0; i < measures.objects.size(); ++i) {
    if (measures.objects[i].places.voxels == 0) continue;
    if (kept != i) {
      measures.objects[kept] = std::move(measures.objects[i]);
      for (auto& values : measures.values) values[kept] = std::move(values[i]);
    }
    ++kept;
  }
  measures.objects.resize(kept);
  for (auto& values : measures.values) values.resize(kept);
}

std::vector<Box> in_channel(std::vector<Box> boxes, const ChannelPlan& channel) {
  for (Box& box : boxes) {
    box.level = channel.level;
    box.t = channel.t;
    box.c = channel.c;
  }
  return boxes;
}

// The memory of measure_box() for one of several boxes, but for chunks; what is measured stays.
void measure_part(MemoryUse& memory, const LabelSource& labels,
                  const std::vector<ImageReader>& images, const MeasurePlan& plan,
                  const LabelRecord& record, const Box& box, const Halo& halo) {
  const LabelTotals totals = labels.totals();
  const auto share = [&](uint64_t number) {  // of the box, if they are spread evenly
    return number * box.voxels() / plan.covered.voxels();
  };
  const uint64_t count = share(totals.objects) + 1, voxels = share(totals.voxels);
  const Box grown = formats::grow(box, halo, record.shape);
  memory.allocate(label_bytes(grown));
  const bool is_cut = grown != box;
  if (is_cut) memory.allocate(label_bytes(box));
  memory.allocate(count * (sizeof(ObjectMeasures) + memory.threads() * sizeof(ObjectSums)));
  if (plan.shape) memory.allocate(count * (memory.threads() + 1) * sizeof(ShapeSums));
  for (const ImageReader& image : images) {
    memory.read_grey(image, box);
    const uint64_t values = image.info().type == formats::PixelType::uint8 ? 256 : 65536;
    memory.allocate(count_bytes(count, voxels, values));
    memory.allocate(voxels * sizeof(uint16_t));
    memory.free(voxels * sizeof(uint16_t));
    if (&image != &images.front() || !plan.is_pair) memory.free(grey_bytes(box));
  }
  if (plan.is_pair) memory.free(grey_bytes(box));
  if (is_cut) memory.free(label_bytes(box));
  memory.free(label_bytes(grown));
}

}  // namespace

void ObjectMeasures::add(const ObjectMeasures& other) {
  places.add(other.places);
  shape.add(other.shape);
  add_neighbours(neighbours, other.neighbours);
  pair.add(other.pair);
}

Result<BoxMeasures> measure_box(const LabelSource& labels, const std::vector<ImageReader>& images,
                                const MeasurePlan& plan, const LabelRecord& record,
                                Parallel parallel) {
  BoxMeasures measures;
  measures.record = record;
  measures.record.made_with["measures"] = to_json(plan);
  TRY_ASSIGN(const NumberedLabels numbered, read_labels(labels, plan, record, parallel));
  TRY_ASSIGN(measures.objects, measure_labels(numbered, plan, record, parallel));
  TRY(measure_channels(numbered.own(), images, plan, parallel, measures));
  drop_without_voxels(measures);
  return measures;
}

Result<void> measure_boxes(MemoryUse& memory, const LabelSource& labels,
                           const std::vector<ImageReader>& images, const MeasurePlan& plan,
                           const LabelRecord& record, const std::vector<Box>& boxes) {
  TRY_ASSIGN(const Halo halo, needed_halo(plan, record));
  std::vector<Box> of_labels;
  for (const Box& box : boxes) of_labels.push_back(relative_to(box, plan.covered));
  memory.keep_chunks(labels.info(), of_labels, halo);
  for (size_t i = 0; i < images.size(); ++i)
    memory.keep_chunks(images[i].info(), in_channel(boxes, plan.channels[i]));
  for (const Box& box : boxes) measure_part(memory, labels, images, plan, record, box, halo);
  return {};
}

}  // namespace tierhub::imaging
