// imgop table as the shell runs it.
#include <gtest/gtest.h>

#include "tests/unit/formats/samples.h"
#include "tests/unit/imaging/program.h"

namespace tierhub::imaging {
namespace {

using test::ScratchFolder;

TEST(ImgopTable, PutsTheTablesOfAFolderTogetherAndSummarisesWells) {
  const ScratchFolder folder;
  folder.write("in/p_A02_s1.csv", "file,label,area_px\np_A02_s1.tif,1,10\np_A02_s1.tif,2,30\n");
  folder.write("in/d/p_A10_s1.csv", "file,label,area_px\n");
  folder.write("in/p_B01_s1.csv", "file,label,mean\np_B01_s1.tif,1,5\n");
  folder.write("in/.hidden.csv", "broken");
  folder.write("in/notes.txt", "broken");
  const std::string command = "table --in " + (folder / "in") + " --out " + (folder / "in/all.csv");
  for (int again = 0; again < 2; ++again) {
    const Outcome outcome = imgop(command);
    EXPECT_EQ(outcome.exit_code, 0) << outcome.text;
    EXPECT_EQ(outcome.text, "report: all.csv: 3 rows of 3 files\n");
    EXPECT_EQ(
        test::read_bytes(folder / "in/all.csv"),
        "file,label,area_px,mean\np_A02_s1.tif,1,10,\np_A02_s1.tif,2,30,\np_B01_s1.tif,1,,5\n");
  }
  std::filesystem::remove(folder / "in/all.csv");
  const std::string summary = "table --in " + (folder / "in") + " --summary well --out " +
                              (folder / "wells.csv") + " --names '*_{well}_s{field}'";
  const Outcome outcome = imgop(summary);
  EXPECT_EQ(outcome.text, "report: wells.csv: 3 wells from 3 rows of 3 files\n");
  EXPECT_EQ(test::read_bytes(folder / "wells.csv"),
            "well,count,area_px_mean,area_px_median,area_px_sd,mean_mean,mean_median,mean_sd\n"
            "A2,2,20,20,14.1421,,,\nA10,0,,,,,,\nB1,1,,,,5,5,\n");
  const Outcome z = imgop(summary + " --z-prime count --positive A2,A10 --negative B1,B2");
  EXPECT_EQ(z.exit_code, 1);
  EXPECT_NE(z.text.find("the negative control B2 is not in the table"), std::string::npos)
      << z.text;
  folder.write("in/p_B02_s1.csv", "file,label,area_px\np_B02_s1.tif,1,10\n");
  const Outcome factor = imgop(summary + " --z-prime count --positive A2,A10 --negative B1,B2");
  EXPECT_EQ(factor.exit_code, 1) << "the means are equal";
  folder.write("in/d/p_A10_s1.csv", "file,label,area_px\np_A10_s1.tif,1,10\np_A10_s1.tif,2,10\n");
  const Outcome reported = imgop(summary + " --z-prime count --positive A02,A10 --negative B1,B2");
  EXPECT_EQ(reported.text,
            "Z' of count: 1\nreport: wells.csv: 4 wells from 6 rows of 4 files; Z' of count is 1 "
            "(positive A02, A10; negative B1, B2)\n");
  const Outcome fields = imgop("table --in " + (folder / "in") + " --summary well,field --out " +
                               (folder / "fields.csv") + " --names '*_{well}_s{field}'");
  EXPECT_EQ(fields.text, "report: fields.csv: 4 groups by well and field from 6 rows of 4 files\n");
  EXPECT_NE(test::read_bytes(folder / "fields.csv").find("\nA10,1,2,10,"), std::string::npos);
  const Outcome large = imgop(summary + " --where 'area_px > 10' --where 'label != 9'");
  EXPECT_EQ(large.text,
            "report: wells.csv: 4 wells from 6 rows of 4 files; 5 rows left out by --where\n");
  EXPECT_EQ(test::read_bytes(folder / "wells.csv"),
            "well,count,area_px_mean,area_px_median,area_px_sd\n"
            "A2,1,30,30,\nA10,0,,,\nB1,0,,,\nB2,0,,,\n");
  ASSERT_EQ(imgop("table --in " + (folder / "in/p_B02_s1.csv") + " --where 'area_px < 3' --out " +
                  (folder / "none.csv"))
                .exit_code,
            0);
  EXPECT_EQ(test::read_bytes(folder / "none.csv"), "file,label,area_px\n");
  ASSERT_EQ(imgop(summary + " --percent-of-control count --positive A2 --negative B1").exit_code,
            0);
  const std::string table = test::read_bytes(folder / "wells.csv");
  EXPECT_NE(table.find(",count_percent\nA2,2,"), std::string::npos) << table;
  EXPECT_NE(table.find(",100\nA10,2,"), std::string::npos) << table;
}

TEST(ImgopTable, AddsTheColumnsOfAnotherTable) {
  const ScratchFolder folder;
  folder.write("a.csv", "file,label,mean\nx,1,10\nx,2,20\n");
  folder.write("r.csv", "file,label,mean\nx,1,4\n");
  const std::string command = "table --in " + (folder / "a.csv") + " --with " + (folder / "r.csv") +
                              ":ring_ --column 'ratio = mean / ring_mean' --out " +
                              (folder / "out.csv");
  const Outcome refused = imgop(command);
  EXPECT_EQ(refused.exit_code, 1);
  EXPECT_NE(refused.text.find("a.csv, line 3: "), std::string::npos) << refused.text;
  EXPECT_FALSE(std::filesystem::exists(folder / "out.csv"));
  const Outcome outer = imgop(command + " --outer");
  EXPECT_EQ(outer.text, "report: out.csv: 2 rows of 1 file; 1 row not in r.csv\n");
  EXPECT_EQ(test::read_bytes(folder / "out.csv"),
            "file,label,mean,ring_mean,ratio\nx,1,10,4,2.5\nx,2,20,,\n");
}

TEST(ImgopTable, ExplainsItselfAndWrongUse) {
  const ScratchFolder folder;
  folder.write("a.csv", "a\n1\n");
  const std::string in = "table --in " + (folder / "a.csv") + " --out " + (folder / "o.csv");
  EXPECT_NE(imgop("table --help").text.find("  imgop table "), std::string::npos);
  for (const char* wrong :
       {"--with a.csv", "--with :x", "--names '*'", "--z-prime a", "--summary plate",
        "--summary file --z-prime a --positive A1,A2 --negative A3,A4",
        "--summary file --percent-of-control a --positive A1 --negative A3",
        "--summary well --percent-of-control a --positive A1", "--summary well,well",
        "--where area_px", "--summary well,t --z-prime a --positive A1,A2 --negative A3,A4",
        "--summary well --positive A1"})
    EXPECT_EQ(imgop(in + " " + wrong).exit_code, 2) << wrong;
  for (const char* wrong :
       {"--summary well", "--column 'b = a / c'", "--in none.csv", "--in /etc/ssl"})
    EXPECT_EQ(imgop(in + " " + wrong).exit_code, 1) << wrong;
  EXPECT_FALSE(std::filesystem::exists(folder / "o.csv"));
}

}  // namespace
}  // namespace tierhub::imaging
