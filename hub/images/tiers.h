// What the tiers know about the bytes of images: whether they are on the SSD, and when they will be.
#pragma once

#include <chrono>
#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "api/messages.h"
#include "common/result.h"

namespace tierhub::hub {

// Exact ranges of files, by their path in the namespace; no ranges mean the whole file.
using FileParts = std::vector<api::FileRanges>;

// What would have to come from the archive.
struct Missing {
  uint64_t bytes = 0;
  // Until they are here, at the rate of the prefetches that run or ran last; 0 if nothing is
  // missing.
  std::chrono::milliseconds eta{0};
  // Why nothing is being fetched, or why the last attempt failed; empty if all goes well.
  std::string reason;
};

// Of a file, or the sum of all files below a folder.
struct PathState {
  std::string state;  // "cold", "partial", "hot", "dirty"
  uint64_t size_bytes = 0;
  uint64_t resident_bytes = 0;
  uint64_t dirty_bytes = 0;
};

// What tierd knows of a file's bytes that its mtime may not show.
struct FileWrites {
  uint64_t generation = 0;  // goes up with each open for writing; 0 without tierd
  bool is_open = false;     // for writing
};

// Any thread.
class Tiers {
 public:
  virtual ~Tiers() = default;

  // How much of the parts must come from the archive. Files that do not exist count nothing.
  virtual Result<Missing> missing(const FileParts& parts) = 0;
  // Queues a prefetch of the parts, without a lease, and returns. What is being fetched already is not asked for
  // again. A prefetch that nobody has asked for in the last kForgottenAfter is cancelled. `name`: of
  // the image, for the label "view of NAME".
  static constexpr std::chrono::seconds kForgottenAfter{20};
  virtual Result<void> bring(const FileParts& parts, const std::string& name) = 0;
  // Of all of the parts together.
  struct Sums {
    uint64_t bytes = 0;
    uint64_t resident = 0;  // of these
    uint64_t dirty = 0;     // of these
  };
  virtual Result<Sums> sums_of(const FileParts& parts) = 0;
  // Of each file, in their order.
  virtual Result<std::vector<FileWrites>> writes_of(const std::vector<std::string>& paths) = 0;
  // True if paths are those of a mount of TierHub.
  virtual bool is_mount() const = 0;
  // Nothing if there are no tiers, or if the folder is too large to be summed at once.
  virtual Result<std::optional<PathState>> state_of(const std::string& path) = 0;
  // Of what lies in a folder, by path, as far as there was time to sum it.
  virtual Result<std::map<std::string, PathState>> states_in(const std::string& folder) = 0;
};

// Folders that are on no mount of TierHub: everything is here.
std::shared_ptr<Tiers> make_single_tier();

// The calls of api::Client that Tiers needs; an interface, so that tests need no tierd. Any thread.
class TierCalls {
 public:
  virtual ~TierCalls() = default;
  virtual Result<api::ResidencyList> residencies(const api::ResidencyRequest& request) const = 0;
  virtual Result<api::Prefetch> start_prefetch(const api::PrefetchRequest& request) const = 0;
  virtual Result<std::vector<api::Prefetch>> prefetches() const = 0;
  virtual Result<api::Prefetch> cancel_prefetch(uint64_t id) const = 0;
  // The children of a folder with their sums, or the file itself.
  virtual Result<api::Listing> list_totals(const std::string& path, size_t limit) const = 0;
};

// tierd. At most kCallsAtOnce calls run at the same time; others wait.
inline constexpr int kCallsAtOnce = 4;
std::shared_ptr<Tiers> make_tiers(std::unique_ptr<TierCalls> calls);

}  // namespace tierhub::hub
