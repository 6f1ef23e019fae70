// Running the workflows of etc/workflows as they are shipped, but for the names of datasets, sizes
// and diameters.
#pragma once

#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

#include "tests/compute/agent_fixture.h"
#include "tests/support/command.h"

namespace tierhub::test {

class Shipped : public AgentTest {
 protected:
  std::string imgop(const std::vector<std::string>& arguments) {
    std::vector<std::string> command = {IMGOP_PATH};
    command.insert(command.end(), arguments.begin(), arguments.end());
    const CommandResult result = run_command(command);
    if (result.exit_code != 0) throw std::runtime_error(result.text + result.err);
    return result.out;
  }

  void make_nuclei(const std::string& name, const std::string& shape, const char* seed) {
    imgop({"synth", "--nuclei", "25", "--shape", shape, "--touching", "0.3", "--seed", seed,
           "--out", at(name)});
  }

  // A shipped workflow in which each first text is replaced by the second; both must be in it.
  std::string shipped(const std::string& name,
                      const std::vector<std::pair<std::string, std::string>>& changes) {
    std::string text = read_text(std::string(TIERHUB_SOURCE_DIR "/etc/workflows/") + name);
    for (const auto& [from, to] : changes) {
      if (text.find(from) == std::string::npos) throw std::runtime_error(name + " lacks " + from);
      for (size_t found = 0; (found = text.find(from, found)) != std::string::npos;
           found += to.size())
        text.replace(found, from.size(), to);
    }
    return text;
  }

  // Where a result of the run is.
  static std::string result(const EndedRun& run, const std::string& name) {
    return run.status["output"].get<std::string>() + "/" + name;
  }

  // Whether both folders hold the same files.
  static int difference(const std::string& a, const std::string& b) {
    return run_command({"diff", "-r", a, b}).exit_code;
  }
};

}  // namespace tierhub::test
