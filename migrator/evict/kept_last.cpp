#include "migrator/evict/kept_last.h"

#include <algorithm>
#include <charconv>
#include <optional>
#include <string_view>
#include <utility>

#include <fmt/format.h>

#include "common/log.h"

namespace tierhub {
namespace {

constexpr std::string_view kKey = "evict.kept_last";
// What a file takes at least.
constexpr uint64_t kLeastBytes = 4096;

uint64_t bytes_of(const IntervalSet& chunks, uint64_t size_bytes, uint64_t chunk_bytes) {
  uint64_t bytes = 0;
  for (const auto& part : chunks.intervals()) {
    const uint64_t end = std::min(part.end * chunk_bytes, size_bytes);
    bytes += end - std::min(part.begin * chunk_bytes, end);
  }
  return (bytes + kLeastBytes - 1) / kLeastBytes * kLeastBytes;
}

// A number at the front of `text`, which it takes away with the character behind it.
std::optional<uint64_t> take_number(std::string_view& text, char behind) {
  uint64_t number = 0;
  const auto [end, failure] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (failure != std::errc()) return std::nullopt;
  text.remove_prefix(static_cast<size_t>(end - text.data()));
  if (text.empty() || text.front() != behind) return std::nullopt;
  text.remove_prefix(1);
  return number;
}

struct Line {
  InodeNumber inode;
  uint64_t bytes = 0;
  IntervalSet chunks;
};

// "INODE BYTES BEGIN-END;BEGIN-END;" and the end of the line.
std::optional<Line> take_line(std::string_view& text) {
  Line line;
  const auto inode = take_number(text, ' ');
  const auto bytes = inode ? take_number(text, ' ') : std::nullopt;
  if (!bytes) return std::nullopt;
  line.inode = InodeNumber{*inode};
  line.bytes = *bytes;
  while (!text.empty() && text.front() != '\n') {
    const auto begin = take_number(text, '-');
    const auto end = begin ? take_number(text, ';') : std::nullopt;
    if (!end || *begin >= *end) return std::nullopt;
    line.chunks.add(*begin, *end);
  }
  if (text.empty()) return std::nullopt;
  text.remove_prefix(1);
  return line;
}

}  // namespace

KeptLast::KeptLast(Catalog& catalog) : catalog_(catalog) {
  if (const auto loaded = load(); !loaded)
    log::warning("what is to be evicted last is forgotten", {{"error", loaded.error().text()}});
}

Result<void> KeptLast::load() {
  TRY_ASSIGN(const auto stored, catalog_.meta(kKey));
  if (!stored) return {};
  std::vector<Line> lines;
  for (std::string_view rest = *stored; !rest.empty();) {
    auto line = take_line(rest);
    if (!line) return Error(std::errc::io_error, "the record in the catalog makes no sense");
    TRY_ASSIGN(const auto record, catalog_.inode(line->inode));
    if (record) lines.push_back(*std::move(line));
  }
  MutexLock lock(mutex_);
  for (Line& line : lines) note(line.inode, std::move(line.chunks), line.bytes);
  return {};
}

void KeptLast::note(InodeNumber inode, IntervalSet chunks, uint64_t bytes) {
  erase(inode);
  bytes_ += bytes;
  parts_ += chunks.parts();
  by_age_.emplace(next_age_, inode);
  kept_.emplace(inode, Kept{next_age_, std::move(chunks), bytes});
  ++next_age_;
}

void KeptLast::erase(InodeNumber inode) {
  const auto it = kept_.find(inode);
  if (it == kept_.end()) return;
  bytes_ -= it->second.bytes;
  parts_ -= it->second.chunks.parts();
  by_age_.erase(it->second.age);
  kept_.erase(it);
}

std::string KeptLast::text() const {
  std::string text;
  for (const auto& [age, inode] : by_age_) {
    const Kept& kept = kept_.at(inode);
    text += fmt::format("{} {} ", inode, kept.bytes);
    for (const auto& part : kept.chunks.intervals())
      text += fmt::format("{}-{};", part.begin, part.end);
    text += '\n';
  }
  return text;
}

Result<void> KeptLast::check_size(const std::vector<Item>& items, uint64_t most_bytes) const {
  uint64_t bytes = 0;
  size_t parts = 0;
  for (const Item& item : items) {
    bytes += bytes_of(item.chunks, item.size_bytes, catalog_.chunk_bytes());
    parts += item.chunks.parts();
  }
  if (bytes > most_bytes) {
    const auto mebibytes = [](uint64_t number) { return static_cast<double>(number) / (1 << 20); };
    return Error(
        std::errc::no_space_on_device,
        fmt::format("the metadata takes {:.2f} MiB in chunks of {:.2f} MiB, but at most "
                    "{:.2f} MiB (1 % of the capacity) can be kept: ask for less, or "
                    "prefetch it without keeping it",
                    mebibytes(bytes), mebibytes(catalog_.chunk_bytes()), mebibytes(most_bytes)));
  }
  if (items.size() > kMostFiles || parts > kMostParts) {
    return Error(
        std::errc::no_space_on_device,
        fmt::format("{} files in {} parts cannot be kept as metadata: at most {} in {} are",
                    items.size(), parts, kMostFiles, kMostParts));
  }
  return {};
}

Result<void> KeptLast::add(const std::vector<Item>& items, uint64_t most_bytes) {
  TRY(check_size(items, most_bytes));
  const uint64_t chunk_bytes = catalog_.chunk_bytes();
  MutexLock storing(store_mutex_);
  Batch batch;
  {
    MutexLock lock(mutex_);
    for (const Item& item : items) {
      if (item.chunks.empty()) continue;
      IntervalSet chunks = item.chunks;
      if (const auto it = kept_.find(item.inode); it != kept_.end()) {
        for (const auto& part : it->second.chunks.intervals()) chunks.add(part.begin, part.end);
        if (bytes_of(chunks, item.size_bytes, chunk_bytes) > most_bytes) chunks = item.chunks;
      }
      const uint64_t bytes = bytes_of(chunks, item.size_bytes, chunk_bytes);
      note(item.inode, std::move(chunks), bytes);
      while (bytes_ > most_bytes || kept_.size() > kMostFiles || parts_ > kMostParts)
        erase(by_age_.begin()->second);
    }
    batch.put_meta(kKey, text());
  }
  return catalog_.commit(batch);
}

IntervalSet KeptLast::chunks_of(InodeNumber inode) const {
  MutexLock lock(mutex_);
  const auto it = kept_.find(inode);
  return it == kept_.end() ? IntervalSet() : it->second.chunks;
}

void KeptLast::forget(InodeNumber inode) {
  MutexLock lock(mutex_);
  erase(inode);
}

size_t KeptLast::files() const {
  MutexLock lock(mutex_);
  return kept_.size();
}

uint64_t KeptLast::bytes() const {
  MutexLock lock(mutex_);
  return bytes_;
}

}  // namespace tierhub
