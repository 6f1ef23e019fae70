// Reads the metadata of an HDF5 file with libhdf5: its groups, attributes and datasets.
// HDF5 File Format Specification 3.0. libhdf5 crashes on some damaged files, so this is called only
// in an IsolatedProcess.
#pragma once

#include <list>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "common/result.h"
#include "formats/hdf5_layout.h"
#include "formats/hdf5_library.h"

namespace tierhub::formats {

class Hdf5Parser {
 public:
  // `source` outlives the parser.
  static Result<std::unique_ptr<Hdf5Parser>> open(Hdf5Source& source);
  ~Hdf5Parser();

  // As Hdf5File explains them.
  bool exists(const std::string& path) const;
  Result<std::vector<std::string>> names_in(const std::string& group) const;
  Result<std::vector<std::string>> arrays() const;
  std::optional<std::string> text(const std::string& path, const std::string& attribute) const;
  std::vector<double> numbers(const std::string& path, const std::string& attribute) const;
  Result<Hdf5Layout> layout(const std::string& path);
  // The chunks of a dataset whose first voxels are `firsts`, as far as they are stored.
  Result<std::vector<std::optional<Hdf5Chunk>>> chunks(
      const std::string& path, const std::vector<std::vector<uint64_t>>& firsts);

 private:
  class Dataset;
  explicit Hdf5Parser(Hdf5Source& source);
  Error damaged(std::string_view why) const;
  Hdf5Id attribute(const std::string& path, const std::string& name) const;
  bool is_array(const std::string& path) const;
  // Opens it, unless it is one of those that were used last.
  Result<const Dataset*> dataset(const std::string& path);

  Hdf5Source& source_;
  Hdf5Id id_;
  // Those that were used last. They are closed before the file.
  std::list<std::unique_ptr<const Dataset>> datasets_;
};

}  // namespace tierhub::formats
