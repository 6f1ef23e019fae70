#include "hub/images/routes.h"

#include <gtest/gtest.h>

namespace tierhub::hub {
namespace {

TEST(ImageRoutes, ServeImagesAndNothingElse) {
  EXPECT_TRUE(ImageRoutes::serves("/img/v/a.tif/0/0/0/0/0/0"));
  EXPECT_TRUE(ImageRoutes::serves("/zarr/v2/a.tif/.zattrs"));
  EXPECT_TRUE(ImageRoutes::serves("/api/dataset?path=/a.tif"));
  EXPECT_FALSE(ImageRoutes::serves("/api/datasetz"));
  EXPECT_FALSE(ImageRoutes::serves("/api/v1/ls?path=/img/"));
  EXPECT_FALSE(ImageRoutes::serves("/"));
}

TEST(ImageRoutes, RefuseARootThatIsNoFolder) {
  EXPECT_FALSE(ImageRoutes::open({.root = "/proc/self/status"}));
}

}  // namespace
}  // namespace tierhub::hub
