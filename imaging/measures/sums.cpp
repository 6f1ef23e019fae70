#include "imaging/measures/sums.h"

#include <algorithm>
#include <filesystem>

#include <fmt/format.h>

#include "common/posix.h"
#include "formats/json.h"
#include "imaging/images/output.h"

namespace tierhub::imaging {
namespace {

using formats::Json;

constexpr uint64_t kSumsVersion = 1;
constexpr const char* kSumsEnding = ".sums";

// Writes integers of a line, each after a space but the first.
class IntegerLine {
 public:
  explicit IntegerLine(fmt::memory_buffer& text) : text_(text) {}
  template <class T>
  void add(T number) {
    fmt::format_to(std::back_inserter(text_), "{}{}", is_first_ ? "" : " ", number);
    is_first_ = false;
  }
  void add(const formats::AxisRange& range) {
    add(range.begin);
    add(range.end);
  }

 private:
  fmt::memory_buffer& text_;
  bool is_first_ = true;
};

// Reads them again. After an error all that follows is 0, and is_damaged().
class IntegerReader {
 public:
  explicit IntegerReader(std::string_view text) : text_(text) {}

  // One that is not larger than `most`.
  WideInteger take(WideInteger most) {
    WideInteger value = 0;
    size_t digits = 0;
    while (digits < text_.size() && text_[digits] >= '0' && text_[digits] <= '9') {
      value = value * 10 + (text_[digits++] - '0');
      if (value > most) return fail();
    }
    if (digits == 0 || (digits < text_.size() && text_[digits] != ' ')) return fail();
    text_.remove_prefix(std::min(digits + 1, text_.size()));
    return value;
  }
  uint64_t take() { return static_cast<uint64_t>(take(~uint64_t{0})); }
  WideInteger take_wide() { return take(WideInteger{1} << 120); }
  uint32_t take_label() { return static_cast<uint32_t>(take(~uint32_t{0})); }
  formats::AxisRange take_range() {
    const uint64_t begin = take();
    return {begin, take()};
  }
  bool is_at_end() const { return text_.empty(); }
  bool is_damaged() const { return is_damaged_; }

 private:
  WideInteger fail() {
    text_ = {};
    is_damaged_ = true;
    return 0;
  }

  std::string_view text_;
  bool is_damaged_ = false;
};

void add_places(const ObjectSums& sums, IntegerLine& line) {
  for (const uint64_t sum : {sums.voxels, sums.sum_z, sums.sum_y, sums.sum_x}) line.add(sum);
  for (const uint64_t at : sums.first) line.add(at);
  for (const auto& range : {sums.z, sums.y, sums.x}) line.add(range);
}

ObjectSums take_places(IntegerReader& line) {
  ObjectSums sums;
  for (uint64_t* sum : {&sums.voxels, &sums.sum_z, &sums.sum_y, &sums.sum_x}) *sum = line.take();
  for (uint64_t& at : sums.first) at = line.take();
  for (formats::AxisRange* range : {&sums.z, &sums.y, &sums.x}) *range = line.take_range();
  return sums;
}

void add_shape(const ShapeSums& sums, IntegerLine& line) {
  for (const WideInteger sum : {sums.zz, sums.yy, sums.xx, sums.zy, sums.zx, sums.yx})
    line.add(sum);
  for (const uint64_t crossings : sums.crossings) line.add(crossings);
}

ShapeSums take_shape(IntegerReader& line) {
  ShapeSums sums;
  for (WideInteger* sum : {&sums.zz, &sums.yy, &sums.xx, &sums.zy, &sums.zx, &sums.yx})
    *sum = line.take_wide();
  for (uint64_t& crossings : sums.crossings) crossings = line.take();
  return sums;
}

// Files of grey values that stand for themselves have no numbers of voxels.
bool has_pair_voxels(const MeasurePlan& plan) {
  return plan.thresholds &&
         !(plan.channels[0].scale.is_identity() && plan.channels[1].scale.is_identity());
}

void add_pair(const PairSums& sums, const MeasurePlan& plan, IntegerLine& line) {
  line.add(sums.product);
  for (const uint64_t sum :
       {sums.first_above, sums.second_above, sums.first_in_both, sums.second_in_both})
    line.add(sum);
  if (!has_pair_voxels(plan)) return;
  for (const uint64_t voxels : {sums.first_voxels, sums.second_voxels, sums.both_voxels})
    line.add(voxels);
}

PairSums take_pair(IntegerReader& line, const MeasurePlan& plan) {
  PairSums sums;
  sums.product = line.take_wide();
  for (uint64_t* sum :
       {&sums.first_above, &sums.second_above, &sums.first_in_both, &sums.second_in_both})
    *sum = line.take();
  if (!has_pair_voxels(plan)) return sums;
  for (uint64_t* voxels : {&sums.first_voxels, &sums.second_voxels, &sums.both_voxels})
    *voxels = line.take();
  return sums;
}

ObjectMeasures take_object(IntegerReader& line, const MeasurePlan& plan) {
  ObjectMeasures object;
  object.label = line.take_label();
  object.places = take_places(line);
  if (plan.shape) object.shape = take_shape(line);
  if (plan.is_pair) object.pair = take_pair(line, plan);
  const uint64_t neighbours = plan.neighbours ? line.take() : 0;
  for (uint64_t i = 0; i < neighbours && !line.is_damaged(); ++i) {
    const uint32_t label = line.take_label();
    object.neighbours.push_back({label, line.take()});
  }
  return object;
}

ValueCounts take_counts(IntegerReader& line) {
  ValueCounts counts;
  const uint64_t size = line.take();
  for (uint64_t i = 0; i < size && !line.is_damaged(); ++i) {
    const auto value = static_cast<uint64_t>(line.take(65535));
    counts.push_back({value, static_cast<uint64_t>(line.take((uint64_t{1} << 48) - 1))});
  }
  return counts;
}

std::string to_text(const BoxMeasures& measures, const MeasurePlan& plan) {
  const formats::VoxelSize& size = measures.record.voxel_size;
  const Json header = {
      {"imgop_measures", kSumsVersion},         {"objects", measures.objects.size()},
      {"made", to_json(measures.record)},       {"has_z", measures.record.has_z},
      {"voxel_size", {size.z, size.y, size.x}}, {"voxel_unit", measures.record.voxel_unit}};
  fmt::memory_buffer text;
  fmt::format_to(std::back_inserter(text), "{}\n", header.dump());
  for (size_t i = 0; i < measures.objects.size(); ++i) {
    const ObjectMeasures& object = measures.objects[i];
    IntegerLine line(text);
    line.add(object.label);
    add_places(object.places, line);
    if (plan.shape) add_shape(object.shape, line);
    if (plan.is_pair) add_pair(object.pair, plan, line);
    if (plan.neighbours) line.add(object.neighbours.size());
    for (const Neighbour& neighbour : object.neighbours) {
      line.add(neighbour.label);
      line.add(neighbour.square);
    }
    for (const auto& values : measures.values) {
      line.add(values[i].size());
      for (const ValueCount& bin : values[i]) {
        line.add(uint64_t{bin.value});
        line.add(uint64_t{bin.count});
      }
    }
    text.push_back('\n');
  }
  return fmt::to_string(text);
}

Error damaged_sums(const std::string& path) {
  return Error(std::errc::io_error, path + " is truncated or damaged");
}

std::string_view take_line(std::string_view& text) {
  const size_t end = text.find('\n');
  const std::string_view line = text.substr(0, end);
  text.remove_prefix(end == std::string_view::npos ? text.size() : end + 1);
  return line;
}

struct SumsHeader {
  LabelRecord record;
  MeasurePlan plan;
  uint64_t objects = 0;
};

Result<SumsHeader> header_from(std::string_view line, const std::string& path) {
  const Error not_sums(std::errc::invalid_argument,
                       path + " is not a file of sums that imgop measure wrote");
  const auto json = formats::parse_json(line, path);
  if (!json) return not_sums;
  const auto version = formats::get_unsigned(*json, "imgop_measures");
  const auto objects = formats::get_unsigned(*json, "objects");
  const Json* const made = formats::find_member(*json, "made");
  const Json* const size = formats::find_member(*json, "voxel_size");
  if (version != kSumsVersion || !objects || made == nullptr || size == nullptr ||
      !size->is_array() || size->size() != 3 || !(*size)[0].is_number() ||
      !(*size)[1].is_number() || !(*size)[2].is_number())
    return not_sums;
  SumsHeader header;
  header.objects = *objects;
  TRY_ASSIGN(header.record, record_from_json(*made, path));
  header.record.has_z = json->value("has_z", Json()) == Json(true);
  header.record.voxel_size = {(*size)[0], (*size)[1], (*size)[2]};
  header.record.voxel_unit = formats::get_text(*json, "voxel_unit").value_or("");
  const Json* const plan = formats::find_member(header.record.made_with, "measures");
  if (plan == nullptr) return not_sums;
  TRY_ASSIGN(header.plan, plan_from_json(*plan, path));
  return header;
}

}  // namespace

Result<Sums> Sums::of(BoxMeasures measures) {
  Sums sums;
  sums.path_ = "sums in memory";
  TRY_ASSIGN(sums.plan_, plan_from_json(measures.record.made_with["measures"], sums.path_));
  sums.record_ = std::move(measures.record);
  sums.objects_ = std::move(measures.objects);
  sums.values_ = std::move(measures.values);
  return sums;
}

Result<Sums> Sums::open(const std::string& path) {
  TRY_ASSIGN(const std::string text, posix::read_file(path));
  std::string_view rest = text;
  TRY_ASSIGN(SumsHeader header, header_from(take_line(rest), path));
  if (!text.ends_with('\n')) return damaged_sums(path);
  Sums sums;
  sums.is_file_ = true;
  sums.path_ = path;
  sums.record_ = std::move(header.record);
  sums.plan_ = std::move(header.plan);
  while (!rest.empty()) {
    IntegerReader line(take_line(rest));
    ObjectMeasures object = take_object(line, sums.plan_);
    const bool is_ascending = sums.objects_.empty() || sums.objects_.back().label < object.label;
    if (line.is_damaged() || object.places.voxels == 0 || !is_ascending) return damaged_sums(path);
    sums.objects_.push_back(std::move(object));
  }
  if (sums.objects_.size() != header.objects) return damaged_sums(path);
  return sums;
}

Result<std::vector<std::vector<ValueCounts>>> Sums::take_values() {
  if (!is_file_) return std::move(values_);
  std::vector<std::vector<ValueCounts>> values(plan_.channels.size());
  TRY_ASSIGN(const std::string text, posix::read_file(path_));
  std::string_view rest = text;
  take_line(rest);
  for (size_t i = 0; i < objects_.size(); ++i) {
    IntegerReader line(take_line(rest));
    take_object(line, plan_);
    for (auto& channel : values) channel.push_back(take_counts(line));
    if (line.is_damaged() || !line.is_at_end()) return damaged_sums(path_);
  }
  return values;
}

Result<void> write_sums(const BoxMeasures& measures, const std::string& path) {
  TRY_ASSIGN(const MeasurePlan plan,
             plan_from_json(*formats::find_member(measures.record.made_with, "measures"), path));
  return write_output_file(path, to_text(measures, plan));
}

Result<std::vector<Sums>> open_sums(const std::string& path) {
  namespace fs = std::filesystem;
  std::error_code failure;
  std::vector<std::string> files;
  if (fs::is_directory(path, failure)) {
    for (const auto& entry : fs::directory_iterator(path, failure)) {
      const std::string name = entry.path().filename().string();
      if (!name.starts_with('.') && name.ends_with(kSumsEnding))
        files.push_back(entry.path().string());
    }
    if (failure) return Error(failure, fmt::format("list {}: {}", path, failure.message()));
    if (files.empty())
      return Error(std::errc::invalid_argument, fmt::format("{} holds no .sums files", path));
    std::sort(files.begin(), files.end());
  } else {
    files.push_back(path);
  }
  std::vector<Sums> all;
  for (const std::string& file : files) {
    TRY_ASSIGN(Sums sums, Sums::open(file));
    all.push_back(std::move(sums));
  }
  return all;
}

}  // namespace tierhub::imaging
