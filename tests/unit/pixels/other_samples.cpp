// MRC, PNG and JPEG.
#include <csetjmp>
#include <cstdio>

#include <jpeglib.h>
#include <png.h>

#include "tests/unit/pixels/samples.h"

namespace tierhub::test {
namespace {

using formats::PixelType;
using formats::Shape;

template <class T>
Sample mrc(const std::string& name, PixelType type, uint32_t mode, bool big_endian,
           uint32_t space_group = 1, size_t extended_bytes = 0) {
  Shape shape{1, 1, 4, 23, 31};
  if (space_group == 0) shape = {4, 1, 1, 23, 31};
  if (space_group == 401) shape = {2, 1, 2, 23, 31};
  std::string head(1024, '\0');
  const auto put = [&](size_t at, uint32_t value) {
    head.replace(at, 4, bytes_of_number(value, big_endian));
  };
  put(0, 31);
  put(4, 23);
  put(8, 4);
  put(12, mode);
  put(28, 31);
  put(32, 23);
  put(36, space_group == 401 ? 2 : 4);
  for (const size_t at : {40, 44, 48}) put(at, std::bit_cast<uint32_t>(93.0F));
  for (uint32_t axis = 1; axis <= 3; ++axis) put(60 + 4 * axis, axis);
  put(88, space_group);
  put(92, static_cast<uint32_t>(extended_bytes));
  head.replace(208, 4, "MAP ");
  head.replace(212, 2, big_endian ? "\x11\x11" : "DD");
  std::string bytes = head + std::string(extended_bytes, '\x55');
  for (uint64_t t = 0; t < shape.t; ++t)
    for (uint64_t z = 0; z < shape.z; ++z)
      for (uint64_t y = 0; y < shape.y; ++y)
        for (uint64_t x = 0; x < shape.x; ++x) {
          const T value = voxel_at<T>(t, 0, z, y, x);
          if (mode == 12) {
            bytes += bytes_of_number(to_half(static_cast<float>(value)), big_endian);
          } else {
            bytes += bytes_of_number(value, big_endian);
          }
        }
  return {"Mrc" + name, type, shape, {{"a.mrc", bytes}}, "a.mrc", {}};
}

Sample png(const std::string& name, int colour_type, int bits, uint64_t channels) {
  const Shape shape{1, channels, 1, 37, 29};
  std::string bytes;
  png_structp file = png_create_write_struct(PNG_LIBPNG_VER_STRING, nullptr, nullptr, nullptr);
  png_infop info = png_create_info_struct(file);
  png_set_write_fn(
      file, &bytes,
      [](png_structp to, png_bytep data, size_t size) {
        static_cast<std::string*>(png_get_io_ptr(to))->append(reinterpret_cast<char*>(data), size);
      },
      nullptr);
  png_set_IHDR(file, info, 29, 37, bits, colour_type, PNG_INTERLACE_ADAM7,
               PNG_COMPRESSION_TYPE_BASE, PNG_FILTER_TYPE_BASE);
  std::vector<png_color> colours(256);
  for (size_t i = 0; i < colours.size(); ++i)
    colours[i] = {static_cast<uint8_t>(i), static_cast<uint8_t>(255 - i), 7};
  const bool palette = colour_type == PNG_COLOR_TYPE_PALETTE;
  if (palette) png_set_PLTE(file, info, colours.data(), 256);
  png_write_info(file, info);
  std::vector<std::string> rows(shape.y);
  std::vector<png_bytep> pointers;
  for (uint64_t y = 0; y < shape.y; ++y) {
    for (uint64_t x = 0; x < shape.x; ++x)
      for (uint64_t c = 0; c < (palette ? 1 : channels); ++c) {
        if (bits == 16) {
          rows[y] += bytes_of_number(voxel_at<uint16_t>(0, c, 0, y, x), true);
        } else {
          rows[y] += bytes_of_number(voxel_at<uint8_t>(0, c, 0, y, x), true);
        }
      }
    pointers.push_back(reinterpret_cast<png_bytep>(rows[y].data()));
  }
  png_write_image(file, pointers.data());
  png_write_end(file, nullptr);
  png_destroy_write_struct(&file, &info);
  Sample sample{"Png" + name, bits == 16 ? PixelType::uint16 : PixelType::uint8,
                shape,        {{"a.png", bytes}},
                "a.png",      {}};
  if (palette) {
    sample.expected = [](uint64_t, uint64_t c, uint64_t, uint64_t y, uint64_t x) {
      const auto index = voxel_at<uint8_t>(0, 0, 0, y, x);
      return static_cast<double>(c == 0 ? index : c == 1 ? 255 - index : 7);
    };
  }
  return sample;
}

// JPEG loses nothing of what is the same everywhere.
Sample jpeg(const std::string& name, int channels) {
  const Shape shape{1, static_cast<uint64_t>(channels), 1, 37, 29};
  jpeg_compress_struct file{};
  jpeg_error_mgr errors{};
  file.err = jpeg_std_error(&errors);
  jpeg_create_compress(&file);
  unsigned char* memory = nullptr;
  unsigned long size = 0;
  jpeg_mem_dest(&file, &memory, &size);
  file.image_width = 29;
  file.image_height = 37;
  file.input_components = channels;
  file.in_color_space = channels == 3 ? JCS_RGB : JCS_GRAYSCALE;
  jpeg_set_defaults(&file);
  jpeg_start_compress(&file, TRUE);
  std::vector<unsigned char> row(29u * static_cast<unsigned>(channels), 100);
  JSAMPROW rows = row.data();
  for (int y = 0; y < 37; ++y) jpeg_write_scanlines(&file, &rows, 1);
  jpeg_finish_compress(&file);
  jpeg_destroy_compress(&file);
  Sample sample{"Jpeg" + name, PixelType::uint8,
                shape,         {{"a.jpg", std::string(reinterpret_cast<char*>(memory), size)}},
                "a.jpg",       {}};
  std::free(memory);
  sample.expected = [](uint64_t, uint64_t, uint64_t, uint64_t, uint64_t) { return 100.0; };
  return sample;
}

}  // namespace

std::vector<Sample> other_samples() {
  return {mrc<int8_t>("Int8", PixelType::int8, 0, false),
          mrc<int16_t>("Int16", PixelType::int16, 1, false),
          mrc<float>("Float32", PixelType::float32, 2, false),
          mrc<uint16_t>("Uint16", PixelType::uint16, 6, false),
          mrc<float>("Half", PixelType::float32, 12, false),
          mrc<int16_t>("BigEndian", PixelType::int16, 1, true),
          mrc<float>("HalfBigEndian", PixelType::float32, 12, true),
          mrc<float>("Stack", PixelType::float32, 2, false, 0),
          mrc<float>("StackOfVolumes", PixelType::float32, 2, false, 401),
          mrc<int16_t>("ExtendedHeader", PixelType::int16, 1, false, 1, 3000),
          png("Grey", PNG_COLOR_TYPE_GRAY, 8, 1),
          png("Grey16", PNG_COLOR_TYPE_GRAY, 16, 1),
          png("Colours", PNG_COLOR_TYPE_RGB, 8, 3),
          png("Colours16", PNG_COLOR_TYPE_RGB, 16, 3),
          png("Opacity", PNG_COLOR_TYPE_RGB_ALPHA, 8, 4),
          png("Palette", PNG_COLOR_TYPE_PALETTE, 8, 3),
          jpeg("Grey", 1),
          jpeg("Colours", 3)};
}

}  // namespace tierhub::test
