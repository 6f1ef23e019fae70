// Between two folders that do not know each other: what a file system wants of a recall, as the
// mover is asked for it.
#pragma once

#include "fusefs/file_system.h"
#include "migrator/fill/mover.h"

namespace tierhub {

inline Mover::Reason reason_of(FileSystemHooks::Wanted wanted) {
  switch (wanted) {
    case FileSystemHooks::Wanted::bytes:
      return Mover::Reason::read;
    case FileSystemHooks::Wanted::chunks:
      return Mover::Reason::recall;
    case FileSystemHooks::Wanted::kept:
      return Mover::Reason::change;
  }
  return Mover::Reason::recall;
}

}  // namespace tierhub
