#include "hub/images/warm_tree.h"

#include <utility>

#include "hub/images/root.h"

namespace tierhub::hub {
namespace {

thread_local int not_waiting = 0;

}  // namespace

NoWaiting::NoWaiting() { ++not_waiting; }
NoWaiting::~NoWaiting() { --not_waiting; }
bool NoWaiting::applies() { return not_waiting > 0; }

Result<void> WarmTree::check(const std::string& path, std::vector<ByteRange> ranges) const {
  if (!NoWaiting::applies()) return {};
  const FileParts parts = {{path_in(folder_, path), std::move(ranges)}};
  TRY_ASSIGN(const Missing missing, tiers_->missing(parts));
  if (missing.bytes == 0) return {};
  TRY(tiers_->bring(parts, name_of(inner_->path())));
  return Error(std::errc::resource_unavailable_try_again, path + " is coming from the archive");
}

Result<size_t> WarmTree::read_at(const std::string& path, std::span<std::byte> buffer,
                                 uint64_t offset_bytes) const {
  TRY(check(path, {{offset_bytes, offset_bytes + buffer.size()}}));
  return inner_->read_at(path, buffer, offset_bytes);
}

Result<bool> WarmTree::read_whole(const std::string& path, uint64_t limit_bytes,
                                  std::string& into) const {
  TRY(check(path, {}));
  return inner_->read_whole(path, limit_bytes, into);
}

}  // namespace tierhub::hub
