// The sums of the objects of one box, in memory or in a file (.sums): one line of JSON that says
// what they are, then one line of integers an object.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "common/result.h"
#include "imaging/measures/measure.h"

namespace tierhub::imaging {

// Any thread.
class Sums {
 public:
  static Result<Sums> of(BoxMeasures measures);
  // A file that write_sums() wrote.
  static Result<Sums> open(const std::string& path);

  const LabelRecord& record() const { return record_; }
  const MeasurePlan& plan() const { return plan_; }
  const std::string& path() const { return path_; }
  const std::vector<ObjectMeasures>& objects() const { return objects_; }
  // How often values occur, by channel, then as objects(): the larger part. Once: those in memory
  // are given away, those of a file are read now.
  Result<std::vector<std::vector<ValueCounts>>> take_values();

 private:
  Sums() = default;

  std::string path_;
  LabelRecord record_;
  MeasurePlan plan_;
  std::vector<ObjectMeasures> objects_;
  std::vector<std::vector<ValueCounts>> values_;  // of sums in memory
  bool is_file_ = false;
};

Result<void> write_sums(const BoxMeasures& measures, const std::string& path);

// A file, or all *.sums of a folder, opened.
Result<std::vector<Sums>> open_sums(const std::string& path);

}  // namespace tierhub::imaging
