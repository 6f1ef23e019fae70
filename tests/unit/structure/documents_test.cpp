// Documents that lead through the code go stale when files move: what they name must exist.
#include <filesystem>
#include <fstream>
#include <iterator>
#include <regex>
#include <set>
#include <string>
#include <vector>

#include <gtest/gtest.h>

namespace tierhub {
namespace {

namespace fs = std::filesystem;

const fs::path kRoot = TIERHUB_SOURCE_DIR;

bool is_source(const fs::path& path) {
  return path.extension() == ".h" || path.extension() == ".cpp";
}

// All files of the repository, from its top, but for what is built, installed or hidden.
std::vector<fs::path> files() {
  std::vector<fs::path> found;
  for (auto it = fs::recursive_directory_iterator(kRoot); it != fs::end(it); ++it) {
    const std::string name = it->path().filename();
    if (it->is_directory() &&
        (name.starts_with(".") || name == "build" || name == "node_modules")) {
      it.disable_recursion_pending();
    } else if (it->is_regular_file()) {
      found.push_back(it->path().lexically_relative(kRoot));
    }
  }
  return found;
}

bool is_of_programs(const fs::path& path) {
  static const std::set<std::string> others = {"tests", "bench", "docs", "web", "packaging"};
  return std::distance(path.begin(), path.end()) > 1 && !others.contains(*path.begin());
}

std::string text_of(const fs::path& path) {
  std::ifstream file(kRoot / path);
  return {std::istreambuf_iterator<char>(file), {}};
}

std::vector<std::string> matches(const std::string& text, const std::regex& pattern) {
  std::vector<std::string> found;
  for (auto it = std::sregex_iterator(text.begin(), text.end(), pattern);
       it != std::sregex_iterator(); ++it)
    found.push_back((*it)[1]);
  return found;
}

bool leads_through_the_code(const fs::path& path) {
  return (path.filename() == "README.md" && is_of_programs(path)) ||
         path == "docs/ARCHITECTURE.md" || *path.begin() / "mechanisms" == path.parent_path();
}

TEST(Documents, EachFolderWithSourcesSaysWhatLivesThere) {
  std::set<fs::path> folders;
  for (const fs::path& path : files()) {
    if (is_source(path) && is_of_programs(path)) folders.insert(path.parent_path());
  }
  EXPECT_GT(folders.size(), 20u) << "the sources were not found";
  for (const fs::path& folder : folders) {
    // tierctl is all that tools has.
    const fs::path readme = (folder == "tools/tierctl" ? "tools" : folder) / "README.md";
    EXPECT_TRUE(fs::exists(kRoot / readme)) << readme << " is missing";
  }
}

TEST(Documents, NameSourcesThatExist) {
  const std::regex pattern("`([a-z_/]+\\.(?:h|cpp))`");
  const std::vector<fs::path> all = files();
  std::string paths;
  for (const fs::path& path : all) paths += "/" + path.string() + "\n";
  size_t named = 0;
  for (const fs::path& document : all) {
    if (document.extension() != ".md" || !leads_through_the_code(document)) continue;
    for (const std::string& name : matches(text_of(document), pattern)) {
      ++named;
      EXPECT_NE(paths.find("/" + name + "\n"), std::string::npos)
          << document << " names " << name << ", which is not there";
    }
  }
  EXPECT_GT(named, 100u) << "the documents were not found";
}

TEST(Documents, LinkToFilesThatExist) {
  const std::regex pattern("\\]\\(([^)#\\s]+)[^)]*\\)");
  size_t links = 0;
  for (const fs::path& document : files()) {
    if (document.extension() != ".md") continue;
    for (const std::string& link : matches(text_of(document), pattern)) {
      if (link.starts_with("http")) continue;
      ++links;
      EXPECT_TRUE(fs::exists(kRoot / document.parent_path() / link))
          << document << " links to " << link << ", which is not there";
    }
  }
  EXPECT_GT(links, 50u) << "the documents were not found";
}

}  // namespace
}  // namespace tierhub
