// Workflows and runs over HTTP, without a transport: what docs/HUB_API.md says of /api/workflows,
// /api/workflow, /api/runs and /api/file.
#pragma once

#include <atomic>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "api/client.h"
#include "common/result.h"
#include "formats/json.h"
#include "http/message.h"
#include "hub/images/root.h"
#include "hub/images/tiers.h"
#include "hub/jobs/ask_agent.h"

namespace tierhub::hub {

// Any thread; a call may block while tieragent makes a plan. Reads, writes and starts everything
// with the rights of this process.
class JobRoutes {
 public:
  struct Options {
    std::string root;  // the mount, whose paths the answers name
    std::shared_ptr<Tiers> tiers;
    std::string tieragent = {};  // its program; empty: the one beside this program
  };
  static Result<std::unique_ptr<JobRoutes>> open(api::Client tierd, Options options);

  // True for targets that handle() answers.
  static bool serves(std::string_view target);
  // Errors are answers: {"error": sentence, "code": "ENOENT"}.
  http::Response handle(const http::Request& request);

 private:
  struct Call;
  JobRoutes(api::Client tierd, Root root, Options options);

  Result<http::Response> answer(const Call& call);
  Result<http::Response> workflows();
  Result<http::Response> check(const Call& call);
  Result<http::Response> plan(const Call& call);
  Result<http::Response> run(const Call& call);
  Result<http::Response> status(const std::string& run) const;
  Result<http::Response> log(const std::string& run, const Call& call) const;
  Result<http::Response> results(const std::string& run) const;
  Result<http::Response> cancel(const std::string& run) const;
  Result<http::Response> file(const Call& call) const;

  // The path of the namespace of something in the mount; the path itself if it lies elsewhere.
  std::string in_namespace(const std::string& path) const;
  Result<formats::Json> status_of(const std::string& folder) const;

  const api::Client tierd_;
  const Root root_;
  const Options options_;
  const AgentAsker agent_;
  std::atomic<int> asking_ = 0;
};

}  // namespace tierhub::hub
