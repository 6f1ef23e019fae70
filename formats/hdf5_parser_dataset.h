// A dataset that an Hdf5Parser has open.
#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "formats/hdf5_parser.h"

namespace tierhub::formats {

class Hdf5Parser::Dataset {
 public:
  // `source` outlives the dataset.
  static Result<std::unique_ptr<const Dataset>> open(hid_t file, Hdf5Source& source,
                                                     const std::string& path);

  const std::string& path() const { return path_; }
  const Hdf5Layout& layout() const { return layout_; }
  Result<std::optional<Hdf5Chunk>> chunk_at(const std::vector<uint64_t>& first) const;

 private:
  Dataset(Hdf5Source& source, std::string path) : source_(source), path_(std::move(path)) {}
  Result<void> read(hid_t file);
  Result<void> read_sizes();
  void read_type();
  Result<void> read_storage(hid_t creation);
  void read_filters(hid_t creation);
  void read_fill_value(hid_t creation);
  void refuse(std::string why);
  Error damaged(std::string_view why) const;

  Hdf5Source& source_;
  const std::string path_;
  Hdf5Id id_;
  Hdf5Id type_;
  Hdf5Layout layout_;
};

}  // namespace tierhub::formats
