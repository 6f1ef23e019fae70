// Questions about workflows are answered by tieragent, which has the parser: this becomes that
// program.
#include <filesystem>

#include <unistd.h>

#include <fmt/format.h>

#include "tools/tierctl/commands.h"

namespace tierhub::tierctl {

Result<ExitCode> ask_agent(const Context& context, const AskAgentOptions& options) {
  std::vector<std::string> arguments = {"tieragent", options.question, options.workflow, "--socket",
                                        context.client.socket_path()};
  for (const std::string& value : options.values) {
    arguments.push_back("--set");
    arguments.push_back(value);
  }
  for (const auto& [option, value] :
       {std::pair("--name", options.name), std::pair("--folder", options.folder)}) {
    if (value.empty()) continue;
    arguments.push_back(option);
    arguments.push_back(value);
  }
  if (context.format == Format::json) arguments.push_back("--json");
  std::vector<char*> argv;
  for (std::string& argument : arguments) argv.push_back(argument.data());
  argv.push_back(nullptr);

  std::error_code error;
  const auto own = std::filesystem::read_symlink("/proc/self/exe", error);
  ::execv((own.parent_path() / "tieragent").c_str(), argv.data());
  ::execvp("tieragent", argv.data());
  return Error::from_errno(errno,
                           "start tieragent, which checks workflows: it is neither beside "
                           "tierctl nor on the PATH");
}

}  // namespace tierhub::tierctl
