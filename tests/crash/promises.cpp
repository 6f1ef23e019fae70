#include "tests/crash/promises.h"

#include <algorithm>
#include <filesystem>

#include <sys/stat.h>

#include <fmt/format.h>

namespace tierhub::testing {
namespace {

namespace fs = std::filesystem;

struct Found {
  char kind = 'f';
  unsigned mode = 0;
  std::string bytes;  // content, or target
  bool operator==(const Found&) const = default;
};

std::map<std::string, Found> look_at(const std::string& root) {
  std::map<std::string, Found> found;
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

}  // namespace

Promises::Promises(const Model& durable) { step(durable); }

void Promises::step(const Model& after) {
  states_.push_back(after);
  for (const auto& [path, node] : after.nodes()) {
    if (node->kind != 'f') continue;
    File& file = files_[node->id];
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

// Each byte is that of a version since the durable one. Behind the end of the shortest of them a
// byte that did not arrive may be zero: file systems write a new length before bytes of an old
// block.
std::string Promises::judge(const Model::Node& node, const std::string& content) const {
  const File& file = files_.at(node.id);
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

std::vector<std::string> Promises::broken(const std::string& root) const {
  const auto found = at_rest([&] { return look_at(root); });
  std::vector<std::string> best;
  for (size_t i = states_.size(); i-- > durable_state_;) {
    std::vector<std::string> wrong;
    const auto& nodes = states_[i].nodes();
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
        const std::string verdict = judge(*node, it->second.bytes);
        if (!verdict.empty()) wrong.push_back(path + ": " + verdict);
      }
    }
    for (const auto& [path, node] : found) {
      if (!nodes.contains(path)) wrong.push_back(path + " should not be there");
    }
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

}  // namespace tierhub::testing
