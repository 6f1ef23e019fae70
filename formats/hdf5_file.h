// An HDF5 file: its groups and attributes, and what its datasets are. Only metadata is read.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "common/guarded.h"
#include "common/result.h"
#include "formats/hdf5_layout.h"
#include "formats/hdf5_messages.h"
#include "formats/image.h"

namespace tierhub::formats {

// A dataset, and where its bytes are. Immutable; any thread.
class Hdf5Dataset {
 public:
  // What is not stored has no bytes.
  struct Place {
    std::vector<FileRange> bytes;
    std::shared_ptr<const Coding> coding;
  };

  Hdf5Dataset(const class Hdf5File& file, std::string path, Hdf5Layout layout);

  const Hdf5Layout& layout() const { return layout_; }
  const std::string& path() const { return path_; }
  // Of the chunks whose first voxels are `firsts`, in that order.
  Result<std::vector<Place>> places_of(const std::vector<std::vector<uint64_t>>& firsts) const;

 private:
  Place place_of_band(const std::vector<uint64_t>& first) const;
  Result<Place> place_of_chunk(const std::vector<uint64_t>& first,
                               const std::optional<Hdf5Chunk>& chunk) const;
  std::shared_ptr<const Coding> coding_without(uint32_t skipped) const;

  const Hdf5File& file_;
  const std::string path_;
  const Hdf5Layout layout_;
  const std::shared_ptr<const Coding> coding_;
};

// Any thread.
class Hdf5File {
 public:
  static Result<std::unique_ptr<Hdf5File>> open(std::shared_ptr<const NotedTree> tree);

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

  // An error if something that was asked for could not be read, so that nothing which is there
  // counts as missing.
  Result<void> check() const;

  const FileTree& tree() const { return *tree_; }
  uint64_t size_bytes() const { return size_bytes_; }

 private:
  friend class Hdf5Dataset;
  explicit Hdf5File(std::shared_ptr<const NotedTree> tree) : tree_(std::move(tree)) {}
  // The answer of the process; an error is kept for check().
  template <class Answer, class... Arguments>
  Result<Answer> ask(Hdf5Question question, const Arguments&... arguments) const;
  Error damaged(std::string_view why) const;

  const std::shared_ptr<const NotedTree> tree_;
  uint64_t size_bytes_ = 0;
  std::unique_ptr<IsolatedProcess> process_;
  mutable Guarded<std::optional<Error>> failure_;  // the first
};

}  // namespace tierhub::formats
