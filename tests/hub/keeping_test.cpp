// Keeping data on the SSD in the browser, by people who are not root.
#include <sys/stat.h>
#include <unistd.h>

#include <gmock/gmock.h>
#include <nlohmann/json.hpp>

#include "tests/hub/attacks_fixture.h"

namespace tierhub::test {
namespace {

using nlohmann::json;
using ::testing::HasSubstr;

class HubKeeping : public HubAttacks {
 protected:
  void SetUp() override {
    tier.settings["pin_user"] = "1MiB";
    HubAttacks::SetUp();
  }
  json pins(Browser& browser, const std::string& path) {
    return json::parse(browser.get("/api/v1/ls?path=" + path).body).at("entries").at(0).at("pins");
  }
};

TEST_F(HubKeeping, PeopleKeepWhatTheyMayWriteWithinALimit) {
  const std::string folder = make_folder("data", kVictim, 0755);
  write_file(folder + "/small", "some voxels");
  write_file(folder + "/large", std::string(2 << 20, 'x'));
  for (const char* name : {"/small", "/large"})
    ASSERT_EQ(::chown((folder + name).c_str(), kVictim, kVictim), 0);
  start_with_both();
  const auto body = [](const std::string& path, const std::string& owner) {
    return json{{"paths", {path}}, {"owner", owner}, {"reason", "course"}}.dump();
  };
  Answer answer = attacker_->post("/api/v1/pin", body("/data/small", "daemon"));
  EXPECT_EQ(answer.status, 403);
  EXPECT_THAT(answer.body, HasSubstr("you may not write it"));
  answer = victim_->post("/api/v1/pin", body("/data/small", "games"));
  EXPECT_EQ(answer.status, 200) << answer.body;
  EXPECT_EQ(json::parse(answer.body).at("files"), 1);
  EXPECT_EQ(pins(*victim_, "/data/small"), json::array({"5:games: course"}));
  answer = victim_->post("/api/v1/pin", body("/data", "games"));
  EXPECT_EQ(answer.status, 403);
  EXPECT_THAT(answer.body, HasSubstr("you may keep 1.0 MiB"));
  EXPECT_EQ(pins(*victim_, "/data/large"), json::array());

  const std::string theirs = R"({"paths": ["/data"], "owner": "5:games"})";
  EXPECT_EQ(json::parse(attacker_->post("/api/v1/unpin", theirs).body).at("files"), 0);
  EXPECT_EQ(pins(*victim_, "/data/small").size(), 1u);
  EXPECT_EQ(json::parse(victim_->post("/api/v1/unpin", theirs).body).at("files"), 1);
  EXPECT_EQ(pins(*victim_, "/data/small"), json::array());
}

}  // namespace
}  // namespace tierhub::test
