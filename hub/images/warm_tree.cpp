#include "hub/images/warm_tree.h"

#include <utility>

#include "hub/images/root.h"

namespace tierhub::hub {
namespace {

thread_local int not_waiting = 0;
thread_local int not_fetching = 0;
thread_local OneLook* one_look = nullptr;

}  // namespace

NoWaiting::NoWaiting() { ++not_waiting; }
NoWaiting::~NoWaiting() { --not_waiting; }
bool NoWaiting::applies() { return not_waiting > 0; }

NoFetching::NoFetching() { ++not_fetching; }
NoFetching::~NoFetching() { --not_fetching; }

OneLook::OneLook() {
  if (one_look == nullptr) one_look = this;
}
OneLook::~OneLook() {
  if (one_look == this) one_look = nullptr;
}

Result<std::vector<formats::FileStamp>> WarmTree::look_at(
    const std::vector<std::string>& paths) const {
  TRY_ASSIGN(auto stamps, inner_->stamps_of(paths));
  std::vector<std::string> full;
  for (const std::string& path : paths) full.push_back(path_in(folder_, path));
  TRY_ASSIGN(const auto writes, tiers_->writes_of(full));
  for (size_t i = 0; i < stamps.size(); ++i) {
    stamps[i].generation = writes[i].generation;
    stamps[i].is_settled = stamps[i].is_settled && !writes[i].is_open;
  }
  return stamps;
}

Result<std::vector<formats::FileStamp>> WarmTree::stamps_of(
    const std::vector<std::string>& paths) const {
  if (one_look == nullptr) return look_at(paths);
  OneLook::Stamps& known = one_look->stamps_;
  std::vector<std::string> unknown;
  for (const std::string& path : paths)
    if (!known.contains({this, path})) unknown.push_back(path);
  if (!unknown.empty()) {
    TRY_ASSIGN(const auto looked, look_at(unknown));
    for (size_t i = 0; i < unknown.size(); ++i) known[{this, unknown[i]}] = looked[i];
  }
  std::vector<formats::FileStamp> stamps;
  for (const std::string& path : paths) stamps.push_back(known.at({this, path}));
  return stamps;
}

Result<void> WarmTree::check(const std::string& path, std::vector<ByteRange> ranges) const {
  if (!NoWaiting::applies() && not_fetching == 0) return {};
  const FileParts parts = {{path_in(folder_, path), std::move(ranges)}};
  TRY_ASSIGN(const Missing missing, tiers_->missing(parts));
  if (missing.bytes == 0) return {};
  if (not_fetching > 0)
    return Error(std::errc::resource_unavailable_try_again, path + " is in the archive");
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
