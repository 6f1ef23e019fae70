// The subcommands of imgop. What each takes is declared once; the command line, its checks, --help
// and the manifest that `imgop describe` prints are made from it.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include <CLI/CLI.hpp>

#include "common/result.h"
#include "formats/box.h"
#include "formats/json.h"

namespace tierhub::imaging {

// Set by the subcommand that was chosen, after its options were parsed.
using Action = std::function<Result<void>()>;

// All subcommands.
struct Registry {
  CLI::App& app;
  Action action;
  formats::Json manifests = formats::Json::array();
};

// The type of an argument: a JSON Schema, and the check of the command line that follows from it.
struct ArgumentType {
  formats::Json schema;
  CLI::Validator check;
};
// A number in [least, most], with a unit for people: "pixel", "voxel", "percent".
ArgumentType real(double least, double most, const char* unit);
ArgumentType integer(uint64_t least, uint64_t most, const char* unit);
ArgumentType choice(const std::vector<std::string>& values);
// A text that `parse` reads: {box}, {halo}, {select}. `kind` is its name in the manifest.
ArgumentType text(const char* kind, std::function<std::string(const std::string&)> check = {});
// A path to read; `kind`: "image", "labels", "json", "table".
ArgumentType path_in(const char* kind);
// A path to write, whose name must end in one of `endings`: it decides what is written.
ArgumentType path_out(const char* kind, const std::vector<std::string>& endings);
// Several of them: the option may be given more than once.
ArgumentType list_of(ArgumentType type);

// Turns a parser that returns a Result into a check of the command line.
template <class Parse>
std::function<std::string(const std::string&)> parsed_by(Parse parse) {
  return [parse](const std::string& given) {
    const auto value = parse(given);
    return value ? std::string() : value.error().text();
  };
}

// What an operator will need.
struct Estimate {
  uint64_t memory = 0;                  // at most, in bytes
  std::optional<formats::Halo> halo{};  // of a box
  bool is_guess = false;                // of labels that do not exist yet
};

// How far around a box of a volume an operator reads.
struct HaloRule {
  const char* words;
  std::vector<std::string> arguments{};  // without "--": those that it follows from
  // Where none of them is given; nothing if one must be.
  std::optional<formats::Halo> of_defaults{};
};
// Of an operator that reads its box alone.
inline HaloRule no_halo(const char* words = "0") { return {words, {}, formats::Halo{}}; }
// Of a volume that is larger than any halo.
inline constexpr formats::Extent kLargeVolume{1 << 20, 1 << 20, 1 << 20};

class Operator {
 public:
  // `example`: complete command lines, one a line.
  Operator(Registry& registry, const char* name, const char* help, const char* example);
  // Adds the manifest to the registry.
  ~Operator();
  Operator(const Operator&) = delete;
  Operator& operator=(const Operator&) = delete;

  // `names` as CLI11 has them: "--select,--region". The value at the time of the call is the
  // default.
  template <class T>
  CLI::Option* add(const char* names, T& value, const ArgumentType& type, const char* help) {
    CLI::Option* option = command_->add_option(names, value, help)->check(type.check);
    if constexpr (std::is_arithmetic_v<T>) option->capture_default_str();
    if constexpr (std::is_same_v<T, std::string>) {
      if (!value.empty()) option->capture_default_str();
    }
    formats::Json schema = type.schema;
    if constexpr (std::is_arithmetic_v<T>) schema["default"] = value;
    if constexpr (std::is_same_v<T, std::string>) {
      if (!value.empty()) schema["default"] = value;
    }
    note(option, std::move(schema), help);
    return option;
  }
  CLI::Option* add_flag(const char* name, bool& value, const char* help);

  // Exactly one of them must be given.
  void require_one_of(const std::vector<CLI::Option*>& options);

  // How far around a box it reads, and on which kinds of numbers it works.
  void set_halo(const HaloRule& rule);
  void set_types(const char* types) { manifest_["pixel_types"] = types; }

  CLI::App& command() { return *command_; }
  void set_run(std::function<Result<void>()> run);
  // The same with --estimate, which prints as JSON what a run will need. `prepare` opens what is
  // worked on, and derives what follows from the options; then `estimate` or `run` gets that.
  // Only `run` reads voxels.
  template <class Prepare, class EstimateOf, class Run>
  void set_run(Prepare prepare, EstimateOf estimate, Run run) {
    set_run(prepare, prepare, estimate, run);
  }
  // The same where a part of the input may not exist yet while it is estimated: then `foresee` makes
  // the job for the estimate.
  template <class Prepare, class Foresee, class EstimateOf, class Run>
  void set_run(Prepare prepare, Foresee foresee, EstimateOf estimate, Run run) {
    add_estimate([foresee, estimate]() -> Result<Estimate> {
      TRY_ASSIGN(const auto job, foresee());
      return estimate(job);
    });
    set_run([prepare, run]() -> Result<void> {
      TRY_ASSIGN(auto job, prepare());
      return run(job);
    });
  }

 private:
  void add_estimate(std::function<Result<Estimate>()> estimate);
  void note(const CLI::Option* option, formats::Json schema, const char* help);

  Registry& registry_;
  CLI::App* command_;
  std::shared_ptr<bool> is_estimate_ = std::make_shared<bool>(false);
  std::function<Result<Estimate>()> estimate_;
  formats::Json manifest_;
  std::vector<const CLI::Option*> options_;
  std::vector<formats::Json> schemas_;
};

// The subcommands, by what they are about.
void add_image_commands(Registry& registry);
void add_filter_commands(Registry& registry);
void add_range_commands(Registry& registry);
void add_segment_commands(Registry& registry);
void add_object_commands(Registry& registry);
void add_project(Registry& registry);
void add_expand_commands(Registry& registry);
void add_measure_commands(Registry& registry);
void add_relate_commands(Registry& registry);
void add_resize(Registry& registry);
void add_math(Registry& registry);
void add_illumination_commands(Registry& registry);
void add_picture_commands(Registry& registry);
void add_table_commands(Registry& registry);
void add_describe(Registry& registry);

}  // namespace tierhub::imaging
