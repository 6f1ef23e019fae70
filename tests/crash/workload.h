// What a user does to a mounted tier, step by step, and what the namespace must then be. Each step
// is acknowledged as one: after a crash in the middle of one, the namespace is as before it or as
// after it.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "tests/support/tier_fixture.h"

namespace tierhub::test {

// The namespace as it should be.
class Model {
 public:
  Model() = default;
  // A deep copy: names of one file share its content in the copy as well.
  Model(const Model& other);
  Model& operator=(Model other);

  void make_folder(const std::string& path, unsigned mode);
  void make_file(const std::string& path, std::string content, unsigned mode);
  void make_symlink(const std::string& path, std::string target);
  void link(const std::string& from, const std::string& to);
  // Also over an existing name, and of a folder with all below it.
  void rename(const std::string& from, const std::string& to);
  void exchange(const std::string& a, const std::string& b);
  void remove(const std::string& path);
  void write(const std::string& path, uint64_t offset_bytes, const std::string& bytes);
  void truncate(const std::string& path, uint64_t size_bytes);
  void chmod(const std::string& path, unsigned mode);
  const std::string& content(const std::string& path) const;

  // path -> kind, mode, size and content's checksum.
  Tree describe() const;

  struct Node {
    char kind = 'f';  // f, d or l
    unsigned mode = 0;
    std::string bytes;  // content, or target
    int id = 0;         // the same for all names of a file, and in copies of the model
  };
  const std::map<std::string, std::shared_ptr<Node>>& nodes() const { return nodes_; }

 private:
  void make(const std::string& path, Node node);
  Node& node(const std::string& path);
  std::map<std::string, std::shared_ptr<Node>> nodes_;
  int last_id_ = 0;
};

// The model's name of a path in the namespace: it knows no time in the name of a conflict's copy.
std::string without_time(const std::string& path);

// A tree as Model::describe() puts it, without the names in `except`.
Tree observe(const std::string& root, const std::vector<std::string>& except);

// What `look` sees of a tree in which a tierd still settles what its last life left: a walk is no
// snapshot, so it looks until two walks agree.
template <class Look>
auto at_rest(const Look& look) {
  auto seen = look();
  eventually("two walks see the same", [&] {
    const auto before = std::exchange(seen, look());
    return before == seen;
  });
  return seen;
}

struct Step {
  std::string name;
  std::function<void()> act;           // throws if it was not acknowledged
  std::function<void(Model&)> effect;  // on the namespace
  // False while a file is open for writing: its content is no version that may be published.
  bool at_rest = true;
  // Not empty: once this is acknowledged, the content of this file survives power loss, and so do
  // all names as they are then.
  std::string synced;
  // Not empty: the content alone of this file survives power loss, its name and place do not.
  std::string written_through = {};
};

// What the archive holds before the first start; `model` gets the same.
void make_archive(const TestTier& tier, Model& model);
// The steps, for a tier whose mount holds make_archive()'s files. `patient` are files that stay
// open for writing: a publish waits for all others.
std::vector<Step> workload(TestTier& tier, const std::vector<std::string>& patient);

}  // namespace tierhub::test
