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

// A folder may include itself and what stands here; nothing else.
const std::map<std::string, std::set<std::string>> kArrows = {
    {"common", {}},
    {"catalog", {"common"}},
    {"storage", {"catalog", "common"}},
    {"migrator", {"storage", "catalog", "common"}},
    {"fusefs", {"storage", "catalog", "common"}},
    {"formats", {"common"}},
    {"imaging", {"formats", "common"}},
    {"api", {"common"}},
    {"recovery", {"migrator", "storage", "catalog", "common"}},
    {"daemon", {"fusefs", "recovery", "migrator", "storage", "catalog", "api", "common"}},
    {"compute", {"api", "formats", "common"}},
    // fsck works on the tiers themselves, with the settings of the daemon that is not running.
    {"tools", {"api", "formats", "recovery", "storage", "catalog", "daemon", "common"}},
};

struct Library {
  std::string name;
  std::string headers;  // a regular expression for what stands between < and >
  std::string users;    // a regular expression for the paths that may include them
};

const std::vector<Library> kLibraries = {
    {"RocksDB", "rocksdb/.*", "catalog/rocksdb_store\\.cpp"},
    {"libfuse", "fuse.*|linux/fuse\\.h", "fusefs/.*|bench/bench_floor\\.cpp"},
    {"liburing", "liburing.*", "storage/ring[^/]*"},
    {"Beast and Asio", "boost/(beast|asio).*", "api/http_(server|exchange)\\.cpp"},
    {"Boost", "boost/.*", "api/.*|imaging/.*"},
    {"ITK", "itk.*", "imaging/.*"},
    {"image files", "tiff.*|png\\.h|zlib\\.h|zstd\\.h|blosc\\.h", "imaging/.*"},
    {"xxHash", "xxhash\\.h", "common/hash\\.cpp"},
    {"spdlog", "spdlog/.*", "common/log\\.cpp"},
    {"tl::expected", "tl/.*", "common/result\\.h|compute/placeholders\\.h"},
    {"yaml-cpp", "yaml-cpp/.*", "daemon/config\\.cpp|compute/yaml_document\\..*"},
    {"nlohmann-json", "nlohmann/.*", "(api|formats|compute|tools|imaging|daemon)/.*"},
    {"CLI11", "CLI/.*", "(daemon|compute)/main\\.cpp|tools/.*|imaging/(commands|imgop)\\..*"},
};

struct Include {
  std::string header;
  bool quoted = false;
};

struct Source {
  std::string path;  // from the top of the repository
  std::string folder;
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
      found.push_back({file.path().lexically_relative(root), name, includes_of(file.path())});
    }
  }
  return found;
}

TEST(IncludeGraph, EveryFolderWithSourcesIsInTheTable) {
  std::set<std::string> unknown;
  size_t count = 0;
  for (const Source& source : sources()) {
    ++count;
    if (!kArrows.contains(source.folder)) unknown.insert(source.folder);
  }
  EXPECT_TRUE(unknown.empty()) << fmt::format("folders without a place in the layout: {}", unknown);
  EXPECT_GT(count, 50u) << "the sources were not found";
}

TEST(IncludeGraph, ArrowsPointDownOnly) {
  for (const Source& source : sources()) {
    const auto arrows = kArrows.find(source.folder);
    if (arrows == kArrows.end()) continue;
    for (const Include& include : source.includes) {
      if (!include.quoted) continue;
      const std::string target = include.header.substr(0, include.header.find('/'));
      EXPECT_TRUE(target == source.folder || arrows->second.contains(target))
          << source.path << " includes " << include.header << ": " << source.folder
          << " may not include " << target;
    }
  }
}

TEST(IncludeGraph, HasNoCycle) {
  // A folder is done when all that it may include is; with a cycle some never are.
  std::set<std::string> done;
  for (size_t round = 0; round < kArrows.size(); ++round) {
    for (const auto& [folder, targets] : kArrows) {
      if (std::includes(done.begin(), done.end(), targets.begin(), targets.end()))
        done.insert(folder);
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
