// What a run works on: its datasets, the items that the scatter makes of them, and which bytes each
// task reads.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "common/clock.h"
#include "common/guarded.h"
#include "common/result.h"
#include "compute/staging/input_paths.h"
#include "compute/staging/stager.h"
#include "compute/workflow/placeholders.h"
#include "compute/workflow/schedule.h"
#include "compute/workflow/workflow.h"
#include "formats/image.h"

namespace tierhub::compute {

// One unit of the scatter.
struct Item {
  std::string path;  // {input}
  std::string name;  // {name}; {path} follows from `path`
  // The voxels that its tasks own; nothing unless {box} can be given.
  std::optional<formats::Box> box;
  // What its tasks read; empty: all of `path`.
  std::vector<formats::Box> boxes;
};

// Fixed once made; any thread.
class RunInputs {
 public:
  // Prefetches metadata that lies in the mount; called while planning, and by `input_of`.
  using Prefetch = StagingTree::Prefetch;

  // Finds and checks everything as the user that this process runs as: an input that does not exist
  // or cannot be read is an error by name. `known_paths`: the items' paths if the run goes on after
  // a crash, so that files that came since do not shift its tasks.
  static Result<RunInputs> make(const Workflow& workflow, const Places& places, Prefetch prefetch,
                                const std::vector<std::string>& known_paths);

  size_t size() const { return items_.size(); }
  // What a resumed run must be given: empty if the datasets say it all.
  std::vector<std::string> item_paths() const;
  // The path of a task's item; empty for a step that runs once.
  std::string path_of(const Step& step, size_t index) const {
    return step.runs_once() ? "" : items_[index].path;
  }
  const std::string& path_of_item(size_t index) const { return items_[index].path; }
  // Each path that an item is, or is a part of, once.
  std::vector<std::string> distinct_paths() const;
  // How people call a task's item: its path below the fixed part of the pattern. Empty for a step
  // that runs once, and if items are parts of one dataset.
  std::string shown_name(const Step& step, size_t index) const;
  // Why the item of a task cannot be used, if that was found out while planning, in a workflow that
  // carries on without it; nothing otherwise.
  std::optional<Error> problem_of(const Step& step, size_t index) const;
  // True if the items are parts of one dataset whose metadata was read.
  bool is_cut() const { return cut_ != nullptr; }
  // True if tasks read something in the mount.
  bool staged() const { return staged_; }

  // What the placeholders of an item mean, but for {select}; a step that runs once gets what all
  // items share.
  void describe(const Step& step, size_t index, PlaceholderValues& values) const;
  // {select}. By file it depends on the file's metadata, which is read here unless `input_of` has
  // read it before; by well, and for files that TierHub cannot read, it is what the workflow says.
  Result<std::string> selection_of(const Step& step, size_t index) const;
  // A text about a task's input in which paths of the namespace become those in the mount, which
  // people see.
  std::string as_seen(const Step& step, size_t index, std::string text) const;
  // The bytes in the mount that a task reads. May block; any thread.
  Result<TaskInput> input_of(const Step& step, size_t index) const;
  // What the tasks of all items read, of which several may read the same bytes. Reads the metadata
  // of each image: gives up after the deadline, then `items` says how many were looked at.
  struct AllInputs {
    AskedBytes bytes;
    std::vector<TaskInput> inputs;
    size_t items = 0;
  };
  Result<AllInputs> input_of_all(SteadyClock::time_point deadline) const;
  // What the datasets mean, but is no input: links to nothing. A sentence each, 101 at most.
  std::vector<std::string> left_out() const;
  // Keys of the file that could not be obeyed, with the reason.
  std::set<std::string> not_obeyed() const;

 private:
  RunInputs(const Workflow& workflow, Places places, Prefetch prefetch)
      : workflow_(workflow), places_(std::move(places)), prefetch_(std::move(prefetch)) {}

  // A path that `input.dataset` means, and the folder that {path} would begin at for it alone: the
  // pattern's fixed part. Empty if it is no pattern.
  struct Found {
    std::string path;
    std::string base;
  };
  Result<std::vector<Found>> find_datasets();
  Result<void> find_items(const std::vector<Found>& datasets,
                          const std::vector<std::string>& known_paths);
  Result<void> find_files(const Found& dataset);
  Result<void> find_wells(const Found& dataset);
  bool may_carry_on() const;
  void leave_out(const std::string& link);
  void add_item(const Found& dataset, const std::string& path, std::string name);
  // Widens the folder that {path} begins at.
  void begin_paths_at(const std::string& folder);
  std::string path_below_base(const std::string& path) const;
  Result<void> cut(const std::string& dataset);
  Result<void> add_boxes(const std::string& path, const std::vector<formats::Box>& boxes);
  Result<void> add_slices(const std::string& path, const std::vector<formats::Box>& boxes);
  Result<void> check_readable();

  Result<std::unique_ptr<formats::Image>> open_image(const std::string& path) const;
  Result<std::shared_ptr<const formats::FileTree>> open_tree(const std::string& path) const;
  Result<void> add_item_input(const Item& item, TaskInput& input) const;
  Result<void> add_selected(const std::string& path, TaskInput& input) const;
  void remember_selection(const std::string& path, std::string text) const;
  Result<void> add_needed(const formats::Image& image, const std::string& path,
                          const std::vector<formats::Box>& boxes, TaskInput& input) const;
  Result<void> add_whole(const std::string& path, TaskInput& input) const;
  void note(std::string key) const;

  const Workflow& workflow_;
  Places places_;
  Prefetch prefetch_;
  bool staged_ = false;
  // The folder that {path} begins at: the fixed part that all patterns share.
  std::optional<std::string> base_;
  std::vector<Item> items_;
  std::map<std::string, Error> problems_;  // by the path of an item
  std::vector<std::string> left_out_;
  size_t left_out_count_ = 0;
  // Of a dataset that is cut; shared by its items.
  std::shared_ptr<const formats::Image> cut_;
  std::vector<formats::Box> cut_boxes_;  // all that is selected of it
  // {select} by the path of a file.
  using Selections = std::map<std::string, std::string>;
  std::shared_ptr<Guarded<Selections>> selections_ = std::make_shared<Guarded<Selections>>();
  std::shared_ptr<Guarded<std::set<std::string>>> not_obeyed_ =
      std::make_shared<Guarded<std::set<std::string>>>();
};

}  // namespace tierhub::compute
