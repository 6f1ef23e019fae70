// Renaming: one batch under the locks of both folders, of what is moved and of what is replaced.
#include <fcntl.h>

#include <stdio.h>

#include "common/fault_points.h"
#include "common/posix.h"
#include "fusefs/file_system.h"
#include "fusefs/file_system_names.h"
#include "storage/scratch/object_state.h"

namespace tierhub {

// Locks both folders, what is moved and what is replaced, and checks that the names still mean the
// same.
Result<FileSystem::LockedRename> FileSystem::lock_rename(InodeNumber parent,
                                                         const std::string& name,
                                                         InodeNumber new_parent,
                                                         const std::string& new_name) {
  for (int i = 0; i < kLookupTries; ++i) {
    TRY_ASSIGN(const auto source, catalog_.lookup(parent, name));
    TRY_ASSIGN(const auto target, catalog_.lookup(new_parent, new_name));
    if (!source) return no_entry(name);
    if (*source == new_parent)
      return Error(std::errc::invalid_argument, name + " cannot be moved into itself");
    LockedRename result;
    result.same_parent = parent == new_parent;
    result.same_inode = target == source;
    std::vector<InodeNumber> numbers{parent, *source};
    if (!result.same_parent) numbers.push_back(new_parent);
    // The target may be one of the folders: it is then not empty, and locked already.
    const bool lock_target =
        target && std::find(numbers.begin(), numbers.end(), *target) == numbers.end();
    if (lock_target) numbers.push_back(*target);
    if (target && !lock_target && !result.same_inode) {
      return Error(std::errc::directory_not_empty, new_name + " is a folder that is not empty");
    }
    TRY_ASSIGN(auto locks, inodes_.lock_all(numbers));
    TRY_ASSIGN(const auto source_again, catalog_.lookup(parent, name));
    TRY_ASSIGN(const auto target_again, catalog_.lookup(new_parent, new_name));
    if (source_again != source || target_again != target || !locks[1].exists()) continue;
    result.parent = std::move(locks[0]);
    result.source = std::move(locks[1]);
    if (!result.same_parent) result.new_parent = std::move(locks[2]);
    if (lock_target) result.target = std::move(locks.back());
    result.has_target = lock_target;
    return result;
  }
  return Error(std::errc::device_or_resource_busy, name + " keeps being replaced; try again");
}

Result<void> FileSystem::rename(InodeNumber parent, const std::string& name, InodeNumber new_parent,
                                const std::string& new_name, unsigned flags) {
  if ((flags & ~(RENAME_NOREPLACE | RENAME_EXCHANGE)) != 0) {
    return Error(std::errc::invalid_argument, "rename: these flags are not supported");
  }
  TRY(check_new_name(catalog_, new_parent, new_name));
  InodeNumber replaced;
  {
    TRY_ASSIGN(LockedRename locked, lock_rename(parent, name, new_parent, new_name));
    TRY(check_live_directory(locked.parent));
    if (!locked.same_parent) TRY(check_live_directory(locked.new_parent));
    if (locked.has_target || locked.same_inode) {
      if ((flags & RENAME_NOREPLACE) != 0)
        return Error(std::errc::file_exists, new_name + " already exists");
    } else if ((flags & RENAME_EXCHANGE) != 0) {
      return no_entry(new_name);
    }
    TRY(check_borders(locked, name, new_name));
    if (locked.same_inode) return {};  // two names of one file: POSIX says that nothing happens
    if ((flags & RENAME_EXCHANGE) != 0) return exchange(locked, name, new_name);
    if (locked.has_target) replaced = locked.target->number;
    TRY(move_entry(locked, name, new_name));
  }
  fault_point(FaultPoint::rename_after_commit);
  if (replaced != kNoInode) hooks_.unnamed(replaced);
  return {};
}

// The archive's file systems, as a native tree with them would have it.
Result<void> FileSystem::check_borders(const LockedRename& locked, const std::string& name,
                                       const std::string& new_name) const {
  if (!locked.same_parent)
    TRY(check_same_file_system(catalog_, locked.parent->number, locked.new_parent->number));
  TRY(check_not_mount_point(catalog_, *locked.source, name));
  return locked.has_target ? check_not_mount_point(catalog_, *locked.target, new_name)
                           : Result<void>();
}

Result<void> FileSystem::move_entry(LockedRename& locked, const std::string& name,
                                    const std::string& new_name) {
  InodeState& source = *locked.source;
  InodeLock& to = locked.same_parent ? locked.parent : locked.new_parent;
  Batch batch;
  std::optional<InodeRecord> target_record;
  int lost_subfolders = 0;
  if (locked.has_target) {
    InodeState& target = *locked.target;
    if (target.is_directory() && !source.is_directory())
      return Error(std::errc::is_a_directory, new_name + " is a folder");
    if (!target.is_directory() && source.is_directory())
      return Error(std::errc::not_a_directory, new_name + " is not a folder");
    batch.erase_entry(to->number, new_name, target.number);
    if (target.is_directory()) {
      TRY(erase_directory(target, batch));
      lost_subfolders = 1;
    } else {
      target_record = drop_name(target, batch);
      // Else power loss could leave an empty file where a good one was.
      if (source.is_file() && source.rec().has_object && source.is_dirty()) {
        TRY(sync_object(catalog_, scratch_, source));
      }
    }
  }
  if (locked.has_target && (!target_record || target_record->nlink == 0))
    TRY(note_replaced(locked.target->number, batch));
  InodeRecord source_record = source.rec();
  source_record.attributes.ctime = Timestamp::now();
  if (source.is_directory()) TRY(ensure_folder_object(source, source_record));
  const int moved_subfolder = source.is_directory() && !locked.same_parent ? 1 : 0;
  const InodeRecord from_record =
      touched(locked.parent->rec(), -moved_subfolder - (locked.same_parent ? lost_subfolders : 0));
  batch.erase_entry(locked.parent->number, name, source.number);
  batch.put_entry(to->number, new_name, source.number);
  batch.put_inode(source.number, source_record);
  batch.put_inode(locked.parent->number, from_record);
  std::optional<InodeRecord> to_record;
  if (!locked.same_parent) {
    to_record = touched(locked.new_parent->rec(), moved_subfolder - lost_subfolders);
    batch.put_inode(to->number, *to_record);
  }
  const JournalRecord journal{Timestamp::now(), ""};
  batch.put_journal(JournalKey::of_entry(locked.parent->number, name), journal);
  batch.put_journal(JournalKey::of_entry(to->number, new_name), journal);
  fault_point(FaultPoint::rename_before_commit);
  TRY(commit_change(batch));

  source.record = std::move(source_record);
  locked.parent->record = from_record;
  if (to_record) locked.new_parent->record = *to_record;
  retag(source);
  if (!locked.has_target) return {};
  if (!target_record || target_record->nlink == 0)
    remember_nameless(locked.target->number, locked.target->rec().attributes);
  const bool folder_object = locked.target->is_directory() && locked.target->rec().has_object;
  locked.target->record = target_record;
  if (folder_object) return scratch_.set_aside(locked.target->number);
  retag(*locked.target);
  return {};
}

// Nobody removed what loses its last name like this: it is no old file but an old version.
Result<void> FileSystem::note_replaced(InodeNumber inode, Batch& batch) const {
  TRY_ASSIGN(const auto in_archive, catalog_.base_names(inode));
  if (in_archive.empty()) return {};
  batch.put_departure(inode, {DepartureRecord::How::replaced, ""});
  return {};
}

Result<void> FileSystem::exchange(LockedRename& locked, const std::string& name,
                                  const std::string& new_name) {
  InodeState& source = *locked.source;
  InodeState& target = *locked.target;
  InodeLock& to = locked.same_parent ? locked.parent : locked.new_parent;
  int gained = 0;  // subfolders that the source's folder gains
  if (!locked.same_parent)
    gained = (target.is_directory() ? 1 : 0) - (source.is_directory() ? 1 : 0);
  InodeRecord source_record = source.rec();
  InodeRecord target_record = target.rec();
  source_record.attributes.ctime = target_record.attributes.ctime = Timestamp::now();
  if (source.is_directory()) TRY(ensure_folder_object(source, source_record));
  if (target.is_directory()) TRY(ensure_folder_object(target, target_record));
  const InodeRecord from_record = touched(locked.parent->rec(), gained);
  Batch batch;
  batch.erase_entry(locked.parent->number, name, source.number);
  batch.erase_entry(to->number, new_name, target.number);
  batch.put_entry(to->number, new_name, source.number);
  batch.put_entry(locked.parent->number, name, target.number);
  batch.put_inode(source.number, source_record);
  batch.put_inode(target.number, target_record);
  batch.put_inode(locked.parent->number, from_record);
  std::optional<InodeRecord> to_record;
  if (!locked.same_parent) {
    to_record = touched(locked.new_parent->rec(), -gained);
    batch.put_inode(to->number, *to_record);
  }
  const JournalRecord journal{Timestamp::now(), ""};
  batch.put_journal(JournalKey::of_entry(locked.parent->number, name), journal);
  batch.put_journal(JournalKey::of_entry(to->number, new_name), journal);
  fault_point(FaultPoint::rename_before_commit);
  TRY(commit_change(batch));
  source.record = std::move(source_record);
  target.record = std::move(target_record);
  locked.parent->record = from_record;
  if (to_record) locked.new_parent->record = *to_record;
  retag(source);
  retag(target);
  return {};
}

}  // namespace tierhub
