// Copies of large files to staging that run alongside the rounds, so that no round waits for one.
// The round that finds a copy done places it, if the file has not changed since.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <thread>
#include <vector>

#include "common/mutex.h"
#include "common/result.h"
#include "migrator/base/content.h"

namespace tierhub {

class LongCopies {
 public:
  struct Copy {
    Snapshot snapshot;  // without its object
    std::string leaf;
    Result<StagedContent> outcome;
  };
  enum class Progress { none, copying, done };

  // At most `lanes` copies at a time. `finished` is called after each, on its thread.
  LongCopies(const PublishContext& context, size_t lanes, std::function<void()> finished)
      : context_(context), lanes_(lanes), finished_(std::move(finished)) {}
  ~LongCopies();
  // Starts no more copies, and waits for those under way: they end at once if the archive fails
  // their calls.
  void stop();

  // All functions: any thread.
  Progress progress(InodeNumber inode) const;
  // False: all lanes are busy. There must be no copy of the inode.
  bool start(Snapshot snapshot, std::string leaf, std::optional<ArchiveVersion> version);
  // Hands over a copy that is done.
  std::optional<Copy> take(InodeNumber inode);
  // Names in staging that belong to copies.
  std::set<std::string> leaves() const;
  std::vector<InodeNumber> done() const;

 private:
  struct Slot {
    std::string leaf;
    std::optional<Copy> copy;  // once it is done
    std::jthread thread;
  };

  const PublishContext context_;
  const size_t lanes_;
  const std::function<void()> finished_;
  mutable Mutex mutex_;
  std::map<InodeNumber, Slot> slots_ GUARDED_BY(mutex_);
  size_t copying_ GUARDED_BY(mutex_) = 0;
  bool stopping_ GUARDED_BY(mutex_) = false;
};

}  // namespace tierhub
