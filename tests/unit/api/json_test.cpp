#include "api/json.h"

#include <cmath>

#include <gtest/gtest.h>

#include "api/byte_text.h"
#include "api/errors.h"
#include "api/fields.h"
#include "api/target.h"
#include "api/time_text.h"

namespace tierhub::api {
namespace {

// Gives every member of a message a value of its own.
struct Filler {
  uint64_t next = 1;
  void fill(std::string& v) { v = "text " + std::to_string(next++); }
  void fill(bool& v) { v = true; }
  void fill(uint64_t& v) { v = (uint64_t{1} << 63) + next++; }
  void fill(uint32_t& v) { v = static_cast<uint32_t>(next++); }
  void fill(int64_t& v) { v = -static_cast<int64_t>(next++); }
  void fill(double& v) { v = static_cast<double>(next++) + 0.1; }
  void fill(Timestamp& v) { v.ns = 1'700'000'000'123'456'789 + static_cast<int64_t>(next++); }
  void fill(std::optional<Timestamp>& v) { fill(v.emplace()); }
  template <class Element>
  void fill(std::vector<Element>& v) {
    v.resize(2);
    for (Element& element : v) fill(element);
  }
  template <class Message>
  void fill(Message& message) {
    visit_fields(message, [&](const char*, auto& member) { fill(member); });
  }
};

template <class Message>
class EveryMessage : public testing::Test {};
using Messages = testing::Types<Status, Listing, PrefetchRequest, Prefetch, PrefetchList,
                                EvictResult, PublishProgress, EventList, ResidencyList,
                                ScanProgress, Run, RunList, Agent, AgentList, PathsRequest,
                                PinRequest, UnpinRequest, LeaseRequest, FileCount, ErrorReply>;
TYPED_TEST_SUITE(EveryMessage, Messages);

TYPED_TEST(EveryMessage, SurvivesTheTripWithAllItsMembers) {
  TypeParam message;
  Filler().fill(message);
  std::string text = encode(message);
  EXPECT_NE(text, encode(TypeParam()));
  auto back = decode<TypeParam>(text, UnknownMembers::refuse);
  ASSERT_TRUE(back) << back.error().text();
  EXPECT_EQ(encode(*back), text);
}

TEST(Json, IsWrittenInTheOrderOfTheStruct) {
  EXPECT_EQ(encode(Skipped{"/a", "dirty"}), R"({"path":"/a","reason":"dirty"})");
}

TEST(Json, KeepsDefaultsForMissingMembers) {
  auto request = decode<PrefetchRequest>(R"({"paths":["/a"]})", UnknownMembers::refuse);
  ASSERT_TRUE(request);
  EXPECT_EQ(request->paths, std::vector<std::string>{"/a"});
  EXPECT_EQ(request->lease_ttl_s, 0u);
}

TEST(Json, WritesAFinishedTimeAsNullUntilThereIsOne) {
  EXPECT_NE(encode(Prefetch()).find(R"("ended":null)"), std::string::npos);
}

TEST(Json, WritesNumbersThatAreNoneAsNull) {
  Prefetch prefetch;
  prefetch.eta_s = INFINITY;
  EXPECT_NE(encode(prefetch).find(R"("eta_s":null)"), std::string::npos);
  EXPECT_TRUE(decode<Prefetch>(encode(prefetch), UnknownMembers::refuse));
}

void expect_refused(std::string_view text, std::string_view reason) {
  auto request = decode<PrefetchRequest>(text, UnknownMembers::refuse);
  ASSERT_FALSE(request) << text;
  EXPECT_TRUE(request.error().is(std::errc::invalid_argument));
  EXPECT_EQ(request.error().text(), reason);
}

TEST(Json, NamesTheMemberThatIsWrong) {
  expect_refused(R"({"path":["/a"]})", "member path is not a known member");
  expect_refused(R"({"paths":"/a"})", "member paths must be an array");
  expect_refused(R"({"files":[{"path":"/a"},{"path":7}]})",
                 "member files[1].path must be a string");
  expect_refused(R"({"files":[{"ranges":[{"begin":-1}]}]})",
                 "member files[0].ranges[0].begin must be a whole number from 0 to "
                 "18446744073709551615");
  expect_refused(R"([])", "the JSON must be an object");
}

TEST(Json, RefusesWhatIsNotJson) {
  expect_refused("", "this is not JSON: see byte 1");
  expect_refused("{\"paths\":[}", "this is not JSON: see byte 11");
  expect_refused(R"({"label":"a"} b)", "this is not JSON: see byte 15");
  expect_refused(R"({"lease_ttl_s":1e999})", "the JSON has a number that is too large");
}

TEST(Json, IgnoresMembersOfANewerServer) {
  auto status = decode<Status>(R"({"pid":7,"mood":"good"})", UnknownMembers::ignore);
  ASSERT_TRUE(status);
  EXPECT_EQ(status->pid, 7);
}

TEST(Json, RefusesNestingThatExhaustsMemory) {
  expect_refused(std::string(1'000'000, '['), "the JSON is nested too deeply");
}

TEST(Json, RefusesMoreElementsThanAreParsedAtOnce) {
  std::string text = R"({"paths":[)" + std::string(2'000'001, ',') + "]}";
  auto request = decode<PrefetchRequest>(text, UnknownMembers::refuse);
  ASSERT_FALSE(request);
  EXPECT_TRUE(request.error().is(std::errc::argument_list_too_long));
}

TEST(Json, CountsNoBracketsInStrings) {
  std::string name = "[[[[[[[[[[[[[[[[[[[[[[\\\"[[[[[[[[[[[[[[[[[[[";
  EXPECT_TRUE(decode<PathsRequest>(R"({"paths":[")" + name + R"("]})", UnknownMembers::refuse));
}

TEST(WireText, LeavesOrdinaryNamesAlone) {
  for (const char* name : {"scan.ome.zarr", "Größe µm", "日本語", "😀", "tab\tnewline\n"}) {
    EXPECT_EQ(to_wire_text(name), name);
    EXPECT_EQ(from_wire_text(name), name);
  }
}

TEST(WireText, BringsEveryByteBack) {
  std::vector<std::string> names = {"\xff\xfe", "caf\xe9.tif",  "\xc0\xaf",        "\xed\xa0\x80",
                                    "\xe2\x82", "\xf5\x80\x80", "\xee\xbe\x80 ok", "\xee\xbf\xbf"};
  for (int b = 0; b < 256; ++b) names.push_back(std::string(1, static_cast<char>(b)) + "x");
  for (const std::string& name : names) {
    EXPECT_EQ(from_wire_text(to_wire_text(name)), name);
    PathsRequest request{{name}};
    auto back = decode<PathsRequest>(encode(request), UnknownMembers::refuse);
    ASSERT_TRUE(back) << back.error().text();
    EXPECT_EQ(back->paths.front(), name);
  }
}

TEST(TimeText, HasOnlyTheDigitsThatAreNeeded) {
  EXPECT_EQ(to_time_text(Timestamp{0}), "1970-01-01T00:00:00Z");
  EXPECT_EQ(to_time_text(Timestamp{1'500'000'000}), "1970-01-01T00:00:01.5Z");
  EXPECT_EQ(to_time_text(Timestamp{-1}), "1969-12-31T23:59:59.999999999Z");
}

TEST(TimeText, BringsTimesBack) {
  for (int64_t ns : {int64_t{0}, int64_t{-1}, int64_t{1'767'225'600'000'000'001},
                     int64_t{-9'000'000'000'000'000'000}, int64_t{9'000'000'000'000'000'000},
                     int64_t{-2'147'483'648} * 1'000'000'000}) {
    EXPECT_EQ(from_time_text(to_time_text(Timestamp{ns})), Timestamp{ns});
  }
}

TEST(TimeText, RefusesWhatIsNotATime) {
  for (const char* text :
       {"", "2026", "2026-02-30T00:00:00Z", "2026-01-01T24:00:00Z", "2026-01-01T00:00:00",
        "2026-01-01T00:00:00.Z", "2026-01-01T00:00:00.1234567890Z", "2026-01-01T00:00:00Zx",
        "1901-01-01T00:00:00Z", "9999-01-01T00:00:00Z"}) {
    EXPECT_FALSE(from_time_text(text)) << text;
  }
}

TEST(ErrorNames, BringEveryCodeBack) {
  for (int value = 1; value <= 133; ++value) {
    Error error = Error::from_errno(value, "test");
    if (strerrorname_np(value) == nullptr) continue;
    EXPECT_EQ(error_code(error_name(error)), error.code()) << value;
  }
  EXPECT_TRUE(error_code("EWHATEVER") == std::errc::protocol_error);
}

TEST(Targets, BringEveryByteBack) {
  std::string all;
  for (int b = 0; b < 256; ++b) all += static_cast<char>(b);
  auto target = parse_target("/v1/" + to_target_text(all) + "?path=" + to_target_text(all));
  ASSERT_TRUE(target) << target.error().text();
  EXPECT_EQ(target->segments.back(), all);
  EXPECT_EQ(target->parameters["path"], all);
}

TEST(Targets, RefuseWhatIsMalformed) {
  for (const char* text : {"", "v1", "/v1/%", "/v1/%4", "/v1/%zz", "/v1?a=1&a=2"}) {
    EXPECT_FALSE(parse_target(text)) << text;
  }
}

}  // namespace
}  // namespace tierhub::api
