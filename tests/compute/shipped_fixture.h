// Running the workflows of etc/workflows as they are shipped.
#pragma once

#include <stdexcept>
#include <string>
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

  // A shipped workflow with values of its parameters: "{images: scans, diameter: 14}".
  static std::string shipped(const std::string& name, const std::string& values) {
    return read_text(TIERHUB_SOURCE_DIR "/etc/workflows/" + name) + "values: " + values + "\n";
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
