// The acts that change what people see in the archive: each one rename, checked afterwards, undone
// if what it displaced is not the version on record.
#include <cerrno>

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <fmt/format.h>
#include <stdio.h>
#include <time.h>

#include "common/log.h"
#include "common/posix.h"
#include "storage/posix/posix_archive.h"

namespace tierhub {
namespace {

Error conflict(const std::string& leaf, std::string_view why) {
  return Error(conflict_code(),
               fmt::format("'{}' was changed in the archive by someone else: {}", leaf, why));
}

bool exists(int folder_fd, const std::string& leaf) {
  return ::faccessat(folder_fd, leaf.c_str(), F_OK, AT_SYMLINK_NOFOLLOW) == 0;
}

bool is_gone(const Error& error) { return error.is(std::errc::no_such_file_or_directory); }
bool is_taken(const Error& error) {
  return error.is(std::errc::file_exists) || error.is(std::errc::directory_not_empty);
}

void warn_kept_aside(const std::string& leaf, const std::string& aside_leaf) {
  log::warning(
      "someone took the name of a file in the archive while TierHub was changing it; the file is "
      "kept",
      {{"name", leaf}, {"kept", fmt::format("{}/{}", kAsideFolder, aside_leaf)}});
}

Result<void> check_empty(int folder_fd, const std::string& leaf) {
  TRY_ASSIGN(const UniqueFd folder,
             posix::open_at(folder_fd, leaf, O_RDONLY | O_DIRECTORY | O_NOFOLLOW));
  TRY_ASSIGN(const auto names, posix::list_directory_fd(folder.get()));
  if (names.empty()) return {};
  return Error(
      std::errc::directory_not_empty,
      fmt::format("folder '{}' in the archive is not empty: it holds '{}'", leaf, names[0]));
}

Result<void> unlink_entry(int folder_fd, const std::string& leaf, FileKind kind) {
  return posix::unlink_at(folder_fd, leaf, kind == FileKind::directory ? AT_REMOVEDIR : 0);
}

// Whoever makes `to` between the look and the rename loses it: for targets that nobody else can
// reach, and where nothing better works.
Result<void> rename_if_free(int from_folder, const std::string& from, int to_folder,
                            const std::string& to) {
  if (exists(to_folder, to)) {
    return Error::from_errno(EEXIST, fmt::format("rename {} to {}", from, to));
  }
  return posix::rename_at(from_folder, from, to_folder, to);
}

// From a name that nobody else can reach: a file goes by link and unlink, which never replaces.
Result<void> rename_by_link(int from_folder, const std::string& from, int to_folder,
                            const std::string& to) {
  TRY_ASSIGN(const struct stat st, posix::stat_at(from_folder, from, AT_SYMLINK_NOFOLLOW));
  if (!S_ISDIR(st.st_mode)) {
    if (::linkat(from_folder, from.c_str(), to_folder, to.c_str(), 0) == 0) {
      return posix::unlink_at(from_folder, from);
    }
    const bool no_links =
        errno == EPERM || errno == EOPNOTSUPP || errno == ENOSYS || errno == EMLINK;
    if (!no_links) return Error::from_errno(errno, fmt::format("link {} to {}", from, to));
  }
  return rename_if_free(from_folder, from, to_folder, to);
}

}  // namespace

bool PosixArchive::has_rename_flag(const ArchiveFileSystem& file_system, unsigned flag) const {
  if (rename_flags_ == RenameFlags::avoid) return false;
  const ArchiveCapabilities& probed = file_system.capabilities;
  return flag == RENAME_EXCHANGE ? probed.rename_exchange : probed.rename_noreplace;
}

// What belongs to `wanted` can only be where that is. If it is elsewhere, another one was mounted
// over a folder of it, and a look at that tells more; else it is offline.
Result<void> PosixArchive::check_reachable(const ArchiveRoot& root, const std::string& path,
                                           const FileSystemPointer& found,
                                           const FileSystemId& wanted) const {
  if (found->id == wanted) return {};
  TRY(file_system(root, wanted));
  return conflict(path, "another file system is mounted there");
}

Result<void> PosixArchive::rename_new(const Spot& from, const Spot& to) const {
  if (has_rename_flag(*to.file_system, RENAME_NOREPLACE)) {
    return posix::rename_at(from.folder, from.leaf, to.folder, to.leaf, RENAME_NOREPLACE);
  }
  const auto is_private = [](const Spot& spot) { return spot.where != Spot::Where::in_sight; };
  if (is_private(to)) return rename_if_free(from.folder, from.leaf, to.folder, to.leaf);
  if (is_private(from)) return rename_by_link(from.folder, from.leaf, to.folder, to.leaf);
  // Whatever is at `from` at this moment, it goes by way of a place where nobody can change it.
  TRY_ASSIGN(const Spot aside, aside_spot(from));
  TRY(rename_if_free(from.folder, from.leaf, aside.folder, aside.leaf));
  auto renamed = rename_by_link(aside.folder, aside.leaf, to.folder, to.leaf);
  if (!renamed && !rename_by_link(aside.folder, aside.leaf, from.folder, from.leaf)) {
    warn_kept_aside(from.leaf, aside.leaf);
  }
  return renamed;
}

// A name aside, in the same file system.
Result<PosixArchive::Spot> PosixArchive::aside_spot(const Spot& from) const {
  return private_spot(
      from.root, from.file_system->id,
      fmt::format("displaced-{}-{}-{}", Timestamp::now().ns, ::getpid(), next_aside_++),
      Spot::Where::aside);
}

Result<void> PosixArchive::exchange(const Spot& a, const Spot& b) const {
  if (has_rename_flag(*b.file_system, RENAME_EXCHANGE)) {
    return posix::rename_at(a.folder, a.leaf, b.folder, b.leaf, RENAME_EXCHANGE);
  }
  TRY_ASSIGN(const Spot aside, aside_spot(b));
  TRY(rename_new(b, aside));
  auto there = rename_new(a, b);
  const Spot& rest = there ? a : b;
  if (const auto back = rename_new(aside, rest); !back) {
    warn_kept_aside(b.leaf, aside.leaf);
    if (there) return back.error();
  }
  return there;
}

Result<std::optional<ArchiveVersion>> PosixArchive::version_at(const Spot& spot) const {
  TRY_ASSIGN(const auto entry, Entry::open(spot.folder, spot.leaf));
  if (!entry) return std::optional<ArchiveVersion>();
  TRY_ASSIGN(auto version, version_of_entry(*entry, spot, Freshness::exact));
  return std::optional(std::move(version));
}

Result<PosixArchive::OnRecord> PosixArchive::entry_on_record(const Spot& spot,
                                                             const ArchiveVersion& on_record,
                                                             Touched touched) const {
  TRY_ASSIGN(auto entry, Entry::open(spot.folder, spot.leaf));
  if (!entry) return conflict(spot.leaf, "it no longer exists");
  TRY_ASSIGN(ArchiveVersion found, version_of_entry(*entry, spot, Freshness::exact));
  if (!is_on_record(found, on_record))
    return conflict(spot.leaf, "it is not the version on record");
  if (touched == Touched::is_a_conflict && found.is_touched_since(on_record))
    return conflict(spot.leaf, "its ctime changed, so its content may not be the one on record");
  return OnRecord{*std::move(entry), std::move(found)};
}

// What rests in staging is deleted later: a folder there must be empty.
Result<void> PosixArchive::check_displaced(const Spot& spot, const ArchiveVersion& before,
                                           Spot::Where resting, Touched touched) const {
  TRY(entry_on_record(spot, before, touched));
  const bool is_folder = before.attributes.kind == FileKind::directory;
  if (is_folder && resting == Spot::Where::staging) return check_empty(spot.folder, spot.leaf);
  return {};
}

// For what must not be lost and cannot have its name back, because the name is taken.
void PosixArchive::keep_aside(const Spot& spot) const {
  const auto aside = aside_spot(spot);
  if (aside && rename_new(spot, *aside)) warn_kept_aside(spot.leaf, aside->leaf);
}

// Undoes the exchange that brought `ours` to `to` and something foreign to `from`.
void PosixArchive::put_back(const Spot& from, const Identity& ours, const Spot& to) const {
  const bool from_staging = from.where == Spot::Where::staging;
  if (!exchange(from, to)) {
    // Someone removed ours meanwhile: the name is free.
    if (!rename_new(from, to) && from_staging) keep_aside(from);
    return;
  }
  const auto out = version_at(from);
  const Identity found = out ? out->value_or(ArchiveVersion()).identity : ours;
  if (found.empty() || found == ours) return;
  // Someone put a newer file over ours meanwhile: it is the one that shall have the name.
  if (exchange(from, to) && from_staging) keep_aside(from);
}

// Exchanges `from`, where `ours` is, with `to`, where `before` must be. `before` then rests at
// `from`.
Result<ArchiveVersion> PosixArchive::replace(const Spot& from, const Entry& ours, const Spot& to,
                                             const ArchiveVersion& before) const {
  TRY_ASSIGN(const ArchiveVersion version, version_of_entry(ours, from, Freshness::exact));
  const Spot::Where resting = from.where;
  TRY(check_displaced(to, before, resting, Touched::is_a_conflict));
  if (auto done = exchange(from, to); !done) {
    if (is_gone(done.error())) return conflict(to.leaf, "it was removed");
    if (is_taken(done.error())) return conflict(to.leaf, "someone created it");
    return done.error();
  }
  // The exchange itself moved its ctime.
  if (auto displaced = check_displaced(from, before, resting, Touched::passes); !displaced) {
    put_back(from, version.identity, to);
    return displaced.error();
  }
  return version_of_entry(ours, to, Freshness::exact);
}

Result<ArchiveVersion> PosixArchive::place(const std::string& leaf, const std::string& target,
                                           const std::optional<ArchiveVersion>& before) {
  const ArchiveRootPointer held = root();
  TRY_ASSIGN(const Spot from, staging_spot(held, leaf));
  TRY_ASSIGN(const Spot to, spot(held, target));
  TRY(check_reachable(*held, to.path, to.file_system, from.file_system->id));
  TRY_ASSIGN(const auto ours, Entry::open(from.folder, from.leaf));
  if (!ours)
    return Error::from_errno(ENOENT,
                             fmt::format("place {}: nothing is staged as {}", target, leaf));
  if (before) return replace(from, *ours, to, *before);
  if (auto placed = rename_new(from, to); !placed) {
    if (is_taken(placed.error())) return conflict(to.leaf, "someone created it");
    return placed.error();
  }
  return version_of_entry(*ours, to, Freshness::exact);
}

Result<ArchiveVersion> PosixArchive::move(const std::string& source, const ArchiveVersion& moved,
                                          const std::string& target,
                                          const std::optional<ArchiveVersion>& before) {
  const ArchiveRootPointer held = root();
  TRY_ASSIGN(const Spot from, spot(held, source));
  TRY_ASSIGN(const Spot to, spot(held, target));
  TRY(check_reachable(*held, from.path, from.file_system, file_system_of(moved.identity)));
  TRY(check_reachable(*held, to.path, to.file_system, file_system_of(moved.identity)));
  TRY_ASSIGN(const OnRecord ours, entry_on_record(from, moved));
  if (before) {
    TRY(replace(from, ours.entry, to, *before));
  } else if (auto renamed = rename_new(from, to); !renamed) {
    if (is_taken(renamed.error())) return conflict(to.leaf, "someone created it");
    if (is_gone(renamed.error())) return conflict(from.leaf, "it was removed");
    return renamed.error();
  }
  // The source may have been replaced just before it was moved.
  if (auto arrived = entry_on_record(to, moved); !arrived) {
    const auto undone = before ? exchange(from, to) : rename_new(to, from);
    if (!undone)
      log::warning("a move in the archive could not be undone", {{"error", undone.error().text()}});
    return arrived.error();
  }
  if (moved.attributes.kind == FileKind::directory || before) nested_.moved(*held, source, target);
  TRY_ASSIGN(ArchiveVersion now, version_of_entry(ours.entry, to, Freshness::exact));
  return version_after_act(std::move(now), ours.found, moved);
}

Result<ArchiveVersion> PosixArchive::link(const std::string& source, const ArchiveVersion& linked,
                                          const std::string& leaf, const std::string& target,
                                          const std::optional<ArchiveVersion>& before) {
  const ArchiveRootPointer held = root();
  TRY_ASSIGN(const Spot from, spot(held, source));
  TRY_ASSIGN(const Spot staged, staging_spot(held, leaf));
  TRY(check_reachable(*held, from.path, from.file_system, file_system_of(linked.identity)));
  TRY(check_reachable(*held, staged.path, staged.file_system, file_system_of(linked.identity)));
  TRY_ASSIGN(const OnRecord ours, entry_on_record(from, linked));
  if (before && before->identity == linked.identity) {
    TRY_ASSIGN(const Spot to, spot(held, target));
    TRY(check_reachable(*held, to.path, to.file_system, file_system_of(before->identity)));
    TRY(entry_on_record(to, *before));
    TRY_ASSIGN(ArchiveVersion now, version_of_entry(ours.entry, to, Freshness::exact));
    return version_after_act(std::move(now), ours.found, linked);
  }
  TRY(clear(staged));
  if (::linkat(from.folder, from.leaf.c_str(), staged.folder, staged.leaf.c_str(), 0) < 0) {
    if (errno == ENOENT) return conflict(from.leaf, "it was removed");
    return Error::from_errno(errno, fmt::format("link {} to {}", source, target));
  }
  auto result = [&]() -> Result<ArchiveVersion> {
    TRY(entry_on_record(staged, linked));
    return place(leaf, target, before);
  }();
  if (!result && entry_on_record(staged, linked))
    static_cast<void>(posix::unlink_at(staged.folder, staged.leaf));
  if (!result) return result;
  return version_after_act(*std::move(result), ours.found, linked);
}

Result<void> PosixArchive::remove(const std::string& target, const ArchiveVersion& before,
                                  const std::string& leaf) {
  const ArchiveRootPointer held = root();
  TRY_ASSIGN(const Spot from, spot(held, target));
  TRY_ASSIGN(const Spot rest, staging_spot(held, leaf));
  TRY(check_reachable(*held, from.path, from.file_system, rest.file_system->id));
  TRY(check_displaced(from, before, rest.where, Touched::is_a_conflict));
  TRY(clear(rest));
  if (auto renamed = rename_new(from, rest); !renamed) {
    if (is_gone(renamed.error())) return conflict(from.leaf, "it was removed");
    return renamed.error();
  }
  if (auto displaced = check_displaced(rest, before, rest.where, Touched::passes); !displaced) {
    if (!rename_new(rest, from)) keep_aside(rest);
    return displaced.error();
  }
  return {};
}

Result<void> PosixArchive::discard(const std::string& leaf, const ArchiveVersion& version) {
  const ArchiveRootPointer held = root();
  TRY_ASSIGN(const Spot rest, staging_spot(held, leaf));
  TRY_ASSIGN(const auto found, version_at(rest));
  if (!found) return {};
  if (!is_on_record(*found, version)) return conflict(leaf, "it changed after it was set aside");
  return unlink_entry(rest.folder, rest.leaf, found->attributes.kind);
}

Result<ArchiveVersion> PosixArchive::set_attributes(const std::string& path,
                                                    const ArchiveVersion& before,
                                                    const Attributes& attributes,
                                                    const Xattrs& xattrs) {
  const ArchiveRootPointer held = root();
  auto existing = existing_entry(held, path);
  if (!existing && is_gone(existing.error())) return conflict(path, "it no longer exists");
  TRY_ASSIGN(const Existing found, std::move(existing));
  TRY(check_reachable(*held, path, found.file_system, file_system_of(before.identity)));
  const IdentityScheme scheme = found.file_system->scheme();
  TRY_ASSIGN(const ArchiveVersion now, found.entry.version(scheme, Freshness::exact));
  if (!is_on_record(now, before)) return conflict(path, "it is not the version on record");
  TRY(apply(found.entry, attributes, xattrs));
  TRY_ASSIGN(const ArchiveVersion after, found.entry.version(scheme, Freshness::exact));
  // A change of content between the look and the new times would otherwise be hidden by them.
  const bool is_file = before.attributes.kind == FileKind::file;
  if (is_file && after.attributes.size_bytes != before.attributes.size_bytes) {
    return conflict(path, "its size changed");
  }
  return version_after_act(after, now, before);
}

}  // namespace tierhub
