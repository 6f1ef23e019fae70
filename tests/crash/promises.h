// What a tier that lost its power may hold: everything that was promised, and of the rest what was
// there before or what was written, but nothing else.
//
// A file may outlive the loss of its creation. Then it stands where it was made or moved to, or
// beside that name if something else has it, and its folders with it. What was written through
// must.
#pragma once

#include <map>
#include <set>
#include <string>
#include <vector>

#include "tests/crash/workload.h"

namespace tierhub::test {

class Promises {
 public:
  explicit Promises(const Model& durable);

  // `after` is what the namespace is after a step, acknowledged or not.
  void step(const Model& after);
  // The step was acknowledged: with it the content of `synced` (none if empty), and all names.
  void acknowledge(const Model& after, const std::string& synced);
  // The content of the file, but no name, was made durable without tierd.
  void written_through(const Model& after, const std::string& path);

  // One line for each promise that the tree at `root` does not keep. `root` is a mount.
  std::vector<std::string> broken(const std::string& root) const;
  // Contents that a file had whenever nobody was writing to it.
  bool is_a_version(const std::string& content) const;

 private:
  struct File {
    std::vector<std::string> versions;
    size_t durable = 0;  // an index: none before that may come back
    size_t made = 0;     // the first of states_ that has it
    unsigned mode = 0;   // as it was made
    bool written_through = false;
    std::set<std::string> names;  // all that it ever had, without folders
  };
  struct Found {
    char kind = 'f';
    unsigned mode = 0;
    std::string bytes;  // content, or target
    bool operator==(const Found&) const = default;
  };
  using FoundTree = std::map<std::string, Found>;

  static FoundTree look_at(const std::string& root);
  std::string judge(const File& file, const std::string& content) const;
  std::vector<std::string> broken_in(size_t state, const FoundTree& found) const;
  bool may_be(const File& file, const std::string& path, const Found& found) const;
  // Takes what outlived the loss of its creation out of what is there beside the names of the
  // state.
  void take_survivors(size_t state, FoundTree& beside, std::vector<std::string>& wrong) const;

  std::vector<Model> states_;
  size_t durable_state_ = 0;
  std::map<int, File> files_;
};

}  // namespace tierhub::test
