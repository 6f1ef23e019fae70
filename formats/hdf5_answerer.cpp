// In the process: answers the questions of an Hdf5File.
#include <unistd.h>

#include "formats/hdf5_messages.h"
#include "formats/hdf5_parser.h"

namespace tierhub::formats {
namespace {

class Hdf5Answerer : public Answerer {
 public:
  explicit Hdf5Answerer(Hdf5Source source) : source_(std::move(source)) {}

  std::string answer(const std::string& question) override {
    ByteReader in(question);
    const auto kind = static_cast<Hdf5Question>(in.u8());
    if (kind == Hdf5Question::open) return open();
    if (kind == Hdf5Question::arrays) return to_bytes(parser_->arrays());
    const std::string path = in.text();
    switch (kind) {
      case Hdf5Question::exists:
        return to_bytes(Result<bool>(parser_->exists(path)));
      case Hdf5Question::names_in:
        return to_bytes(parser_->names_in(path));
      case Hdf5Question::text:
        return to_bytes(Result<std::optional<std::string>>(parser_->text(path, in.text())));
      case Hdf5Question::numbers:
        return to_bytes(Result<std::vector<double>>(parser_->numbers(path, in.text())));
      case Hdf5Question::layout:
        return to_bytes(parser_->layout(path));
      case Hdf5Question::chunks: {
        std::vector<std::vector<uint64_t>> firsts;
        read_value(in, firsts);
        return to_bytes(parser_->chunks(path, firsts));
      }
      default:
        ::_exit(1);
    }
  }

 private:
  std::string open() {
    auto opened = Hdf5Parser::open(source_);
    if (!opened) return to_bytes(Result<bool>(opened.error()));
    parser_ = *std::move(opened);
    return to_bytes(Result<bool>(true));
  }

  Hdf5Source source_;
  std::unique_ptr<Hdf5Parser> parser_;
};

}  // namespace

MakeAnswerer hdf5_answerer(const std::string& path, uint64_t size_bytes) {
  return [path, size_bytes](ReadFromParent read) -> std::unique_ptr<Answerer> {
    return std::make_unique<Hdf5Answerer>(Hdf5Source{path, size_bytes, std::move(read), false, {}});
  };
}

}  // namespace tierhub::formats
