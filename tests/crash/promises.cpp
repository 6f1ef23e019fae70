#include "tests/crash/promises.h"

#include <algorithm>
#include <filesystem>

#include <sys/stat.h>

#include <fmt/format.h>

namespace tierhub::test {
namespace {

namespace fs = std::filesystem;

std::string leaf(const std::string& path) { return path.substr(path.rfind('/') + 1); }

}  // namespace

Promises::FoundTree Promises::look_at(const std::string& root) {
  FoundTree found;
  for (const auto& entry : fs::recursive_directory_iterator(root)) {
    struct stat st {};
    check(::lstat(entry.path().c_str(), &st), "stat " + entry.path().string());
    Found node{'f', st.st_mode & 07777U, {}};
    if (S_ISDIR(st.st_mode)) {
      node.kind = 'd';
    } else if (S_ISLNK(st.st_mode)) {
      node.kind = 'l';
      node.bytes = fs::read_symlink(entry.path());
    } else {
      node.bytes = read_file(entry.path());
    }
    found[without_time(entry.path().lexically_relative(root))] = std::move(node);
  }
  return found;
}

Promises::Promises(const Model& durable) { step(durable); }

void Promises::step(const Model& after) {
  states_.push_back(after);
  for (const auto& [path, node] : after.nodes()) {
    if (node->kind != 'f') continue;
    const auto [it, is_new] = files_.try_emplace(node->id);
    File& file = it->second;
    if (is_new) {
      file.made = states_.size() - 1;
      file.mode = node->mode;
    }
    file.names.insert(leaf(path));
    if (file.versions.empty() || file.versions.back() != node->bytes)
      file.versions.push_back(node->bytes);
  }
}

void Promises::acknowledge(const Model& after, const std::string& synced) {
  if (synced.empty()) return;
  durable_state_ = states_.size() - 1;
  File& file = files_.at(after.nodes().at(synced)->id);
  file.durable = file.versions.size() - 1;
}

void Promises::written_through(const Model& after, const std::string& path) {
  File& file = files_.at(after.nodes().at(path)->id);
  file.durable = file.versions.size() - 1;
  file.written_through = true;
}

// Each byte is that of a version since the durable one. Behind the end of the shortest of them a
// byte that did not arrive may be zero: file systems write a new length before bytes of an old
// block.
std::string Promises::judge(const File& file, const std::string& content) const {
  const std::vector<std::string> versions(
      file.versions.begin() + static_cast<std::ptrdiff_t>(file.durable), file.versions.end());
  const auto [smallest, largest] =
      std::minmax_element(versions.begin(), versions.end(),
                          [](const auto& a, const auto& b) { return a.size() < b.size(); });
  if (content.size() < smallest->size() || content.size() > largest->size()) {
    return fmt::format("{} bytes are neither old nor new: {} to {} are", content.size(),
                       smallest->size(), largest->size());
  }
  for (size_t i = 0; i < content.size(); ++i) {
    const bool known = std::any_of(versions.begin(), versions.end(), [&](const auto& version) {
      return i < version.size() && version[i] == content[i];
    });
    if (known || (i >= smallest->size() && content[i] == 0)) continue;
    size_t end = i;
    while (end < content.size() && content[end] == content[i]) ++end;
    return fmt::format("byte {} is neither old nor new ({:#x}, {} times) of {} bytes, {} versions",
                       i, static_cast<unsigned char>(content[i]), end - i, content.size(),
                       versions.size());
  }
  return "";
}

bool Promises::may_be(const File& file, const std::string& path, const Found& found) const {
  const std::string name = leaf(path);
  const bool named = std::any_of(file.names.begin(), file.names.end(), [&](const auto& had) {
    return name == had || name.starts_with(had + " (recovered ");
  });
  return named && found.kind == 'f' && found.mode == file.mode && judge(file, found.bytes).empty();
}

void Promises::take_survivors(size_t state, FoundTree& beside,
                              std::vector<std::string>& wrong) const {
  std::set<std::string> survivors;
  for (const auto& [id, file] : files_) {
    if (!file.written_through || file.made <= state) continue;
    const auto it = std::find_if(beside.begin(), beside.end(), [&](const auto& there) {
      return !survivors.contains(there.first) && may_be(file, there.first, there.second);
    });
    if (it != beside.end()) {
      survivors.insert(it->first);
      continue;
    }
    const auto& last = states_.back().nodes();
    const bool removed = std::none_of(last.begin(), last.end(),
                                      [&](const auto& node) { return node.second->id == id; });
    if (!removed) wrong.push_back(*file.names.begin() + ", which was written through, is missing");
  }
  for (const auto& [path, there] : beside) {
    const bool survived = std::any_of(files_.begin(), files_.end(), [&](const auto& file) {
      return file.second.made > state && may_be(file.second, path, there);
    });
    if (survived) survivors.insert(path);
  }
  for (const std::string& path : survivors) {
    beside.erase(path);
    for (fs::path folder = fs::path(path).parent_path(); !folder.empty();
         folder = folder.parent_path())
      beside.erase(folder);
  }
}

std::vector<std::string> Promises::broken_in(size_t state, const FoundTree& found) const {
  std::vector<std::string> wrong;
  const auto& nodes = states_[state].nodes();
  for (const auto& [path, node] : nodes) {
    const auto it = found.find(path);
    if (it == found.end()) {
      wrong.push_back(path + " is missing");
    } else if (it->second.kind != node->kind || it->second.mode != node->mode) {
      wrong.push_back(fmt::format("{}: {} {:o} instead of {} {:o}", path, it->second.kind,
                                  it->second.mode, node->kind, node->mode));
    } else if (node->kind == 'l' && it->second.bytes != node->bytes) {
      wrong.push_back(path + " points elsewhere");
    } else if (node->kind == 'f') {
      const std::string verdict = judge(files_.at(node->id), it->second.bytes);
      if (!verdict.empty()) wrong.push_back(path + ": " + verdict);
    }
  }
  FoundTree beside = found;
  std::erase_if(beside, [&](const auto& there) { return nodes.contains(there.first); });
  take_survivors(state, beside, wrong);
  for (const auto& [path, there] : beside) wrong.push_back(path + " should not be there");
  return wrong;
}

std::vector<std::string> Promises::broken(const std::string& root) const {
  const FoundTree found = at_rest([&] { return look_at(root); });
  std::vector<std::string> best;
  for (size_t i = states_.size(); i-- > durable_state_;) {
    std::vector<std::string> wrong = broken_in(i, found);
    if (wrong.empty()) return {};
    if (best.empty() || wrong.size() < best.size()) {
      best = std::move(wrong);
      best.insert(best.begin(), fmt::format("nearest to state {} of {} to {}:", i, durable_state_,
                                            states_.size() - 1));
    }
  }
  return best;
}

bool Promises::is_a_version(const std::string& content) const {
  return std::any_of(files_.begin(), files_.end(), [&](const auto& item) {
    const auto& versions = item.second.versions;
    return std::find(versions.begin(), versions.end(), content) != versions.end();
  });
}

}  // namespace tierhub::test
