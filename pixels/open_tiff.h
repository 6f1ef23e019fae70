// An open TIFF file of libtiff, and what libtiff complains about.
#pragma once

#include <array>
#include <cstdarg>
#include <cstdio>
#include <memory>
#include <string>

#include <tiffio.h>

namespace tierhub::pixels {

struct CloseTiff {
  void operator()(TIFF* tiff) const { TIFFClose(tiff); }
};
using OpenTiff = std::unique_ptr<TIFF, CloseTiff>;

struct FreeTiffOptions {
  void operator()(TIFFOpenOptions* options) const { TIFFOpenOptionsFree(options); }
};
using TiffOptions = std::unique_ptr<TIFFOpenOptions, FreeTiffOptions>;

// Errors go to `complaint`, which must outlive the file; warnings go nowhere.
inline TiffOptions quiet_tiff_options(std::string& complaint) {
  TiffOptions options(TIFFOpenOptionsAlloc());
  TIFFOpenOptionsSetErrorHandlerExtR(
      options.get(),
      [](TIFF*, void* to, const char*, const char* format, va_list arguments) {
        std::array<char, 300> text{};
        std::vsnprintf(text.data(), text.size(), format, arguments);
        *static_cast<std::string*>(to) = text.data();
        return 1;
      },
      &complaint);
  TIFFOpenOptionsSetWarningHandlerExtR(
      options.get(), [](TIFF*, void*, const char*, const char*, va_list) { return 1; }, nullptr);
  return options;
}

}  // namespace tierhub::pixels
