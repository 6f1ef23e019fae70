#include "fusefs/kernel/operations.h"

#include <exception>
#include <memory>
#include <string>

#include <fcntl.h>
#include <sys/stat.h>
#include <sys/xattr.h>

#include "common/log.h"
#include "common/metrics.h"
#include "fusefs/kernel/reply.h"
#include "fusefs/kernel/write_bytes.h"

namespace tierhub {
namespace {

// Runs a handler; an exception ends here, and the request is answered with EIO.
template <class Handler>
void handle(fuse_req_t request, Handler&& handler) {
  Reply reply(request);
  try {
    handler(reply);
  } catch (const std::exception& exception) {
    log::error("a request failed with an exception", {{"what", exception.what()}});
  }
}

// A change that cannot be made twice. The kernel asks again when tierd died before it answered;
// then the answer is what the catalog holds of the first time.
template <class Change, class Again>
void handle_once(fuse_req_t request, Change&& change, Again&& again) {
  handle(request, [&](Reply& reply) {
    if (const auto done = reply.connection().reply_left(reply.unique())) return again(reply, *done);
    const RequestScope scope(reply.connection().identify(reply.unique()));
    change(reply);
  });
}

// `make`: what makes a new name, and says what it names.
template <class Make>
void make_once(fuse_req_t request, Make&& make) {
  handle_once(
      request, [&](Reply& reply) { reply.entry(make(reply)); },
      [](Reply& reply, const ReplyRecord& done) {
        reply.entry(reply.file_system().getattr(done.inode));
      });
}

template <class Change>
void change_once(fuse_req_t request, Change&& change) {
  handle_once(
      request, [&](Reply& reply) { reply.done(change(reply)); },
      [](Reply& reply, const ReplyRecord&) { reply.done(); });
}

// For answers that may come later, from another thread.
std::shared_ptr<Reply> later(Reply& reply) { return std::make_shared<Reply>(std::move(reply)); }

// On the thread that reads requests; the request may have been answered meanwhile.
void interrupted(fuse_req_t request, void* number) {
  FuseConnection::of(fuse_req_userdata(request))
      .file_system()
      .interrupt(reinterpret_cast<uintptr_t>(number));
}

// From now on a signal to the program ends its waiting for room. Returns how the file system knows
// the request. Called before anything can answer it.
RequestNumber interruptible(Reply& reply) {
  fuse_req_interrupt_func(reply.request(), interrupted, reinterpret_cast<void*>(reply.unique()));
  return reply.unique();
}

void init(void* userdata, fuse_conn_info* info) {
  FuseConnection::of(userdata).choose_capabilities(*info);
}

void lookup(fuse_req_t request, fuse_ino_t parent, const char* name) {
  metrics().fuse_lookup_requests.add();
  handle(request,
         [&](Reply& reply) { reply.entry(reply.file_system().lookup(InodeNumber(parent), name)); });
}

void forget(fuse_req_t request, fuse_ino_t inode, uint64_t) {
  FuseConnection::of(fuse_req_userdata(request)).file_system().forget(InodeNumber(inode));
  fuse_reply_none(request);
}

void forget_multi(fuse_req_t request, size_t count, fuse_forget_data* forgotten) {
  FileSystem& files = FuseConnection::of(fuse_req_userdata(request)).file_system();
  for (size_t i = 0; i < count; ++i) files.forget(InodeNumber(forgotten[i].ino));
  fuse_reply_none(request);
}

void getattr(fuse_req_t request, fuse_ino_t inode, fuse_file_info*) {
  handle(request,
         [&](Reply& reply) { reply.attributes(reply.file_system().getattr(InodeNumber(inode))); });
}

void setattr(fuse_req_t request, fuse_ino_t inode, struct stat* wanted, int to_set,
             fuse_file_info*) {
  handle(request, [&](Reply& reply) {
    const AttributeChange change = to_attribute_change(*wanted, to_set, reply.caller());
    FileSystem& files = reply.file_system();
    files.setattr(
        InodeNumber(inode), change,
        [pending = later(reply)](const Result<NodeInfo>& node) { pending->attributes(node); });
  });
}

void readlink(fuse_req_t request, fuse_ino_t inode) {
  handle(request, [&](Reply& reply) {
    reply.link_target(reply.file_system().readlink(InodeNumber(inode)));
  });
}

void mknod(fuse_req_t request, fuse_ino_t parent, const char* name, mode_t mode, dev_t rdev) {
  make_once(request, [&](Reply& reply) {
    return reply.file_system().mknod(InodeNumber(parent), name, mode, rdev, reply.caller());
  });
}

void mkdir(fuse_req_t request, fuse_ino_t parent, const char* name, mode_t mode) {
  make_once(request, [&](Reply& reply) {
    return reply.file_system().mkdir(InodeNumber(parent), name, mode & 07777, reply.caller());
  });
}

void symlink(fuse_req_t request, const char* target, fuse_ino_t parent, const char* name) {
  make_once(request, [&](Reply& reply) {
    return reply.file_system().symlink(InodeNumber(parent), name, target, reply.caller());
  });
}

void link(fuse_req_t request, fuse_ino_t inode, fuse_ino_t new_parent, const char* new_name) {
  make_once(request, [&](Reply& reply) {
    return reply.file_system().link(InodeNumber(inode), InodeNumber(new_parent), new_name);
  });
}

void unlink(fuse_req_t request, fuse_ino_t parent, const char* name) {
  change_once(request,
              [&](Reply& reply) { return reply.file_system().unlink(InodeNumber(parent), name); });
}

void rmdir(fuse_req_t request, fuse_ino_t parent, const char* name) {
  change_once(request,
              [&](Reply& reply) { return reply.file_system().rmdir(InodeNumber(parent), name); });
}

void rename(fuse_req_t request, fuse_ino_t parent, const char* name, fuse_ino_t new_parent,
            const char* new_name, unsigned flags) {
  change_once(request, [&](Reply& reply) {
    return reply.file_system().rename(InodeNumber(parent), name, InodeNumber(new_parent), new_name,
                                      flags);
  });
}

// The kernel asks to clear set-user-id with O_TRUNC by a flag that libfuse 3.14 does not pass on.
bool truncation_clears_privileges(Reply& reply, InodeNumber inode, int flags) {
  if ((flags & O_TRUNC) == 0 || reply.caller().uid == 0) return false;
  const auto node = reply.file_system().getattr(inode);
  return node && (node->attributes.mode & (S_ISUID | S_ISGID)) != 0;
}

void open(fuse_req_t request, fuse_ino_t number, fuse_file_info* info) {
  metrics().fuse_open_requests.add();
  handle(request, [&](Reply& reply) {
    if (reply.connection().refusing_opens()) return reply.fail(ESHUTDOWN);
    if (const auto granted = reply.connection().kept().granted(reply.unique()))
      return reply.opened_again(granted->first, granted->second);
    const InodeNumber inode(number);
    const int flags = info->flags;
    FileSystem& files = reply.file_system();
    const RequestNumber number_of_request = interruptible(reply);
    const bool clears = truncation_clears_privileges(reply, inode, flags);
    AttributeChange clear;
    clear.clear_privileges = true;
    clear.caller = reply.caller();
    auto open_now = [&files, inode, flags, number_of_request, pending = later(reply)] {
      files.open(
          inode, flags,
          [inode, pending](const Result<Opened>& opened) { pending->opened(inode, opened); },
          number_of_request);
    };
    if (!clears) return open_now();
    files.setattr(inode, clear, [open_now](const Result<NodeInfo>&) { open_now(); });
  });
}

// The file stands; whether it was opened, too, the handles know.
void created_before(Reply& reply, InodeNumber inode, int flags) {
  if (const auto granted = reply.connection().kept().granted(reply.unique()))
    return reply.created_again(granted->first, granted->second);
  FileSystem& files = reply.file_system();
  const auto node = files.getattr(inode);
  if (!node) return reply.fail(node.error());
  files.open(inode, flags & ~(O_CREAT | O_EXCL | O_TRUNC),
             [node = *node, pending = later(reply)](const Result<Opened>& opened) {
               if (!opened) return pending->fail(opened.error());
               pending->created(Created{node, *opened});
             });
}

void create(fuse_req_t request, fuse_ino_t parent, const char* name, mode_t mode,
            fuse_file_info* info) {
  metrics().fuse_open_requests.add();
  const int flags = info->flags;
  const bool named = std::string_view(name) != kNoName;
  const auto make = [&](Reply& reply) {
    if (reply.connection().refusing_opens()) return reply.fail(ESHUTDOWN);
    FileSystem& files = reply.file_system();
    reply.created(
        named ? files.create(InodeNumber(parent), name, mode & 07777, flags, reply.caller())
              : files.create_unnamed(InodeNumber(parent), mode & 07777, flags, reply.caller()));
  };
  handle_once(request, make, [&](Reply& reply, const ReplyRecord& done) {
    // A file without a name that nobody had open yet is gone, and can be made again.
    if (!named && !reply.file_system().getattr(done.inode)) return make(reply);
    created_before(reply, done.inode, flags);
  });
}

void release(fuse_req_t request, fuse_ino_t inode, fuse_file_info* info) {
  handle(request, [&](Reply& reply) {
    // The kernel asks again for a release whose answer it did not get.
    reply.connection().release(InodeNumber(inode), info->fh);
    reply.done();
  });
}

void read(fuse_req_t request, fuse_ino_t inode, size_t size, off_t offset, fuse_file_info*) {
  metrics().fuse_read_requests.add();
  handle(request, [&](Reply& reply) {
    FileSystem& files = reply.file_system();
    files.read(
        InodeNumber(inode), static_cast<uint64_t>(offset), size,
        [pending = later(reply)](const Result<ReadAnswer>& answer) { pending->read(answer); });
  });
}

void write_buf(fuse_req_t request, fuse_ino_t inode, fuse_bufvec* bytes, off_t offset,
               fuse_file_info* info) {
  metrics().fuse_write_requests.add();
  handle(request, [&](Reply& reply) {
    const auto source = std::make_shared<WriteBytes>(*bytes);
    FsCaller caller = reply.caller();
    caller.request = interruptible(reply);
    FileSystem& files = reply.file_system();
    files.write(
        InodeNumber(inode), KeptSession::file_handle(info->fh), static_cast<uint64_t>(offset),
        source, caller,
        [pending = later(reply)](const Result<size_t>& written) { pending->written(written); });
    source->end_request();
  });
}

void fsync(fuse_req_t request, fuse_ino_t inode, int data_only, fuse_file_info*) {
  handle(request, [&](Reply& reply) {
    const auto kind = data_only != 0 ? FileSystem::SyncKind::data : FileSystem::SyncKind::all;
    reply.done(reply.file_system().fsync(InodeNumber(inode), kind));
  });
}

void fsyncdir(fuse_req_t request, fuse_ino_t inode, int, fuse_file_info*) {
  handle(request, [&](Reply& reply) {
    reply.done(reply.file_system().fsync_directory(InodeNumber(inode)));
  });
}

void opendir(fuse_req_t request, fuse_ino_t inode, fuse_file_info* info) {
  handle(request, [&](Reply& reply) {
    reply.file_system().open_folder(InodeNumber(inode));
    info->cache_readdir = 1;
    info->keep_cache = reply.connection().recent_listings().recently_listed(InodeNumber(inode),
                                                                            SteadyClock::now());
    reply.opened_folder(*info);
  });
}

// How an entry is laid out for READDIR and for READDIRPLUS. add() returns the bytes that it needs,
// and writes them only if they fit.
struct PlainEntry {
  static constexpr size_t kTypicalBytes = 24 + 24;
  static size_t add(Reply& reply, char* to, size_t room, const FileSystem::ListedEntry& entry) {
    const struct stat st = to_stat(entry.node);
    return fuse_add_direntry(reply.request(), to, room, entry.name.c_str(), &st,
                             static_cast<off_t>(entry.cookie));
  }
};

struct EntryWithAttributes {
  static constexpr size_t kTypicalBytes = sizeof(fuse_entry_out) + PlainEntry::kTypicalBytes;
  static size_t add(Reply& reply, char* to, size_t room, const FileSystem::ListedEntry& entry) {
    fuse_entry_param param = to_entry_param(entry.node, reply.connection().timeouts());
    if (entry.name == "." || entry.name == "..") param.ino = 0;  // nothing is looked up by them
    return fuse_add_direntry_plus(reply.request(), to, room, entry.name.c_str(), &param,
                                  static_cast<off_t>(entry.cookie));
  }
};

// As many entries behind `cookie` as fit.
template <class Layout>
Result<std::string> listing(Reply& reply, InodeNumber folder, uint64_t cookie, size_t size) {
  std::string bytes(size, '\0');
  size_t used = 0;
  while (true) {
    const size_t limit = (size - used) / Layout::kTypicalBytes + 1;
    TRY_ASSIGN(const auto entries, reply.file_system().list(folder, cookie, limit));
    for (const FileSystem::ListedEntry& entry : entries) {
      const size_t needed = Layout::add(reply, bytes.data() + used, size - used, entry);
      if (needed > size - used) {
        bytes.resize(used);
        return bytes;
      }
      used += needed;
      cookie = entry.cookie;
    }
    if (entries.size() < limit) break;
  }
  bytes.resize(used);
  return bytes;
}

template <class Layout>
void list(fuse_req_t request, fuse_ino_t number, size_t size, off_t offset, fuse_file_info*) {
  handle(request, [&](Reply& reply) {
    const InodeNumber folder(number);
    if (offset == 0) reply.connection().recent_listings().listed(folder, SteadyClock::now());
    const auto bytes = listing<Layout>(reply, folder, static_cast<uint64_t>(offset), size);
    if (!bytes) return reply.fail(bytes.error());
    reply.bytes(*bytes);
  });
}

void statfs(fuse_req_t request, fuse_ino_t inode) {
  handle(request, [&](Reply& reply) {
    const auto statistics = reply.file_system().statfs(InodeNumber(inode));
    if (!statistics) return reply.fail(statistics.error());
    reply.statistics(*statistics);
  });
}

void setxattr(fuse_req_t request, fuse_ino_t inode, const char* name, const char* value,
              size_t size, int flags) {
  change_once(request, [&](Reply& reply) {
    auto mode = FileSystem::XattrMode::any;
    if ((flags & XATTR_CREATE) != 0) mode = FileSystem::XattrMode::create;
    if ((flags & XATTR_REPLACE) != 0) mode = FileSystem::XattrMode::replace;
    return reply.file_system().setxattr(InodeNumber(inode), name, {value, size}, mode,
                                        reply.caller());
  });
}

void getxattr(fuse_req_t request, fuse_ino_t inode, const char* name, size_t size) {
  handle(request, [&](Reply& reply) {
    reply.value(reply.file_system().getxattr(InodeNumber(inode), name), size);
  });
}

void listxattr(fuse_req_t request, fuse_ino_t inode, size_t size) {
  handle(request, [&](Reply& reply) {
    const auto names = reply.file_system().listxattr(InodeNumber(inode), reply.caller());
    if (!names) return reply.fail(names.error());
    std::string list;
    for (const std::string& name : *names) list.append(name).push_back('\0');
    reply.value(list, size);
  });
}

void removexattr(fuse_req_t request, fuse_ino_t inode, const char* name) {
  change_once(request, [&](Reply& reply) {
    return reply.file_system().removexattr(InodeNumber(inode), name);
  });
}

void fallocate(fuse_req_t request, fuse_ino_t inode, int mode, off_t offset, off_t length,
               fuse_file_info*) {
  handle(request, [&](Reply& reply) {
    FileSystem& files = reply.file_system();
    const RequestNumber number = interruptible(reply);
    files.fallocate(
        InodeNumber(inode), mode, static_cast<uint64_t>(offset), static_cast<uint64_t>(length),
        [pending = later(reply)](const Result<std::monostate>& result) {
          if (!result) return pending->fail(result.error());
          pending->done();
        },
        number);
  });
}

void lseek(fuse_req_t request, fuse_ino_t inode, off_t offset, int whence, fuse_file_info*) {
  handle(request, [&](Reply& reply) {
    reply.position(
        reply.file_system().lseek(InodeNumber(inode), static_cast<uint64_t>(offset), whence));
  });
}

}  // namespace

const fuse_lowlevel_ops& fuse_operations() {
  static const fuse_lowlevel_ops operations = [] {
    fuse_lowlevel_ops ops{};
    ops.init = init;
    ops.lookup = lookup;
    ops.forget = forget;
    ops.forget_multi = forget_multi;
    ops.getattr = getattr;
    ops.setattr = setattr;
    ops.readlink = readlink;
    ops.mknod = mknod;
    ops.mkdir = mkdir;
    ops.unlink = unlink;
    ops.rmdir = rmdir;
    ops.symlink = symlink;
    ops.rename = rename;
    ops.link = link;
    ops.open = open;
    ops.create = create;
    ops.read = read;
    ops.write_buf = write_buf;
    ops.release = release;
    ops.fsync = fsync;
    ops.opendir = opendir;
    ops.readdir = list<PlainEntry>;
    ops.readdirplus = list<EntryWithAttributes>;
    ops.fsyncdir = fsyncdir;
    ops.statfs = statfs;
    ops.setxattr = setxattr;
    ops.getxattr = getxattr;
    ops.listxattr = listxattr;
    ops.removexattr = removexattr;
    ops.fallocate = fallocate;
    ops.lseek = lseek;
    return ops;
  }();
  return operations;
}

}  // namespace tierhub
