// Keeping the objects that fulfil conditions, compared with a plain implementation on voxels.
#include <algorithm>
#include <map>

#include <gtest/gtest.h>

#include "imaging/labels/expansion.h"
#include "imaging/labels/finished.h"
#include "imaging/tables/condition.h"
#include "imaging/tables/csv.h"
#include "tests/unit/imaging/blockwise.h"
#include "tests/unit/imaging/volumes.h"

namespace tierhub::imaging {
namespace {

using test::ScratchFolder;

// Boxes of labels, some of which hide others; some numbers are left out.
LabelVolume boxes_of_some_labels(std::mt19937_64& random, const Extent& shape) {
  LabelVolume labels(shape);
  const uint64_t most = 1 + random() % 12;
  for (uint64_t i = 0; i < most; ++i) {
    const Box box = random_box(random, shape);
    const auto label = static_cast<uint32_t>(1 + random() % (2 * most));
    for (uint64_t z = box.z.begin; z < box.z.end; ++z)
      for (uint64_t y = box.y.begin; y < std::min(box.y.end, box.y.begin + 5); ++y)
        for (uint64_t x = box.x.begin; x < std::min(box.x.end, box.x.begin + 4); ++x)
          labels.at(z, y, x) = label;
  }
  return labels;
}

// The numbers of each object that conditions ask for, counted voxel by voxel.
using Numbers = std::map<std::string, uint64_t>;

std::map<uint32_t, Numbers> count_numbers(const LabelVolume& labels) {
  const std::string size = labels.extent.z == 1 ? "area_px" : "volume_vx";
  std::map<uint32_t, Numbers> objects;
  for (uint64_t z = 0; z < labels.extent.z; ++z)
    for (uint64_t y = 0; y < labels.extent.y; ++y)
      for (uint64_t x = 0; x < labels.extent.x; ++x) {
        const uint32_t label = labels.at(z, y, x);
        if (label == 0) continue;
        const bool is_new = !objects.contains(label);
        Numbers& own = objects[label];
        own["label"] = label;
        ++own[size];
        own["begin_y_px"] = is_new ? y : std::min(own["begin_y_px"], y);
        own["end_x_px"] = std::max(own["end_x_px"], x + 1);
      }
  return objects;
}

struct Wanted {
  std::string column;
  std::string sign;
  uint64_t value = 0;

  std::string text() const { return fmt::format("{} {} {}", column, sign, value); }
  bool holds(uint64_t number) const {
    if (sign == "<") return number < value;
    if (sign == "<=") return number <= value;
    if (sign == ">") return number > value;
    if (sign == ">=") return number >= value;
    return (number == value) == (sign == "=");
  }
};

std::vector<Wanted> random_conditions(std::mt19937_64& random,
                                      const std::map<uint32_t, Numbers>& objects) {
  std::vector<Wanted> conditions(1 + random() % 2);
  for (Wanted& wanted : conditions) {
    // A number that an object has, so that equal ones come often.
    const Numbers& any = std::next(objects.begin(), random() % objects.size())->second;
    const auto& [column, value] = *std::next(any.begin(), random() % any.size());
    const std::vector<std::string> signs = {"<", "<=", ">", ">=", "=", "!="};
    wanted = {column, signs[random() % signs.size()], value};
  }
  return conditions;
}

// The labels that are kept as numbers from 1 on, or as they were.
LabelVolume expected_of(const LabelVolume& labels, const std::map<uint32_t, Numbers>& objects,
                        const std::vector<Wanted>& conditions, Numbering numbering) {
  std::map<uint32_t, uint32_t> numbers;
  for (const auto& [label, own] : objects) {
    const bool is_kept =
        std::all_of(conditions.begin(), conditions.end(),
                    [&own](const Wanted& wanted) { return wanted.holds(own.at(wanted.column)); });
    if (!is_kept) continue;
    const auto next = static_cast<uint32_t>(numbers.size() + 1);
    numbers[label] = numbering == Numbering::own ? label : next;
  }
  LabelVolume expected(labels.extent);
  for (size_t i = 0; i < labels.voxels.size(); ++i) {
    const auto found = numbers.find(labels.voxels[i]);
    if (found != numbers.end()) expected.voxels[i] = found->second;
  }
  return expected;
}

// The same labels out of blocks of a random size.
MergedLabels in_blocks(std::mt19937_64& random, const std::string& path) {
  const LabelSource source = must(LabelSource::open(path));
  const Box whole = source.record().box;
  const auto part = [&random](uint64_t size) { return 1 + size / (1 + random() % 4); };
  std::vector<LabelBlock> blocks;
  for (const Box& box : must(formats::tile(
           whole, {part(whole.z.size()), part(whole.y.size()), part(whole.x.size())})))
    blocks.push_back(must(expand_box(source, std::nullopt, box, {})));
  std::shuffle(blocks.begin(), blocks.end(), random);
  return must(MergedLabels::merge(std::move(blocks), formats::selection_of(whole), {}));
}

// As imgop filter-labels does it.
void keep_where(MergedLabels& labels, const std::vector<Wanted>& wanted, Numbering numbering) {
  std::vector<Condition> conditions;
  for (const Wanted& one : wanted) conditions.push_back(must(Condition::parse(one.text())));
  const Table table = must(parse_csv(object_table(labels.objects(), labels.record()), ""));
  const std::vector<bool> fulfils = must(rows_where(table, conditions));
  std::vector<uint32_t> kept;
  for (size_t row = 0; row < table.rows(); ++row) {
    const double label = *must(table.number(row, must(table.column("label"))));
    if (fulfils[row]) kept.push_back(static_cast<uint32_t>(label));
  }
  labels.renumber(numbers_of_kept(labels.objects().size(), kept, numbering), "");
}

TEST(FilterLabels, KeepsWhatFulfilsTheConditionsWhateverTheBlocks) {
  const ScratchFolder folder;
  uint64_t kept = 0, removed = 0;
  for (uint64_t seed = 1; seed <= 250; ++seed) {
    SCOPED_TRACE(fmt::format("seed {}", seed));
    std::mt19937_64 random(seed);
    const LabelVolume labels = boxes_of_some_labels(random, random_shape(random, 14));
    const Extent& shape = labels.extent;
    const std::string path = folder / fmt::format("{}.zarr", seed);
    write_volume(path, labels);
    const std::map<uint32_t, Numbers> objects = count_numbers(labels);
    const std::vector<Wanted> conditions = random_conditions(random, objects);
    const Numbering numbering = random() % 2 == 0 ? Numbering::own : Numbering::dense;
    const LabelVolume expected = expected_of(labels, objects, conditions, numbering);

    FinishedLabels finished = must(open_finished_labels(path, folder / "out", Parallel(2)));
    MergedLabels& whole = finished.whole.labels;
    MergedLabels blocks = in_blocks(random, path);
    ASSERT_EQ(whole.count(), objects.size());
    for (MergedLabels* one : {&whole, &blocks}) {
      keep_where(*one, conditions, numbering);
      ASSERT_EQ(must(one->read(whole_box(shape))), expected) << conditions.front().text();
      const Box part = random_box(random, shape);
      ASSERT_EQ(must(one->read(part)), crop(expected, whole_box(shape), part));
      ASSERT_EQ(one->count(), count_numbers(expected).size());
    }
    ASSERT_EQ(whole.objects(), blocks.objects());
    kept += whole.count();
    removed += objects.size() - whole.count();
  }
  EXPECT_GT(kept, 200u);
  EXPECT_GT(removed, 200u);
}

}  // namespace
}  // namespace tierhub::imaging
