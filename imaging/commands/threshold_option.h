// Thresholds of options: a number, or a file that imgop threshold wrote.
#pragma once

#include <string>

#include "common/result.h"
#include "imaging/images/source.h"
#include "imaging/labels/histogram.h"

namespace tierhub::imaging {

// What is wrong with "1234" or "@threshold.json"; empty if nothing is.
std::string check_threshold(const std::string& text);

// A number is one of the image, of which `scale` makes grey values. A file must have been made for
// `sigma` and the same scale.
Result<Threshold> read_threshold(const std::string& text, const Sigma& sigma,
                                 const GreyScale& scale);

// The threshold of one channel or level means nothing in another one of the same image.
Result<void> check_threshold_fits(const Threshold& threshold, const Source& source, const Box& box);

}  // namespace tierhub::imaging
