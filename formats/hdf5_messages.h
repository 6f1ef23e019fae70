// What an Hdf5File asks the process that reads its file.
#pragma once

#include "formats/hdf5_layout.h"
#include "formats/isolated_process.h"
#include "formats/messages.h"

namespace tierhub::formats {

// The arguments of each are those of the function of Hdf5Parser.
enum class Hdf5Question : uint8_t { open, exists, names_in, arrays, text, numbers, layout, chunks };

// Answers with an Hdf5Parser.
MakeAnswerer hdf5_answerer(const std::string& path, uint64_t size_bytes);

void write_value(ByteWriter& out, const Hdf5Layout& layout);
void write_value(ByteWriter& out, const Hdf5Chunk& chunk);
// Also false if sizes and chunks are empty, differ in number, or are larger than images can be.
bool read_value(ByteReader& in, Hdf5Layout& layout);
bool read_value(ByteReader& in, Hdf5Chunk& chunk);

}  // namespace tierhub::formats
