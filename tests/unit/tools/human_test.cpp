#include "tools/tierctl/human.h"

#include <gtest/gtest.h>

#include "tools/tierctl/commands.h"
#include "tools/tierctl/paths.h"
#include "tools/tierctl/waiting.h"

namespace tierhub::tierctl {
namespace {

TEST(Human, SizesHaveBinaryUnits) {
  EXPECT_EQ(human_size(0), "0 B");
  EXPECT_EQ(human_size(1'023), "1023 B");
  EXPECT_EQ(human_size(1'024), "1.0 KiB");
  EXPECT_EQ(human_size((1 << 20) - 1), "1.0 MiB");
  EXPECT_EQ(human_size(uint64_t{3} << 40), "3.0 TiB");
  EXPECT_EQ(human_size(UINT64_MAX), "16.0 EiB");
}

TEST(Human, DurationsHaveTwoUnitsAtMost) {
  EXPECT_EQ(human_duration(-1), "0 s");
  EXPECT_EQ(human_duration(0.04), "0 s");
  EXPECT_EQ(human_duration(3), "3 s");
  EXPECT_EQ(human_duration(2.79), "2.8 s");
  EXPECT_EQ(human_duration(9.97), "10 s");
  EXPECT_EQ(human_duration(59.4), "59 s");
  EXPECT_EQ(human_duration(59.6), "1 min 0 s");
  EXPECT_EQ(human_duration(3'725), "1 h 2 min");
  EXPECT_EQ(human_duration(9 * 86'400 + 4 * 3'600), "9 d 4 h");
}

TEST(Human, PercentIsHundredOnlyWhenAllIsDone) {
  EXPECT_EQ(human_percent(0, 0), "100%");
  EXPECT_EQ(human_percent(0, 10), "0%");
  EXPECT_EQ(human_percent(1, 1'000'000), "1%");
  EXPECT_EQ(human_percent(999'999, 1'000'000), "99%");
  EXPECT_EQ(human_percent(10, 10), "100%");
}

TEST(Human, CountsAreGrouped) {
  EXPECT_EQ(human_count(1, "file"), "1 file");
  EXPECT_EQ(human_count(0, "file"), "0 files");
  EXPECT_EQ(human_count(1'234'567, "file"), "1,234,567 files");
  EXPECT_EQ(human_number(123), "123");
}

TEST(Human, NamesCannotSteerATerminal) {
  EXPECT_EQ(printable("scan µm.tif"), "scan µm.tif");
  EXPECT_EQ(printable("a\x1b[31mred\n\x7f"), "a?[31mred??");
  EXPECT_EQ(printable("a\xc2\x9b\x33\x31m"), "a?31m");
}

TEST(Tables, AlignTheirColumns) {
  Table table({{"ID", Table::Align::right}, {"NAME"}, {"LAST"}});
  table.add({"7", "µm", "x"});
  table.add({"123", "long name", ""});
  EXPECT_EQ(table.text(), " ID  NAME       LAST\n  7  µm         x\n123  long name\n");
}

TEST(Bars, FillFromTheLeft) {
  EXPECT_EQ(bar(0, 12), "[>         ]");
  EXPECT_EQ(bar(0.5, 12), "[=====>    ]");
  EXPECT_EQ(bar(1, 12), "[==========]");
  EXPECT_EQ(bar(7, 12), "[==========]");
}

TEST(Paths, AreWithinAFolderByWholeNames) {
  EXPECT_TRUE(is_within("/mnt/tier/a", "/mnt/tier"));
  EXPECT_TRUE(is_within("/mnt/tier", "/mnt/tier"));
  EXPECT_FALSE(is_within("/mnt/tierra", "/mnt/tier"));
  EXPECT_FALSE(is_within("/a", ""));
}

TEST(ExitCodes, TellDamageAndAnUnreachableDaemonFromOtherFailures) {
  EXPECT_EQ(exit_code(Error::from_errno(ENOENT, "x")), ExitCode::failed);
  EXPECT_EQ(exit_code(Error::from_errno(ECONNREFUSED, "x")), ExitCode::unreachable);
  EXPECT_EQ(exit_code(Error::from_errno(ECONNRESET, "x")), ExitCode::unreachable);
  EXPECT_EQ(exit_code(Error::from_errno(EBADMSG, "x")), ExitCode::damage);
  EXPECT_EQ(exit_code(Error::from_errno(EUCLEAN, "x")), ExitCode::damage);
}

}  // namespace
}  // namespace tierhub::tierctl
