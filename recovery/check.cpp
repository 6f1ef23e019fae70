#include "recovery/check.h"

#include <charconv>

#include <fmt/format.h>

#include "common/hash.h"
#include "common/posix.h"

namespace tierhub::recovery {
namespace {

constexpr uint64_t kFormat = 1;
constexpr uint64_t kTickEvery = 4096;

template <class Key, class Value>
bool both(const Result<Key>& key, const Result<Value>& value) {
  return key.has_value() && value.has_value();
}

// Whether a reader of this family takes the record.
bool can_be_read(Family family, std::string_view key, std::string_view value) {
  using namespace encoding;
  switch (family) {
    case Family::inode:
      return both(decode_number_key(key), decode_inode(value));
    case Family::dirent:
      return both(decode_dirent_suffix(key), decode_dirent(value));
    case Family::link:
    case Family::base_link:
      return both(decode_link_suffix(key), decode_mark(value));
    case Family::xattr:
      return both(decode_text_suffix(key), decode_text(value));
    case Family::residency:
      return both(decode_residency_key(key), decode_number(value));
    case Family::checksum:
      return both(decode_pair_key(key), decode_checksums(value));
    case Family::base:
      return both(decode_name_key(key), decode_base(value));
    case Family::version:
      return both(decode_number_key(key), decode_version(value));
    case Family::journal:
      return both(decode_journal_key(key), decode_journal(value));
    case Family::intent:
      return both(decode_number_key(key), decode_intent(value));
    case Family::reap:
      return both(decode_number_key(key), decode_reap(value));
    case Family::departure:
      return both(decode_number_key(key), decode_departure(value));
    case Family::unsynced:
      return both(decode_pair_key(key), decode_mark(value));
    case Family::prefetch:
      return both(decode_number_key(key), decode_prefetch(0, value)) ||
             both(decode_pair_key(key), decode_prefetch_item(value));
    case Family::lease:
      return both(decode_text_suffix(key), decode_lease("", value));
    case Family::heat:
      return both(decode_number_key(key), decode_heat(value));
    case Family::answer:
      return both(decode_pair_key(key), decode_reply(0, 0, value));
    case Family::run:
    case Family::meta:
      return decode_text(value).has_value();
  }
  return false;
}

// Families whose keys begin with an inode.
bool begins_with_inode(Family family) {
  switch (family) {
    case Family::inode:
    case Family::link:
    case Family::xattr:
    case Family::residency:
    case Family::checksum:
    case Family::base_link:
    case Family::version:
    case Family::reap:
    case Family::lease:
    case Family::heat:
    case Family::departure:
      return true;
    case Family::dirent:
    case Family::base:
    case Family::journal:
    case Family::intent:
    case Family::unsynced:
    case Family::prefetch:
    case Family::answer:
    case Family::run:
    case Family::meta:
      return false;
  }
  return false;
}

std::optional<uint64_t> number_of(const std::optional<std::string>& text) {
  uint64_t number = 0;
  if (!text) return std::nullopt;
  const auto [end, error] = std::from_chars(text->data(), text->data() + text->size(), number);
  if (error != std::errc() || end != text->data() + text->size()) return std::nullopt;
  return number;
}

}  // namespace

Result<std::optional<CatalogMeta>> read_meta(const View& view) {
  TRY_ASSIGN(const auto format_text, view.meta("catalog.format"));
  TRY_ASSIGN(const auto chunk_text, view.meta("catalog.chunk_bytes"));
  TRY_ASSIGN(const auto end_text, view.meta("catalog.inode_end"));
  TRY_ASSIGN(const auto next_text, view.meta("catalog.inode_next"));
  TRY_ASSIGN(const auto clean, view.meta("catalog.clean"));
  TRY_ASSIGN(const auto archive_id, view.meta("archive_id"));
  const auto format = number_of(format_text);
  if (format && *format > kFormat) {
    return Error(std::errc::not_supported,
                 fmt::format("the catalog has format {}, this TierHub reads up to {}: install a "
                             "newer one",
                             *format, kFormat));
  }
  const auto chunk_bytes = number_of(chunk_text);
  const auto inode_end = number_of(end_text);
  const auto inode_next = number_of(next_text);
  if (!format || !chunk_bytes || *chunk_bytes == 0 || *chunk_bytes % 4096 != 0 || !inode_end ||
      (clean && (!inode_next || *inode_next > *inode_end)))
    return std::optional<CatalogMeta>();
  return std::optional<CatalogMeta>(CatalogMeta{*chunk_bytes, *inode_end,
                                                inode_next.value_or(*inode_end), clean.has_value(),
                                                archive_id.value_or("")});
}

Checker::Checker(const KeyValueStore& store, const Scratch& scratch, const CheckOptions& options,
                 Sink sink)
    : view_(store), scratch_(scratch), options_(options), sink_(std::move(sink)) {}

Result<void> Checker::run() {
  TRY(check_meta());
  if (chunk_bytes_ == 0) return {};  // nothing can be judged without it
  TRY_ASSIGN(const auto aside, scratch_.set_aside_objects());
  set_aside_.insert(aside.begin(), aside.end());
  TRY(check_records());
  TRY(check_entries());
  TRY(check_links());
  TRY(check_base());
  TRY(check_inodes());
  TRY(check_owners());
  TRY(check_objects());
  if (options_.archive != nullptr) TRY(check_archive());
  return {};
}

Result<void> Checker::report(FindingCode code, InodeNumber inode, std::string detail, Remedy remedy,
                             Batch fix, uint64_t chunk) {
  Finding finding{code, inode, {}, std::move(detail), remedy, std::move(fix), chunk};
  if (inode != kNoInode) {
    TRY_ASSIGN(finding.path, view_.path(inode));
    blamed_.insert(inode);
  }
  sink_(std::move(finding));
  return {};
}

void Checker::tick(std::string_view pass) {
  if (++seen_ % kTickEvery == 0 && options_.progress) options_.progress(pass, seen_);
}

Result<void> Checker::check_meta() {
  TRY_ASSIGN(const auto meta, read_meta(view_));
  if (!meta) return report(FindingCode::meta_damaged, kNoInode, "", Remedy::none);
  chunk_bytes_ = meta->chunk_bytes;
  clean_stop_ = meta->clean_stop || options_.ended == CheckOptions::Ended::well;
  // Numbers are in order: the last one tells.
  InodeNumber last;
  TRY(view_.each(Family::inode, "", [&](std::string_view key, std::string_view) -> Result<void> {
    const auto number = encoding::decode_number_key(key);
    if (number) last = InodeNumber(*number);
    return {};
  }));
  const bool next_is_known = clean_stop_ && options_.numbers == CheckOptions::Numbers::as_noted;
  if (last.value() < (next_is_known ? meta->inode_next : meta->inode_end)) return {};
  return report(FindingCode::inode_number, last, "", Remedy::reserve_number);
}

Result<void> Checker::check_records() {
  for (size_t i = 0; i < kFamilyNames.size(); ++i) {
    const auto family = static_cast<Family>(i);
    TRY(view_.each(family, "", [&](std::string_view key, std::string_view value) -> Result<void> {
      tick("records");
      if (can_be_read(family, key, value)) return {};
      Batch fix;
      fix.erase_record(family, key);
      InodeNumber inode;
      if (begins_with_inode(family) && key.size() >= 8)
        inode = InodeNumber(*encoding::decode_number_key(key.substr(0, 8)));
      // The count of its subfolders cannot be known.
      if (family == Family::dirent && key.size() >= 8)
        blamed_.insert(InodeNumber(*encoding::decode_number_key(key.substr(0, 8))));
      // Which bytes were new is read from the object.
      const Remedy remedy = family == Family::residency ? Remedy::count_as_new : Remedy::apply;
      return report(FindingCode::record_damaged, inode, kFamilyNames[i], remedy, std::move(fix));
    }));
  }
  return {};
}

}  // namespace tierhub::recovery
