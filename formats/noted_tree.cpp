#include "formats/noted_tree.h"

namespace tierhub::formats {
namespace {

constexpr uint64_t kPageBytes = 4096;

}  // namespace

void NotedTree::note(const std::string& path, uint64_t offset_bytes, uint64_t size_bytes) const {
  if (size_bytes == 0) return;
  const uint64_t begin = offset_bytes / kPageBytes;
  const uint64_t end = (offset_bytes + size_bytes - 1) / kPageBytes + 1;
  noted_.with([&](auto& noted) { noted[path].add(begin, end); });
}

Result<size_t> NotedTree::read_at(const std::string& path, std::span<std::byte> buffer,
                                  uint64_t offset_bytes) const {
  TRY_ASSIGN(const size_t got, inner_->read_at(path, buffer, offset_bytes));
  note(path, offset_bytes, got);
  return got;
}

Result<bool> NotedTree::read_whole(const std::string& path, uint64_t limit_bytes,
                                   std::string& into) const {
  TRY_ASSIGN(const bool exists, inner_->read_whole(path, limit_bytes, into));
  if (exists) note(path, 0, into.size());
  return exists;
}

std::vector<FileRange> NotedTree::noted() const {
  std::vector<FileRange> ranges;
  noted_.with([&](const auto& noted) {
    for (const auto& [path, pages] : noted) {
      for (const IntervalSet::Interval& part : pages.intervals())
        ranges.push_back({path, part.begin * kPageBytes, (part.end - part.begin) * kPageBytes});
    }
  });
  return ranges;
}

}  // namespace tierhub::formats
