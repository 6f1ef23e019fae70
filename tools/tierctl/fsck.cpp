#include "tools/tierctl/fsck.h"

#include <optional>

#include <nlohmann/json.hpp>

#include "catalog/catalog.h"
#include "daemon/config.h"
#include "recovery/check.h"
#include "recovery/rebuild.h"
#include "recovery/repair.h"
#include "storage/helper/client.h"
#include "storage/scratch/scratch.h"
#include "tools/tierctl/human.h"
#include "tools/tierctl/output.h"
#include "tools/tierctl/waiting.h"

namespace tierhub::tierctl {
namespace {

using recovery::Finding;

constexpr const char* kUsualConfig = "/etc/tierhub/tierhub.yaml";

Result<Config> settings(const FsckOptions& options) {
  Config config;
  if (!options.config_file.empty()) {
    TRY(config.read_file(options.config_file));
  } else if (options.scratch.empty()) {
    if (auto read = config.read_file(kUsualConfig); !read) {
      return Error(std::errc::invalid_argument,
                   std::string("no tier is named: use --config FILE, or --scratch DIR (with "
                               "--state and --archive as for tierd); ") +
                       read.error().text());
    }
  }
  if (!options.archive.empty()) config.archive = options.archive;
  if (!options.scratch.empty()) config.scratch = options.scratch;
  if (!options.state.empty()) config.state = options.state;
  if (config.scratch.empty())
    return Error(std::errc::invalid_argument, "no scratch folder is given: use --scratch DIR");
  if (config.state.empty()) config.state = config.scratch + "/state";
  return config;
}

Error in_use(const Error& error, const Config& config) {
  if (!error.is(std::errc::device_or_resource_busy)) return error;
  return Error(error.code(), fmt::format("tierd is running on {}: stop it first", config.state));
}

// Prints findings as they come.
class Report {
 public:
  explicit Report(Format format) : format_(format) {
    if (format_ == Format::json) print("{\"findings\": [");
  }

  void add(const Finding& finding) {
    const bool damage = finding.is_damage();
    ++(damage ? damages_ : notes_);
    if (format_ == Format::json) return add_json(finding);
    std::string line = fmt::format("{} {}", damage ? "damage" : "note", finding.kind().code);
    if (finding.inode != kNoInode) line += fmt::format(" inode {}", finding.inode);
    if (!finding.path.empty()) line += " " + printable(finding.path);
    line += fmt::format(": {}", finding.kind().meaning);
    if (!finding.detail.empty()) line += fmt::format(" ({})", printable(finding.detail));
    print_line(fmt::format("{}; --repair: {}", line, finding.kind().remedy));
  }

  void finish(const std::optional<recovery::RepairCounts>& repaired) {
    if (format_ == Format::json) {
      std::string end = fmt::format("], \"damage\": {}, \"notes\": {}", damages_, notes_);
      if (repaired)
        end += fmt::format(", \"repaired\": {}, \"left\": {}", repaired->repaired, repaired->left);
      return print_line(end + "}");
    }
    if (repaired) {
      print_line(fmt::format("{} repaired, {} left", human_number(repaired->repaired),
                             human_number(repaired->left)));
    } else if (damages_ == 0) {
      print_line("clean: nothing is damaged");
    } else {
      print_line(fmt::format("{}; nothing was changed; to repair, run `tierctl fsck --repair`",
                             human_count(damages_, "finding")));
    }
  }

  uint64_t damages() const { return damages_; }

 private:
  void add_json(const Finding& finding) {
    nlohmann::json json = {
        {"code", finding.kind().code},    {"severity", finding.is_damage() ? "damage" : "note"},
        {"inode", finding.inode.value()}, {"path", finding.path},
        {"detail", finding.detail},       {"meaning", finding.kind().meaning},
        {"repair", finding.kind().remedy}};
    print(first_ ? "\n" : ",\n");
    first_ = false;
    print(json.dump(-1, ' ', false, nlohmann::json::error_handler_t::replace));
  }

  const Format format_;
  bool first_ = true;
  uint64_t damages_ = 0;
  uint64_t notes_ = 0;
};

Result<std::unique_ptr<ArchiveClient>> open_archive(const Config& config, std::string id) {
  if (config.archive.empty())
    return Error(std::errc::invalid_argument, "no archive folder is given: use --archive DIR");
  ArchiveClientOptions options;
  options.expected_id = std::move(id);
  options.slots = config.archive_slots;
  options.time_limit_ms = static_cast<uint64_t>(config.archive_time_limit_s * 1000);
  options.left_out = config.leave_out;
  TRY_ASSIGN(auto archive, ArchiveClient::start("/proc/self/exe", config.archive, options));
  if (auto there = archive->check_root(); !there)
    return there.error().in("open the archive " + config.archive);
  return archive;
}

// The archive that belongs to the catalog; null if nobody asked for it.
Result<std::unique_ptr<ArchiveClient>> archive_to_compare(const Config& config,
                                                          const FsckOptions& options,
                                                          const KeyValueStore& store) {
  if (!options.compare) return std::unique_ptr<ArchiveClient>();
  TRY_ASSIGN(const auto meta, recovery::read_meta(recovery::View(store)));
  return open_archive(config, meta ? meta->archive_id : "");
}

recovery::CheckOptions check_options(const FsckOptions& options, Archive* archive,
                                     ProgressLine& line) {
  recovery::CheckOptions check;
  if (options.data) check.data = recovery::CheckOptions::Data::read;
  check.archive = archive;
  check.progress = [&line](std::string_view pass, uint64_t records) {
    line.show("fsck", std::nullopt, fmt::format("{}: {}", pass, human_number(records)));
  };
  return check;
}

Result<ExitCode> look(const Context& context, const FsckOptions& options, const Config& config) {
  RocksDbOptions access;
  access.access = RocksDbOptions::Access::read_only;
  auto store = open_rocksdb_store(config.state + "/catalog", access);
  if (!store) return in_use(store.error(), config);
  TRY_ASSIGN(const Scratch scratch, Scratch::inspect(config.scratch));
  TRY_ASSIGN(const auto archive, archive_to_compare(config, options, **store));
  Report report(context.format);
  ProgressLine line;
  recovery::Checker checker(**store, scratch, check_options(options, archive.get(), line),
                            [&](const Finding& finding) { report.add(finding); });
  TRY(checker.run());
  line.finish();
  report.finish(std::nullopt);
  return report.damages() == 0 ? ExitCode::done : ExitCode::damage;
}

Result<ExitCode> make_right(const Context& context, const FsckOptions& options,
                            const Config& config) {
  auto store = open_rocksdb_store(config.state + "/catalog");
  if (!store) return in_use(store.error(), config);
  TRY_ASSIGN(const auto archive, archive_to_compare(config, options, **store));
  TRY_ASSIGN(const auto catalog, Catalog::open(std::move(*store), {}));
  TRY_ASSIGN(const Scratch scratch, Scratch::open(config.scratch));
  Report report(context.format);
  ProgressLine line;
  TRY_ASSIGN(const auto counts,
             recovery::repair(*catalog, scratch, check_options(options, archive.get(), line),
                              [&](const Finding& finding) { report.add(finding); }));
  line.finish();
  // What an unclean stop left is for tierd's next start.
  if (catalog->clean_shutdown()) TRY(catalog->mark_clean_shutdown());
  report.finish(counts);
  return counts.left == 0 ? ExitCode::done : ExitCode::damage;
}

Result<ExitCode> make_anew(const Context& context, const Config& config) {
  TRY_ASSIGN(const Scratch scratch, Scratch::open(config.scratch));
  TRY_ASSIGN(const auto archive, open_archive(config, ""));
  ProgressLine line;
  recovery::RebuildOptions options;
  options.state = config.state;
  options.chunk_bytes = config.chunk_bytes;
  options.progress = [&](const std::string& what) { line.show("rebuild", std::nullopt, what); };
  auto rebuilt = recovery::rebuild(scratch, *archive, options);
  line.finish();
  if (!rebuilt) return in_use(rebuilt.error(), config);
  const recovery::AdoptionCounts& adopted = rebuilt->adopted;
  if (context.format == Format::json) {
    const nlohmann::json json = {{"imported_folders", rebuilt->imported_folders},
                                 {"imported_files", rebuilt->imported_files},
                                 {"newer", adopted.newer},
                                 {"added", adopted.added},
                                 {"folders", adopted.folders},
                                 {"recovered", adopted.recovered},
                                 {"conflicts", adopted.conflicts},
                                 {"incomplete", adopted.incomplete},
                                 {"donor", rebuilt->donor},
                                 {"xattrs", rebuilt->donated.xattrs},
                                 {"specials", rebuilt->donated.specials},
                                 {"pins", rebuilt->donated.pins},
                                 {"old_catalog", rebuilt->old_catalog}};
    print_line(json.dump(2));
  } else {
    print_line(fmt::format("from the archive: {}, {}",
                           human_count(rebuilt->imported_folders, "folder"),
                           human_count(rebuilt->imported_files, "file")));
    print_line(fmt::format(
        "from the SSD: {} newer than the archive, {} not yet in it, {} under another name because "
        "theirs was taken, {} in /{}",
        human_number(adopted.newer), human_number(adopted.added), human_number(adopted.conflicts),
        human_number(adopted.recovered), recovery::kRecoveredFolder));
    if (!rebuilt->donor.empty()) {
      print_line(fmt::format("from {}: {}, {}, {}", rebuilt->donor,
                             human_count(rebuilt->donated.specials, "link or special file"),
                             human_count(rebuilt->donated.xattrs, "extended attribute"),
                             human_count(rebuilt->donated.pins, "pin")));
    }
    if (!rebuilt->old_catalog.empty())
      print_line("the old catalog is kept in " + rebuilt->old_catalog);
  }
  if (adopted.incomplete == 0) return ExitCode::done;
  say(fmt::format("LOST: parts of {} were only in versions that the archive no longer has",
                  human_count(adopted.incomplete, "file")));
  return ExitCode::damage;
}

}  // namespace

Result<ExitCode> fsck(const Context& context, const FsckOptions& options) {
  TRY_ASSIGN(const Config config, settings(options));
  if (options.rebuild) return make_anew(context, config);
  return options.repair ? make_right(context, options, config) : look(context, options, config);
}

}  // namespace tierhub::tierctl
