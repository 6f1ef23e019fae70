#include "imaging/measures/merge_measures.h"

#include <algorithm>
#include <array>
#include <filesystem>
#include <map>

#include <fmt/format.h>

namespace tierhub::imaging {
namespace {

Result<void> check_sums_fit(const std::vector<Sums>& parts) {
  for (const Sums& part : parts) {
    const std::string difference = part.record().difference_from(parts.front().record());
    if (difference.empty()) continue;
    return Error(std::errc::invalid_argument,
                 fmt::format("{} does not fit {}: it was measured with {}", part.path(),
                             parts.front().path(), difference));
  }
  return {};
}

// What the boxes must tile.
Result<Box> selected_region(const std::vector<Sums>& parts, const formats::Selection& selection) {
  const LabelRecord& record = parts.front().record();
  TRY_ASSIGN(const Box part, formats::part_of(whole_of(record.box, record.shape), selection));
  Box covered = parts.front().plan().covered;
  covered.level = part.level;
  covered.t = part.t;
  covered.c = part.c;
  const Box region = formats::intersect(part, covered);
  std::vector<Box> boxes;
  for (const Sums& sums : parts) boxes.push_back(sums.record().box);
  if (auto tiled = formats::check_tiling(boxes, region); !tiled) {
    return tiled.error().in(
        std::filesystem::path(parts.front().path()).parent_path().string() +
        " (use --select to name the part, if only part of the volume was measured)");
  }
  return region;
}

// An object whose boxes are not all known yet.
struct OpenObject {
  size_t place = 0;                 // among all objects
  size_t to_come = 0;               // boxes
  std::vector<ValueCounts> values;  // by channel
};

// Adds values box by box; those of an object are given up when it is complete.
class ValueMerge {
 public:
  explicit ValueMerge(Measures& measures) : measures_(measures) {
    measures_.intensities.assign(measures_.plan.channels.size(),
                                 std::vector<Intensities>(measures_.objects.size()));
    for (size_t i = 0; i < measures_.objects.size(); ++i)
      open_[measures_.objects[i].label] = {
          i, 0, std::vector<ValueCounts>(measures_.plan.channels.size())};
  }
  void expect(const Sums& part) {
    for (const ObjectMeasures& object : part.objects()) ++open_[object.label].to_come;
  }
  Result<void> add(Sums& part) {
    TRY_ASSIGN(const auto values, part.take_values());
    for (size_t i = 0; i < part.objects().size(); ++i) {
      const auto found = open_.find(part.objects()[i].label);
      OpenObject& object = found->second;
      for (size_t channel = 0; channel < values.size(); ++channel)
        add_counts(object.values[channel], values[channel][i]);
      if (--object.to_come > 0) continue;
      TRY(finish(object, part));
      open_.erase(found);
    }
    return {};
  }

 private:
  Result<void> finish(const OpenObject& object, const Sums& part) {
    for (size_t channel = 0; channel < object.values.size(); ++channel) {
      if (object.values[channel].empty())
        return Error(std::errc::io_error, part.path() + " is damaged: it lacks intensities");
      measures_.intensities[channel][object.place] = intensities_of(object.values[channel]);
    }
    return {};
  }

  Measures& measures_;
  std::map<uint32_t, OpenObject> open_;
};

// What all boxes say of each object, but for its intensities.
std::vector<ObjectMeasures> add_objects(const std::vector<Sums>& parts) {
  std::map<uint32_t, ObjectMeasures> by_label;
  for (const Sums& part : parts) {
    for (const ObjectMeasures& object : part.objects()) {
      const auto [known, is_new] = by_label.try_emplace(object.label, object);
      if (!is_new) known->second.add(object);
    }
  }
  std::vector<ObjectMeasures> objects;
  objects.reserve(by_label.size());
  for (auto& [label, object] : by_label) objects.push_back(std::move(object));
  return objects;
}

}  // namespace

Result<Measures> add_sums(std::vector<Sums> parts, const formats::Selection& selection) {
  TRY(check_sums_fit(parts));
  Measures measures;
  measures.record = parts.front().record();
  measures.plan = parts.front().plan();
  TRY_ASSIGN(measures.record.box, selected_region(parts, selection));
  std::sort(parts.begin(), parts.end(), [](const Sums& a, const Sums& b) {
    const Box &p = a.record().box, &q = b.record().box;
    return std::array{p.z.begin, p.y.begin, p.x.begin} <
           std::array{q.z.begin, q.y.begin, q.x.begin};
  });
  measures.objects = add_objects(parts);
  if (measures.plan.channels.empty()) return measures;
  ValueMerge values(measures);
  for (const Sums& part : parts) values.expect(part);
  for (Sums& part : parts) TRY(values.add(part));
  return measures;
}

}  // namespace tierhub::imaging
