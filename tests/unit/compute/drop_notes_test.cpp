#include "compute/jobs/drop_notes.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace tierhub::compute {
namespace {

using ::testing::HasSubstr;

TEST(DropNotes, NameWhatWasMeant) {
  const std::pair<const char*, const char*> cases[] = {{"count.yaml.txt", "count.yaml"},
                                                       {"Count.YAML", "Count.yaml"},
                                                       {"a.b.Yml", "a.b.yml"},
                                                       {"x.YML.TXT", "x.yml"}};
  for (const auto& [name, right] : cases) {
    const auto advice = advice_on_file(name);
    ASSERT_TRUE(advice) << name;
    EXPECT_THAT(*advice, HasSubstr(std::string("Rename it to \"") + right + "\"")) << name;
  }
}

TEST(DropNotes, TellArchivesAndDataFromWorkflows) {
  for (const char* name : {"jobs.zip", "JOBS.ZIP", "x.tar.gz"}) {
    EXPECT_THAT(advice_on_file(name).value_or(""), HasSubstr("Unpack it")) << name;
  }
  for (const char* name : {"scan.tif", "notes.txt", "yaml", "count.yaml.bak"}) {
    EXPECT_THAT(advice_on_file(name).value_or(""), HasSubstr("only workflows")) << name;
  }
}

TEST(DropNotes, LeaveWorkflowsAndPassingFilesAlone) {
  for (const char* name :
       {"count.yaml", "count.yml", ".hidden.txt", "~$count.docx", "count.yaml~", "count.yaml.part",
        "count.yaml.tmp", "count.yaml.filepart", "Thumbs.db", "desktop.ini", "README", "readme.txt",
        "count.yaml.txt.README", "@eaDir", "$RECYCLE.BIN", "#recycle"}) {
    EXPECT_FALSE(advice_on_file(name)) << name;
  }
  EXPECT_FALSE(advice_on_folder("@eaDir", "root"));
}

TEST(DropNotes, SayWhoseAFolderIs) {
  EXPECT_THAT(advice_on_folder("project", "alice").value_or(""), HasSubstr("belongs to alice"));
}

TEST(DropNotes, HaveNoNotesThemselves) {
  EXPECT_EQ(note_name("a.zip"), "a.zip.README");
  EXPECT_TRUE(is_note(note_name("a.zip")));
}

}  // namespace
}  // namespace tierhub::compute
