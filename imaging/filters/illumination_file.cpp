#include "imaging/filters/illumination_file.h"

#include <algorithm>
#include <cmath>
#include <filesystem>
#include <memory>

#include <fmt/format.h>

#include "common/posix.h"
#include "formats/json.h"
#include "imaging/filters/made_image.h"
#include "imaging/images/part.h"
#include "imaging/images/slabs.h"
#include "imaging/images/source.h"

namespace tierhub::imaging {
namespace {

using formats::Json;

constexpr const char* kSumKey = "illumination_sum";
constexpr const char* kFunctionKey = "illumination";

Error illumination_error(std::string text) {
  return Error(std::errc::invalid_argument, std::move(text));
}

std::string size_text(const Extent& extent) { return fmt::format("{} x {}", extent.y, extent.x); }

Error different_sizes(const std::string& a, const Extent& a_size, const std::string& b,
                      const Extent& b_size) {
  return illumination_error(
      fmt::format("{} has {} pixels, {} {}: images of one illumination function have "
                  "one size",
                  a, size_text(a_size), b, size_text(b_size)));
}

// What an OME-Zarr image that imgop wrote says under a key of its own.
Result<Json> attributes_of(const std::string& path, const char* key, const char* made_by) {
  const auto text = posix::read_file(path + "/.zattrs");
  if (text) {
    TRY_ASSIGN(const Json all, formats::parse_json(*text, path + "/.zattrs"));
    const Json* own = formats::find_member(all, key);
    if (own != nullptr && own->is_object()) return *own;
  }
  return illumination_error(fmt::format("{} was not written by imgop {}", path, made_by));
}

// One plane as an image.
template <class T>
Result<void> write_plane(ImageLayout layout, const Volume<T>& plane, const std::string& out,
                         Parallel parallel) {
  layout.axes = {formats::Axis::y, formats::Axis::x};
  layout.origin = {0, 0, 0};
  set_size(layout, plane.extent);
  TRY_ASSIGN(ImageWriter writer, ImageWriter::create(out, layout));
  TRY(writer.write_volume(0, plane, parallel));
  return writer.commit();
}

void pack_plane(MemoryUse& memory, const Box& plane, uint64_t pixel_bytes) {
  ImageLayout layout;
  set_size(layout, plane.extent());
  memory.pack_image_chunks(plane.voxels() * pixel_bytes, layout.chunk.voxels() * pixel_bytes);
}

struct Opened {
  ImageReader reader;
  Box box;
};

Result<Opened> open_whole_plane(const std::string& path, const SummedImages& summed,
                                Parallel parallel) {
  TRY_ASSIGN(ImageReader reader, ImageReader::open(path, parallel.threads()));
  TRY_ASSIGN(const Box box, chosen_box(reader.info(), {path, summed.select, {}, {}, {}}));
  if (summed.range) reader.set_scale(scale_of(*summed.range, reader.info().type));
  const Extent shape = reader.shape_at(box.level);
  if (box.y.size() != shape.y || box.x.size() != shape.x)
    return illumination_error("--select: illumination is of whole planes: leave y and x out");
  return Opened{std::move(reader), box};
}

// One sum after the other.
struct Gathered {
  Volume<int64_t> sum;
  uint64_t planes = 0;
  GreyScale scale;
  std::string first;  // the file that says the size
  std::string image;  // and what people know it by
  Json select;
  ImageLayout layout;
};

// Rows of a plane, of whole chunks, that are read at once.
Result<std::vector<Box>> bands_of(const Box& plane) {
  constexpr uint64_t kChunkRows = 512;
  const uint64_t chunks = kSlabVoxels / 2 / (kChunkRows * plane.x.size());
  return formats::tile(plane, {1, std::max<uint64_t>(chunks, 1) * kChunkRows, plane.x.size()});
}

Result<void> gather(const std::string& path, Parallel parallel, Gathered& all) {
  TRY_ASSIGN(const Json about, attributes_of(path, kSumKey, "illumination-sum"));
  const auto planes = formats::get_unsigned(about, "planes");
  const Json* select = formats::find_member(about, "select");
  TRY_ASSIGN(const ImageReader reader, ImageReader::open(path, parallel.threads()));
  TRY_ASSIGN(const Box box, formats::whole_volume(reader.info()));
  if (!planes || *planes == 0 || select == nullptr || box.z.size() != 1)
    return illumination_error(path + " was not written by imgop illumination-sum");
  const Source source = source_from(about);
  const std::string& image = source.image;
  const Extent size = box.extent();
  if (all.first.empty()) {
    all.first = path;
    all.image = image;
    all.select = *select;
    all.scale = source.scale;
    all.sum = Volume<int64_t>(size);
    all.layout = layout_of_image(reader.info(), box);
  }
  if (size != all.sum.extent) return different_sizes(image, size, all.image, all.sum.extent);
  if (*select != all.select) {
    return illumination_error(
        fmt::format("{} is of {}, {} of {}: make one illumination function for each "
                    "channel",
                    image, select->dump(), all.image, all.select.dump()));
  }
  if (source.scale != all.scale) {
    return illumination_error(fmt::format(
        "{} and {} were added up with another --range: use the same for all", image, all.image));
  }
  TRY_ASSIGN(const std::vector<Box> bands, bands_of(box));
  for (const Box& band : bands) {
    TRY_ASSIGN(const LabelVolume part, reader.read_labels(band));
    int64_t* const to = &all.sum.at(0, band.y.begin, 0);
    for (size_t i = 0; i < part.voxels.size(); ++i) to[i] += part.voxels[i];
  }
  all.planes += *planes;
  return {};
}

// Images, and the images in folders, sorted by name.
Result<std::vector<std::string>> images_in(const std::vector<std::string>& paths) {
  std::vector<std::string> images;
  for (const std::string& path : paths) {
    std::error_code failure;
    if (std::filesystem::exists(path + "/.zattrs", failure)) {
      images.push_back(path);
      continue;
    }
    std::vector<std::string> found;
    for (const auto& entry : std::filesystem::directory_iterator(path, failure)) {
      const std::string name = entry.path().filename().string();
      if (!name.starts_with(".") && name.ends_with(".zarr")) found.push_back(entry.path().string());
    }
    if (failure) return Error(failure, fmt::format("{}: {}", path, failure.message()));
    if (found.empty())
      return illumination_error(path +
                                " has no sums of images: imgop illumination-sum writes them");
    std::sort(found.begin(), found.end());
    images.insert(images.end(), found.begin(), found.end());
  }
  return images;
}

// A number of the images in grey values, as illumination_function() takes it.
Result<int64_t> dark_in(const GreyScale& scale, double dark) {
  const double grey = (dark - scale.offset) / scale.step * (1 << kLightFractionBits);
  if (std::abs(grey) < static_cast<double>(int64_t{1} << 39)) return std::llround(grey);
  return illumination_error(
      fmt::format("--dark {} is too far away from the numbers of the images", dark));
}

// Whole numbers without a point, as earlier versions read them.
Json number_json(double number) {
  if (number >= 0 && number <= 65535 && number == std::floor(number))
    return static_cast<uint64_t>(number);
  return number;
}

}  // namespace

Result<uint64_t> write_illumination_sum(const SummedImages& summed, const std::string& out,
                                        Parallel parallel) {
  std::optional<ProjectedPlane> sum;
  Extent size;
  ImageLayout layout;
  uint64_t planes = 0;
  Json about;
  for (const std::string& path : summed.images) {
    TRY_ASSIGN(const Opened opened, open_whole_plane(path, summed, parallel));
    const auto& [reader, box] = opened;
    const Extent own{1, box.y.size(), box.x.size()};
    if (!sum) {
      size = own;
      sum.emplace(Projection::sum, size);
      layout = layout_of_image(reader.info(), box);
      about = {{"version", 1}, {"select", {{"level", box.level}, {"c", box.c}}}};
      add_source(about, reader.source());
    }
    if (own != size) return different_sizes(path, own, summed.images.front(), size);
    if (reader.source().scale != scale_from(about)) {
      return illumination_error(
          fmt::format("{} has {} pixels, and {} has others: images of one "
                      "sum have one type",
                      path, reader.info().type_name, summed.images.front()));
    }
    planes += box.z.size();
    if (planes > kMaxProjectedPlanes) {
      return illumination_error(
          fmt::format("more than {} planes are too many for one sum: write several, "
                      "which imgop illumination puts together",
                      kMaxProjectedPlanes));
    }
    TRY(for_each_slab(box, [&, &reader = reader](const Box& slab) -> Result<void> {
      TRY_ASSIGN(const GreyVolume volume, reader.read_grey(slab));
      sum->add(volume);
      return {};
    }));
  }
  about["planes"] = planes;
  layout.attributes[kSumKey] = about;
  layout.type = formats::PixelType::uint32;
  TRY(write_plane(layout, std::move(*sum).result(), out, parallel));
  return planes;
}

Result<void> write_illumination_sum(MemoryUse& memory, const SummedImages& summed) {
  TRY_ASSIGN(const Opened opened,
             open_whole_plane(summed.images.front(), summed, Parallel(memory.threads())));
  const auto& [reader, box] = opened;
  TRY_ASSIGN(const std::vector<Box> slabs, slabs_of(box));
  Box plane = box;
  plane.z = {0, 1};
  memory.keep_chunks(reader.info(), slabs);
  memory.allocate(label_bytes(plane));
  memory.read_grey(reader, slabs.front());
  memory.free(grey_bytes(slabs.front()));
  pack_plane(memory, plane, sizeof(uint32_t));
  return {};
}

Result<IlluminationResult> write_illumination(const std::vector<std::string>& sums,
                                              const IlluminationRule& rule, const std::string& out,
                                              Parallel parallel) {
  TRY_ASSIGN(const std::vector<std::string> images, images_in(sums));
  Gathered all;
  for (const std::string& path : images) TRY(gather(path, parallel, all));
  TRY_ASSIGN(const int64_t dark, dark_in(all.scale, rule.dark));
  TRY_ASSIGN(const GreyVolume function,
             illumination_function(std::move(all.sum), all.planes, dark, rule.radius, parallel));
  all.layout.type = formats::PixelType::uint16;
  all.layout.attributes[kFunctionKey] = {{"version", 1},
                                         {"one", kIlluminationOne},
                                         {"planes", all.planes},
                                         {"radius", rule.radius},
                                         {"dark", number_json(rule.dark)}};
  TRY(write_plane(all.layout, function, out, parallel));
  const auto [least, most] = std::minmax_element(function.voxels.begin(), function.voxels.end());
  return IlluminationResult{all.planes, static_cast<double>(*least) / kIlluminationOne,
                            static_cast<double>(*most) / kIlluminationOne};
}

Result<void> write_illumination(MemoryUse& memory, const std::vector<std::string>& sums) {
  TRY_ASSIGN(const std::vector<std::string> images, images_in(sums));
  TRY_ASSIGN(const ImageReader reader, ImageReader::open(images.front()));
  TRY_ASSIGN(const Box box, formats::whole_volume(reader.info()));
  TRY_ASSIGN(const std::vector<Box> bands, bands_of(box));
  const uint64_t sum_bytes = box.voxels() * sizeof(int64_t);
  memory.keep_chunks(reader.info(), bands);
  memory.allocate(sum_bytes);
  memory.allocate(label_bytes(bands.front()));
  memory.free(label_bytes(bands.front()));
  memory.allocate(grey_bytes(box));  // the function
  memory.free(sum_bytes);
  pack_plane(memory, box, sizeof(uint16_t));
  return {};
}

Result<Filter> illumination_correction(const std::string& path, const ImageReader& image,
                                       uint64_t level) {
  TRY_ASSIGN(const Json about, attributes_of(path, kFunctionKey, "illumination"));
  const auto dark = formats::get_number(about, "dark");
  TRY_ASSIGN(const ImageReader reader, ImageReader::open(path));
  TRY_ASSIGN(const Box box, formats::whole_volume(reader.info()));
  if (formats::get_unsigned(about, "one") != kIlluminationOne || !dark ||
      !(std::abs(*dark) <= kLargestDark) || box.z.size() != 1)
    return illumination_error(path + " was not written by this version of imgop illumination");
  const Extent shape = image.shape_at(level);
  if (box.y.size() != shape.y || box.x.size() != shape.x)
    return different_sizes(image.info().path, shape, path, box.extent());
  TRY_ASSIGN(GreyVolume plane, reader.read_grey(box));
  const auto function = std::make_shared<const GreyVolume>(std::move(plane));
  const auto light_of = [=](const Box& owned) {
    Box part = box;
    part.y = owned.y;
    part.x = owned.x;
    return crop(*function, box, part);
  };
  Filter filter;
  filter.halo = [](const Extent&) -> Result<Halo> { return Halo{}; };
  filter.use = [box](MemoryUse& memory, const std::vector<Box>& parts) {
    Box part = parts.front();
    part.z = box.z;
    memory.allocate(grey_bytes(box));
    memory.allocate(grey_bytes(part));
  };
  const formats::PixelType type = image.info().type;
  if (image.needs_scale() || number_json(*dark).is_number_float()) {
    filter.change_numbers = [=](std::span<std::byte> numbers, const Box& owned,
                                Parallel parallel) -> Result<void> {
      correct_illumination(type, numbers, light_of(owned), *dark, parallel);
      return {};
    };
    return filter;
  }
  filter.apply = [=](const GreyVolume& volume, const Box&, const Box& owned, const Extent&,
                     Parallel parallel) -> Result<GreyVolume> {
    return correct_illumination(volume, light_of(owned), static_cast<uint16_t>(*dark),
                                type == formats::PixelType::uint8 ? 255 : 65535, parallel);
  };
  return filter;
}

}  // namespace tierhub::imaging
