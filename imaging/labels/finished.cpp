#include "imaging/labels/finished.h"

#include "imaging/labels/expansion.h"
#include "imaging/labels/label_source.h"
#include "imaging/labels/parts.h"

namespace tierhub::imaging {

Result<FinishedLabels> open_finished_labels(const std::string& path, const std::string& out,
                                            Parallel parallel) {
  TRY_ASSIGN(const LabelSource source, LabelSource::open(path, parallel.threads()));
  FinishedLabels finished;
  Box box = source.record().box;
  box.level = 0;
  TRY_ASSIGN(finished.parts, working_parts(source.info(), box));
  for (Box& part : finished.parts) part.level = source.record().box.level;
  if (is_label_folder(path)) {
    TRY_ASSIGN(std::vector<LabelBlock> blocks, open_label_blocks(path));
    TRY_ASSIGN(
        finished.whole.labels,
        MergedLabels::merge(std::move(blocks), formats::selection_of(source.record().box), {}));
    return finished;
  }
  ExpansionOptions as_they_are;
  as_they_are.parallel = parallel;
  TRY_ASSIGN(WholeLabels whole, expand_whole(source, std::nullopt, as_they_are, out));
  return FinishedLabels{std::move(whole), std::move(finished.parts)};
}

}  // namespace tierhub::imaging
