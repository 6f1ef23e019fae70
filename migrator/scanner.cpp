#include "migrator/scanner.h"

#include <utility>

#include "migrator/scanner_folder.h"
#include "migrator/scanner_walk.h"

namespace tierhub {

Scanner::Scanner(InodeTable& inodes, const Scratch& scratch, Archive& archive,
                 std::mutex& tree_mutex, Options options)
    : inodes_(inodes),
      scratch_(scratch),
      archive_(archive),
      tree_mutex_(tree_mutex),
      options_(std::move(options)) {}

Result<ScanCounts> Scanner::run(const std::function<bool(const ScanCounts&)>& progress,
                                Removals removals) {
  const Timestamp begin = Timestamp::now();
  ScanState scan{inodes_, inodes_.catalog(), scratch_, archive_, options_, progress};
  TRY(ScanWalk(scan, [this] { return std::unique_lock(tree_mutex_); }).whole(removals));
  last_whole_scan_.with([&](auto& last) { last = begin; });
  return scan.counts;
}

Result<Scanner::Look> Scanner::look(const std::vector<InodeNumber>& folders) {
  ScanState scan{inodes_,  inodes_.catalog(), scratch_,
                 archive_, options_,          [](const ScanCounts&) { return true; }};
  scan.last_whole_scan = last_whole_scan_.with([](const auto& last) { return last; });
  TRY(ScanWalk(scan, [this] { return std::unique_lock(tree_mutex_); }).look(folders));
  return Look{scan.counts, scan.wants_whole_scan};
}

}  // namespace tierhub
