// Smoothing compared with ITK's.
#include <algorithm>
#include <cstdlib>

#include <gtest/gtest.h>
#include <itkDiscreteGaussianImageFilter.h>
#include <itkGaussianOperator.h>
#include <itkImage.h>

#include "imaging/voxels/smooth.h"
#include "tests/unit/imaging/voxel_samples.h"

namespace tierhub::imaging {
namespace {

constexpr double kMaximumError = 0.001;
constexpr unsigned kNoWidthLimit = 1 << 20;

std::vector<double> taps_of_itk(double sigma) {
  itk::GaussianOperator<double, 1> kernel;
  kernel.SetDirection(0);
  kernel.SetVariance(sigma * sigma);
  kernel.SetMaximumError(kMaximumError);
  kernel.SetMaximumKernelWidth(kNoWidthLimit);
  kernel.CreateDirectional();
  const size_t radius = kernel.GetRadius(0);
  std::vector<double> taps;
  for (size_t i = 0; i <= radius; ++i) taps.push_back(kernel[static_cast<unsigned>(radius + i)]);
  return taps;
}

// Above, ITK's Bessel functions lose digits.
TEST(GaussianTaps, AreThoseOfItkUpToSigma7) {
  for (double sigma = 0.01; sigma < 7; sigma += 0.013) {
    const std::vector<double> expected = taps_of_itk(sigma);
    const std::vector<float> taps = must(gaussian_taps(sigma));
    ASSERT_EQ(taps.size(), expected.size()) << sigma;
    for (size_t i = 0; i < taps.size(); ++i) EXPECT_NEAR(taps[i], expected[i], 1e-6) << sigma;
  }
}

GreyVolume smooth_by_itk(const GreyVolume& volume, const Sigma& sigma) {
  using GreyImage = itk::Image<uint16_t, 3>;
  using RealImage = itk::Image<double, 3>;
  auto image = GreyImage::New();
  image->SetRegions(GreyImage::SizeType{{volume.extent.x, volume.extent.y, volume.extent.z}});
  image->Allocate();
  std::copy(volume.voxels.begin(), volume.voxels.end(), image->GetBufferPointer());
  auto filter = itk::DiscreteGaussianImageFilter<GreyImage, RealImage>::New();
  itk::FixedArray<double, 3> variance;
  variance[0] = sigma.x * sigma.x;
  variance[1] = sigma.y * sigma.y;
  variance[2] = sigma.z * sigma.z;
  filter->SetInput(image);
  filter->SetUseImageSpacing(false);
  filter->SetVariance(variance);
  filter->SetMaximumError(kMaximumError);
  filter->SetMaximumKernelWidth(kNoWidthLimit);
  filter->Update();
  GreyVolume result(volume.extent);
  const double* from = filter->GetOutput()->GetBufferPointer();
  for (uint16_t& voxel : result.voxels) voxel = static_cast<uint16_t>(*from++ + 0.5);
  return result;
}

TEST(Smooth, EqualsItksFilterBetweenRoundings) {
  const Extent shape{21, 40, 70};
  const Box whole = whole_box(shape);
  GreyVolume volume(shape);
  std::mt19937_64 random(5);
  for (uint16_t& voxel : volume.voxels) voxel = static_cast<uint16_t>(random());
  for (const Sigma& sigma : {Sigma(0.6), Sigma(2), Sigma(1, 2.5, 7)}) {
    const GreyVolume expected = smooth_by_itk(volume, sigma);
    const GreyVolume smoothed = must(smooth(volume, whole, whole, sigma, shape));
    size_t different = 0;
    for (size_t i = 0; i < volume.voxels.size(); ++i) {
      const int difference = std::abs(smoothed.voxels[i] - expected.voxels[i]);
      ASSERT_LE(difference, 1);
      different += static_cast<size_t>(difference);
    }
    EXPECT_LT(different, volume.voxels.size() / 20);
  }
}

}  // namespace
}  // namespace tierhub::imaging
