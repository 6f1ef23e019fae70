// Repeats what failed of an earlier run (`retry_of: RUN`): a new run takes up what that one has
// finished and does the rest. The protocol, for the new run N and the earlier one E:
//   1. N keeps E's workflow as workflow.yaml in its own folder, durably.
//   2. N's record begins: E's items and values, and what the inputs look like now.
//   3. If E is in done/, its results are copied into N's hidden output folder: they stay what they
//      are, whatever happens to N. Cut short, the copy is begun again.
//   4. N claims E: a link REPEATED_BY in E's folder, whose target is N's name. Only one run can.
//   5. If E is in failed/, what it had written of its output becomes N's hidden output folder, by
//      one rename. Then what is in E's work folder is moved into N's, name by name.
//   6. Of the tasks that E finished, N takes up those whose input looks as it did, whose own paths
//      are all there, and that wait for no task that runs again. The own paths of all others are
//      removed: what is there may be a half, or of another number of inputs.
//   7. N's record gets a line for each task that is taken up, and one that says that all of them
//      are there. Synced. From here on N is a run like others, which goes on.
// Killed before 7 the next runner of N repeats 3 to 7: what was moved is not moved again. Killed
// before 4, E is as it was. If the machine was restarted since E began, or E's files are gone,
// nothing is taken up: everything runs again, and E is left alone.
#pragma once

#include <functional>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "common/result.h"
#include "compute/run/record.h"
#include "compute/workflow/job_file.h"
#include "compute/workflow/schedule.h"
#include "compute/workflow/workflow.h"

namespace tierhub::compute {

struct EarlierRun {
  std::string run;
  std::string folder;  // in done/ or failed/
  Job job;             // what it ran
  RunHeader header;
  EndLine end;
  std::vector<TaskRecord> finished;

  bool is_done() const { return end.state == "done"; }
};

// As the user of this process, who must own it. An error that says what to do instead, if it goes
// on, began nothing, or left nothing to do.
Result<EarlierRun> open_earlier_run(const std::string& jobs_folder, const std::string& run);

// The run that has taken it up already; empty if none has.
std::string repeated_by(const EarlierRun& earlier);

// Step 6 without files. `is_usable`: its input and its paths are what they were. Pure.
std::set<TaskId> tasks_to_take_up(const Workflow& workflow, size_t items,
                                  const std::set<TaskId>& finished,
                                  const std::function<bool(TaskId)>& is_usable);

// Why nothing of it can be taken up, or nothing. `boot_id` is that of the files now
// (boot_of_files), `work` E's work folder, `hidden` N's hidden output folder, to which a part may have
// been moved already.
std::optional<std::string> why_nothing_is_left(const EarlierRun& earlier, const std::string& run,
                                               const std::string& boot_id, const std::string& work,
                                               const std::string& hidden);

struct TakeUpPlaces {
  std::string run;           // N
  std::string earlier_work;  // E's work folder
  std::string work;          // N's
  std::string hidden;        // N's hidden output folder, which exists
};
// Steps 3 to 5. `go_on` is called before each change of a disk; an error from it ends the copying
// of step 3, later it is ignored.
Result<void> take_files(const EarlierRun& earlier, const TakeUpPlaces& places,
                        const std::function<Result<void>()>& go_on);

}  // namespace tierhub::compute
