#include "imaging/filters/illumination_file.h"

#include <algorithm>
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

struct Opened {
  ImageReader reader;
  Box box;
};

Result<Opened> open_whole_plane(const std::string& path, const std::string& select,
                                Parallel parallel) {
  TRY_ASSIGN(ImageReader reader, ImageReader::open(path, parallel.threads()));
  TRY_ASSIGN(const Box box, chosen_box(reader.info(), {path, select, {}, {}, {}}));
  TRY(check_grey(reader));
  const Extent shape = reader.shape_at(box.level);
  if (box.y.size() != shape.y || box.x.size() != shape.x)
    return illumination_error("--select: illumination is of whole planes: leave y and x out");
  return Opened{std::move(reader), box};
}

// One sum after the other.
struct Gathered {
  Volume<uint64_t> sum;
  uint64_t planes = 0;
  std::string first;  // the file that says the size
  std::string image;  // and what people know it by
  Json select;
  ImageLayout layout;
};

Result<void> gather(const std::string& path, Gathered& all) {
  TRY_ASSIGN(const Json about, attributes_of(path, kSumKey, "illumination-sum"));
  const auto planes = formats::get_unsigned(about, "planes");
  const Json* select = formats::find_member(about, "select");
  TRY_ASSIGN(const ImageReader reader, ImageReader::open(path));
  TRY_ASSIGN(const Box box, formats::whole_volume(reader.info()));
  if (!planes || *planes == 0 || select == nullptr || box.z.size() != 1)
    return illumination_error(path + " was not written by imgop illumination-sum");
  const std::string image = source_from(about).image;
  TRY_ASSIGN(const LabelVolume sum, reader.read_labels(box));
  if (all.first.empty()) {
    all.first = path;
    all.image = image;
    all.select = *select;
    all.sum = Volume<uint64_t>(sum.extent);
    all.layout = layout_of_image(reader.info(), box);
  }
  if (sum.extent != all.sum.extent)
    return different_sizes(image, sum.extent, all.image, all.sum.extent);
  if (*select != all.select) {
    return illumination_error(
        fmt::format("{} is of {}, {} of {}: make one illumination function for each "
                    "channel",
                    image, select->dump(), all.image, all.select.dump()));
  }
  for (size_t i = 0; i < sum.voxels.size(); ++i) all.sum.voxels[i] += sum.voxels[i];
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

}  // namespace

Result<uint64_t> write_illumination_sum(const std::vector<std::string>& images,
                                        const std::string& select, const std::string& out,
                                        Parallel parallel) {
  LabelVolume sum;
  ImageLayout layout;
  uint64_t planes = 0;
  Json about;
  for (const std::string& path : images) {
    TRY_ASSIGN(const Opened opened, open_whole_plane(path, select, parallel));
    const auto& [reader, box] = opened;
    const Extent size{1, box.y.size(), box.x.size()};
    if (planes == 0) {
      sum = LabelVolume(size);
      layout = layout_of_image(reader.info(), box);
      about = {{"version", 1}, {"select", {{"level", box.level}, {"c", box.c}}}};
      add_source(about, reader.source());
    }
    if (size != sum.extent) return different_sizes(path, size, images.front(), sum.extent);
    planes += box.z.size();
    if (planes > kMaxProjectedPlanes) {
      return illumination_error(
          fmt::format("more than {} planes are too many for one sum: write several, "
                      "which imgop illumination puts together",
                      kMaxProjectedPlanes));
    }
    TRY_ASSIGN(const LabelVolume own, project_along_z(reader, box, Projection::sum));
    for (size_t i = 0; i < own.voxels.size(); ++i) sum.voxels[i] += own.voxels[i];
  }
  about["planes"] = planes;
  layout.attributes[kSumKey] = about;
  layout.type = formats::PixelType::uint32;
  TRY(write_plane(layout, sum, out, parallel));
  return planes;
}

Result<IlluminationResult> write_illumination(const std::vector<std::string>& sums,
                                              const IlluminationRule& rule, const std::string& out,
                                              Parallel parallel) {
  TRY_ASSIGN(const std::vector<std::string> images, images_in(sums));
  Gathered all;
  for (const std::string& path : images) TRY(gather(path, all));
  TRY_ASSIGN(const GreyVolume function,
             illumination_function(all.sum, all.planes, rule.dark, rule.radius, parallel));
  all.layout.type = formats::PixelType::uint16;
  all.layout.attributes[kFunctionKey] = {{"version", 1},
                                         {"one", kIlluminationOne},
                                         {"planes", all.planes},
                                         {"radius", rule.radius},
                                         {"dark", rule.dark}};
  TRY(write_plane(all.layout, function, out, parallel));
  const auto [least, most] = std::minmax_element(function.voxels.begin(), function.voxels.end());
  return IlluminationResult{all.planes, static_cast<double>(*least) / kIlluminationOne,
                            static_cast<double>(*most) / kIlluminationOne};
}

Result<Filter> illumination_correction(const std::string& path, const std::string& image,
                                       const Extent& shape, uint16_t most) {
  TRY_ASSIGN(const Json about, attributes_of(path, kFunctionKey, "illumination"));
  const auto dark = formats::get_unsigned(about, "dark");
  TRY_ASSIGN(const ImageReader reader, ImageReader::open(path));
  TRY_ASSIGN(const Box box, formats::whole_volume(reader.info()));
  if (formats::get_unsigned(about, "one") != kIlluminationOne || !dark || *dark > 65535 ||
      box.z.size() != 1)
    return illumination_error(path + " was not written by this version of imgop illumination");
  if (box.y.size() != shape.y || box.x.size() != shape.x)
    return different_sizes(image, shape, path, box.extent());
  TRY_ASSIGN(GreyVolume plane, reader.read_grey(box));
  const auto function = std::make_shared<const GreyVolume>(std::move(plane));
  const auto subtracted = static_cast<uint16_t>(*dark);
  Filter filter;
  filter.halo = [](const Extent&) -> Result<Halo> { return Halo{}; };
  filter.apply = [=](const GreyVolume& volume, const Box&, const Box& owned, const Extent&,
                     Parallel parallel) -> Result<GreyVolume> {
    Box part = box;
    part.y = owned.y;
    part.x = owned.x;
    return correct_illumination(volume, crop(*function, box, part), subtracted, most, parallel);
  };
  filter.use = [box](MemoryUse& memory, const std::vector<Box>& parts) {
    Box part = parts.front();
    part.z = box.z;
    memory.allocate(grey_bytes(box));
    memory.allocate(grey_bytes(part));
  };
  return filter;
}

}  // namespace tierhub::imaging
