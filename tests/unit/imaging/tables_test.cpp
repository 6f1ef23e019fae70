// Tables in memory: reading, joining, computing, summarising.
#include <chrono>

#include <fmt/format.h>
#include <gtest/gtest.h>

#include "imaging/tables/combine.h"
#include "imaging/tables/csv.h"
#include "imaging/tables/name_pattern.h"
#include "imaging/tables/summary.h"
#include "imaging/tables/wells.h"
#include "tests/unit/imaging/voxel_samples.h"

namespace tierhub::imaging {
namespace {

Table parsed(const std::string& text, const std::string& path = "a.csv") {
  return must(parse_csv(text, path));
}

std::string refusal(const std::string& text) {
  const auto table = parse_csv(text, "a.csv");
  return table ? "no error" : table.error().text();
}

TEST(Csv, ReadsQuotesLineEndsAndAMark) {
  const Table table = parsed(
      "\xEF\xBB\xBF"
      "a,\"b \"\"x\"\"\"\r\n\"1,\n2\",\r\n,\"\"\n\n");
  EXPECT_EQ(table.columns(), (std::vector<std::string>{"a", "b \"x\""}));
  ASSERT_EQ(table.rows(), 2u);
  EXPECT_EQ(table.cell(0, 0), "1,\n2");
  EXPECT_EQ(table.cell(0, 1), "");
  EXPECT_EQ(table.place(0), "a.csv, line 2");
  EXPECT_EQ(table.place(1), "a.csv, line 4");
  EXPECT_EQ(csv_text(table), "a,\"b \"\"x\"\"\"\n\"1,\n2\",\n,\n");
}

TEST(Csv, RefusesWhatDoesNotFollowTheFormatWithFileAndLine) {
  EXPECT_EQ(refusal("a,b\n1,2\n3\n"), "a.csv, line 3: 1 cells instead of 2, the number of columns");
  EXPECT_EQ(refusal("a,b\n1,2,3\n"), "a.csv, line 2: 3 cells instead of 2, the number of columns");
  EXPECT_EQ(refusal("a,b,a\n"), "a.csv, line 1: two columns have the name a");
  EXPECT_EQ(refusal("a,\n"),
            "a.csv, line 1: column 2 has no name: the first line must name each column");
  EXPECT_EQ(refusal(""), "a.csv, line 1: the file is empty: a table has at least a header");
  EXPECT_NE(refusal("x,1.5\n").find("line 1: there is no header"), std::string::npos);
  EXPECT_NE(refusal("a;b\n1;2\n").find("save it with commas"), std::string::npos);
  EXPECT_EQ(refusal(std::string("a\n1\n\0\n", 6)),
            "a.csv, line 3: a NUL byte: this is no CSV in UTF-8");
  EXPECT_NE(refusal("a\n1\n2\"x\n").find("a.csv, line 3: a quotation mark"), std::string::npos);
  EXPECT_NE(refusal("a\n\"1\n2\n").find("a.csv, line 2: a quoted field has no end"),
            std::string::npos);
  EXPECT_NE(refusal("a,b\n\"1\"2,3\n").find("line 2: text follows a quoted field"),
            std::string::npos);
  EXPECT_NE(refusal("a\r1\r").find("CR alone"), std::string::npos);
}

TEST(Csv, WritesEmptyCellsOfASingleColumnSoThatTheyAreRead) {
  const std::string text = csv_text(parsed("a\n1\n\"\"\n"));
  EXPECT_EQ(text, "a\n1\n\"\"\n");
  EXPECT_EQ(parsed(text).rows(), 2u);
}

TEST(Csv, ReadsEachCutOffFileOrRefusesIt) {
  const std::string text = "a,\"b\"\r\n\"x\"\"y\",2\r\n3,\"4\n5\"\r\n";
  for (size_t size = 0; size <= text.size(); ++size) {
    const auto table = parse_csv(text.substr(0, size), "a.csv");
    EXPECT_TRUE(!table || table->rows() <= 2u) << size;
  }
}

TEST(Table, AppendsRowsByTheNamesOfColumns) {
  Table all;
  all.append(parsed("a,b\n1,2\n"));
  all.append(parsed("b,c\n3,4\n5,6\n", "b.csv"));
  EXPECT_EQ(csv_text(all), "a,b,c\n1,2,\n,3,4\n,5,6\n");
  EXPECT_EQ(all.place(2), "b.csv, line 3");
}

TEST(Table, ReadsNumbersAndMissingValues) {
  const Table table = parsed("a\n+1.5e2\nnan\n12px\n");
  EXPECT_EQ(must(table.number(0, 0)), 150);
  EXPECT_EQ(must(table.number(1, 0)), std::nullopt);
  const auto wrong = table.number(2, 0);
  ASSERT_FALSE(wrong);
  EXPECT_EQ(wrong.error().text(), "a.csv, line 4: column a has \"12px\", which is not a number");
  EXPECT_EQ(number_text(1.0 / 3), "0.333333");
  EXPECT_EQ(number_text(-0.0), "0");
  EXPECT_EQ(number_text(0.0 / 0.0), "");
}

TEST(Join, AddsTheColumnsOfTheRowsWithTheSameKeys) {
  Table table = parsed("file,label,area\nx,1,10\nx,2,20\ny,1,30\n");
  const auto counts = must(join(table, parsed("file,label,mean\ny,1,3\nx,2,2\nx,1,1\nz,1,9\n"),
                                "ring_", {"file", "well", "label"}, Unmatched::refused));
  EXPECT_EQ(counts.not_used, 1u);
  EXPECT_EQ(csv_text(table), "file,label,area,ring_mean\nx,1,10,1\nx,2,20,2\ny,1,30,3\n");
}

TEST(Join, RefusesRowsWithoutAPartnerUnlessTheyMayBeEmpty) {
  const std::string other = "label,mean\n1,3\n";
  Table table = parsed("label\n1\n2\n");
  const auto refused = join(table, parsed(other, "b.csv"), "b_", {"label"}, Unmatched::refused);
  ASSERT_FALSE(refused);
  EXPECT_EQ(
      refused.error().text(),
      "a.csv, line 3: b.csv has no row with the same label 2; --outer leaves such cells empty");
  Table again = parsed("label\n1\n2\n");
  EXPECT_EQ(
      must(join(again, parsed(other), "b_", {"label"}, Unmatched::left_empty)).without_partner, 1u);
  EXPECT_EQ(csv_text(again), "label,b_mean\n1,3\n2,\n");
}

TEST(Join, RefusesTwoPartnersTwoColumnsOfOneNameAndNoKey) {
  Table table = parsed("label,b_mean\n1,0\n");
  const auto twice =
      join(table, parsed("label,x\n1,3\n1,4\n", "b.csv"), "b_", {"label"}, Unmatched::left_empty);
  ASSERT_FALSE(twice);
  EXPECT_NE(twice.error().text().find("b.csv, line 2 and b.csv, line 3 have the same label 1"),
            std::string::npos);
  EXPECT_FALSE(join(table, parsed("label,mean\n1,3\n"), "b_", {"label"}, Unmatched::left_empty));
  EXPECT_FALSE(join(table, parsed("mean\n3\n"), "c_", {"label"}, Unmatched::left_empty));
}

std::string computed(const std::string& text, const std::string& expression) {
  Table table = parsed(text);
  const auto added = add_computed_column(table, expression);
  return added ? csv_text(table) : added.error().text();
}

TEST(ComputedColumn, ComputesFromColumnsAndNumbers) {
  EXPECT_EQ(computed("a,b\n1,3\n2,0\n,1\n", "r = a / b"), "a,b,r\n1,3,0.333333\n2,0,\n,1,\n");
  EXPECT_EQ(computed("a\n5\n", "m=a * 0.5"), "a,m\n5,2.5\n");
  EXPECT_EQ(computed("x - y,z\n5,3\n", "d = x - y - z"), "x - y,z,d\n5,3,2\n");
  EXPECT_EQ(computed("a\n5\n", "m = 1 - a"), "a,m\n5,-4\n");
}

TEST(ComputedColumn, ExplainsWhatIsWrong) {
  EXPECT_NE(computed("a\n5\n", "m = a").find("write it as"), std::string::npos);
  EXPECT_NE(computed("a\n5\n", "a / a").find("write it as"), std::string::npos);
  EXPECT_NE(computed("a\n5\n", "a = a / a").find("exists already"), std::string::npos);
  EXPECT_EQ(computed("a,c\n5,6\n", "m = a / b"),
            "--column \"m = a / b\": a.csv has no column b: its columns are a, c");
  EXPECT_NE(computed("a\nx\n", "m = a / 2").find("a.csv, line 2"), std::string::npos);
}

TEST(Wells, AreWrittenInOneWayAndSortedByRow) {
  EXPECT_EQ(to_text(*parse_well("a01")), "A1");
  EXPECT_EQ(to_text(*parse_well("AF48")), "AF48");
  for (const char* text : {"", "A", "1", "A0", "A49", "AG1", "AAA1", "A1x", "A001"})
    EXPECT_FALSE(parse_well(text)) << text;
  EXPECT_TRUE(natural_less("A2", "A10"));
  EXPECT_TRUE(natural_less("A10", "B1"));
  EXPECT_TRUE(natural_less("P1", "AA1"));
  EXPECT_TRUE(natural_less("img9.tif", "img10.tif"));
  EXPECT_FALSE(natural_less("x", "x"));
}

TEST(NamePattern, TakesWellFieldAndTimeFromAName) {
  const NamePattern pattern = must(NamePattern::parse("*_{well}_s{field}"));
  const auto values = must(pattern.match("d/IXMtest_A02_s09.ome.zarr"));
  EXPECT_EQ(values.at("well"), "A2");
  EXPECT_EQ(values.at("field"), "9");
  EXPECT_EQ(
      must(must(NamePattern::parse("{plate}.{well}_t{t}.tif")).match("p.1.b3_t007.tif")).at("t"),
      "7");
  const auto refused = pattern.match("d/other.tif");
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().text(),
            "the name other.tif does not fit the pattern *_{well}_s{field} of --names");
  for (const char* text : {"", "*", "{plate}", "{well", "{well}{well}", "{}"})
    EXPECT_FALSE(NamePattern::parse(text)) << text;
}

TEST(NamePattern, FillsEmptyCellsOnly) {
  Table table = parsed("file,well\nx_A02.tif,\nwhatever,C4\n,\n", "d/x_B03.csv");
  must(fill_from_names(table, must(NamePattern::parse("x_{well}"))));
  EXPECT_EQ(csv_text(table), "file,well\nx_A02.tif,A2\nwhatever,C4\n,B3\n");
}

TEST(NamePattern, ReplacesTheTimeOfAFileOfOneTimePoint) {
  const NamePattern pattern = must(NamePattern::parse("x_t{t}"));
  Table table = parsed("file,t\nx_t07.tif,0\nx_t08.tif,\nx_t09.tif,9\n");
  must(fill_from_names(table, pattern));
  EXPECT_EQ(csv_text(table), "file,t\nx_t07.tif,7\nx_t08.tif,8\nx_t09.tif,9\n");
  Table movie = parsed("file,t\nx_t07.tif,0\nx_t07.tif,1\n");
  const auto refused = fill_from_names(movie, pattern);
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().text(),
            "a.csv, line 3: t is 1, but the name x_t07.tif says 7: leave {t} out of --names");
}

TEST(Summary, HasMeanMedianAndDeviationOfEachGroup) {
  const Table table = parsed(
      "well,label,centroid_x_px,area,text,half\n"
      "A10,1,5,1,x,\nA2,1,5,4,x,2\nA2,2,5,1,y,nan\nA2,3,5,2,x,4\nA2,4,5,9,x,\n");
  EXPECT_EQ(csv_text(must(summarise(table, {"well"}, {{"B1"}}))),
            "well,count,area_mean,area_median,area_sd,half_mean,half_median,half_sd\n"
            "A2,4,4,3,3.55903,3,3,1.41421\n"
            "A10,1,1,1,,,,\n"
            "B1,0,,,,,,\n");
  const auto refused = summarise(parsed("well,a\n,1\n"), {"well"}, {});
  ASSERT_FALSE(refused);
  EXPECT_NE(refused.error().text().find("a.csv, line 2"), std::string::npos);
}

TEST(Summary, HasARowForEachCombinationOfColumns) {
  const Table table = parsed("well,t,area\nA1,10,4\nA1,2,6\nA1,10,8\nB1,2,1\n");
  EXPECT_EQ(csv_text(must(summarise(table, {"well", "t"}, {{"B1", "10"}}))),
            "well,t,count,area_mean,area_median,area_sd\n"
            "A1,2,1,6,6,\nA1,10,2,6,6,2.82843\nB1,2,1,1,1,\nB1,10,0,,,\n");
  EXPECT_FALSE(summarise(table, {"well", "field"}, {}));
}

TEST(ZPrime, IsThatOfZhangChungAndOldenburg) {
  // Means 11 and 2, deviations sqrt(2) and 1: 1 - 3 (1.41421 + 1) / 9.
  const Table wells = parsed("well,count,area_mean\nA1,10,3\nA2,12,3\nH1,1,3\nH2,2,3\nH3,3,\n");
  const auto result = must(z_prime(wells, "count", {"A1", "A02"}, {"H1", "H2", "H3"}));
  EXPECT_EQ(number_text(result.value), "0.195262");
  const auto refused = [&](const std::string& column, const std::vector<std::string>& negative) {
    const auto none = z_prime(wells, column, {"A1", "A2"}, negative);
    return none ? "no error" : none.error().text();
  };
  EXPECT_NE(refused("count", {"H1"}).find("fewer than two"), std::string::npos);
  EXPECT_NE(refused("count", {"H1", "H01"}).find("twice"), std::string::npos);
  EXPECT_NE(refused("count", {"H1", "H9"}).find("negative control H9 is not"), std::string::npos);
  EXPECT_NE(refused("area", {"H1", "H3"}).find("H3 has no area_mean"), std::string::npos);
  EXPECT_NE(refused("area", {"H1", "H2"}).find("not defined"), std::string::npos);
  EXPECT_NE(refused("size", {"H1", "H2"}).find("no column size"), std::string::npos);
}

TEST(Tables, OfAHundredThousandRowsTakeLessThanASecond) {
  std::string text = "file,well,label,area,mean\n";
  for (int i = 0; i < 100'000; ++i)
    text += fmt::format("a long name of a file_{0}.tif,{1}{2},{0},{0},0.{0}\n", i,
                        "ABCDEFGH"[i % 8], i % 12 + 1);
  const auto begin = std::chrono::steady_clock::now();
  Table table = parsed(text);
  must(join(table, parsed(text), "b_", {"file", "well", "label"}, Unmatched::refused));
  must(add_computed_column(table, "ratio = area / b_mean"));
  EXPECT_EQ(must(summarise(table, {"well"}, {})).rows(), 24u);
  EXPECT_GT(csv_text(table).size(), text.size());
  EXPECT_LT(std::chrono::steady_clock::now() - begin, std::chrono::seconds(5)) << "with sanitizers";
}

TEST(PercentOfControl, IsZeroAndAHundredAtTheControls) {
  Table wells =
      must(parse_csv("well,count,area_mean\nA1,10,4\nA2,20,6\nB1,35,\nH1,5,1\n", "w.csv"));
  EXPECT_EQ(must(add_percent_of_control(wells, "count", {"A1", "A2"}, {"H1"})), "count_percent");
  EXPECT_EQ(must(add_percent_of_control(wells, "area", {"A1", "A2"}, {"H1"})), "area_mean_percent");
  EXPECT_EQ(csv_text(wells),
            "well,count,area_mean,count_percent,area_mean_percent\nA1,10,4,50,75\n"
            "A2,20,6,150,125\nB1,35,,300,\nH1,5,1,0,0\n");
  const auto refused = [&](const std::string& column, const std::vector<std::string>& negative) {
    const auto none = add_percent_of_control(wells, column, {"A1"}, negative);
    return none ? std::string() : none.error().text();
  };
  EXPECT_NE(refused("count", {"A1"}).find("have the mean 10"), std::string::npos);
  EXPECT_NE(refused("count", {"C7"}).find("C7 is not in the table"), std::string::npos);
  EXPECT_NE(refused("area", {"B1"}).find("B1 has no area_mean"), std::string::npos);
  EXPECT_NE(refused("width", {"H1"}).find("--percent-of-control"), std::string::npos);
  EXPECT_NE(refused("count", {"H1"}).find("twice"), std::string::npos);
}

}  // namespace
}  // namespace tierhub::imaging
