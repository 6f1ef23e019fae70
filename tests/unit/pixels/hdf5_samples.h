// HDF5 files, written by the library.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "formats/hdf5_library.h"
#include "tests/unit/formats/samples.h"
#include "tests/unit/pixels/samples.h"

namespace tierhub::test {

// How a dataset is stored.
struct Hdf5Storage {
  std::vector<hsize_t> chunk;  // empty: no chunks
  bool shuffle = false;
  bool deflate = false;
  bool fletcher32 = false;
};

class Hdf5Builder {
 public:
  explicit Hdf5Builder(uint64_t user_block_bytes = 0, bool latest = false);
  hid_t file() const { return file_.get(); }
  // With the groups of its path. `bytes` are numbers of type `stored`; none if it is empty.
  void add(const std::string& path, hid_t stored, const std::vector<hsize_t>& sizes,
           const Hdf5Storage& storage, const std::string& bytes, const std::string& fill = "");
  void add_group(const std::string& path);
  void add_numbers(const std::string& path, const std::string& name,
                   const std::vector<double>& numbers);
  // As Imaris writes texts: an array of texts of one byte.
  void add_text(const std::string& path, const std::string& name, const std::string& text);
  // The bytes of the file, which is finished.
  std::string finish();

 private:
  ScratchFolder folder_;
  formats::Hdf5Id file_;
};

// The numbers of a whole array as voxel_at() gives them.
template <class T>
std::string array_bytes(const formats::Shape& shape, bool big_endian = false, uint64_t t0 = 0,
                        uint64_t c0 = 0) {
  std::string bytes;
  for (uint64_t t = 0; t < shape.t; ++t)
    for (uint64_t c = 0; c < shape.c; ++c)
      for (uint64_t z = 0; z < shape.z; ++z)
        for (uint64_t y = 0; y < shape.y; ++y)
          for (uint64_t x = 0; x < shape.x; ++x)
            bytes += bytes_of_number(voxel_at<T>(t0 + t, c0 + c, z, y, x), big_endian);
  return bytes;
}

// Level 0 of 3 x 17 x 23 in arrays of 4 x 20 x 24, level 1 of 3 x 9 x 12; 2 time points, 2 channels.
std::string imaris_file();

Sample big_data_viewer();

std::vector<Sample> hdf5_samples();

}  // namespace tierhub::test
