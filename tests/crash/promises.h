// What a tier that lost its power may hold: everything that was promised, and of the rest what was
// there before or what was written, but nothing else.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "tests/crash/workload.h"

namespace tierhub::testing {

class Promises {
 public:
  explicit Promises(const Model& durable);

  // `after` is what the namespace is after a step, acknowledged or not.
  void step(const Model& after);
  // The step was acknowledged: with it the content of `synced` (none if empty), and all names.
  void acknowledge(const Model& after, const std::string& synced);

  // One line for each promise that the tree at `root` does not keep. `root` is a mount.
  std::vector<std::string> broken(const std::string& root) const;
  // Contents that a file had whenever nobody was writing to it.
  bool is_a_version(const std::string& content) const;

 private:
  struct File {
    std::vector<std::string> versions;
    size_t durable = 0;  // an index: none before that may come back
  };
  std::string judge(const Model::Node& node, const std::string& content) const;

  std::vector<Model> states_;
  size_t durable_state_ = 0;
  std::map<int, File> files_;
};

}  // namespace tierhub::testing
