#include <cstring>
#include <span>
#include <vector>

#include "formats/hdf5_library.h"

namespace tierhub::formats {
namespace {

constexpr const char* kName = "tierhub";
constexpr haddr_t kMaxAddress = (haddr_t{1} << 62) - 1;

// The source of the file that open_through_driver() opens.
Hdf5Source* opening = nullptr;

// The library casts between it and its first member.
struct DriverFile {
  H5FD_t common;
  Hdf5Source* source;
  haddr_t end_of_allocation;
};

DriverFile& file_of(const H5FD_t* file) {
  return *reinterpret_cast<DriverFile*>(const_cast<H5FD_t*>(file));
}

// Only what open_through_driver() asks for: external links and virtual datasets name other files.
H5FD_t* open_file(const char*, unsigned flags, hid_t, haddr_t) {
  if (opening == nullptr || (flags & H5F_ACC_RDWR) != 0) return nullptr;
  auto* file = new DriverFile{};
  file->source = std::exchange(opening, nullptr);
  return &file->common;
}

herr_t close_file(H5FD_t* file) {
  delete &file_of(file);
  return 0;
}

herr_t query(const H5FD_t*, unsigned long* flags) {
  if (flags != nullptr) *flags = 0;
  return 0;
}

haddr_t end_of_allocation(const H5FD_t* file, H5FD_mem_t) {
  return file_of(file).end_of_allocation;
}

herr_t set_end_of_allocation(H5FD_t* file, H5FD_mem_t, haddr_t address) {
  file_of(file).end_of_allocation = address;
  return 0;
}

haddr_t end_of_file(const H5FD_t* file, H5FD_mem_t) { return file_of(file).source->size_bytes; }

uint64_t number_at(std::span<const std::byte> bytes, size_t at) {
  uint64_t value = 0;
  std::memcpy(&value, &bytes[at], sizeof value);
  return value;
}

// libhdf5 1.10 trusts the header of the names of a group: a damaged size makes it write beyond its
// memory, and a loop of free blocks makes it run until memory ends. `head` begins with the header,
// whose numbers have 8 bytes, as all known writers have them.
bool is_sound_heap(const Hdf5Source& source, uint64_t base, std::span<const std::byte> head) {
  constexpr size_t kHeadBytes = 32, kSizeAt = 8, kFreeAt = 16, kAddressAt = 24;
  constexpr uint64_t kMaxBytes = 16u << 20, kNoFreeBlock = 1, kFreeBlockBytes = 16;
  if (head.size() < kHeadBytes) return false;
  const uint64_t size = number_at(head, kSizeAt), address = number_at(head, kAddressAt);
  const uint64_t rest = source.size_bytes - base;
  if (size > kMaxBytes || address > rest || size > rest - address) return false;
  std::vector<std::byte> names(size);
  if (!source.read(base + address, names)) return false;
  uint64_t block = number_at(head, kFreeAt);
  for (uint64_t count = 0; block != kNoFreeBlock; ++count) {
    if (block == UINT64_MAX) return true;
    if (count > size / kFreeBlockBytes || size < kFreeBlockBytes ||
        block > size - kFreeBlockBytes || number_at(names, block + 8) > size - block)
      return false;
    block = number_at(names, block);
  }
  return true;
}

bool is_heap(H5FD_mem_t type, std::span<const std::byte> bytes) {
  return type == H5FD_MEM_LHEAP && bytes.size() >= 4 && std::memcmp(bytes.data(), "HEAP", 4) == 0;
}

herr_t read_file(H5FD_t* file, H5FD_mem_t type, hid_t, haddr_t address, size_t size,
                 void* buffer) noexcept {
  Hdf5Source& source = *file_of(file).source;
  if (address > source.size_bytes || size > source.size_bytes - address) return -1;
  if (source.only_place && type == H5FD_MEM_DRAW) {
    source.place.emplace(address, size);
    return 0;
  }
  const std::span<std::byte> bytes(static_cast<std::byte*>(buffer), size);
  if (!source.read(address, bytes)) return -1;
  return !is_heap(type, bytes) || is_sound_heap(source, file->base_addr, bytes) ? 0 : -1;
}

herr_t refuse_to_write(H5FD_t*, H5FD_mem_t, hid_t, haddr_t, size_t, const void*) { return -1; }

H5FD_class_t driver_class() {
  H5FD_class_t driver{};
  driver.name = kName;
  driver.maxaddr = kMaxAddress;
  driver.fc_degree = H5F_CLOSE_STRONG;
  driver.open = open_file;
  driver.close = close_file;
  driver.query = query;
  driver.get_eoa = end_of_allocation;
  driver.set_eoa = set_end_of_allocation;
  driver.get_eof = end_of_file;
  driver.read = read_file;
  driver.write = refuse_to_write;
  const H5FD_mem_t map[] = H5FD_FLMAP_DICHOTOMY;
  std::memcpy(driver.fl_map, map, sizeof map);
  return driver;
}

hid_t driver_id() {
  static const H5FD_class_t driver = driver_class();
  static const hid_t id = H5FDregister(&driver);
  return id;
}

}  // namespace

Hdf5Id open_through_driver(Hdf5Source& source) {
  H5Eset_auto2(H5E_DEFAULT, nullptr, nullptr);
  // A file must not make the library load code.
  H5PLset_loading_state(0);
  const Hdf5Id access(H5Pcreate(H5P_FILE_ACCESS), H5Pclose);
  if (H5Pset_driver(access.get(), driver_id(), nullptr) < 0) return {};
  H5Pset_fclose_degree(access.get(), H5F_CLOSE_STRONG);
  opening = &source;
  Hdf5Id file(H5Fopen(source.path.c_str(), H5F_ACC_RDONLY, access.get()), H5Fclose);
  opening = nullptr;
  return file;
}

}  // namespace tierhub::formats
