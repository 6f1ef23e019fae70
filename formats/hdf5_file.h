// An HDF5 file: its groups and attributes, and what its datasets are. Only metadata is read.
// HDF5 File Format Specification 3.0.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "common/result.h"
#include "formats/hdf5_library.h"
#include "formats/image.h"

namespace tierhub::formats {

// A dataset, and where its bytes are. Immutable; any thread.
class Hdf5Dataset {
 public:
  struct Layout {
    std::vector<uint64_t> sizes;   // of the array, slowest first
    std::vector<uint64_t> chunks;  // of what is decoded alone; bands of rows if it has no chunks
    bool chunked = false;
    ArrayCoding coding;     // without codecs
    std::string type_name;  // "uint16", or as HDF5 calls what is never decoded
    std::array<std::byte, 8> fill_value{};
    std::vector<Codec> filters;      // in the order of the file: the last is undone first
    bool whole_chunks_only = false;  // chunks beyond the edge are stored without filters
    std::string compressor;
    std::optional<std::string> not_decodable;
  };
  // What is not stored has no bytes.
  struct Place {
    std::vector<FileRange> bytes;
    std::shared_ptr<const Coding> coding;
  };

  Hdf5Dataset(const class Hdf5File& file, std::string path) : file_(file), path_(std::move(path)) {}
  ~Hdf5Dataset();
  Hdf5Dataset(const Hdf5Dataset&) = delete;
  Hdf5Dataset& operator=(const Hdf5Dataset&) = delete;

  const Layout& layout() const { return layout_; }
  const std::string& path() const { return path_; }
  // Of the chunk whose first voxel is `first`.
  Result<Place> place_of(const std::vector<uint64_t>& first) const;

 private:
  friend class Hdf5File;
  Result<void> read() REQUIRES(hdf5_mutex);
  Result<void> read_sizes() REQUIRES(hdf5_mutex);
  void read_type() REQUIRES(hdf5_mutex);
  Result<void> read_storage(hid_t creation) REQUIRES(hdf5_mutex);
  void read_filters(hid_t creation) REQUIRES(hdf5_mutex);
  void read_fill_value(hid_t creation) REQUIRES(hdf5_mutex);
  Result<Place> chunk_at(const std::vector<uint64_t>& first) const REQUIRES(hdf5_mutex);
  std::shared_ptr<const Coding> coding_without(unsigned skipped) const;
  void refuse(std::string why);
  Error damaged(std::string_view why) const;

  const Hdf5File& file_;
  const std::string path_;
  Hdf5Id id_;
  Hdf5Id type_;
  Layout layout_;
  uint64_t offset_bytes_ = HADDR_UNDEF;  // of an array without chunks
  std::shared_ptr<const Coding> coding_;
};

// Any thread.
class Hdf5File {
 public:
  static Result<std::unique_ptr<Hdf5File>> open(std::shared_ptr<const NotedTree> tree);
  ~Hdf5File();
  Hdf5File(const Hdf5File&) = delete;
  Hdf5File& operator=(const Hdf5File&) = delete;

  // True if there is a group or a dataset.
  bool exists(const std::string& path) const;
  // The names in a group, sorted. An error if there are more than kMaxNames.
  static constexpr size_t kMaxNames = 100'000;
  Result<std::vector<std::string>> names_in(const std::string& group) const;
  // The datasets of numbers with two axes or more, in any group. Links to other files are not
  // followed. An error if there are more than kMaxObjects groups and datasets.
  static constexpr size_t kMaxObjects = 10'000;
  Result<std::vector<std::string>> arrays() const;
  Result<std::shared_ptr<const Hdf5Dataset>> dataset(const std::string& path) const;

  // An attribute of a group or dataset; nothing if it is not there or of another kind. An array of
  // texts is joined.
  std::optional<std::string> text(const std::string& path, const std::string& attribute) const;
  std::vector<double> numbers(const std::string& path, const std::string& attribute) const;

  const FileTree& tree() const { return *tree_; }
  uint64_t size_bytes() const { return size_bytes_; }

 private:
  friend class Hdf5Dataset;
  explicit Hdf5File(std::shared_ptr<const NotedTree> tree) : tree_(std::move(tree)) {}
  // Why a call has failed: the tree's own error, or that the file is damaged.
  Error error(std::string_view why) const REQUIRES(hdf5_mutex);
  Hdf5Id attribute(const std::string& path, const std::string& name) const REQUIRES(hdf5_mutex);
  bool is_array(const std::string& path) const REQUIRES(hdf5_mutex);

  const std::shared_ptr<const NotedTree> tree_;
  uint64_t size_bytes_ = 0;
  mutable Hdf5Source source_ GUARDED_BY(hdf5_mutex);
  Hdf5Id id_;
};

}  // namespace tierhub::formats
