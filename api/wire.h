// Messages that exist only on the wire: bodies of requests, lists, and errors.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "api/messages.h"

namespace tierhub::api {

// evict, publish
struct PathsRequest {
  std::vector<std::string> paths;
};

struct PinRequest {
  std::vector<std::string> paths;
  std::string owner;
  std::string reason;
};

struct UnpinRequest {
  std::vector<std::string> paths;
  std::string owner;
};

struct LeaseRequest {
  std::string owner;
  uint64_t ttl_s = 0;  // 0 ends the leases
};

// What pin and unpin answer.
struct FileCount {
  uint64_t files = 0;
};

struct PrefetchList {
  std::vector<Prefetch> prefetches;
};

struct RunList {
  std::vector<Run> runs;
};

struct AgentList {
  std::vector<Agent> agents;
};

// What calls without a result answer.
struct Done {};

struct ErrorReply {
  std::string error;
  std::string code;
};

}  // namespace tierhub::api
