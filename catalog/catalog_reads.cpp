#include <algorithm>
#include <numeric>
#include <span>

#include "catalog/catalog.h"
#include "catalog/encoding.h"

namespace tierhub {
namespace {

// The record of `key`, decoded; none if there is no such key.
template <class Decode>
auto get_record(const KeyValueStore& store, Family family, std::string_view key, Decode decode)
    -> Result<std::optional<typename decltype(decode(std::string_view()))::value_type>> {
  TRY_ASSIGN(const auto bytes, store.get(family, key));
  if (!bytes) return std::nullopt;
  TRY_ASSIGN(auto record, decode(*bytes));
  return record;
}

// Calls `visit` for each record in [begin, end). It answers Result<bool>: go on, stop, or fail with
// this error.
template <class Visit>
Result<void> visit_records(const KeyValueStore& store, Family family, std::string_view begin,
                           std::string_view end, Visit visit) {
  Result<void> outcome;
  TRY(store.scan(family, begin, end, [&](std::string_view key, std::string_view value) {
    const Result<bool> go_on = visit(key, value);
    if (!go_on.has_value()) outcome = go_on.error();
    return go_on.value_or(false);
  }));
  return outcome;
}

template <class Visit>
Result<void> visit_prefix(const KeyValueStore& store, Family family, const std::string& prefix,
                          Visit visit) {
  return visit_records(store, family, prefix, encoding::prefix_end(prefix), std::move(visit));
}

Result<Name> read_link(std::string_view key, std::string_view value) {
  TRY(encoding::decode_mark(value));
  return encoding::decode_link_suffix(key);
}

Result<std::pair<uint64_t, uint64_t>> read_unsynced(std::string_view key, std::string_view value) {
  TRY(encoding::decode_mark(value));
  return encoding::decode_pair_key(key);
}

// The names of an inode in `link` or `base_link`.
Result<std::vector<Name>> read_names(const KeyValueStore& store, Family family, InodeNumber inode,
                                     size_t limit) {
  std::vector<Name> names;
  TRY(visit_prefix(store, family, encoding::inode_key(inode),
                   [&](std::string_view key, std::string_view value) -> Result<bool> {
                     TRY_ASSIGN(Name name, read_link(key, value));
                     names.push_back(std::move(name));
                     return names.size() < limit;
                   }));
  return names;
}

// The names from `top` (exclusive) down to `inode` by the first name of each; none if one on the
// way has no name. `top` is where to stop: kRootInode, or kAsideInode.
struct Ancestry {
  InodeNumber top;
  std::vector<std::string> names;  // outermost first
};
Result<std::optional<Ancestry>> read_ancestry(const KeyValueStore& store, Family family,
                                              InodeNumber inode) {
  Ancestry ancestry;
  // Brent's cycle detection: only damage makes a loop, but a walk must end in one too, and no depth
  // is too great.
  InodeNumber seen;
  size_t next_mark = 1;
  while (inode != kRootInode && inode != kAsideInode) {
    TRY_ASSIGN(auto names, read_names(store, family, inode, 1));
    if (names.empty()) return std::nullopt;
    ancestry.names.push_back(std::move(names.front().name));
    inode = names.front().parent;
    if (inode == seen) {
      return Error(std::errc::bad_message, "the catalog is damaged: a folder is inside itself");
    }
    if (ancestry.names.size() == next_mark) {
      seen = inode;
      next_mark *= 2;
    }
  }
  ancestry.top = inode;
  std::reverse(ancestry.names.begin(), ancestry.names.end());
  return ancestry;
}

}  // namespace

Result<std::optional<InodeRecord>> Catalog::inode(InodeNumber inode) const {
  return get_record(*store_, Family::inode, encoding::inode_key(inode), encoding::decode_inode);
}

// `run`: indices of ascending numbers that lie close together.
Result<void> Catalog::read_run(const std::vector<InodeNumber>& numbers, std::span<const size_t> run,
                               std::vector<std::optional<InodeRecord>>& records) const {
  // To begin a scan costs more than to read a few records.
  constexpr size_t kLeastScanned = 8;
  if (run.size() < kLeastScanned) {
    for (const size_t index : run) {
      TRY_ASSIGN(records[index], inode(numbers[index]));
    }
    return {};
  }
  size_t next = 0;
  return visit_records(*store_, Family::inode, encoding::inode_key(numbers[run.front()]),
                       encoding::after(encoding::inode_key(numbers[run.back()])),
                       [&](std::string_view key, std::string_view value) -> Result<bool> {
                         TRY_ASSIGN(const uint64_t found, encoding::decode_number_key(key));
                         while (next < run.size() && numbers[run[next]].value() < found) ++next;
                         for (; next < run.size() && numbers[run[next]].value() == found; ++next) {
                           TRY_ASSIGN(records[run[next]], encoding::decode_inode(value));
                         }
                         return next < run.size();
                       });
}

Result<std::vector<std::optional<InodeRecord>>> Catalog::inodes(
    const std::vector<InodeNumber>& numbers) const {
  constexpr uint64_t kGapMax = 4;
  std::vector<std::optional<InodeRecord>> records(numbers.size());
  std::vector<size_t> order(numbers.size());
  std::iota(order.begin(), order.end(), size_t{0});
  std::sort(order.begin(), order.end(),
            [&](size_t a, size_t b) { return numbers[a] < numbers[b]; });
  for (size_t begin = 0; begin < order.size();) {
    size_t end = begin + 1;
    while (end < order.size() &&
           numbers[order[end]].value() - numbers[order[end - 1]].value() <= kGapMax)
      ++end;
    TRY(read_run(numbers, std::span(order).subspan(begin, end - begin), records));
    begin = end;
  }
  return records;
}

Result<std::optional<InodeNumber>> Catalog::lookup(InodeNumber parent,
                                                   std::string_view name) const {
  return get_record(*store_, Family::dirent, encoding::dirent_key(parent, name_hash(name), name),
                    encoding::decode_dirent);
}

Result<std::vector<DirectoryEntry>> Catalog::list(InodeNumber parent, uint64_t after_cookie,
                                                  std::string_view after_name, size_t limit) const {
  std::vector<DirectoryEntry> entries;
  if (limit == 0) return entries;
  TRY(visit_records(*store_, Family::dirent,
                    encoding::after(encoding::dirent_key(parent, after_cookie, after_name)),
                    encoding::prefix_end(encoding::dirent_prefix(parent)),
                    [&](std::string_view key, std::string_view value) -> Result<bool> {
                      TRY_ASSIGN(auto suffix, encoding::decode_dirent_suffix(key));
                      TRY_ASSIGN(const InodeNumber inode, encoding::decode_dirent(value));
                      entries.push_back({suffix.first, std::move(suffix.second), inode});
                      return entries.size() < limit;
                    }));
  return entries;
}

Result<void> Catalog::for_each_entry(std::string_view after,
                                     const std::function<bool(const PlacedEntry&)>& use) const {
  const std::string begin = after.empty() ? std::string() : encoding::after(std::string(after));
  return visit_records(*store_, Family::dirent, begin, {},
                       [&](std::string_view key, std::string_view value) -> Result<bool> {
                         TRY_ASSIGN(const auto read, encoding::decode_dirent_key(key));
                         TRY_ASSIGN(const InodeNumber inode, encoding::decode_dirent(value));
                         return use({key, read.parent, read.name, inode});
                       });
}

Result<bool> Catalog::is_empty(InodeNumber directory) const {
  bool empty = true;
  TRY(visit_prefix(
      *store_, Family::dirent, encoding::dirent_prefix(directory),
      [&](std::string_view, std::string_view) -> Result<bool> { return empty = false; }));
  return empty;
}

Result<std::vector<Name>> Catalog::names(InodeNumber inode) const {
  return read_names(*store_, Family::link, inode, SIZE_MAX);
}

Result<std::optional<std::string>> Catalog::path(InodeNumber inode) const {
  TRY_ASSIGN(const auto ancestry, read_ancestry(*store_, Family::link, inode));
  if (!ancestry || ancestry->top != kRootInode) return std::nullopt;
  if (ancestry->names.empty()) return "/";
  std::string path;
  for (const auto& name : ancestry->names) path.append("/").append(name);
  return path;
}

Result<std::optional<std::string>> Catalog::xattr(InodeNumber inode, std::string_view name) const {
  return get_record(*store_, Family::xattr, encoding::xattr_key(inode, name),
                    encoding::decode_text);
}

Result<std::vector<std::pair<std::string, std::string>>> Catalog::xattrs(InodeNumber inode) const {
  std::vector<std::pair<std::string, std::string>> result;
  TRY(visit_prefix(*store_, Family::xattr, encoding::inode_key(inode),
                   [&](std::string_view key, std::string_view value) -> Result<bool> {
                     TRY_ASSIGN(std::string name, encoding::decode_text_suffix(key));
                     TRY_ASSIGN(std::string text, encoding::decode_text(value));
                     result.emplace_back(std::move(name), std::move(text));
                     return true;
                   }));
  return result;
}

Result<IntervalSet> Catalog::ranges(InodeNumber inode, RangeKind kind) const {
  IntervalSet set;
  uint64_t free_from = 0;  // no later range may begin below it, or touch it
  TRY(visit_prefix(*store_, Family::residency, encoding::residency_prefix(inode, kind),
                   [&](std::string_view key, std::string_view value) -> Result<bool> {
                     TRY_ASSIGN(const auto range, encoding::decode_residency_key(key));
                     TRY_ASSIGN(const uint64_t end, encoding::decode_number(value));
                     // IntervalSet would merge ranges that touch, and a later change of the set
                     // would then leave one of their records behind.
                     const bool separate = set.empty() || range.begin > free_from;
                     if (!separate || range.begin >= end) {
                       return Error(std::errc::bad_message,
                                    "the catalog is damaged: residency ranges overlap");
                     }
                     set.add(range.begin, end);
                     free_from = end;
                     return true;
                   }));
  return set;
}

Result<std::optional<ChecksumGroup>> Catalog::checksums(InodeNumber inode, uint64_t group) const {
  return get_record(*store_, Family::checksum, encoding::checksum_key(inode, group),
                    encoding::decode_checksums);
}

Result<bool> Catalog::has_checksums(InodeNumber inode) const {
  bool any = false;
  TRY(visit_prefix(*store_, Family::checksum, encoding::inode_key(inode),
                   [&](std::string_view, std::string_view) -> Result<bool> {
                     any = true;
                     return false;
                   }));
  return any;
}

Result<std::optional<InodeNumber>> Catalog::resident_after(InodeNumber after) const {
  TRY_ASSIGN(const Nearby next, next_resident(after, 0));
  return next.inode;
}

Result<Catalog::Nearby> Catalog::resident_near(InodeNumber after) const {
  constexpr uint64_t kMaxErased = 1000;
  return next_resident(after, kMaxErased);
}

Result<Catalog::Nearby> Catalog::next_resident(InodeNumber after, uint64_t max_erased) const {
  const std::string begin = encoding::prefix_end(encoding::inode_key(after));
  if (begin.empty()) return Nearby{};  // after the greatest number
  TRY_ASSIGN(const auto next, store_->next_key(Family::residency, begin, max_erased));
  if (!next.key) return Nearby{std::nullopt, next.too_far};
  TRY_ASSIGN(const auto range, encoding::decode_residency_key(*next.key));
  return Nearby{range.inode};
}

Result<std::optional<BaseRecord>> Catalog::base(const Name& name) const {
  return get_record(*store_, Family::base, encoding::name_key(name.parent, name.name),
                    encoding::decode_base);
}

Result<std::vector<std::pair<std::string, BaseRecord>>> Catalog::base_children(
    InodeNumber parent) const {
  std::vector<std::pair<std::string, BaseRecord>> children;
  TRY(visit_prefix(*store_, Family::base, encoding::inode_key(parent),
                   [&](std::string_view key, std::string_view value) -> Result<bool> {
                     TRY_ASSIGN(Name name, encoding::decode_name_key(key));
                     TRY_ASSIGN(const BaseRecord record, encoding::decode_base(value));
                     children.emplace_back(std::move(name.name), record);
                     return true;
                   }));
  return children;
}

Result<std::vector<Name>> Catalog::base_names(InodeNumber inode) const {
  return read_names(*store_, Family::base_link, inode, SIZE_MAX);
}

Result<std::optional<std::string>> Catalog::base_path(InodeNumber inode) const {
  TRY_ASSIGN(const auto ancestry, read_ancestry(*store_, Family::base_link, inode));
  if (!ancestry) return std::nullopt;
  std::string path = ancestry->top == kAsideInode ? kAsideFolder : "";
  for (const auto& name : ancestry->names) {
    if (!path.empty()) path += '/';
    path += name;
  }
  return path;
}

Result<std::optional<ArchiveVersion>> Catalog::version(InodeNumber inode) const {
  return get_record(*store_, Family::version, encoding::inode_key(inode), encoding::decode_version);
}

Result<std::vector<std::pair<JournalKey, JournalRecord>>> Catalog::journal(
    const std::optional<JournalKey>& after, size_t limit) const {
  std::vector<std::pair<JournalKey, JournalRecord>> result;
  if (limit == 0) return result;
  const std::string begin = after ? encoding::after(encoding::journal_key(*after)) : std::string();
  TRY(visit_records(*store_, Family::journal, begin, {},
                    [&](std::string_view key, std::string_view value) -> Result<bool> {
                      TRY_ASSIGN(JournalKey decoded, encoding::decode_journal_key(key));
                      TRY_ASSIGN(JournalRecord record, encoding::decode_journal(value));
                      result.emplace_back(std::move(decoded), std::move(record));
                      return result.size() < limit;
                    }));
  return result;
}

Result<void> Catalog::for_each_journal_key(
    const std::function<Result<void>(const JournalKey&, const JournalRecord&)>& use) const {
  constexpr size_t kPage = 1000;
  std::optional<JournalKey> after;
  for (;;) {
    TRY_ASSIGN(const auto page, journal(after, kPage));
    for (const auto& [key, record] : page) TRY(use(key, record));
    if (page.size() < kPage) return {};
    after = page.back().first;
  }
}

Result<std::optional<JournalRecord>> Catalog::journal_record(const JournalKey& key) const {
  return get_record(*store_, Family::journal, encoding::journal_key(key), encoding::decode_journal);
}

Result<std::vector<std::pair<uint64_t, IntentRecord>>> Catalog::intents() const {
  std::vector<std::pair<uint64_t, IntentRecord>> result;
  TRY(visit_records(*store_, Family::intent, {}, {},
                    [&](std::string_view key, std::string_view value) -> Result<bool> {
                      TRY_ASSIGN(const uint64_t sequence, encoding::decode_number_key(key));
                      TRY_ASSIGN(IntentRecord record, encoding::decode_intent(value));
                      result.emplace_back(sequence, std::move(record));
                      return true;
                    }));
  return result;
}

Result<std::vector<std::pair<InodeNumber, ReapKind>>> Catalog::reaps(InodeNumber after,
                                                                     size_t limit) const {
  std::vector<std::pair<InodeNumber, ReapKind>> result;
  if (limit == 0) return result;
  const std::string begin =
      after == kNoInode ? std::string() : encoding::after(encoding::inode_key(after));
  TRY(visit_records(*store_, Family::reap, begin, {},
                    [&](std::string_view key, std::string_view value) -> Result<bool> {
                      TRY_ASSIGN(const uint64_t inode, encoding::decode_number_key(key));
                      TRY_ASSIGN(const ReapKind kind, encoding::decode_reap(value));
                      result.emplace_back(InodeNumber{inode}, kind);
                      return result.size() < limit;
                    }));
  return result;
}

Result<std::optional<DepartureRecord>> Catalog::departure(InodeNumber inode) const {
  return get_record(*store_, Family::departure, encoding::inode_key(inode),
                    encoding::decode_departure);
}

Result<std::optional<ReapKind>> Catalog::reap(InodeNumber inode) const {
  return get_record(*store_, Family::reap, encoding::inode_key(inode), encoding::decode_reap);
}

Result<std::vector<std::pair<uint64_t, InodeNumber>>> Catalog::unsynced() const {
  std::vector<std::pair<uint64_t, InodeNumber>> result;
  TRY(visit_records(*store_, Family::unsynced, {}, {},
                    [&](std::string_view key, std::string_view value) -> Result<bool> {
                      TRY_ASSIGN(const auto pair, read_unsynced(key, value));
                      result.emplace_back(pair.first, InodeNumber{pair.second});
                      return true;
                    }));
  return result;
}

// Visits the first key of each prefetch: its record, or, if there is none, an item.
Result<void> Catalog::each_prefetch(
    const std::function<Result<void>(uint64_t id, std::optional<std::string_view> record)>& visit)
    const {
  std::string begin;
  for (;;) {
    std::optional<uint64_t> id;
    const auto visit_first = [&](std::string_view key, std::string_view value) -> Result<bool> {
      const bool is_record = key.size() == sizeof(uint64_t);
      if (is_record) {
        TRY_ASSIGN(id, encoding::decode_number_key(key));
      } else {
        TRY_ASSIGN(const auto item, encoding::decode_pair_key(key));
        id = item.first;
      }
      TRY(visit(*id, is_record ? std::optional(value) : std::nullopt));
      return false;
    };
    TRY(visit_records(*store_, Family::prefetch, begin, {}, visit_first));
    if (!id) return {};
    begin = encoding::prefix_end(encoding::sequence_key(*id));
    if (begin.empty()) return {};
  }
}

Result<std::vector<PrefetchRecord>> Catalog::prefetches() const {
  std::vector<PrefetchRecord> result;
  TRY(each_prefetch([&](uint64_t id, std::optional<std::string_view> bytes) -> Result<void> {
    if (!bytes) return {};
    TRY_ASSIGN(PrefetchRecord record, encoding::decode_prefetch(id, *bytes));
    result.push_back(std::move(record));
    return {};
  }));
  return result;
}

Result<std::vector<uint64_t>> Catalog::prefetches_without_record() const {
  std::vector<uint64_t> result;
  TRY(each_prefetch([&](uint64_t id, std::optional<std::string_view> bytes) -> Result<void> {
    if (!bytes) result.push_back(id);
    return {};
  }));
  return result;
}

Result<std::optional<PrefetchRecord>> Catalog::prefetch(uint64_t id) const {
  return get_record(*store_, Family::prefetch, encoding::sequence_key(id),
                    [id](std::string_view bytes) { return encoding::decode_prefetch(id, bytes); });
}

Result<std::vector<std::pair<uint64_t, PrefetchItem>>> Catalog::prefetch_items(uint64_t id,
                                                                               uint64_t from_index,
                                                                               size_t limit) const {
  std::vector<std::pair<uint64_t, PrefetchItem>> result;
  if (limit == 0) return result;
  TRY(visit_records(*store_, Family::prefetch, encoding::prefetch_item_key(id, from_index),
                    encoding::prefix_end(encoding::sequence_key(id)),
                    [&](std::string_view key, std::string_view value) -> Result<bool> {
                      TRY_ASSIGN(const auto pair, encoding::decode_pair_key(key));
                      TRY_ASSIGN(PrefetchItem item, encoding::decode_prefetch_item(value));
                      result.emplace_back(pair.second, std::move(item));
                      return result.size() < limit;
                    }));
  return result;
}

Result<std::vector<LeaseRecord>> Catalog::leases(InodeNumber inode) const {
  std::vector<LeaseRecord> result;
  TRY(visit_prefix(*store_, Family::lease, encoding::inode_key(inode),
                   [&](std::string_view key, std::string_view value) -> Result<bool> {
                     TRY_ASSIGN(const std::string owner, encoding::decode_text_suffix(key));
                     TRY_ASSIGN(LeaseRecord lease, encoding::decode_lease(owner, value));
                     result.push_back(std::move(lease));
                     return true;
                   }));
  return result;
}

Result<void> Catalog::for_each_lease(
    const std::function<bool(InodeNumber, const LeaseRecord&)>& visit) const {
  return visit_records(*store_, Family::lease, {}, {},
                       [&](std::string_view key, std::string_view value) -> Result<bool> {
                         TRY_ASSIGN(const Name inode_and_owner, encoding::decode_name_key(key));
                         TRY_ASSIGN(const LeaseRecord lease,
                                    encoding::decode_lease(inode_and_owner.name, value));
                         return visit(inode_and_owner.parent, lease);
                       });
}

Result<Timestamp> Catalog::heat(InodeNumber inode) const {
  TRY_ASSIGN(const auto heat,
             get_record(*store_, Family::heat, encoding::inode_key(inode), encoding::decode_heat));
  return heat.value_or(Timestamp{});
}

Result<std::vector<ReplyRecord>> Catalog::replies() const {
  std::vector<ReplyRecord> result;
  TRY(visit_records(*store_, Family::answer, {}, {},
                    [&](std::string_view key, std::string_view value) -> Result<bool> {
                      TRY_ASSIGN(const auto start_and_worker, encoding::decode_pair_key(key));
                      TRY_ASSIGN(const ReplyRecord answer,
                                 encoding::decode_reply(start_and_worker.first,
                                                        start_and_worker.second, value));
                      result.push_back(answer);
                      return true;
                    }));
  return result;
}

Result<std::vector<std::pair<std::string, std::string>>> Catalog::runs() const {
  std::vector<std::pair<std::string, std::string>> result;
  TRY(visit_records(*store_, Family::run, {}, {},
                    [&](std::string_view key, std::string_view value) -> Result<bool> {
                      TRY_ASSIGN(std::string json, encoding::decode_text(value));
                      result.emplace_back(std::string(key), std::move(json));
                      return true;
                    }));
  return result;
}

Result<std::optional<std::string>> Catalog::run(std::string_view run) const {
  return get_record(*store_, Family::run, run, encoding::decode_text);
}

Result<std::optional<std::string>> Catalog::meta(std::string_view key) const {
  return get_record(*store_, Family::meta, key, encoding::decode_text);
}

}  // namespace tierhub
