#include "migrator/scan/scanner.h"

#include <utility>

#include <fmt/format.h>

#include "common/duration.h"
#include "common/log.h"
#include "migrator/scan/folder.h"
#include "migrator/scan/walk.h"

namespace tierhub {
namespace {

constexpr size_t kMaxGrowing = 4096;
constexpr size_t kMaxSuspects = 4096;

}  // namespace

Scanner::Scanner(InodeTable& inodes, const Scratch& scratch, Archive& archive,
                 TreeMutex& tree_mutex, Options options)
    : inodes_(inodes),
      scratch_(scratch),
      archive_(archive),
      tree_mutex_(tree_mutex),
      options_(std::move(options)) {}

Result<ScanCounts> Scanner::run(const std::function<bool(const ScanCounts&)>& progress,
                                Removals removals) {
  const Timestamp begin = Timestamp::now();
  const Hold hold = [this] { return std::optional(tree_mutex_.hold()); };
  ScanState scan = prepare(progress, hold);
  auto walked = ScanWalk(scan, hold).whole(removals);
  note(scan);
  if (!walked) return walked.error();
  last_whole_scan_.with([&](auto& last) { last = begin; });
  return scan.counts;
}

Result<Scanner::Look> Scanner::look(const std::vector<InodeNumber>& folders, New is_new) {
  return look(
      folders, is_new, [](const ScanCounts&) { return true; },
      [this] { return std::optional(tree_mutex_.hold()); });
}

Result<Scanner::Look> Scanner::look(const TreeMutex::Held& /*proof*/,
                                    const std::vector<InodeNumber>& folders,
                                    const std::function<bool(const ScanCounts&)>& progress) {
  return look(folders, New::unknown, progress, [] { return std::optional<TreeMutex::Held>(); });
}

Result<Scanner::Look> Scanner::look(const std::vector<InodeNumber>& folders, New is_new,
                                    const std::function<bool(const ScanCounts&)>& progress,
                                    const Hold& hold) {
  ScanState scan = prepare(progress, hold);
  if (is_new == New::restored) scan.last_whole_scan.reset();
  auto walked = ScanWalk(scan, hold).look(folders);
  note(scan);
  if (!walked) return walked.error();
  return Look{scan.counts, scan.wants_whole_scan};
}

ScanState Scanner::prepare(const std::function<bool(const ScanCounts&)>& progress,
                           const Hold& hold) {
  ScanState scan{inodes_, inodes_.catalog(), scratch_, archive_, options_, progress, suspects_};
  scan.last_whole_scan = last_whole_scan_.with([](const auto& last) { return last; });
  // Without an answer nothing that is missing there was removed there.
  scan.xattr_support = archive_.xattr_support().value_or(Archive::XattrSupport{false, false});
  if (options_.growing_s <= 0) return scan;
  read_clock(hold);
  const int64_t now_there = Timestamp::now().ns + clock_ahead_ns_;
  scan.growing_since = Timestamp{now_there - seconds(options_.growing_s).count()};
  return scan;
}

void Scanner::suspect(InodeNumber inode) {
  suspects_.with([&](auto& suspects) {
    if (suspects.size() < kMaxSuspects) suspects.insert(inode);
  });
}

void Scanner::note(const ScanState& scan) {
  growing_.with([&](auto& growing) {
    for (const InodeNumber folder : scan.growing) {
      if (growing.size() < kMaxGrowing) growing.insert(folder);
    }
  });
}

// What is made there now tells what time it is there. Without an answer the last one holds.
void Scanner::read_clock(const Hold& hold) {
  const auto held = hold();
  const auto sequence = inodes_.catalog().allocate_sequence();
  if (!sequence) return;
  const std::string leaf = fmt::format("{:x}", *sequence);
  Attributes folder;
  folder.kind = FileKind::directory;
  folder.mode = 0700;
  const auto made = archive_.stage_node({leaf, folder});
  if (!made) return;
  clock_ahead_ns_ = made->attributes.ctime.ns_since(Timestamp::now());
  if (const auto discarded = archive_.discard(leaf, *made); !discarded)
    log::warning("could not remove an entry from the staging folder",
                 {{"leaf", leaf}, {"error", discarded.error().text()}});
}

// A time in the future is that of a wrong clock, not of a writer.
std::optional<SteadyClock::duration> Scanner::growing_for(InodeNumber inode,
                                                          const ArchiveVersion& version) const {
  constexpr std::chrono::seconds kSlack{2};
  const std::chrono::nanoseconds age(Timestamp::now().ns_since(version.attributes.mtime) +
                                     clock_ahead_ns_);
  const SteadyClock::duration left = seconds(options_.growing_s) - age;
  if (age <= -kSlack || left <= SteadyClock::duration::zero()) return std::nullopt;
  // What TierHub published itself has checksums.
  const auto checksums = inodes_.catalog().checksums(inode, 0);
  return !checksums || !*checksums ? std::optional(left) : std::nullopt;
}

std::vector<InodeNumber> Scanner::take_folders_with_growing_files() {
  const auto growing = growing_.with([](auto& folders) { return std::exchange(folders, {}); });
  return {growing.begin(), growing.end()};
}

}  // namespace tierhub
