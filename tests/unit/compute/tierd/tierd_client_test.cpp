// Staging over the API itself, with a tierd that is too busy to answer.
#include "compute/staging/tierd_client.h"

#include <atomic>

#include <gtest/gtest.h>

#include "api/http_server.h"
#include "compute/staging/stager.h"
#include "tests/support/temporary_directory.h"
#include "tests/unit/api/fake_service.h"

namespace tierhub::compute {
namespace {

TEST(TierdClient, ABusyTierdIsWaitedForAndSaysSo) {
  const TemporaryDirectory folder;
  const std::string socket = folder / "tierd.sock";
  api::FakeService service;
  service.with([](auto& state) {
    api::Prefetch prefetch;
    prefetch.id = 7;
    prefetch.state = "done";
    prefetch.copied_bytes = 10;
    state.prefetches[7] = {prefetch};
  });
  // It answers every call with 503 EAGAIN.
  api::HttpServer::Options full;
  full.max_connections = 0;
  auto server = api::HttpServer::open(socket, 0666, service, full);
  ASSERT_TRUE(server);
  (*server)->start();

  const auto tier = open_tierd(socket);
  ASSERT_TRUE(tier);
  const auto refused = (*tier)->prefetch(7);
  ASSERT_FALSE(refused);
  EXPECT_TRUE((*tier)->may_pass(refused.error())) << refused.error().text();
  EXPECT_TRUE((*tier)->is_busy(refused.error()));

  std::string waits_for;
  int asked = 0;
  const auto brought = prefetch_and_wait(**tier, {{{"/data", 100, {}}}, {}}, "run", "label",
                                         [&](const std::string& reason) {
                                           if (!reason.empty()) waits_for = reason;
                                           if (++asked == 3) {
                                             server->reset();
                                             server = api::HttpServer::open(socket, 0666, service);
                                             (*server)->start();
                                           }
                                           return Result<void>();
                                         });
  ASSERT_TRUE(brought) << brought.error().text();
  EXPECT_EQ(*brought, 10u);
  EXPECT_EQ(
      waits_for,
      "tierd is busy (too many connections to tierd: close some, or try again); trying again");
}

}  // namespace
}  // namespace tierhub::compute
