#include "pixels/picture_decoder.h"

#include <csetjmp>
#include <cstdio>
#include <cstring>
#include <string>
#include <vector>

#include <fmt/format.h>
#include <png.h>

// Needs <cstdio> before it.
#include <jpeglib.h>

#include "pixels/damaged.h"

namespace tierhub::pixels {
namespace {

using formats::PictureCoding;
using formats::Shape;

// libpng and libjpeg leave through longjmp: nothing between it and setjmp has a destructor.
struct PngInput {
  std::span<const std::byte> packed;
  size_t at = 0;
  char complaint[200] = {};
};

void read_png(png_structp png, png_bytep to, size_t size) {
  auto* input = static_cast<PngInput*>(png_get_io_ptr(png));
  if (size > input->packed.size() - input->at) png_error(png, "it ends too early");
  std::memcpy(to, input->packed.data() + input->at, size);
  input->at += size;
}

void fail_png(png_structp png, png_const_charp text) {
  auto* input = static_cast<PngInput*>(png_get_error_ptr(png));
  std::snprintf(input->complaint, sizeof input->complaint, "%s", text);
  png_longjmp(png, 1);
}

void ignore_png(png_structp, png_const_charp) {}

// False if it failed; `rows` are where the rows of the picture go.
bool decode_png_rows(png_structp png, png_infop info, const Shape& stored, uint64_t row_bytes,
                     png_bytepp rows) {
  if (setjmp(png_jmpbuf(png)) != 0) return false;
  png_read_info(png, info);
  png_set_expand(png);
  png_set_swap(png);
  png_set_interlace_handling(png);
  png_read_update_info(png, info);
  if (png_get_image_height(png, info) != stored.y || png_get_rowbytes(png, info) != row_bytes)
    png_error(png, "its size is another one than before");
  png_read_image(png, rows);
  png_read_end(png, nullptr);
  return true;
}

Result<void> decode_png(const PictureCoding& coding, const Shape& stored,
                        std::span<const std::byte> packed, std::span<std::byte> voxels) {
  PngInput input{packed};
  png_structp png = png_create_read_struct(PNG_LIBPNG_VER_STRING, &input, fail_png, ignore_png);
  if (png == nullptr) return damaged("libpng cannot start");
  png_infop info = png_create_info_struct(png);
  png_set_read_fn(png, &input, read_png);
  const uint64_t row_bytes = stored.x * coding.channels * formats::bytes_of(coding.type);
  std::vector<png_bytep> rows(stored.y);
  for (uint64_t y = 0; y < stored.y; ++y)
    rows[y] = reinterpret_cast<png_bytep>(voxels.data() + y * row_bytes);
  const bool good = decode_png_rows(png, info, stored, row_bytes, rows.data());
  png_destroy_read_struct(&png, &info, nullptr);
  return good ? Result<void>() : damaged(input.complaint);
}

struct JpegFailure {
  jpeg_error_mgr manager;
  std::jmp_buf target;
  char complaint[JMSG_LENGTH_MAX] = {};
};

void fail_jpeg(j_common_ptr jpeg) {
  auto* failure = reinterpret_cast<JpegFailure*>(jpeg->err);
  (*jpeg->err->format_message)(jpeg, failure->complaint);
  std::longjmp(failure->target, 1);
}

// A file that ends too early decodes to grey with a warning.
void warn_jpeg(j_common_ptr jpeg, int level) {
  if (level < 0) fail_jpeg(jpeg);
}

bool decode_jpeg_rows(jpeg_decompress_struct& jpeg, JpegFailure& failure, const Shape& stored,
                      std::span<const std::byte> packed, std::byte* to) {
  if (setjmp(failure.target) != 0) return false;
  jpeg_create_decompress(&jpeg);
  jpeg_mem_src(&jpeg, reinterpret_cast<const unsigned char*>(packed.data()), packed.size());
  jpeg_read_header(&jpeg, TRUE);
  jpeg.out_color_space = stored.c == 3 ? JCS_RGB : JCS_GRAYSCALE;
  jpeg_start_decompress(&jpeg);
  if (jpeg.output_width != stored.x || jpeg.output_height != stored.y ||
      static_cast<uint64_t>(jpeg.output_components) != stored.c) {
    std::snprintf(failure.complaint, sizeof failure.complaint,
                  "its size is another one than before");
    return false;
  }
  while (jpeg.output_scanline < jpeg.output_height) {
    auto* row = reinterpret_cast<JSAMPROW>(to + jpeg.output_scanline * stored.x * stored.c);
    jpeg_read_scanlines(&jpeg, &row, 1);
  }
  jpeg_finish_decompress(&jpeg);
  return true;
}

Result<void> decode_jpeg(const Shape& stored, std::span<const std::byte> packed,
                         std::span<std::byte> voxels) {
  jpeg_decompress_struct jpeg{};
  JpegFailure failure{};
  jpeg.err = jpeg_std_error(&failure.manager);
  failure.manager.error_exit = fail_jpeg;
  failure.manager.emit_message = warn_jpeg;
  const bool good = decode_jpeg_rows(jpeg, failure, stored, packed, voxels.data());
  jpeg_destroy_decompress(&jpeg);
  return good ? Result<void>() : damaged(failure.complaint);
}

}  // namespace

Result<void> decode_picture(const PictureCoding& coding, const Shape& stored,
                            std::span<const std::byte> packed, std::span<std::byte> voxels) {
  switch (coding.kind) {
    case PictureCoding::Kind::png:
      return decode_png(coding, stored, packed, voxels);
    case PictureCoding::Kind::jpeg:
      return decode_jpeg(stored, packed, voxels);
  }
  return {};
}

}  // namespace tierhub::pixels
