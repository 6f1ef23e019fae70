// bench_floor MOUNT OBJECTS: a FUSE file system with passthrough that does nothing beyond what the
// kernel asks for: one thread, names and attributes in memory, nothing kept. The kernel sends it
// the same requests as tierd: what it reaches no such file system can surpass. Ends when it is
// unmounted.
#include <cerrno>
#include <cstdint>
#include <cstring>
#include <map>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include <fcntl.h>
#include <linux/fuse.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <unistd.h>

#include <dirent.h>
#include <fmt/format.h>

#include "bench/measure.h"
#include "common/unique_fd.h"

namespace tierhub::bench {
namespace {

constexpr size_t kRequestBytes = (1 << 20) + 4096;
constexpr uint64_t kValid_s = 60;
// Newer than the <linux/fuse.h> of Debian 12.
constexpr uint32_t kHandleKillprivV2 = 1u << 28;
constexpr uint32_t kInitExt = 1u << 30;
constexpr uint32_t kPassthrough = 1u << 5;  // of flags2
constexpr uint32_t kOpenPassthrough = 1u << 7;
struct BackingMap {
  int32_t fd;
  uint32_t flags;
  uint64_t padding;
};
constexpr unsigned long kBackingOpen = _IOW(229, 1, BackingMap);
constexpr unsigned long kBackingClose = _IOW(229, 2, uint32_t);
struct OpenOut {
  uint64_t fh;
  uint32_t open_flags;
  int32_t backing_id;
};
struct CreateOut {
  fuse_entry_out entry;
  OpenOut open;
};

struct Node {
  bool folder = false;
  int32_t backing_id = 0;
  uint32_t opens = 0;
  uint64_t last_cookie = 0;
  std::map<std::string, uint64_t, std::less<>> cookies;           // by name
  std::map<uint64_t, std::pair<std::string, uint64_t>> children;  // by cookie: name, number
};

class Floor {
 public:
  Floor(const std::string& mount_point, const std::string& objects);
  void serve();

 private:
  struct Request {
    const fuse_in_header& header;
    const char* body;
    std::string_view name() const { return body; }
    template <class T>
    const T& as() const {
      return *reinterpret_cast<const T*>(body);
    }
  };
  void answer(const Request& request);
  void send(const Request& request, int error, const void* body = nullptr, size_t size = 0);
  template <class T>
  void send(const Request& request, const T& body) {
    send(request, 0, &body, sizeof body);
  }
  void init(const Request& request);
  void lookup(const Request& request);
  void create(const Request& request);
  void open(const Request& request);
  void release(const Request& request);
  void list(const Request& request);
  void remove(const Request& request);
  uint64_t add(uint64_t folder, std::string_view name, bool is_folder);
  std::string object(uint64_t number) const {
    return fmt::format("{}/{:02x}/{:x}", objects_, number & 0xff, number);
  }
  int32_t register_object(uint64_t number, int flags);
  fuse_attr attributes(uint64_t number) const;
  fuse_entry_out entry(uint64_t number) const;

  UniqueFd device_;
  const std::string objects_;
  std::unordered_map<uint64_t, Node> nodes_;
  uint64_t last_number_ = FUSE_ROOT_ID;
};

Floor::Floor(const std::string& mount_point, const std::string& objects)
    : device_(open_file("/dev/fuse", O_RDWR)), objects_(objects) {
  for (int i = 0; i < 256; ++i) make_folder(fmt::format("{}/{:02x}", objects, i));
  nodes_[FUSE_ROOT_ID].folder = true;
  const std::string options = fmt::format(
      "fd={},rootmode=40000,user_id=0,group_id=0,allow_other,default_permissions", device_.get());
  if (::mount("floor", mount_point.c_str(), "fuse.floor", MS_NODEV | MS_NOSUID, options.c_str()) <
      0)
    fail(fmt::format("mount {}: {}", mount_point, std::strerror(errno)));
}

void Floor::serve() {
  std::vector<char> buffer(kRequestBytes);
  for (;;) {
    const ssize_t got = ::read(device_.get(), buffer.data(), buffer.size());
    if (got < 0 && errno == ENODEV) return;
    if (got < static_cast<ssize_t>(sizeof(fuse_in_header))) continue;
    answer({*reinterpret_cast<const fuse_in_header*>(buffer.data()),
            buffer.data() + sizeof(fuse_in_header)});
  }
}

void Floor::send(const Request& request, int error, const void* body, size_t size) {
  fuse_out_header header{static_cast<uint32_t>(sizeof header + size), -error,
                         request.header.unique};
  iovec parts[] = {{&header, sizeof header}, {const_cast<void*>(body), size}};
  (void)::writev(device_.get(), parts, size > 0 ? 2 : 1);
}

void Floor::answer(const Request& request) {
  switch (request.header.opcode) {
    case FUSE_INIT:
      return init(request);
    case FUSE_LOOKUP:
      return lookup(request);
    case FUSE_GETATTR:
    case FUSE_SETATTR: {
      fuse_attr_out out{};
      out.attr_valid = kValid_s;
      out.attr = attributes(request.header.nodeid);
      return send(request, out);
    }
    case FUSE_MKDIR:
      return send(request,
                  entry(add(request.header.nodeid, request.body + sizeof(fuse_mkdir_in), true)));
    case FUSE_CREATE:
      return create(request);
    case FUSE_OPEN:
      return open(request);
    case FUSE_RELEASE:
      return release(request);
    case FUSE_OPENDIR:
      return send(request, OpenOut{0, FOPEN_CACHE_DIR, 0});
    case FUSE_READDIRPLUS:
      return list(request);
    case FUSE_RELEASEDIR:
      return send(request, 0);
    case FUSE_UNLINK:
    case FUSE_RMDIR:
      return remove(request);
    case FUSE_GETXATTR:
      return send(request, ENODATA);
    case FUSE_FORGET:
    case FUSE_BATCH_FORGET:
      return;
    default:
      return send(request, ENOSYS);
  }
}

void Floor::init(const Request& request) {
  const auto& in = request.as<fuse_init_in>();
  constexpr uint32_t kWanted = FUSE_ASYNC_READ | FUSE_BIG_WRITES | FUSE_DO_READDIRPLUS |
                               FUSE_PARALLEL_DIROPS | FUSE_POSIX_ACL | FUSE_DONT_MASK |
                               FUSE_MAX_PAGES | kHandleKillprivV2 | kInitExt;
  fuse_init_out out{};
  out.major = FUSE_KERNEL_VERSION;
  out.minor = FUSE_KERNEL_MINOR_VERSION;
  out.max_readahead = in.max_readahead;
  out.flags = in.flags & kWanted;
  out.max_background = 128;
  out.congestion_threshold = 96;
  out.max_write = 1 << 20;
  out.max_pages = 256;
  out.time_gran = 1;
  // Behind `max_pages` and `map_alignment`: flags2, and how deep a stack of file systems may be.
  const uint32_t extension[] = {kPassthrough, 1};
  std::memcpy(reinterpret_cast<char*>(&out.map_alignment) + sizeof out.map_alignment, extension,
              sizeof extension);
  send(request, out);
}

fuse_attr Floor::attributes(uint64_t number) const {
  const bool folder = nodes_.at(number).folder;
  fuse_attr attr{};
  attr.ino = number;
  attr.mode = folder ? S_IFDIR | 0755 : S_IFREG | 0644;
  attr.nlink = folder ? 2 : 1;
  attr.blksize = kPage;
  return attr;
}

fuse_entry_out Floor::entry(uint64_t number) const {
  fuse_entry_out out{};
  out.nodeid = number;
  out.entry_valid = out.attr_valid = kValid_s;
  out.attr = attributes(number);
  return out;
}

uint64_t Floor::add(uint64_t folder, std::string_view name, bool is_folder) {
  const uint64_t number = ++last_number_;
  nodes_[number].folder = is_folder;
  Node& parent = nodes_.at(folder);
  const uint64_t cookie = ++parent.last_cookie;
  parent.cookies.emplace(name, cookie);
  parent.children.emplace(cookie, std::pair(std::string(name), number));
  return number;
}

void Floor::lookup(const Request& request) {
  const Node& folder = nodes_.at(request.header.nodeid);
  const auto found = folder.cookies.find(request.name());
  if (found == folder.cookies.end()) return send(request, ENOENT);
  send(request, entry(folder.children.at(found->second).second));
}

int32_t Floor::register_object(uint64_t number, int flags) {
  const UniqueFd file = open_file(object(number), flags);
  BackingMap map{file.get(), 0, 0};
  const int id = ::ioctl(device_.get(), kBackingOpen, &map);
  if (id <= 0) fail(fmt::format("passthrough: {}", std::strerror(errno)));
  return id;
}

void Floor::create(const Request& request) {
  const uint64_t number = add(request.header.nodeid, request.body + sizeof(fuse_create_in), false);
  Node& node = nodes_.at(number);
  node.backing_id = register_object(number, O_RDONLY | O_CREAT | O_EXCL);
  node.opens = 1;
  send(request, CreateOut{entry(number), {0, kOpenPassthrough, node.backing_id}});
}

void Floor::open(const Request& request) {
  Node& node = nodes_.at(request.header.nodeid);
  if (node.opens++ == 0) node.backing_id = register_object(request.header.nodeid, O_RDONLY);
  send(request, OpenOut{0, kOpenPassthrough, node.backing_id});
}

void Floor::release(const Request& request) {
  Node& node = nodes_.at(request.header.nodeid);
  if (--node.opens == 0) {
    auto id = static_cast<uint32_t>(node.backing_id);
    (void)::ioctl(device_.get(), kBackingClose, &id);
  }
  send(request, 0);
}

void Floor::list(const Request& request) {
  const auto& in = request.as<fuse_read_in>();
  std::vector<char> out(in.size);
  size_t used = 0;
  const Node& folder = nodes_.at(request.header.nodeid);
  for (auto it = folder.children.upper_bound(in.offset); it != folder.children.end(); ++it) {
    const auto& [name, number] = it->second;
    const size_t needed = FUSE_DIRENT_ALIGN(FUSE_NAME_OFFSET_DIRENTPLUS + name.size());
    if (used + needed > out.size()) break;
    auto& plus = *reinterpret_cast<fuse_direntplus*>(out.data() + used);
    plus.entry_out = entry(number);
    plus.dirent.ino = number;
    plus.dirent.off = it->first;
    plus.dirent.namelen = static_cast<uint32_t>(name.size());
    plus.dirent.type = nodes_.at(number).folder ? DT_DIR : DT_REG;
    std::memcpy(plus.dirent.name, name.data(), name.size());
    used += needed;
  }
  send(request, 0, out.data(), used);
}

// What is open stays known: the kernel still asks for it.
void Floor::remove(const Request& request) {
  Node& folder = nodes_.at(request.header.nodeid);
  const auto found = folder.cookies.find(request.name());
  if (found == folder.cookies.end()) return send(request, ENOENT);
  const uint64_t number = folder.children.at(found->second).second;
  if (!nodes_.at(number).folder) (void)::unlink(object(number).c_str());
  folder.children.erase(found->second);
  folder.cookies.erase(found);
  send(request, 0);
}

}  // namespace
}  // namespace tierhub::bench

int main(int argc, char** argv) {
  if (argc != 3) {
    fmt::print(stderr, "usage: bench_floor MOUNT OBJECTS; scripts/bench.sh calls it\n");
    return 2;
  }
  tierhub::bench::Floor(argv[1], argv[2]).serve();
  return 0;
}
