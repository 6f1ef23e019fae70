#include "common/log_bounded.h"

#include <algorithm>
#include <functional>
#include <regex>

#include <gtest/gtest.h>

namespace tierhub {
namespace {

std::string printed(const std::function<void()>& action) {
  ::testing::internal::CaptureStderr();
  action();
  return ::testing::internal::GetCapturedStderr();
}

// What follows the time.
std::string line_of(const std::function<void()>& action) {
  const std::string text = printed(action);
  return text.substr(std::min(text.size(), text.find(' ') + 1));
}

TEST(Log, PrintsOneLineOfLogfmt) {
  const std::string text = printed([] {
    log::info("import done", {{"files", 42}, {"tier", "archive"}});
  });
  EXPECT_TRUE(std::regex_match(
      text, std::regex("ts=\\d{4}-\\d\\d-\\d\\dT\\d\\d:\\d\\d:\\d\\d\\.\\d{3}Z level=info "
                       "msg=\"import done\" files=42 tier=archive\n")))
      << text;
}

TEST(Log, QuotesAValueThatWouldBreakTheLine) {
  EXPECT_EQ(line_of([] {
              log::info("x", {{"path", "a b\"c\\d\ne\r\tf=g"}});
            }),
            "level=info msg=x path=\"a b\\\"c\\\\d\\ne\\r\\tf=g\"\n");
}

TEST(Log, QuotesAnEmptyValue) {
  EXPECT_EQ(line_of([] { log::info("x", {{"a", ""}}); }), "level=info msg=x a=\"\"\n");
}

TEST(Log, ShowsWhatWouldActOnATerminalOrTurnTextAround) {
  EXPECT_EQ(line_of([] {
              log::info("x", {{"name", "\x1B[2Ja\x7F\u202Egnp\u009B\u200B\uFEFF"}});
            }),
            "level=info msg=x name=\"\\x1b[2Ja\\x7f\\u202egnp\\x9b\\u200b\\ufeff\"\n");
  EXPECT_EQ(line_of([] {
              log::info("x", {{"name", "\xFF\xC0\xAFz"}});
            }),
            "level=info msg=x name=\"\\xff\\xc0\\xafz\"\n");
  EXPECT_EQ(line_of([] {
              log::info("x", {{"name", "gr\u00FC\u00DFe-\u65E5\u672C-\U0001F52C"}});
            }),
            "level=info msg=x name=gr\u00FC\u00DFe-\u65E5\u672C-\U0001F52C\n");
}

TEST(Log, IsNotFilledByLinesThatCallersCause) {
  const std::string text = printed([] {
    for (int i = 0; i < 1'000; ++i) log::bounded(log::Level::warning, "noise", {{"i", i}});
    log::bounded(log::Level::warning, "another message");
  });
  EXPECT_EQ(std::count(text.begin(), text.end(), '\n'), 11) << text;

  log::Bound bound;
  const auto start = log::Bound::Clock::now();
  for (int i = 0; i < 25; ++i)
    EXPECT_EQ(bound.admit("noise", start), i < 10 ? std::optional<uint64_t>(0) : std::nullopt);
  EXPECT_EQ(bound.admit("noise", start + std::chrono::seconds(59)), std::nullopt);
  EXPECT_EQ(bound.admit("noise", start + std::chrono::seconds(60)), 16u) << "were left out";
  EXPECT_EQ(bound.admit("noise", start + std::chrono::seconds(61)), 0u);
}

TEST(Log, PrintsBracesAsTheyAre) {
  EXPECT_EQ(line_of([] { log::info("{input}", {{"a", "{}"}}); }), "level=info msg={input} a={}\n");
}

TEST(Log, KeepsQuietBelowItsLevel) {
  EXPECT_EQ(printed([] { log::debug("x"); }), "");
  log::set_level(log::Level::error);
  EXPECT_EQ(printed([] { log::warning("x"); }), "");
  log::set_level(log::Level::debug);
  EXPECT_EQ(line_of([] { log::debug("x"); }), "level=debug msg=x\n");
  log::set_level(log::Level::info);
}

TEST(Log, KnowsTheNamesOfItsLevels) {
  EXPECT_EQ(*log::parse_level("warning"), log::Level::warning);
  const auto unknown = log::parse_level("loud");
  ASSERT_FALSE(unknown.has_value());
  EXPECT_EQ(unknown.error().text(), "log level 'loud' is none of debug, info, warning, error");
}

}  // namespace
}  // namespace tierhub
