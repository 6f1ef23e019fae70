#include "formats/hdf5_parser.h"

#include <algorithm>
#include <cstring>
#include <deque>
#include <set>

#include <fmt/format.h>

#include "formats/hdf5_file.h"
#include "formats/hdf5_parser_dataset.h"

namespace tierhub::formats {
namespace {

constexpr size_t kMaxNames = Hdf5File::kMaxNames;
constexpr size_t kMaxObjects = Hdf5File::kMaxObjects;
constexpr size_t kKnownDatasets = 64;
constexpr size_t kMaxDepth = 32;
constexpr size_t kMaxTextBytes = 64u << 10;
constexpr size_t kMaxNumbers = 64;

struct Link {
  std::string name;
  bool hard = false;
};

struct Links {
  std::vector<Link> found;
  size_t limit = 0;
};

herr_t add_link(hid_t, const char* name, const H5L_info_t* info, void* data) noexcept {
  Links& links = *static_cast<Links*>(data);
  if (links.found.size() >= links.limit) return 1;
  links.found.push_back({name, info->type == H5L_TYPE_HARD});
  return 0;
}

enum class Listed { all, too_many, damaged };

Listed list_links(hid_t file, const std::string& group, Links& links) {
  const herr_t status = H5Literate_by_name(file, group.c_str(), H5_INDEX_NAME, H5_ITER_INC, nullptr,
                                           add_link, &links, H5P_DEFAULT);
  return status < 0 ? Listed::damaged : status > 0 ? Listed::too_many : Listed::all;
}

// How many elements an attribute has; 0 if that is more than `limit`.
size_t elements_of(hid_t attribute, size_t limit) {
  const Hdf5Id space(H5Aget_space(attribute), H5Sclose);
  if (!space) return 0;
  const hssize_t count = H5Sget_simple_extent_npoints(space.get());
  return count < 0 || static_cast<uint64_t>(count) > limit ? 0 : static_cast<size_t>(count);
}

}  // namespace

Result<std::unique_ptr<Hdf5Parser>> Hdf5Parser::open(Hdf5Source& source) {
  std::unique_ptr<Hdf5Parser> parser(new Hdf5Parser(source));
  parser->id_ = open_through_driver(source);
  if (!parser->id_)
    return parser->damaged("it has no valid superblock, or ends before its content");
  return parser;
}

Hdf5Parser::Hdf5Parser(Hdf5Source& source) : source_(source) {}

Hdf5Parser::~Hdf5Parser() = default;

Error Hdf5Parser::damaged(std::string_view why) const {
  return Error(std::errc::invalid_argument,
               fmt::format("{} is truncated or damaged: {}", source_.path, why));
}

bool Hdf5Parser::exists(const std::string& path) const {
  // A path is looked up one name at a time: the library's own check needs all groups before the
  // last name.
  for (size_t slash = path.find('/', 1); slash != std::string::npos;
       slash = path.find('/', slash + 1)) {
    if (H5Lexists(id_.get(), path.substr(0, slash).c_str(), H5P_DEFAULT) <= 0) return false;
  }
  return H5Lexists(id_.get(), path.c_str(), H5P_DEFAULT) > 0 &&
         H5Oexists_by_name(id_.get(), path.c_str(), H5P_DEFAULT) > 0;
}

Result<std::vector<std::string>> Hdf5Parser::names_in(const std::string& group) const {
  Links links;
  links.limit = kMaxNames;
  switch (list_links(id_.get(), group, links)) {
    case Listed::damaged:
      return damaged(fmt::format("the group {} cannot be read", group));
    case Listed::too_many:
      return Error(std::errc::invalid_argument,
                   fmt::format("{}: the group {} has more than {} names, which is not supported",
                               source_.path, group, kMaxNames));
    case Listed::all:
      break;
  }
  std::vector<std::string> names;
  for (Link& link : links.found) names.push_back(std::move(link.name));
  std::sort(names.begin(), names.end());
  return names;
}

Result<std::vector<std::string>> Hdf5Parser::arrays() const {
  struct Group {
    std::string path;  // ends with '/'
    size_t depth = 0;
  };
  std::vector<std::string> arrays;
  std::set<haddr_t> seen;
  std::deque<Group> groups = {{"/", 0}};
  size_t objects = 0;
  const auto too_many = [&](std::string_view what) {
    return Error(std::errc::invalid_argument,
                 fmt::format("{} has {}, too many to search for an image: convert it to OME-Zarr",
                             source_.path, what));
  };
  for (; !groups.empty(); groups.pop_front()) {
    const Group group = groups.front();
    Links links;
    links.limit = kMaxObjects;
    const Listed listed = list_links(id_.get(), group.path, links);
    if (listed == Listed::damaged)
      return damaged(fmt::format("the group {} cannot be read", group.path));
    objects += links.found.size();
    if (listed == Listed::too_many || objects > kMaxObjects)
      return too_many(fmt::format("more than {} groups and datasets", kMaxObjects));
    for (const Link& link : links.found) {
      // What a soft link names is found under its own name.
      if (!link.hard) continue;
      const std::string path = group.path + link.name;
      H5O_info_t info;
      if (H5Oget_info_by_name2(id_.get(), path.c_str(), &info, H5O_INFO_BASIC, H5P_DEFAULT) < 0)
        return damaged(fmt::format("{} cannot be read", path));
      // Groups may contain each other.
      if (!seen.insert(info.addr).second) continue;
      if (info.type == H5O_TYPE_DATASET && is_array(path)) arrays.push_back(path);
      if (info.type != H5O_TYPE_GROUP) continue;
      if (group.depth >= kMaxDepth)
        return too_many(fmt::format("more than {} groups inside each other", kMaxDepth));
      groups.push_back({path + "/", group.depth + 1});
    }
  }
  return arrays;
}

bool Hdf5Parser::is_array(const std::string& path) const {
  const Hdf5Id dataset(H5Dopen2(id_.get(), path.c_str(), H5P_DEFAULT), H5Dclose);
  if (!dataset) return false;
  const Hdf5Id creation(H5Dget_create_plist(dataset.get()), H5Pclose);
  // To get the size of such a dataset, the library would open other files.
  if (!creation || H5Pget_layout(creation.get()) == H5D_VIRTUAL) return true;
  const Hdf5Id space(H5Dget_space(dataset.get()), H5Sclose);
  const Hdf5Id type(H5Dget_type(dataset.get()), H5Tclose);
  if (!space || !type || H5Sget_simple_extent_ndims(space.get()) < 2) return false;
  const H5T_class_t kind = H5Tget_class(type.get());
  return kind == H5T_INTEGER || kind == H5T_FLOAT || kind == H5T_ENUM;
}

Result<const Hdf5Parser::Dataset*> Hdf5Parser::dataset(const std::string& path) {
  const auto known = std::find_if(datasets_.begin(), datasets_.end(),
                                  [&](const auto& dataset) { return dataset->path() == path; });
  if (known != datasets_.end()) {
    datasets_.splice(datasets_.begin(), datasets_, known);
  } else {
    TRY_ASSIGN(auto opened, Dataset::open(id_.get(), source_, path));
    datasets_.push_front(std::move(opened));
    if (datasets_.size() > kKnownDatasets) datasets_.pop_back();
  }
  return datasets_.front().get();
}

Result<Hdf5Layout> Hdf5Parser::layout(const std::string& path) {
  TRY_ASSIGN(const Dataset* found, dataset(path));
  return found->layout();
}

Result<std::vector<std::optional<Hdf5Chunk>>> Hdf5Parser::chunks(
    const std::string& path, const std::vector<std::vector<uint64_t>>& firsts) {
  TRY_ASSIGN(const Dataset* found, dataset(path));
  std::vector<std::optional<Hdf5Chunk>> chunks;
  for (const auto& first : firsts) {
    TRY_ASSIGN(chunks.emplace_back(), found->chunk_at(first));
  }
  return chunks;
}

Hdf5Id Hdf5Parser::attribute(const std::string& path, const std::string& name) const {
  if (H5Aexists_by_name(id_.get(), path.c_str(), name.c_str(), H5P_DEFAULT) <= 0) return {};
  return {H5Aopen_by_name(id_.get(), path.c_str(), name.c_str(), H5P_DEFAULT, H5P_DEFAULT),
          H5Aclose};
}

std::optional<std::string> Hdf5Parser::text(const std::string& path,
                                            const std::string& name) const {
  const Hdf5Id found = attribute(path, name);
  if (!found) return std::nullopt;
  const Hdf5Id type(H5Aget_type(found.get()), H5Tclose);
  if (!type || H5Tget_class(type.get()) != H5T_STRING) return std::nullopt;
  const size_t count = elements_of(found.get(), kMaxTextBytes);
  if (count == 0) return std::nullopt;
  if (H5Tis_variable_str(type.get()) > 0) {
    char* text = nullptr;
    if (count != 1 || H5Aread(found.get(), type.get(), &text) < 0 || text == nullptr)
      return std::nullopt;
    std::string copy(text, ::strnlen(text, kMaxTextBytes));
    H5free_memory(text);
    return copy;
  }
  const size_t size = H5Tget_size(type.get());
  if (size == 0 || size > kMaxTextBytes / count) return std::nullopt;
  std::string joined(size * count, '\0');
  if (H5Aread(found.get(), type.get(), joined.data()) < 0) return std::nullopt;
  std::erase(joined, '\0');
  return joined;
}

std::vector<double> Hdf5Parser::numbers(const std::string& path, const std::string& name) const {
  const Hdf5Id found = attribute(path, name);
  if (!found) return {};
  const Hdf5Id type(H5Aget_type(found.get()), H5Tclose);
  if (!type) return {};
  const H5T_class_t kind = H5Tget_class(type.get());
  if ((kind != H5T_INTEGER && kind != H5T_FLOAT) || H5Tget_size(type.get()) > sizeof(double))
    return {};
  std::vector<double> values(elements_of(found.get(), kMaxNumbers));
  if (values.empty() || H5Aread(found.get(), H5T_NATIVE_DOUBLE, values.data()) < 0) return {};
  return values;
}

}  // namespace tierhub::formats
