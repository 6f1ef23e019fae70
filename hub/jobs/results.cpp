#include "hub/jobs/results.h"

#include <algorithm>
#include <span>

#include <fcntl.h>
#include <sys/stat.h>

#include "api/byte_text.h"
#include "common/posix.h"

namespace tierhub::hub {
namespace {

using formats::Json;

constexpr size_t kMostFiles = 2'000;
constexpr size_t kMostNames = 20'000;
constexpr int kMostFolders = 8;
constexpr uint64_t kMostMetadataBytes = 4 << 20;

std::string kind_of(const std::string& name) {
  const auto ends = [&](std::initializer_list<std::string_view> endings) {
    return std::any_of(endings.begin(), endings.end(),
                       [&](std::string_view ending) { return name.ends_with(ending); });
  };
  if (ends({".csv", ".tsv"})) return "table";
  if (ends({".png"})) return "picture";
  if (ends({".tif", ".tiff", ".h5", ".ims", ".mrc", ".jpg", ".jpeg"})) return "image";
  if (ends({".txt", ".json", ".yaml", ".log", ".md"})) return "text";
  return "other";
}

// The names of a path from its end, the last without the endings of images.
std::vector<std::string> reversed_names(const std::string& path) {
  std::vector<std::string> names = names_of(path);
  std::reverse(names.begin(), names.end());
  if (!names.empty()) {
    std::string& last = names.front();
    for (const std::string_view ending : {".zarr", ".tiff", ".tif", ".ome"})
      if (last.ends_with(ending)) last.resize(last.size() - ending.size());
  }
  return names;
}

class ResultLister {
 public:
  ResultLister(const Root& root, Tiers& tiers, const std::vector<std::string>& inputs)
      : root_(root), tiers_(tiers), inputs_(inputs) {}

  Result<Json> list(const std::string& output) {
    TRY(add_folder(output, 0));
    std::sort(files_.begin(), files_.end(),
              [](const Json& a, const Json& b) { return a.at("path") < b.at("path"); });
    return Json{{"output", api::to_wire_text(output)},
                {"files", files_},
                {"left_out", left_out_ + (names_ > kMostNames ? 1 : 0)}};
  }

 private:
  Result<void> add_folder(const std::string& path, int depth) {
    TRY_ASSIGN(const UniqueFd fd, root_.open_file(path, O_RDONLY | O_DIRECTORY));
    TRY_ASSIGN(std::vector<std::string> names, posix::list_directory_fd(fd.get()));
    std::sort(names.begin(), names.end());
    for (const std::string& name : names) {
      if (++names_ > kMostNames) return {};
      if (name.front() == '.') continue;
      const auto st = posix::stat_at(fd.get(), name, AT_SYMLINK_NOFOLLOW);
      if (!st) continue;
      const std::string inside = path_in(path, name);
      if (S_ISREG(st->st_mode)) {
        add(inside, kind_of(name), static_cast<uint64_t>(st->st_size), "", "");
      } else if (S_ISDIR(st->st_mode) && !add_image(inside) && depth < kMostFolders) {
        TRY(add_folder(inside, depth + 1));
      }
    }
    return {};
  }

  // False if the folder is no OME-Zarr.
  bool add_image(const std::string& path) {
    for (const char* name : {"/.zattrs", "/zarr.json"}) {
      const auto missing = tiers_.missing({{path + name, {}}});
      if (missing && missing->bytes > 0) {
        if (!path.ends_with(".zarr")) continue;
        add(path, "image", 0, "", "");
        return true;
      }
      const Json json = metadata_of(path + name);
      const Json* attributes = formats::find_member(json, "attributes");
      const Json* ome = attributes ? formats::find_member(*attributes, "ome") : nullptr;
      const Json& layout = ome != nullptr ? *ome : json;
      if (formats::find_member(layout, "multiscales") == nullptr) continue;
      const bool is_labels = formats::find_member(layout, "image-label") != nullptr;
      const Json* record =
          formats::find_member(attributes != nullptr ? *attributes : json, "imgop");
      const std::string image =
          record != nullptr ? formats::get_text(*record, "image").value_or("") : "";
      const std::string box =
          record != nullptr ? formats::get_text(*record, "box").value_or("") : "";
      add(path, is_labels ? "labels" : "image", 0, is_labels ? source_of(path, image) : "", box);
      return true;
    }
    return false;
  }

  Json metadata_of(const std::string& path) const {
    const auto fd = root_.open_file(path, O_RDONLY | O_NONBLOCK);
    const auto st = fd ? posix::stat_fd(fd->get()) : fd.error();
    if (!st || !S_ISREG(st->st_mode) || static_cast<uint64_t>(st->st_size) > kMostMetadataBytes)
      return {};
    std::string text(static_cast<size_t>(st->st_size), '\0');
    const auto size = posix::read_at(fd->get(), std::as_writable_bytes(std::span(text)), 0);
    if (!size) return {};
    text.resize(*size);
    const auto json = formats::parse_json(text, "metadata");
    return json ? *json : Json();
  }

  // Of the inputs with that name, the one whose folders are most like those of the labels.
  std::string source_of(const std::string& labels, const std::string& image) const {
    const std::vector<std::string> names = reversed_names(labels);
    std::string best;
    ptrdiff_t most = -1;
    for (const std::string& input : inputs_) {
      if (name_of(input) != image) continue;
      const std::vector<std::string> others = reversed_names(input);
      const ptrdiff_t same =
          std::mismatch(names.begin(), names.end(), others.begin(), others.end()).first -
          names.begin();
      if (same > most) {
        most = same;
        best = input;
      }
    }
    return best;
  }

  void add(const std::string& path, const std::string& kind, uint64_t size, const std::string& of,
           const std::string& box) {
    if (files_.size() == kMostFiles) {
      ++left_out_;
      return;
    }
    files_.push_back({{"path", api::to_wire_text(path)},
                      {"kind", kind},
                      {"size", size},
                      {"of", api::to_wire_text(of)},
                      {"box", box}});
  }

  const Root& root_;
  Tiers& tiers_;
  const std::vector<std::string>& inputs_;
  size_t names_ = 0;
  std::vector<Json> files_;
  size_t left_out_ = 0;
};

}  // namespace

Result<Json> results_json(const Root& root, Tiers& tiers, const std::string& output,
                          const std::vector<std::string>& inputs) {
  TRY_ASSIGN(const std::string path, root.resolve(output));
  return ResultLister(root, tiers, inputs).list(path);
}

}  // namespace tierhub::hub
