// What a dataset of an HDF5 file is, and where its chunks are.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "formats/coding.h"

namespace tierhub::formats {

struct Hdf5Layout {
  std::vector<uint64_t> sizes;   // of the array, slowest first
  std::vector<uint64_t> chunks;  // of what is decoded alone; bands of rows if it has no chunks
  bool chunked = false;
  std::optional<uint64_t> offset_bytes;  // of an array without chunks, if it is stored
  ArrayCoding coding;                    // without codecs
  std::string type_name;                 // "uint16", or as HDF5 calls what is never decoded
  std::array<std::byte, 8> fill_value{};
  std::vector<Codec> filters;      // in the order of the file: the last is undone first
  bool whole_chunks_only = false;  // chunks beyond the edge are stored without filters
  std::string compressor;
  std::optional<std::string> not_decodable;
};

// The bytes of a chunk that is stored.
struct Hdf5Chunk {
  uint64_t offset_bytes = 0;
  uint64_t size_bytes = 0;
  uint32_t skipped_filters = 0;  // filter i was not applied if bit i is set
};

}  // namespace tierhub::formats
