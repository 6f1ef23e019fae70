#include "imaging/voxels/smooth.h"

#include <cmath>

#include <fmt/format.h>
#include <itkDiscreteGaussianImageFilter.h>
#include <itkGaussianOperator.h>
#include <itkImage.h>

namespace tierhub::imaging {
namespace {

using GreyImage = itk::Image<uint16_t, 3>;
using RealImage = itk::Image<double, 3>;
using Gaussian = itk::DiscreteGaussianImageFilter<GreyImage, RealImage>;

constexpr double kMaximumError = 0.001;
constexpr int kNoWidthLimit = 1 << 20;

uint64_t kernel_radius(double sigma) {
  itk::GaussianOperator<double, 1> kernel;
  kernel.SetDirection(0);
  kernel.SetVariance(sigma * sigma);
  kernel.SetMaximumError(kMaximumError);
  kernel.SetMaximumKernelWidth(kNoWidthLimit);
  kernel.CreateDirectional();
  return kernel.GetRadius(0);
}

GreyImage::RegionType region_of(const Box& box) {
  GreyImage::RegionType region;
  const auto set = [&region](unsigned axis, const formats::AxisRange& range) {
    region.SetIndex(axis, static_cast<itk::IndexValueType>(range.begin));
    region.SetSize(axis, range.size());
  };
  set(0, box.x);
  set(1, box.y);
  set(2, box.z);
  return region;
}

// Lends the voxels to ITK without a copy.
GreyImage::Pointer wrap(const GreyVolume& volume, const Box& box) {
  auto image = GreyImage::New();
  image->SetRegions(region_of(box));
  constexpr bool kItkOwnsThem = false;
  image->GetPixelContainer()->SetImportPointer(const_cast<uint16_t*>(volume.voxels.data()),
                                               volume.voxels.size(), kItkOwnsThem);
  return image;
}

GreyVolume rounded(const RealImage& image, const Extent& extent) {
  GreyVolume volume(extent);
  const double* from = image.GetBufferPointer();
  for (uint16_t& voxel : volume.voxels) voxel = static_cast<uint16_t>(*from++ + 0.5);
  return volume;
}

}  // namespace

Result<Halo> minimum_halo(double sigma, const Extent& shape) {
  if (!(sigma >= 0 && sigma <= kMaxSigma)) {
    return Error(std::errc::invalid_argument,
                 fmt::format("sigma must be between 0 and {} voxels", kMaxSigma));
  }
  const uint64_t radius = sigma == 0 ? 0 : kernel_radius(sigma);
  return Halo{shape.z > 1 ? radius : 0, shape.y > 1 ? radius : 0, shape.x > 1 ? radius : 0};
}

Result<GreyVolume> smooth(const GreyVolume& volume, const Box& grown, const Box& owned,
                          double sigma, const Extent& shape) {
  if (sigma == 0) return crop(volume, grown, owned);
  // A kernel of variance 0 is exactly the identity.
  Gaussian::ArrayType variance;
  variance[0] = shape.x > 1 ? sigma * sigma : 0;
  variance[1] = shape.y > 1 ? sigma * sigma : 0;
  variance[2] = shape.z > 1 ? sigma * sigma : 0;
  try {
    auto filter = Gaussian::New();
    filter->SetInput(wrap(volume, grown));
    filter->SetUseImageSpacing(false);
    filter->SetVariance(variance);
    filter->SetMaximumError(kMaximumError);
    filter->SetMaximumKernelWidth(kNoWidthLimit);
    filter->UpdateOutputInformation();
    filter->GetOutput()->SetRequestedRegion(region_of(owned));
    filter->Update();
    return rounded(*filter->GetOutput(), owned.extent());
  } catch (const itk::ExceptionObject& failure) {
    return Error(std::errc::io_error,
                 fmt::format("smoothing failed: {}", failure.GetDescription()));
  }
}

}  // namespace tierhub::imaging
