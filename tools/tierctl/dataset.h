// Images in the mount, opened for their metadata: what they are, and which bytes of which files a
// part of them needs.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "api/client.h"
#include "common/interval_set.h"
#include "common/result.h"
#include "formats/image.h"
#include "formats/selection.h"

namespace tierhub::tierctl {

struct Dataset {
  std::string path;    // in the namespace
  std::string folder;  // in the namespace: the files of the image are relative to it
  std::unique_ptr<formats::Image> image;

  std::string path_of(const std::string& file) const;
};

// `path` as people type it. Reads the metadata through the mount, which fetches it.
Result<Dataset> open_dataset(const api::Client& client, const std::string& path);

// What a selection of the image needs: the bytes of its chunks and of the metadata, each file once.
struct NeededBytes {
  std::vector<api::FileRanges> files;
  uint64_t bytes = 0;
  std::string selection;  // in words of the image: "level=0,t=0:10,c=1"
};
Result<NeededBytes> needed_bytes(const Dataset& dataset, const formats::Selection& selection);

// The metadata that was read so far, each file once.
Result<std::vector<api::FileRanges>> metadata_files(const Dataset& dataset);

// Asks tierd about bytes of the image's files, many at a time.
class StoredBytes {
 public:
  StoredBytes(const api::Client& client, const Dataset& dataset)
      : client_(client), dataset_(dataset) {}

  // A file that does not exist counts nothing.
  Result<void> add(const formats::FileRange& range);
  struct Sums {
    uint64_t bytes = 0;
    uint64_t resident = 0;
    uint64_t dirty = 0;
  };
  Result<Sums> finish();

 private:
  Result<void> ask();

  const api::Client& client_;
  const Dataset& dataset_;
  std::map<std::string, IntervalSet> waiting_;  // by file
  Sums sums_;
};

}  // namespace tierhub::tierctl
