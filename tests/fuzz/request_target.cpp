#include <stdexcept>

#include "api/json.h"
#include "api/routes.h"
#include "api/wire.h"
#include "tests/fuzz/target.h"
#include "tests/unit/api/fake_service.h"

namespace tierhub::fuzz {
namespace {

// Whatever is asked is answered, with JSON that a client can read.
void answer(std::string_view bytes) {
  static api::FakeService service;
  const std::string_view head = bytes.substr(0, bytes.find('\n'));
  const size_t blank = std::min(head.find(' '), head.size());
  api::Request request;
  request.method = head.substr(0, blank);
  request.target = head.substr(std::min(blank + 1, head.size()));
  request.body = bytes.substr(std::min(head.size() + 1, bytes.size()));
  const api::Response response = api::handle(service, {1000, 1000, {}}, request);
  if (response.status < 200 || response.status > 599) throw std::logic_error("no status of HTTP");
  if (response.status == 500) throw std::logic_error(response.body);
  if (response.status >= 400 &&
      !api::decode<api::ErrorReply>(response.body, api::UnknownMembers::refuse))
    throw std::logic_error("no reply: " + response.body);
  service.with([](auto& state) { state.calls.clear(); });
}

std::vector<std::string> seeds() {
  return {"GET /v1/status\n",
          "GET /v1/ls?path=/a%20b&recursive=true&after=/a/c&limit=10\n",
          R"(POST /v1/prefetch
{"paths":["/a"],"files":[{"path":"/b","ranges":[[0,4096]]}],"label":"x","lease_owner":"run","lease_ttl_s":60})",
          "GET /v1/prefetch/7\n",
          "DELETE /v1/prefetch/7\n",
          "POST /v1/prefetch/7/resume\n",
          "POST /v1/lease/renew\n{\"owner\":\"run\",\"ttl_s\":60}",
          "POST /v1/evict\n{\"paths\":[\"/a\"]}",
          "POST /v1/pin\n{\"paths\":[\"/a\"],\"owner\":\"me\",\"reason\":\"why\"}",
          "PUT /v1/runs/r\n{\"run\":\"r\",\"state\":\"done\",\"workflow\":\"w\",\"json\":\"{}\"}"};
}

}  // namespace

const Target kRequests = {"requests", answer, seeds};

}  // namespace tierhub::fuzz
