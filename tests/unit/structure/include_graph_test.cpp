// The layout of the code, as a test: which folder may include which, and where each library may be
// used. docs/ARCHITECTURE.md says why.
#include <algorithm>
#include <filesystem>
#include <fstream>
#include <map>
#include <regex>
#include <set>
#include <string>
#include <vector>

#include <fmt/format.h>
#include <fmt/ranges.h>
#include <gtest/gtest.h>

namespace tierhub {
namespace {

namespace fs = std::filesystem;

// A room may include itself and what is listed here; nothing else. A folder's name without one of
// its rooms is the folder's own sources. A folder in a list is all its rooms.
const std::map<std::string, std::set<std::string>> kArrows = {
    {"common", {}},
    {"catalog", {"common"}},
    {"inodes", {"catalog", "common"}},
    {"storage/archive", {"catalog", "common"}},
    {"storage/scratch", {"inodes", "catalog", "common"}},
    {"storage/copy", {"storage/archive", "catalog", "common"}},
    {"storage/posix", {"storage/archive", "storage/scratch", "storage/copy", "catalog", "common"}},
    {"storage/helper", {"storage/archive", "storage/copy", "storage/posix", "catalog", "common"}},
    {"migrator/base", {"storage/archive", "storage/scratch", "inodes", "catalog", "common"}},
    {"migrator/evict", {"storage/archive", "storage/scratch", "inodes", "catalog", "common"}},
    {"migrator/fill",
     {"migrator/base", "migrator/evict", "storage/archive", "storage/scratch", "inodes", "catalog",
      "common"}},
    {"migrator/prefetch", {"migrator/fill", "inodes", "catalog", "common"}},
    {"migrator/scan",
     {"migrator/base", "storage/archive", "storage/scratch", "inodes", "catalog", "common"}},
    {"migrator/publish",
     {"migrator/scan", "migrator/base", "storage/archive", "storage/scratch", "inodes", "catalog",
      "common"}},
    {"migrator",
     {"migrator/publish", "migrator/scan", "migrator/fill", "migrator/evict", "storage/archive",
      "storage/scratch", "inodes", "catalog", "common"}},
    {"fusefs", {"storage/archive", "storage/scratch", "inodes", "catalog", "common"}},
    {"fusefs/mount", {"storage/helper", "common"}},
    {"fusefs/kernel", {"fusefs", "fusefs/mount", "inodes", "catalog", "common"}},
    {"formats", {"common"}},
    {"pixels", {"formats", "common"}},
    {"imaging/voxels", {"formats", "common"}},
    {"imaging/images", {"imaging/voxels", "pixels", "formats", "common"}},
    {"imaging/labels", {"imaging/images", "imaging/voxels", "pixels", "formats", "common"}},
    {"imaging/filters", {"imaging/images", "imaging/voxels", "pixels", "formats", "common"}},
    {"imaging/tables", {"imaging/labels", "imaging/images", "imaging/voxels", "formats", "common"}},
    {"imaging/measures",
     {"imaging/tables", "imaging/labels", "imaging/images", "imaging/voxels", "pixels", "formats",
      "common"}},
    {"imaging/pictures",
     {"imaging/tables", "imaging/labels", "imaging/images", "imaging/voxels", "formats", "common"}},
    {"imaging/commands",
     {"imaging/filters", "imaging/images", "imaging/labels", "imaging/measures", "imaging/pictures",
      "imaging/tables", "imaging/voxels", "pixels", "formats", "common"}},
    {"imaging", {"imaging/commands", "imaging/voxels", "common"}},
    {"http", {"common"}},
    {"api", {"http", "common"}},
    {"hub/images", {"pixels", "formats", "api", "http", "common"}},
    {"hub/login", {"common"}},
    {"hub/front", {"hub/login", "api", "http", "common"}},
    {"hub/jobs", {"hub/images", "api", "formats", "http", "common"}},
    {"hub/worker", {"hub/images", "hub/jobs", "api", "http", "common"}},
    {"hub", {"hub/front", "hub/login", "hub/worker", "api", "http", "common"}},
    {"recovery", {"migrator/scan", "storage", "inodes", "catalog", "common"}},
    {"daemon", {"fusefs", "recovery", "migrator", "storage", "inodes", "catalog", "api", "common"}},
    {"compute/workflow", {"formats", "common"}},
    {"compute/staging", {"compute/workflow", "api", "formats", "common"}},
    {"compute/executors", {"compute/workflow", "api", "common"}},
    {"compute/run",
     {"compute/executors", "compute/staging", "compute/workflow", "api", "formats", "common"}},
    {"compute/jobs",
     {"compute/executors", "compute/run", "compute/staging", "compute/workflow", "api", "formats",
      "common"}},
    {"compute/submit",
     {"compute/executors", "compute/run", "compute/staging", "compute/workflow", "api", "formats",
      "common"}},
    {"compute",
     {"compute/executors", "compute/jobs", "compute/run", "compute/staging", "compute/submit",
      "api", "common"}},
    // fsck works on the tiers themselves, with the settings of the daemon that is not running.
    {"tools/tierctl", {"api", "formats", "recovery", "storage", "catalog", "daemon", "common"}},
};

struct Library {
  std::string name;
  std::string headers;  // a regular expression for what stands between < and >
  std::string users;    // a regular expression for the paths that may include them
};

const std::vector<Library> kLibraries = {
    // Only annotated mutexes are checked by the compiler.
    {"std::mutex", "mutex|condition_variable", "common/mutex\\.h|storage/scratch/scratch\\.cpp"},
    {"RocksDB", "rocksdb/.*", "catalog/rocksdb_store\\.cpp"},
    {"libfuse", "fuse.*|linux/fuse\\.h", "fusefs/kernel/.*|bench/bench_floor\\.cpp"},
    {"liburing", "liburing.*", "storage/copy/ring[^/]*"},
    {"Beast and Asio", "boost/(beast|asio).*",
     "http/(server|relay)\\.cpp|http/(beast|relay)\\.h|api/http_exchange\\.cpp"},
    {"Boost", "boost/.*", "http/.*|api/.*|imaging/.*"},
    {"ITK", "itk.*", "tests only"},
    {"image files", "tiff.*|png\\.h|jpeglib\\.h|zlib\\.h|zstd\\.h|blosc\\.h|lz4\\.h", "pixels/.*"},
    {"HDF5", "hdf5.*|H5.*", "formats/hdf5_library\\.h"},
    {"OpenSlide", "openslide.*", "formats/slide_answerer\\.cpp"},
    {"pugixml", "pugixml.*", "formats/(ome|bdv)_xml\\.cpp"},
    {"PAM", "security/.*", "hub/login/conversation\\.cpp"},
    {"seccomp", "seccomp\\.h", "hub/worker/sandbox\\.cpp"},
    {"xxHash", "xxhash\\.h", "common/hash\\.cpp"},
    {"spdlog", "spdlog/.*", "common/log\\.cpp"},
    {"tl::expected", "tl/.*", "common/result\\.h|compute/workflow/(complaint|placeholders)\\.h"},
    {"yaml-cpp", "yaml-cpp/.*", "daemon/config\\.cpp|compute/workflow/yaml_document\\..*"},
    {"nlohmann-json", "nlohmann/.*", "(api|formats|compute|tools|imaging|daemon|hub)/.*"},
    {"CLI11", "CLI/.*",
     "(daemon|compute)/main\\.cpp|hub/tierweb\\.cpp|tools/.*|imaging/(commands/.*|imgop\\.cpp)"},
};

struct Include {
  std::string header;
  bool quoted = false;
};

struct Source {
  std::string path;  // from the top of the repository
  std::string room;
  std::vector<Include> includes;
};

bool is_source(const fs::path& path) {
  return path.extension() == ".h" || path.extension() == ".cpp";
}

std::vector<Include> includes_of(const fs::path& path) {
  static const std::regex pattern("^\\s*#\\s*include\\s*([<\"])([^>\"]+)[>\"].*");
  std::vector<Include> includes;
  std::ifstream file(path);
  std::smatch match;
  for (std::string line; std::getline(file, line);) {
    if (line.find("#") != std::string::npos && std::regex_match(line, match, pattern))
      includes.push_back({match[2], match[1] == "\""});
  }
  return includes;
}

// The folder that a path is in.
std::string room_of(const std::string& path) { return path.substr(0, path.rfind('/')); }

std::string top_of(const std::string& room) { return room.substr(0, room.find('/')); }

bool may_include(const std::string& room, const std::string& target) {
  const auto& allowed = kArrows.at(room);
  return target == room || allowed.contains(target) || allowed.contains(top_of(target));
}

// All sources of the programs: of every top-level folder but those of tests and tools of the
// repository itself.
std::vector<Source> sources() {
  static const std::set<std::string> others = {"tests", "bench", "build", "web", "packaging"};
  const fs::path root = TIERHUB_SOURCE_DIR;
  std::vector<Source> found;
  for (const auto& folder : fs::directory_iterator(root)) {
    const std::string name = folder.path().filename();
    if (!folder.is_directory() || name.starts_with(".") || others.contains(name)) continue;
    for (const auto& file : fs::recursive_directory_iterator(folder)) {
      if (!file.is_regular_file() || !is_source(file.path())) continue;
      const std::string path = file.path().lexically_relative(root);
      found.push_back({path, room_of(path), includes_of(file.path())});
    }
  }
  return found;
}

TEST(IncludeGraph, EveryRoomWithSourcesIsInTheTable) {
  std::set<std::string> unknown;
  std::set<std::string> empty;
  for (const auto& [room, arrows] : kArrows) empty.insert(room);
  for (const Source& source : sources()) {
    if (!kArrows.contains(source.room)) unknown.insert(source.room);
    empty.erase(source.room);
  }
  EXPECT_TRUE(unknown.empty()) << fmt::format("rooms without a place in the layout: {}", unknown);
  EXPECT_TRUE(empty.empty()) << fmt::format("rooms of the layout without sources: {}", empty);
}

TEST(IncludeGraph, ArrowsPointDownOnly) {
  for (const Source& source : sources()) {
    if (!kArrows.contains(source.room)) continue;
    for (const Include& include : source.includes) {
      if (!include.quoted) continue;
      EXPECT_TRUE(may_include(source.room, room_of(include.header)))
          << source.path << " includes " << include.header << ": " << source.room
          << " may not include " << room_of(include.header);
    }
  }
}

TEST(IncludeGraph, HasNoCycle) {
  // A room is done when all that it may include is; with a cycle some never are.
  std::set<std::string> done;
  const auto may_be_missing = [&](const std::string& room, const std::string& target) {
    return done.contains(target) || target == room || !may_include(room, target);
  };
  for (size_t round = 0; round < kArrows.size(); ++round) {
    for (const auto& [room, arrows] : kArrows) {
      if (std::all_of(kArrows.begin(), kArrows.end(), [&, &from = room](const auto& target) {
            return may_be_missing(from, target.first);
          }))
        done.insert(room);
    }
  }
  EXPECT_EQ(done.size(), kArrows.size());
}

TEST(IncludeGraph, EachLibraryStaysBehindItsFiles) {
  for (const Library& library : kLibraries) {
    const std::regex headers(library.headers);
    const std::regex users(library.users);
    for (const Source& source : sources()) {
      for (const Include& include : source.includes) {
        if (include.quoted || !std::regex_match(include.header, headers)) continue;
        EXPECT_TRUE(std::regex_match(source.path, users))
            << source.path << " includes <" << include.header << ">: " << library.name
            << " belongs to " << library.users;
      }
    }
  }
}

TEST(IncludeGraph, OwnHeadersAreNamedFromTheTop) {
  for (const Source& source : sources()) {
    for (const Include& include : source.includes) {
      if (!include.quoted) continue;
      EXPECT_TRUE(fs::exists(fs::path(TIERHUB_SOURCE_DIR) / include.header))
          << source.path << " includes \"" << include.header << "\", which is not there";
    }
  }
}

}  // namespace
}  // namespace tierhub
