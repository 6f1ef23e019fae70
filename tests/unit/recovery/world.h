// A tier with one file of each kind, stopped: what the tests damage, check and make again.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "catalog/encoding.h"
#include "recovery/check.h"
#include "recovery/finding.h"
#include "recovery/rebuild.h"
#include "recovery/repair.h"
#include "storage/scratch/object_state.h"
#include "tests/support/local_tier.h"
#include "tests/support/temporary_directory.h"

namespace tierhub::recovery {

using test::value_of;

class World {
 public:
  static constexpr uint64_t kChunk = 4096;

  // Makes the tier, with these files, and stops it well:
  //   hot, a/hot     published, all of it in scratch     a/linked, a/b/linked  one published file
  //   cold, a/cold   published and evicted               a/b/new, new          not published
  //   partial        published, one chunk of three in scratch
  //   changed        published, evicted, and its second chunk written again
  //   rewritten      published, and all of it may be new
  World();

  std::unique_ptr<test::LocalTier> start() const;
  // As a clean end of tierd does.
  static void stop(std::unique_ptr<test::LocalTier> tier);

  InodeNumber inode(const std::string& path) const { return inodes_.at(path); }
  std::string object(const std::string& path) const;
  std::string in_archive(const std::string& path) const { return folder / ("archive/" + path); }

  // Changes records behind the catalog's back.
  void change(const std::function<void(KeyValueStore&, Batch&)>& changes) const;
  std::vector<Finding> check(const CheckOptions& options = {}) const;
  // The codes of what a check finds.
  std::vector<std::string> codes(const CheckOptions& options = {}) const;
  RepairCounts repair(const CheckOptions& options = {}) const;
  // Path -> content of all files in the namespace, read through the file system.
  static std::map<std::string, std::string> contents(test::LocalTier& tier);

  // The same with checksums: what a failing test can print.
  static std::map<std::string, std::string> digests(const std::map<std::string, std::string>& of);

  // What every file holds.
  std::map<std::string, std::string> expected;
  TemporaryDirectory folder;

 private:
  void write(test::LocalTier& tier, const std::string& path, const std::string& text);
  void make_files(test::LocalTier& tier);
  std::map<std::string, InodeNumber> inodes_;
};

inline const FsCaller kRoot;

// A new catalog from the archive and scratch of a stopped tier.
RebuildCounts rebuild_world(const World& world);

// Helpers on a running tier.
InodeNumber find(test::LocalTier& tier, const std::string& path);
// Makes the file, or writes into it.
void write_at(test::LocalTier& tier, const std::string& path, uint64_t offset_bytes,
              const std::string& text);
std::string some_bytes(uint64_t size, char seed);

}  // namespace tierhub::recovery
