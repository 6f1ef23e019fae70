// Searching the whole namespace by name.
#include <algorithm>
#include <map>

#include <fnmatch.h>

#include "daemon/control.h"

namespace tierhub {
namespace {

constexpr auto kSearchTime = std::chrono::milliseconds(200);
constexpr size_t kMostNameBytes = 1'000;
constexpr size_t kNamesBetweenLooks = 512;  // at the clock
constexpr size_t kFoundAtOnce = 256;

char lower(char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c; }

// Words that must all be in a name, or one pattern.
class NameFilter {
 public:
  explicit NameFilter(std::string_view text) {
    if (text.find_first_of("*?") != std::string_view::npos) {
      pattern_ = text;
      return;
    }
    for (size_t at = 0; at < text.size();) {
      const size_t end = std::min(text.find(' ', at), text.size());
      std::string word(text.substr(at, end - at));
      std::transform(word.begin(), word.end(), word.begin(), lower);
      if (!word.empty()) words_.push_back(std::move(word));
      at = end + 1;
    }
  }

  bool fits(std::string_view name) const {
    if (!pattern_.empty())
      return ::fnmatch(pattern_.c_str(), std::string(name).c_str(), FNM_CASEFOLD | FNM_NOESCAPE) ==
             0;
    return std::all_of(words_.begin(), words_.end(), [&](const std::string& word) {
      return std::search(name.begin(), name.end(), word.begin(), word.end(),
                         [](char a, char b) { return lower(a) == b; }) != name.end();
    });
  }

 private:
  std::string pattern_;
  std::vector<std::string> words_;
};

std::string to_hex(std::string_view bytes) {
  std::string text;
  for (const char byte : bytes) text += fmt::format("{:02x}", static_cast<uint8_t>(byte));
  return text;
}

Result<std::string> from_hex(const std::string& text) {
  std::string bytes;
  for (size_t i = 0; i + 1 < text.size(); i += 2) {
    const auto digit = [](char c) { return c <= '9' ? c - '0' : c - 'a' + 10; };
    bytes += static_cast<char>(digit(text[i]) * 16 + digit(text[i + 1]));
  }
  if (to_hex(bytes) != text)
    return Error(std::errc::invalid_argument, "after must be the next of an answer");
  return bytes;
}

struct Candidate {
  std::string place;
  InodeNumber parent;
  std::string name;
  InodeNumber inode;
};

// Folders at and below one of them, each looked at once.
class SeenFolders {
 public:
  SeenFolders(const Catalog& catalog, const NamespaceWalk& walk, const api::Caller& caller,
              const FoundNode& start)
      : catalog_(catalog), walk_(walk), caller_(caller), start_(start) {}

  // The path of a folder if the caller may list it, and all folders on the way from the start; none
  // of others, whose names must not become known.
  Result<std::optional<std::string>> listed(InodeNumber folder) {
    const auto known = folders_.find(folder);
    if (known != folders_.end()) return known->second;
    TRY_ASSIGN(auto path, look(folder));
    return folders_[folder] = std::move(path);
  }

 private:
  using Path = std::optional<std::string>;

  Result<Path> look(InodeNumber inode) {
    FoundNode node = start_;
    if (inode != start_.inode) {
      TRY_ASSIGN(const auto names, catalog_.names(inode));
      if (names.empty()) return Path();  // the root, or removed in between
      TRY_ASSIGN(const Path above, listed(names.front().parent));
      if (!above) return Path();
      TRY_ASSIGN(auto record, catalog_.inode(inode));
      if (!record) return Path();
      node = {inode, *std::move(record), NamespaceWalk::child_path(*above, names.front().name)};
    }
    TRY_ASSIGN(const bool entered, walk_.may(caller_, node, Access::traverse));
    TRY_ASSIGN(const bool read, walk_.may(caller_, node, Access::read));
    return entered && read ? Path(node.path) : Path();
  }

  const Catalog& catalog_;
  const NamespaceWalk& walk_;
  const api::Caller& caller_;
  const FoundNode& start_;
  std::map<InodeNumber, Path> folders_;
};

}  // namespace

// 1. The catalog's entries are read one after the other, without their inodes: a million names in
//    about half a second.
// 2. Of those that fit, only what the caller may see is looked at further.
Result<api::Listing> Control::find(const api::Caller& caller, const std::string& name,
                                   const std::string& path, const std::string& after,
                                   size_t limit) {
  const auto end = SteadyClock::now() + kSearchTime;
  if (name.size() > kMostNameBytes)
    return Error(std::errc::invalid_argument, "a name to look for has at most 1000 bytes");
  TRY_ASSIGN(const FoundNode start, walk_.resolve(caller, path));
  if (start.record.attributes.kind != FileKind::directory)
    return Error(std::errc::not_a_directory, start.path + " is not a folder");
  TRY_ASSIGN(std::string place, from_hex(after));
  const NameFilter filter(name);
  SeenFolders folders(catalog_, walk_, caller, start);
  api::Listing listing;
  bool in_time = true;
  while (in_time) {
    std::vector<Candidate> candidates;
    size_t names = 0;
    bool more = false;
    TRY(catalog_.for_each_entry(place, [&](const Catalog::PlacedEntry& entry) {
      const bool fits = filter.fits(entry.name);
      if (fits) {
        candidates.push_back(
            {std::string(entry.place), entry.parent, std::string(entry.name), entry.inode});
      }
      const bool looks = ++names % kNamesBetweenLooks == 0;
      if (looks) in_time = SteadyClock::now() < end;
      more = !in_time || candidates.size() == kFoundAtOnce;
      if (more) place = entry.place;
      return !more;
    }));
    for (const Candidate& one : candidates) {
      TRY_ASSIGN(const auto folder, folders.listed(one.parent));
      if (!folder) continue;
      TRY_ASSIGN(auto record, catalog_.inode(one.inode));
      if (!record) continue;
      auto entry =
          entry_of({one.inode, *std::move(record), NamespaceWalk::child_path(*folder, one.name)});
      if (!entry && entry.error().is(std::errc::no_such_file_or_directory)) continue;
      if (!entry) return entry.error();
      listing.entries.push_back(*std::move(entry));
      if (listing.entries.size() < limit) continue;
      listing.next = to_hex(one.place);
      return listing;
    }
    in_time = in_time && SteadyClock::now() < end;
    if (!more) return listing;
  }
  listing.next = to_hex(place);
  return listing;
}

}  // namespace tierhub
