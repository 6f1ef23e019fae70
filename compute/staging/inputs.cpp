#include "compute/staging/inputs.h"

#include <algorithm>
#include <map>

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <fmt/format.h>

#include "compute/workflow/job_names.h"
#include "formats/ome_zarr.h"

namespace tierhub::compute {
namespace {

constexpr size_t kMaxItems = 1'000'000;
constexpr size_t kLeftOutNamed = 100;

// "A1" of the well "A/1".
std::string name_of(const formats::PlateWell& well) {
  std::string name = well.path;
  std::erase(name, '/');
  return name;
}

}  // namespace

Result<RunInputs> RunInputs::make(const Workflow& workflow, const Places& places, Prefetch prefetch,
                                  const std::vector<std::string>& known_paths) {
  RunInputs inputs(workflow, places, std::move(prefetch));
  TRY_ASSIGN(const std::vector<Found> datasets, inputs.find_datasets());
  inputs.staged_ = std::any_of(datasets.begin(), datasets.end(), [&](const Found& dataset) {
    return places.in_namespace(dataset.path).has_value();
  });
  const ScatterBy by = workflow.scatter.by;
  if (by == ScatterBy::file || by == ScatterBy::well) {
    TRY(inputs.find_items(datasets, known_paths));
  } else if (datasets.size() > 1) {
    return Error(
        std::errc::invalid_argument,
        fmt::format("the input has {} datasets, but {} works on one: add 'scatter: {{by: file}}', "
                    "or name one dataset",
                    datasets.size(),
                    by == ScatterBy::nothing ? "a workflow without a scatter" : "this scatter"));
  } else {
    const Found& dataset = datasets.front();
    inputs.begin_paths_at(dataset.base.empty() ? folder_of(dataset.path) : dataset.base);
    TRY(inputs.cut(dataset.path));
  }
  if (inputs.items_.empty()) {
    return Error(std::errc::no_such_file_or_directory,
                 fmt::format("there is nothing to work on in {}", datasets.front().path));
  }
  TRY(inputs.check_readable());
  return inputs;
}

Result<std::vector<RunInputs::Found>> RunInputs::find_datasets() {
  std::vector<Found> datasets;
  for (const std::string& text : workflow_.datasets) {
    const std::string pattern = places_.absolute(text);
    TRY_ASSIGN(const FoundPaths found, find_paths(pattern));
    for (const std::string& link : found.dangling) leave_out(link);
    const bool plain = found.paths.size() == 1 && found.paths.front() == pattern;
    const std::string base = plain ? "" : fixed_part_of(pattern);
    for (const std::string& path : found.paths) datasets.push_back({path, base});
  }
  return datasets;
}

Result<void> RunInputs::find_items(const std::vector<Found>& datasets,
                                   const std::vector<std::string>& known_paths) {
  for (const Found& dataset : datasets) {
    const Result<void> found =
        workflow_.scatter.by == ScatterBy::file ? find_files(dataset) : find_wells(dataset);
    if (found) continue;
    if (!may_carry_on() || workflow_.scatter.by != ScatterBy::file) return found.error();
    // One that cannot be looked into is one item that fails.
    add_item(dataset, dataset.path, stem_of(dataset.path));
    problems_.emplace(dataset.path, found.error());
  }
  if (known_paths.empty()) return {};
  // A run that goes on: the items that it began with, and no other.
  std::map<std::string, Item> found;
  for (Item& item : items_) found.emplace(item.path, item);
  items_.clear();
  for (const std::string& path : known_paths) {
    const auto item = found.find(path);
    items_.push_back(item == found.end() ? Item{path, stem_of(path), std::nullopt, {}}
                                         : item->second);
  }
  return {};
}

// A folder that is no image stands for what lies in it.
Result<void> RunInputs::find_files(const Found& dataset) {
  const std::string& path = dataset.path;
  if (!is_folder(path)) {
    add_item(dataset, path, stem_of(path));
    return {};
  }
  TRY_ASSIGN(const auto tree, open_tree(path));
  TRY_ASSIGN(const bool zarr, formats::looks_like_zarr(*tree));
  std::vector<formats::PlateWell> wells;
  if (zarr) {
    TRY_ASSIGN(wells, formats::read_plate(*tree));
  }
  for (const formats::PlateWell& well : wells) {
    for (const std::string& image : well.images) {
      add_item(dataset, fmt::format("{}/{}/{}", path, well.path, image),
               fmt::format("{}-{}", name_of(well), image));
    }
  }
  if (zarr && wells.empty()) add_item(dataset, path, stem_of(path));
  if (zarr) return {};
  TRY_ASSIGN(const std::vector<std::string> names, list_folder(path));
  for (const std::string& name : names) {
    if (name.front() == '.') continue;
    const std::string file = path + "/" + name;
    if (is_dangling(file)) {
      leave_out(file);
    } else if (!is_folder(file) || name.ends_with(".zarr"))
      add_item(dataset, file, stem_of(file));
  }
  return {};
}

Result<void> RunInputs::find_wells(const Found& dataset) {
  std::vector<formats::PlateWell> wells;
  if (is_folder(dataset.path)) {
    TRY_ASSIGN(const auto tree, open_tree(dataset.path));
    TRY_ASSIGN(wells, formats::read_plate(*tree));
  }
  if (wells.empty()) {
    return Error(std::errc::invalid_argument,
                 fmt::format("{} is not an OME-Zarr plate, so there are no wells to scatter by",
                             dataset.path));
  }
  for (const formats::PlateWell& well : wells)
    add_item(dataset, dataset.path + "/" + well.path, name_of(well));
  return {};
}

void RunInputs::leave_out(const std::string& link) {
  ++left_out_count_;
  if (left_out_count_ > kLeftOutNamed) return;
  left_out_.push_back(fmt::format("{}: a link to {}, which does not exist", link, target_of(link)));
}

std::vector<std::string> RunInputs::left_out() const {
  std::vector<std::string> lines = left_out_;
  if (left_out_count_ > lines.size()) {
    lines.push_back(fmt::format("and {} more", left_out_count_ - lines.size()));
  }
  return lines;
}

void RunInputs::add_item(const Found& dataset, const std::string& path, std::string name) {
  if (!dataset.base.empty()) {
    begin_paths_at(dataset.base);
  } else {
    begin_paths_at(path == dataset.path ? folder_of(path) : path_without_dots(dataset.path));
  }
  items_.push_back({path, std::move(name), std::nullopt, {}});
}

void RunInputs::begin_paths_at(const std::string& folder) {
  base_ = base_ ? common_folder(*base_, path_without_dots(folder)) : path_without_dots(folder);
}

std::string RunInputs::path_below_base(const std::string& path) const {
  const std::string whole = path_without_dots(path);
  const size_t begin = base_ == "/" ? 1 : base_->size() + 1;
  const size_t name = whole.rfind('/') + 1;
  return whole.substr(begin, std::max(name, begin) - begin) + stem_of(whole);
}

// The items of one dataset: all of it, or its blocks, planes, time points or channels.
Result<void> RunInputs::cut(const std::string& dataset) {
  const bool whole = workflow_.scatter.by == ScatterBy::nothing;
  if (whole && !workflow_.has_select && !workflow_.mentions(Placeholder::box) &&
      !workflow_.mentions(Placeholder::select)) {
    items_.push_back({dataset, stem_of(dataset), std::nullopt, {}});
    return {};
  }
  Result<std::unique_ptr<formats::Image>> open = open_image(dataset);
  if (!open && whole && open.error().is(std::errc::not_supported) &&
      !workflow_.mentions(Placeholder::box)) {
    if (workflow_.has_select) {
      note(fmt::format("input.select: {}, so all of it was staged", open.error().text()));
    }
    items_.push_back({dataset, stem_of(dataset), std::nullopt, {}});
    return {};
  }
  if (!open) return open.error();
  cut_ = *std::move(open);
  TRY_ASSIGN(cut_boxes_, formats::boxes_of(cut_->info(), workflow_.select));
  const ScatterBy by = workflow_.scatter.by;
  if (by == ScatterBy::block || by == ScatterBy::z) return add_boxes(dataset, cut_boxes_);
  return add_slices(dataset, cut_boxes_);
}

Result<void> RunInputs::add_boxes(const std::string& path, const std::vector<formats::Box>& boxes) {
  const formats::Extent& size = workflow_.scatter.size;
  for (const formats::Box& region : boxes) {
    const formats::Extent all = region.extent();
    formats::Extent block{1, all.y, all.x};
    if (workflow_.scatter.by == ScatterBy::block) {
      block = {size.z == 0 ? all.z : size.z, size.y == 0 ? all.y : size.y,
               size.x == 0 ? all.x : size.x};
    }
    TRY_ASSIGN(const std::vector<formats::Box> tiles, formats::tile(region, block));
    if (items_.size() + tiles.size() > kMaxItems) {
      return Error(std::errc::argument_list_too_long,
                   "the scatter makes more than a million blocks: make them larger");
    }
    for (const formats::Box& tile : tiles) items_.push_back({path, stem_of(path), tile, {tile}});
  }
  return {};
}

// One item per time point or channel, or one in all.
Result<void> RunInputs::add_slices(const std::string& path,
                                   const std::vector<formats::Box>& boxes) {
  const ScatterBy by = workflow_.scatter.by;
  std::map<uint64_t, std::vector<formats::Box>> slices;
  for (const formats::Box& box : boxes) {
    slices[by == ScatterBy::t ? box.t : by == ScatterBy::c ? box.c : 0].push_back(box);
  }
  for (auto& [number, slice] : slices) {
    if (slice.size() > 1 && workflow_.mentions(Placeholder::box)) {
      return Error(std::errc::invalid_argument,
                   fmt::format("{{box}} is one channel at one time point in one level, but a task "
                               "would have {} of them: narrow 'select', or scatter by block",
                               slice.size()));
    }
    const std::optional<formats::Box> box =
        slice.size() == 1 ? std::optional(slice.front()) : std::nullopt;
    items_.push_back({path, stem_of(path), box, std::move(slice)});
  }
  return {};
}

bool RunInputs::may_carry_on() const { return workflow_.on_error == OnError::carry_on; }

Result<void> RunInputs::check_readable() {
  const std::string* last = nullptr;
  for (const Item& item : items_) {
    if (last != nullptr && *last == item.path) continue;
    last = &item.path;
    const int wanted = is_folder(item.path) ? R_OK | X_OK : R_OK;
    if (::faccessat(AT_FDCWD, item.path.c_str(), wanted, AT_EACCESS) == 0) continue;
    const Error why = errno == ENOENT ? Error(std::errc::no_such_file_or_directory,
                                              fmt::format("the input {} does not exist", item.path))
                                      : cannot_read(item.path, errno);
    if (!may_carry_on()) return why;
    problems_.emplace(item.path, why);
  }
  const bool any_is_fine = std::any_of(items_.begin(), items_.end(), [&](const Item& item) {
    return !problems_.contains(item.path);
  });
  if (!any_is_fine) return problems_.begin()->second;
  return {};
}

std::optional<Error> RunInputs::problem_of(const Step& step, size_t index) const {
  if (step.runs_once() || problems_.empty()) return std::nullopt;
  const auto found = problems_.find(items_[index].path);
  if (found == problems_.end()) return std::nullopt;
  return found->second;
}

std::string RunInputs::shown_name(const Step& step, size_t index) const {
  const bool by_file =
      workflow_.scatter.by == ScatterBy::file || workflow_.scatter.by == ScatterBy::well;
  if (step.runs_once() || !by_file) return "";
  const std::string whole = path_without_dots(items_[index].path);
  return whole.substr(std::min(whole.size(), base_ == "/" ? 1 : base_->size() + 1));
}

std::vector<std::string> RunInputs::item_paths() const {
  std::vector<std::string> paths;
  if (workflow_.scatter.by != ScatterBy::file) return paths;
  for (const Item& item : items_) paths.push_back(item.path);
  return paths;
}

std::vector<std::string> RunInputs::distinct_paths() const {
  std::vector<std::string> paths;
  for (const Item& item : items_) {
    if (paths.empty() || paths.back() != item.path) paths.push_back(item.path);
  }
  return paths;
}

void RunInputs::describe(const Step& step, size_t index, PlaceholderValues& values) const {
  const bool by_file =
      workflow_.scatter.by == ScatterBy::file || workflow_.scatter.by == ScatterBy::well;
  if (step.runs_once() && by_file) return;
  const Item& item = items_[step.runs_once() ? 0 : index];
  values.set(Placeholder::input, item.path)
      .set(Placeholder::name, item.name)
      .set(Placeholder::path, path_below_base(item.path));
  if (item.box) values.set(Placeholder::box, formats::to_text(*item.box));
  values.set(Placeholder::halo, formats::to_text(workflow_.scatter.halo));
}

Result<std::string> RunInputs::selection_of(const Step& step, size_t index) const {
  if (cut_) {
    const bool all = step.runs_once() && items_.size() > 1;
    const Item& item = items_[step.runs_once() ? 0 : index];
    return formats::selection_text(cut_->info(), all ? cut_boxes_ : item.boxes);
  }
  if (workflow_.scatter.by != ScatterBy::file || step.runs_once()) {
    return formats::to_text(workflow_.select);
  }
  const std::string& path = items_[index].path;
  std::string known = selections_->with([&](const Selections& all) {
    const auto found = all.find(path);
    return found == all.end() ? std::string() : found->second;
  });
  if (!known.empty()) return known;
  const auto image = open_image(path);
  if (!image && image.error().is(std::errc::not_supported)) {
    return formats::to_text(workflow_.select);
  }
  if (!image) return image.error();
  TRY_ASSIGN(const std::vector<formats::Box> boxes,
             formats::boxes_of((*image)->info(), workflow_.select));
  std::string text = formats::selection_text((*image)->info(), boxes);
  remember_selection(path, text);
  return text;
}

std::string RunInputs::as_seen(const Step& step, size_t index, std::string text) const {
  const std::string& path = items_[step.runs_once() ? 0 : index].path;
  const std::optional<std::string> name = places_.in_namespace(path);
  if (!name || *name == "/") return text;
  for (size_t at = text.find(*name); at != std::string::npos;
       at = text.find(*name, at + path.size())) {
    const bool begins =
        at == 0 || std::string_view(" '\"(:").find(text[at - 1]) != std::string::npos;
    if (begins) text.replace(at, name->size(), path);
  }
  return text;
}

void RunInputs::remember_selection(const std::string& path, std::string text) const {
  selections_->with([&](Selections& all) { all[path] = std::move(text); });
}

Result<TaskInput> RunInputs::input_of(const Step& step, size_t index) const {
  TaskInput input;
  if (const std::optional<Error> problem = problem_of(step, index)) return *problem;
  if (!staged_ || !step.mentions(Placeholder::input)) return input;
  if (!step.runs_once() || items_.size() == 1) {
    TRY(add_item_input(items_[step.runs_once() ? 0 : index], input));
    return input;
  }
  // A step that gathers reads what all items read.
  std::vector<formats::Box> boxes;
  for (const Item& item : items_) boxes.insert(boxes.end(), item.boxes.begin(), item.boxes.end());
  TRY(add_needed(*cut_, items_.front().path, boxes, input));
  return input;
}

Result<RunInputs::AllInputs> RunInputs::input_of_all(SteadyClock::time_point deadline) const {
  AllInputs all;
  if (!staged_ || !workflow_.mentions(Placeholder::input)) {
    all.items = items_.size();
    return all;
  }
  const auto add = [&](TaskInput input, size_t items) {
    all.bytes.add(input);
    all.inputs.push_back(std::move(input));
    all.items += items;
  };
  // Blocks share chunks, and a dataset may have very many of them.
  if (cut_ && !cut_boxes_.empty()) {
    TaskInput input;
    TRY(add_needed(*cut_, items_.front().path, cut_boxes_, input));
    add(std::move(input), items_.size());
    return all;
  }
  for (const Item& item : items_) {
    if (SteadyClock::now() > deadline) break;
    TaskInput input;
    TRY(add_item_input(item, input));
    add(std::move(input), 1);
  }
  return all;
}

Result<void> RunInputs::add_item_input(const Item& item, TaskInput& input) const {
  if (!places_.in_namespace(item.path)) return {};
  if (!item.boxes.empty()) return add_needed(*cut_, item.path, item.boxes, input);
  const ScatterBy by = workflow_.scatter.by;
  if (!workflow_.has_select || by == ScatterBy::nothing) return add_whole(item.path, input);
  if (by == ScatterBy::file) return add_selected(item.path, input);
  TRY_ASSIGN(const auto tree, open_tree(item.path));
  TRY_ASSIGN(const std::vector<std::string> images, formats::read_well(*tree, ""));
  if (images.empty()) return add_whole(item.path, input);
  for (const std::string& image : images) TRY(add_selected(item.path + "/" + image, input));
  return {};
}

// What 'select' means of one image; all of a file that is none.
Result<void> RunInputs::add_selected(const std::string& path, TaskInput& input) const {
  const auto image = open_image(path);
  if (!image && image.error().is(std::errc::not_supported)) {
    note(
        "input.select: some inputs are in a format that TierHub cannot cut; they were staged "
        "whole");
    return add_whole(path, input);
  }
  if (!image) return image.error();
  TRY_ASSIGN(const std::vector<formats::Box> boxes,
             formats::boxes_of((*image)->info(), workflow_.select));
  remember_selection(path, formats::selection_text((*image)->info(), boxes));
  return add_needed(**image, path, boxes, input);
}

Result<void> RunInputs::add_needed(const formats::Image& image, const std::string& path,
                                   const std::vector<formats::Box>& boxes, TaskInput& input) const {
  std::string folder = places_.in_namespace(path).value_or("");
  if (!image.files().is_folder()) folder = folder.substr(0, folder.rfind('/'));
  TRY_ASSIGN(std::vector<formats::NeededFile> files,
             formats::needed_files(image, boxes, workflow_.scatter.halo));
  for (formats::NeededFile& file : files)
    input.files.push_back({folder + "/" + file.path, file.size_bytes, std::move(file.ranges)});
  return {};
}

Result<void> RunInputs::add_whole(const std::string& path, TaskInput& input) const {
  const std::string name = places_.in_namespace(path).value_or("");
  struct stat st {};
  if (::stat(path.c_str(), &st) < 0) return cannot_read(path, errno);
  if (S_ISDIR(st.st_mode)) {
    input.folders.push_back(name);
  } else {
    input.files.push_back({name, static_cast<uint64_t>(st.st_size), {}});
  }
  return {};
}

Result<std::shared_ptr<const formats::FileTree>> RunInputs::open_tree(
    const std::string& path) const {
  const std::optional<std::string> name = places_.in_namespace(path);
  if (name && prefetch_) {
    TRY_ASSIGN(std::shared_ptr<const formats::FileTree> tree,
               StagingTree::open(path, *name, prefetch_));
    return tree;
  }
  TRY_ASSIGN(std::shared_ptr<const formats::FileTree> tree, formats::PosixTree::open(path));
  return tree;
}

Result<std::unique_ptr<formats::Image>> RunInputs::open_image(const std::string& path) const {
  TRY_ASSIGN(auto tree, open_tree(path));
  return formats::Image::open(std::move(tree));
}

void RunInputs::note(std::string key) const {
  not_obeyed_->with([&](std::set<std::string>& notes) { notes.insert(std::move(key)); });
}

std::set<std::string> RunInputs::not_obeyed() const {
  return not_obeyed_->with([](const std::set<std::string>& notes) { return notes; });
}

}  // namespace tierhub::compute
